//! Through the proxy that deploy/nginx describes: nothing is delayed, leaked, doubled or refused that the server itself
//! would not delay, leak, double or refuse.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use axum::http::Method;
use consilium::config::Config;
use consilium::error::{Code, Error};
use consilium::http::dialect::Family;
use futures_util::future::join_all;
use serde_json::json;
use tokio::time::{sleep, timeout};

use super::proxy::{PLAYED_ADDRESS, Proxy, check_tls_front};
use crate::live::kit::{accept, request, text};
use crate::nodes::kit::until;
use crate::support::app::TestApp;
use crate::support::client::{Client, send};
use crate::support::redis::RedisServer;
use crate::support::socket::{Incoming, Socket};

/// An event that waited for a buffer to fill would not come at all.
const AT_ONCE: Duration = Duration::from_secs(12);

/// A node that believes the proxy.
async fn node() -> TestApp {
    node_with(|_| {}).await
}

async fn node_with(change: impl FnOnce(&mut Config)) -> TestApp {
    TestApp::start_with(|config| {
        config.trusted_proxies = vec!["127.0.0.1".parse().unwrap()];
        change(config);
    })
    .await
}

#[tokio::test]
async fn events_come_at_once() {
    let app = node().await;
    let proxy = Proxy::before(&[&app]).await;
    let (patient, doctor) = (app.patient().await, app.doctor().await);
    let ours = proxy.client(&doctor);
    let stock = proxy.stock_client(&doctor);
    let mut streams = Vec::new();
    for client in [&ours, &stock] {
        for path in ["connect/events", "connect/sessions/requests/stream"] {
            let mut stream = client.stream(path, None).await;
            stream.next_of("connected").await;
            streams.push(stream);
        }
    }
    let asked = proxy.client(&patient).post("connect/sessions", json!({"target_doctor_id": doctor.id})).await;
    let session = asked.expect(201)["session_id"].clone();
    for (stream, event) in streams.iter_mut().zip(["session.requested", "session_requested"].into_iter().cycle()) {
        let block = timeout(AT_ONCE, stream.next_of(event)).await.unwrap_or_else(|_| panic!("{event} is held back"));
        let named =
            if event == "session_requested" { &block.data["session_id"] } else { &block.data["data"]["session_id"] };
        assert_eq!(*named, session);
    }
}

#[tokio::test]
async fn a_websocket_speaks_both_ways_and_closes_with_its_code() {
    let app = node().await;
    let proxy = Proxy::before(&[&app]).await;
    let (patient, doctor) = (app.patient().await, app.doctor().await);
    let (patient, doctor) = (proxy.client(&patient), proxy.client(&doctor));
    let mut socket = patient.socket(None).await;
    socket.next_of("connected").await;
    let asked = patient.post("connect/sessions", json!({"target_doctor_id": doctor.id})).await.expect(201);
    doctor.act(&format!("connect/sessions/{}/accept", asked["session_id"].as_str().unwrap())).await.expect(200);
    let mut other = doctor.socket(None).await;
    other.next_of("connected").await;
    let message = json!({"session_id": asked["session_id"], "client_message_id": uuid::Uuid::new_v4(),
        "content_type": "text", "content": "Does it hurt?"});
    assert_eq!(other.command("message.send", message).await["type"], "ack");
    assert_eq!(socket.next_of("message.new").await["data"]["content"], "Does it hurt?");
    // A refused handshake is the server's own answer.
    let mut stranger = patient.clone();
    stranger.token = Some("not-a-token".to_owned());
    let (status, body) = stranger.try_socket("").await.err().expect("it is refused");
    assert_eq!((status, body["detail"].is_string()), (401, true));
    // And so is a close.
    socket.send_text("no JSON".to_owned()).await;
    assert_eq!(socket.closed().await, 4400);
}

#[tokio::test]
async fn no_query_string_is_logged() {
    let app = node().await;
    let gone = "127.0.0.1:9";
    let proxy = Proxy::start(&[gone, app.url.strip_prefix("http://").unwrap()]).await;
    let doctor = app.doctor().await;
    let mut tickets = Vec::new();
    for path in ["connect/events", "connect/sessions/requests/stream"] {
        let ticket = ticket(&doctor).await;
        let mut stream = proxy.client(&app.nobody()).stream(&format!("{path}?ticket={ticket}"), None).await;
        stream.next_of("connected").await;
        tickets.push(ticket);
    }
    let by_socket = ticket(&doctor).await;
    let mut socket = proxy.client(&app.nobody()).try_socket(&format!("?ticket={by_socket}")).await.ok().unwrap();
    socket.next_of("connected").await;
    tickets.push(by_socket);
    // With no node left nginx itself has something to say.
    app.app.shutdown.cancel();
    refused(&app.url).await;
    let left = proxy.client(&app.nobody());
    left.get("connect/events?ticket=a-ticket-for-nobody").await.refused(503, "UNAVAILABLE");
    tickets.push("a-ticket-for-nobody".to_owned());
    drop(socket);
    let ws = proxy.lines("/api/v2/connect/ws", 1).await;
    assert_eq!((ws[0]["status"].as_u64(), ws[0]["method"].as_str()), (Some(101), Some("GET")));
    let streams = proxy.lines("/api/v2/connect/events", 2).await;
    let of_the_dead = streams.iter().find(|line| line["status"] == 503).unwrap();
    assert!(
        of_the_dead["node_status"].as_str().unwrap().contains("502"),
        "the access log says who failed: {of_the_dead}"
    );
    for name in ["access.log", "error.log", "start.log", "output"] {
        let log = proxy.log(name);
        for secret in tickets.iter().map(String::as_str).chain(["ticket="]) {
            assert!(!log.contains(secret), "{secret} stands in {name}:\n{log}");
        }
    }
}

async fn ticket(client: &Client) -> String {
    client.act("connect/tickets").await.expect(201)["ticket"].as_str().unwrap().to_owned()
}

/// Waits until nobody listens there any more.
async fn refused(url: &str) {
    let address = url.strip_prefix("http://").unwrap();
    let gone = async {
        while tokio::net::TcpStream::connect(address).await.is_ok() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(20), gone).await.expect("it still listens");
}

#[tokio::test]
async fn the_clients_address_is_the_one_that_nginx_saw() {
    let app = node().await;
    let proxy = Proxy::before(&[&app]).await;
    let nobody = proxy.client(&app.nobody());
    let ask = async |number: u32, from: &str| {
        let body = json!({"phone": format!("+9177{number:08}")});
        let request = nobody.request(Method::POST, "auth/request-otp").json(&body).header(PLAYED_ADDRESS, from);
        // What the client claims for itself counts for nothing.
        send(request.header("x-forwarded-for", format!("198.51.100.{}", number % 250))).await
    };
    // Twenty an hour for an address (settled 14).
    for number in 0..20 {
        ask(number, "203.0.113.7").await.expect(202);
    }
    assert_eq!(ask(20, "203.0.113.7").await.status, 429);
    ask(21, "203.0.113.8").await.expect(202);
}

#[tokio::test]
async fn headers_are_the_servers_and_stand_once() {
    let app = node().await;
    let proxy = Proxy::before(&[&app]).await;
    let answer = proxy.client(&app.nobody()).get("/health").await;
    assert_eq!(answer.status, 200);
    for name in
        ["x-content-type-options", "x-frame-options", "referrer-policy", "cache-control", "x-request-id", "date"]
    {
        assert_eq!(answer.headers.get_all(name).iter().count(), 1, "{name}: {:?}", answer.headers);
    }
    assert_eq!(answer.headers["server"], "nginx", "without its version");
    let own = proxy.client(&app.nobody()).request(Method::GET, "/health").header("x-request-id", "mine-1");
    assert_eq!(send(own).await.headers["x-request-id"], "mine-1");
    // Each of nginx' workers writes when it comes to it.
    let lines = proxy.lines("/health", 2).await;
    let own = lines.iter().find(|line| line["request_id"] == "mine-1");
    assert_eq!(own.and_then(|line| line["status"].as_u64()), Some(200), "{lines:?}");
    // Figures are not for the world.
    proxy.client(&app.nobody()).get("/metrics").await.refused_plainly(404);
}

#[tokio::test]
async fn bodies_are_refused_by_the_server_as_far_as_it_goes() {
    let app = node().await;
    let proxy = Proxy::before(&[&app]).await;
    let patient = proxy.client(&app.patient().await);
    for megabytes in [2, 31] {
        let body = format!("{{\"target_doctor_id\":\"{}\"}}", "x".repeat(megabytes * 1024 * 1024));
        let request = patient.request(Method::POST, "connect/sessions").header("content-type", "application/json");
        send(request.body(body)).await.refused(400, "BODY_TOO_LARGE");
    }
    let picture = vec![7; 3 * 1024 * 1024];
    let form =
        reqwest::multipart::Form::new().part("file", reqwest::multipart::Part::bytes(picture).file_name("a.png"));
    send(patient.request(Method::POST, "users/me/avatar").multipart(form)).await.refused(400, "FILE_TOO_LARGE");
}

#[tokio::test]
async fn without_a_node_every_family_is_answered_in_its_shape() {
    let proxy = Proxy::start(&["127.0.0.1:9", "127.0.0.1:10"]).await;
    let away = Error::Unavailable { code: Code::Unavailable, detail: "The service is briefly unavailable, try again" };
    let client = reqwest_client(&proxy);
    for path in [
        "/api/v2/users/me",
        "/api/v2/connect/ws",
        "/api/v2/connect/events",
        "/api/v1/users/me",
        "/api/v1/organizations",
        "/api/v1/organizations/7/patients",
        "/api/v1/auth/change-password",
        "/api/v1/agent/chat",
        "/api/v1/encounters",
        "/api/v1/encounters/7",
        "/api/v1/patients/7",
        "/api/v1/subscriptions",
        "/api/v1/personal-keys",
        "/api/v1/physician/cases",
        "/api/v1/config",
        "/api/v1/knowledge",
        "/api/v1/users/me/submissions",
        "/api/v1/patientsofother",
        "/nowhere",
    ] {
        // More often than a node may fail: also when nginx has given up on all of them.
        for _ in 0..4 {
            let answer = client.get(path).await;
            assert_eq!(answer.body, Family::of(path).body(&away), "{path}");
            assert_eq!((answer.status, answer.retry_after()), (503, 1), "{path}");
            assert_eq!(answer.headers["content-type"], "application/json", "{path}");
        }
    }
}

fn reqwest_client(proxy: &Proxy) -> Client {
    Client::new(crate::support::process::http_client(), proxy.url().to_owned())
}

#[test]
fn the_front_that_ends_tls_is_sound() {
    assert_eq!(check_tls_front(), Ok(()));
}

/// What clients did while nodes went away.
#[derive(Default)]
struct Tally {
    requests: AtomicUsize,
    posts: AtomicUsize,
    sockets: AtomicUsize,
    streams: AtomicUsize,
    /// Messages that were acknowledged.
    said: AtomicUsize,
    /// The node is gone.
    done: AtomicBool,
    /// No more messages come.
    silent: AtomicBool,
}

impl Tally {
    fn goes_on(&self) -> bool {
        !self.done.load(Ordering::SeqCst)
    }

    fn said(&self) -> usize {
        self.said.load(Ordering::SeqCst)
    }

    fn counts(&self) -> [usize; 5] {
        [&self.requests, &self.posts, &self.sockets, &self.streams, &self.said]
            .map(|count| count.load(Ordering::SeqCst))
    }

    /// Waits until every way in was taken so many times more.
    async fn more(&self, times: usize) {
        let before = self.counts();
        while !self.counts().iter().zip(before).all(|(now, before)| *now >= before + times) {
            sleep(Duration::from_millis(10)).await;
        }
    }
}

/// Somebody who comes again and again, by every way in; any refusal fails the test.
async fn visit(client: Client, tally: &Tally) {
    while tally.goes_on() {
        let answer = client.get("users/me").await;
        assert_eq!(answer.status, 200, "{} {:?}", answer.text, answer.headers);
        tally.requests.fetch_add(1, Ordering::SeqCst);
        let mut socket = back(&client, "").await;
        if matches!(socket.incoming().await, Incoming::Frame(frame) if frame["type"] == "connected") {
            tally.sockets.fetch_add(1, Ordering::SeqCst);
        }
        let mut stream = client.stream("connect/events", None).await;
        stream.next_of("connected").await;
        tally.streams.fetch_add(1, Ordering::SeqCst);
        let answer = client.act("connect/tickets").await;
        assert_eq!(answer.status, 201, "{} {:?}", answer.text, answer.headers);
        tally.posts.fetch_add(1, Ordering::SeqCst);
        socket.close().await;
    }
}

/// Says one number after the other, each once.
async fn count_aloud(doctor: &Client, session: &str, tally: &Tally) {
    while tally.goes_on() {
        let answer =
            doctor.post(&format!("connect/sessions/{session}/messages"), text(&tally.said().to_string())).await;
        assert_eq!(answer.status, 201, "{} {:?}", answer.text, answer.headers);
        tally.said.fetch_add(1, Ordering::SeqCst);
    }
    tally.silent.store(true, Ordering::SeqCst);
}

/// A socket that stays: when its node goes it comes back with its cursor. Answers how often that was, and what it heard.
async fn stay(mut socket: Socket, client: &Client, tally: &Tally) -> (usize, Vec<String>) {
    let mut cursor = socket.next_of("connected").await["cursor"].as_str().unwrap().to_owned();
    let (mut moved, mut heard) = (0, Vec::new());
    let is_last = |heard: &Vec<String>| heard.last().is_some_and(|last| *last == (tally.said() - 1).to_string());
    while !tally.silent.load(Ordering::SeqCst) || !is_last(&heard) {
        let Ok(incoming) = timeout(Duration::from_millis(50), socket.incoming()).await else { continue };
        match incoming {
            Incoming::Frame(frame) => {
                if let Some(reached) = frame["cursor"].as_str() {
                    reached.clone_into(&mut cursor);
                }
                if frame["type"] == "message.new" {
                    heard.push(frame["data"]["content"].as_str().unwrap().to_owned());
                }
            }
            Incoming::Closed(code, _) => {
                assert_eq!(code, 1001, "told to come back");
                socket = back(client, &format!("?since={cursor}")).await;
                assert_eq!(socket.next_of("connected").await["resumed"], true);
                moved += 1;
            }
        }
    }
    (moved, heard)
}

async fn back(client: &Client, query: &str) -> Socket {
    client.try_socket(query).await.unwrap_or_else(|(status, body)| panic!("refused: {status} {body}"))
}

#[tokio::test]
async fn a_node_that_drains_costs_no_client_an_error_and_no_event() {
    let redis = RedisServer::start().await;
    // With time enough for whoever is still being answered.
    let first = node_with(|config| {
        redis.serve(config);
        config.ttl.drain = Duration::from_secs(20);
    })
    .await;
    let second = first.beside().await;
    until("the nodes hear each other", async || second.app.engine.peers().len() == 1).await;
    let proxy = Proxy::before(&[&first, &second]).await;
    let (patient, doctor) = (proxy.client(&first.patient().await), proxy.client(&first.doctor().await));
    let session = request(&patient, &doctor).await;
    accept(&doctor, &session).await;
    // Four of them before anybody else, so that they are spread over both nodes and hear it all.
    let sockets = join_all((0..4).map(|_| patient.socket(None))).await;
    let visitors = [proxy.client(&first.patient().await), proxy.client(&first.patient().await)];
    let tally = Tally::default();
    let everybody = async {
        tokio::join!(
            join_all(sockets.into_iter().map(|socket| stay(socket, &patient, &tally))),
            join_all(visitors.map(|client| visit(client, &tally))),
            count_aloud(&doctor, &session, &tally),
            async {
                tally.more(5).await;
                first.app.shutdown.cancel();
                refused(&first.url).await;
                // Gone, and nginx still has it in its list.
                tally.more(10).await;
                tally.done.store(true, Ordering::SeqCst);
            }
        )
    };
    let (stayed, ..) = timeout(Duration::from_secs(90), everybody).await.unwrap();
    // Connections were spread over both nodes, so that some had to move and some had not.
    let moved: usize = stayed.iter().map(|(moved, _)| moved).sum();
    assert!((1..4).contains(&moved), "{moved} of 4 moved");
    let said: Vec<String> = (0..tally.said()).map(|number| number.to_string()).collect();
    assert!(said.len() >= 15, "{}", said.len());
    for (_, heard) in stayed {
        assert_eq!(heard, said, "without a gap");
    }
}

#[tokio::test]
async fn a_draining_node_answers_on_kept_connections_and_ends_them() {
    let app = TestApp::start_with(|config| config.ttl.drain = Duration::from_secs(20)).await;
    let client = app.patient().await;
    let before = client.get("users/me").await;
    assert_eq!((before.status, before.headers.get("connection")), (200, None));
    app.app.shutdown.cancel();
    refused(&app.url).await;
    // Nobody can connect any more: this comes over the connection of before.
    let last = client.get("users/me").await;
    assert_eq!((last.status, last.headers["connection"].as_bytes()), (200, b"close".as_slice()));
}

#[tokio::test]
async fn whoever_is_in_the_queue_when_the_listener_closes_is_answered() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    // The only thread of this test is also the server's: while it is not asked, everybody stays in the queue.
    let app = TestApp::start_with(|config| config.ttl.drain = Duration::from_secs(20)).await;
    let address: std::net::SocketAddr = app.url.strip_prefix("http://").unwrap().parse().unwrap();
    app.app.shutdown.cancel();
    let waiting: Vec<std::net::TcpStream> = (0..20)
        .map(|_| {
            let mut stream = std::net::TcpStream::connect(address).unwrap();
            std::io::Write::write_all(&mut stream, b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
            stream.set_nonblocking(true).unwrap();
            stream
        })
        .collect();
    for stream in waiting {
        let mut stream = tokio::net::TcpStream::from_std(stream).unwrap();
        let mut answer = String::new();
        timeout(Duration::from_secs(20), stream.read_to_string(&mut answer)).await.unwrap().unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("connection: close\r\n"), "{answer}");
        stream.shutdown().await.ok();
    }
}
