//! Long poll and backfill (settled 1).

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::kit::{Consultation, present};
use crate::support::app::TestApp;
use crate::support::client::{Client, keys};

async fn poll(client: &Client, query: &str) -> Value {
    let body = client.get(&format!("connect/events/poll{query}")).await.expect(200);
    assert_eq!(keys(&body), ["cursor", "events", "has_more", "resync"]);
    body
}

#[tokio::test]
async fn pages_until_the_head() {
    let c = Consultation::start().await;
    for number in 2..=6 {
        c.say(&c.doctor, &format!("message {number}")).await;
    }
    let head = poll(&c.patient, "").await;
    assert_eq!(head, json!({"events": [], "cursor": c.cursor(6), "resync": false, "has_more": false}));
    let mut socket = c.patient.socket(Some(&c.cursor(0))).await;
    socket.next_of("connected").await;
    let mut cursor = c.cursor(0);
    let mut more = true;
    for expected in [2, 2, 2] {
        assert!(more);
        let page = poll(&c.patient, &format!("?since={cursor}&limit=2")).await;
        let events = page["events"].as_array().unwrap();
        assert_eq!(events.len(), expected);
        for event in events {
            assert_eq!(event, &socket.next().await, "the same frames as on a WebSocket");
        }
        assert_eq!(page["cursor"], events.last().unwrap()["cursor"]);
        cursor = page["cursor"].as_str().unwrap().to_owned();
        more = page["has_more"].as_bool().unwrap();
    }
    assert!(!more);
    assert_eq!(poll(&c.patient, &format!("?since={cursor}")).await["events"], json!([]));
}

#[tokio::test]
async fn a_page_may_be_larger_than_what_is_read_at_once() {
    let c = Consultation::start().await;
    let sending = (0..250).map(|number| c.messages_once(number));
    futures_util::future::join_all(sending).await;
    let page = poll(&c.patient, &format!("?since={}&limit=240", c.cursor(1))).await;
    assert_eq!(page["events"].as_array().unwrap().len(), 240);
    assert_eq!((&page["cursor"], &page["has_more"]), (&json!(c.cursor(241)), &json!(true)));
    let rest = poll(&c.patient, &format!("?since={}&limit=500", c.cursor(241))).await;
    assert_eq!(rest["events"].as_array().unwrap().len(), 10);
    assert_eq!(rest["has_more"], false);
    // The default is 100.
    let page = poll(&c.patient, &format!("?since={}", c.cursor(1))).await;
    assert_eq!(page["events"].as_array().unwrap().len(), 100);
}

impl Consultation {
    async fn messages_once(&self, number: u32) {
        self.say(&self.doctor, &number.to_string()).await;
    }
}

#[tokio::test]
async fn what_is_outside_is_refused() {
    let app = TestApp::start().await;
    let patient = app.patient().await;
    let failures = [
        ("limit=0", "query.limit greater_than_equal"),
        ("limit=501", "query.limit less_than_equal"),
        ("limit=x", "query.limit int_parsing"),
        ("wait=31", "query.wait less_than_equal"),
        ("wait=-1", "query.wait greater_than_equal"),
        ("since=x", "query.since value_error"),
    ];
    for (query, failure) in failures {
        patient.get(&format!("connect/events/poll?{query}")).await.invalid(&[failure]);
    }
    let several = patient.get("connect/events/poll?since=x&limit=0&wait=x").await;
    several.invalid(&["query.since value_error", "query.limit greater_than_equal", "query.wait int_parsing"]);
    app.nobody().get("connect/events/poll").await.refused_plainly(401);
    let ticket = patient.act("connect/tickets").await.expect(201)["ticket"].clone();
    let path = format!("connect/events/poll?ticket={}", ticket.as_str().unwrap());
    app.nobody().get(&path).await.refused_plainly(401);
}

#[tokio::test]
async fn a_cursor_that_cannot_be_served_asks_to_refetch() {
    let c = Consultation::start().await;
    for cursor in ["other9-1".to_owned(), c.cursor(99)] {
        let body = poll(&c.doctor, &format!("?since={cursor}&wait=30")).await;
        assert_eq!(body, json!({"events": [], "cursor": c.cursor(2), "resync": true, "has_more": false}));
    }
}

#[tokio::test]
async fn waiting_ends_with_news_or_with_time() {
    let c = Consultation::start().await;
    let since = Instant::now();
    let query = format!("?since={}&wait=1", c.cursor(1));
    let body = poll(&c.patient, &query).await;
    assert_eq!(body, json!({"events": [], "cursor": c.cursor(1), "resync": false, "has_more": false}));
    assert!(since.elapsed() >= Duration::from_secs(1));
    assert!(c.app.app.engine.hub().of_user(c.patient.id).is_empty(), "the wait left nothing behind");

    let since = Instant::now();
    let query = format!("?since={}&wait=30", c.cursor(1));
    let news = async {
        present(&c.app, &c.patient).await;
        // Ephemeral events end no wait.
        let mut doctor = c.doctor.socket(None).await;
        doctor.command("typing", json!({"session_id": c.session, "is_typing": true})).await;
        c.say(&c.doctor, "here").await
    };
    let (body, said) = tokio::join!(poll(&c.patient, &query), news);
    assert_eq!(body["events"].as_array().unwrap().len(), 1);
    assert_eq!((&body["events"][0]["data"], &body["cursor"]), (&said, &json!(c.cursor(2))));
    assert!(since.elapsed() < Duration::from_secs(30), "news ended it, not the time");
    // Without a cursor it waits from the head.
    let fresh = async {
        tokio::join!(poll(&c.patient, "?wait=30"), async {
            present(&c.app, &c.patient).await;
            c.say(&c.doctor, "again").await
        })
    };
    let (body, said) = fresh.await;
    assert_eq!(body["events"][0]["data"], said);
}
