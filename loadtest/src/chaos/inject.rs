//! Doing what is planned, and noting what came of it.

use std::sync::atomic::Ordering;
use std::time::Duration;

use serde::Serialize;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::kind::{Kind, Part};
use super::plan::Planned;
use crate::fleet::{self, Fleet, Node, Parts, Paused, Postgres, Redis, Wanted};
use crate::world::{Cut, World};

/// What follows from a fault may show for so long after its recovery.
const GRACE: Duration = Duration::from_secs(3);
/// Nearly all clients: some may just be cut on their own.
const BACK: f64 = 0.97;

/// A fault and what was observed.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Done {
    #[serde(flatten)]
    pub(crate) planned: Planned,
    /// Seconds from the begin of the load.
    pub(crate) began_s: f64,
    /// When nothing more was done: what stood still goes on, what was ended is started.
    pub(crate) over_s: f64,
    /// From its begin until all nodes said `ready`.
    pub(crate) ready_after_s: Option<f64>,
    /// Where it is hasty, all that is waited for: from its begin until all nodes answered `/ready` with 200.
    pub(crate) serving_after_s: Option<f64>,
    /// From its begin until the clients were connected again.
    pub(crate) back_after_s: Option<f64>,
    pub(crate) observed: String,
    /// What ought not to have happened.
    pub(crate) failed: Option<String>,
}

/// Who breaks things.
#[derive(Debug)]
pub(crate) struct Injector<'a> {
    pub(crate) world: &'a World,
    pub(crate) fleet: &'a mut Fleet,
    pub(crate) cuts: &'a watch::Sender<Cut>,
    pub(crate) seed: u64,
    /// How long nodes and clients may take to recover.
    pub(crate) recovery: Duration,
    /// All clients of the run.
    pub(crate) clients: i64,
    /// No fault begins after this.
    pub(crate) until: Option<Instant>,
}

impl Injector<'_> {
    /// Does one after the other, each after the recovery from the one before; stops at the first that goes wrong.
    pub(crate) async fn run(mut self, plan: Vec<Planned>) -> Vec<Done> {
        let mut done = Vec::new();
        let count = plan.len();
        for mut planned in plan {
            // After the last one everything has to be as it was.
            planned.hasty &= planned.number < count;
            let begin = Instant::now() + seconds(planned.after_s);
            if self.until.is_some_and(|until| begin > until) {
                break;
            }
            tokio::time::sleep_until(begin).await;
            let one = self.one(planned).await;
            println!("{}", line(&one, count));
            let failed = one.failed.is_some();
            done.push(one);
            if failed {
                break;
            }
        }
        done
    }

    async fn one(&mut self, planned: Planned) -> Done {
        let began = Instant::now();
        let began_s = self.world.began.elapsed().as_secs_f64();
        self.world.stats.trouble_begins(planned.kind.makes_refuse());
        let outcome = self.perform(&planned).await;
        let over_s = self.world.began.elapsed().as_secs_f64();
        let mut one = Done {
            planned,
            began_s,
            over_s,
            ready_after_s: None,
            serving_after_s: None,
            back_after_s: None,
            observed: String::new(),
            failed: None,
        };
        match outcome {
            Ok(observed) => {
                one.observed = observed;
                if let Err(why) = self.recover(began, &mut one).await {
                    one.failed = Some(why);
                }
            }
            Err(why) => one.failed = Some(why),
        }
        self.world.stats.trouble_ends(GRACE);
        one
    }

    /// The fault itself, and what happens meanwhile.
    async fn perform(&mut self, planned: &Planned) -> Result<String, String> {
        let (cuts, seed) = (self.cuts, self.seed);
        let Parts { nodes, redis, postgres, .. } = self.fleet.parts();
        let store = on_store(planned, redis, postgres);
        match (store, planned.meanwhile.as_deref()) {
            (Some(store), Some(other)) => {
                let meanwhile = async {
                    sleep(seconds(other.after_s)).await;
                    on_node_or_clients(other, nodes, cuts, seed).await
                };
                let (first, second) = tokio::join!(store, meanwhile);
                Ok(format!("{}; {}", first?, second?))
            }
            (Some(store), None) => store.await,
            (None, _) => on_node_or_clients(planned, nodes, cuts, seed).await,
        }
    }

    async fn recover(&mut self, began: Instant, one: &mut Done) -> Result<(), String> {
        let Parts { nodes, redis, postgres, watch } = self.fleet.parts();
        // Started while Postgres was away, a node gives up, and whoever looks after it starts it again.
        let wanted = Wanted { ready: !one.planned.hasty, again: one.planned.meanwhile.is_some() };
        fleet::recovered(watch, nodes, self.recovery, wanted).await?;
        let recovered = Some(began.elapsed().as_secs_f64());
        if wanted.ready {
            one.ready_after_s = recovered;
        } else {
            one.serving_after_s = recovered;
        }
        let ended = redis.as_mut().and_then(Redis::ended).or_else(|| postgres.as_mut()?.ended());
        if let Some(why) = ended {
            return Err(why);
        }
        if !wanted.ready {
            return Ok(());
        }
        let until = Instant::now() + self.recovery;
        let connected = || self.world.stats.connections.load(Ordering::Relaxed);
        while (connected() as f64) < self.clients as f64 * BACK {
            if Instant::now() > until {
                let (there, all) = (connected(), self.clients);
                return Err(format!("{there} of {all} clients are connected after {} s", self.recovery.as_secs()));
            }
            sleep(Duration::from_millis(20)).await;
        }
        one.back_after_s = Some(began.elapsed().as_secs_f64());
        Ok(())
    }
}

/// What is done to Redis or Postgres, if this fault does anything to them.
fn on_store<'a>(
    planned: &'a Planned,
    redis: &'a mut Option<Redis>,
    postgres: &'a mut Option<Postgres>,
) -> Option<impl Future<Output = Result<String, String>> + 'a> {
    if !matches!(planned.kind.part(), Part::Redis | Part::Postgres) {
        return None;
    }
    let pause = seconds(planned.pause_s.unwrap_or_default());
    Some(async move {
        if planned.kind == Kind::RestartPostgres {
            return postgres.as_mut().ok_or("no Postgres")?.restart(pause).await;
        }
        let redis = redis.as_mut().ok_or("no Redis")?;
        match planned.kind {
            Kind::RestartRedis => redis.restart(pause).await,
            Kind::FlushRedis => redis.flush().await,
            Kind::CutRedisClients => redis.cut_subscribers().await,
            _ => stand_still(redis.pid(), pause).await,
        }
    })
}

async fn on_node_or_clients(
    planned: &Planned,
    nodes: &mut [Node],
    cuts: &watch::Sender<Cut>,
    seed: u64,
) -> Result<String, String> {
    if let Some(share) = planned.share {
        cuts.send_replace(Cut { seed: seed.wrapping_add(planned.number as u64), share });
        // The clients need a moment to hear of it before anybody counts them.
        sleep(Duration::from_millis(200)).await;
        return Ok("cut".to_owned());
    }
    let node = planned.node.and_then(|at| nodes.get_mut(at)).ok_or("no such node")?;
    let pause = seconds(planned.pause_s.unwrap_or_default());
    match planned.kind {
        Kind::KillNode => node.kill(pause).await,
        Kind::DrainNode => {
            let observed = node.drain().await?;
            node.start_again(pause).await?;
            Ok(observed)
        }
        _ => stand_still(node.pid(), pause).await,
    }
}

/// Stops a process where it stands; whatever happens to us, it goes on.
async fn stand_still(pid: Option<i32>, pause: Duration) -> Result<String, String> {
    let pid = pid.ok_or("no process to stop")?;
    let paused = Paused::new(pid)?;
    sleep(pause).await;
    drop(paused);
    Ok(String::new())
}

fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

/// A fault on the terminal.
fn line(done: &Done, count: usize) -> String {
    let mut line = format!("{:>7.1} s  {}/{count} {}", done.began_s, done.planned.number, done.planned);
    if let (Some(ready), Some(back)) = (done.ready_after_s, done.back_after_s) {
        line.push_str(&format!(": ready after {ready:.2} s, clients back after {back:.2} s"));
    }
    if let Some(serving) = done.serving_after_s {
        line.push_str(&format!(": all serve after {serving:.2} s"));
    }
    for more in [Some(&done.observed), done.failed.as_ref()].into_iter().flatten().filter(|more| !more.is_empty()) {
        line.push_str(&format!(", {more}"));
    }
    if done.failed.is_some() {
        line.push_str("  FAILED");
    }
    line
}
