//! Every durable event once and in order, whatever happens to connections (realtime.md §1).

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::StreamExt;
use futures_util::future::{join_all, try_join_all};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::Value;
use tokio::net::TcpSocket;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use super::kit::{Consultation, seq_of};
use crate::support::client::Client;
use crate::support::socket::Incoming;

const PATIENCE: Duration = Duration::from_secs(180);

/// What one client has seen: at each place of the inbox the event's data.
#[derive(Default)]
struct Timeline(BTreeMap<i64, Value>);

impl Timeline {
    /// Notes what stands at a place; twice the same place is a failure, also with the same event.
    fn note(&mut self, cursor: &Value, data: &Value) {
        let seq = seq_of(cursor);
        let last = self.0.last_key_value().map_or(0, |(last, _)| *last);
        assert_eq!(seq, last + 1, "gapless and never twice");
        self.0.insert(seq, data.clone());
    }

    fn head(&self) -> i64 {
        self.0.last_key_value().map_or(0, |(last, _)| *last)
    }
}

/// Follows an inbox to its end over connections that are cut at random moments, by one way in or the other.
async fn follow(c: &Consultation, client: &Client, end: i64, seed: u64) -> Timeline {
    let mut random = StdRng::seed_from_u64(seed);
    let mut seen = Timeline::default();
    while seen.head() < end {
        let frames = random.random_range(0..40);
        let cursor = c.cursor(seen.head());
        match random.random_range(0..4) {
            0 => follow_stream(client, &cursor, frames, end, &mut seen).await,
            1 => {
                let path = format!("connect/events/poll?since={cursor}&limit=20&wait=1");
                let page = client.get(&path).await.expect(200);
                assert_eq!(page["resync"], false);
                for event in page["events"].as_array().unwrap() {
                    seen.note(&event["cursor"], &event["data"]);
                }
            }
            _ => follow_socket(client, &cursor, frames, end, &mut seen).await,
        }
    }
    seen
}

async fn follow_socket(client: &Client, cursor: &str, frames: u32, end: i64, seen: &mut Timeline) {
    let mut socket = client.socket(Some(cursor)).await;
    let connected = socket.next().await;
    assert_eq!((&connected["resumed"], connected["cursor"].as_str()), (&Value::Bool(true), Some(cursor)));
    for _ in 0..frames {
        if seen.head() >= end {
            return;
        }
        let frame = socket.next().await;
        seen.note(&frame["cursor"], &frame["data"]);
    }
    // Dropped without a goodbye.
}

async fn follow_stream(client: &Client, cursor: &str, frames: u32, end: i64, seen: &mut Timeline) {
    let mut stream = client.stream("connect/events", Some(cursor)).await;
    stream.next_of("connected").await;
    for _ in 0..frames {
        if seen.head() >= end {
            return;
        }
        let block = stream.next().await;
        if !block.event.is_empty() {
            seen.note(&block.id.clone().into(), &block.data["data"]);
        }
    }
}

/// Sends over one socket at the pace it allows; the acks' cursors belong to the timeline as the events do.
async fn send_by_socket(c: &Consultation, client: &Client, count: usize) -> Vec<(i64, Value)> {
    let mut socket = client.socket(None).await;
    let mut acked = Vec::new();
    for number in 0..count {
        let frame = socket.command("message.send", c.send(&format!("by socket {number}"))).await;
        assert_eq!(frame["type"], "ack", "{frame}");
        if frame.get("cursor").is_some() {
            acked.push((seq_of(&frame["cursor"]), frame["data"].clone()));
        }
    }
    acked
}

#[tokio::test]
async fn timelines_have_no_gap_while_connections_come_and_go() {
    let c = Consultation::start().await;
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let by_rest = |client, count: usize| {
        let c = &c;
        async move {
            for number in 0..count {
                c.say(client, &format!("by rest {number}")).await;
            }
        }
    };
    // 500 messages; the patient's inbox has one event before them, the doctor's two.
    let sending = async {
        tokio::join!(
            by_rest(&c.patient, 115),
            by_rest(&c.patient, 100),
            by_rest(&c.doctor, 115),
            by_rest(&c.doctor, 100),
            send_by_socket(&c, &c.patient, 35),
            send_by_socket(&c, &c.doctor, 35),
        )
    };
    let patients = join_all((0..3).map(|number| follow(&c, &c.patient, 501, seed ^ number)));
    let doctors = join_all((3..6).map(|number| follow(&c, &c.doctor, 502, seed ^ number)));
    let everything = async { tokio::join!(sending, patients, doctors) };
    let (sent, patients, doctors) = timeout(PATIENCE, Box::pin(everything)).await.expect("a timeline stands still");
    for (followed, acked) in [(&patients, &sent.4), (&doctors, &sent.5)] {
        let [first, others @ ..] = followed.as_slice() else { panic!("three timelines") };
        assert!(others.iter().all(|other| other.0 == first.0), "all devices have the same timeline");
        for (seq, data) in acked {
            assert_eq!(first.0.get(seq), Some(data), "the ack stood for the event of its place");
        }
    }
    let ids = |timeline: &Timeline, skip: usize| {
        timeline.0.values().skip(skip).map(|data| data["id"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(ids(&patients[0], 1), ids(&doctors[0], 2), "both parties have one order");
    let time = |data: &Value| serde_json::from_value::<DateTime<Utc>>(data["created_at"].clone()).unwrap();
    let times: Vec<DateTime<Utc>> = patients[0].0.values().skip(1).map(time).collect();
    assert!(times.windows(2).all(|pair| pair[0] < pair[1]), "and it is that of their times");
    c.app.app.engine.hub().check_invariants().unwrap();
}

/// A WebSocket whose client takes next to nothing: a small receive buffer, and nobody who reads.
async fn slow(client: &Client, cursor: &str) -> tokio_tungstenite::WebSocketStream<tokio::net::TcpStream> {
    let url = client.url(&format!("connect/ws?since={cursor}")).replacen("http://", "ws://", 1);
    let mut request = url.as_str().into_client_request().unwrap();
    let token = client.token.as_deref().unwrap();
    request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    let address: SocketAddr = request.uri().authority().unwrap().as_str().parse().unwrap();
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(8 * 1024).unwrap();
    let line = socket.connect(address).await.unwrap();
    tokio_tungstenite::client_async(request, line).await.unwrap().0
}

#[tokio::test]
async fn a_client_that_does_not_read_is_let_go_and_delays_nobody() {
    let c = Consultation::start().await;
    let mut stuck = slow(&c.patient, &c.cursor(1)).await;
    let mut quick = c.patient.socket(Some(&c.cursor(1))).await;
    let others = c.app.app.engine.hub().count(c.patient.id) - 1;
    // Large enough to fill every buffer on the way.
    let large = "अ".repeat(16_000);
    let mut sent = 0;
    quick.next_of("connected").await;
    let filling = async {
        while c.app.app.engine.hub().count(c.patient.id) > others {
            try_join_all((0..20).map(|_| async { Ok::<_, ()>(c.say(&c.doctor, &large).await) })).await.unwrap();
            sent += 20;
            for _ in 0..20 {
                // Each within the usual deadline: the stuck one is in nobody's way.
                assert_eq!(quick.next().await["type"], "message.new");
            }
        }
    };
    timeout(PATIENCE, filling).await.expect("the slow client is still there");

    // It reads again: first what was on its way, then the close, or the line is cut.
    let mut seen = Timeline::default();
    seen.0.insert(1, Value::Null);
    let reading = async {
        while let Some(Ok(message)) = stuck.next().await {
            match message {
                Message::Text(text) => {
                    let frame: Value = serde_json::from_str(&text).unwrap();
                    if frame["type"] == "message.new" {
                        seen.note(&frame["cursor"], &frame["data"]["id"]);
                    }
                }
                Message::Close(Some(close)) => assert_eq!(u16::from(close.code), 4409),
                _ => {}
            }
        }
    };
    timeout(PATIENCE, reading).await.expect("the line is still open");
    assert!(seen.head() < sent + 1, "it missed some");
    let mut again = c.patient.socket(Some(&c.cursor(seen.head()))).await;
    while seen.head() < sent + 1 {
        match again.incoming().await {
            Incoming::Frame(frame) if frame["type"] == "message.new" => {
                seen.note(&frame["cursor"], &frame["data"]["id"]);
            }
            Incoming::Frame(frame) => assert_eq!(frame["type"], "connected"),
            Incoming::Closed(code, reason) => panic!("closed {code} {reason}"),
        }
    }
}

#[tokio::test]
async fn a_stream_that_does_not_read_is_cut() {
    let c = Consultation::start().await;
    let stuck = c.patient.stream("connect/events", Some(&c.cursor(1))).await;
    let large = "अ".repeat(16_000);
    let mut sent = 0;
    let filling = async {
        while c.app.app.engine.hub().count(c.patient.id) > 0 {
            join_all((0..20).map(|_| c.say(&c.doctor, &large))).await;
            sent += 20;
        }
    };
    timeout(PATIENCE, filling).await.expect("the slow stream is still there");
    drop(stuck);
    let mut seen = 1;
    while seen < sent + 1 {
        let path = format!("connect/events/poll?since={}&limit=50", c.cursor(seen));
        let page = c.patient.get(&path).await.expect(200);
        assert_eq!(page["events"].as_array().unwrap().len(), 50.min(usize::try_from(sent + 1 - seen).unwrap()));
        seen = seq_of(&page["cursor"]);
    }
}
