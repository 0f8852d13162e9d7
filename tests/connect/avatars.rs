//! Pictures of patients (connect-v2 8 to 11; settled 20).

use axum::http::Method;
use reqwest::multipart::{Form, Part};
use serde_json::json;

use crate::support::app::TestApp;
use crate::support::client::{Answer, Client, keys, send};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\nwhatever follows";

async fn upload(client: &Client, field: &'static str, bytes: Vec<u8>) -> Answer {
    // Neither the name nor the type that the client says is believed.
    let part = Part::bytes(bytes).file_name("../../evil.exe").mime_str("image/png").unwrap();
    let form = Form::new().text("other", "x").part(field, part);
    send(client.request(Method::POST, "users/me/avatar").multipart(form)).await
}

#[tokio::test]
async fn the_catalogue_is_readable_without_a_token() {
    let app = TestApp::start().await;
    let patient = app.patient().await;
    let all = patient.get("users/avatars").await.expect(200);
    assert_eq!(all.as_array().unwrap().len(), 12);
    for avatar in all.as_array().unwrap() {
        assert_eq!(keys(avatar), ["avatar_id", "url"]);
        let answer = send(reqwest::Client::new().get(avatar["url"].as_str().unwrap())).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.headers["content-type"], "image/svg+xml; charset=utf-8");
        assert_eq!(answer.headers["x-content-type-options"], "nosniff");
        assert_eq!(answer.headers["content-security-policy"], "default-src 'none'; sandbox");
    }
    app.nobody().get("/assets/avatars/av_99.svg").await.refused_plainly(404);
    app.nobody().get("/assets/avatars/..%2findex.html").await.refused_plainly(404);
    app.nobody().get("users/avatars").await.refused_plainly(401);
    app.doctor().await.get("users/avatars").await.refused(403, "WRONG_ROLE");
}

#[tokio::test]
async fn a_system_avatar_is_picked_by_id() {
    let app = TestApp::start().await;
    let patient = app.patient().await;
    let me = patient.put("users/me/avatar", json!({"avatar_id": "av_07"})).await.expect(200);
    assert_eq!(
        (&me["avatar_source"], me["avatar_url"].as_str().unwrap().ends_with("/av_07.svg")),
        (&json!("system"), true)
    );
    assert_eq!(patient.get("users/me").await.expect(200), me);
    patient.put("users/me/avatar", json!({"avatar_id": "av_13"})).await.refused_plainly(404);
    patient.put("users/me/avatar", json!({})).await.invalid(&["body.avatar_id missing"]);
    app.doctor().await.put("users/me/avatar", json!({"avatar_id": "av_07"})).await.refused(403, "WRONG_ROLE");
}

#[tokio::test]
async fn an_own_picture_replaces_the_drawing_until_it_is_removed() {
    let app = TestApp::start().await;
    let patient = app.patient().await;
    let me = upload(&patient, "file", PNG.to_vec()).await.expect(200);
    assert_eq!(me["avatar_source"], "user");
    let url = me["avatar_url"].as_str().unwrap().to_owned();
    assert!(url.starts_with(&format!("{}/files/avatars/", app.url)) && url.ends_with(".png"), "{url}");
    let picture = send(reqwest::Client::new().get(&url)).await;
    assert_eq!((picture.status, picture.headers["content-type"].as_bytes()), (200, b"image/png".as_slice()));
    assert_eq!(picture.headers["x-content-type-options"], "nosniff");
    assert_eq!(picture.headers["cache-control"], "public, max-age=86400, immutable");
    let again = upload(&patient, "file", [b"RIFF\x10\0\0\0WEBPVP8 ".as_slice(), &[0; 32]].concat()).await.expect(200);
    assert!(again["avatar_url"].as_str().unwrap().ends_with(".webp"));
    assert_eq!(send(reqwest::Client::new().get(&url)).await.status, 404);
    for _ in 0..2 {
        let me = patient.delete("users/me/avatar").await.expect(200);
        assert_eq!(me["avatar_source"], "system");
    }
    assert_eq!(send(reqwest::Client::new().get(again["avatar_url"].as_str().unwrap())).await.status, 404);
}

#[tokio::test]
async fn what_is_no_small_picture_is_refused() {
    let app = TestApp::start().await;
    let patient = app.patient().await;
    upload(&patient, "file", b"MZ no picture".to_vec()).await.refused(400, "UNSUPPORTED_FILE_TYPE");
    upload(&patient, "file", Vec::new()).await.refused(400, "UNSUPPORTED_FILE_TYPE");
    let mut large = PNG.to_vec();
    large.resize(2 * 1024 * 1024 + 1, 0);
    upload(&patient, "file", large.clone()).await.refused(400, "FILE_TOO_LARGE");
    large.resize(8 * 1024 * 1024, 0);
    upload(&patient, "file", large.clone()).await.refused(400, "FILE_TOO_LARGE");
    large.truncate(2 * 1024 * 1024);
    upload(&patient, "file", large).await.expect(200);
    upload(&patient, "picture", PNG.to_vec()).await.invalid(&["body.file missing"]);
    patient.post("users/me/avatar", json!({"file": "x"})).await.invalid(&["header.content-type value_error"]);
    let broken =
        patient.request(Method::POST, "users/me/avatar").header("content-type", "multipart/form-data; boundary=b");
    send(broken.body("--b\r\nnonsense")).await.invalid(&["body.file value_error"]);
    upload(&app.nobody(), "file", PNG.to_vec()).await.refused_plainly(401);
    upload(&app.admin().await, "file", PNG.to_vec()).await.refused(403, "WRONG_ROLE");
    assert_eq!(patient.get("users/me").await.expect(200)["avatar_source"], "user");
}

#[tokio::test]
async fn a_store_that_refuses_is_said() {
    let app = TestApp::start().await;
    let patient = app.patient().await;
    // A file where the folder should be.
    let root = app.app.config.files_dir();
    std::fs::create_dir_all(&root).unwrap();
    std::fs::write(root.join("avatars"), "in the way").unwrap();
    upload(&patient, "file", PNG.to_vec()).await.refused(503, "STORAGE_UNAVAILABLE");
    assert_eq!(patient.get("users/me").await.expect(200)["avatar_source"], "system");
}
