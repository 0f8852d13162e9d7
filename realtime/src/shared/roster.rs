//! Which doctors are connected to which node: under the node's lease, so that a node that dies takes its entry with it
//! (DESIGN §4). The bus tells of changes; the roster is read where the bus may have lost some.

use std::collections::HashSet;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use consilium_storage::ids::UserId;
use redis::Script;
use tokio::sync::Notify;

use crate::engine::WeakEngine;
use crate::presence::Sign;
use crate::redis::{Away, Redis};

/// How long the entry of a node that says nothing more is kept.
const LEASE: Duration = Duration::from_secs(10);
/// How often the lease is renewed.
const RENEW: Duration = Duration::from_secs(1);
/// Changes gather for so long.
const GATHER: Duration = Duration::from_millis(50);
/// How often the rosters of the other nodes are read unasked: well within a doctor's lease.
const COMPARE: Duration = Duration::from_secs(15);

static WRITE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("roster_write.lua")));
static READ: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("roster_read.lua")));

/// The rosters of all nodes; this node writes its own.
#[derive(Debug)]
pub(crate) struct Roster {
    redis: Redis,
    node: u64,
    /// What Redis holds of this node; nothing where it must be written whole.
    written: Mutex<Option<HashSet<UserId>>>,
    stale: Arc<Notify>,
}

impl Roster {
    pub(crate) fn new(redis: Redis, node: u64) -> Self {
        Self { redis, node, written: Mutex::default(), stale: Arc::default() }
    }

    /// Something was seen of a doctor: who is connected may have changed.
    pub(crate) fn is_stale(&self, sign: Sign) {
        if matches!(sign, Sign::Connected(_) | Sign::Disconnected(_)) {
            self.stale.notify_one();
        }
    }

    /// Renews the lease and writes who is connected now.
    async fn write(&self, connected: HashSet<UserId>) -> Result<(), Away> {
        let before = self.written.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(before) = before {
            let fresh: Vec<UserId> = connected.difference(&before).copied().collect();
            let gone: Vec<UserId> = before.difference(&connected).copied().collect();
            let held = if before.is_empty() { "nobody" } else { "some" };
            if self.send(held, &fresh, &gone).await? {
                self.remember(connected);
                return Ok(());
            }
        }
        let all: Vec<UserId> = connected.iter().copied().collect();
        self.send("whole", &all, &[]).await?;
        // What was told before this lease stood may be gone without a trace; whatever is forgotten from now on takes the
        // lease with it, and is noticed.
        self.redis.has_forgotten();
        self.remember(connected);
        Ok(())
    }

    fn remember(&self, connected: HashSet<UserId>) {
        *self.written.lock().unwrap_or_else(PoisonError::into_inner) = Some(connected);
    }

    async fn send(&self, held: &str, fresh: &[UserId], gone: &[UserId]) -> Result<bool, Away> {
        let mut args = vec![LEASE.as_millis().to_string(), held.to_owned(), fresh.len().to_string()];
        args.extend(fresh.iter().chain(gone).map(UserId::to_string));
        self.redis.run(&WRITE, &self.keys(self.node), &args).await
    }

    /// The doctors connected to a node; nothing where it holds no lease.
    pub(crate) async fn read(&self, node: u64) -> Result<Option<Vec<UserId>>, Away> {
        let found: Option<Vec<String>> = self.redis.run(&READ, &self.keys(node), &[]).await?;
        Ok(found.map(|doctors| doctors.iter().filter_map(|doctor| doctor.parse().ok()).collect()))
    }

    /// Takes this node's entry away: it ends in good order.
    pub(crate) async fn remove(&self) {
        for key in self.keys(self.node) {
            // Else the lease ends by itself.
            self.redis.ask::<()>(&redis::Cmd::del(key)).await.ok();
        }
    }

    fn keys(&self, node: u64) -> [String; 2] {
        let tag = format!("{node:016x}");
        [self.redis.key("node", &tag), self.redis.key("doctors", &tag)]
    }
}

/// Keeps this node's entry, and compares with the others'. Until it is written, other nodes do not read it.
pub(crate) async fn keep(engine: WeakEngine) {
    let mut compared = tokio::time::Instant::now();
    loop {
        let Some(engine) = engine.upgrade() else { return };
        let Some(roster) = engine.roster() else { return };
        let connected = engine.presence().connected_here().into_iter().collect();
        let written = roster.write(connected).await;
        engine.roster_written(written.is_ok());
        if written.is_ok() && compared.elapsed() > COMPARE && !engine.is_cut_off() {
            engine.read_rosters(engine.peers()).await;
            engine.compare_presence();
            compared = tokio::time::Instant::now();
        }
        let stale = Arc::clone(&roster.stale);
        // Nothing of the engine is held while waiting: it could never end.
        drop(engine);
        if tokio::time::timeout(RENEW, stale.notified()).await.is_ok() {
            tokio::time::sleep(GATHER).await;
        }
    }
}
