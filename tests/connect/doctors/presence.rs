//! The doctor's switch (21, 22).

use serde_json::json;

use crate::support::app::TestApp;

#[tokio::test]
async fn both_doors_turn_one_switch() {
    let app = TestApp::start().await;
    let doctor = app.doctor().await;
    let off =
        doctor.patch("doctors/me/availability", json!({"online": false, "chat_enabled": false})).await.expect(200);
    let expected =
        json!({"is_online": false, "chat_enabled": false, "call_enabled": true, "presence_status": "OFFLINE"});
    assert_eq!(off, expected);
    let on = doctor.patch("doctors/me/presence", json!({"presence_status": "online"})).await.expect(200);
    assert_eq!(on, json!({"presence_status": "ONLINE"}));
    let overview = doctor.get("doctors/me/overview").await.expect(200);
    assert_eq!(overview["availability"], json!({"is_online": true, "chat_enabled": false, "call_enabled": true}));
    for wrong in ["ONLINE", "BUSY", "busy"] {
        let answer = doctor.patch("doctors/me/presence", json!({"presence_status": wrong})).await;
        answer.invalid(&["body.presence_status enum"]);
    }
    for nothing in [json!({}), json!({"color": "green"})] {
        doctor.patch("doctors/me/availability", nothing).await.invalid(&["body value_error"]);
    }
    let wrong = json!({"online": null, "call_enabled": 1});
    let answer = doctor.patch("doctors/me/availability", wrong).await;
    answer.invalid(&["body.online bool_type", "body.call_enabled bool_type"]);
    doctor.patch("doctors/me/availability", json!({"online": "yes"})).await.invalid(&["body.online bool_type"]);
    app.patient()
        .await
        .patch("doctors/me/presence", json!({"presence_status": "online"}))
        .await
        .refused(403, "WRONG_ROLE");
}

#[tokio::test]
async fn the_switch_survives_a_restart() {
    let mut app = TestApp::start().await;
    let doctor = app.doctor().await;
    doctor.patch("doctors/me/presence", json!({"presence_status": "online"})).await.expect(200);
    app.restart().await;
    let card = app.nobody().get(&format!("doctors/{}", doctor.id)).await.expect(200);
    assert_eq!(card["presence_status"], "ONLINE");
}
