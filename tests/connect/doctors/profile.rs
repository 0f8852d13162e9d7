//! The doctor's own profile and picture (31 to 34).

use axum::http::Method;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use crate::support::app::TestApp;
use crate::support::client::{Answer, Client, send};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\nwhatever follows";

async fn upload(client: &Client, field: &'static str, bytes: Vec<u8>) -> Answer {
    let form = Form::new().part(field, Part::bytes(bytes).file_name("me.png"));
    send(client.request(Method::POST, "doctors/me/avatar").multipart(form)).await
}

#[tokio::test]
async fn a_change_leaves_the_rest_and_the_slug() {
    let app = TestApp::start().await;
    let doctor = app.doctor().await;
    let before = doctor.get("doctors/me/profile").await.expect(200);
    for key in ["email", "phone", "is_active", "created_at", "is_verified", "is_reviewer", "degrees"] {
        assert!(before.get(key).is_some(), "{key}");
    }
    let change =
        json!({"full_name": "Dr. New Name", "years_experience": 20, "degrees": ["MBBS"], "languages": ["Hindi"]});
    let after = doctor.patch("doctors/me/profile", change).await.expect(200);
    assert_eq!((&after["full_name"], &after["years_experience"]), (&json!("Dr. New Name"), &json!(20)));
    assert_eq!((&after["slug"], &after["email"]), (&before["slug"], &before["email"]));
    assert_eq!(doctor.get("doctors/me/profile").await.expect(200), after);
    let found = app.nobody().get("doctors/search?q=new%20name").await.expect(200);
    assert_eq!(found[0]["id"], json!(doctor.id));
    let wrong = json!({"full_name": "X", "years_experience": 61, "degrees": [], "registration_number": "12345",
        "speciality_category": "Astrology", "languages": ["Klingon"], "about_short": "a".repeat(601)});
    let answer = doctor.patch("doctors/me/profile", wrong).await;
    assert_eq!(answer.status, 422, "{}", answer.text);
    // The number is too short by its length and by its pattern.
    assert_eq!(answer.body["detail"].as_array().unwrap().len(), 9, "{}", answer.text);
    for blank in ["      ", "  12345  "] {
        doctor
            .patch("doctors/me/profile", json!({"registration_number": blank, "degrees": ["MBBS", " "]}))
            .await
            .invalid(&["body.registration_number string_pattern_mismatch", "body.degrees.1 string_pattern_mismatch"]);
    }
    let trimmed = doctor.patch("doctors/me/profile", json!({"registration_number": " KMC 123456\t"})).await.expect(200);
    assert_eq!(trimmed["registration_number"], "KMC 123456");
    app.patient().await.get("doctors/me/profile").await.refused(403, "WRONG_ROLE");
    app.nobody().get("doctors/me/profile").await.refused_plainly(401);
}

#[tokio::test]
async fn a_picture_comes_and_goes() {
    let app = TestApp::start().await;
    let doctor = app.doctor().await;
    let url = upload(&doctor, "file", PNG.to_vec()).await.expect(200)["avatar_url"].as_str().unwrap().to_owned();
    assert_eq!(send(reqwest::Client::new().get(&url)).await.status, 200);
    assert_eq!(app.nobody().get(&format!("doctors/{}", doctor.id)).await.expect(200)["avatar_url"], json!(url));
    upload(&doctor, "file", b"%PDF-1.7".to_vec()).await.refused(400, "UNSUPPORTED_FILE_TYPE");
    let mut large = PNG.to_vec();
    large.resize(2 * 1024 * 1024 + 1, 0);
    upload(&doctor, "file", large).await.refused(400, "FILE_TOO_LARGE");
    assert_eq!(upload(&doctor, "other", PNG.to_vec()).await.status, 422);
    for _ in 0..2 {
        assert_eq!(doctor.delete("doctors/me/avatar").await.status, 204);
    }
    assert_eq!(doctor.get("doctors/me/profile").await.expect(200)["avatar_url"], Value::Null);
    upload(&app.patient().await, "file", PNG.to_vec()).await.refused(403, "WRONG_ROLE");
}
