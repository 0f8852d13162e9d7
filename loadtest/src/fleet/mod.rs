//! The processes of a run: nodes, Redis, Postgres; started, watched, broken and stopped by this program.

pub(crate) mod args;
mod asking;
mod measure;
mod node;
mod place;
mod postgres;
mod process;
mod programs;
mod redis;
mod resp;

use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::future::join_all;
use serde::Serialize;
use tokio::time::{Instant, sleep};

pub(crate) use args::{FleetArgs, WithRedis};
pub(crate) use measure::Used;
pub(crate) use node::Node;
pub(crate) use postgres::Postgres;
pub(crate) use process::{Paused, send};
pub(crate) use redis::Redis;

use crate::args::Server;
use crate::http::{Call, Http, Target};
use place::Place;
use process::Launcher;

/// The longest a start may take, the first one with its migrations included.
const START: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(20);

/// A node, for the report.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct NodeReport {
    pub(crate) target: String,
    /// How often this program started it.
    pub(crate) starts: u32,
}

/// All processes of a run. Dropping it ends those that this program started.
#[derive(Debug)]
pub(crate) struct Fleet {
    pub(crate) nodes: Vec<Node>,
    pub(crate) redis: Option<Redis>,
    pub(crate) postgres: Option<Postgres>,
    /// Asks for readiness, beside the load's own connections.
    watch: Http,
    /// Dropped last: the processes write into it.
    place: Option<Place>,
}

impl Fleet {
    /// Starts what is to be started and waits until all that was started is ready.
    pub(crate) async fn begin(args: &FleetArgs, server: &Server, redis: bool) -> Result<Self, String> {
        let Some(count) = args.fleet else {
            let mut fleet = Box::pin(Self::given(args, server)).await?;
            if !args.node_cmd.is_empty() {
                fleet.await_ready(START).await?;
            }
            return Ok(fleet);
        };
        let program = programs::server(args.server_bin.as_deref())?;
        let mut place = Place::new(args.dir.as_deref(), args.keep)?;
        let started = Box::pin(Self::private(&program, &place, usize::from(count), redis)).await;
        match started {
            Ok(mut fleet) => {
                fleet.place = Some(place);
                Ok(fleet)
            }
            Err(why) => {
                place.keep();
                Err(format!("{why}; the logs are in {}", place.path().display()))
            }
        }
    }

    async fn private(server: &Path, place: &Place, count: usize, with_redis: bool) -> Result<Self, String> {
        let launcher = Launcher::new()?;
        let ports = place::ports(count + 1)?;
        let postgres = Postgres::private(place, &launcher, 60 + 40 * count).await?;
        let (redis, redis_port) = match ports.first().filter(|_| with_redis) {
            Some(port) => (Some(Redis::private(place, &launcher, *port).await?), Some(*port)),
            None => (None, None),
        };
        let database = postgres.url().unwrap_or_default();
        let mut nodes = Vec::new();
        for (number, port) in ports.into_iter().skip(1).enumerate() {
            let launch = node::launch(server, place, number, port, &database, redis_port);
            let mut node = Node::started(number, &node::target(port), launch, &launcher).await?;
            // The first one makes the tables and the demo data; the others find them.
            if number == 0 {
                let watch = probe(vec![node.target.clone()]);
                recovered(&watch, std::slice::from_mut(&mut node), START, Wanted { ready: true, again: false }).await?;
            }
            nodes.push(node);
        }
        let watch = probe(nodes.iter().map(|node| node.target.clone()).collect());
        let mut fleet = Self { nodes, redis, postgres: Some(postgres), watch, place: None };
        fleet.await_ready(START).await?;
        Ok(fleet)
    }

    async fn given(args: &FleetArgs, server: &Server) -> Result<Self, String> {
        let launcher = Launcher::new()?;
        let log = |name: &str| PathBuf::from(format!("loadtest-{name}.log"));
        let postgres = match &args.postgres_cmd {
            Some(command) => Some(Postgres::given(command, &launcher, &log("postgres")).await?),
            None => None,
        };
        let redis = match &args.redis_url {
            Some(url) => {
                let command = args.redis_cmd.as_deref();
                Some(Redis::given(url, args.redis_pid, command, &launcher, &log("redis")).await?)
            }
            None => None,
        };
        let mut nodes = Vec::new();
        for (number, target) in server.targets.iter().enumerate() {
            nodes.push(match (args.node_cmd.get(number), args.node_pid.get(number)) {
                (Some(command), _) => {
                    let name = format!("node {number}");
                    let launch = process::Launch::of_words(&name, command, log(&format!("node-{number}")))?;
                    Node::started(number, target, launch, &launcher).await?
                }
                (None, pid) => Node::given(number, target, pid.copied()),
            });
        }
        Ok(Self { nodes, redis, postgres, watch: probe(server.targets.clone()), place: None })
    }

    pub(crate) fn targets(&self) -> Vec<Target> {
        self.nodes.iter().map(|node| node.target.clone()).collect()
    }

    pub(crate) fn report(&self) -> Vec<NodeReport> {
        let report = |node: &Node| NodeReport { target: node.target.authority.clone(), starts: node.starts };
        self.nodes.iter().map(report).collect()
    }

    /// Something was wrong: the logs stay. Says where.
    pub(crate) fn keep(&mut self) -> Option<PathBuf> {
        let place = self.place.as_mut()?;
        place.keep();
        Some(place.path().to_owned())
    }

    /// What the nodes wrote down that no fault excuses.
    pub(crate) fn panics(&self) -> Vec<String> {
        self.nodes.iter().filter_map(Node::panic).collect()
    }

    /// Waits until every node is ready at once.
    pub(crate) async fn await_ready(&mut self, limit: Duration) -> Result<(), String> {
        recovered(&self.watch, &mut self.nodes, limit, Wanted { ready: true, again: false }).await
    }

    /// Its parts, to be broken side by side.
    pub(crate) fn parts(&mut self) -> Parts<'_> {
        Parts { nodes: &mut self.nodes, redis: &mut self.redis, postgres: &mut self.postgres, watch: &self.watch }
    }

    /// Ends the nodes as an operator does, which has to work.
    pub(crate) async fn stop(mut self) -> Result<(), String> {
        let draining = self.nodes.iter_mut().filter(|node| node.is_ours()).map(Node::drain);
        let failed: Vec<String> = join_all(draining).await.into_iter().filter_map(Result::err).collect();
        if failed.is_empty() {
            return Ok(());
        }
        self.keep();
        Err(failed.join("; "))
    }
}

/// What faults get hold of.
#[derive(Debug)]
pub(crate) struct Parts<'a> {
    pub(crate) nodes: &'a mut Vec<Node>,
    pub(crate) redis: &'a mut Option<Redis>,
    pub(crate) postgres: &'a mut Option<Postgres>,
    pub(crate) watch: &'a Http,
}

fn probe(targets: Vec<Target>) -> Http {
    Http::new(targets, 2).with_patience(Duration::from_secs(3))
}

/// What counts as recovered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    /// `/ready` says `ready`; otherwise it is enough that it answers 200.
    pub(crate) ready: bool,
    /// A node that ended by itself is started again; otherwise that is a failure.
    pub(crate) again: bool,
}

/// Waits until every node is back at once.
pub(crate) async fn recovered(watch: &Http, nodes: &mut [Node], limit: Duration, wanted: Wanted) -> Result<(), String> {
    let until = Instant::now() + limit;
    loop {
        let mut missing = None;
        for (at, node) in nodes.iter_mut().enumerate() {
            if let Some(why) = node.ended() {
                if !wanted.again || Instant::now() > until {
                    return Err(why);
                }
                node.start_again(Duration::from_millis(200)).await?;
            }
            if let Err(why) = ready(watch, at, wanted.ready).await {
                missing.get_or_insert_with(|| format!("{}: {why}", node.name()));
            }
        }
        match missing {
            None => return Ok(()),
            Some(why) if Instant::now() > until => {
                return Err(format!("not all back within {} s: {why}", limit.as_secs()));
            }
            Some(_) => sleep(POLL).await,
        }
    }
}

/// Whether `/ready` says `ready`, or merely that it still serves (running.md).
async fn ready(watch: &Http, at: usize, wholly: bool) -> Result<(), String> {
    let answer = watch.call(at, &Call::get("/ready", None)).await.map_err(|trouble| trouble.to_string())?;
    let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    match body.get("status").and_then(serde_json::Value::as_str) {
        Some("ready") => Ok(()),
        Some(_) if !wholly && answer.status == 200 => Ok(()),
        status => {
            let checks = body.get("checks").map(ToString::to_string).unwrap_or_default();
            Err(format!("{} {} {checks}", answer.status, status.unwrap_or("without a status")))
        }
    }
}
