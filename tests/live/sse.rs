//! The event streams (realtime.md §5, settled 3).

use std::time::Duration;

use axum::http::Method;
use chrono::TimeDelta;
use consilium::accounts::sign_in;
use serde_json::{Value, json};

use super::kit::{Consultation, accept, login_of, request, seq_of};
use crate::support::app::TestApp;
use crate::support::client::{Client, keys};
use crate::support::stream::{Block, Stream};

const REQUESTS: &str = "connect/sessions/requests/stream";
const QUIET: Duration = Duration::from_millis(200);

/// The block that says how long to wait before coming back.
async fn retry(stream: &mut Stream) {
    let first = stream.next().await;
    let retry = first.retry.expect("retry comes first");
    assert!((1000..=5000).contains(&retry));
    assert_eq!(first, Block { retry: Some(retry), ..Block::default() });
}

/// The doctor's stream up to the place it begins at.
async fn fresh(doctor: &Client) -> (Stream, Vec<Block>, String) {
    let mut stream = doctor.stream(REQUESTS, None).await;
    retry(&mut stream).await;
    let connected = stream.next().await;
    assert_eq!((connected.event.as_str(), &connected.id), ("connected", &None));
    assert_eq!(connected.data, json!({"doctor_id": doctor.id}));
    let mut open = Vec::new();
    loop {
        let block = stream.next().await;
        if block.event.is_empty() {
            let id = block.id.clone().expect("an id alone");
            assert_eq!(block, Block { id: Some(id.clone()), ..Block::default() });
            return (stream, open, id);
        }
        assert_eq!((block.event.as_str(), &block.id), ("session_requested", &None));
        open.push(block);
    }
}

#[tokio::test]
async fn a_doctors_stream_begins_with_what_is_open() {
    let app = TestApp::start().await;
    let (doctor, other) = (app.doctor().await, app.doctor().await);
    let (one, two, three) = (app.patient().await, app.patient().await, app.patient().await);
    request(&one, &doctor).await;
    request(&two, &doctor).await;
    request(&three, &other).await;
    let (mut stream, open, id) = fresh(&doctor).await;
    let listed = doctor.get("connect/sessions/requests").await.expect(200);
    let shown: Vec<&Value> = open.iter().map(|block| &block.data).collect();
    assert_eq!(json!(shown), listed["items"], "each open request once, as the list has it");
    assert_eq!(shown.len(), 2);
    assert_eq!(id, app.app.engine.cursor(2), "the head of that snapshot");

    let session = request(&app.patient().await, &doctor).await;
    let block = stream.next().await;
    assert_eq!((block.event.as_str(), &block.id), ("session_requested", &Some(app.app.engine.cursor(3))));
    let listed = doctor.get("connect/sessions/requests").await.expect(200);
    let item = listed["items"].as_array().unwrap().iter().find(|item| item["session_id"] == session.as_str());
    assert_eq!(Some(&block.data), item);
    let (_, open, _) = fresh(&other).await;
    assert_eq!(open.len(), 1, "nobody else's requests");
}

#[tokio::test]
async fn what_becomes_of_a_request() {
    // A stream that looks at the clock once it was moved ends with its token.
    let app = TestApp::start_with(|config| config.ttl.access_token = TimeDelta::hours(2)).await;
    let doctor = app.doctor().await;
    let (mut stream, _, _) = fresh(&doctor).await;
    let mut colleague = fresh(&app.doctor().await).await.0;
    let mut last = 0;
    for (how, event, status) in [
        ("reject", "session_rejected", "REJECTED"),
        ("cancel", "session_cancelled", "CANCELLED"),
        ("accept", "session_accepted", "ONGOING"),
        ("", "session_expired", "EXPIRED"),
    ] {
        let patient = app.patient().await;
        let session = request(&patient, &doctor).await;
        let requested = stream.next().await;
        assert_eq!((requested.event.as_str(), &requested.data["session_id"]), ("session_requested", &json!(session)));
        match how {
            "" => app.advance(TimeDelta::minutes(31)),
            how => {
                let actor = if how == "cancel" { &patient } else { &doctor };
                actor.act(&format!("connect/sessions/{session}/{how}")).await.expect(200);
            }
        }
        let block = stream.next().await;
        assert_eq!(block.event, event);
        assert_eq!(block.data, json!({"session_id": session, "status": status}));
        let seq = seq_of(&json!(block.id));
        assert!(seq > last, "{seq} after {last}");
        last = seq;
    }
    assert!(colleague.silent_for(QUIET).await);
}

#[tokio::test]
async fn a_cut_doctors_stream_goes_on_from_its_last_id() {
    let app = TestApp::start().await;
    let (doctor, patient) = (app.doctor().await, app.patient().await);
    let (stream, _, id) = fresh(&doctor).await;
    drop(stream);
    let session = request(&patient, &doctor).await;
    accept(&doctor, &session).await;
    patient.post(&format!("connect/sessions/{session}/messages"), super::kit::text("hello")).await.expect(201);
    // A wrong `since` beside it does not matter: the header wins.
    let path = format!("{REQUESTS}?since=other9-7");
    let mut stream = doctor.stream(&path, Some(&id)).await;
    retry(&mut stream).await;
    let connected = stream.next().await;
    assert_eq!((connected.event.as_str(), &connected.id), ("connected", &Some(id.clone())));
    assert_eq!(connected.data, json!({"doctor_id": doctor.id}));
    let names = ["session_requested", "session_accepted"];
    for (name, seq) in names.into_iter().zip(1..) {
        let block = stream.next().await;
        assert_eq!((block.event.as_str(), block.id), (name, Some(app.app.engine.cursor(seq))));
    }
    assert!(stream.silent_for(QUIET).await, "chat is not shown here");
    let mut stream = doctor.stream(&format!("{REQUESTS}?since={id}"), None).await;
    stream.next_of("session_requested").await;
    let mut lost = doctor.stream(&path, None).await;
    assert_eq!(lost.next_of("resync").await.id, Some(app.app.engine.cursor(3)));
}

#[tokio::test]
async fn the_whole_inbox_as_a_stream() {
    let c = Consultation::start().await;
    let mut stream = c.patient.stream("connect/events", None).await;
    retry(&mut stream).await;
    let connected = stream.next().await;
    assert_eq!((connected.event.as_str(), &connected.id), ("connected", &Some(c.cursor(1))));
    assert_eq!((&connected.data["role"], &connected.data["user_id"]), (&json!("client"), &json!(c.patient.id)));
    let said = c.say(&c.doctor, "two\nlines").await;
    let block = stream.next().await;
    assert_eq!((block.event.as_str(), &block.id), ("message.new", &Some(c.cursor(2))));
    assert_eq!(keys(&block.data), ["at", "data", "session_id", "type"], "no cursor beside the id");
    assert_eq!((&block.data["type"], &block.data["data"]), (&json!("message.new"), &said));
    let mut doctor = c.doctor.socket(None).await;
    doctor.command("typing", json!({"session_id": c.session, "is_typing": true})).await;
    let typing = stream.next().await;
    assert_eq!((typing.event.as_str(), &typing.id), ("typing", &None));
    drop(stream);

    let third = c.say(&c.doctor, "three").await;
    let mut stream = c.patient.stream("connect/events", Some(&c.cursor(1))).await;
    retry(&mut stream).await;
    let connected = stream.next().await;
    assert_eq!((&connected.data["resumed"], &connected.data["replay"]), (&json!(true), &json!(2)));
    assert_eq!(stream.next().await, block, "replayed as it was live");
    assert_eq!(stream.next().await.data["data"], third);

    let mut lost = c.patient.stream("connect/events?since=other9-1", None).await;
    let resync = lost.next_of("resync").await;
    assert_eq!(resync.id, Some(c.cursor(3)));
    c.say(&c.doctor, "four").await;
    assert_eq!(lost.next().await.id, Some(c.cursor(4)));
}

#[tokio::test]
async fn heartbeats_repeat_the_id_reached() {
    let c = Consultation::start_with(|config| config.pace.comment = Duration::from_millis(100)).await;
    let (mut doctors, _, id) = fresh(&c.doctor).await;
    let mut inbox = c.patient.stream("connect/events", None).await;
    let alone = |id: &str| Block { id: Some(id.to_owned()), ..Block::default() };
    assert_eq!(doctors.next().await, alone(&id));
    assert!(doctors.comments > 0);
    c.say(&c.patient, "not shown to the stream, but counted").await;
    while doctors.next().await != alone(&c.cursor(3)) {}
    while inbox.next().await != alone(&c.cursor(2)) {}
    assert!(inbox.comments > 0);
    // Going on from there, nothing comes twice.
    let mut again = c.doctor.stream(REQUESTS, Some(&c.cursor(3))).await;
    again.next_of("connected").await;
    assert_eq!(again.next().await, alone(&c.cursor(3)));
}

#[tokio::test]
async fn headers_that_no_proxy_delays() {
    let c = Consultation::start().await;
    for path in ["connect/events", REQUESTS] {
        let request = c.doctor.request(Method::GET, path).header("accept-encoding", "gzip, br, zstd");
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 200);
        let header = |name: &str| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(header("content-type").as_deref(), Some("text/event-stream"));
        assert_eq!(header("cache-control").as_deref(), Some("no-cache, no-transform"));
        assert_eq!(header("x-accel-buffering").as_deref(), Some("no"));
        assert_eq!(header("content-encoding"), None);
    }
}

#[tokio::test]
async fn streams_are_refused_at_the_handshake() {
    let app = TestApp::start().await;
    let (patient, doctor) = (app.patient().await, app.doctor().await);
    patient.get(REQUESTS).await.refused(403, "WRONG_ROLE");
    app.admin().await.get(REQUESTS).await.refused(403, "WRONG_ROLE");
    app.nobody().get("connect/events").await.refused_plainly(401);
    let token = doctor.token.clone().unwrap();
    app.nobody().get(&format!("connect/events?token={token}")).await.refused_plainly(401);
    doctor.get(&format!("{REQUESTS}?since=x")).await.invalid(&["query.since value_error"]);
    let bad = doctor.request(Method::GET, "connect/events").header("last-event-id", "x");
    Stream::refused(bad).await.invalid(&["header.last-event-id value_error"]);
}

#[tokio::test]
async fn a_ticket_opens_a_stream_and_a_logout_ends_it() {
    let app = TestApp::start().await;
    let doctor = app.doctor().await;
    let nobody = app.nobody();
    let ticket = doctor.act("connect/tickets").await.expect(201)["ticket"].as_str().unwrap().to_owned();
    let path = format!("{REQUESTS}?ticket={ticket}");
    let mut stream = nobody.stream(&path, None).await;
    assert_eq!(stream.next_of("connected").await.data["doctor_id"], json!(doctor.id));
    nobody.get(&path).await.refused_plainly(401);
    sign_in::end(&app.app, login_of(&app, &doctor)).await.unwrap();
    let closing = stream.next_of("closing").await;
    assert_eq!(closing.data, json!({"code": 4401, "reason": "unauthenticated"}));
    assert_eq!(stream.try_next().await, None);
}
