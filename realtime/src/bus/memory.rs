//! The bus of one process: nothing to do for one node, and real delivery between several engines in one test.

use std::collections::HashSet;
use std::sync::Weak;
use std::time::Duration;

use dashmap::DashMap;
use futures_util::future::BoxFuture;

use super::{Bus, Health, Listener, Signal};

/// Engines of one process.
#[derive(Default)]
pub struct MemoryBus(DashMap<u64, Node>);

struct Node {
    listener: Weak<dyn Listener>,
    slots: HashSet<u16>,
}

impl std::fmt::Debug for MemoryBus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MemoryBus({} nodes)", self.0.len())
    }
}

impl Bus for MemoryBus {
    fn publish(&self, from: u64, slot: Option<u16>, signal: Signal) {
        // Listeners are called without a map guard held: they may publish in turn.
        let listeners: Vec<_> = self
            .0
            .iter()
            .filter(|node| *node.key() != from && slot.is_none_or(|slot| node.slots.contains(&slot)))
            .filter_map(|node| node.listener.upgrade())
            .collect();
        for listener in listeners {
            listener.hear(from, &signal);
        }
    }

    fn hear_slot(&self, node: u64, slot: u16) {
        if let Some(mut node) = self.0.get_mut(&node) {
            node.slots.insert(slot);
        }
    }

    fn leave_slot(&self, node: u64, slot: u16) {
        if let Some(mut node) = self.0.get_mut(&node) {
            node.slots.remove(&slot);
        }
    }

    fn attach(&self, node: u64, listener: Weak<dyn Listener>) {
        self.0.insert(node, Node { listener, slots: HashSet::new() });
    }

    fn health(&self) -> Health {
        Health::Up
    }

    fn is_settled(&self) -> bool {
        true
    }

    fn peers(&self) -> Vec<u64> {
        self.0.iter().map(|node| *node.key()).collect()
    }

    fn look_every(&self) -> Option<Duration> {
        None
    }

    fn presence_written(&self, _written: bool) {}

    fn leave(&self, node: u64) -> BoxFuture<'_, ()> {
        self.0.remove(&node);
        let listeners: Vec<_> = self.0.iter().filter_map(|other| other.listener.upgrade()).collect();
        for listener in listeners {
            listener.node_gone(node);
        }
        Box::pin(std::future::ready(()))
    }
}
