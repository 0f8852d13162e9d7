//! Bodies that are none: broken, absent, of another type, too large; at every operation whose document says JSON.

use axum::http::Method;
use serde_json::{Value, json};

use super::callers::{Callers, read};
use super::list::{self, Row};
use crate::support::app::TestApp;
use crate::support::client::Client;

/// The documented JSON body of a row: whether it is required; none where it takes none.
fn body_of(document: &Value, row: &Row) -> Option<bool> {
    let path = row.path.strip_suffix('/').unwrap_or(row.path);
    let body = &document["paths"][path][row.method.as_str().to_lowercase()]["requestBody"];
    body["content"].get("application/json").map(|_| body["required"] == true)
}

fn request(caller: &Client, row: &Row, body: impl Into<reqwest::Body>) -> reqwest::RequestBuilder {
    request_of("application/json", caller, row, body)
}

fn request_of(kind: &str, caller: &Client, row: &Row, body: impl Into<reqwest::Body>) -> reqwest::RequestBuilder {
    caller.request(row.method.clone(), &row.path_to_nothing()).header("content-type", kind).body(body)
}

#[tokio::test]
async fn a_body_that_is_none_is_refused_in_one_way_everywhere() {
    let app = TestApp::start().await;
    let callers = Callers::of(&app).await;
    let document = app.nobody().get("/openapi.json").await.expect(200);
    let mut seen = 0;
    for row in list::served() {
        let Some(required) = body_of(&document, &row) else { continue };
        let caller = callers.one_of(row.roles().as_deref());
        seen += 1;
        for broken in ["{\"a\":", "nonsense", "{'a': 1}", "\u{feff}{}", "{}{}"] {
            read(request(caller, &row, broken)).await.invalid(&["body json_invalid"]);
        }
        read(request(caller, &row, vec![0xff, 0xfe, 0x00])).await.invalid(&["body json_invalid"]);
        if required {
            read(request(caller, &row, "")).await.invalid(&["body missing"]);
        }
        for other in ["[]", "5", "\"text\"", "null"] {
            read(request(caller, &row, other)).await.invalid(&["body value_error"]);
        }
        read(request(caller, &row, "a".repeat(1024 * 1024 + 1))).await.refused(400, "BODY_TOO_LARGE");
        let wrong_kind = read(request_of("text/plain", caller, &row, "{}")).await;
        assert_eq!(wrong_kind.status, 422, "{}: {}", row.id, wrong_kind.text);
        assert_eq!(wrong_kind.body["detail"][0]["loc"], json!(["header", "content-type"]), "{}", row.id);
    }
    assert!(seen >= 6, "{seen} operations with a body");
}

#[tokio::test]
async fn a_key_that_is_none_is_told_with_the_rest() {
    let app = TestApp::start().await;
    let callers = Callers::of(&app).await;
    let document = app.nobody().get("/openapi.json").await.expect(200);
    let mut seen = 0;
    for row in list::served() {
        let path = row.path.strip_suffix('/').unwrap_or(row.path);
        let operation = &document["paths"][path][row.method.as_str().to_lowercase()];
        let mut parameters = operation["parameters"].as_array().into_iter().flatten();
        if !parameters.any(|parameter| parameter["name"] == "Idempotency-Key") {
            continue;
        }
        seen += 1;
        let caller = callers.one_of(row.roles().as_deref());
        // What takes a form takes no JSON.
        let rest =
            if body_of(&document, &row).is_some() { "body json_invalid" } else { "header.content-type value_error" };
        for key in ["", &"k".repeat(129)] {
            let answer = read(request(caller, &row, "{").header("idempotency-key", key)).await;
            answer.invalid(&[rest, "header.idempotency-key value_error"]);
        }
    }
    assert!(seen >= 11, "{seen} operations with a key");
}

#[tokio::test]
async fn a_body_without_a_length_is_cut_at_the_limit() {
    let app = TestApp::start().await;
    let patient = app.patient().await;
    let piece = bytes::Bytes::from(vec![b' '; 64 * 1024]);
    let endless = futures_util::stream::repeat_with(move || Ok::<_, std::io::Error>(piece.clone()));
    let endless = futures_util::StreamExt::take(endless, 64);
    let request = patient
        .request(Method::POST, "connect/sessions")
        .header("content-type", "application/json")
        .body(reqwest::Body::wrap_stream(endless));
    read(request).await.refused(400, "BODY_TOO_LARGE");
}

#[tokio::test]
async fn unknown_fields_and_queries_are_passed_over() {
    let app = TestApp::start().await;
    let (patient, doctor) = (app.patient().await, app.doctor().await);
    let body = json!({"target_doctor_id": doctor.id, "color": "green", "nested": {"a": [1]}});
    patient.post("connect/sessions?shape=round", body).await.expect(201);
}
