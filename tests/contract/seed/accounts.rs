//! Signing in, the patient's profile, categories.

use serde_json::json;

use super::Samples;
use crate::support::app::{PASSWORD, TestApp};
use crate::support::client::Client;

/// The newest code that the development inbox has for a phone.
async fn code(nobody: &Client, phone: &str) -> String {
    let phone = phone.replace('+', "%2B");
    let inbox = nobody.get(&format!("/dev/inbox.json?channel=sms&to={phone}")).await.expect(200);
    inbox["items"].as_array().unwrap().last().unwrap()["code"].as_str().unwrap().to_owned()
}

/// A patient who has just signed in with the samples' phone and name.
async fn signed_in(app: &TestApp) -> Client {
    let samples = Samples::of("auth");
    let mut client = app.nobody();
    let body = samples.request("request_otp");
    assert_eq!(&client.post("auth/request-otp", body.clone()).await.expect(202), samples.response("request_otp"));
    let code = code(&client, body["phone"].as_str().unwrap()).await;
    let pair =
        client.post("auth/verify-otp", samples.request_with("verify_otp", &json!({"code": code}))).await.expect(200);
    samples.fits("verify_otp", &pair, &[]);
    assert_eq!(pair["token_type"], "bearer");
    client.signed_in(&pair);
    client
}

#[tokio::test]
async fn the_samples_of_signing_in() {
    let app = TestApp::start().await;
    let samples = Samples::of("auth");
    let mut patient = signed_in(&app).await;

    let refresh = json!({"refresh_token": patient.refresh_token});
    let pair = patient.post("auth/refresh", samples.request_with("refresh", &refresh)).await.expect(200);
    samples.fits("refresh", &pair, &[]);
    assert_ne!(pair["refresh_token"], refresh["refresh_token"], "both tokens are new");
    patient.signed_in(&pair);
    assert_eq!(&patient.act("auth/logout").await.expect(200), samples.response("logout"));
    patient.get("users/me").await.refused_plainly(401);

    app.doctor_like(|new| new.email = "dr.smith@allign.in".to_owned()).await;
    let body = samples.request("doctor_login");
    app.nobody().post("auth/doctor/login", body).await.refused(401, "INVALID_CREDENTIALS");
    let body = samples.request_with("doctor_login", &json!({"password": PASSWORD}));
    samples.fits("doctor_login", &app.nobody().post("auth/doctor/login", body).await.expect(200), &[]);
}

#[tokio::test]
async fn the_samples_of_the_profile() {
    let app = TestApp::start().await;
    let samples = Samples::of("users");
    let patient = signed_in(&app).await;

    patient.get("categories/health").await.refused(409, "PROFILE_INCOMPLETE");
    let half = patient.patch("users/me", samples.request("update")).await.expect(200);
    samples.fits("update", &half, &["height_cm", "weight_kg", "bmi"]);
    assert!(half["bmi"].is_null());
    let whole = patient.patch("users/me", json!({"height_cm": 175.0, "weight_kg": 72.5})).await.expect(200);
    samples.fits("update", &whole, &[]);
    for key in
        ["full_name", "phone", "email", "avatar_source", "is_phone_verified", "profile_completed", "age", "sex", "bmi"]
    {
        assert_eq!(whole[key], samples.response("update")[key], "{key}");
    }
    assert!((whole["profile_completion"].as_f64().unwrap() - 0.85).abs() < 1e-9);
    assert_eq!(patient.get("users/me").await.expect(200), whole);
    assert!(patient.get("categories/health").await.expect(200).is_array());
}
