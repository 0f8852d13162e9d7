//! The admin's doors.

use serde_json::json;

use super::Samples;
use crate::contract::shape;
use crate::support::app::{PASSWORD, TestApp};

#[tokio::test]
async fn the_samples_of_the_admin() {
    let app = TestApp::start().await;
    let samples = Samples::of("admin");
    let (mut admin, patient) = (app.admin().await, app.patient().await);
    let me = admin.get("admin/auth/me").await.expect(200);
    let login = samples.request_with("login", &json!({"username": me["username"], "password": PASSWORD}));
    let pair = app.nobody().post("admin/auth/login", login).await.expect(200);
    samples.fits("login", &pair, &[]);
    admin.signed_in(&pair);

    let page = admin.get("admin/users?limit=20&offset=0").await.expect(200);
    Samples::of("lists").fits("page", &page, &[]);
    assert_eq!((&page["total"], &page["has_more"]), (&json!(1), &json!(false)));
    let one = format!("admin/users/{}", patient.id);
    let user = admin.get(&one).await.expect(200);
    shape::fits(&user, Samples::of("users").response("update"), &[]);

    let body = samples.request("update_user");
    let changed = admin.patch(&one, body.clone()).await.expect(200);
    for (key, value) in body.as_object().unwrap() {
        assert_eq!(&changed[key], value, "{key}");
    }
    let status = admin.patch(&format!("{one}/status"), samples.request("set_status")).await.expect(200);
    assert_eq!(status["is_active"], false);
    patient.get("users/me").await.refused(403, "ACCOUNT_DISABLED");
}
