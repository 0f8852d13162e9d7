//! A whole fleet is cut and comes back at once (realtime.md §2): everybody resumes, nobody misses or repeats anything.

use futures_util::future::join_all;
use serde_json::json;

use super::kit::{accept, request, seq_of, text};
use super::node::Node;
use crate::support::app::TestApp;
use crate::support::client::Client;

/// Devices of one patient; the limit is 16.
const DEVICES: usize = 15;
const PATIENTS: usize = 8;
/// Patients of a storm that is large enough for its queries to be counted.
const FLEET: usize = 60;
/// In so small a fleet the first asks of a storm, which go at once, weigh more than among thousands, and an unoptimised
/// server is slow enough for many queries; not shared at all they would be 200.
const PER_100: f64 = 10.0;
/// A machine that is busy with other tests may make a storm too slow to be one.
const ROUNDS: usize = 8;
/// Written while everybody is away, and again while they come back.
const MISSED: i64 = 3;

/// One device comes back and reads its inbox to the end.
async fn come_back(client: &Client, cursor: String, end: i64) {
    let from = seq_of(&json!(cursor));
    let mut socket = client.socket(Some(&cursor)).await;
    let connected = socket.next().await;
    assert_eq!((&connected["type"], &connected["resumed"]), (&json!("connected"), &json!(true)), "{connected}");
    assert_eq!(connected["cursor"], cursor);
    assert!(connected["replay"].as_i64().unwrap() >= MISSED, "{connected}");
    let mut last = from;
    while last < end {
        let frame = socket.next_of("message.new").await;
        assert_eq!(seq_of(&frame["cursor"]), last + 1, "gapless, never twice");
        last += 1;
    }
}

#[tokio::test]
async fn everybody_resumes_without_a_gap() {
    let app = TestApp::start().await;
    let doctor = app.doctor().await;
    let (mut patients, mut sessions) = (Vec::new(), Vec::new());
    for _ in 0..PATIENTS {
        let patient = app.patient().await;
        let session = request(&patient, &doctor).await;
        accept(&doctor, &session).await;
        sessions.push(format!("connect/sessions/{session}/messages"));
        patients.push(patient);
    }
    let write = || async {
        for _ in 0..MISSED {
            join_all(sessions.iter().map(|path| async {
                doctor.post(path, text("while you were away")).await.expect(201);
            }))
            .await;
        }
    };
    let fleet = || patients.iter().flat_map(|patient| std::iter::repeat_n(patient, DEVICES));
    let open = join_all(fleet().map(|patient| async move {
        let mut socket = patient.socket(None).await;
        let cursor = socket.next_of("connected").await["cursor"].as_str().unwrap().to_owned();
        (patient, socket, cursor)
    }))
    .await;
    // Cut, without a goodbye.
    let away: Vec<(&Client, String)> = open.into_iter().map(|(patient, _, cursor)| (patient, cursor)).collect();
    write().await;
    let back = join_all(away.into_iter().map(|(patient, cursor)| {
        let end = seq_of(&json!(cursor)) + 2 * MISSED;
        come_back(patient, cursor, end)
    }));
    tokio::join!(back, write());
    app.app.engine.hub().check_invariants().unwrap();
}

/// How many queries a node has asked its database about credentials and inboxes.
async fn queries(node: &Node) -> u64 {
    let figures = node.nobody().get("/metrics").await.text;
    let count = |name: &str| -> u64 {
        let line = figures.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {name}")).parse().unwrap()
    };
    count("consilium_standing_queries_total") + count("consilium_inbox_queries_total")
}

/// What coming back costs the database: queries that hundreds share. `loadtest storm` shows it with thousands.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hundreds_of_resumes_share_a_query() {
    let node = Node::start("warn").await;
    let doctor = node.doctor("doctor1@demo.example").await;
    let mut fleet = Vec::new();
    for number in 0..FLEET {
        let (patient, _) = node.patient(&format!("+9177000002{number:02}")).await;
        patient.patch("users/me", json!({"full_name": "Fleet", "sex": "male", "age": 30})).await.expect(200);
        let session = request(&patient, &doctor).await;
        accept(&doctor, &session).await;
        let mut cursor = String::new();
        let open = join_all((0..DEVICES).map(|_| patient.socket(None)));
        for mut socket in open.await {
            cursor = socket.next_of("connected").await["cursor"].as_str().unwrap().to_owned();
        }
        // They are cut by now.
        for _ in 0..MISSED {
            let path = format!("connect/sessions/{session}/messages");
            doctor.post(&path, text("while you were away")).await.expect(201);
        }
        fleet.push((patient, cursor));
    }
    let mut costs = Vec::new();
    for _ in 0..ROUNDS {
        let before = queries(&node).await;
        let coming = fleet.iter().flat_map(|one| std::iter::repeat_n(one, DEVICES)).map(|(patient, cursor)| {
            let end = seq_of(&json!(cursor)) + MISSED;
            come_back(patient, cursor.clone(), end)
        });
        let resumes = join_all(coming).await.len();
        let cost = queries(&node).await - before;
        println!("{cost} queries for {resumes} resumes");
        costs.push(cost as f64 * 100.0 / resumes as f64);
        if costs.last().is_some_and(|cost| *cost <= PER_100) {
            return;
        }
    }
    panic!("queries for a hundred resumes: {costs:?}");
}
