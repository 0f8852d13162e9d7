//! Sending: what has gathered goes out as one pipeline, behind it the heartbeat when it is due. Nobody waits for it.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

use redis::Pipeline;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior};

use super::super::Signal;
use super::channels::NUMBERED;
use super::status::BEAT;
use super::wire::{Beat, Envelope};
use super::{ALL, Shared};

/// How many signals one pipeline takes.
const BATCH: usize = 256;

/// What goes out.
#[derive(Debug)]
pub(super) enum Outgoing {
    /// A signal on a channel.
    Signal(usize, Signal),
    /// The last heartbeat; answered when it is out.
    Leave(oneshot::Sender<()>),
}

/// Runs until the bus is dropped.
pub(super) async fn run(shared: Weak<Shared>, node: u64, mut waiting: mpsc::Receiver<Outgoing>) {
    let mut sender = Sender { node, numbers: vec![0; NUMBERED], beats: 0 };
    let mut beat = tokio::time::interval(BEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        let is_beat = tokio::select! {
            _ = beat.tick() => true,
            taken = waiting.recv_many(&mut batch, BATCH) => {
                if taken == 0 {
                    return;
                }
                false
            }
        };
        let Some(shared) = shared.upgrade() else { return };
        if let Some(sent) = sender.send(&shared, &mut batch, is_beat).await {
            // Nobody who waits for it is no reason to stay.
            sent.send(()).ok();
            return;
        }
    }
}

struct Sender {
    node: u64,
    /// The last number given on each channel.
    numbers: Vec<u64>,
    beats: u64,
}

impl Sender {
    /// Sends what has gathered; answers with whom to tell that the goodbye is out, if that was among it.
    async fn send(
        &mut self,
        shared: &Arc<Shared>,
        batch: &mut Vec<Outgoing>,
        is_beat: bool,
    ) -> Option<oneshot::Sender<()>> {
        let mut out = Out::new(shared.redis.address().is_cluster());
        let mut leaving = None;
        let mut signals = 0;
        for outgoing in batch.drain(..) {
            let (channel, signal) = match outgoing {
                Outgoing::Signal(channel, signal) => (channel, signal),
                Outgoing::Leave(sent) => {
                    leaving = Some(sent);
                    continue;
                }
            };
            let number = self.next(shared, channel);
            let name = shared.channels.name(channel);
            match shared.seal.close(name, &Envelope { node: self.node, number, signal }) {
                Some(bytes) if shared.redis.answers() => {
                    out.publish(name, &bytes);
                    signals += 1;
                }
                // Redis is away: the number is used up, so whoever hears the next one knows.
                _ => metrics::counter!("consilium_bus_lost_total", "at" => "send").increment(1),
            }
        }
        if is_beat || leaving.is_some() {
            self.beat(shared, leaving.is_some(), &mut out);
        }
        match shared.redis.send(&out.into_pipelines()).await {
            Ok(()) => metrics::counter!("consilium_bus_published_total").increment(signals),
            Err(error) => {
                metrics::counter!("consilium_bus_lost_total", "at" => "send").increment(signals);
                tracing::debug!(%error, signals, "bus: not sent");
            }
        }
        leaving
    }

    fn next(&mut self, shared: &Shared, channel: usize) -> u64 {
        let lost = shared.lost.get(channel).map_or(0, |lost| lost.swap(0, Ordering::Relaxed));
        let Some(number) = self.numbers.get_mut(channel) else { return 0 };
        *number += 1 + lost;
        *number
    }

    fn beat(&mut self, shared: &Shared, leaving: bool, out: &mut Out) {
        for (number, lost) in self.numbers.iter_mut().zip(&shared.lost) {
            *number += lost.swap(0, Ordering::Relaxed);
        }
        self.beats += 1;
        let beat = Beat {
            node: self.node,
            count: self.beats,
            numbers: self.numbers.clone(),
            presence_written: shared.presence_written.load(Ordering::Relaxed),
            leaving,
        };
        if let Some(bytes) = shared.seal.close(&shared.channels.beats, &beat) {
            shared.status.beat_sent(beat.count, Instant::now());
            out.publish(&shared.channels.beats, &bytes);
        }
    }
}

/// Pipelines under construction: one, or one for each channel where these belong to servers of their own.
struct Out {
    sharded: bool,
    pipelines: HashMap<String, Pipeline>,
}

impl Out {
    fn new(sharded: bool) -> Self {
        Self { sharded, pipelines: HashMap::new() }
    }

    fn publish(&mut self, channel: &str, bytes: &[u8]) {
        metrics::counter!("consilium_bus_published_bytes_total").increment(bytes.len() as u64);
        let (key, command) = if self.sharded { (channel, "SPUBLISH") } else { ("", "PUBLISH") };
        let pipeline = self.pipelines.entry(key.to_owned()).or_default();
        pipeline.cmd(command).arg(channel).arg(bytes).ignore();
    }

    fn into_pipelines(self) -> Vec<Pipeline> {
        self.pipelines.into_values().collect()
    }
}

const _: () = assert!(ALL < NUMBERED, "the channel of all nodes is numbered too");
