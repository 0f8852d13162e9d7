//! The connections of each user over all nodes: a user holds 16 of them, wherever they are, and the oldest makes room
//! (realtime.md §7). Counting takes a moment and nobody waits for it; while Redis is away each node counts its own.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use consilium_storage::ids::UserId;
use futures_util::future::join_all;
use redis::Script;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::task::TaskTracker;

use crate::connection::Connection;
use crate::engine::WeakEngine;
use crate::hub::CONNECTIONS_PER_USER;
use crate::redis::{Away, Redis};

/// How many changes may wait to be counted.
const QUEUE: usize = 16_384;
/// How many are counted at once.
const BATCH: usize = 256;
/// How long an entry is kept without being renewed, and how often all are renewed.
const LIFE: (Duration, Duration) = (Duration::from_secs(900), Duration::from_secs(300));

static OPEN: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("connections_open.lua")));

/// Counts connections.
#[derive(Debug)]
pub(crate) struct Registry {
    redis: Redis,
    changes: mpsc::Sender<Change>,
}

#[derive(Debug)]
enum Change {
    Opened(Arc<Connection>),
    Closed(UserId, u64),
}

impl Registry {
    /// Starts counting; ends with the engine.
    pub(crate) fn start(redis: Redis, engine: WeakEngine, background: &TaskTracker) -> Self {
        let (changes, waiting) = mpsc::channel(QUEUE);
        background.spawn(run(redis.clone(), engine, waiting));
        Self { redis, changes }
    }

    pub(crate) fn opened(&self, connection: &Arc<Connection>) {
        self.send(Change::Opened(Arc::clone(connection)));
    }

    pub(crate) fn closed(&self, connection: &Connection) {
        self.send(Change::Closed(connection.credential().user, connection.id()));
    }

    fn send(&self, change: Change) {
        if self.changes.try_send(change).is_err() {
            fell_back();
        }
    }

    /// Whether the user holds a connection on one of these nodes.
    pub(crate) async fn is_connected(&self, user: UserId, nodes: &[u64]) -> Result<bool, Away> {
        let key = self.redis.key("connections", &user.to_string());
        let members: Vec<String> = self.redis.ask(&redis::Cmd::zrange(key, 0, -1)).await?;
        Ok(members.iter().filter_map(|member| Some(read(member)?.0)).any(|node| nodes.contains(&node)))
    }
}

fn fell_back() {
    metrics::counter!("consilium_shared_fallbacks_total", "what" => "connections").increment(1);
}

async fn run(redis: Redis, engine: WeakEngine, mut waiting: mpsc::Receiver<Change>) {
    let mut look = tokio::time::interval(Duration::from_secs(1));
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut renewed, mut memory) = (Instant::now(), redis.memory());
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        tokio::select! {
            taken = waiting.recv_many(&mut batch, BATCH) => if taken == 0 { return },
            _ = look.tick() => {}
        }
        let Some(engine) = engine.upgrade() else { return };
        if !redis.answers() {
            batch.clear();
            continue;
        }
        if memory != redis.memory() || renewed.elapsed() > LIFE.1 {
            // What Redis forgot, or was not told, is told again.
            (memory, renewed) = (redis.memory(), Instant::now());
            engine.hub().each(|connection| {
                if connection.is_open() {
                    batch.push(Change::Opened(Arc::clone(connection)));
                }
            });
        }
        for some in batch.chunks(BATCH) {
            count(&redis, &engine, some).await;
        }
        batch.clear();
    }
}

/// Openings first: a connection never closes before it opened.
async fn count(redis: &Redis, engine: &crate::Engine, changes: &[Change]) {
    let nodes = engine.live_nodes();
    let opened = changes.iter().filter_map(|change| match change {
        Change::Opened(connection) => Some(connection),
        Change::Closed(..) => None,
    });
    let answers = join_all(opened.map(|connection| open(redis, engine, connection, nodes.as_deref()))).await;
    for (user, answer) in answers {
        match answer {
            Ok(members) => members.iter().filter_map(|member| read(member)).for_each(|(node, connection)| {
                engine.displace(user, node, connection);
            }),
            Err(_) => fell_back(),
        }
    }
    let closed = changes.iter().filter_map(|change| match change {
        Change::Closed(user, connection) => Some((user, connection)),
        Change::Opened(_) => None,
    });
    join_all(closed.map(async |(user, connection)| {
        let key = redis.key("connections", &user.to_string());
        let member = name(engine.node_id(), *connection);
        if redis.ask::<()>(&redis::Cmd::zrem(key, member)).await.is_err() {
            fell_back();
        }
    }))
    .await;
}

/// Counts an opened connection; answers those that have to make room.
async fn open(
    redis: &Redis,
    engine: &crate::Engine,
    connection: &Connection,
    nodes: Option<&[u64]>,
) -> (UserId, Result<Vec<String>, Away>) {
    let (node, user) = (engine.node_id(), connection.credential().user);
    let held = engine.hub().of_user(user);
    let held: Vec<String> = held.iter().filter(|held| held.is_open()).map(|held| name(node, held.id())).collect();
    let key = redis.key("connections", &user.to_string());
    let mut args = vec![
        name(node, connection.id()),
        connection.opened_at().timestamp_millis().to_string(),
        LIFE.0.as_millis().to_string(),
        CONNECTIONS_PER_USER.to_string(),
        held.len().to_string(),
    ];
    args.extend(held);
    // Without certainty about who lives nobody's entries are taken away.
    args.extend(nodes.into_iter().flatten().map(|node| format!("{node:016x}")));
    (user, redis.run(&OPEN, &[key], &args).await)
}

fn name(node: u64, connection: u64) -> String {
    format!("{node:016x}/{connection}")
}

fn read(member: &str) -> Option<(u64, u64)> {
    let (node, connection) = member.split_once('/')?;
    Some((u64::from_str_radix(node, 16).ok()?, connection.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_name_node_and_connection() {
        assert_eq!(read(&name(255, 17)), Some((255, 17)));
        assert_eq!(name(255, 17), "00000000000000ff/17");
        assert_eq!(read("x/1"), None);
    }
}
