//! The kit itself: a server answers, callers have their roles, refusals have their shape.

use axum::http::Method;

use crate::support::app::TestApp;
use crate::support::client::send;

#[tokio::test]
async fn a_server_answers_and_an_unknown_path_is_refused_in_the_familys_words() {
    let app = TestApp::start().await;
    let nobody = app.nobody();
    assert_eq!(nobody.get("/health").await.expect(200)["status"], "healthy");
    assert_eq!(nobody.get("nowhere").await.expect(404), serde_json::json!({"detail": "Path not found"}));
    let answer = send(nobody.request(Method::GET, "nowhere/")).await;
    answer.refused_plainly(404);
}

#[tokio::test]
async fn callers_have_accounts_and_tokens() {
    let app = TestApp::start().await;
    let (patient, doctor, admin) = tokio::join!(app.patient(), app.doctor(), app.admin());
    for caller in [&patient, &doctor, &admin] {
        assert!(caller.token.is_some() && caller.refresh_token.is_some());
        assert!(!caller.id.0.is_nil());
    }
}

#[tokio::test]
async fn a_server_starts_again_over_its_database() {
    let mut app = TestApp::start().await;
    let patient = app.patient().await;
    app.restart().await;
    assert_eq!(patient.at(&app.url).get("/health").await.status, 200);
}
