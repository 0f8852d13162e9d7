//! Redis restarts, forgets everything, stops in its tracks, or silently delivers no more: consultations go on, what one
//! node commits reaches the other through the inbox, `/ready` says so, and everything is as before soon after.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use consilium_realtime::redis::Address;
use serde_json::Value;

use super::kit::{PATIENCE, Pair, readiness, until};
use crate::live::kit::{accept, next, request, seq_of, text};
use crate::support::app::TestApp;
use crate::support::client::Client;
use crate::support::proxy::Proxy;
use crate::support::redis::RedisServer;
use crate::support::socket::Socket;

/// "At once", where each step of a busy machine may take seconds.
const AT_ONCE: Duration = Duration::from_secs(20);
/// How long a Redis stands still: far beyond every time that is given to it, of which the leases of nodes are the longest.
const STILL: Duration = Duration::from_secs(25);

/// A patient who sends at one node, and a doctor who listens at the other.
struct Line {
    patient: Client,
    path: String,
    screen: Socket,
    last: i64,
}

impl Line {
    async fn open(pair: &Pair) -> Self {
        let (patient, doctor) = (pair.one.patient().await, pair.one.doctor().await);
        let session = request(&patient, &doctor).await;
        accept(&doctor, &session).await;
        let mut screen = pair.at_two(&doctor).socket(None).await;
        let last = seq_of(&screen.next_of("connected").await["cursor"]);
        Self { patient, path: format!("connect/sessions/{session}/messages"), screen, last }
    }

    /// Sends a message; how long until it was acknowledged, and until it was on the other node's screen.
    async fn send(&mut self, content: &str) -> (Duration, Duration) {
        let since = Instant::now();
        let sent = self.patient.post(&self.path, text(content)).await.expect(201);
        let acked = since.elapsed();
        let frame = next(&mut self.screen).await;
        self.last += 1;
        assert_eq!((frame["type"].as_str(), &frame["data"]["id"]), (Some("message.new"), &sent["id"]));
        assert_eq!(seq_of(&frame["cursor"]), self.last, "gapless");
        (acked, since.elapsed())
    }
}

/// Most of these take less than this; what a machine that stands still delays has a bound too.
#[track_caller]
fn are_soon(mut times: Vec<Duration>, most: Duration, what: &str) {
    times.sort_unstable();
    let (middle, slowest) = (times.get(times.len() / 2), times.last());
    let is_soon = middle.is_none_or(|time| *time < most) && slowest.is_none_or(|time| *time < AT_ONCE);
    assert!(is_soon, "{middle:?}, {slowest:?} {what}");
}

async fn is_ready(pair: &Pair) -> bool {
    let mut ready = true;
    for node in [&pair.one, &pair.two] {
        ready &= readiness(&node.nobody()).await["status"] == "ready";
    }
    ready
}

async fn bus_of(client: &Client) -> Value {
    readiness(client).await["checks"]["bus"].clone()
}

#[tokio::test]
async fn a_redis_that_dies_and_comes_back_empty_changes_nothing() {
    let mut pair = Pair::start().await;
    let mut line = Line::open(&pair).await;
    line.send("before").await;
    pair.redis.kill().await;
    until("both notice", async || pair.one.app.engine.is_cut_off() && pair.two.app.engine.is_cut_off()).await;
    let bus = bus_of(&pair.two.nobody()).await;
    assert_eq!(bus["status"], "degraded");
    assert!(bus["reason"].as_str().is_some_and(|reason| reason.contains("redis")), "{bus}");
    assert_eq!(readiness(&pair.two.nobody()).await["status"], "degraded");
    let mut shown = Vec::new();
    for number in 0..10 {
        shown.push(line.send(&format!("without {number}")).await.1);
    }
    are_soon(shown, Duration::from_secs(1), "through the inbox");
    pair.redis.restart().await;
    until("all is as before", async || is_ready(&pair).await).await;
    line.send("after").await;
}

#[tokio::test]
async fn a_redis_that_forgets_everything_changes_nothing() {
    let pair = Pair::start().await;
    let mut line = Line::open(&pair).await;
    line.send("before").await;
    assert_eq!(pair.redis.cli(&["flushall"]).await.trim(), "OK");
    for number in 0..10 {
        line.send(&format!("after {number}")).await;
    }
    until("what is shared is told again", async || pair.redis.cli(&["--scan"]).await.contains("consilium:node:")).await;
    until("both are ready", async || is_ready(&pair).await).await;
}

#[tokio::test]
async fn a_redis_that_stands_still_delays_nobody() {
    let pair = Pair::start().await;
    let mut line = Line::open(&pair).await;
    line.send("before").await;
    pair.redis.pause().await;
    let since = Instant::now();
    let (mut acked, mut shown) = (Vec::new(), Vec::new());
    while since.elapsed() < STILL {
        let took = line.send("meanwhile").await;
        // While the silence is being noticed a message may wait for the first look at the inboxes.
        if since.elapsed() > Duration::from_secs(5) {
            acked.push(took.0);
            shown.push(took.1);
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(bus_of(&pair.one.nobody()).await["status"], "degraded");
    are_soon(shown, Duration::from_secs(3), "through the inbox");
    are_soon(acked, Duration::from_secs(2), "for an acknowledgement");
    pair.redis.go_on().await;
    until("all is as before", async || is_ready(&pair).await).await;
    line.send("after").await;
}

/// Breaks something while messages go on, each of which is through within 5 s. Where the machine stood still meanwhile
/// it is broken again: one of three losses shows it.
async fn send_and_watch(pair: &Pair, line: &mut Line, breaking: impl AsyncFn()) {
    let mut slowest = Vec::new();
    for _ in 0..3 {
        slowest.push(break_once(pair, line, &breaking).await);
        if slowest.iter().any(|took| *took < Duration::from_secs(5)) {
            return;
        }
    }
    panic!("it heals within 5 s: {slowest:?}");
}

/// Breaks something while messages go on, until `/ready` of the other node was degraded and all is as before again;
/// answers how long the slowest message took. A loss is shown for a second: where the machine stood still meanwhile it
/// is broken once more.
async fn break_once(pair: &Pair, line: &mut Line, breaking: &impl AsyncFn()) -> Duration {
    let (done, was_shown) = (AtomicBool::new(false), AtomicBool::new(false));
    let sending = async {
        let mut slowest = Duration::ZERO;
        while !done.load(Ordering::Relaxed) {
            slowest = slowest.max(line.send("on and on").await.1);
            assert!(slowest < AT_ONCE, "it heals: {slowest:?}");
        }
        slowest
    };
    let watching = async {
        while !done.load(Ordering::Relaxed) {
            if bus_of(&pair.two.nobody()).await["status"] == "degraded" {
                was_shown.store(true, Ordering::Relaxed);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let breaking = async {
        let since = Instant::now();
        while !was_shown.load(Ordering::Relaxed) {
            assert!(since.elapsed() < PATIENCE, "/ready shows it");
            breaking().await;
            let broken = Instant::now();
            while !was_shown.load(Ordering::Relaxed) && broken.elapsed() < Duration::from_secs(5) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        until("all is as before", async || is_ready(pair).await).await;
        done.store(true, Ordering::Relaxed);
    };
    tokio::join!(sending, watching, breaking).0
}

#[tokio::test]
async fn a_subscription_that_is_killed_is_made_anew_and_nothing_is_missed() {
    let pair = Pair::start().await;
    let mut line = Line::open(&pair).await;
    let redis = &pair.redis;
    send_and_watch(&pair, &mut line, async || {
        for _ in 0..3 {
            redis.cli(&["client", "kill", "type", "pubsub"]).await;
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    })
    .await;
    line.send("after").await;
}

/// A pair whose second node reaches Redis through a line that can go silent.
async fn pair_over_proxy() -> (Pair, Proxy) {
    let redis = RedisServer::start().await;
    let proxy = Proxy::start(redis.port).await;
    let url = format!("redis://127.0.0.1:{}", proxy.port);
    let one = TestApp::start_with(|config| redis.serve(config)).await;
    let two = one.beside_with(|config| config.redis = Some(Address::parse(&url, None).unwrap())).await;
    let pair = Pair { one, two, redis };
    pair.ready().await;
    (pair, proxy)
}

/// The ports from which clients of this type reach Redis.
async fn ports_of(redis: &RedisServer, kind: &str) -> Vec<u16> {
    let since = Instant::now();
    loop {
        let lines = redis.cli(&["client", "list", "type", kind]).await;
        let addresses = lines.lines().filter_map(|line| line.split(' ').find_map(|field| field.strip_prefix("addr=")));
        let ports: Vec<u16> = addresses.filter_map(|address| address.rsplit(':').next()?.parse().ok()).collect();
        if !ports.is_empty() {
            return ports;
        }
        assert!(since.elapsed() < PATIENCE, "{lines}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_subscription_that_starves_in_silence_is_found_out() {
    let (pair, proxy) = pair_over_proxy().await;
    let mut line = Line::open(&pair).await;
    line.send("before").await;
    send_and_watch(&pair, &mut line, async || {
        let ports = ports_of(&pair.redis, "pubsub").await;
        ports.into_iter().for_each(|port| proxy.silence(port));
    })
    .await;
    line.send("after").await;
}

#[tokio::test]
async fn a_command_line_that_goes_dark_is_replaced() {
    let (pair, proxy) = pair_over_proxy().await;
    let mut line = Line::open(&pair).await;
    line.send("before").await;
    let opened = proxy.opened();
    for port in ports_of(&pair.redis, "normal").await {
        proxy.silence(port);
    }
    // With several questions on the line it is found out before the bus misses its own heartbeat: `/ready` may never say.
    until("there is another line", async || proxy.opened() > opened).await;
    line.send("meanwhile").await;
    until("all is as before", async || is_ready(&pair).await).await;
    line.send("after").await;
}

#[tokio::test]
async fn a_node_cut_off_from_redis_hears_and_is_heard_through_the_inbox() {
    let (pair, proxy) = pair_over_proxy().await;
    let mut line = Line::open(&pair).await;
    line.send("before").await;
    proxy.cut();
    until("it is noticed", async || pair.two.app.engine.is_cut_off()).await;
    // Beyond the lease: the first node takes the second for gone, though it lives.
    let (since, mut shown) = (Instant::now(), Vec::new());
    while !pair.one.app.engine.peers().is_empty() {
        assert!(since.elapsed() < PATIENCE, "a node that is not heard is gone");
        shown.push(line.send("to the one that is cut off").await.1);
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    are_soon(shown, Duration::from_secs(2), "to the one that is cut off");
    line.send("to the one that is gone").await;
    let doctor = pair.two.nobody();
    let mut phone = line.patient.socket(None).await;
    phone.next_of("connected").await;
    let there = line.patient.at(doctor.url("/").trim_end_matches('/'));
    let sent = there.post(&line.path, text("from the one that is cut off")).await.expect(201);
    assert_eq!(phone.next_of("message.new").await["data"]["id"], sent["id"]);
}
