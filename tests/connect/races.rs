//! What many do at once: exactly one wins, the others hear so, and nothing is told twice.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use consilium::jobs::sweeper;
use consilium_storage::accounts::{self, patients};
use consilium_storage::connect::doctors::profile;
use consilium_storage::tx::Tx;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::client::{Answer, Client};
use crate::support::meeting::{
    Meeting, accept, events_of, inbox, kinds, of, request, text, time, wait_for_events, words,
};

fn statuses(answers: &[Answer]) -> HashMap<u16, usize> {
    let mut counts = HashMap::new();
    for answer in answers {
        *counts.entry(answer.status).or_default() += 1;
    }
    counts
}

/// Asks again where the server was busy: of so many at once the last may wait too long for a connection to Postgres.
async fn in_the_end(who: &Client, path: &str) -> Answer {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let answer = who.act(path).await;
        if answer.status != 503 || Instant::now() > deadline {
            return answer;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_accepts_start_one_consultation() {
    let m = Meeting::start().await;
    let id = m.requested().await;
    let path = of(&id, "accept");
    let answers = join_all((0..200).map(|_| in_the_end(&m.doctor, &path))).await;
    let starts: Vec<Value> = answers.into_iter().map(|answer| answer.expect(200)["started_at"].clone()).collect();
    assert!(starts.iter().all(|start| *start == starts[0]));
    assert_eq!(m.kinds().await, [vec!["session.accepted"], vec!["session.requested", "session.accepted"]]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_accept_reject_cancel_and_expiry_one_wins() {
    let m = Meeting::start_with(|config| config.ttl.request = TimeDelta::seconds(600)).await;
    for round in 0..12 {
        let id = m.requested().await;
        let before = m.kinds().await;
        let [accept, reject, cancel] = ["accept", "reject", "cancel"].map(|word| of(&id, word));
        // Each gets its turn to be first.
        let mut calls = [(&m.doctor, &accept), (&m.doctor, &reject), (&m.patient, &cancel)];
        calls.rotate_left(round % 3);
        let expiry = async {
            // In every other round time runs out meanwhile.
            if round % 2 == 0 {
                m.app.advance(TimeDelta::seconds(601));
            }
            sweeper::expire(&m.app.app).await.unwrap();
        };
        let (answers, ()) = tokio::join!(join_all(calls.iter().map(|(who, path)| who.act(path))), expiry);
        let status = m.patient.get(&format!("connect/sessions/{id}")).await.expect(200)["status"].clone();
        let won: Vec<&Answer> = answers.iter().filter(|answer| answer.status == 200).collect();
        match text(&status) {
            "EXPIRED" => assert!(won.is_empty(), "{won:?}"),
            _ => {
                assert_eq!(won.len(), 1, "{answers:?}");
                assert_eq!(won[0].body["status"], status);
            }
        }
        for lost in answers.iter().filter(|answer| answer.status != 200) {
            lost.refused_with(409, "ILLEGAL_TRANSITION", &json!({"current_status": status}));
        }
        let event = if status == "ONGOING" { "accepted".to_owned() } else { text(&status).to_lowercase() };
        if status == "EXPIRED" {
            // Reported so before the sweep; make sure of the sweep.
            wait_for_events(&m.doctor, "session.expired", count(&before[1], &event) + 1).await;
        }
        for (then, now) in before.iter().zip(m.kinds().await) {
            assert_eq!(now[then.len()..], [format!("session.{event}")]);
        }
        if status == "ONGOING" {
            m.doctor.act(&of(&id, "end")).await.expect(200);
        }
    }
}

fn count(kinds: &[String], event: &str) -> usize {
    kinds.iter().filter(|kind| **kind == format!("session.{event}")).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_doctors_cannot_both_have_the_patient() {
    let m = Meeting::start().await;
    let other = m.app.doctor().await;
    for round in 0..10 {
        let (mine, theirs) = (m.requested().await, request(&m.patient, &other).await);
        let paths = [of(&mine, "accept"), of(&theirs, "accept")];
        let (a, b) = if round % 2 == 0 {
            tokio::join!(m.doctor.act(&paths[0]), other.act(&paths[1]))
        } else {
            let (b, a) = tokio::join!(other.act(&paths[1]), m.doctor.act(&paths[0]));
            (a, b)
        };
        let (loser, winner) = if a.status == 200 { (&b, (&m.doctor, &mine)) } else { (&a, (&other, &theirs)) };
        assert_eq!(statuses(&[a.clone(), b.clone()]), HashMap::from([(200, 1), (409, 1)]));
        loser.refused(409, "ACTIVE_SESSION_EXISTS");
        assert_eq!(events_of(&m.patient, "session.accepted").await.len(), round + 1);
        winner.0.act(&of(winner.1, "end")).await.expect(200);
        let (by, open) = if a.status == 200 { (&other, &theirs) } else { (&m.doctor, &mine) };
        assert_eq!(by.get("connect/sessions/requests").await.expect(200)["total"], 1);
        by.act(&of(open, "reject")).await.expect(200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_patient_asking_many_times_at_once_has_one_request() {
    let m = Meeting::start().await;
    let body = json!({"target_doctor_id": m.doctor.id});
    let answers = join_all((0..40).map(|_| m.patient.post("connect/sessions", body.clone()))).await;
    assert_eq!(statuses(&answers), HashMap::from([(201, 1), (409, 39)]));
    let made = answers.iter().find(|answer| answer.status == 201).unwrap().body["session_id"].clone();
    for answer in answers.iter().filter(|answer| answer.status == 409) {
        answer.refused_with(409, "ACTIVE_SESSION_EXISTS", &json!({"session_id": made}));
    }
    assert_eq!(kinds(&m.doctor).await, ["session.requested"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_key_used_many_times_at_once_makes_one_request() {
    let m = Meeting::start().await;
    let body = json!({"target_doctor_id": m.doctor.id});
    let answers = join_all((0..40).map(|_| m.patient.post_once("connect/sessions", "one", body.clone()))).await;
    let bodies: Vec<Value> = answers.into_iter().map(|answer| answer.expect(201)).collect();
    assert!(bodies.iter().all(|body| *body == bodies[0]));
    assert_eq!(kinds(&m.doctor).await, ["session.requested"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_slips_in_after_the_end() {
    let m = Meeting::start().await;
    for _ in 0..4 {
        let id = m.ongoing().await;
        let before = inbox(&m.patient).await.len();
        let (path, end) = (of(&id, "messages"), of(&id, "end"));
        let sender = |who: &Client, first: usize| {
            let (who, path) = (who.clone(), path.clone());
            async move {
                let mut stored = Vec::new();
                for number in first..first + 40 {
                    let answer = who.post(&path, words(&number.to_string())).await;
                    if answer.status == 201 {
                        stored.push(answer.body);
                    } else {
                        answer.refused_with(409, "INVALID_SESSION_STATE", &json!({"current_status": "ENDED"}));
                        break;
                    }
                }
                stored
            }
        };
        let ender = async {
            // Once the talk is under way.
            while inbox(&m.doctor).await.iter().filter(|e| e["session_id"] == id.as_str()).count() < 12 {
                tokio::task::yield_now().await;
            }
            m.doctor.act(&end).await.expect(200)
        };
        let (a, b, c, d, ended) = tokio::join!(
            sender(&m.patient, 0),
            sender(&m.doctor, 100),
            sender(&m.patient, 200),
            sender(&m.doctor, 300),
            ender
        );
        let stored: Vec<Value> = [a, b, c, d].concat();
        let end_at = time(&ended["ended_at"]);
        for message in &stored {
            assert!(time(&message["created_at"]) <= end_at, "{message} after {ended}");
        }
        for client in [&m.patient, &m.doctor] {
            let events = inbox(client).await;
            let last = events.last().unwrap();
            assert_eq!((&last["type"], &last["session_id"]), (&json!("session.ended"), &json!(id)));
            let sent = events.iter().filter(|e| e["type"] == "message.new" && e["session_id"] == id.as_str());
            assert_eq!(sent.count(), stored.len());
        }
        let events = inbox(&m.patient).await.split_off(before);
        let times: Vec<_> = events.iter().map(|event| time(&event["at"])).collect();
        assert!(times.windows(2).all(|pair| pair[0] < pair[1]));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_identical_sends_store_one_message() {
    let m = Meeting::start().await;
    let id = m.ongoing().await;
    let (path, body) = (of(&id, "messages"), words("once"));
    let answers = join_all((0..50).map(|_| m.patient.post(&path, body.clone()))).await;
    assert_eq!(statuses(&answers), HashMap::from([(201, 1), (200, 49)]));
    assert!(answers.iter().all(|answer| answer.body == answers[0].body));
    for client in [&m.patient, &m.doctor] {
        assert_eq!(events_of(client, "message.new").await.len(), 1);
    }
    assert_eq!(m.doctor.get(&path).await.expect(200)["total"], 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_ends_are_one() {
    let m = Meeting::start().await;
    let id = m.ongoing().await;
    let path = of(&id, "end");
    let ends = (0..40).map(|number| if number % 2 == 0 { m.doctor.act(&path) } else { m.patient.act(&path) });
    let values: Vec<Value> = join_all(ends).await.into_iter().map(|answer| answer.expect(200)).collect();
    assert!(values.iter().all(|value| *value == values[0]));
    for client in [&m.patient, &m.doctor] {
        assert_eq!(events_of(client, "session.ended").await.len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn receipts_of_many_devices_are_told_once() {
    let m = Meeting::start().await;
    let id = m.ongoing().await;
    let sends = (0..30).map(|number| {
        let (path, patient) = (of(&id, "messages"), &m.patient);
        async move { patient.post(&path, words(&number.to_string())).await.expect(201)["id"].clone() }
    });
    let ids: Vec<Value> = join_all(sends).await;
    let path = of(&id, "messages/delivered");
    let marks = join_all((0..20).map(|_| m.doctor.post(&path, json!({"message_ids": ids})))).await;
    let updated: i64 = marks.into_iter().map(|answer| answer.expect(200)["updated"].as_i64().unwrap()).sum();
    assert_eq!(updated, 30);
    let told = events_of(&m.patient, "message.delivered").await;
    let mut heard: Vec<String> =
        told.iter().flat_map(|e| e["data"]["message_ids"].as_array().unwrap()).map(|id| text(id).to_owned()).collect();
    heard.sort();
    let mut sent: Vec<String> = ids.iter().map(|id| text(id).to_owned()).collect();
    sent.sort();
    assert_eq!(heard, sent);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_call_opens_and_ends_once() {
    let m = Meeting::start().await;
    let id = m.ongoing().await;
    let body = json!({"connect_session_id": id});
    let answers = join_all((0..30).map(|_| m.patient.post("connect/call-sessions", body.clone()))).await;
    assert_eq!(statuses(&answers), HashMap::from([(201, 1), (200, 29)]));
    let end = format!("connect/call-sessions/{}/end", text(&answers[0].body["id"]));
    for answer in join_all((0..30).map(|_| m.doctor.act(&end))).await {
        assert_eq!(answer.expect(200)["status"], "ENDED");
    }
    for kind in ["call.started", "call.ended"] {
        assert_eq!(events_of(&m.patient, kind).await.len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn consent_and_its_withdrawal_at_once_leave_one_answer() {
    let m = Meeting::start().await;
    let id = m.requested().await;
    accept(&m.doctor, &id).await;
    let path = |word: &str| of(&id, &format!("video-permission/{word}"));
    for _ in 0..20 {
        m.doctor.act(&path("allow")).await.expect(200);
        let before = events_of(&m.patient, "video.permission").await.len();
        let (accept, decline, revoke) = (path("accept"), path("decline"), path("revoke"));
        let (a, d, r) = tokio::join!(m.patient.act(&accept), m.patient.act(&decline), m.doctor.act(&revoke));
        // Accept and decline exclude each other; what came before the revoke may have been revoked.
        assert!(a.status + d.status >= 409 + 200 && r.status != 500, "{a:?} {d:?} {r:?}");
        let changes = [&a, &d, &r].iter().filter(|answer| answer.status == 200).count();
        assert_eq!(events_of(&m.patient, "video.permission").await.len(), before + changes);
        m.doctor.act(&path("allow")).await;
        m.doctor.act(&path("revoke")).await.expect(200);
    }
}

/// What a request answers that waits for this transaction.
async fn asked_meanwhile(m: &Meeting, tx: Tx) -> Answer {
    let asked = m.patient.post("connect/sessions", json!({"target_doctor_id": m.doctor.id}));
    let (answer, ()) = tokio::join!(asked, async {
        m.app.somebody_waits().await;
        m.app.app.commit(tx).await.unwrap();
    });
    answer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_asked_who_is_being_switched_off() {
    let m = Meeting::start().await;
    let mut tx = m.app.app.begin().await.unwrap();
    let mut doctor = profile::find_for_update(tx.conn(), m.doctor.id).await.unwrap().unwrap();
    doctor.is_active = false;
    profile::update(tx.conn(), &doctor).await.unwrap();
    asked_meanwhile(&m, tx).await.refused_plainly(404);
    assert_eq!(m.patient.get("connect/sessions/active").await.expect(200)["total"], 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_asks_who_is_being_switched_off() {
    let m = Meeting::start().await;
    let mut tx = m.app.app.begin().await.unwrap();
    patients::find_for_update(tx.conn(), m.patient.id).await.unwrap().unwrap();
    assert!(accounts::set_active(tx.conn(), m.patient.id, false).await.unwrap());
    asked_meanwhile(&m, tx).await.refused(403, "ACCOUNT_DISABLED");
    assert!(kinds(&m.doctor).await.is_empty());
}
