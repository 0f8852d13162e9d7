//! Every way in which a recording ends, told by webhook, found in the recorder's list, or by nobody.

use chrono::TimeDelta;
use consilium::connect::recordings::follow;
use livekit_protocol::EgressStatus;
use serde_json::{Value, json};
use uuid::Uuid;

use super::Recorded;
use crate::support::client::send;
use crate::support::egress::file;
use crate::support::files::{objects, swept};
use crate::support::media::deliver;
use crate::support::meeting::{events_of, of, say, text, until};
use crate::support::twirp::Fault;

/// What the recorder can say at its end, and what becomes of the recording.
const ENDS: [(EgressStatus, &str); 4] = [
    (EgressStatus::EgressComplete, "READY"),
    (EgressStatus::EgressLimitReached, "READY"),
    (EgressStatus::EgressFailed, "FAILED"),
    (EgressStatus::EgressAborted, "FAILED"),
];

#[tokio::test]
async fn the_file_is_fetched_by_both_and_by_nobody_else() {
    let r = Recorded::start().await;
    r.stop().await;
    r.write_file(b"a film of a consultation").await;
    r.recorder(EgressStatus::EgressComplete, Some(file(5, 61)), true).await;
    let shown = r.shown().await;
    assert_eq!((&shown["status"], &shown["duration_seconds"]), (&json!("READY"), &json!(61)));
    assert_eq!(shown["size_bytes"], 24, "as the store has it");
    let told = events_of(&r.m.patient, "recording.ready").await;
    assert_eq!(told[0]["data"]["download_url"], Value::Null, "an event carries no link");
    let link = text(&shown["download_url"]);
    let fetched = send(reqwest::Client::new().get(link)).await;
    assert_eq!((fetched.status, fetched.text.as_str()), (200, "a film of a consultation"));
    assert_eq!(fetched.headers["content-type"], "video/mp4");
    r.m.app.advance(TimeDelta::seconds(601));
    assert_ne!(send(reqwest::Client::new().get(link)).await.status, 200, "it ends");
    assert_eq!(r.stop().await["status"], "READY", "idempotent to the end");
}

#[tokio::test]
async fn every_end_is_known_by_webhook_and_by_list_from_both_states() {
    for tells in [true, false] {
        for stops in [true, false] {
            let r = Recorded::start().await;
            for (number, (status, becomes)) in ENDS.into_iter().enumerate() {
                let recording = if number == 0 {
                    r.recording.clone()
                } else {
                    text(&r.m.doctor.act(&of(&r.session, "recordings")).await.expect(201)["id"]).to_owned()
                };
                if stops {
                    r.m.doctor.act(&of(&r.session, &format!("recordings/{recording}/stop"))).await.expect(200);
                }
                let written = (becomes == "READY").then(|| file(1000, 60));
                r.recorder(status, written, tells).await;
                let shown = r.shown().await;
                let case = format!("{status:?}, told {tells}, stopped before {stops}");
                assert_eq!((&shown["id"], &shown["status"]), (&json!(recording), &json!(becomes)), "{case}");
                assert!(!shown["stopped_at"].is_null(), "{case}");
                let kind = format!("recording.{}", becomes.to_lowercase());
                let mut path = vec!["recording.started".to_owned(), "recording.stopped".to_owned(), kind];
                if becomes == "FAILED" && !stops {
                    path.remove(1);
                }
                let told = r.told().await;
                assert_eq!(told[told.len() - path.len()..], path, "{case}");
            }
        }
    }
}

#[tokio::test]
async fn one_that_failed_is_answered_as_it_stands_to_whoever_stops_it() {
    let r = Recorded::start().await;
    r.recorder(EgressStatus::EgressFailed, None, true).await;
    let (shown, told) = (r.shown().await, r.told().await);
    assert_eq!(shown["status"], "FAILED");
    assert_eq!(r.stop().await, shown);
    assert_eq!((r.shown().await, r.told().await), (shown, told));
}

#[tokio::test]
async fn what_is_told_twice_late_or_out_of_order_changes_nothing() {
    let r = Recorded::start().await;
    let starting = r.peer.set_egress(&r.egress().egress_id, EgressStatus::EgressStarting, None);
    r.tell("egress_started", &starting).await;
    r.tell("egress_updated", &starting).await;
    assert_eq!(r.status().await, "RECORDING");
    let done = r.peer.set_egress(&r.egress().egress_id, EgressStatus::EgressComplete, Some(file(1000, 60)));
    for _ in 0..3 {
        r.tell("egress_ended", &done).await;
    }
    let failed = r.peer.set_egress(&r.egress().egress_id, EgressStatus::EgressFailed, None);
    r.tell("egress_ended", &failed).await;
    r.tell("egress_updated", &starting).await;
    follow(&r.m.app.app).await.unwrap();
    assert_eq!(r.status().await, "READY");
    assert_eq!(r.told().await, ["recording.started", "recording.stopped", "recording.ready"]);
    // One that nobody here asked for.
    let mut foreign = done.clone();
    foreign.egress_id = format!("EG_{}", Uuid::new_v4());
    r.tell("egress_ended", &foreign).await;
    assert_eq!(r.told().await.len(), 3);
}

#[tokio::test]
async fn a_file_that_nobody_can_find() {
    // The recorder has the word: where it says that it wrote one, there is one.
    let r = Recorded::start().await;
    r.recorder(EgressStatus::EgressComplete, Some(file(1000, 60)), true).await;
    let shown = r.shown().await;
    assert_eq!((&shown["status"], &shown["size_bytes"]), (&json!("READY"), &json!(1000)));
    // Where it says nothing of a file, the store is asked.
    r.m.doctor.act(&of(&r.session, "recordings")).await.expect(201);
    r.recorder(EgressStatus::EgressComplete, None, true).await;
    assert_eq!(r.status().await, "FAILED");
    r.m.doctor.act(&of(&r.session, "recordings")).await.expect(201);
    r.write_file(b"here").await;
    r.recorder(EgressStatus::EgressComplete, None, true).await;
    let shown = r.shown().await;
    assert_eq!((&shown["status"], &shown["size_bytes"]), (&json!("READY"), &json!(4)));
}

#[tokio::test]
async fn what_the_recorder_ended_while_the_store_is_away_records_nobody_and_has_an_hour() {
    for tells in [true, false] {
        let r = Recorded::start().await;
        r.lose_store().await;
        r.recorder(EgressStatus::EgressComplete, None, tells).await;
        assert_eq!(r.status().await, "PROCESSING", "told {tells}");
        assert_eq!(r.told().await, ["recording.started", "recording.stopped"], "told {tells}");
        r.later(TimeDelta::minutes(59)).await;
        assert_eq!(r.status().await, "PROCESSING", "told {tells}");
        r.later(TimeDelta::minutes(2)).await;
        assert_eq!(r.status().await, "FAILED", "told {tells}");
        assert_eq!(r.told().await, ["recording.started", "recording.stopped", "recording.failed"], "told {tells}");
        assert_eq!(r.m.app.audited("recording.fail", r.m.patient.id).await, 1);
    }
}

#[tokio::test]
async fn what_the_recorder_ended_while_the_store_is_away_is_found_when_it_is_back() {
    let r = Recorded::start().await;
    r.lose_store().await;
    r.recorder(EgressStatus::EgressComplete, None, true).await;
    assert_eq!(r.status().await, "PROCESSING");
    r.find_store().await;
    r.write_file(b"here").await;
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(20);
    while r.status().await != "READY" {
        assert!(tokio::time::Instant::now() < deadline, "never found");
        follow(&r.m.app.app).await.unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(r.told().await, ["recording.started", "recording.stopped", "recording.ready"]);
}

#[tokio::test]
async fn a_state_that_nobody_knows_and_that_is_not_active_is_no_sign_of_life() {
    let r = Recorded::start().await;
    r.peer.set_egress_news(&r.egress().egress_id);
    r.later(TimeDelta::seconds(30)).await;
    assert_eq!(r.status().await, "RECORDING");
    r.later(TimeDelta::seconds(61)).await;
    assert_eq!(r.status().await, "FAILED");
    assert_eq!(r.told().await, ["recording.started", "recording.failed"]);
}

#[tokio::test]
async fn the_end_of_the_session_ends_its_recording() {
    let r = Recorded::start().await;
    r.m.app.fund(r.m.patient.id, 100_000).await;
    r.m.patient.post("connect/call-sessions", json!({"connect_session_id": r.session})).await.expect(201);
    r.m.app.advance(TimeDelta::seconds(90));
    r.m.doctor.act(&of(&r.session, "end")).await.expect(200);
    let [mine, theirs] = r.m.kinds().await;
    assert_eq!(mine[mine.len() - 4..], ["call.ended", "recording.stopped", "wallet.updated", "session.ended"]);
    assert_eq!(theirs[theirs.len() - 3..], ["call.ended", "recording.stopped", "session.ended"]);
    assert_eq!(r.status().await, "PROCESSING");
    until("the recorder is stopped", || r.egress().status() == EgressStatus::EgressEnding).await;
    // The room is gone when the file comes.
    r.recorder(EgressStatus::EgressComplete, Some(file(1000, 90)), true).await;
    assert_eq!(r.status().await, "READY");
}

#[tokio::test]
async fn the_end_of_the_room_ends_its_recording() {
    let r = Recorded::start().await;
    let closed = |at: i64| {
        let id = format!("EV_{}", Uuid::new_v4());
        json!({"id": id, "event": "room_finished", "createdAt": at.to_string(), "room": {"name": format!("cn-{}", r.session)}})
    };
    // A room of that name that was closed before this recording began.
    deliver(&r.m, &closed(r.m.app.app.now().timestamp() - 60)).await.expect(200);
    assert_eq!(r.status().await, "RECORDING");
    deliver(&r.m, &closed(r.m.app.app.now().timestamp())).await.expect(200);
    assert_eq!(r.status().await, "PROCESSING");
    assert_eq!(r.told().await, ["recording.started", "recording.stopped"]);
}

#[tokio::test]
async fn a_recorder_that_dies_leaves_none_behind() {
    let r = Recorded::start().await;
    r.peer.forget_egress(&r.egress().egress_id);
    r.later(TimeDelta::seconds(30)).await;
    assert_eq!(r.status().await, "RECORDING", "it may be about to be listed");
    r.later(TimeDelta::seconds(61)).await;
    assert_eq!(r.status().await, "FAILED");
    assert_eq!(r.told().await, ["recording.started", "recording.failed"]);
    r.m.doctor.act(&of(&r.session, "recordings")).await.expect(201);
}

#[tokio::test]
async fn a_file_has_its_hour_also_when_the_recorder_lists_it_no_more() {
    for comes in [true, false] {
        let r = Recorded::start().await;
        r.stop().await;
        let mut egress = r.egress();
        r.peer.forget_egress(&egress.egress_id);
        r.later(TimeDelta::minutes(59)).await;
        assert_eq!(r.status().await, "PROCESSING");
        if comes {
            egress.status = EgressStatus::EgressComplete.into();
            egress.file_results = vec![file(1000, 90)];
            r.tell("egress_ended", &egress).await;
            assert_eq!(r.status().await, "READY");
        } else {
            r.later(TimeDelta::minutes(2)).await;
            assert_eq!(r.status().await, "FAILED");
        }
    }
}

#[tokio::test]
async fn an_hour_of_silence_is_a_failure_and_the_recorder_is_stopped_when_it_is_back() {
    let r = Recorded::start().await;
    r.peer.fail_always(Some(Fault::ProxyPage));
    r.later(TimeDelta::minutes(59)).await;
    assert_eq!(r.status().await, "RECORDING");
    r.later(TimeDelta::minutes(2)).await;
    assert_eq!(r.status().await, "FAILED");
    assert_eq!(r.egress().status(), EgressStatus::EgressActive, "it goes on, unheard");
    r.peer.fail_always(None);
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(20);
    while r.egress().status() != EgressStatus::EgressEnding {
        assert!(tokio::time::Instant::now() < deadline, "never stopped");
        follow(&r.m.app.app).await.unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    // Too late: FAILED is final.
    r.recorder(EgressStatus::EgressComplete, Some(file(1000, 60)), true).await;
    assert_eq!(r.status().await, "FAILED");
    assert_eq!(r.told().await, ["recording.started", "recording.failed"]);
}

#[tokio::test]
async fn a_file_that_comes_after_all_was_swept_is_removed_too() {
    let r = Recorded::start().await;
    r.peer.fail_always(Some(Fault::ProxyPage));
    r.later(TimeDelta::minutes(61)).await;
    assert_eq!(r.status().await, "FAILED");
    r.peer.fail_always(None);
    r.m.app.advance(TimeDelta::hours(25));
    swept(&r.m.app).await;
    // A round of the server's own may have taken it, and be at it.
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(30);
    while r.m.app.count("file_removals where attempts > 0").await > 0 {
        assert!(tokio::time::Instant::now() < deadline, "not swept");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    // The recorder was at it all the time, and nobody may ever see this.
    r.write_file(b"a film of a consultation").await;
    assert_eq!(objects(&r.m.app), 1);
    r.recorder(EgressStatus::EgressComplete, Some(file(24, 60)), true).await;
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(30);
    while objects(&r.m.app) > 0 {
        assert!(tokio::time::Instant::now() < deadline, "not swept");
        swept(&r.m.app).await;
    }
}

#[tokio::test]
async fn a_running_recording_runs_for_hours_and_a_file_has_one() {
    let r = Recorded::start().await;
    for _ in 0..3 {
        // Somebody is there: two hours without a word would end the session.
        say(&r.m.doctor, &r.session, "Still here").await;
        r.later(TimeDelta::minutes(59)).await;
    }
    assert_eq!(r.status().await, "RECORDING", "the recorder's list is a report");
    r.stop().await;
    r.later(TimeDelta::minutes(59)).await;
    assert_eq!(r.status().await, "PROCESSING");
    // Still said to be ending: that is no report of a file.
    r.later(TimeDelta::minutes(2)).await;
    assert_eq!(r.status().await, "FAILED");
}
