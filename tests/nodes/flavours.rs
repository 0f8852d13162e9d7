//! The kinds of Redis an operator may have: a cluster, one behind sentinels, one that speaks TLS and asks for a password.

use consilium_realtime::redis::Address;
use serde_json::json;

use super::kit::{Pair, tickets_are_shared, until};
use crate::live::kit::{accept, request, text};
use crate::support::app::TestApp;
use crate::support::ports::free_port;
use crate::support::redis::{RedisServer, cli};

/// Two nodes over this address.
async fn pair(url: &str, ca: Option<Vec<u8>>, redis: RedisServer) -> Pair {
    let address = Address::parse(url, ca).unwrap();
    let one = TestApp::start_with(|config| config.redis = Some(address)).await;
    let two = one.beside().await;
    let pair = Pair { one, two, redis };
    pair.ready().await;
    pair
}

/// A consultation over both nodes, and the things they share.
async fn works(pair: &Pair) {
    let (patient, doctor) = (pair.one.patient().await, pair.one.doctor().await);
    let session = request(&patient, &doctor).await;
    let doctor = pair.at_two(&doctor);
    accept(&doctor, &session).await;
    let mut screen = doctor.socket(None).await;
    screen.next_of("connected").await;
    let path = format!("connect/sessions/{session}/messages");
    for number in 0..5 {
        let sent = patient.post(&path, text(&format!("message {number}"))).await.expect(201);
        assert_eq!(screen.next_of("message.new").await["data"]["id"], sent["id"]);
    }
    tickets_are_shared(pair, &patient).await;
    // More users than one server of a cluster has channels for.
    for _ in 0..20 {
        let person = pair.one.patient().await;
        pair.at_two(&person).socket(None).await.next_of("connected").await;
    }
    until("the rosters are read", async || pair.one.app.engine.bus_trouble().is_none()).await;
}

#[tokio::test]
async fn a_cluster_of_three() {
    let mut servers = Vec::new();
    for _ in 0..3 {
        // The port of the cluster's own talk is by default 10000 above, which may be no port at all.
        let talk = free_port().to_string();
        servers.push(
            RedisServer::start_with(&[
                "--cluster-enabled",
                "yes",
                "--cluster-port",
                &talk,
                "--cluster-node-timeout",
                "1000",
            ])
            .await,
        );
    }
    let addresses: Vec<String> = servers.iter().map(|server| format!("127.0.0.1:{}", server.port)).collect();
    let mut make = vec!["--cluster", "create"];
    make.extend(addresses.iter().map(String::as_str));
    make.extend(["--cluster-replicas", "0", "--cluster-yes"]);
    let made = servers[0].cli(&make).await;
    assert!(made.contains("All 16384 slots covered"), "{made}");
    for server in &servers {
        until("the cluster is made", async || server.cli(&["cluster", "info"]).await.contains("cluster_state:ok"))
            .await;
    }
    let url = format!("redis+cluster://{}", addresses.join(","));
    let first = servers.remove(0);
    let pair = pair(&url, None, first).await;
    works(&pair).await;
    // Channels are sharded: a signal goes to the one server that has its slot.
    let mut sharded = 0;
    for server in servers.iter().chain([&pair.redis]) {
        assert_eq!(server.cli(&["pubsub", "numsub", "consilium:bus:{all}"]).await.lines().last(), Some("0"));
        sharded += server.cli(&["pubsub", "shardchannels"]).await.lines().filter(|line| !line.is_empty()).count();
    }
    assert!(sharded >= 3, "{sharded} sharded channels");
}

#[tokio::test]
async fn sentinels_name_the_new_master() {
    let mut master = RedisServer::start().await;
    let replica = RedisServer::start_with(&["--replicaof", "127.0.0.1", &master.port.to_string()]).await;
    let file = replica.dir().join("sentinel.conf");
    std::fs::write(&file, "").unwrap();
    let sentinel = RedisServer::start_sentinel(&file).await;
    for command in [
        vec!["sentinel", "monitor", "main", "127.0.0.1", &master.port.to_string(), "1"],
        vec!["sentinel", "set", "main", "down-after-milliseconds", "500"],
        vec!["sentinel", "set", "main", "failover-timeout", "2000"],
    ] {
        let answer = cli(sentinel.port, &command).await;
        assert_eq!(answer.trim(), "OK", "{command:?}");
    }
    until("the replica is known", async || {
        cli(sentinel.port, &["sentinel", "replicas", "main"]).await.contains(&replica.port.to_string())
    })
    .await;
    let url = format!("redis+sentinel://127.0.0.1:{}/main", sentinel.port);
    let pair = pair(&url, None, replica).await;
    works(&pair).await;
    master.kill().await;
    until("the replica is master", async || pair.redis.cli(&["role"]).await.starts_with("master")).await;
    until("the nodes found it", async || {
        pair.one.app.engine.bus_trouble().is_none() && pair.two.app.engine.bus_trouble().is_none()
    })
    .await;
    works(&pair).await;
}

#[tokio::test]
async fn tls_with_a_password_and_an_authority_of_ones_own() {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tls");
    let port = free_port().to_string();
    let (cert, key, ca) = (format!("{dir}/server.pem"), format!("{dir}/server.key"), format!("{dir}/ca.pem"));
    let tls = ["--tls-port", &port, "--tls-cert-file", &cert, "--tls-key-file", &key, "--tls-ca-cert-file", &ca];
    let mut arguments = tls.to_vec();
    arguments.extend(["--tls-auth-clients", "no", "--requirepass", "pass word"]);
    let redis = RedisServer::start_with(&arguments).await;
    let url = format!("rediss://:pass%20word@localhost:{port}");
    let ca = std::fs::read(ca).unwrap();
    works(&pair(&url, Some(ca), redis).await).await;
}

#[tokio::test]
async fn a_redis_that_does_not_take_us_is_degraded_not_fatal() {
    let redis = RedisServer::start_with(&["--requirepass", "other"]).await;
    let app = TestApp::start_with(|config| redis.serve(config)).await;
    let answer: serde_json::Value =
        app.nobody().request(axum::http::Method::GET, "/ready").send().await.unwrap().json().await.unwrap();
    assert_eq!((&answer["status"], &answer["checks"]["bus"]["status"]), (&json!("degraded"), &json!("degraded")));
    until("the reason is known", async || {
        app.app.engine.bus_trouble() == Some("redis refuses the user or the password")
    })
    .await;
    let patient = app.patient().await;
    patient.get("users/me").await.expect(200);
}
