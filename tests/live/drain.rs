//! A node that goes away (DESIGN §9): red first, everybody told in turn, nothing lost, gone in time.

use std::time::Duration;

use axum::http::Method;
use consilium_storage::connect::sessions::find_for_update;
use consilium_storage::tx::Tx;
use futures_util::future::join_all;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::kit::Consultation;
use super::node::{Node, WORK_LEFT};
use crate::support::client::{Client, send};
use crate::support::socket::{Incoming, Socket};
use crate::support::stream::Stream;

const PATIENTS: usize = 20;
/// Devices of each patient: WebSockets, streams that read, streams that never read; the limit is 16.
const DEVICES: [usize; 3] = [12, 2, 2];
const BUCKET: Duration = Duration::from_millis(250);
/// A machine that stands still while a fleet is told says nothing: then another one is let go. One of them shows it.
const ROUNDS: usize = 5;
/// As long as an orderly end may take; twice as long where each of its steps may wait for a busy machine.
const DRAIN: Duration = Duration::from_secs(20);

/// When a client was told, and how long it waits before it comes back.
struct Told {
    at: Instant,
    wait: Duration,
}

/// Reads to the end of a socket.
async fn told_by_socket(mut socket: Socket) -> Told {
    let going = socket.next_of("going_away").await;
    let at = Instant::now();
    match socket.incoming().await {
        Incoming::Closed(code, _) => assert_eq!(code, 1001),
        Incoming::Frame(frame) => panic!("after the goodbye: {frame}"),
    }
    Told { at, wait: Duration::from_millis(going["data"]["reconnect_after_ms"].as_u64().unwrap()) }
}

/// The same of a stream, which is told twice: for programs, and for browsers that know `retry` alone.
async fn told_by_stream(mut stream: Stream) -> Told {
    let going = stream.next_of("going_away").await;
    let at = Instant::now();
    let after = going.data["data"]["reconnect_after_ms"].as_u64().unwrap();
    assert_eq!(going.retry, Some(after));
    assert_eq!(stream.next_of("closing").await.data["code"], 1001);
    assert_eq!(stream.try_next().await, None);
    Told { at, wait: Duration::from_millis(after) }
}

/// A stream whose client takes nothing.
async fn deaf_stream(client: &Client) -> TcpStream {
    let url = client.url("");
    let host = url.trim_start_matches("http://").split('/').next().unwrap();
    let mut line = TcpStream::connect(host).await.unwrap();
    let token = client.token.as_deref().unwrap();
    let head = format!("GET /api/v2/connect/events HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\r\n");
    line.write_all(head.as_bytes()).await.unwrap();
    line.readable().await.unwrap();
    line
}

/// The most of these times within any 250 ms, and on average.
fn peak_and_mean(mut times: Vec<Instant>) -> (usize, f64) {
    times.sort_unstable();
    let peak = (0..times.len()).map(|from| times.partition_point(|time| *time < times[from] + BUCKET) - from);
    let window = times[times.len() - 1] - times[0];
    (peak.max().unwrap(), times.len() as f64 * BUCKET.as_secs_f64() / window.as_secs_f64())
}

/// Whether they were told one after the other. A machine that stands still meanwhile makes a crowd of its own.
fn were_told_in_turn(told: &[Told]) -> bool {
    let mut times: Vec<Instant> = told.iter().map(|told| told.at).collect();
    times.sort_unstable();
    let is_at_once = times[times.len() - 1] - times[0] < BUCKET / 2;
    !is_at_once && times.windows(2).all(|pair| pair[1] - pair[0] < BUCKET)
}

/// Ends a node with a whole fleet on it; how each client was told.
async fn let_a_fleet_go() -> Vec<Told> {
    let mut node = Node::start("info").await;
    let (mut sockets, mut streams, mut deaf) = (Vec::new(), Vec::new(), Vec::new());
    for number in 0..PATIENTS {
        let (patient, _) = node.patient(&format!("+9177000001{number:02}")).await;
        let [with_socket, with_stream, without_ears] = DEVICES.map(|count| 0..count);
        for _ in with_socket {
            let mut socket = patient.socket(None).await;
            socket.next_of("connected").await;
            sockets.push(socket);
        }
        for _ in with_stream {
            let mut stream = patient.stream("connect/events", None).await;
            stream.next_of("connected").await;
            streams.push(stream);
        }
        for _ in without_ears {
            deaf.push(deaf_stream(&patient).await);
        }
    }
    let fleet = async {
        let (mut told, by_stream) = tokio::join!(
            join_all(sockets.into_iter().map(told_by_socket)),
            join_all(streams.into_iter().map(told_by_stream))
        );
        told.extend(by_stream);
        told
    };
    let (code, told) = tokio::join!(node.terminate(2 * DRAIN), fleet);
    assert_eq!(code, Some(0), "{}", node.log());
    assert!(!node.log().contains(WORK_LEFT), "{}", node.log());
    drop(deaf);
    told
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fleet_is_let_go_in_turn_and_the_node_ends_in_time() {
    for _ in 0..ROUNDS {
        let told = let_a_fleet_go().await;
        assert_eq!(told.len(), PATIENTS * (DEVICES[0] + DEVICES[1]));
        // Whatever the machine does, they are not all sent back at the same time.
        let now = Instant::now();
        let (most, _) = peak_and_mean(told.iter().map(|told| now + told.wait).collect());
        assert!(most <= told.len() / 2, "{most} of {} wait alike", told.len());
        let (peak, mean) = peak_and_mean(told.iter().map(|told| told.at + told.wait).collect());
        if peak as f64 <= 2.0 * mean {
            return;
        }
        assert!(!were_told_in_turn(&told), "{peak} come back in the busiest 250 ms, {mean:.1} on average");
    }
    panic!("they come back in crowds each time");
}

/// Holds the session's row, so that a command on it stays under way; drop it to let the command end.
async fn hold(c: &Consultation) -> Tx {
    let mut tx = c.app.app.begin().await.unwrap();
    find_for_update(tx.conn(), c.session.parse().unwrap()).await.unwrap().unwrap();
    tx
}

#[tokio::test]
async fn a_node_that_drains_is_red_refuses_new_sockets_and_finishes_commands() {
    // Neither the command nor the door is given up while this machine stands still; nobody waits so long.
    let c = Consultation::start_with(|config| {
        config.ttl.drain = 10 * DRAIN;
        config.pace.last_command = 2 * DRAIN;
    })
    .await;
    let mut desk = c.patient.socket(None).await;
    desk.next_of("connected").await;
    let held = hold(&c).await;
    let reference = desk.send_command("message.send", c.send("before I go")).await;
    c.app.somebody_waits().await;
    c.app.app.shutdown.cancel();
    desk.next_of("going_away").await;

    let ready = c.app.nobody().get("/ready").await;
    assert_eq!((ready.status, &ready.body["status"]), (503, &json!("unready")));
    for path in ["connect/ws", "connect/events", "connect/sessions/requests/stream"] {
        let answer = send(c.doctor.request(Method::GET, path)).await;
        answer.refused(503, "UNAVAILABLE");
        assert!(answer.retry_after() >= 1);
    }
    // Before credentials are looked at: a fleet that comes to the wrong door costs nothing.
    send(c.app.nobody().request(Method::GET, "connect/ws")).await.refused(503, "UNAVAILABLE");
    // Calls are served as before.
    c.doctor.act("connect/tickets").await.expect(201);

    drop(held);
    let ack = desk.next_of("ack").await;
    assert_eq!((&ack["ref"], &ack["data"]["content"]), (&json!(reference), &json!("before I go")));
    assert_eq!(desk.closed().await, 1001);
}

#[tokio::test]
async fn a_command_that_does_not_end_does_not_hold_the_node() {
    let mut c = Consultation::start_with(|config| {
        // Nothing else would end it in time.
        config.ttl.drain = 10 * DRAIN;
        config.pace.last_command = Duration::from_secs(1);
    })
    .await;
    let mut desk = c.patient.socket(None).await;
    desk.next_of("connected").await;
    let held = hold(&c).await;
    desk.send_command("message.send", c.send("before I go")).await;
    c.app.somebody_waits().await;
    // It has a deadline of its own.
    let ((), code) = tokio::join!(c.app.stop(), desk.closed());
    assert_eq!(code, 1001);
    drop(held);
}
