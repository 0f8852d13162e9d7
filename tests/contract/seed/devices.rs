//! Devices that can be rung: the page shows the fields of both calls in a table, one answer, and names events.

use consilium_storage::push;
use serde_json::{Value, json};

use super::Samples;
use crate::support::app::TestApp;
use crate::support::meeting::text;

const PATH: &str = "device-tokens";

fn without(body: &Value, names: &[String]) -> Value {
    let mut body = body.clone();
    for name in names {
        body.as_object_mut().unwrap().remove(name).unwrap();
    }
    body
}

#[tokio::test]
async fn the_samples_of_devices() {
    let app = TestApp::start().await;
    let samples = Samples::of("devices");
    let (patient, doctor) = (app.patient().await, app.doctor().await);
    let whole = json!({"token": "as Firebase gave it", "platform": "android", "app_version": "1.4.2"});
    let required = samples.fields("register", "REQUIRED");
    for name in &required {
        let failure = format!("body.{name} missing");
        patient.post(PATH, without(&whole, std::slice::from_ref(name))).await.invalid(&[failure.as_str()]);
    }
    let optional = samples.fields("register", "optional");
    assert_eq!((required.len(), optional.len()), (2, 1));
    let made = patient.post(PATH, without(&whole, &optional)).await.expect(201);
    samples.fits("register", &made, &[]);
    for key in ["role", "platform", "is_active"] {
        assert_eq!(made[key], samples.response("register")[key], "{key}");
    }
    assert_eq!(made["user_id"], json!(patient.id));
    // "On app launch and whenever the FCM token refreshes": it is the same one.
    assert_eq!(patient.post(PATH, whole.clone()).await.expect(200), made);
    // "Both patients and doctors", "multiple devices per user".
    for token in ["phone", "tablet"] {
        let theirs = doctor.post(PATH, json!({"token": token, "platform": "ios"})).await.expect(201);
        samples.fits("register", &theirs, &[]);
        assert_eq!(theirs["role"], "doctor");
    }

    // "Call DELETE on logout."
    let gone = without(&whole, &["platform".to_owned(), "app_version".to_owned()]);
    assert_eq!(samples.fields("remove", "REQUIRED"), ["token"]);
    patient.delete_with(PATH, json!({})).await.invalid(&["body.token missing"]);
    let answer = patient.delete_with(PATH, gone).await;
    assert_eq!((answer.status, answer.text.as_str()), (204, ""));
}

#[test]
fn every_event_that_is_named_rings() {
    for event in Samples::of("devices").events("push") {
        assert!(push::find(text(event)).is_some(), "{event}");
    }
}
