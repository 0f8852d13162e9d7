//! Events: seen by everybody (112, 113), announced by admins (140 to 143).

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{NO_PICTURES, only_admins, titles, with};
use crate::support::app::TestApp;
use crate::support::client::{Client, keys};
use crate::support::meeting::{text, time};

const ADMIN: &str = "admin/events";
const PATH: &str = "community/events";
const KEYS: [&str; 9] =
    ["category", "created_at", "description", "event_date", "event_type", "id", "image_url", "status", "title"];

/// A time so far from the server's now.
fn at(app: &TestApp, from_now: TimeDelta) -> DateTime<Utc> {
    app.app.now() + from_now
}

fn webinar(date: DateTime<Utc>) -> Value {
    json!({"title": "Health Awareness Webinar", "description": "Join us for...", "event_date": date,
        "event_type": "hybrid", "category": "wellness", "image_url": "https://example.org/webinar.png"})
}

async fn plan(admin: &Client, title: &str, date: DateTime<Utc>, rest: &Value) -> String {
    let body = with(json!({"title": title, "description": "…", "event_date": date}), rest);
    text(&admin.post(ADMIN, body).await.expect(201)["id"]).to_owned()
}

#[tokio::test]
async fn an_event_is_announced_seen_changed_and_deleted() {
    let app = TestApp::start_with(|config| config.ttl.access_token = TimeDelta::days(30)).await;
    let (admin, nobody) = (app.admin().await, app.nobody());
    let date = at(&app, TimeDelta::days(3));
    let made = admin.post(ADMIN, webinar(date)).await.expect(201);
    assert_eq!(keys(&made), KEYS);
    for key in ["title", "description", "event_type", "category", "image_url"] {
        assert_eq!(made[key], webinar(date)[key], "{key}");
    }
    assert_eq!((time(&made["event_date"]), &made["status"]), (date, &json!("upcoming")));
    assert!((TimeDelta::zero()..TimeDelta::minutes(1)).contains(&(app.app.now() - time(&made["created_at"]))));
    let (one, shown) = (format!("{ADMIN}/{}", text(&made["id"])), format!("{PATH}/{}", text(&made["id"])));
    for reader in [nobody.clone(), app.patient().await, app.doctor().await, admin.clone()] {
        assert_eq!(reader.get(&shown).await.expect(200), made);
    }
    assert_eq!(nobody.get(PATH).await.expect(200)["items"], json!([made]));
    // Its status follows from its date.
    app.advance(TimeDelta::days(3));
    assert_eq!(nobody.get(&shown).await.expect(200)["status"], "past");
    assert_eq!(admin.get(ADMIN).await.expect(200)["items"][0]["status"], "past");

    let later = at(&app, TimeDelta::days(1));
    let body = json!({"event_date": later, "event_type": "in_person", "category": null, "image_url": null});
    let changed = admin.patch(&one, body).await.expect(200);
    assert_eq!((keys(&changed), time(&changed["event_date"])), (KEYS.to_vec(), later));
    assert_eq!((&changed["status"], &changed["event_type"]), (&json!("upcoming"), &json!("in_person")));
    assert_eq!((&changed["category"], &changed["image_url"]), (&Value::Null, &Value::Null));
    assert_eq!((&changed["title"], &changed["created_at"]), (&made["title"], &made["created_at"]));
    assert_eq!(admin.patch(&one, json!({})).await.expect(200), changed);
    // What has begun may be set right.
    let past = admin.patch(&one, json!({"event_date": at(&app, TimeDelta::days(-1))})).await.expect(200);
    assert_eq!(past["status"], "past");

    let deleted = admin.delete(&one).await;
    assert_eq!((deleted.status, deleted.text.as_str()), (204, ""));
    admin.delete(&one).await.refused_plainly(404);
    admin.patch(&one, json!({"title": "x"})).await.refused_plainly(404);
    nobody.get(&shown).await.refused_plainly(404);
    nobody.get(&format!("{PATH}/webinar")).await.invalid(&["path.event_id uuid_parsing"]);
}

#[tokio::test]
async fn events_are_listed_sorted_and_filtered() {
    let app = TestApp::start_with(|config| config.ttl.access_token = TimeDelta::days(30)).await;
    let (admin, nobody) = (app.admin().await, app.nobody());
    let days = |days: i64| at(&app, TimeDelta::days(days));
    plan(&admin, "third", days(5), &json!({"category": "Wellness"})).await;
    plan(&admin, "first", days(1), &json!({"category": "wellness", "event_type": "in_person"})).await;
    plan(&admin, "second", days(3), &json!({"event_type": "hybrid"})).await;
    app.advance(TimeDelta::days(2));
    let list = async |query: &str| nobody.get(&format!("{PATH}{query}")).await.expect(200);
    for (query, wanted) in [
        ("", vec!["first", "second", "third"]),
        ("?sort_by=event_date&sort_order=desc", vec!["third", "second", "first"]),
        ("?status=upcoming", vec!["second", "third"]),
        ("?status=past", vec!["first"]),
        ("?event_type=online&status=upcoming&sort_by=event_date", vec!["third"]),
        ("?event_type=in_person", vec!["first"]),
        ("?event_type=hybrid&status=past", vec![]),
        ("?category=wellNESS", vec!["first", "third"]),
        ("?category=", vec!["first", "second", "third"]),
        ("?limit=1&offset=1", vec!["second"]),
    ] {
        assert_eq!(titles(&list(query).await), wanted, "{query}");
    }
    let page = list("?limit=1&status=upcoming").await;
    assert_eq!((&page["total"], &page["has_more"], &page["limit"]), (&json!(2), &json!(true), &json!(1)));
    assert_eq!(list("?limit=1&offset=1&status=upcoming").await["has_more"], false);
    nobody
        .get(&format!("{PATH}?limit=101&offset=x&event_type=party&status=now&sort_by=title&sort_order=up"))
        .await
        .invalid(&[
            "query.limit less_than_equal",
            "query.offset int_parsing",
            "query.event_type enum",
            "query.status enum",
            "query.sort_by enum",
            "query.sort_order enum",
        ]);
    let page = admin.get(&format!("{ADMIN}?limit=2")).await.expect(200);
    assert_eq!((titles(&page), &page["total"], &page["has_more"]), (vec!["third", "second"], &json!(3), &json!(true)));
    admin.get(&format!("{ADMIN}?limit=0")).await.invalid(&["query.limit greater_than_equal"]);
}

#[tokio::test]
async fn an_event_is_in_the_future_and_checked() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    admin.post(ADMIN, json!({})).await.invalid(&[
        "body.title missing",
        "body.description missing",
        "body.event_date missing",
    ]);
    for date in [at(&app, TimeDelta::seconds(-1)), at(&app, TimeDelta::zero())] {
        admin.post(ADMIN, webinar(date)).await.refused(400, "DATE_IN_PAST");
    }
    assert_eq!(admin.get(ADMIN).await.expect(200)["total"], 0, "what is refused is not kept");
    let date = at(&app, TimeDelta::days(1));
    // Any offset is a time; it is answered in UTC, to the microsecond.
    let body = json!({"event_date": "2099-03-15T15:30:00.1234567+05:30", "event_type": null});
    let made = admin.post(ADMIN, with(webinar(date), &body)).await.expect(201);
    assert_eq!((&made["event_date"], &made["event_type"]), (&json!("2099-03-15T10:00:00.123456Z"), &json!("online")));
    let one = format!("{ADMIN}/{}", text(&made["id"]));
    assert_eq!(app.nobody().get(&format!("{PATH}/{}", text(&made["id"]))).await.expect(200), made);
    for (members, wrong) in [
        (json!({"title": " "}), &["body.title string_pattern_mismatch"] as &[&str]),
        (
            json!({"title": "t".repeat(201), "description": "d".repeat(10_001)}),
            &["body.title string_too_long", "body.description string_too_long"],
        ),
        (
            json!({"title": null, "description": null, "event_date": null}),
            &["body.title string_type", "body.description string_type", "body.event_date string_type"],
        ),
        (json!({"event_date": "2026-03-15"}), &["body.event_date datetime_parsing"]),
        (json!({"event_date": "2099-03-15T25:00:00Z"}), &["body.event_date datetime_parsing"]),
        (json!({"event_date": 5}), &["body.event_date string_type"]),
        (json!({"event_type": "party"}), &["body.event_type enum"]),
        (json!({"category": "c".repeat(101)}), &["body.category string_too_long"]),
    ] {
        admin.post(ADMIN, with(webinar(date), &members)).await.invalid(wrong);
        admin.patch(&one, members).await.invalid(wrong);
    }
    for address in NO_PICTURES {
        let body = json!({"image_url": address});
        admin.post(ADMIN, with(webinar(date), &body)).await.invalid(&["body.image_url string_pattern_mismatch"]);
    }
    // A wrong field is said before the rule is asked.
    let both = json!({"event_date": at(&app, TimeDelta::days(-1)), "title": ""});
    admin
        .post(ADMIN, with(webinar(date), &both))
        .await
        .invalid(&["body.title string_too_short", "body.title string_pattern_mismatch"]);
    admin.patch(&format!("{ADMIN}/{}", Uuid::new_v4()), json!({"title": 5})).await.invalid(&["body.title string_type"]);
}

#[tokio::test]
async fn only_admins_plan_events_and_each_change_leaves_a_trace() {
    only_admins("event", webinar("2099-03-15T10:00:00Z".parse().unwrap())).await;
}
