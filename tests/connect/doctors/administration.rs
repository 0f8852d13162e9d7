//! Doctors made and edited by admins (35, 36).

use serde_json::{Value, json};

use crate::support::app::TestApp;

fn new_doctor(email: &str) -> Value {
    json!({"email": email, "password": "first-pass-1", "full_name": "Dr. Ankit Shah", "speciality_category": "Urology",
        "rate_per_minute": 500, "registration_number": format!("REG-{email}")})
}

#[tokio::test]
async fn a_doctor_is_made_once_and_can_sign_in() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let body = new_doctor("a@example.org");
    let made = admin.post_once("doctors/", "key-1", body.clone()).await.expect(201);
    assert_eq!((&made["slug"], &made["is_verified"]), (&json!("dr-ankit-shah-urology"), &json!(true)));
    assert_eq!(
        (&made["chat_enabled"], &made["is_featured"], &made["is_active"]),
        (&json!(true), &json!(false), &json!(true))
    );
    assert!(made.get("password").is_none());
    assert_eq!(admin.post_once("doctors/", "key-1", body).await.expect(201), made, "the stored answer");
    let other = new_doctor("b@example.org");
    admin.post_once("doctors/", "key-1", other.clone()).await.refused(409, "IDEMPOTENCY_MISMATCH");
    assert_eq!(admin.post("doctors/", other).await.expect(201)["slug"], "dr-ankit-shah-urology-2");
    admin.post("doctors/", new_doctor("A@Example.org")).await.refused_with(
        409,
        "DUPLICATE",
        &json!({"field": "email"}),
    );
    let mut taken = new_doctor("c@example.org");
    taken["registration_number"] = json!("REG-a@example.org");
    admin.post("doctors/", taken).await.refused_with(409, "DUPLICATE", &json!({"field": "registration_number"}));
    let mut spaced = new_doctor("c@example.org");
    spaced["registration_number"] = json!(" REG-a@example.org ");
    admin.post("doctors/", spaced).await.refused_with(409, "DUPLICATE", &json!({"field": "registration_number"}));
    let nobody = app.nobody();
    let pair = nobody.post("auth/doctor/login", json!({"email": "a@example.org", "password": "first-pass-1"}));
    assert_eq!(pair.await.expect(200)["token_type"], "bearer");
    admin.post("doctors/", json!({"password": "short"})).await.invalid(&[
        "body.email missing",
        "body.full_name missing",
        "body.password string_too_short",
        "body.speciality_category missing",
    ]);
    app.doctor().await.post("doctors/", new_doctor("d@example.org")).await.refused(403, "WRONG_ROLE");
    app.nobody().post("doctors/", new_doctor("d@example.org")).await.refused_plainly(401);
}

#[tokio::test]
async fn an_edit_keeps_the_slug_and_a_new_password_ends_logins() {
    let app = TestApp::start().await;
    let (admin, doctor) = (app.admin().await, app.doctor().await);
    let path = format!("doctors/{}", doctor.id);
    let slug = doctor.get("doctors/me/profile").await.expect(200)["slug"].clone();
    let edited = admin.patch(&path, json!({"full_name": "Dr. Renamed", "rate_per_minute": 700})).await.expect(200);
    assert_eq!((&edited["slug"], &edited["rate_per_minute"]), (&slug, &json!(700)));
    assert_eq!(doctor.get("doctors/me/profile").await.status, 200);
    admin.patch(&path, json!({"password": "second-pass-1"})).await.expect(200);
    doctor.get("doctors/me/profile").await.refused_plainly(401);
    admin.patch(&path, json!({"rate_per_minute": -1})).await.invalid(&["body.rate_per_minute greater_than_equal"]);
    admin.patch("doctors/00000000-0000-7000-8000-000000000000", json!({})).await.refused_plainly(404);
    app.patient().await.patch(&path, json!({"rate_per_minute": 1})).await.refused(403, "WRONG_ROLE");
}

#[tokio::test]
async fn an_edit_to_what_another_doctor_has_changes_nothing() {
    let app = TestApp::start().await;
    let (admin, doctor) = (app.admin().await, app.doctor().await);
    let path = format!("doctors/{}", doctor.id);
    let other = admin.post("doctors/", new_doctor("a@example.org")).await.expect(201);
    let before = doctor.get("doctors/me/profile").await.expect(200);
    for (field, value) in [("email", "A@Example.org"), ("registration_number", "REG-a@example.org")] {
        let taken = admin.patch(&path, json!({"full_name": "Dr. Renamed", field: value})).await;
        taken.refused_with(409, "DUPLICATE", &json!({"field": field}));
    }
    assert_eq!(doctor.get("doctors/me/profile").await.expect(200), before);
    // The own ones again are no duplicates.
    let own = json!({"email": "a@example.org", "registration_number": "REG-a@example.org"});
    let path = format!("doctors/{}", other["id"].as_str().unwrap());
    admin.patch(&path, own).await.expect(200);
}

#[tokio::test]
async fn a_doctor_switched_off_is_gone_and_open_requests_with_him() {
    let app = TestApp::start().await;
    let (admin, doctor, patient) = (app.admin().await, app.doctor().await, app.patient().await);
    let asked = patient.post("connect/sessions", json!({"target_doctor_id": doctor.id})).await.expect(201);
    let mut socket = doctor.socket(None).await;
    admin.patch(&format!("doctors/{}", doctor.id), json!({"is_active": false})).await.expect(200);
    doctor.get("doctors/me/profile").await.refused(403, "ACCOUNT_DISABLED");
    assert_eq!(socket.closed().await, 4401);
    app.nobody().get(&format!("doctors/{}", doctor.id)).await.refused_plainly(404);
    let session = patient.get(&format!("connect/sessions/{}", asked["session_id"].as_str().unwrap())).await.expect(200);
    assert_eq!(session["status"], "CANCELLED");
}
