//! The outbox and its workers: once whatever the number of nodes, dead letters that are seen and retried.

use std::process::Stdio;
use std::time::Duration;

use chrono::TimeDelta;
use consilium_storage::connect::devices;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::{dead, device, events, expect, meeting, rung, settled, wait_for_dead, waiting};
use crate::live::node::consilium;
use crate::support::fcm::{Fcm, Reply, error};
use crate::support::meeting::{Meeting, accept, of, request};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_send_each_push_once() {
    let m = meeting().await;
    let other = m.app.beside().await;
    let mut patients = Vec::new();
    for number in 0..12 {
        let patient = m.app.patient().await;
        device(&patient, &format!("phone-{number}")).await;
        patients.push(patient);
    }
    for (number, patient) in patients.iter().enumerate() {
        // Half of it happens on the other node.
        let (patient, doctor) = if number % 2 == 0 {
            (patient.clone(), m.doctor.clone())
        } else {
            (patient.at(&other.url), m.doctor.at(&other.url))
        };
        let session = request(&patient, &doctor).await;
        accept(&doctor, &session).await;
    }
    for number in 0..12 {
        expect(&m.app, &format!("phone-{number}"), &["session.accepted"]).await;
    }
    settled(&m.app).await;
    assert_eq!(rung(&m.app, "doctor-phone").await.len(), 12);
    assert_eq!(dead(&m.app).await.len(), 0);
}

/// A meeting whose pushes go to an FCM of the test.
async fn with_fcm() -> (Meeting, Fcm) {
    let fcm = Fcm::start().await;
    let (credentials, url) = (fcm.credentials(), fcm.url.clone());
    let m = Meeting::start_with(|config| {
        config.fcm_credentials = Some(credentials.into());
        config.fcm_url = url;
    })
    .await;
    (super::with_devices(m).await, fcm)
}

/// Moves the clock in small steps until something holds.
async fn until(m: &Meeting, what: &str, step: TimeDelta, holds: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !holds().await {
        assert!(Instant::now() < deadline, "not in time: {what}; waiting {:?}", waiting(&m.app).await);
        super::pass(&m.app, step).await;
        sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn what_fails_is_tried_again_and_goes_out_once() {
    let (m, fcm) = with_fcm().await;
    let trouble = || Reply::Error(503, error("UNAVAILABLE", "UNAVAILABLE"));
    fcm.answer("patient-phone", [trouble(), trouble(), Reply::Bare(500, vec![])]);
    m.ongoing().await;
    until(&m, "the fourth attempt", TimeDelta::seconds(1), async || fcm.messages("patient-phone").len() == 4).await;
    settled(&m.app).await;
    let sent = fcm.messages("patient-phone");
    let ids: Vec<_> = sent.iter().map(|message| &message["data"]["event_id"]).collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "one event, so that the app can tell repeats");
    assert_eq!(fcm.messages("doctor-phone").len(), 1, "the other device's job has nothing to do with it");
    assert_eq!(dead(&m.app).await.len(), 0);
}

#[tokio::test]
async fn what_is_refused_is_a_dead_letter_that_an_admin_retries() {
    let (m, fcm) = with_fcm().await;
    fcm.answer("patient-phone", [Reply::Error(403, error("PERMISSION_DENIED", "SENDER_ID_MISMATCH"))]);
    let session = m.ongoing().await;
    let letters = wait_for_dead(&m.app, 1).await;
    assert_eq!(letters[0].last_error.as_deref(), Some("refused: status 403 SENDER_ID_MISMATCH"));
    assert_eq!((letters[0].kind.as_str(), letters[0].attempts), ("push", 1));
    // The device is not the one to blame: it stays.
    let mut conn = m.app.app.conn().await.unwrap();
    assert!(devices::exists_active(&mut conn, m.patient.id).await.unwrap());
    drop(conn);

    let run = async |args: &[&str]| {
        let mut command = consilium();
        command.args(["--database-url", &m.app.database_url(), "outbox"]).args(args);
        let output = command.stdout(Stdio::piped()).stderr(Stdio::piped()).output().await.unwrap();
        assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, listed) = run(&["list"]).await;
    assert_eq!(code, Some(0));
    let line = listed.lines().find(|line| line.contains("SENDER_ID_MISMATCH")).unwrap();
    let id = line.split_whitespace().next().unwrap();
    assert_eq!(id, letters[0].id.to_string());
    assert!(line.contains("push") && line.contains("dead"), "{listed}");
    assert!(!listed.contains("patient-phone") && !listed.contains(&session), "no token, no ids: {listed}");
    let (code, said) = run(&["retry", "999999"]).await;
    assert_eq!((code, said.trim()), (Some(1), "nothing to retry"));
    let (code, said) = run(&["retry", id]).await;
    assert_eq!((code, said.trim()), (Some(0), "1 to be tried again"));
    settled(&m.app).await;
    assert_eq!((fcm.messages("patient-phone").len(), dead(&m.app).await.len()), (2, 0));

    fcm.answer("patient-phone", [Reply::Error(400, error("INVALID_ARGUMENT", "INVALID_ARGUMENT"))]);
    m.doctor.act(&of(&session, "end")).await.expect(200);
    wait_for_dead(&m.app, 1).await;
    assert!(run(&["list", "--waiting"]).await.1.lines().all(|line| !line.contains("dead")));
    assert_eq!(run(&["retry", "--all", "--kind", "push"]).await.1.trim(), "1 to be tried again");
    settled(&m.app).await;
    assert_eq!(fcm.messages("patient-phone").len(), 4);
}

#[tokio::test]
async fn what_nobody_takes_for_an_hour_is_a_dead_letter() {
    let (m, fcm) = with_fcm().await;
    // An answer that says when to come back keeps the breaker out of it.
    fcm.answer("patient-phone", (0..12).map(|_| Reply::Bare(429, vec![("retry-after", "30")])));
    m.ongoing().await;
    until(&m, "given up", TimeDelta::seconds(60), async || dead(&m.app).await.len() == 1).await;
    let letter = dead(&m.app).await.remove(0);
    assert_eq!((letter.attempts, letter.last_error.as_deref()), (12, Some("status 429")));
    assert_eq!(fcm.messages("patient-phone").len(), 12);
}

#[tokio::test]
async fn a_ring_that_is_too_late_is_not_sent() {
    let (m, fcm) = with_fcm().await;
    let session = m.ongoing().await;
    until(&m, "accepted", TimeDelta::zero(), async || fcm.messages("patient-phone").len() == 1).await;
    fcm.answer("patient-phone", [Reply::Bare(429, vec![("retry-after", "50")])]);
    m.doctor.post("connect/call-sessions", json!({"connect_session_id": session})).await.expect(201);
    // By its second turn nobody would be calling any more.
    let letters = wait_for_dead(&m.app, 1).await;
    assert_eq!(letters[0].attempts, 1);
    assert_eq!(fcm.messages("patient-phone").len(), 2);
    // And one that nobody came to in time is dropped.
    let mut tx = m.app.app.begin().await.unwrap();
    tx.push("call.started", &[m.patient.id], &[]);
    m.app.advance(TimeDelta::seconds(46));
    m.app.app.commit(tx).await.unwrap();
    settled(&m.app).await;
    assert_eq!((fcm.messages("patient-phone").len(), dead(&m.app).await.len()), (2, 1));
}

#[tokio::test]
async fn a_request_that_was_withdrawn_does_not_ring_late() {
    let (m, fcm) = with_fcm().await;
    fcm.answer("doctor-phone", [Reply::Bare(429, vec![("retry-after", "600")])]);
    let session = m.requested().await;
    until(&m, "the first attempt", TimeDelta::zero(), async || fcm.messages("doctor-phone").len() == 1).await;
    m.patient.act(&of(&session, "cancel")).await.expect(200);
    settled(&m.app).await;
    let sent = fcm.messages("doctor-phone");
    let events: Vec<_> = sent.iter().map(|message| message["data"]["event"].as_str().unwrap()).collect();
    assert_eq!(events, ["session.requested", "session.cancelled"]);
    let groups: Vec<_> = sent.iter().map(|message| message["android"]["collapse_key"].as_str().unwrap()).collect();
    assert_eq!(groups[0], groups[1], "and where it rang, the one takes the other's place");
}

#[tokio::test]
async fn a_broadcast_stands_apart_from_what_rings() {
    let (m, fcm) = with_fcm().await;
    fcm.answer("patient-phone", [Reply::Error(400, error("INVALID_ARGUMENT", "INVALID_ARGUMENT"))]);
    let mut tx = m.app.app.begin().await.unwrap();
    tx.push_to_all_patients("community.article", &[("article_id", uuid::Uuid::now_v7())]);
    m.app.app.commit(tx).await.unwrap();
    assert_eq!(wait_for_dead(&m.app, 1).await[0].kind, "push.bulk");
    settled(&m.app).await;
}

#[tokio::test]
async fn pushes_outlive_the_server() {
    let mut m = meeting().await;
    let mut tx = m.app.app.begin().await.unwrap();
    tx.push("review.reply", &[m.patient.id], &[]);
    // Committed by a node that never gets to it.
    let _committed = tx.commit().await.unwrap();
    m.app.restart().await;
    expect(&m.app, "patient-phone", &["review.reply"]).await;
    settled(&m.app).await;
    assert_eq!(events(&m.app, "patient-phone").await, ["review.reply"]);
}

#[tokio::test]
async fn the_figures_of_the_outbox() {
    // In one process with other tests only what happens on this thread is counted.
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    let _counted = metrics::set_default_local_recorder(&recorder);
    let (m, fcm) = with_fcm().await;
    fcm.answer("patient-phone", [Reply::Error(400, error("INVALID_ARGUMENT", "INVALID_ARGUMENT"))]);
    m.ongoing().await;
    wait_for_dead(&m.app, 1).await;
    settled(&m.app).await;
    for outcome in ["done", "dead"] {
        // A job is counted right after it is settled.
        let name = format!("consilium_outbox_jobs_total{{kind=\"push\",outcome=\"{outcome}\"}}");
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let text = recorder.handle().render();
            if text.lines().any(|line| line.starts_with(&name) && !line.ends_with(" 0")) {
                break;
            }
            assert!(Instant::now() < deadline, "{text}");
            sleep(Duration::from_millis(20)).await;
        }
    }
}
