//! The limits of realtime.md §7.

use std::time::{Duration, Instant};

use serde_json::json;

use super::kit::Consultation;
use crate::support::app::TestApp;
use crate::support::socket::{Incoming, Socket};

/// A ping of exactly so many bytes.
fn ping_of(bytes: usize) -> String {
    let bare = json!({"type": "ping", "ref": 1, "padding": ""}).to_string().len();
    json!({"type": "ping", "ref": 1, "padding": "x".repeat(bytes - bare)}).to_string()
}

#[tokio::test]
async fn a_frame_of_64_kib_is_taken_and_a_larger_one_closes() {
    let app = TestApp::start().await;
    let patient = app.patient().await;
    let mut socket = patient.socket(None).await;
    socket.next_of("connected").await;
    socket.send_text(ping_of(64 * 1024)).await;
    assert_eq!(socket.next().await["type"], "ack");
    socket.send_text(ping_of(64 * 1024 + 1)).await;
    assert_eq!(socket.closed().await, 1009);
    let mut socket = patient.socket(None).await;
    socket.send_text(ping_of(2 * 1024 * 1024)).await;
    assert_eq!(socket.closed().await, 1009);
}

#[tokio::test]
async fn the_largest_text_fits_a_frame_both_ways() {
    let c = Consultation::start().await;
    let mut socket = c.patient.socket(None).await;
    let mut doctor = c.doctor.socket(None).await;
    // Three bytes each in UTF-8, 48,000 in all.
    let long = "अ".repeat(16_000);
    let frame = socket.command("message.send", c.send(&long)).await;
    assert_eq!(frame["type"], "ack");
    assert_eq!(doctor.next_of("message.new").await["data"]["content"], long);
    let too_many_bytes = socket.command("message.send", c.send(&"😀".repeat(12_289))).await;
    assert_eq!(too_many_bytes["error"]["status"], 422);
}

#[tokio::test]
async fn commands_above_the_burst_are_refused_and_then_served_again() {
    let app = TestApp::start().await;
    let mut socket = app.patient().await.socket(None).await;
    socket.next_of("connected").await;
    let (mut served, mut refused) = (0_u32, 0);
    let since = Instant::now();
    // A machine that stands still for a second meanwhile earns some more.
    while refused == 0 {
        for number in 0..60 {
            socket.send(&json!({"type": "ping", "ref": number})).await;
        }
        for number in 0..60 {
            let frame = socket.next().await;
            assert_eq!(frame["ref"], number, "one answer each, in order");
            if frame["type"] == "ack" {
                served += 1;
            } else {
                refused += 1;
                assert_eq!(frame["error"]["status"], 429);
                assert_eq!(frame["error"]["code"], "RATE_LIMITED");
            }
        }
        assert!(served < 6000, "nothing is refused");
    }
    let earned = 40.0 + 20.0 * (since.elapsed().as_secs_f64() + 1.0);
    assert!(served >= 40 && f64::from(served) <= earned, "{served} served, {earned} earned");
    // Whoever keeps a lower pace is served again.
    for _ in 0..5 {
        assert!(socket.silent_for(Duration::from_millis(100)).await);
        assert_eq!(socket.command("ping", json!({})).await["type"], "ack");
    }
}

#[tokio::test]
async fn persistent_abuse_closes() {
    let app = TestApp::start().await;
    let mut socket = app.patient().await.socket(None).await;
    for number in 0..400 {
        socket.send(&json!({"type": "ping", "ref": number})).await;
    }
    assert_eq!(socket.closed().await, 4429);
}

#[tokio::test]
async fn a_seventeenth_connection_closes_the_oldest() {
    let app = TestApp::start().await;
    let patient = app.patient().await;
    let mut first = patient.socket(None).await;
    let mut second = patient.stream("connect/events", None).await;
    second.next_of("connected").await;
    let mut others: Vec<Socket> = Vec::new();
    for _ in 0..14 {
        others.push(patient.socket(None).await);
    }
    // A poll that waits is no connection.
    assert_eq!(app.app.engine.hub().count(patient.id), 16);
    let seventeenth = patient.stream("connect/events", None).await;
    assert_eq!(first.closed().await, 4410);
    let eighteenth = patient.socket(None).await;
    let closing = second.next_of("closing").await;
    assert_eq!(closing.data["code"], 4410);
    assert_eq!(second.try_next().await, None);
    for socket in &mut others {
        socket.next_of("connected").await;
        assert!(socket.silent_for(Duration::from_millis(20)).await);
    }
    app.app.engine.hub().check_invariants().unwrap();
    // Somebody else's connections do not count.
    app.patient().await.socket(None).await.next_of("connected").await;
    assert_eq!(others.remove(0).command("ping", json!({})).await["type"], "ack");
    drop((seventeenth, eighteenth));
}

#[tokio::test]
async fn heartbeats_are_answered_or_the_connection_ends() {
    let app = TestApp::start_with(|config| config.pace.heartbeat = Duration::from_millis(100)).await;
    let patient = app.patient().await;
    let mut silent = patient.socket(None).await;
    let since = Instant::now();
    let mut alive = patient.socket(None).await;
    // Reading answers pings; a client that only listens stays connected.
    alive.next_of("connected").await;
    while alive.pings < 4 {
        assert!(alive.silent_for(Duration::from_millis(50)).await);
        assert!(since.elapsed() < Duration::from_secs(30), "{} pings", alive.pings);
    }
    assert_eq!(alive.command("ping", json!({})).await["type"], "ack");
    // The other one answered none of its pings meanwhile.
    loop {
        match silent.incoming().await {
            // The close waits two seconds to be taken. Whoever stands still for longer finds the line cut.
            Incoming::Closed(1006, _) if since.elapsed() > Duration::from_secs(2) => return,
            Incoming::Closed(code, reason) => {
                assert_eq!((code, reason.as_str()), (4408, "heartbeat missed"));
                break;
            }
            Incoming::Frame(frame) => assert_eq!(frame["type"], "connected"),
        }
    }
    assert_eq!(silent.pings, 2);
}
