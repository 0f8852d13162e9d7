//! Offers: seen by everybody (119), made by admins (132 to 135).

use axum::http::Method;
use chrono::{NaiveDate, TimeDelta};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::app::TestApp;
use crate::support::client::{Client, keys, send};
use crate::support::meeting::text;

/// A day so many days from the server's today.
fn day(app: &TestApp, days: i64) -> NaiveDate {
    app.app.now().date_naive() + TimeDelta::days(days)
}

fn starter(app: &TestApp) -> Value {
    json!({"title": "Starter Pack", "amount": 500.00, "bonus_amount": 50.00,
        "valid_from": day(app, -1), "valid_until": day(app, 1)})
}

fn with(mut body: Value, members: &Value) -> Value {
    for (name, value) in members.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

/// A body whose numbers stand as they are written here.
async fn post_raw(client: &Client, path: &str, method: Method, body: String) -> crate::support::client::Answer {
    send(client.request(method, path).header("content-type", "application/json").body(body)).await
}

async fn running(app: &TestApp) -> Vec<String> {
    let list = app.nobody().get("wallet/offers").await.expect(200);
    list.as_array().unwrap().iter().map(|offer| text(&offer["title"]).to_owned()).collect()
}

#[tokio::test]
async fn rupees_go_in_and_paise_come_out() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let made = admin.post("admin/wallet/offers", starter(&app)).await.expect(201);
    assert_eq!(keys(&made), ["amount", "bonus_amount", "id", "is_active", "title", "valid_from", "valid_until"]);
    assert_eq!((&made["amount"], &made["bonus_amount"]), (&json!(50_000), &json!(5_000)));
    assert_eq!((&made["is_active"], &made["valid_from"]), (&json!(true), &json!(day(&app, -1))));
    let body = json!({"title": "No bonus", "amount": 1, "valid_from": day(&app, 0), "valid_until": day(&app, 0)});
    assert_eq!(admin.post("admin/wallet/offers", body).await.expect(201)["bonus_amount"], 0);

    let body = |amount: &str, bonus: &str| {
        format!(
            r#"{{"title":"x","amount":{amount},"bonus_amount":{bonus},"valid_from":"2026-02-01","valid_until":"2026-03-01"}}"#
        )
    };
    let path = "admin/wallet/offers";
    for (amount, bonus, paise) in [
        ("0.1", "0", [10, 0]),
        ("1.15", "0.29", [115, 29]),
        ("5e2", "500.0000", [50_000, 50_000]),
        ("1", "null", [100, 0]),
    ] {
        let made = post_raw(&admin, path, Method::POST, body(amount, bonus)).await.expect(201);
        assert_eq!((&made["amount"], &made["bonus_amount"]), (&json!(paise[0]), &json!(paise[1])), "{amount} {bonus}");
    }
    // More decimals than a paisa has, also where a float would not have seen them.
    for (amount, bonus, wrong) in [
        ("500.005", "0", &["body.amount value_error"] as &[&str]),
        ("500.00000000000000000001", "0", &["body.amount value_error"]),
        ("1", "0.001", &["body.bonus_amount value_error"]),
        ("1.001", "1e-3", &["body.amount value_error", "body.bonus_amount value_error"]),
        ("0", "0", &["body.amount greater_than_equal"]),
        ("-1", "-0.01", &["body.amount greater_than_equal", "body.bonus_amount greater_than_equal"]),
        ("1000000001", "0", &["body.amount less_than_equal"]),
        ("\"500\"", "[]", &["body.amount float_type", "body.bonus_amount float_type"]),
    ] {
        post_raw(&admin, path, Method::POST, body(amount, bonus)).await.invalid(wrong);
    }
}

#[tokio::test]
async fn an_offer_is_checked_as_a_whole() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let path = "admin/wallet/offers";
    admin.post(path, json!({})).await.invalid(&[
        "body.title missing",
        "body.amount missing",
        "body.valid_from missing",
        "body.valid_until missing",
    ]);
    for (members, wrong) in [
        (json!({"title": ""}), &["body.title string_too_short", "body.title string_pattern_mismatch"] as &[&str]),
        (json!({"title": " "}), &["body.title string_pattern_mismatch"]),
        (json!({"title": "t".repeat(101)}), &["body.title string_too_long"]),
        (json!({"valid_from": "yesterday"}), &["body.valid_from date_parsing"]),
        (json!({"valid_until": "2026-02-30"}), &["body.valid_until date_parsing"]),
        (json!({"valid_until": day(&app, -2)}), &["body.valid_until value_error"]),
        (json!({"title": 5, "valid_from": 5}), &["body.title string_type", "body.valid_from string_type"]),
    ] {
        admin.post(path, with(starter(&app), &members)).await.invalid(wrong);
    }
    let several = json!({"title": 5, "amount": 0.001, "valid_until": day(&app, -2)});
    let failures = ["body.title string_type", "body.amount value_error", "body.valid_until value_error"];
    admin.post(path, with(starter(&app), &several)).await.invalid(&failures);
    admin.post(path, with(starter(&app), &json!({"valid_until": day(&app, -1)}))).await.expect(201);

    let id = text(&admin.post(path, starter(&app)).await.expect(201)["id"]).to_owned();
    let one = format!("{path}/{id}");
    // Dates are judged after merging.
    admin.patch(&one, json!({"valid_until": day(&app, -2)})).await.invalid(&["body.valid_until value_error"]);
    admin.patch(&one, json!({"valid_from": day(&app, 2)})).await.invalid(&["body.valid_until value_error"]);
    let moved = json!({"valid_from": day(&app, 2), "valid_until": day(&app, 2), "amount": 0.5, "is_active": false});
    let changed = admin.patch(&one, moved).await.expect(200);
    assert_eq!((&changed["amount"], &changed["bonus_amount"]), (&json!(50), &json!(5_000)));
    assert_eq!((&changed["is_active"], &changed["title"]), (&json!(false), &json!("Starter Pack")));
    assert_eq!(admin.patch(&one, json!({})).await.expect(200), changed);
    for (body, wrong) in [
        (json!({"amount": null}), "body.amount float_type"),
        (json!({"title": null}), "body.title string_type"),
        (json!({"is_active": "no"}), "body.is_active bool_type"),
        (json!({"amount": 0.001}), "body.amount value_error"),
        (json!({"bonus_amount": -1}), "body.bonus_amount greater_than_equal"),
    ] {
        admin.patch(&one, body).await.invalid(&[wrong]);
    }
    let other = format!("{path}/{}", Uuid::new_v4());
    admin.patch(&other, json!({"title": "x"})).await.refused_plainly(404);
    // What is wrong with the body is said before the offer is looked for.
    admin.patch(&other, json!({"amount": 0.001})).await.invalid(&["body.amount value_error"]);
    let turned = json!({"title": null, "valid_from": day(&app, 2), "valid_until": day(&app, 1)});
    admin.patch(&other, turned).await.invalid(&["body.title string_type", "body.valid_until value_error"]);
}

#[tokio::test]
async fn everybody_sees_what_runs_today_and_changes_at_once() {
    let app = TestApp::start_with(|config| config.ttl.access_token = TimeDelta::days(30)).await;
    let admin = app.admin().await;
    let path = "admin/wallet/offers";
    let make = async |title: &str, amount: i64, from: i64, until: i64| {
        let body =
            json!({"title": title, "amount": amount, "valid_from": day(&app, from), "valid_until": day(&app, until)});
        text(&admin.post(path, body).await.expect(201)["id"]).to_owned()
    };
    let big = make("big", 900, -3, 3).await;
    let small = make("small", 100, 0, 0).await;
    make("past", 100, -3, -1).await;
    make("future", 100, 1, 3).await;
    let answer = app.nobody().get("wallet/offers").await;
    assert_eq!(answer.headers["cache-control"], "public, max-age=300");
    assert_eq!(running(&app).await, ["small", "big"]);
    // Whoever is signed in sees the same.
    let patient = app.patient().await;
    assert_eq!(patient.get("wallet/offers").await.expect(200), answer.body);

    admin.patch(&format!("{path}/{big}"), json!({"is_active": false})).await.expect(200);
    assert_eq!(running(&app).await, ["small"]);
    let all = admin.get(path).await.expect(200);
    let off: Vec<&Value> =
        all["items"].as_array().unwrap().iter().filter(|offer| offer["is_active"] == false).collect();
    assert_eq!((&all["total"], off.len(), &off[0]["id"]), (&json!(4), 1, &json!(big)));
    admin.patch(&format!("{path}/{big}"), json!({"is_active": true, "title": "BIG"})).await.expect(200);
    assert_eq!(running(&app).await, ["small", "BIG"]);
    assert_eq!(admin.delete(&format!("{path}/{small}")).await.status, 204);
    admin.delete(&format!("{path}/{small}")).await.refused_plainly(404);
    assert_eq!(running(&app).await, ["BIG"]);
    app.advance(TimeDelta::days(1));
    assert_eq!(running(&app).await, ["future", "BIG"]);
    app.advance(TimeDelta::days(3));
    assert_eq!(running(&app).await, [] as [&str; 0]);

    // Admins see all of them, the newest first.
    let page = admin.get(&format!("{path}?limit=2")).await.expect(200);
    let titles = |page: &Value| {
        page["items"].as_array().unwrap().iter().map(|offer| text(&offer["title"]).to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(titles(&page), ["future", "past"]);
    assert_eq!((&page["total"], &page["has_more"]), (&json!(3), &json!(true)));
    let page = admin.get(&format!("{path}?limit=2&offset=2")).await.expect(200);
    assert_eq!((titles(&page), &page["has_more"]), (vec!["BIG".to_owned()], &json!(false)));
    admin
        .get(&format!("{path}?limit=101&offset=-1"))
        .await
        .invalid(&["query.limit less_than_equal", "query.offset greater_than_equal"]);
}

#[tokio::test]
async fn only_admins_make_offers_and_each_change_leaves_a_trace() {
    let app = TestApp::start().await;
    let (admin, patient, doctor) = (app.admin().await, app.patient().await, app.doctor().await);
    let made = admin.post("admin/wallet/offers", starter(&app)).await.expect(201);
    let one = format!("admin/wallet/offers/{}", text(&made["id"]));
    for caller in [&patient, &doctor] {
        caller.post("admin/wallet/offers", starter(&app)).await.refused(403, "WRONG_ROLE");
        caller.get("admin/wallet/offers").await.refused(403, "WRONG_ROLE");
        caller.patch(&one, json!({})).await.refused(403, "WRONG_ROLE");
        caller.delete(&one).await.refused(403, "WRONG_ROLE");
    }
    admin.patch(&one, json!({"title": "x"})).await.expect(200);
    assert_eq!(admin.delete(&one).await.status, 204);
    for action in ["admin.offer.create", "admin.offer.update", "admin.offer.delete"] {
        assert_eq!(app.acts(action, admin.id).await, 1, "{action}");
    }
}
