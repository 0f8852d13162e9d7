//! A patient's own profile (connect-v2 6, 7).

use serde_json::{Value, json};

use crate::support::app::TestApp;
use crate::support::client::keys;

const KEYS: [&str; 15] = [
    "age",
    "avatar_source",
    "avatar_url",
    "bmi",
    "email",
    "full_name",
    "height_cm",
    "id",
    "is_phone_verified",
    "member_since",
    "phone",
    "profile_completed",
    "profile_completion",
    "sex",
    "weight_kg",
];

#[tokio::test]
async fn the_profile_in_full() {
    let app = TestApp::start().await;
    let me = app.patient().await.get("users/me").await.expect(200);
    assert_eq!(keys(&me), KEYS);
    assert_eq!((&me["bmi"], &me["profile_completion"]), (&json!(23.7), &json!(0.85)));
    assert_eq!((&me["profile_completed"], &me["sex"], &me["height_cm"]), (&json!(true), &json!("male"), &json!(175.0)));
    assert_eq!(me["avatar_url"], json!(format!("{}/assets/avatars/av_01.svg", app.url)));
    assert!(me["member_since"].as_str().unwrap().ends_with('Z'));
    let fresh = app.new_patient().await.get("users/me").await.expect(200);
    assert_eq!(keys(&fresh), KEYS);
    assert_eq!((&fresh["profile_completion"], &fresh["bmi"]), (&json!(0.15), &Value::Null));
    assert_eq!((&fresh["full_name"], &fresh["profile_completed"]), (&Value::Null, &json!(false)));
}

#[tokio::test]
async fn only_patients_have_one() {
    let app = TestApp::start().await;
    app.nobody().get("users/me").await.refused_plainly(401);
    for (client, method) in [(app.doctor().await, "get"), (app.admin().await, "patch")] {
        let answer = match method {
            "get" => client.get("users/me").await,
            _ => client.patch("users/me", json!({"age": "not looked at"})).await,
        };
        answer.refused(403, "WRONG_ROLE");
    }
}

#[tokio::test]
async fn a_change_leaves_the_rest_and_null_clears() {
    let app = TestApp::start().await;
    let patient = app.patient().await;
    let me = patient.patch("users/me", json!({"full_name": "  Asha Rao ", "age": 30, "phone": "+911", "email": "x"}));
    let me = me.await.expect(200);
    assert_eq!((&me["full_name"], &me["age"], &me["sex"]), (&json!("Asha Rao"), &json!(30), &json!("male")));
    assert_ne!(me["phone"], "+911");
    assert_eq!(me["email"], Value::Null);
    assert_eq!(patient.get("users/me").await.expect(200), me);
    let me = patient
        .patch("users/me", json!({"age": null, "height_cm": null, "sex": "prefer_not_to_say"}))
        .await
        .expect(200);
    assert_eq!((&me["age"], &me["bmi"], &me["weight_kg"]), (&Value::Null, &Value::Null, &json!(72.5)));
    assert_eq!((&me["sex"], &me["profile_completed"]), (&json!("prefer_not_to_say"), &json!(false)));
    let me = patient.patch("users/me", json!({"sex": null, "weight_kg": null})).await.expect(200);
    assert_eq!((&me["profile_completion"], &me["full_name"]), (&json!(0.3), &json!("Asha Rao")));
    assert_eq!(patient.patch("users/me", json!({})).await.expect(200), me);
    assert_eq!(app.audited("user.update", patient.id).await, 4);
}

#[tokio::test]
async fn bounds_and_types() {
    let app = TestApp::start().await;
    let patient = app.patient().await;
    let body = json!({"full_name": null, "age": 0, "sex": "x", "height_cm": 49.9, "weight_kg": 500.1});
    patient.patch("users/me", body).await.invalid(&[
        "body.full_name string_type",
        "body.age greater_than_equal",
        "body.sex enum",
        "body.height_cm greater_than_equal",
        "body.weight_kg less_than_equal",
    ]);
    let body = json!({"full_name": "   ", "age": "30", "height_cm": "175", "weight_kg": 9});
    patient.patch("users/me", body).await.invalid(&[
        "body.full_name string_pattern_mismatch",
        "body.age int_type",
        "body.height_cm float_type",
        "body.weight_kg greater_than_equal",
    ]);
    patient.patch("users/me", json!({"age": 28.5, "full_name": ""})).await.invalid(&[
        "body.age int_type",
        "body.full_name string_pattern_mismatch",
        "body.full_name string_too_short",
    ]);
    let body = json!({"age": 150, "height_cm": 300, "weight_kg": 10, "full_name": "é".repeat(100)});
    patient.patch("users/me", body).await.expect(200);
    patient.patch("users/me", json!({"full_name": "é".repeat(101)})).await.invalid(&["body.full_name string_too_long"]);
    patient.act("users/me").await.refused_plainly(405);
}
