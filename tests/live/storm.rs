//! A whole fleet is cut and comes back at once (realtime.md §2): everybody resumes, nobody misses or repeats anything.

use futures_util::future::join_all;
use serde_json::json;

use super::kit::{accept, request, seq_of, text};
use crate::support::app::TestApp;
use crate::support::client::Client;

/// Devices of one patient; the limit is 16.
const DEVICES: usize = 15;
const PATIENTS: usize = 8;
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
