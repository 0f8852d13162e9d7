//! Starting and stopping, and who may.

use std::collections::HashSet;
use std::time::Duration;

use chrono::TimeDelta;
use consilium::connect::recordings::follow;
use consilium::jobs::housekeeping;
use consilium_storage::connect::recordings;
use consilium_storage::states::recording::Status;
use livekit_protocol::EgressStatus;
use livekit_protocol::egress_info::Request;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::Recorded;
use crate::support::client::{Answer, Client};
use crate::support::media::{in_the_room, meeting};
use crate::support::meeting::{Meeting, events_of, of, text, time, until};
use crate::support::twirp::Fault;

#[tokio::test]
async fn both_are_told_at_once_and_a_second_start_finds_the_first() {
    let (m, peer) = meeting().await;
    let id = in_the_room(&m, &peer).await;
    let begun = m.doctor.act(&of(&id, "recordings")).await.expect(201);
    assert_eq!(
        (&begun["session_id"], &begun["status"], &begun["started_by"]),
        (&json!(id), &json!("RECORDING"), &json!("doctor"))
    );
    for unset in ["stopped_at", "duration_seconds", "size_bytes", "download_url"] {
        assert!(begun.as_object().unwrap().contains_key(unset) && begun[unset].is_null(), "{unset}");
    }
    time(&begun["started_at"]);
    for client in [&m.patient, &m.doctor] {
        let told = events_of(client, "recording.started").await;
        assert_eq!(told.len(), 1);
        assert_eq!((&told[0]["data"], &told[0]["session_id"]), (&begun, &json!(id)));
        assert_eq!(client.act(&of(&id, "recordings")).await.expect(200), begun);
        let listed = client.get(&of(&id, "recordings")).await.expect(200);
        assert_eq!(listed, json!({"items": [begun], "total": 1, "has_more": false}));
    }
    assert_eq!(m.app.audited("recording.start", m.patient.id).await, 1);
    let [egress] = peer.egresses().try_into().unwrap();
    assert_eq!(egress.room_name, format!("cn-{id}"));
    let Some(Request::RoomComposite(asked)) = egress.request else { panic!("another kind of recording") };
    let path = &asked.file_outputs[0].filepath;
    let folder = m.app.app.config.files_dir().join("recordings");
    assert!(path.starts_with(folder.to_str().unwrap()) && path.contains(&id), "{path}");
    assert!(path.ends_with(&format!("{}.mp4", text(&begun["id"]))), "{path}");
    assert_eq!(peer.refused(), 0);
}

#[tokio::test]
async fn either_may_stop_what_the_other_began_and_begin_again() {
    let r = Recorded::start().await;
    r.m.app.advance(TimeDelta::seconds(61));
    let stopped = r.stop().await;
    assert_eq!((&stopped["id"], &stopped["status"]), (&json!(r.recording), &json!("PROCESSING")));
    let lasted = (time(&stopped["stopped_at"]) - time(&stopped["started_at"])).num_seconds();
    assert!((61..120).contains(&lasted), "{lasted}");
    assert_eq!(r.egress().status(), EgressStatus::EgressEnding);
    assert_eq!(r.stop().await, stopped, "a repeat");
    assert_eq!(r.told().await, ["recording.started", "recording.stopped"]);
    assert_eq!(events_of(&r.m.doctor, "recording.stopped").await[0]["data"], stopped);
    assert_eq!(r.m.app.audited("recording.stop", r.m.patient.id).await, 1);

    let next = r.m.patient.act(&of(&r.session, "recordings")).await.expect(201);
    assert_eq!(next["started_by"], "patient");
    assert_ne!(next["id"], r.recording);
    assert_eq!(r.peer.egresses().len(), 2);
    let list = async |query: &str| r.m.doctor.get(&of(&r.session, &format!("recordings{query}"))).await.expect(200);
    let both = list("").await;
    let ids = |page: &Value| page["items"].as_array().unwrap().iter().map(|one| one["id"].clone()).collect::<Vec<_>>();
    assert_eq!(ids(&both), [next["id"].clone(), json!(r.recording)], "newest first");
    assert_eq!((&both["total"], &both["has_more"]), (&json!(2), &json!(false)));
    let first = list("?limit=1").await;
    assert_eq!((ids(&first), &first["has_more"]), (vec![next["id"].clone()], &json!(true)));
    let second = list("?limit=1&offset=1").await;
    assert_eq!((ids(&second), &second["has_more"]), (vec![json!(r.recording)], &json!(false)));
    for wrong in ["limit=0", "limit=101", "offset=-1", "limit=x"] {
        assert_eq!(r.m.doctor.get(&of(&r.session, &format!("recordings?{wrong}"))).await.status, 422, "{wrong}");
    }
}

#[tokio::test]
async fn of_many_starts_at_once_one_records() {
    let (m, peer) = meeting().await;
    let id = in_the_room(&m, &peer).await;
    let path = of(&id, "recordings");
    let starts = (0..8).map(|n| if n % 2 == 0 { m.doctor.act(&path) } else { m.patient.act(&path) });
    let answers = futures_util::future::join_all(starts).await;
    let first = answers[0].body["id"].clone();
    let created = answers.iter().filter(|answer| answer.status == 201).count();
    assert!(
        answers.iter().all(|answer| matches!(answer.status, 200 | 201) && answer.body["id"] == first),
        "{answers:?}"
    );
    assert_eq!((created, peer.egresses().len()), (1, 1));
    assert_eq!(events_of(&m.patient, "recording.started").await.len(), 1);
}

#[tokio::test]
async fn strangers_find_nothing() {
    let r = Recorded::start().await;
    let stop = format!("recordings/{}/stop", r.recording);
    for stranger in r.m.strangers().await {
        stranger.act(&of(&r.session, "recordings")).await.refused_plainly(404);
        stranger.get(&of(&r.session, "recordings")).await.refused_plainly(404);
        stranger.act(&of(&r.session, &stop)).await.refused_plainly(404);
    }
    // Neither an unknown one nor one of another session of theirs.
    let nothing = format!("recordings/{}/stop", Uuid::new_v4());
    r.m.doctor.act(&of(&r.session, &nothing)).await.refused_plainly(404);
    let other = crate::support::meeting::request(&r.m.app.patient().await, &r.m.doctor).await;
    r.m.doctor.act(&of(&other, &stop)).await.refused_plainly(404);
    assert_eq!(r.status().await, "RECORDING");
}

#[tokio::test]
async fn only_a_running_consultation_is_recorded() {
    // No recorder is asked: the state is looked at first (settled 18).
    let m = Meeting::start_with(|config| config.livekit_url = "ws://127.0.0.1:1".to_owned()).await;
    let refused = async |id: &str, status: &str| {
        for client in [&m.patient, &m.doctor] {
            let answer = client.act(&of(id, "recordings")).await;
            answer.refused_with(409, "INVALID_SESSION_STATE", &json!({"current_status": status}));
            assert_eq!(client.get(&of(id, "recordings")).await.expect(200)["total"], 0);
        }
    };
    refused(&m.requested().await, "REQUESTED").await;
    m.app.advance(TimeDelta::seconds(1801));
    refused(&m.ended().await, "ENDED").await;
    for status in ["REJECTED", "CANCELLED", "EXPIRED"] {
        refused(&m.closed(status).await, status).await;
    }
    let id = m.ongoing().await;
    m.doctor.act(&of(&id, "recordings")).await.refused(503, "MEDIA_UNAVAILABLE");
    assert_eq!(m.doctor.get(&of(&id, "recordings")).await.expect(200)["total"], 0);
    assert!(events_of(&m.patient, "recording.started").await.is_empty());
}

#[tokio::test]
async fn without_a_recorder_nothing_is_recorded() {
    let m = Meeting::start_with(|config| config.recordings = false).await;
    let id = m.ongoing().await;
    m.doctor.act(&of(&id, "recordings")).await.refused(503, "MEDIA_UNAVAILABLE");

    // Nor with one that finds nobody in the room, until somebody is.
    let (m, peer) = meeting().await;
    let id = m.ongoing().await;
    m.doctor.act(&of(&id, "recordings")).await.refused(503, "MEDIA_UNAVAILABLE");
    let token = m.doctor.get(&of(&id, "token")).await.expect(200);
    peer.join(text(&token["livekit"]["token"])).unwrap();
    m.doctor.act(&of(&id, "recordings")).await.expect(201);
    assert_eq!(m.doctor.get(&of(&id, "recordings")).await.expect(200)["total"], 1);
}

#[tokio::test]
async fn a_start_whose_answer_is_lost_is_stopped() {
    let (m, peer) = meeting().await;
    let id = in_the_room(&m, &peer).await;
    peer.lose_starts(true);
    m.doctor.act(&of(&id, "recordings")).await.refused(503, "MEDIA_UNAVAILABLE");
    let [stray] = peer.egresses().try_into().unwrap();
    // A round of the server's own may have found it already.
    let began = matches!(stray.status(), EgressStatus::EgressActive | EgressStatus::EgressEnding);
    assert!(began, "asked once, and it began: {stray:?}");
    assert!(events_of(&m.patient, "recording.started").await.is_empty());
    follow(&m.app.app).await.unwrap();
    until("the stray is stopped", || peer.egresses()[0].status() == EgressStatus::EgressEnding).await;

    // It is in nobody's way, and nobody ever hears of it.
    peer.lose_starts(false);
    m.doctor.act(&of(&id, "recordings")).await.expect(201);
    peer.set_egress(&stray.egress_id, EgressStatus::EgressComplete, None);
    m.app.advance(TimeDelta::minutes(5));
    follow(&m.app.app).await.unwrap();
    let listed = m.patient.get(&of(&id, "recordings")).await.expect(200);
    assert_eq!((&listed["total"], &listed["items"][0]["status"]), (&json!(1), &json!("RECORDING")));
}

#[tokio::test]
async fn of_many_that_nobody_answers_for_none_waits_behind_the_same_others() {
    let (m, peer) = meeting().await;
    let id = in_the_room(&m, &peer).await;
    peer.lose_starts(true);
    for _ in 0..2 {
        m.doctor.act(&of(&id, "recordings")).await.refused(503, "MEDIA_UNAVAILABLE");
    }
    let mut conn = m.app.app.conn().await.unwrap();
    let mut seen = HashSet::new();
    for _ in 0..100 {
        let found = recordings::list_unsettled(&mut conn, &[Status::Dropped], 1).await.unwrap();
        assert_eq!(found.len(), 1);
        seen.extend(found.into_iter().map(|recording| recording.id));
    }
    assert_eq!(seen.len(), 2);
    let others = recordings::list_unsettled(&mut conn, &[Status::Recording, Status::Processing], 1).await.unwrap();
    assert!(others.is_empty(), "{others:?}");
}

#[tokio::test]
async fn starts_that_came_to_nothing_are_forgotten_after_a_week() {
    let (m, peer) = meeting().await;
    let id = m.ongoing().await;
    m.doctor.act(&of(&id, "recordings")).await.refused(503, "MEDIA_UNAVAILABLE");
    let token = m.doctor.get(&of(&id, "token")).await.expect(200);
    peer.join(text(&token["livekit"]["token"])).unwrap();
    m.doctor.act(&of(&id, "recordings")).await.expect(201);
    m.app.advance(TimeDelta::days(6));
    housekeeping::partitions(&m.app.app, &m.app.owner()).await.unwrap();
    assert_eq!(m.app.count("recordings").await, 2);
    m.app.advance(TimeDelta::days(2));
    let deadline = Instant::now() + Duration::from_secs(30);
    // A connection that had the turn may still be closing.
    while m.app.count("recordings").await > 1 {
        assert!(Instant::now() < deadline, "never forgotten");
        housekeeping::partitions(&m.app.app, &m.app.owner()).await.unwrap();
    }
    assert_eq!(m.doctor.get(&of(&id, "recordings")).await.expect(200)["total"], 1);
}

#[tokio::test]
async fn a_consultation_that_ends_meanwhile_is_not_recorded() {
    let (m, peer) = meeting().await;
    let id = in_the_room(&m, &peer).await;
    // Whatever is asked: a round of the server's own may be before the start.
    peer.fail_always(Some(Fault::Hang));
    let path = of(&id, "recordings");
    let (started, ()) = tokio::join!(m.doctor.act(&path), async {
        until("the recorder is asked", || peer.failed("StartRoomCompositeEgress") == 1).await;
        m.patient.act(&of(&id, "end")).await.expect(200);
    });
    started.refused_with(409, "INVALID_SESSION_STATE", &json!({"current_status": "ENDED"}));
    let [mine, theirs] = m.kinds().await;
    assert!(mine.iter().chain(&theirs).all(|kind| !kind.starts_with("recording.")), "{mine:?} {theirs:?}");
}

#[tokio::test]
async fn a_stop_that_nobody_hears_is_none() {
    let r = Recorded::start().await;
    r.peer.fail_always(Some(Fault::ProxyPage));
    let path = of(&r.session, &format!("recordings/{}/stop", r.recording));
    r.m.doctor.act(&path).await.refused(503, "MEDIA_UNAVAILABLE");
    r.peer.fail_always(None);
    assert_eq!(r.status().await, "RECORDING");
    assert_eq!(r.told().await, ["recording.started"]);
    assert_eq!(r.stop().await["status"], "PROCESSING");
    // What has ended already, or is unknown to the recorder, is stopped.
    let next = r.m.doctor.act(&of(&r.session, "recordings")).await.expect(201);
    r.peer.forget_egress(&r.peer.egresses().pop().unwrap().egress_id);
    let path = of(&r.session, &format!("recordings/{}/stop", text(&next["id"])));
    assert_eq!(r.m.doctor.act(&path).await.expect(200)["status"], "PROCESSING");
}

/// A call that the media server is needed for: refused, and within what one call to it may take.
async fn unavailable(client: &Client, path: &str, fault: Fault) {
    let started = Instant::now();
    let answer = client.act(path).await;
    let spent = started.elapsed();
    assert_eq!(answer.status, 503, "{fault:?}: {}", answer.text);
    answer.refused(503, "MEDIA_UNAVAILABLE");
    assert!(answer.retry_after() >= 1 && spent < Duration::from_secs(20), "{fault:?}: {spent:?}");
}

/// The same call when the media server is back: it is left alone for a while after it did not answer.
async fn when_it_is_back(client: &Client, path: &str) -> Answer {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let answer = client.act(path).await;
        if answer.status != 503 {
            return answer;
        }
        assert!(Instant::now() < deadline, "{}", answer.text);
        sleep(Duration::from_millis(250)).await;
    }
}

/// A stop and a start while the media server is like this: neither is half done, and both succeed afterwards.
async fn goes_through(fault: Fault) {
    let r = Recorded::start().await;
    let (start, stop) = (of(&r.session, "recordings"), of(&r.session, &format!("recordings/{}/stop", r.recording)));
    r.peer.fail_always(Some(fault));
    unavailable(&r.m.doctor, &stop, fault).await;
    assert_eq!((r.status().await.as_str(), r.told().await), ("RECORDING", vec!["recording.started".to_owned()]));
    r.peer.fail_always(None);
    assert_eq!(when_it_is_back(&r.m.doctor, &stop).await.expect(200)["status"], "PROCESSING");

    r.peer.fail_always(Some(fault));
    unavailable(&r.m.patient, &start, fault).await;
    assert_eq!(r.m.doctor.get(&start).await.expect(200)["total"], 1, "{fault:?}");
    assert_eq!(r.told().await, ["recording.started", "recording.stopped"]);
    r.peer.fail_always(None);
    assert_eq!(when_it_is_back(&r.m.patient, &start).await.expect(201)["status"], "RECORDING");
    assert_eq!(r.told().await, ["recording.started", "recording.stopped", "recording.started"]);
    assert_eq!(r.peer.egresses().len(), 2, "{fault:?}");
}

#[tokio::test]
async fn a_recorder_in_trouble_is_said_and_nothing_is_half_done() {
    for fault in [Fault::Internal, Fault::Unavailable, Fault::ProxyPage, Fault::Garbage] {
        Box::pin(goes_through(fault)).await;
    }
}

#[tokio::test]
async fn a_recorder_that_hangs_or_dribbles_keeps_nobody_waiting() {
    tokio::join!(Box::pin(goes_through(Fault::Hang)), Box::pin(goes_through(Fault::Trickle)));
}
