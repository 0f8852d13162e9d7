//! The operators' doors beside the contract's: every doctor, and the outbox with its dead letters.

use axum::http::Method;
use chrono::TimeDelta;
use consilium_storage::outbox::{self, NewJob};
use consilium_storage::push;
use serde_json::{Value, json};
use tokio::time::{Duration, Instant, sleep};

use crate::support::app::TestApp;
use crate::support::client::{Client, keys, send};
use crate::support::meeting::{text, time};

const OUTBOX: &str = "/operations/outbox";
const RETRY: &str = "/operations/outbox/retry";
const DOCTORS: &str = "/operations/doctors";

/// A dead letter to a device that there is not: tried again, it is done, as nobody is to be rung.
async fn dead_letter(app: &TestApp, kind: &'static str, lives: TimeDelta) -> i64 {
    let mut tx = app.app.begin().await.unwrap();
    let now = tx.now();
    let payload = json!({"device_id": uuid::Uuid::now_v7(), "event": "review.reply", "words": "of a patient"});
    let far = now + TimeDelta::days(1);
    tx.enqueue(NewJob { kind, topic: None, payload, due_at: far, expires_at: Some(now + lives) });
    let _committed = tx.commit().await.unwrap();
    let mut conn = app.app.conn().await.unwrap();
    // By the test's own hand, before its time has come.
    let taken = outbox::take(&mut conn, kind, far, TimeDelta::seconds(1), 1).await.unwrap();
    outbox::bury(&mut conn, &taken[0], now, Some("refused: status 403")).await.unwrap();
    taken[0].id
}

async fn letters(admin: &Client) -> Vec<Value> {
    admin.get(OUTBOX).await.expect(200)["items"].as_array().unwrap().clone()
}

/// Waits until so many dead letters are left and nothing waits.
async fn settled(app: &TestApp, admin: &Client, left: usize) {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let mut conn = app.app.conn().await.unwrap();
        let waiting = outbox::list(&mut conn, false, None, 10).await.unwrap().len();
        drop(conn);
        let dead = letters(admin).await.len();
        if (dead, waiting) == (left, 0) {
            return;
        }
        assert!(Instant::now() < deadline, "{dead} dead, {waiting} waiting");
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn dead_letters_are_seen_without_their_words_and_tried_again() {
    let app = TestApp::start_with(|config| config.ttl.access_token = TimeDelta::days(30)).await;
    let admin = app.admin().await;
    assert_eq!(admin.get(OUTBOX).await.expect(200), json!({"items": [], "figures": []}));
    let week = TimeDelta::days(7);
    let first = dead_letter(&app, push::KIND, week).await;
    let second = dead_letter(&app, push::KIND, week).await;
    let late = dead_letter(&app, push::KIND, TimeDelta::hours(2)).await;
    let answer = admin.get(OUTBOX).await;
    assert!(!answer.text.contains("of a patient"), "{}", answer.text);
    let page = answer.expect(200);
    assert_eq!(
        keys(&page["items"][0]),
        ["attempts", "created_at", "dead_at", "due_at", "expires_at", "id", "kind", "last_error", "leased_until"]
    );
    let ids: Vec<i64> = letters(&admin).await.iter().map(|item| item["id"].as_i64().unwrap()).collect();
    assert_eq!(ids, [first, second, late]);
    assert_eq!(
        (&page["items"][0]["last_error"], &page["items"][0]["attempts"]),
        (&json!("refused: status 403"), &json!(1))
    );
    assert_eq!(page["figures"], json!([{"kind": "push", "waiting": 0, "dead": 3, "oldest_due": null}]));
    assert_eq!(admin.get(&format!("{OUTBOX}?limit=1")).await.expect(200)["items"].as_array().unwrap().len(), 1);
    assert_eq!(admin.get(&format!("{OUTBOX}?kind=mail")).await.expect(200)["items"], json!([]));
    assert_eq!(admin.get(&format!("{OUTBOX}?state=waiting")).await.expect(200)["items"], json!([]));

    app.advance(TimeDelta::hours(3));
    assert_eq!(admin.post(RETRY, json!({"id": first})).await.expect(200), json!({"retried": 1}));
    settled(&app, &admin, 2).await;
    // Gone, of no use any more, and never there.
    for id in [first, late, 4711] {
        admin.post(RETRY, json!({"id": id})).await.refused_plainly(404);
    }
    assert_eq!(admin.post(RETRY, json!({"kind": "mail"})).await.expect(200), json!({"retried": 0}));
    assert_eq!(admin.act(RETRY).await.expect(200), json!({"retried": 1}));
    settled(&app, &admin, 1).await;
    assert_eq!(app.acts("admin.outbox.retry", admin.id).await, 3, "what found nothing to do by its number left no row");
    admin.post(RETRY, json!({"id": "x"})).await.invalid(&["body.id int_type"]);
    admin
        .get(&format!("{OUTBOX}?state=lost&limit=0"))
        .await
        .invalid(&["query.state enum", "query.limit greater_than_equal"]);
}

#[tokio::test]
async fn every_doctor_is_found_whether_or_not_patients_see_them() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let named = async |name: &str, is_verified: bool| {
        let email = format!("{}@clinic.example", name.to_lowercase().replace(' ', "."));
        app.doctor_like(|new| (new.full_name, new.email, new.is_verified) = (name.to_owned(), email, is_verified)).await
    };
    named("Dr. Chitra Rao", true).await;
    named("dr. Asha Menon", false).await;
    let off = named("Dr. Bina 100%", true).await;
    admin.patch(&format!("doctors/{}", off.id), json!({"is_active": false})).await.expect(200);
    let list = async |query: &str| admin.get(&format!("{DOCTORS}{query}")).await.expect(200);
    let names = |page: &Value| -> Vec<String> {
        page["items"].as_array().unwrap().iter().map(|item| text(&item["full_name"]).to_owned()).collect()
    };
    let page = list("").await;
    assert_eq!(names(&page), ["dr. Asha Menon", "Dr. Bina 100%", "Dr. Chitra Rao"]);
    assert_eq!((&page["total"], &page["limit"], &page["has_more"]), (&json!(3), &json!(20), &json!(false)));
    let one = &page["items"][1];
    assert_eq!(
        (&one["is_active"], &one["is_verified"], &one["email"]),
        (&json!(false), &json!(true), &json!("dr..bina.100%@clinic.example"))
    );
    assert!(time(&one["created_at"]) <= app.app.now());
    for (query, wanted) in [
        ("?is_visible=true", vec!["Dr. Chitra Rao"]),
        ("?is_visible=false", vec!["dr. Asha Menon", "Dr. Bina 100%"]),
        ("?search=RAO", vec!["Dr. Chitra Rao"]),
        ("?search=asha.menon@", vec!["dr. Asha Menon"]),
        ("?search=%25", vec!["Dr. Bina 100%"]),
        ("?search=_", vec![]),
        ("?search=rao&is_visible=false", vec![]),
        ("?limit=1&offset=2", vec!["Dr. Chitra Rao"]),
    ] {
        assert_eq!(names(&list(query).await), wanted, "{query}");
    }
    // The same doctor as the one that 36 answers.
    assert_eq!(admin.patch(&format!("doctors/{}", off.id), json!({})).await.expect(200), *one);
    admin
        .get(&format!("{DOCTORS}?limit=101&is_visible=maybe"))
        .await
        .invalid(&["query.limit less_than_equal", "query.is_visible bool_parsing"]);
}

#[tokio::test]
async fn nobody_but_admins_comes_through_these_doors() {
    let app = TestApp::start().await;
    let (patient, doctor) = (app.patient().await, app.doctor().await);
    for (method, path) in [(Method::GET, DOCTORS), (Method::GET, OUTBOX), (Method::POST, RETRY)] {
        send(app.nobody().request(method.clone(), path)).await.refused_plainly(401);
        send(patient.request(method.clone(), path)).await.refused(403, "WRONG_ROLE");
        send(doctor.request(method, path)).await.refused(403, "WRONG_ROLE");
    }
}
