//! Taking what arrives: the connection's own task hands each frame to the lane of its channel and never waits; the
//! lanes open it, compare its number and hand the signal to the engine. A channel always has the same lane, so order stays.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

use redis::{PushInfo, PushKind, Value};
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use super::super::{Listener, SLOTS, Slots};
use super::Shared;
use super::channels::{ALL, NUMBERED};
use super::numbers::{Heard, Missed, Numbers};
use super::wire::{Beat, Envelope};
use crate::redis::link::Pushes;

/// How many lanes.
const LANES: usize = 4;
/// How many frames may wait in one.
const QUEUE: usize = 8192;

/// Something for a lane.
#[derive(Debug, Clone)]
enum Job {
    Signal(usize, Arc<[u8]>),
    Beat(Arc<[u8]>),
    /// These slots are going to be heard anew; with `true` the channel of all nodes too.
    Reset(Slots, bool),
    /// A node is gone.
    Forget(u64),
}

/// The doors of the lanes.
#[derive(Debug, Clone)]
pub(super) struct Lanes(Vec<mpsc::Sender<Job>>);

/// Starts the lanes; they end when their doors are dropped.
pub(super) fn start(shared: &Arc<Shared>, node: u64, listener: &Weak<dyn Listener>, background: &TaskTracker) -> Lanes {
    let doors = (0..LANES).map(|index| {
        let (door, jobs) = mpsc::channel(QUEUE);
        let lane = Lane {
            index,
            node,
            shared: Arc::downgrade(shared),
            listener: listener.clone(),
            numbers: Numbers::default(),
            deaf: HashMap::new(),
        };
        background.spawn(lane.run(jobs));
        door
    });
    Lanes(doors.collect())
}

impl Lanes {
    /// Where a connection's frames go; `broken` is told when it ends or a channel is taken away.
    pub(super) fn pushes(&self, shared: &Arc<Shared>, listener: &Weak<dyn Listener>, broken: &Arc<Notify>) -> Pushes {
        let (lanes, shared, listener) = (self.clone(), Arc::downgrade(shared), listener.clone());
        let broken = Arc::clone(broken);
        Pushes(Box::new(move |info| {
            let Some(shared) = shared.upgrade() else { return };
            match info.kind {
                PushKind::Message | PushKind::SMessage => lanes.take(&shared, &listener, info),
                PushKind::Disconnection => broken.notify_one(),
                // Unasked: the channel moved to another server of the cluster.
                PushKind::SUnsubscribe if is_heard(&shared, &info) => broken.notify_one(),
                _ => {}
            }
        }))
    }

    /// These slots are going to be heard anew.
    pub(super) async fn reset(&self, slots: Slots) {
        self.tell_all(Job::Reset(slots, false)).await;
    }

    /// Everything is.
    pub(super) async fn reset_all(&self) {
        self.tell_all(Job::Reset(Slots::ALL, true)).await;
    }

    /// A node is gone.
    pub(super) async fn forget(&self, node: u64) {
        self.tell_all(Job::Forget(node)).await;
    }

    async fn tell_all(&self, job: Job) {
        for lane in &self.0 {
            // A lane that is gone has nothing to reset.
            lane.send(job.clone()).await.ok();
        }
    }

    fn take(&self, shared: &Shared, listener: &Weak<dyn Listener>, info: PushInfo) {
        let mut data = info.data.into_iter();
        let (Some(Value::BulkString(name)), Some(Value::BulkString(bytes))) = (data.next(), data.next()) else {
            return;
        };
        metrics::counter!("consilium_bus_received_bytes_total").increment(bytes.len() as u64);
        let bytes: Arc<[u8]> = bytes.into();
        if name == shared.channels.beats.as_bytes() {
            for lane in &self.0 {
                // The next heartbeat says the same.
                lane.try_send(Job::Beat(Arc::clone(&bytes))).ok();
            }
            return;
        }
        let Some(channel) = std::str::from_utf8(&name).ok().and_then(|name| shared.channels.place(name)) else {
            return;
        };
        let lane = self.0.get(channel % LANES);
        if lane.is_none_or(|lane| lane.try_send(Job::Signal(channel, bytes)).is_err()) {
            metrics::counter!("consilium_bus_lost_total", "at" => "reader").increment(1);
            if let Some(listener) = listener.upgrade() {
                suspect(shared, &*listener, channel);
            }
        }
    }
}

fn is_heard(shared: &Shared, info: &PushInfo) -> bool {
    let Some(Value::BulkString(name)) = info.data.first() else { return false };
    let place = std::str::from_utf8(name).ok().and_then(|name| shared.channels.place(name));
    place.is_none_or(|channel| shared.hears(channel))
}

/// Something on this channel may be missing.
fn suspect(shared: &Shared, listener: &dyn Listener, channel: usize) {
    if channel == ALL {
        shared.doubt_all();
        listener.doubt_presence(None);
    } else if let Ok(slot) = u16::try_from(channel) {
        listener.suspect(Slots::one(slot));
    }
}

struct Lane {
    index: usize,
    node: u64,
    shared: Weak<Shared>,
    listener: Weak<dyn Listener>,
    numbers: Numbers,
    /// How often in a row own signals did not come back, by channel.
    deaf: HashMap<usize, u8>,
}

impl Lane {
    async fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        while let Some(job) = jobs.recv().await {
            let (Some(shared), Some(listener)) = (self.shared.upgrade(), self.listener.upgrade()) else { return };
            match job {
                Job::Signal(channel, bytes) => self.signal(&shared, &*listener, channel, &bytes),
                Job::Beat(bytes) => self.beat(&shared, &*listener, &bytes),
                Job::Reset(slots, all) => (0..NUMBERED)
                    .filter(|channel| match u16::try_from(*channel) {
                        Ok(slot) if slot < SLOTS => slots.contains(slot),
                        _ => all,
                    })
                    .for_each(|channel| self.numbers.reset(channel)),
                Job::Forget(node) => self.numbers.forget(node),
            }
        }
    }

    fn signal(&mut self, shared: &Shared, listener: &dyn Listener, channel: usize, bytes: &[u8]) {
        let Some(envelope) = shared.seal.open::<Envelope>(shared.channels.name(channel), bytes) else {
            refuse();
            return;
        };
        let heard = self.numbers.hear(envelope.node, channel, envelope.number);
        if heard == Heard::Again {
            return;
        }
        if envelope.node == self.node {
            self.deaf.remove(&channel);
        } else {
            metrics::counter!("consilium_bus_received_total").increment(1);
            listener.hear(envelope.node, &envelope.signal);
        }
        if heard == Heard::Hole {
            found_hole(shared, listener, channel);
        }
    }

    /// A signal that could not be sent does not come back either; where none comes back the channel is not heard.
    fn miss_own(&mut self, shared: &Shared, channel: usize) {
        let misses = self.deaf.entry(channel).or_insert(0);
        *misses += 1;
        if *misses >= 2 {
            self.deaf.clear();
            shared.deaf.notify_one();
        }
    }

    fn beat(&mut self, shared: &Shared, listener: &dyn Listener, bytes: &[u8]) {
        let Some(beat) = shared.seal.open::<Beat>(&shared.channels.beats, bytes) else {
            refuse();
            return;
        };
        if self.index == 0 {
            note_beat(shared, listener, &beat, self.node);
        }
        if beat.leaving {
            self.numbers.forget(beat.node);
            return;
        }
        let index = self.index;
        let said = beat.numbers.iter().copied().enumerate();
        let said = said.filter(|(channel, _)| channel % LANES == index && shared.hears(*channel));
        for (channel, missed) in self.numbers.beat(beat.node, said) {
            match missed {
                Missed::Perhaps => suspect(shared, listener, channel),
                // What this node sent itself did not come back on this channel: it is not heard, whatever the others say.
                Missed::Surely if beat.node == self.node => self.miss_own(shared, channel),
                Missed::Surely => found_hole(shared, listener, channel),
            }
        }
    }
}

fn note_beat(shared: &Shared, listener: &dyn Listener, beat: &Beat, own: u64) {
    if beat.node == own {
        shared.status.beat_back(beat.count, Instant::now());
        return;
    }
    if beat.leaving {
        shared.doubted.remove(&beat.node);
        if shared.peers.remove(&beat.node).is_some() {
            listener.node_gone(beat.node);
        }
    } else {
        if shared.peers.insert(beat.node, Instant::now()).is_none() {
            shared.doubted.insert(beat.node);
        }
        if beat.presence_written && shared.doubted.remove(&beat.node).is_some() {
            listener.doubt_presence(Some(beat.node));
        }
    }
    metrics::gauge!("consilium_bus_peers").set(shared.peers.len() as f64);
}

fn found_hole(shared: &Shared, listener: &dyn Listener, channel: usize) {
    metrics::counter!("consilium_bus_holes_total").increment(1);
    shared.status.heal("signals of another node were lost and are being looked for", Instant::now());
    suspect(shared, listener, channel);
}

fn refuse() {
    metrics::counter!("consilium_bus_lost_total", "at" => "seal").increment(1);
    tracing::debug!("bus: something without our seal was published on our channels");
}

/// Kept beside the other orderings of this module: a slot is heard from the moment its bit is set.
pub(super) fn set_heard(shared: &Shared, slots: Slots) {
    shared.heard.store(slots.0, Ordering::Relaxed);
}
