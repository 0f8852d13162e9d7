//! Recordings and the figures of patients and doctors.

use serde_json::{Value, json};

use super::Samples;
use crate::support::media::{in_the_room, meeting};
use crate::support::meeting::of;

#[tokio::test]
async fn the_samples_of_recordings_and_figures() {
    let (m, peer) = meeting().await;
    let samples = Samples::of("figures");
    let id = in_the_room(&m, &peer).await;
    let all = of(&id, "recordings");
    let recording = m.patient.act(&all).await.expect(201);
    samples.fits("recording", &recording, &[]);
    assert_eq!(recording["status"], samples.response("recording")["status"]);
    assert_eq!(m.doctor.act(&all).await.expect(200), recording);
    let stop = format!("{all}/{}/stop", recording["id"].as_str().unwrap());
    assert_eq!(m.doctor.act(&stop).await.expect(200)["status"], "PROCESSING");
    for caller in [&m.patient, &m.doctor] {
        let listed = caller.get(&all).await.expect(200);
        assert_eq!((&listed["total"], &listed["has_more"]), (&json!(1), &json!(false)));
        samples.fits("recording", &listed["items"][0], &[]);
        assert_eq!(listed["items"][0]["id"], recording["id"]);
    }
    m.doctor.act(&of(&id, "end")).await.expect(200);
    m.patient.post("reviews", json!({"session_id": id, "rating": 4.8})).await.expect(201);

    let overview = m.patient.get("analytics/user/overview").await.expect(200);
    samples.fits("overview", &overview, &[]);
    assert_eq!(overview["bmi"], samples.response("overview")["bmi"]);
    let page = m.patient.get("analytics/user/sessions?limit=20&offset=0").await.expect(200);
    Samples::of("lists").fits("page", &page, &[]);
    samples.fits("session", &page["items"][0], &["category"]);
    let admin = m.app.admin().await;
    for (rest, same) in [("overview", &overview), ("sessions?limit=20&offset=0", &page)] {
        assert_eq!(&admin.get(&format!("admin/users/{}/analytics/{rest}", m.patient.id)).await.expect(200), same);
    }
    let figures = "analytics/doctor";
    let done = m.doctor.get(&format!("{figures}/performance?timezone=Asia/Kolkata&date_range=month")).await.expect(200);
    samples.fits("performance", &done, &[]);
    for name in ["metrics", "trends", "rating-distribution"] {
        let shown: Value = m.doctor.get(&format!("{figures}/reviews/{name}")).await.expect(200);
        samples.fits(name, &shown, &["average_rating"]);
    }
    let dates = "reviews/metrics?date_from=2026-01-01&date_to=2026-01-31";
    let january = m.doctor.get(&format!("{figures}/{dates}")).await.expect(200);
    samples.fits("metrics", &january, &["average_rating", "reply_rate"]);
    assert_eq!((&january["date_from"], &january["date_to"]), (&json!("2026-01-01"), &json!("2026-01-31")));
}
