//! The LiveKit gateway against the Twirp peer, which checks what LiveKit would check.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use consilium::gateways::files::Place;
use consilium::gateways::files::place::FilesPlace;
use consilium::gateways::media::permissions::permission;
use consilium::gateways::media::reconcile::{LiveRooms, Reconciled, reconcile_all, reconcile_room, run};
use consilium::gateways::media::recorder::Target;
use consilium::gateways::media::{Applied, CameraRight, Media, MediaError, Party, Policy, Role};
use livekit_api::services::room::{RoomClient, UpdateParticipantOptions};
use livekit_protocol::{ParticipantPermission, TrackSource};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::support::twirp::{self, API_KEY, API_SECRET, Fault, TwirpPeer};

const ROOM: &str = "cn-9e81";
const PATIENT: Party = Party::Patient(Uuid::from_u128(0x6444_52ac));
const DOCTOR: Party = Party::Doctor(Uuid::from_u128(0xd3af));

fn quick() -> Policy {
    Policy {
        attempt_timeout: Duration::from_secs(20),
        budget: Duration::from_secs(60),
        attempts: 3,
        backoff: Duration::from_millis(2),
        open_after: 2,
        open_for: Duration::from_millis(150),
    }
}

fn gateway(url: &str, secret: &str) -> Media {
    let ttl = Duration::from_secs(600);
    Media::with_policy(url, API_KEY, secret.into(), ttl, quick()).unwrap()
}

async fn room_with_both() -> (TwirpPeer, Media) {
    let peer = TwirpPeer::start().await;
    let media = gateway(&peer.url(), API_SECRET);
    for party in [PATIENT, DOCTOR] {
        let grant = media.grant(ROOM, party, "Someone").unwrap();
        assert_eq!(peer.join(&grant.token), Ok(grant.identity));
    }
    (peer, media)
}

#[tokio::test]
async fn a_patients_token_never_opens_the_camera_and_a_doctors_does() {
    let (peer, media) = room_with_both().await;
    let (patient, doctor) = (PATIENT.identity(), DOCTOR.identity());
    assert!(peer.publish(ROOM, &patient, TrackSource::Microphone));
    for source in [TrackSource::Camera, TrackSource::ScreenShare, TrackSource::ScreenShareAudio, TrackSource::Unknown] {
        assert!(!peer.publish(ROOM, &patient, source), "{source:?}");
    }
    assert!(peer.publish(ROOM, &doctor, TrackSource::Microphone));
    assert!(peer.publish(ROOM, &doctor, TrackSource::Camera));
    assert!(!peer.publish(ROOM, &doctor, TrackSource::ScreenShare));

    // Not even a token made while the camera is permitted.
    media.set_camera(ROOM, PATIENT, true).await.unwrap();
    let grant = media.grant(ROOM, PATIENT, "Someone").unwrap();
    peer.join(&grant.token).unwrap();
    assert_eq!(peer.camera_allowed(ROOM, &patient), Some(false));

    assert_eq!(grant.identity, patient);
    assert_eq!(grant.ws_url, peer.url());
    assert_eq!(grant.expires_in, 600);
    let shown = format!("{grant:?}");
    assert!(!shown.contains(&grant.token), "{shown}");
}

#[tokio::test]
async fn a_token_and_the_room_agree_on_what_is_allowed_without_the_camera() {
    let (peer, _media) = room_with_both().await;
    let held = peer.permission(ROOM, &PATIENT.identity());
    let wanted = permission(Role::Patient, CameraRight::Withheld);
    assert_eq!(held, Some(wanted), "or every join would be corrected");
    let held = peer.permission(ROOM, &DOCTOR.identity());
    assert_eq!(held, Some(permission(Role::Doctor, CameraRight::Withheld)));
}

#[tokio::test]
async fn permit_and_revoke_touch_the_camera_alone() {
    let (peer, media) = room_with_both().await;
    let patient = PATIENT.identity();
    let set = media.set_camera(ROOM, PATIENT, true).await;
    assert_eq!(set, Ok(Applied::Done));
    assert!(peer.publish(ROOM, &patient, TrackSource::Microphone));
    assert!(peer.publish(ROOM, &patient, TrackSource::Camera));

    let set = media.set_camera(ROOM, PATIENT, false).await;
    assert_eq!(set, Ok(Applied::Done));
    assert_eq!(peer.published(ROOM, &patient), [TrackSource::Microphone]);
    assert_eq!(peer.camera_allowed(ROOM, &patient), Some(false));
    let held = peer.permission(ROOM, &patient).unwrap();
    assert!(held.can_subscribe && held.can_publish && held.can_publish_data);

    let sent = peer.requests();
    assert_eq!(sent.len(), 2);
    for (request, right) in sent.iter().zip([CameraRight::Granted, CameraRight::Withheld]) {
        assert_eq!(request.method, "UpdateParticipant");
        assert_eq!(request.room, ROOM);
        let whole = permission(Role::Patient, right);
        assert_eq!(request.permission.as_ref(), Some(&whole));
        let narrow = json!({"roomAdmin": true, "room": ROOM});
        assert_eq!(request.claims["video"], narrow);
    }
}

#[tokio::test]
async fn who_or_what_is_not_there_is_no_error() {
    let (peer, media) = room_with_both().await;
    let stranger = Party::Patient(Uuid::from_u128(7));
    let set = media.set_camera(ROOM, stranger, true).await;
    assert_eq!(set, Ok(Applied::NotPresent));
    let set = media.set_camera("cn-unknown", PATIENT, true).await;
    assert_eq!(set, Ok(Applied::NotPresent));
    assert_eq!(media.participants("cn-unknown").await, Ok(Vec::new()));

    let present = media.participants(ROOM).await.unwrap();
    let parties: Vec<_> = present.iter().filter_map(|p| p.party).collect();
    assert!(parties.contains(&PATIENT) && parties.contains(&DOCTOR));
    assert!(media.open_rooms().await.unwrap().contains(ROOM));
    assert_eq!(media.close_room(ROOM).await, Ok(()));
    assert_eq!(media.close_room(ROOM).await, Ok(()), "closed is closed");
    assert!(media.open_rooms().await.unwrap().is_empty());
    assert_eq!(peer.refused(), 0);
}

#[tokio::test]
async fn names_livekit_would_not_take_cost_no_call() {
    let (peer, media) = room_with_both().await;
    for room in ["", &"x".repeat(257)] {
        let wrong = |error: &MediaError| matches!(error, MediaError::Invalid(_));
        assert!(media.grant(room, PATIENT, "x").is_err_and(|e| wrong(&e)));
        let set = media.set_camera(room, PATIENT, true).await;
        assert!(set.is_err_and(|e| wrong(&e)));
        assert!(media.close_room(room).await.is_err_and(|e| wrong(&e)));
    }
    assert!(peer.requests().is_empty());
}

#[tokio::test]
async fn a_wrong_secret_changes_nothing_in_the_room() {
    let (peer, _) = room_with_both().await;
    let stranger = gateway(&peer.url(), "another-secret-of-thirty-two-chars");
    let set = stranger.set_camera(ROOM, PATIENT, true).await;
    assert_eq!(set, Err(MediaError::Unreachable));
    assert!(peer.requests().is_empty() && peer.refused() > 0);
    let camera = peer.camera_allowed(ROOM, &PATIENT.identity());
    assert_eq!(camera, Some(false));
    let token = stranger.grant(ROOM, PATIENT, "x").unwrap().token;
    assert!(peer.join(&token).is_err());
}

#[tokio::test]
async fn a_join_token_is_no_key_to_the_room_service() {
    let (peer, media) = room_with_both().await;
    for party in [PATIENT, DOCTOR] {
        let token = media.grant(ROOM, party, "x").unwrap().token;
        let own = RoomClient::with_token(&peer.url(), &token);
        let all = UpdateParticipantOptions {
            permission: Some(permission(Role::Doctor, CameraRight::Granted)),
            ..UpdateParticipantOptions::default()
        };
        let identity = PATIENT.identity();
        assert!(own.update_participant(ROOM, &identity, all).await.is_err());
        assert!(own.list_participants(ROOM).await.is_err());
        assert!(own.list_rooms(Vec::new()).await.is_err());
        assert!(own.delete_room(ROOM).await.is_err());
    }
    assert!(peer.requests().is_empty());
    let camera = peer.camera_allowed(ROOM, &PATIENT.identity());
    assert_eq!(camera, Some(false));
}

#[tokio::test]
async fn trouble_is_tried_again_a_bounded_number_of_times() {
    let (peer, media) = room_with_both().await;
    peer.fail_next([Fault::Unavailable, Fault::ProxyPage]);
    let set = media.set_camera(ROOM, PATIENT, true).await;
    assert_eq!(set, Ok(Applied::Done));

    peer.fail_next([Fault::Internal; 3]);
    let set = media.set_camera(ROOM, PATIENT, false).await;
    assert_eq!(set, Err(MediaError::Unreachable));
    let camera = peer.camera_allowed(ROOM, &PATIENT.identity());
    assert_eq!(camera, Some(true), "three attempts, no fourth");
    assert!(!media.is_away(), "it does answer");

    peer.fail_next([Fault::NotFound]);
    let set = media.set_camera(ROOM, PATIENT, false).await;
    assert_eq!(set, Ok(Applied::NotPresent), "an answer is not tried again");
}

#[tokio::test]
async fn a_server_that_hangs_is_given_up_then_left_alone_then_found_again() {
    let (peer, _) = room_with_both().await;
    let policy = Policy {
        attempt_timeout: Duration::from_millis(300),
        budget: Duration::from_secs(10),
        open_for: Duration::from_secs(2),
        ..quick()
    };
    let ttl = Duration::from_secs(600);
    let media = Media::with_policy(&peer.url(), API_KEY, API_SECRET.into(), ttl, policy).unwrap();
    peer.fail_always(Some(Fault::Hang));
    for _ in 0..2 {
        let start = Instant::now();
        let set = media.set_camera(ROOM, PATIENT, true).await;
        assert_eq!(set, Err(MediaError::Unreachable));
        assert!(start.elapsed() < Duration::from_secs(10));
    }
    assert!(media.is_away());
    let start = Instant::now();
    for _ in 0..100 {
        let listed = media.participants(ROOM).await;
        assert_eq!(listed, Err(MediaError::Unreachable));
    }
    let spent = start.elapsed();
    assert!(spent < Duration::from_secs(20), "asked each time: {spent:?}");
    // Tokens go on (settled 18).
    assert!(media.grant(ROOM, PATIENT, "x").is_ok());

    peer.fail_always(None);
    let deadline = Instant::now() + Duration::from_secs(20);
    while media.participants(ROOM).await.is_err() {
        assert!(Instant::now() < deadline, "never found again");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(!media.is_away());
    let set = media.set_camera(ROOM, PATIENT, true).await;
    assert_eq!(set, Ok(Applied::Done));
}

#[tokio::test]
async fn a_recorder_that_does_not_answer_keeps_nobody_from_the_rooms() {
    let (peer, _) = room_with_both().await;
    let ttl = Duration::from_secs(600);
    let target = Target::new(FilesPlace::Disk("/data".into()), None);
    let place = Place { container: "recordings".to_owned(), name: "a.mp4".to_owned() };
    peer.fail_always(Some(Fault::Hang));
    let mut tries = 0..3;
    let media = loop {
        assert!(tries.next().is_some(), "left alone after two");
        let policy = Policy { budget: Duration::from_secs(2), open_for: Duration::from_secs(60), ..quick() };
        let media = Media::with_policy(&peer.url(), API_KEY, API_SECRET.into(), ttl, policy).unwrap();
        let (before, mut asked) = (peer.hanging(), Vec::new());
        for _ in 0..3 {
            let started = media.start_recording(ROOM, &target, &place).await;
            assert_eq!(started, Err(MediaError::Unreachable));
            asked.push(peer.hanging() - before);
        }
        // What leaves or arrives late on a busy machine is not counted by then: another one is asked.
        if asked == [1, 2, 2] {
            break media;
        }
    };
    peer.fail_always(None);
    assert_eq!(media.stop_recording("EG_1").await, Err(MediaError::Unreachable), "so is all else of the recorder");
    assert!(!media.is_away());
    let set = media.set_camera(ROOM, PATIENT, true).await;
    assert_eq!(set, Ok(Applied::Done));
    assert_eq!(media.close_room(ROOM).await, Ok(()));
}

#[tokio::test]
async fn nothing_listening_is_unreachable_and_tokens_go_on() {
    // Held, so that nobody else gets it.
    let free = tokio::net::TcpSocket::new_v4().unwrap();
    free.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = free.local_addr().unwrap();
    let media = gateway(&format!("ws://{address}"), API_SECRET);
    let away = Err(MediaError::Unreachable);
    assert_eq!(media.close_room(ROOM).await, away);
    let token = media.grant(ROOM, DOCTOR, "Dr. Shah").unwrap().token;
    assert!(twirp::verify(&token).is_ok());
}

#[tokio::test]
async fn changes_of_one_room_keep_their_order_through_retries() {
    let (peer, media) = room_with_both().await;
    for _ in 0..20 {
        peer.fail_next([Fault::Internal, Fault::ProxyPage]);
        let (permit, revoke) =
            tokio::join!(media.set_camera(ROOM, PATIENT, true), media.set_camera(ROOM, PATIENT, false),);
        assert_eq!((permit, revoke), (Ok(Applied::Done), Ok(Applied::Done)));
        let camera = peer.camera_allowed(ROOM, &PATIENT.identity());
        assert_eq!(camera, Some(false));
    }
}

#[tokio::test]
async fn the_reconciler_takes_a_replayed_camera_away_and_leaves_others_alone() {
    let (peer, media) = room_with_both().await;
    let patient = PATIENT.identity();
    let replayed = permission(Role::Patient, CameraRight::Granted);
    peer.seat(ROOM, &patient, replayed);
    peer.seat(ROOM, "EG_recorder", ParticipantPermission::default());
    assert!(peer.publish(ROOM, &patient, TrackSource::Camera));

    let withheld = || Some(CameraRight::Withheld);
    assert_eq!(reconcile_room(&media, ROOM, withheld).await, Ok(1));
    assert_eq!(peer.camera_allowed(ROOM, &patient), Some(false));
    assert!(peer.published(ROOM, &patient).is_empty());
    assert_eq!(reconcile_room(&media, ROOM, withheld).await, Ok(0));

    let granted = || Some(CameraRight::Granted);
    assert_eq!(reconcile_room(&media, ROOM, granted).await, Ok(1));
    assert_eq!(peer.camera_allowed(ROOM, &patient), Some(true));
    let touched = peer.requests();
    let mut updates = touched.iter().filter(|r| r.method == "UpdateParticipant");
    assert!(updates.all(|request| request.identity == patient));

    assert_eq!(reconcile_room(&media, ROOM, || None).await, Ok(0));
    peer.leave(ROOM, &patient);
    assert_eq!(reconcile_room(&media, ROOM, withheld).await, Ok(0));
}

#[tokio::test]
async fn a_pass_that_began_before_a_revoke_does_not_undo_it() {
    let (peer, media) = room_with_both().await;
    // Permitted when the pass compares, revoked once its first attempts to say so are made.
    let asked = AtomicUsize::new(0);
    let camera = || {
        let before = asked.fetch_add(1, Ordering::SeqCst) < 2;
        Some(CameraRight::from(before))
    };
    assert_eq!(reconcile_room(&media, ROOM, camera).await, Ok(1));
    let allowed = peer.camera_allowed(ROOM, &PATIENT.identity());
    assert_eq!(allowed, Some(false));
    assert!(asked.load(Ordering::SeqCst) > 2);
    let ended = media.enforce_camera(ROOM, PATIENT, &|| None).await;
    assert_eq!(ended, Ok(Applied::Skipped));
}

struct Consultations(Vec<(String, bool)>);

impl LiveRooms for Consultations {
    fn rooms(&self) -> Vec<String> {
        self.0.iter().map(|(room, _)| room.clone()).collect()
    }

    fn camera(&self, room: &str) -> Option<CameraRight> {
        let found = self.0.iter().find(|(name, _)| name == room);
        found.map(|(_, allowed)| CameraRight::from(*allowed))
    }
}

#[tokio::test]
async fn a_pass_looks_only_at_live_rooms_that_are_open() {
    let (peer, media) = room_with_both().await;
    let everything = permission(Role::Doctor, CameraRight::Granted);
    for room in ["cn-video", "cn-stale", "cn-of-another-server"] {
        peer.seat(room, &PATIENT.identity(), everything.clone());
    }
    let mut live =
        Consultations(vec![(ROOM.to_owned(), false), ("cn-video".to_owned(), true), ("cn-stale".to_owned(), false)]);
    live.0.extend((0..500).map(|n| (format!("cn-chat-only-{n}"), false)));
    let found = reconcile_all(&media, &live).await.unwrap();
    assert_eq!((found.rooms, found.corrected, found.failed), (3, 1, 0));
    let present = |room: &str| found.seen.iter().find(|seen| seen.room == room).map(|seen| seen.present.len());
    assert_eq!(
        (present("cn-video"), present("cn-chat-only-7"), present("cn-of-another-server")),
        (Some(1), Some(0), None)
    );
    let patient = PATIENT.identity();
    assert_eq!(peer.camera_allowed("cn-video", &patient), Some(true));
    assert_eq!(peer.camera_allowed("cn-stale", &patient), Some(false));
    let foreign = peer.camera_allowed("cn-of-another-server", &patient);
    assert_eq!(foreign, Some(true), "not ours to touch");
    assert_eq!(peer.requests().len(), 1 + 3 + 1);

    let nothing = Consultations(Vec::new());
    let found = reconcile_all(&media, &nothing).await;
    assert_eq!(found, Ok(Reconciled::default()));
    assert_eq!(peer.requests().len(), 5, "nothing live, nothing asked");
}

#[tokio::test]
async fn after_an_outage_the_loop_puts_the_room_right_and_it_ends_when_told() {
    let (peer, media) = room_with_both().await;
    let patient = PATIENT.identity();
    media.set_camera(ROOM, PATIENT, true).await.unwrap();
    peer.fail_always(Some(Fault::ProxyPage));
    let revoke = media.set_camera(ROOM, PATIENT, false).await;
    assert_eq!(revoke, Err(MediaError::Unreachable));

    let shutdown = CancellationToken::new();
    let live = Consultations(vec![(ROOM.to_owned(), false)]);
    let every = Duration::from_millis(10);
    #[allow(clippy::disallowed_methods, reason = "the test itself waits for the job's end")]
    let job = tokio::task::spawn(run(media.clone(), live, every, shutdown.clone()));
    peer.fail_always(None);
    let deadline = Instant::now() + Duration::from_secs(20);
    while peer.camera_allowed(ROOM, &patient) != Some(false) {
        assert!(Instant::now() < deadline, "never put right");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    shutdown.cancel();
    let ended = tokio::time::timeout(Duration::from_secs(20), job).await;
    assert!(ended.is_ok_and(|job| job.is_ok()));
}
