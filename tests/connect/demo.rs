//! The demo data (running.md): everybody can sign in, the past adds up, a second seeding changes nothing.

use chrono::TimeDelta;
use consilium::demo_data;
use consilium_storage::accounts::{self, Role};
use serde_json::{Value, json};

use crate::support::app::TestApp;
use crate::support::client::Client;

async fn doctor(app: &TestApp, number: usize) -> Client {
    let body = json!({"email": format!("doctor{number}@demo.example"), "password": "demo-pass-1"});
    signed_in(app, &app.nobody().post("auth/doctor/login", body).await.expect(200))
}

fn signed_in(app: &TestApp, pair: &Value) -> Client {
    let mut client = app.nobody();
    client.signed_in(pair);
    client
}

async fn patient(app: &TestApp, number: usize) -> Client {
    let phone = format!("+91990000000{number}");
    let nobody = app.nobody();
    nobody.post("auth/request-otp", json!({"phone": phone})).await.expect(202);
    let inbox = nobody.get(&format!("/dev/inbox.json?to={}", phone.replace('+', "%2B"))).await.expect(200);
    let code = &inbox["items"].as_array().unwrap().last().unwrap()["code"];
    signed_in(app, &nobody.post("auth/verify-otp", json!({"phone": phone, "code": code})).await.expect(200))
}

#[tokio::test]
async fn everybody_signs_in() {
    let app = TestApp::start().await;
    demo_data::seed(&app.app.pool, &app.clock).await.unwrap();
    demo_data::load_presence(&app.app).await.unwrap();
    for number in 1..=6 {
        doctor(&app, number).await;
    }
    for number in 1..=5 {
        let me = patient(&app, number).await.get("users/me").await.expect(200);
        assert_eq!(me["profile_completed"], json!(number != 5));
    }
    let body = json!({"username": "admin", "password": "demo-pass-1"});
    let admin = signed_in(&app, &app.nobody().post("admin/auth/login", body).await.expect(200));
    assert_eq!(admin.get("admin/users").await.expect(200)["total"], 5);
}

#[tokio::test]
async fn a_second_seeding_changes_nothing() {
    let app = TestApp::start().await;
    demo_data::seed(&app.app.pool, &app.clock).await.unwrap();
    let before = app.counts().await;
    app.advance(TimeDelta::days(1));
    demo_data::seed(&app.app.pool, &app.clock).await.unwrap();
    assert_eq!(app.counts().await, before);
    let (one, two) =
        tokio::join!(demo_data::seed(&app.app.pool, &app.clock), demo_data::seed(&app.app.pool, &app.clock));
    one.unwrap();
    two.unwrap();
    assert_eq!(app.counts().await, before);
    assert_eq!(
        before,
        [
            ("sessions", 7),
            ("messages", 26),
            ("reviews", 5),
            ("health_categories", 10),
            ("accounts", 12),
            ("articles", 5),
            ("community_events", 4)
        ]
    );
}

#[tokio::test]
async fn a_doctor_whose_address_was_changed_is_not_made_again() {
    let app = TestApp::start().await;
    demo_data::seed(&app.app.pool, &app.clock).await.unwrap();
    let before = app.counts().await;
    let mut conn = app.app.conn().await.unwrap();
    let known = accounts::find_by_name(&mut conn, Role::Doctor, "doctor1@demo.example").await.unwrap().unwrap();
    accounts::set_email(&mut conn, known.id, Some("ankit@clinic.example")).await.unwrap();
    demo_data::seed(&app.app.pool, &app.clock).await.unwrap();
    assert_eq!(app.counts().await, before);
    assert!(accounts::find_by_name(&mut conn, Role::Doctor, "doctor1@demo.example").await.unwrap().is_none());
}

#[tokio::test]
async fn an_empty_filter_of_the_development_inbox_is_none() {
    let app = TestApp::start().await;
    let nobody = app.nobody();
    nobody.post("auth/request-otp", json!({"phone": "+919900000001"})).await.expect(202);
    let all = nobody.get("/dev/inbox.json").await.expect(200);
    assert_eq!(all["items"].as_array().unwrap().len(), 1);
    assert_eq!(nobody.get("/dev/inbox.json?channel=&to=&after=").await.expect(200), all);
    let after = format!("/dev/inbox.json?channel=sms&to=&after={}", all["items"][0]["id"]);
    assert_eq!(nobody.get(&after).await.expect(200)["items"], json!([]));
    // The newest is given, also to who has seen none so far.
    nobody.post("auth/request-otp", json!({"phone": "+919900000002"})).await.expect(202);
    let newest = nobody.get("/dev/inbox.json?limit=1").await.expect(200);
    assert_eq!(newest["items"][0]["to"], "+919900000002");
    assert_eq!(nobody.get("/dev/inbox.json?limit=1&after=0").await.expect(200), newest);
    assert_eq!(nobody.get("/dev/inbox.json?limit=").await.expect(200)["items"].as_array().unwrap().len(), 2);
    nobody.get("/dev/inbox.json?channel=fax&after=x").await.invalid(&["query.after int_parsing", "query.channel enum"]);
}

#[tokio::test]
async fn the_past_reads_like_any_other() {
    let app = TestApp::start().await;
    demo_data::seed(&app.app.pool, &app.clock).await.unwrap();
    let patient = patient(&app, 1).await;
    let events = patient.get("connect/events/poll?since=k1-0").await.expect(200);
    // Those of the last three days: the rest is beyond retention, which asks for a resync or starts later.
    assert!(events["events"].is_array(), "{events}");
    assert_eq!(patient.get("connect/sessions/active").await.expect(200)["items"], json!([]));
    let me = patient.get("users/me").await.expect(200);
    let id = me["id"].as_str().unwrap().parse().unwrap();
    let other = app.sign_in(id, Role::Client).await;
    let session = app.latest_session(other.id).await;
    let detail = other.get(&format!("connect/sessions/{session}")).await.expect(200);
    assert_eq!((&detail["status"], &detail["duration_display"]), (&json!("ENDED"), &json!("1h 2m 3s")));
    let history = other.get(&format!("connect/sessions/{session}/messages")).await.expect(200);
    assert_eq!(history["total"], 4);
    for message in history["items"].as_array().unwrap() {
        assert!(message["read_at"].as_str() > message["delivered_at"].as_str());
        assert!(message["created_at"].as_str() > detail["started_at"].as_str());
        assert!(message["created_at"].as_str() < detail["ended_at"].as_str());
    }
}

#[tokio::test]
async fn there_is_something_to_read_and_to_come_to() {
    let app = TestApp::start().await;
    demo_data::seed(&app.app.pool, &app.clock).await.unwrap();
    let nobody = app.nobody();
    let articles = nobody.get("community/articles?category=wellness").await.expect(200);
    assert_eq!((&articles["total"], &articles["items"][0]["title"]), (&json!(2), &json!("5 Tips for Better Sleep")));
    for (status, total) in [("upcoming", 3), ("past", 1)] {
        let events = nobody.get(&format!("community/events?status={status}")).await.expect(200);
        assert_eq!(events["total"], total, "{status}");
    }
    // What was there before the demo is no news.
    let mut conn = app.app.conn().await.unwrap();
    assert!(consilium_storage::outbox::list(&mut conn, false, None, 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn the_wallets_of_the_demo_add_up() {
    let app = TestApp::start().await;
    demo_data::seed(&app.app.pool, &app.clock).await.unwrap();
    demo_data::seed(&app.app.pool, &app.clock).await.unwrap();
    let patient = patient(&app, 1).await;
    // 550 rupees of a Starter Pack, less 38 minutes at 5 and 63 minutes at 3.
    assert_eq!(patient.get("wallet/balance").await.expect(200)["balance"], 17_100);
    let moved = patient.get("wallet/transactions").await.expect(200);
    let kinds: Vec<&Value> = moved["items"].as_array().unwrap().iter().map(|row| &row["type"]).collect();
    assert_eq!(kinds, ["SESSION_DEBIT", "SESSION_DEBIT", "BONUS", "RECHARGE"]);
    let offers = app.nobody().get("wallet/offers").await.expect(200);
    assert_eq!((offers.as_array().unwrap().len(), &offers[0]["title"]), (3, &json!("Starter Pack")));
    let orders = patient.get("analytics/user/orders").await.expect(200);
    assert_eq!((&orders["total"], &orders["items"][0]["offer_id"]), (&json!(1), &offers[0]["id"]));
    app.ledger_adds_up().await;
}

#[tokio::test]
async fn there_are_catalogues_and_a_prescription_to_print() {
    let app = TestApp::start().await;
    demo_data::seed(&app.app.pool, &app.clock).await.unwrap();
    let nobody = app.nobody();
    let medicines = nobody.get("medicines/search?q=para&limit=25").await.expect(200);
    let tests = nobody.get("lab-tests/catalog/search?q=thyroid").await.expect(200);
    assert!(medicines.as_array().unwrap().len() >= 4 && tests.as_array().unwrap().len() >= 2);
    demo_data::seed(&app.app.pool, &app.clock).await.unwrap();
    assert_eq!(nobody.get("medicines/search?q=para&limit=25").await.expect(200), medicines);

    let me = patient(&app, 1).await;
    let id = me.get("users/me").await.expect(200)["id"].as_str().unwrap().parse().unwrap();
    let session = format!("connect/sessions/{}", app.latest_session(id).await);
    let prescription = me.get(&format!("{session}/prescription")).await.expect(200);
    assert_eq!(
        (&prescription["version"], &prescription["medications"][0]["name"]),
        (&json!(1), &json!("Paracetamol 650 Tablet"))
    );
    me.get(&format!("{session}/prescription/pdf")).await.expect(200);
    let tests = me.get(&format!("{session}/lab-tests")).await.expect(200);
    assert_eq!(tests["recommendations"][0]["test_name"], "Complete Blood Count (CBC)");
    let lines = doctor(&app, 3).await.get("doctors/me/sessions").await.expect(200);
    let line =
        lines["items"].as_array().unwrap().iter().find(|line| line["session_id"] == prescription["connect_session_id"]);
    assert_eq!((&line.unwrap()["has_prescription"], &line.unwrap()["has_lab_tests"]), (&json!(true), &json!(true)));
}

#[tokio::test]
async fn accounts_of_the_command_line_sign_in_and_are_made_once() {
    let app = TestApp::start().await;
    let (pool, clock) = (&app.app.pool, &app.clock);
    demo_data::create_admin(pool, clock, "boss", "The Boss", "a-long-password".to_owned()).await.unwrap();
    let again = demo_data::create_admin(pool, clock, "boss", "x", "a-long-password".to_owned()).await.unwrap_err();
    assert_eq!(again.to_string(), "the user name boss is taken");
    let make = async |email: &str| {
        demo_data::create_doctor(pool, clock, email, "Dr. New", "Urology", "a-long-password".to_owned()).await
    };
    make("New@test.example").await.unwrap();
    assert_eq!(make("new@TEST.example").await.unwrap_err().to_string(), "the e-mail address new@TEST.example is taken");
    assert!(make("no address").await.is_err());
    let nobody = app.nobody();
    let body = json!({"username": "boss", "password": "a-long-password"});
    nobody.post("admin/auth/login", body).await.expect(200);
    let body = json!({"email": "new@test.example", "password": "a-long-password"});
    nobody.post("auth/doctor/login", body).await.expect(200);
}

#[test]
fn the_banner_names_addresses_and_sign_ins() {
    let banner = demo_data::banner("http://127.0.0.1:8080");
    for part in ["http://127.0.0.1:8080/demo\n", "/docs", "doctor1@demo.example", "+919900000001", "demo-pass-1"] {
        assert!(banner.contains(part), "{part}");
    }
}
