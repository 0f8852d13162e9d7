//! The connection that only listens: made again whenever it breaks, or when this node's own heartbeat stops coming back
//! while the socket still looks fine (DESIGN §2; others starved there until somebody restarted them).

use std::sync::{Arc, Weak};
use std::time::Duration;

use redis::{ErrorKind, RedisError};
use tokio::sync::Notify;
use tokio::time::{Instant, MissedTickBehavior, timeout};

use super::super::{Health, Listener, SLOTS, Slots};
use super::channels::ALL;
use super::lanes::{self, Lanes};
use super::{Shared, status::BEAT};
use crate::redis::link::Link;
use crate::redis::{BACKOFF, CONNECT, jittered};

/// How often the subscription is looked after.
const LOOK: Duration = Duration::from_millis(250);
/// A node without a heartbeat for so long is silent: its signals may be lost.
const SILENT: Duration = Duration::from_secs(2);
/// And for so long it is gone, with all its connections: the lease of DESIGN §4.
const LEASE: Duration = Duration::from_secs(10);

/// Runs until the bus is dropped.
pub(super) async fn run(shared: Weak<Shared>, lanes: Lanes, listener: Weak<dyn Listener>) {
    let mut pause = BACKOFF.0;
    loop {
        let Some(now) = shared.upgrade() else { return };
        let broken = Arc::new(Notify::new());
        let began = Instant::now();
        let opened = open(&now, &lanes, &listener, &broken).await;
        drop(now);
        if let Some(link) = opened {
            let why = serve(&shared, &lanes, &listener, &link, &broken).await;
            let Some(now) = shared.upgrade() else { return };
            lanes::set_heard(&now, Slots::default());
            now.status.lost(why, Instant::now());
            metrics::counter!("consilium_bus_reconnects_total").increment(1);
            tracing::warn!(why, "bus: the subscription is made anew");
        }
        metrics::gauge!("consilium_bus_up").set(0.0);
        pause = if began.elapsed() > Duration::from_secs(5) { BACKOFF.0 } else { (pause * 2).min(BACKOFF.1) };
        tokio::time::sleep(jittered(pause)).await;
    }
}

/// Connects and subscribes. What was published before cannot have been heard, so everything is suspect then.
async fn open(
    shared: &Arc<Shared>,
    lanes: &Lanes,
    listener: &Weak<dyn Listener>,
    broken: &Arc<Notify>,
) -> Option<Link> {
    let pushes = lanes.pushes(shared, listener, broken);
    let link = timeout(CONNECT, Link::connect(shared.redis.address(), Some(pushes))).await.ok()?;
    let link = link.inspect_err(|error| not_open(shared, error)).ok()?;
    lanes.reset_all().await;
    let slots = shared.wanted();
    let mut names = vec![shared.channels.beats.clone(), shared.channels.name(ALL).to_owned()];
    names.extend(names_of(shared, slots));
    let heard = timeout(CONNECT, link.clone().hear(&names)).await.ok()?;
    heard.inspect_err(|error| not_open(shared, error)).ok()?;
    lanes::set_heard(shared, slots);
    for mut peer in shared.peers.iter_mut() {
        // Nobody could be heard: the others' time begins anew.
        *peer.value_mut() = Instant::now();
    }
    shared.status.subscribed(Instant::now());
    shared.doubt_all();
    let listener = listener.upgrade()?;
    listener.suspect(Slots::ALL);
    listener.doubt_presence(None);
    Some(link)
}

/// Notes why there is no subscription, and says so once.
fn not_open(shared: &Shared, error: &RedisError) {
    let why = match error.code() {
        Some("NOAUTH" | "WRONGPASS") => "redis refuses the user or the password",
        Some("NOPERM") => "redis lets this user not hear the channels",
        _ if error.kind() == ErrorKind::AuthenticationFailed => "redis refuses the user or the password",
        _ => "redis cannot be reached",
    };
    if shared.status.unreachable(why) {
        tracing::warn!(why, code = error.code(), "bus: no subscription, trying on");
    }
}

/// Keeps the subscription as it should be until it breaks; answers why.
async fn serve(
    shared: &Weak<Shared>,
    lanes: &Lanes,
    listener: &Weak<dyn Listener>,
    link: &Link,
    broken: &Notify,
) -> &'static str {
    let mut look = tokio::time::interval(LOOK);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let Some(now) = shared.upgrade() else { return "the node ends" };
        tokio::select! {
            () = broken.notified() => return "the connection to redis broke",
            () = now.deaf.notified() => return "this node's own signals do not come back from redis",
            _ = look.tick() => {}
            () = now.wanted_changed.notified() => {}
        }
        if now.status.is_silent(Instant::now()) {
            return "this node's own signals do not come back from redis";
        }
        let Some(listener) = listener.upgrade() else { return "the node ends" };
        match timeout(CONNECT, adjust(&now, lanes, &*listener, link)).await {
            Ok(true) => {}
            Ok(false) => return "a channel of redis cannot be heard",
            Err(_) => return "redis does not answer",
        }
        look_at_peers(&now, lanes, &*listener).await;
        let up = !matches!(now.status.health(Instant::now()), Health::Down(_));
        metrics::gauge!("consilium_bus_up").set(f64::from(u8::from(up)));
    }
}

/// Hears what has users now. Events between a user's first read and the answer of Redis are found by the look at the
/// inboxes that follows (DESIGN §2: subscribe first, then read).
/// Answers whether all is heard.
async fn adjust(shared: &Shared, lanes: &Lanes, listener: &dyn Listener, link: &Link) -> bool {
    let heard = Slots(shared.heard.load(std::sync::atomic::Ordering::Relaxed));
    let wanted = shared.wanted();
    let (fresh, stale) = (Slots(wanted.0 & !heard.0), Slots(heard.0 & !wanted.0));
    if !stale.is_empty() {
        lanes::set_heard(shared, Slots(heard.0 & !stale.0));
        let names: Vec<String> = names_of(shared, stale).collect();
        // A channel that is still heard costs a little and harms nobody.
        link.clone().leave(&names).await.ok();
    }
    if !fresh.is_empty() {
        lanes.reset(fresh).await;
        let names: Vec<String> = names_of(shared, fresh).collect();
        if link.clone().hear(&names).await.is_err() {
            return false;
        }
        lanes::set_heard(shared, wanted);
        listener.suspect(fresh);
    }
    true
}

/// A node that is silent may have committed what it could not tell; one that stays silent is gone.
async fn look_at_peers(shared: &Shared, lanes: &Lanes, listener: &dyn Listener) {
    let silent: Vec<(u64, Duration)> = shared
        .peers
        .iter()
        .map(|peer| (*peer.key(), peer.value().elapsed()))
        .filter(|(_, silence)| *silence > SILENT)
        .collect();
    let gone: Vec<u64> = silent.iter().filter(|(_, silence)| *silence > LEASE).map(|(node, _)| *node).collect();
    for node in &gone {
        shared.peers.remove(node);
        shared.doubted.remove(node);
        lanes.forget(*node).await;
        listener.node_gone(*node);
        tracing::warn!(node = format!("{node:016x}"), "bus: a node is gone");
    }
    shared.status.peers(silent.len() > gone.len(), !gone.is_empty(), Instant::now());
    metrics::gauge!("consilium_bus_peers").set(shared.peers.len() as f64);
}

fn names_of(shared: &Shared, slots: Slots) -> impl Iterator<Item = String> {
    (0..SLOTS).filter(move |slot| slots.contains(*slot)).map(|slot| shared.channels.name(slot.into()).to_owned())
}

const _: () = assert!(SILENT.as_millis() > 3 * BEAT.as_millis(), "a node is not silent for one late heartbeat");
