//! Two nodes, and waiting for what they agree on.

use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::support::app::TestApp;
use crate::support::client::Client;
use crate::support::redis::RedisServer;

/// How long nodes may take to agree, on a machine that stands still for seconds now and then.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Two nodes that hear each other.
pub(crate) struct Pair {
    pub(crate) one: TestApp,
    pub(crate) two: TestApp,
    pub(crate) redis: RedisServer,
}

impl Pair {
    pub(crate) async fn start() -> Self {
        let redis = RedisServer::start().await;
        let one = TestApp::start_with(|config| redis.serve(config)).await;
        let two = one.beside().await;
        let pair = Self { one, two, redis };
        pair.ready().await;
        pair
    }

    /// Waits until both are ready and know each other.
    pub(crate) async fn ready(&self) {
        for node in [&self.one, &self.two] {
            until("the nodes hear each other", async || {
                node.app.engine.peers().len() == 1 && readiness(&node.nobody()).await["status"] == "ready"
            })
            .await;
        }
    }

    /// The same caller at the second node.
    pub(crate) fn at_two(&self, client: &Client) -> Client {
        client.at(&self.two.url)
    }
}

/// What `/ready` says.
pub(crate) async fn readiness(client: &Client) -> Value {
    let answer = client.request(axum::http::Method::GET, "/ready").send().await.unwrap();
    answer.json().await.unwrap()
}

/// Waits for a condition, with a deadline.
pub(crate) async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    within(PATIENCE, what, is_so).await;
}

/// A ticket that was used at one node is refused by the other. While an answer of Redis is late it may be good once on
/// each: of three tickets one shows it.
pub(crate) async fn tickets_are_shared(pair: &Pair, patient: &Client) {
    for _ in 0..3 {
        let ticket = patient.act("connect/tickets").await.expect(201)["ticket"].as_str().unwrap().to_owned();
        let query = format!("?ticket={ticket}");
        let (one, two) = (pair.one.nobody(), pair.two.nobody());
        two.try_socket(&query).await.unwrap_or_else(|refused| panic!("{refused:?}"));
        assert_eq!(two.try_socket(&query).await.err().unwrap().0, 401, "used");
        if one.try_socket(&query).await.is_err_and(|refused| refused.0 == 401) {
            return;
        }
        sleep(Duration::from_secs(1)).await;
        pair.ready().await;
    }
    panic!("a ticket that was used at one node is good at the other");
}

/// Waits for a condition; answers how long it took.
pub(crate) async fn within(limit: Duration, what: &str, is_so: impl AsyncFn() -> bool) -> Duration {
    let began = Instant::now();
    while !is_so().await {
        assert!(began.elapsed() < limit, "{what}: not within {limit:?}");
        sleep(Duration::from_millis(10)).await;
    }
    began.elapsed()
}
