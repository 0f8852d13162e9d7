//! Nodes as processes of their own, killed, stopped and started again in the middle of a chat (realtime.md §1): nothing
//! acknowledged is lost, nothing comes twice, and order is kept, whichever node a client comes back to.

use std::time::Duration;

use chrono::TimeDelta;
use consilium_storage::embedded::{self, Cluster};
use consilium_storage::testing::Scratch;
use futures_util::future::join_all;
use serde_json::json;
use tokio::time::{sleep, timeout};

use super::kit::{readiness, until, within};
use crate::live::faults::Chat;
use crate::live::node::{Node, signal};
use crate::support::redis::RedisServer;
use crate::support::socket::Incoming;

/// Two nodes with a Postgres and a Redis of their own.
struct Fleet {
    one: Node,
    two: Node,
    redis: RedisServer,
    postgres: Cluster,
    _data: Scratch,
}

impl Fleet {
    async fn start(variables: &[(&'static str, &str)]) -> Self {
        let data = Scratch::new("fleet").unwrap();
        let postgres = embedded::start(&embedded::Options::new(data.path())).await.unwrap();
        let redis = RedisServer::start().await;
        let flags = ["--database-url", &postgres.url(), "--redis-url", &redis.url()].map(str::to_owned).to_vec();
        let variables: Vec<_> = variables.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        let one = Node::start_with("warn", flags.clone(), variables.clone()).await;
        let two = Node::start_with("warn", flags, variables).await;
        Self { one, two, redis, postgres, _data: data }
    }

    /// A chat between a patient at the first and a doctor at the second node.
    async fn chat(&self) -> Chat {
        let (patient, _) = self.one.patient("+919900000001").await;
        let doctor = self.two.doctor("doctor1@demo.example").await;
        Chat::between(patient, doctor, vec![self.one.nobody().url("/"), self.two.nobody().url("/")]).await
    }

    async fn all_ready(&self) {
        for node in [&self.one, &self.two] {
            let nobody = node.nobody();
            until("all nodes are ready", async || {
                crate::live::node::is_up(&nobody, "/ready").await && readiness(&nobody).await["status"] == "ready"
            })
            .await;
        }
    }
}

#[tokio::test]
async fn killed_nodes_lose_nothing() {
    let mut fleet = Fleet::start(&[]).await;
    let chat = fleet.chat().await;
    let timelines = chat
        .survive(async {
            chat.acknowledged(50).await;
            fleet.one.kill_and_restart().await;
            chat.acknowledged(120).await;
            fleet.two.kill_and_restart().await;
            chat.acknowledged(200).await;
            fleet.all_ready().await;
        })
        .await;
    chat.check(timelines).await;
}

#[tokio::test]
async fn whatever_breaks_in_turn_nothing_is_lost() {
    let mut fleet = Fleet::start(&[]).await;
    let chat = fleet.chat().await;
    let timelines = chat
        .survive(async {
            chat.acknowledged(40).await;
            fleet.redis.restart().await;
            chat.acknowledged(80).await;
            fleet.redis.cli(&["flushall"]).await;
            chat.acknowledged(120).await;
            signal("QUIT", fleet.postgres.pid().unwrap()).await;
            chat.acknowledged(160).await;
            fleet.two.signal("STOP").await;
            sleep(Duration::from_secs(3)).await;
            fleet.two.signal("CONT").await;
            chat.acknowledged(200).await;
            fleet.redis.pause().await;
            chat.acknowledged(240).await;
            fleet.redis.go_on().await;
            fleet.all_ready().await;
            chat.acknowledged(280).await;
        })
        .await;
    chat.check(timelines).await;
}

#[tokio::test]
async fn the_doctors_of_a_killed_node_are_gone_after_their_leases_and_not_before() {
    let mut fleet = Fleet::start(&[("CONSILIUM_PRESENCE_LEASE", "6")]).await;
    let doctor = fleet.two.doctor("doctor2@demo.example").await;
    let mut desk = doctor.socket(None).await;
    desk.next_of("connected").await;
    desk.command("presence.set", json!({"status": "online"})).await;
    let (patient, _) = fleet.one.patient("+919900000002").await;
    let path = format!("doctors/{}", doctor.id);
    let shows = async |status: &str| patient.get(&path).await.expect(200)["presence_status"] == status;
    until("ONLINE at the other node", async || shows("ONLINE").await).await;
    // Only the connection counts by then.
    sleep(Duration::from_secs(8)).await;
    assert!(shows("ONLINE").await);
    fleet.two.kill().await;
    let took = within(Duration::from_secs(90), "OFFLINE", async || shows("OFFLINE").await).await;
    assert!(took > Duration::from_secs(5), "within the leases: {took:?}");
}

#[tokio::test]
async fn four_thousand_connections_that_flap_announce_nobody_twice() {
    const DOCTORS: usize = 250;
    const EACH: usize = 16;
    // However long a busy machine takes over a round, nobody's lease runs out meanwhile.
    const LEASE: u32 = 3600;
    let redis = RedisServer::start().await;
    // Accounts are made by a node of this process; the one that is flapped at is a process of its own.
    let maker = crate::support::app::TestApp::start_with(|config| {
        redis.serve(config);
        config.ttl.presence_lease = TimeDelta::seconds(LEASE.into());
    })
    .await;
    let flags = ["--database-url", &maker.database_url(), "--redis-url", &redis.url()].map(str::to_owned).to_vec();
    let node = Node::start_with("warn", flags, vec![("CONSILIUM_PRESENCE_LEASE", LEASE.to_string())]).await;
    let doctors = join_all((0..DOCTORS).map(|_| maker.doctor())).await;
    let doctors: Vec<_> =
        doctors.into_iter().map(|doctor| doctor.at(node.nobody().url("/").trim_end_matches('/'))).collect();
    let patient = maker.patient().await;
    let mut eyes =
        [patient.socket(None).await, patient.at(node.nobody().url("/").trim_end_matches('/')).socket(None).await];
    let mut seen = std::collections::HashMap::new();
    for eye in &mut eyes {
        // A connection watches a hundred doctors at most: these stand for all.
        let ids: Vec<_> = doctors.iter().take(100).map(|doctor| doctor.id).collect();
        eye.command("presence.watch", json!({"doctor_ids": ids})).await;
    }
    for doctor in &doctors {
        doctor.patch("doctors/me/presence", json!({"presence_status": "online"})).await.expect(200);
    }
    for round in 0..2 {
        let mut sockets = Vec::new();
        for some in doctors.chunks(25) {
            let opened = some.iter().flat_map(|doctor| (0..EACH).map(|_| doctor.socket(None)));
            sockets.extend(join_all(opened).await);
        }
        assert_eq!(sockets.len(), DOCTORS * EACH, "round {round}");
        // Dropped without a word: cut.
        drop(sockets);
    }
    for (index, eye) in eyes.iter_mut().enumerate() {
        while let Ok(Incoming::Frame(frame)) = timeout(Duration::from_millis(800), eye.incoming()).await {
            if frame["type"] == "presence.changed" {
                *seen.entry((index, frame["data"]["doctor_id"].to_string())).or_insert(0) += 1;
            }
        }
    }
    assert!(seen.values().all(|changes| *changes == 1), "{seen:?}");
    assert!(seen.len() >= 100, "they were seen to come: {}", seen.len());
}
