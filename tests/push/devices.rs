//! 83, 84: devices are registered, moved, let go.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::{device, events, expect, meeting, settled};
use crate::support::app::TestApp;
use crate::support::client::keys;
use crate::support::meeting::{accept, request};

const PATH: &str = "device-tokens";

#[tokio::test]
async fn a_device_is_registered_once_and_again() {
    let app = TestApp::start().await;
    let (patient, doctor) = (app.patient().await, app.doctor().await);
    let body = json!({"token": "phone", "platform": "android", "app_version": "1.2.3"});
    let made = patient.post(PATH, body.clone()).await.expect(201);
    assert_eq!(keys(&made), ["id", "is_active", "platform", "role", "user_id"]);
    assert_eq!(
        made,
        json!({"id": made["id"], "user_id": patient.id, "role": "client", "platform": "android", "is_active": true})
    );
    assert_eq!(patient.post(PATH, body).await.expect(200), made);
    let changed = patient.post(PATH, json!({"token": "phone", "platform": "ios"})).await.expect(200);
    assert_eq!((&changed["id"], &changed["platform"]), (&made["id"], &json!("ios")));
    let second = patient.post(PATH, json!({"token": "tablet", "platform": "ios"})).await.expect(201);
    assert_ne!(second["id"], made["id"]);
    // A token is one device's: it moves to whoever signs in there, under another id.
    let moved = doctor.post(PATH, json!({"token": "phone", "platform": "ios"})).await.expect(201);
    assert_eq!((&moved["user_id"], &moved["role"]), (&json!(doctor.id), &json!("doctor")));
    assert_ne!(moved["id"], made["id"]);
    // Reactivated, it is the same one.
    assert_eq!(patient.delete_with(PATH, json!({"token": "tablet"})).await.status, 204);
    assert_eq!(patient.post(PATH, json!({"token": "tablet", "platform": "ios"})).await.expect(200)["id"], second["id"]);
}

#[tokio::test]
async fn who_may_and_with_what() {
    let app = TestApp::start().await;
    let (patient, admin) = (app.patient().await, app.admin().await);
    let body = json!({"token": "phone", "platform": "android"});
    app.nobody().post(PATH, body.clone()).await.refused_plainly(401);
    admin.post(PATH, body.clone()).await.refused(403, "WRONG_ROLE");
    admin.delete_with(PATH, body).await.refused(403, "WRONG_ROLE");
    patient.post(PATH, json!({})).await.invalid(&["body.token missing", "body.platform missing"]);
    patient.post(PATH, json!({"token": "", "platform": "windows", "app_version": "x".repeat(51)})).await.invalid(&[
        "body.token string_too_short",
        "body.platform enum",
        "body.app_version string_too_long",
    ]);
    patient
        .post(PATH, json!({"token": "x".repeat(4097), "platform": "ios"}))
        .await
        .invalid(&["body.token string_too_long"]);
    patient.delete_with(PATH, json!({})).await.invalid(&["body.token missing"]);
    for longest in ["x".repeat(4096), "ü".repeat(4096)] {
        patient.post(PATH, json!({"token": longest, "platform": "ios", "app_version": null})).await.expect(201);
        assert_eq!(patient.delete_with(PATH, json!({"token": longest})).await.status, 204);
    }
}

#[tokio::test]
async fn a_device_that_was_let_go_or_moved_is_not_rung() {
    let m = meeting().await;
    device(&m.doctor, "doctor-tablet").await;
    let [_, other] = m.strangers().await;
    // Not the caller's, or nobody's: nothing changes, and nothing is told.
    for token in ["doctor-phone", "nobodys"] {
        assert_eq!(m.patient.delete_with(PATH, json!({"token": token})).await.text, "");
    }
    let first = m.requested().await;
    for token in ["doctor-phone", "doctor-tablet"] {
        expect(&m.app, token, &["session.requested"]).await;
    }
    assert_eq!(m.doctor.delete_with(PATH, json!({"token": "doctor-tablet"})).await.status, 204);
    device(&other, "doctor-phone").await;
    m.patient.act(&format!("connect/sessions/{first}/cancel")).await.expect(200);
    request(&m.patient, &m.doctor).await;
    settled(&m.app).await;
    for token in ["doctor-phone", "doctor-tablet"] {
        assert_eq!(events(&m.app, token).await, ["session.requested"]);
    }
    request(&m.patient, &other).await;
    expect(&m.app, "doctor-phone", &["session.requested", "session.requested"]).await;
}

#[tokio::test]
async fn at_most_twenty_devices_are_rung() {
    let m = meeting().await;
    for number in 1..=21 {
        m.app.advance(TimeDelta::seconds(1));
        device(&m.patient, &format!("phone-{number}")).await;
    }
    let session = m.requested().await;
    accept(&m.doctor, &session).await;
    for number in 2..=21 {
        expect(&m.app, &format!("phone-{number}"), &["session.accepted"]).await;
    }
    settled(&m.app).await;
    assert_eq!(events(&m.app, "phone-1").await, Vec::<String>::new());
    assert_eq!(events(&m.app, "patient-phone").await, Vec::<String>::new());
}

#[tokio::test]
async fn a_doctor_with_a_device_stays_online_longer() {
    let m = crate::support::meeting::Meeting::start().await;
    let status = async || {
        let card = m.patient.get(&format!("doctors/{}", m.doctor.id)).await.expect(200);
        card["presence_status"].clone()
    };
    m.doctor.patch("doctors/me/presence", json!({"presence_status": "online"})).await.expect(200);
    assert_eq!(status().await, "ONLINE");
    m.app.advance(TimeDelta::seconds(91));
    assert_eq!(status().await, "OFFLINE");
    device(&m.doctor, "doctor-phone").await;
    m.app.advance(TimeDelta::seconds(860));
    assert_eq!(status().await, "ONLINE");
    m.app.advance(TimeDelta::seconds(41));
    assert_eq!(status().await, "OFFLINE");
    m.doctor.get("doctors/me/profile").await.expect(200);
    assert_eq!(status().await, "ONLINE");
    // Without the device the shorter lease counts again.
    m.doctor.delete_with(PATH, json!({"token": "doctor-phone"})).await;
    m.app.advance(TimeDelta::seconds(91));
    assert_eq!(status().await, "OFFLINE");
    // And with it the longer one, also where it goes to another doctor, and after a restart.
    device(&m.doctor, "doctor-phone").await;
    let other = m.app.doctor().await;
    other.patch("doctors/me/presence", json!({"presence_status": "online"})).await.expect(200);
    device(&other, "doctor-phone").await;
    m.app.advance(TimeDelta::seconds(91));
    assert_eq!(status().await, "OFFLINE");
    let shown = m.patient.get(&format!("doctors/{}", other.id)).await.expect(200);
    assert_eq!(shown["presence_status"], json!("ONLINE"));
}

#[tokio::test]
async fn a_restart_finds_the_devices() {
    let mut m = meeting().await;
    m.doctor.patch("doctors/me/presence", json!({"presence_status": "online"})).await.expect(200);
    m.app.restart().await;
    m.app.advance(TimeDelta::seconds(600));
    let patient = m.patient.at(&m.app.url);
    let card: Value = patient.get(&format!("doctors/{}", m.doctor.id)).await.expect(200);
    assert_eq!(card["presence_status"], "ONLINE");
}

#[tokio::test]
async fn what_was_let_go_is_forgotten_beyond_a_number() {
    let m = meeting().await;
    for number in 0..110 {
        device(&m.patient, &format!("phone-{number}")).await;
    }
    assert_eq!(m.app.count("device_tokens").await, 1 + 20 + 80, "the doctor's, those that ring, former ones");
}
