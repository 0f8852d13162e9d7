//! The channels of a deployment. Their names end in a tag, so that each belongs to one server of a Redis Cluster.

use std::collections::HashMap;

use super::super::SLOTS;
use crate::redis::Redis;

/// The channel that every node hears, behind those of the slots.
pub(super) const ALL: usize = SLOTS as usize;

/// How many channels have running numbers.
pub(super) const NUMBERED: usize = ALL + 1;

/// Names by place and places by name.
#[derive(Debug)]
pub(super) struct Channels {
    names: Vec<String>,
    places: HashMap<String, usize>,
    /// The channel of heartbeats.
    pub(super) beats: String,
}

impl Channels {
    pub(super) fn new(redis: &Redis) -> Self {
        let name = |index: usize| {
            let tag = if index == ALL { "all".to_owned() } else { index.to_string() };
            redis.key("bus", &tag)
        };
        let names: Vec<String> = (0..NUMBERED).map(name).collect();
        let places = names.iter().enumerate().map(|(index, name)| (name.clone(), index)).collect();
        Self { names, places, beats: redis.key("bus", "beats") }
    }

    pub(super) fn name(&self, channel: usize) -> &str {
        self.names.get(channel).map_or("", String::as_str)
    }

    pub(super) fn place(&self, name: &str) -> Option<usize> {
        self.places.get(name).copied()
    }
}
