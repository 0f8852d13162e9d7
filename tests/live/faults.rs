//! Whatever dies, what was acknowledged is there once, and every inbox goes on without a gap (realtime.md §1).

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use axum::http::Method;
use futures_util::future::join_all;
use serde_json::Value;
use tokio::time::{Instant, sleep, timeout};

use super::kit::{accept, request, seq_of, text};
use super::node::{Node, is_up, signal};
use crate::support::client::Client;
use crate::support::socket::Incoming;

const PATIENCE: Duration = Duration::from_secs(240);
/// How long nothing may come while something is down.
const OUTAGE: Duration = Duration::from_secs(30);
/// Between two attempts while something is down.
const PAUSE: Duration = Duration::from_millis(20);

/// A chat at full speed over a server that is being broken.
pub(crate) struct Chat {
    patient: Client,
    doctor: Client,
    session: String,
    epoch: String,
    /// The nodes that serve it: whoever loses one goes to the next.
    bases: Vec<String>,
    /// Client message id and the acknowledged message.
    acked: Mutex<BTreeMap<String, Value>>,
    /// Statuses other than success.
    refused: Mutex<BTreeMap<u16, usize>>,
    sent: AtomicUsize,
    done: AtomicBool,
}

impl Chat {
    async fn begin(node: &Node) -> Self {
        let (patient, _) = node.patient("+919900000001").await;
        let doctor = node.doctor("doctor1@demo.example").await;
        Self::between(patient, doctor, vec![node.nobody().url("/")]).await
    }

    /// A chat of these two over these nodes.
    pub(crate) async fn between(patient: Client, doctor: Client, bases: Vec<String>) -> Self {
        let bases = bases.iter().map(|base| base.trim_end_matches('/').to_owned()).collect();
        let session = request(&patient, &doctor).await;
        accept(&doctor, &session).await;
        let head = doctor.get("connect/events/poll").await.expect(200)["cursor"].as_str().unwrap().to_owned();
        let epoch = head.rsplit_once('-').unwrap().0.to_owned();
        Self {
            patient,
            doctor,
            session,
            epoch,
            bases,
            acked: Mutex::default(),
            refused: Mutex::default(),
            sent: AtomicUsize::new(0),
            done: AtomicBool::new(false),
        }
    }

    /// Sends message after message until told to stop; each again and again until it is acknowledged.
    async fn send(&self, by: &Client) {
        let path = format!("connect/sessions/{}/messages", self.session);
        while !self.done.load(Ordering::SeqCst) {
            let number = self.sent.fetch_add(1, Ordering::SeqCst);
            let body = text(&format!("message {number}"));
            let mut attempt = number;
            let message = loop {
                let answer = self.node(by, attempt).request(Method::POST, &path).json(&body).send().await;
                attempt += 1;
                let status = answer.as_ref().map_or(0, |answer| answer.status().as_u16());
                match answer {
                    Ok(answer) if status == 200 || status == 201 => {
                        if let Ok(message) = answer.json::<Value>().await {
                            break message;
                        }
                    }
                    // The line broke: nothing is known of this attempt.
                    Err(_) => {}
                    Ok(_) => *self.refused.lock().unwrap().entry(status).or_default() += 1,
                }
                sleep(PAUSE).await;
            };
            let id = body["client_message_id"].as_str().unwrap().to_owned();
            self.acked.lock().unwrap().insert(id, message);
        }
    }

    /// Follows an inbox from its beginning until the head after the last message; over as many connections as it takes.
    async fn follow(&self, client: &Client) -> BTreeMap<i64, Value> {
        let mut seen: BTreeMap<i64, Value> = BTreeMap::new();
        let mut last = 0;
        for attempt in 0.. {
            let client = self.node(client, attempt);
            // A node that is down refuses the connection, one that is stopped says nothing.
            let opening = timeout(Duration::from_secs(3), is_up(&client, "/health")).await == Ok(true);
            let socket =
                if opening { client.try_socket(&format!("?since={}-{last}", self.epoch)).await.ok() } else { None };
            let Some(mut socket) = socket else {
                sleep(PAUSE).await;
                continue;
            };
            loop {
                let frame = match socket.incoming_within(OUTAGE).await {
                    Incoming::Frame(frame) => frame,
                    Incoming::Closed(..) => break,
                };
                assert_ne!(frame["type"], "resync");
                if frame["type"] == "connected" {
                    // Demo data came before, over some of which retention may have gone.
                    last = if last == 0 { seq_of(&frame["cursor"]) } else { last };
                } else if frame.get("cursor").is_some() {
                    assert_eq!(seq_of(&frame["cursor"]), last + 1, "gapless, never twice");
                    last += 1;
                    let data = &frame["data"];
                    if frame["type"] == "session.ended" && data["session_id"] == self.session.as_str() {
                        return seen;
                    }
                    if frame["type"] == "message.new" {
                        seen.insert(last, data.clone());
                    }
                }
            }
        }
        unreachable!("the attempts never end")
    }

    /// The caller at one of the nodes.
    fn node(&self, client: &Client, attempt: usize) -> Client {
        client.at(&self.bases[attempt % self.bases.len()])
    }

    pub(crate) async fn acknowledged(&self, count: usize) {
        while self.acked.lock().unwrap().len() < count {
            sleep(PAUSE).await;
        }
    }

    /// Runs senders and followers around what breaks the server, then ends the session.
    pub(crate) async fn survive(&self, breaking: impl Future<Output = ()>) -> [BTreeMap<i64, Value>; 2] {
        let senders = || async {
            join_all([&self.patient, &self.doctor, &self.patient, &self.doctor].map(|by| self.send(by))).await;
            self.end().await;
        };
        let breaking = async {
            breaking.await;
            self.done.store(true, Ordering::SeqCst);
        };
        let all = async { tokio::join!(senders(), breaking, self.follow(&self.patient), self.follow(&self.doctor)) };
        let ((), (), patients, doctors) = timeout(PATIENCE, Box::pin(all)).await.expect("the chat stands still");
        [patients, doctors]
    }

    /// Ends the session, however often that takes.
    async fn end(&self) {
        let path = format!("connect/sessions/{}/end", self.session);
        loop {
            let answer = self.node(&self.doctor, 0).act(&path).await;
            if answer.status == 200 {
                return;
            }
            answer.expect(503);
            sleep(PAUSE).await;
        }
    }

    /// Every acknowledged message is stored once and came to both parties once, in one order.
    pub(crate) async fn check(&self, [patients, doctors]: [BTreeMap<i64, Value>; 2]) {
        let acked = self.acked.lock().unwrap().clone();
        let stored = self.history().await;
        assert_eq!(stored.len(), acked.len(), "as many as were sent, none twice");
        for message in &stored {
            let known = &acked[message["client_message_id"].as_str().unwrap()];
            assert_eq!((&message["id"], &message["content"]), (&known["id"], &known["content"]));
        }
        let ids = |seen: &BTreeMap<i64, Value>| seen.values().map(|data| data["id"].clone()).collect::<Vec<_>>();
        let history: Vec<Value> = stored.iter().map(|message| message["id"].clone()).collect();
        assert_eq!(ids(&patients), history);
        assert_eq!(ids(&doctors), history);
    }

    /// The whole history, oldest first.
    async fn history(&self) -> Vec<Value> {
        let mut all: Vec<Value> = Vec::new();
        let mut query = "?limit=100".to_owned();
        loop {
            let path = format!("connect/sessions/{}/messages{query}", self.session);
            let page = self.node(&self.patient, 0).get(&path).await.expect(200);
            let mut items = page["items"].as_array().unwrap().clone();
            items.sort_by_key(time_of);
            let Some(oldest) = items.first().cloned() else { return all };
            items.extend(all);
            all = items;
            query = format!("?limit=100&before={}", oldest["created_at"].as_str().unwrap());
        }
    }
}

fn time_of(message: &Value) -> chrono::DateTime<chrono::Utc> {
    serde_json::from_value(message["created_at"].clone()).unwrap()
}

#[tokio::test]
async fn a_killed_server_loses_nothing_it_acknowledged() {
    let mut node = Node::start("warn").await;
    let chat = Chat::begin(&node).await;
    let timelines = chat
        .survive(async {
            for round in 1..=2 {
                chat.acknowledged(100 * round).await;
                node.kill_and_restart().await;
            }
            chat.acknowledged(300).await;
        })
        .await;
    chat.check(timelines).await;
    let refused = chat.refused.lock().unwrap().clone();
    assert!(refused.keys().all(|status| *status == 503), "{refused:?}");
}

#[tokio::test]
async fn a_killed_postgres_loses_nothing_that_was_acknowledged() {
    let node = Node::start("warn").await;
    let chat = Chat::begin(&node).await;
    let nobody = node.nobody();
    let timelines = chat
        .survive(async {
            // An immediate stop, then a kill of the postmaster alone.
            for (round, how) in (1..).zip(["QUIT", "KILL"]) {
                chat.acknowledged(100 * round).await;
                let before = node.postgres().expect("it runs");
                signal(how, before).await;
                let deadline = Instant::now() + Duration::from_secs(60);
                while node.postgres().is_none_or(|now| now == before) || !is_up(&nobody, "/ready").await {
                    assert!(Instant::now() < deadline, "it is not back:\n{}", node.log());
                    sleep(PAUSE).await;
                }
            }
            chat.acknowledged(300).await;
        })
        .await;
    chat.check(timelines).await;
    let refused = chat.refused.lock().unwrap().clone();
    assert!(refused.keys().all(|status| *status == 503), "{refused:?}");
}

/// A rolling restart of one node: everybody is sent away and comes back to the new process.
#[tokio::test]
async fn a_restart_in_good_order_loses_nothing() {
    let mut node = Node::start("warn").await;
    let chat = Chat::begin(&node).await;
    let timelines = chat
        .survive(async {
            for round in 1..=2 {
                chat.acknowledged(100 * round).await;
                assert_eq!(node.terminate(Duration::from_secs(60)).await, Some(0), "{}", node.log());
                node.restart().await;
            }
            chat.acknowledged(300).await;
        })
        .await;
    chat.check(timelines).await;
    let refused = chat.refused.lock().unwrap().clone();
    assert!(refused.keys().all(|status| *status == 503), "{refused:?}");
}
