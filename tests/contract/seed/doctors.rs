//! Public discovery, the dashboard, settings.

use serde_json::{Value, json};

use super::Samples;
use crate::contract::shape;
use crate::support::app::TestApp;
use crate::support::client::Client;

/// The doctor of the samples, online.
async fn ankit(app: &TestApp) -> Client {
    let doctor = app
        .doctor_like(|new| {
            "Dr. Ankit Shah".clone_into(&mut new.full_name);
            new.degrees = vec!["MBBS".to_owned(), "MS".to_owned()];
            new.about_short = Some("Specialist in...".to_owned());
        })
        .await;
    let samples = Samples::of("doctors");
    let presence = doctor.patch("doctors/me/presence", samples.request("presence")).await.expect(200);
    assert_eq!(presence, json!({"presence_status": "ONLINE"}));
    let availability = doctor.patch("doctors/me/availability", samples.request("availability")).await.expect(200);
    assert_eq!((&availability["is_online"], &availability["presence_status"]), (&json!(true), &json!("ONLINE")));
    doctor
}

#[tokio::test]
async fn the_samples_of_discovery() {
    let app = TestApp::start().await;
    let samples = Samples::of("doctors");
    let (doctor, patient, nobody) = (ankit(&app).await, app.patient().await, app.nobody());
    let id = doctor.id.to_string();
    let lists = [
        (&nobody, "doctors/search?q=ankit&limit=5"),
        (&patient, "doctors/?limit=20&favourites_first=true"),
        (&nobody, "doctors/all_doctors_list?status=ONLINE&category=Urology&sort_by=rating&sort_order=desc"),
    ];
    for (caller, path) in lists {
        let list = caller.get(path).await.expect(200);
        samples.fits("search", &list, &[]);
        let sample = &samples.response("search")[0];
        for key in [
            "full_name",
            "slug",
            "speciality_category",
            "years_experience",
            "rate_per_minute",
            "presence_status",
            "is_favourite",
        ] {
            assert_eq!(list[0][key], sample[key], "{path}: {key}");
        }
    }
    let by_slug = nobody.get("doctors/slug/dr-ankit-shah-urology").await.expect(200);
    samples.fits("detail", &by_slug, &[]);
    assert_eq!(nobody.get(&format!("doctors/{id}")).await.expect(200), by_slug);

    let favourite = patient.post(&format!("doctors/{id}/favourite"), samples.request("favourite")).await.expect(200);
    assert_eq!(favourite, json!({"doctor_id": id, "is_favourite": true}));
    let favourites = patient.get("doctors/favourites?skip=0&limit=50").await.expect(200);
    samples.fits("search", &favourites, &[]);
    assert_eq!(favourites[0]["is_favourite"], true);
    let notified = patient.act(&format!("doctors/{id}/notify-me")).await.expect(200);
    shape::fits(&notified, &json!({"doctor_id": id, "subscribed": false, "notified": true, "message": "…"}), &[]);
}

#[tokio::test]
async fn the_samples_of_the_dashboard() {
    let app = TestApp::start().await;
    let samples = Samples::of("doctors");
    let (doctor, patient) = (ankit(&app).await, app.patient().await);
    let session = patient.post("connect/sessions", json!({"target_doctor_id": doctor.id})).await.expect(201);
    let one = format!("connect/sessions/{}", session["session_id"].as_str().unwrap());
    doctor.act(&format!("{one}/accept")).await.expect(200);
    app.advance(chrono::TimeDelta::seconds(2227));
    let doctor = app.sign_in(doctor.id, consilium_storage::accounts::Role::Doctor).await;
    doctor.act(&format!("{one}/end")).await.expect(200);

    let overview = doctor.get("doctors/me/overview?timezone=Asia/Kolkata").await.expect(200);
    samples.fits("overview", &overview, &[]);
    let recent = doctor.get("doctors/me/sessions/recent?limit=10&timezone=Asia/Kolkata").await.expect(200);
    samples.fits("recent", &recent, &[]);
    assert_eq!(recent[0]["duration_display"], samples.response("recent")[0]["duration_display"]);
    let page = doctor.get("doctors/me/sessions?status=ENDED&has_followup=true&limit=20").await.expect(200);
    Samples::of("lists").fits("page", &page, &[]);
    assert_eq!(page["total"], 0, "no session has a follow-up");
    let page = doctor.get("doctors/me/sessions?status=ENDED&limit=20").await.expect(200);
    shape::fits(&page["items"], samples.response("recent"), &[]);
}

#[tokio::test]
async fn the_samples_of_the_settings() {
    let app = TestApp::start().await;
    let samples = Samples::of("doctors");
    let doctor = ankit(&app).await;
    samples.fits("detail", &doctor.get("doctors/me/profile").await.expect(200), &[]);
    let body = samples.request("update_profile");
    let profile = doctor.patch("doctors/me/profile", body.clone()).await.expect(200);
    samples.fits("detail", &profile, &[]);
    for (key, value) in body.as_object().unwrap() {
        assert_eq!(&profile[key], value, "{key}");
    }

    let part = reqwest::multipart::Part::bytes(picture()).file_name("avatar.jpg").mime_str("image/jpeg").unwrap();
    let form = reqwest::multipart::Form::new().part("file", part);
    let upload = doctor.request(axum::http::Method::POST, "doctors/me/avatar").multipart(form);
    let answer: Value = crate::support::client::send(upload).await.expect(200);
    shape::fits(&answer, &json!({"avatar_url": "https://…"}), &[]);
    assert_eq!(doctor.delete("doctors/me/avatar").await.status, 204);
    assert!(doctor.get("doctors/me/profile").await.expect(200)["avatar_url"].is_null());
}

/// The smallest thing that is a JPEG by its content.
fn picture() -> Vec<u8> {
    let mut bytes = vec![0xff, 0xd8, 0xff, 0xe0, 0x00, 0x10];
    bytes.extend_from_slice(b"JFIF\0\x01\x01\x00\x00\x01\x00\x01\x00\x00");
    bytes.extend_from_slice(&[0xff, 0xd9]);
    bytes
}
