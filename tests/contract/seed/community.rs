//! Categories, articles and events: written by an admin, read by the others. The event's date has passed: it is moved.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::Samples;
use crate::contract::shape;
use crate::support::app::TestApp;

#[tokio::test]
async fn the_samples_of_categories() {
    let app = TestApp::start().await;
    let (samples, admin, patient) = (Samples::of("community"), app.admin().await, app.patient().await);
    let made = admin.post("admin/categories", samples.request("category")).await.expect(201);
    let category = json!({"id": "644452ac-...", "name": "Dermatology", "description": "Skin care", "is_active": true,
        "created_at": "2026-02-07T21:56:25Z", "updated_at": "2026-02-07T21:56:25Z"});
    shape::fits(&made, &category, &[]);
    says(&made, &samples.request("category"));
    let page = admin.get("admin/categories?limit=50").await.expect(200);
    Samples::of("lists").fits("page", &page, &[]);
    assert_eq!((&page["items"], &page["limit"]), (&json!([made]), &json!(50)));
    let shown = patient.get("categories/health").await.expect(200);
    assert_eq!((&shown[0]["id"], &shown[0]["name"]), (&made["id"], &made["name"]));
    let one = format!("admin/categories/{}", made["id"].as_str().unwrap());
    let changed = admin.patch(&one, samples.request("update_category")).await.expect(200);
    shape::fits(&changed, &category, &[]);
    assert_eq!((&changed["is_active"], &changed["name"]), (&json!(false), &made["name"]));
    let deleted = admin.delete(&one).await;
    assert_eq!((deleted.status, deleted.text.as_str()), (204, ""));
}

#[tokio::test]
async fn the_samples_of_the_community() {
    let app = TestApp::start().await;
    let (samples, admin, nobody) = (Samples::of("community"), app.admin().await, app.nobody());
    let body = samples.request("article");
    let article = admin.post("admin/articles", body.clone()).await.expect(201);
    says(&article, &body);
    let path = "community/articles?limit=20&category=wellness&sort_by=published_at&sort_order=desc";
    let page = nobody.get(path).await.expect(200);
    Samples::of("lists").fits("page", &page, &[]);
    let card = json!({"id": "644452ac-...", "title": "5 Tips for Better Sleep", "excerpt": "Sleep is essential...",
        "category": "wellness", "author": "Dr. Smith", "image_url": "https://...", "published_at": "2026-02-07T21:56:25Z"});
    shape::fits(&page["items"], &json!([card]), &[]);
    assert!(page["items"][0].get("content").is_none(), "{page}");
    let shown = nobody.get(&format!("community/articles/{}", article["id"].as_str().unwrap())).await.expect(200);
    assert_eq!(shown["content"], body["content"]);

    let body = samples.request("event");
    admin.post("admin/events", body).await.refused(400, "DATE_IN_PAST");
    let date = app.app.now() + TimeDelta::days(30);
    let body = samples.request_with("event", &json!({"event_date": date}));
    let event = admin.post("admin/events", body).await.expect(201);
    let page = nobody.get("community/events?event_type=online&status=upcoming&sort_by=event_date").await.expect(200);
    Samples::of("lists").fits("page", &page, &[]);
    assert_eq!(page["items"], json!([event]));
    let sample = json!({"id": "644452ac-...", "title": "Health Awareness Webinar", "description": "Join us for...",
        "event_date": "2026-03-15T10:00:00Z", "event_type": "online", "category": "wellness", "image_url": "https://...",
        "status": "upcoming", "created_at": "2026-02-07T21:56:25Z"});
    shape::fits(&event, &sample, &[]);
}

/// The answer has what was asked for.
#[track_caller]
fn says(answer: &Value, body: &Value) {
    for (key, value) in body.as_object().unwrap() {
        assert_eq!(&answer[key], value, "{key}");
    }
}
