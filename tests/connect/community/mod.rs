//! Articles and events for everybody (connect-v2 110 to 113, 136 to 143).

mod articles;
mod events;

use axum::http::Method;
use serde_json::{Value, json};

use crate::support::app::TestApp;
use crate::support::client::send;
use crate::support::meeting::text;

/// A sound body with something different.
fn with(mut body: Value, members: &Value) -> Value {
    for (name, value) in members.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

fn titles(page: &Value) -> Vec<&str> {
    page["items"].as_array().unwrap().iter().map(|item| text(&item["title"])).collect()
}

/// Texts that are no addresses of pictures; each is refused by the pattern.
const NO_PICTURES: [&str; 7] = [
    "http://example.org/a.png",
    "https://",
    "https:///a.png",
    "https://exam ple.org/a.png",
    "//example.org/a.png",
    "javascript:alert(1)",
    "",
];

/// Nobody but admins gets through; each kind of change leaves one audit row.
async fn only_admins(kind: &str, body: Value) {
    let app = TestApp::start().await;
    let (admin, patient, doctor) = (app.admin().await, app.patient().await, app.doctor().await);
    let path = format!("admin/{kind}s");
    let made = admin.post(&path, body).await.expect(201);
    let one = format!("{path}/{}", text(&made["id"]));
    for (method, path) in [(Method::POST, &path), (Method::GET, &path), (Method::PATCH, &one), (Method::DELETE, &one)] {
        send(app.nobody().request(method.clone(), path)).await.refused_plainly(401);
        send(patient.request(method.clone(), path)).await.refused(403, "WRONG_ROLE");
        send(doctor.request(method, path)).await.refused(403, "WRONG_ROLE");
    }
    admin.patch(&one, json!({"title": "x"})).await.expect(200);
    assert_eq!(admin.delete(&one).await.status, 204);
    for action in ["create", "update", "delete"] {
        assert_eq!(app.acts(&format!("admin.{kind}.{action}"), admin.id).await, 1, "{action}");
    }
}
