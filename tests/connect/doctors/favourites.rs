//! Favourites and notify-me (13, 23 to 25).

use serde_json::{Value, json};

use crate::support::app::TestApp;

#[tokio::test]
async fn favourites_are_the_patients_own() {
    let app = TestApp::start().await;
    let (patient, stranger) = (app.patient().await, app.patient().await);
    let (first, second) = (app.doctor().await, app.doctor().await);
    for doctor in [&first, &second, &second] {
        let answer =
            patient.post(&format!("doctors/{}/favourite", doctor.id), json!({"action": "add"})).await.expect(200);
        assert_eq!(answer, json!({"doctor_id": doctor.id, "is_favourite": true}));
    }
    let list = patient.get("doctors/favourites").await.expect(200);
    let ids: Vec<&Value> = list.as_array().unwrap().iter().map(|card| &card["id"]).collect();
    assert_eq!(ids, [&json!(second.id), &json!(first.id)]);
    assert!(list.as_array().unwrap().iter().all(|card| card["is_favourite"] == true));
    assert_eq!(stranger.get("doctors/favourites").await.expect(200), json!([]));
    assert_eq!(patient.get(&format!("doctors/{}", first.id)).await.expect(200)["is_favourite"], true);
    assert_eq!(stranger.get(&format!("doctors/{}", first.id)).await.expect(200)["is_favourite"], false);
    assert_eq!(first.get(&format!("doctors/{}", first.id)).await.expect(200)["is_favourite"], false);
    let removed =
        patient.post(&format!("doctors/{}/favourite", second.id), json!({"action": "remove"})).await.expect(200);
    assert_eq!(removed["is_favourite"], false);
    let only = patient.get("doctors/?favourites_only=true").await.expect(200);
    assert_eq!(only.as_array().unwrap().len(), 1);
    let ordered = patient.get("doctors/?favourites_first=true").await.expect(200);
    assert_eq!(ordered[0]["id"], json!(first.id));
    app.nobody().get("doctors/?favourites_only=true").await.refused_plainly(401);
    first.get("doctors/?favourites_first=true").await.refused(403, "WRONG_ROLE");
    patient
        .post(&format!("doctors/{}/favourite", first.id), json!({"action": "like"}))
        .await
        .invalid(&["body.action enum"]);
    first.get("doctors/favourites").await.refused(403, "WRONG_ROLE");
}

#[tokio::test]
async fn notify_me_waits_for_a_doctor_who_is_away() {
    let app = TestApp::start().await;
    let (patient, doctor) = (app.patient().await, app.doctor().await);
    doctor.patch("doctors/me/presence", json!({"presence_status": "offline"})).await.expect(200);
    let path = format!("doctors/{}/notify-me", doctor.id);
    for _ in 0..2 {
        let answer = patient.act(&path).await.expect(200);
        assert_eq!((&answer["subscribed"], &answer["notified"]), (&json!(true), &json!(false)));
        assert!(answer["message"].is_string() && answer["doctor_id"] == json!(doctor.id));
    }
    doctor.patch("doctors/me/presence", json!({"presence_status": "online"})).await.expect(200);
    let answer = patient.act(&path).await.expect(200);
    assert_eq!((&answer["subscribed"], &answer["notified"]), (&json!(false), &json!(true)));
    doctor.act(&path).await.refused(403, "WRONG_ROLE");
    patient.act("doctors/00000000-0000-7000-8000-000000000000/notify-me").await.refused_plainly(404);
}
