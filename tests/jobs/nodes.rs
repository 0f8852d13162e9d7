//! Two nodes do the same jobs over one database at the same time (DESIGN §7).

use std::collections::HashSet;
use std::time::Duration;

use chrono::TimeDelta;
use consilium::config::Config;
use consilium::jobs::{housekeeping, media, sweeper};
use consilium_storage::connect::{doctors, media as connect_media};
use consilium_storage::{audit, database, maintenance};
use futures_util::future::{join_all, try_join_all};
use livekit_protocol::ParticipantPermission;
use serde_json::json;
use tokio::time::{Instant, sleep, timeout};

use crate::support::app::TestApp;
use crate::support::client::Client;
use crate::support::media::deliver;
use crate::support::meeting::{Meeting, accept, events_of, of, request, text, until, wait_for_events};
use crate::support::twirp::{API_KEY, API_SECRET, Fault, TwirpPeer};

/// A meeting, and a second node beside it.
async fn two_nodes(change: impl FnOnce(&mut Config)) -> (Meeting, TestApp) {
    let m = Meeting::start_with(change).await;
    let there = m.app.beside().await;
    (m, there)
}

/// So many patients, each with a request to the doctor; and the requests.
async fn requests(m: &Meeting, count: usize) -> (Vec<Client>, Vec<String>) {
    let (mut patients, mut sessions) = (Vec::new(), Vec::new());
    for _ in 0..count {
        let patient = m.app.patient().await;
        sessions.push(request(&patient, &m.doctor).await);
        patients.push(patient);
    }
    (patients, sessions)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_expires_once() {
    let (m, there) = two_nodes(|_| {}).await;
    let (patients, _) = requests(&m, 12).await;
    m.app.advance(TimeDelta::seconds(1801));
    let sweeps = [&m.app, &there, &m.app, &there].map(|node| sweeper::expire(&node.app));
    try_join_all(sweeps).await.unwrap();
    for patient in &patients {
        assert_eq!(wait_for_events(patient, "session.expired", 1).await.len(), 1);
    }
    assert_eq!(events_of(&m.doctor, "session.expired").await.len(), patients.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_consultation_ends_once() {
    let (m, there) = two_nodes(|_| {}).await;
    let (patients, sessions) = requests(&m, 8).await;
    for session in &sessions {
        accept(&m.doctor, session).await;
    }
    m.app.advance(TimeDelta::seconds(7201));
    let ends = [&m.app, &there, &m.app, &there].map(|node| sweeper::end_idle(&node.app));
    try_join_all(ends).await.unwrap();
    for patient in &patients {
        assert_eq!(wait_for_events(patient, "session.ended", 1).await.len(), 1);
    }
    assert_eq!(events_of(&m.doctor, "session.ended").await.len(), patients.len());
}

/// Both nodes have a party of every consultation connected, and note its signs of life over and over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signs_of_life_from_two_nodes_do_not_wait_for_each_other() {
    let (m, there) = two_nodes(|_| {}).await;
    let (patients, sessions) = requests(&m, 8).await;
    for session in &sessions {
        accept(&m.doctor, session).await;
    }
    let _doctor = m.doctor.socket(None).await;
    let _patients = join_all(patients.iter().map(async |patient| patient.at(&there.url).socket(None).await)).await;
    for _ in 0..10 {
        m.app.advance(TimeDelta::seconds(31));
        let ends = [&m.app, &there, &m.app, &there].map(|node| sweeper::end_idle(&node.app));
        try_join_all(ends).await.unwrap();
    }
    for session in &sessions {
        assert_eq!(m.doctor.get(&format!("connect/sessions/{session}")).await.expect(200)["status"], "ONGOING");
    }
}

#[tokio::test]
async fn a_sign_of_life_never_goes_back() {
    let m = Meeting::start().await;
    let mut conn = m.app.app.conn().await.unwrap();
    let now = m.app.app.now() + TimeDelta::hours(1);
    for (seen, expected) in [(0, 0), (-60, 0), (5, 5)] {
        let seen = now + TimeDelta::seconds(seen);
        doctors::set_last_seen(&mut conn, &[(m.doctor.id, seen)]).await.unwrap();
        let signs = doctors::list_signs(&mut conn).await.unwrap();
        let sign = signs.iter().find(|sign| sign.id == m.doctor.id).unwrap();
        assert_eq!(sign.last_seen_at, Some(now + TimeDelta::seconds(expected)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_audit_chain_has_one_sealer_at_a_time() {
    let (m, there) = two_nodes(|_| {}).await;
    for _ in 0..10 {
        m.requested().await;
        m.patient.get("connect/sessions/active").await.expect(200);
        let seals = [&m.app, &there, &m.app, &there].map(|node| housekeeping::seal(&node.app));
        let (session, seals) = tokio::join!(m.app.latest_session(m.patient.id), try_join_all(seals));
        seals.unwrap();
        m.patient.act(&of(&session.to_string(), "cancel")).await.expect(200);
    }
    let mut conn = m.app.app.conn().await.unwrap();
    match audit::verify(&mut conn).await.unwrap() {
        audit::Verdict::Whole { blocks, rows } => assert!(blocks > 0 && rows > 0, "{blocks} blocks, {rows} rows"),
        audit::Verdict::Broken { block } => panic!("block {block} does not stand"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn partitions_are_made_and_dropped_by_one_node_at_a_time() {
    let (m, there) = two_nodes(|_| {}).await;
    // Both nodes find days to drop and days to make.
    for days in [9, 5] {
        m.app.advance(TimeDelta::days(days));
        let rounds = [&m.app, &there, &m.app, &there].map(|node| {
            let owner = node.owner();
            async move { housekeeping::partitions(&node.app, &owner).await }
        });
        try_join_all(rounds).await.unwrap();
    }
    // Whoever holds the turn is left alone.
    let mut conn = database::connect_once(&m.app.owner()).await.unwrap();
    // A connection that had it may still be closing.
    take_turn(&mut conn).await;
    let mut other = database::connect_once(&m.app.owner()).await.unwrap();
    assert!(!maintenance::take_turn(&mut other).await.unwrap());
    database::disconnect(conn).await;
    let mut after = database::connect_once(&m.app.owner()).await.unwrap();
    take_turn(&mut after).await;
    database::disconnect(after).await;
    // And events of these days have their places.
    m.requested().await;
    assert_eq!(events_of(&m.doctor, "session.requested").await.len(), 1);
}

/// A consultation with both parties in its room: its id, and who the patient is there.
async fn in_the_room(m: &Meeting, peer: &TwirpPeer) -> (String, String) {
    let id = m.requested().await;
    let doctor = accept(&m.doctor, &id).await;
    peer.join(text(&doctor["livekit"]["token"])).unwrap();
    let patient = m.patient.get(&of(&id, "token")).await.expect(200);
    let identity = peer.join(text(&patient["livekit"]["token"])).unwrap();
    (id, identity)
}

/// Waits for the turn of whoever makes partitions.
async fn take_turn(conn: &mut database::Conn) {
    let limit = Duration::from_secs(30);
    let taken = timeout(limit, async {
        while !maintenance::take_turn(conn).await.unwrap() {
            sleep(Duration::from_millis(10)).await;
        }
    });
    taken.await.expect("the turn is free in the end");
}

/// The settings of a server whose media server this is.
fn at(peer: &TwirpPeer) -> impl FnOnce(&mut Config) + use<> {
    let url = peer.url();
    |config| {
        config.livekit_url = url;
        config.livekit_api_key = API_KEY.to_owned();
        config.livekit_api_secret = API_SECRET.into();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rooms_are_compared_by_one_node_a_round_by_what_postgres_says() {
    let peer = TwirpPeer::start().await;
    let (m, there) = two_nodes(at(&peer)).await;
    let (id, identity) = in_the_room(&m, &peer).await;
    let camera = || peer.camera_allowed(&format!("cn-{id}"), &identity);
    // The other node knows the consultation from before the consent, and hears nothing of it.
    there.app.engine.session(id.parse().unwrap()).await.unwrap().unwrap();
    m.doctor.act(&of(&id, "video-permission/allow")).await.expect(200);
    m.patient.act(&of(&id, "video-permission/accept")).await.expect(200);
    until("the camera is allowed", || camera() == Some(true)).await;
    let looks = || peer.requests().iter().filter(|request| request.method == "ListRooms").count();
    for _ in 0..4 {
        m.app.advance(TimeDelta::seconds(5));
        let (before, began) = (looks(), m.app.app.now());
        let rounds = [&there, &m.app, &there, &m.app].map(|node| media::round(&node.app));
        let turns = try_join_all(rounds).await.unwrap();
        // Where a node's own round has the turn, it may still be at it.
        until("a node looks", || looks() > before).await;
        let found = looks() - before;
        // A turn is over after 4 s: a machine that takes so long comes to the nodes' own next rounds.
        let most = 1 + usize::try_from((m.app.app.now() - began).num_seconds() / 4).unwrap();
        assert!(turns.iter().filter(|turn| **turn).count() <= most, "{turns:?}");
        assert!(found <= most, "one node, once: {found}");
        assert_eq!(camera(), Some(true), "nobody's old memory takes the camera away");
    }
    // A replayed token's rights are put right by whoever has the turn.
    let granted = peer.permission(&format!("cn-{id}"), &identity).unwrap();
    m.doctor.act(&of(&id, "video-permission/revoke")).await.expect(200);
    until("the camera is taken back", || camera() == Some(false)).await;
    let changes = || peer.requests().iter().filter(|request| request.method == "UpdateParticipant").count();
    let before = changes();
    m.doctor.act(&of(&id, "video-permission/allow")).await.expect(200);
    // An offer is told to the room too: else that would take the camera away, and not the round.
    until("the room is told", || changes() > before).await;
    peer.seat(&format!("cn-{id}"), &identity, granted);
    assert_eq!(camera(), Some(true));
    m.app.advance(TimeDelta::seconds(5));
    join_all([&there, &m.app].map(|node| media::round(&node.app))).await;
    until("it is taken back again", || camera() == Some(false)).await;
}

#[tokio::test]
async fn what_was_decided_while_livekit_was_away_is_carried_out_when_it_is_back() {
    let peer = TwirpPeer::start().await;
    let m = Meeting::start_with(at(&peer)).await;
    let (id, identity) = in_the_room(&m, &peer).await;
    let camera = || peer.camera_allowed(&format!("cn-{id}"), &identity);
    m.doctor.act(&of(&id, "video-permission/allow")).await.expect(200);
    m.patient.act(&of(&id, "video-permission/accept")).await.expect(200);
    until("the camera is allowed", || camera() == Some(true)).await;
    peer.fail_always(Some(Fault::ProxyPage));
    m.doctor.act(&of(&id, "video-permission/revoke")).await.expect(200);
    m.doctor.act(&of(&id, "video-permission/allow")).await.expect(200);
    // Both words are given up, after three attempts each, before it is back.
    let is_given_up = || peer.failed("UpdateParticipant") >= 6 || m.app.app.media.is_away();
    until("the room cannot be told", is_given_up).await;
    rounds_until(&m, "nobody asks it any more", || m.app.app.media.is_away()).await;
    // Nothing but the rounds finds out that it is back.
    peer.fail_always(None);
    rounds_until(&m, "the camera is taken back", || camera() == Some(false)).await;
    assert!(!m.app.app.media.is_away());
}

#[tokio::test]
async fn a_room_that_outlives_its_consultation_is_closed() {
    let peer = TwirpPeer::start().await;
    let m = Meeting::start_with(at(&peer)).await;
    let (id, identity) = in_the_room(&m, &peer).await;
    let mut conn = m.app.app.conn().await.unwrap();
    connect_media::set_joined(&mut conn, id.parse().unwrap(), &identity, m.app.app.now()).await.unwrap();
    drop(conn);
    peer.fail_always(Some(Fault::Internal));
    m.doctor.act(&of(&id, "end")).await.expect(200);
    let is_open = || peer.camera_allowed(&format!("cn-{id}"), &identity).is_some();
    // Whoever ended it tries three times.
    until("it is given up", || peer.failed("DeleteRoom") >= 3).await;
    assert!(is_open());
    peer.fail_always(None);
    rounds_until(&m, "the room is closed", || !is_open()).await;
    // Whichever node closed it notes so a moment later.
    let mut conn = m.app.app.conn().await.unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while !connect_media::list_outstayed(&mut conn, m.app.app.now(), 1).await.unwrap().is_empty() {
        assert!(Instant::now() < deadline, "nobody has noted that it is closed");
        sleep(Duration::from_millis(10)).await;
    }
    drop(conn);
    let closings = || peer.requests().iter().filter(|request| request.method == "DeleteRoom").count();
    let before = closings();
    m.app.advance(TimeDelta::seconds(5));
    media::round(&m.app.app).await.unwrap();
    assert_eq!(closings(), before, "and not again");
}

#[tokio::test]
async fn a_room_that_nobody_was_told_of_is_closed_when_its_consultation_is_over() {
    let peer = TwirpPeer::start().await;
    let m = Meeting::start_with(at(&peer)).await;
    assert!(!media::survey(&m.app.app).await.unwrap());
    assert!(peer.requests().is_empty(), "without consultations nothing is asked");
    let wanted = json!({"target_doctor_id": m.doctor.id, "category": "Urology", "symptoms": ["back pain"]});
    let asked = m.patient.post("connect/sessions", wanted).await.expect(201);
    peer.join(text(&asked["livekit"]["token"])).unwrap();
    m.patient.act(&of(text(&asked["session_id"]), "cancel")).await.expect(200);
    let (ended, _) = in_the_room(&m, &peer).await;
    peer.fail_always(Some(Fault::Internal));
    m.doctor.act(&of(&ended, "end")).await.expect(200);
    until("it is given up", || peer.failed("DeleteRoom") >= 3).await;
    peer.fail_always(None);
    let (running, _) = in_the_room(&m, &peer).await;
    peer.seat("cn-of-another-server", "somebody", ParticipantPermission::default());
    let open = async || m.app.app.media.open_rooms().await.unwrap();
    assert_eq!(open().await.len(), 4);
    assert!(media::survey(&m.app.app).await.unwrap());
    assert_eq!(open().await, HashSet::from([format!("cn-{running}"), "cn-of-another-server".to_owned()]));
    assert!(!media::survey(&m.app.app).await.unwrap(), "not twice in a minute");
    // Nor was anybody told of those who are in the other one.
    assert_eq!(m.app.count("room_participants").await, 0);
    m.app.advance(TimeDelta::seconds(60));
    assert!(media::survey(&m.app.app).await.unwrap());
    assert_eq!(events_of(&m.patient, "participant.joined").await.len(), 2);
    assert_eq!(m.app.count("room_participants").await, 2);
}

#[tokio::test]
async fn a_join_that_was_never_told_is_made_up_for() {
    let peer = TwirpPeer::start().await;
    let m = Meeting::start_with(at(&peer)).await;
    let (id, identity) = in_the_room(&m, &peer).await;
    let room = format!("cn-{id}");
    peer.seat(&room, "EG_recorder", ParticipantPermission::default());
    m.patient.post("connect/call-sessions", json!({"connect_session_id": id})).await.expect(201);
    let deadline = Instant::now() + Duration::from_secs(20);
    while m.app.count("room_participants").await == 0 {
        assert!(Instant::now() < deadline, "never made up for");
        m.app.advance(TimeDelta::seconds(5));
        media::round(&m.app.app).await.unwrap();
    }
    let joined = async |client: &Client| {
        let told = events_of(client, "participant.joined").await;
        told.iter().map(|event| text(&event["data"]["identity"]).to_owned()).collect::<Vec<_>>()
    };
    let mut both = vec![identity.clone(), format!("doctor-{}", m.doctor.id)];
    both.sort();
    // The word of it comes late, and they are seen again: that is no news.
    let told = json!({"id": "EV_late", "event": "participant_joined", "createdAt": m.app.app.now().timestamp() - 15,
                      "room": {"name": room}, "participant": {"identity": identity}});
    deliver(&m, &told).await.expect(200);
    m.app.advance(TimeDelta::hours(3));
    media::round(&m.app.app).await.unwrap();
    for client in [&m.patient, &m.doctor] {
        let mut told = joined(client).await;
        told.sort();
        assert_eq!(told, both);
    }
    // They talk, so it is not idle.
    sweeper::end_idle(&m.app.app).await.unwrap();
    assert_eq!(m.doctor.get(&format!("connect/sessions/{id}")).await.expect(200)["status"], "ONGOING");
}

#[tokio::test]
async fn of_many_consultations_every_one_has_its_round() {
    let peer = TwirpPeer::start().await;
    let m = Meeting::start_with(at(&peer)).await;
    let (patients, sessions) = requests(&m, 3).await;
    for (patient, session) in patients.iter().zip(&sessions) {
        accept(&m.doctor, session).await;
        patient.post("connect/call-sessions", json!({"connect_session_id": session})).await.expect(201);
    }
    let seats: Vec<_> =
        patients.iter().zip(&sessions).map(|(p, s)| (format!("cn-{s}"), format!("patient-{}", p.id))).collect();
    let rounds = media::Rounds::default();
    for _ in 0..2 {
        let everything = ParticipantPermission { can_publish: true, ..ParticipantPermission::default() };
        seats.iter().for_each(|(room, patient)| peer.seat(room, patient, everything.clone()));
        let mut turns = 0;
        while seats.iter().any(|(room, patient)| peer.camera_allowed(room, patient) == Some(true)) {
            assert!(turns < 3, "one at a time, and each once");
            m.app.advance(TimeDelta::seconds(5));
            turns += u32::from(rounds.look_at(&m.app.app, 1).await.unwrap());
        }
    }
}

/// Rounds of the reconciler until something has happened.
async fn rounds_until(m: &Meeting, what: &str, is_so: impl Fn() -> bool) {
    for _ in 0..60 {
        m.app.advance(TimeDelta::seconds(5));
        media::round(&m.app.app).await.unwrap();
        if is_so() {
            return;
        }
        sleep(Duration::from_millis(200)).await;
    }
    panic!("{what}: not within 60 rounds");
}
