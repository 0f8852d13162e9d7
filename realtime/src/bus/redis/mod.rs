//! The bus over Redis (DESIGN §2, §10): a channel for each slot of users, one that every node hears, and one of
//! heartbeats. Two connections a node: the `publisher` sends pipelines over the one that everything shares, the
//! `subscriber` only listens. What arrives goes through a few `lanes`, which compare running numbers
//! (`numbers`) and point the engine at the inboxes whenever something may be missing.

mod channels;
mod lanes;
mod numbers;
mod publisher;
mod status;
mod subscriber;
mod wire;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use dashmap::{DashMap, DashSet};
use futures_util::future::BoxFuture;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use self::channels::{ALL, Channels, NUMBERED};
use self::publisher::Outgoing;
use self::status::Status;
use self::wire::Seal;
use super::{Bus, Health, Listener, SLOTS, Signal, Slots};
use crate::redis::Redis;

/// How many signals may wait to be sent: above it they are lost, which the others find out.
const QUEUE: usize = 16_384;
/// How long a goodbye may take.
const GOODBYE: Duration = Duration::from_secs(1);
/// How long a slot without users is still heard: whoever reconnects finds it heard.
const LINGER: Duration = Duration::from_secs(30);

/// The bus of one node.
#[derive(Debug)]
pub struct RedisBus {
    shared: Arc<Shared>,
    waiting: Mutex<Option<mpsc::Receiver<Outgoing>>>,
    background: TaskTracker,
}

/// What the tasks of the bus share.
#[derive(Debug)]
struct Shared {
    redis: Redis,
    seal: Seal,
    channels: Channels,
    queue: mpsc::Sender<Outgoing>,
    /// Signals that found the queue full, by channel: they take their numbers with them.
    lost: Vec<AtomicU64>,
    status: Status,
    wanted: Mutex<Wanted>,
    wanted_changed: Notify,
    /// Own signals do not come back on some channel.
    deaf: Notify,
    /// The slots whose channels are heard right now.
    heard: AtomicU64,
    /// When each other node was heard last.
    peers: DashMap<u64, Instant>,
    /// Nodes whose connected doctors want to be read again, once they have written them.
    doubted: DashSet<u64>,
    presence_written: AtomicBool,
}

/// Which slots have users, and which had some lately.
#[derive(Debug, Default)]
struct Wanted {
    used: Slots,
    lingering: Vec<(u16, Instant)>,
}

impl Wanted {
    /// The slots to hear now.
    fn slots(&mut self) -> Slots {
        self.lingering.retain(|(_, since)| since.elapsed() < LINGER);
        self.lingering.iter().fold(self.used, |slots, (slot, _)| Slots(slots.0 | Slots::one(*slot).0))
    }
}

impl RedisBus {
    /// A bus that begins when a node is attached. `key` seals what travels; all nodes of a deployment have the same.
    ///
    /// Answers nothing where the key cannot seal.
    #[must_use]
    pub fn new(redis: Redis, key: &[u8], background: TaskTracker) -> Option<Self> {
        let (queue, waiting) = mpsc::channel(QUEUE);
        let shared = Arc::new(Shared {
            channels: Channels::new(&redis),
            seal: Seal::new(key)?,
            redis,
            queue,
            lost: (0..NUMBERED).map(|_| AtomicU64::new(0)).collect(),
            status: Status::default(),
            wanted: Mutex::default(),
            wanted_changed: Notify::new(),
            deaf: Notify::new(),
            heard: AtomicU64::new(0),
            peers: DashMap::new(),
            doubted: DashSet::new(),
            presence_written: AtomicBool::new(false),
        });
        Some(Self { shared, waiting: Mutex::new(Some(waiting)), background })
    }
}

impl Shared {
    fn lose(&self, channel: usize, at: &'static str) {
        if let Some(lost) = self.lost.get(channel) {
            lost.fetch_add(1, Ordering::Relaxed);
        }
        metrics::counter!("consilium_bus_lost_total", "at" => at).increment(1);
    }

    fn wanted(&self) -> Slots {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner).slots()
    }

    fn hears(&self, channel: usize) -> bool {
        channel == ALL
            || u16::try_from(channel).is_ok_and(|slot| Slots(self.heard.load(Ordering::Relaxed)).contains(slot))
    }

    /// Every node's connected doctors want to be read again.
    fn doubt_all(&self) {
        for peer in &self.peers {
            self.doubted.insert(*peer.key());
        }
    }
}

impl Bus for RedisBus {
    fn publish(&self, _from: u64, slot: Option<u16>, signal: Signal) {
        let channel = slot.map_or(ALL, usize::from);
        if self.shared.queue.try_send(Outgoing::Signal(channel, signal)).is_err() {
            self.shared.lose(channel, "queue");
        }
    }

    fn hear_slot(&self, _node: u64, slot: u16) {
        let mut wanted = self.shared.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        wanted.used = Slots(wanted.used.0 | Slots::one(slot).0);
        wanted.lingering.retain(|(other, _)| *other != slot);
        drop(wanted);
        self.shared.wanted_changed.notify_one();
    }

    fn leave_slot(&self, _node: u64, slot: u16) {
        let mut wanted = self.shared.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        wanted.used = Slots(wanted.used.0 & !Slots::one(slot).0);
        wanted.lingering.push((slot % SLOTS, Instant::now()));
    }

    fn attach(&self, node: u64, listener: Weak<dyn Listener>) {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(waiting) = waiting else {
            tracing::error!("a bus over redis serves one node: nobody else is attached");
            return;
        };
        let shared = Arc::downgrade(&self.shared);
        self.background.spawn(publisher::run(shared, node, waiting));
        let lanes = lanes::start(&self.shared, node, &listener, &self.background);
        self.background.spawn(subscriber::run(Arc::downgrade(&self.shared), lanes, listener));
    }

    fn health(&self) -> Health {
        self.shared.status.health(Instant::now())
    }

    fn is_settled(&self) -> bool {
        self.shared.doubted.is_empty() && self.shared.status.is_settled(Instant::now())
    }

    fn peers(&self) -> Vec<u64> {
        self.shared.peers.iter().map(|peer| *peer.key()).collect()
    }

    fn look_every(&self) -> Option<Duration> {
        self.shared.status.look_every(Instant::now())
    }

    fn presence_written(&self, written: bool) {
        self.shared.presence_written.store(written, Ordering::Relaxed);
    }

    fn leave(&self, _node: u64) -> BoxFuture<'_, ()> {
        Box::pin(async {
            let (sent, is_sent) = oneshot::channel();
            // Where that cannot be sent the others find out by the silence.
            if self.shared.queue.try_send(Outgoing::Leave(sent)).is_ok() {
                tokio::time::timeout(GOODBYE, is_sent).await.ok();
            }
        })
    }
}
