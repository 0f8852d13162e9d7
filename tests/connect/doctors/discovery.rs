//! Search, lists and detail (12 to 16), and the health categories (109).

use consilium_storage::accounts;
use serde_json::{Value, json};

use crate::support::app::TestApp;
use crate::support::client::{Client, keys};

const CARD: [&str; 13] = [
    "avatar_url",
    "call_enabled",
    "chat_enabled",
    "full_name",
    "id",
    "is_favourite",
    "is_featured",
    "presence_status",
    "rate_per_minute",
    "rating",
    "slug",
    "speciality_category",
    "years_experience",
];

const DETAIL: [&str; 19] = [
    "about_short",
    "avatar_url",
    "call_enabled",
    "chat_enabled",
    "degrees",
    "full_name",
    "id",
    "is_favourite",
    "is_featured",
    "languages",
    "presence_status",
    "rate_per_minute",
    "rating",
    "registration_number",
    "slug",
    "speciality_category",
    "total_reviews",
    "total_sessions",
    "years_experience",
];

async fn named(app: &TestApp, name: &str, speciality: &str) -> Client {
    app.doctor_like(|new| {
        new.full_name = name.to_owned();
        new.speciality_category = speciality.to_owned();
        new.email = format!("{}@example.org", name.to_lowercase().replace([' ', '.'], "-"));
    })
    .await
}

fn names(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|card| card["full_name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn search_finds_names_and_specialities_and_forgives_typos() {
    let app = TestApp::start().await;
    named(&app, "Dr. Ankit Shah", "Urology").await;
    named(&app, "Dr. Meera Iyer", "Dermatology").await;
    let nobody = app.nobody();
    for (q, first) in [
        ("ankit", "Dr. Ankit Shah"),
        ("ANKIT", "Dr. Ankit Shah"),
        ("ankti", "Dr. Ankit Shah"),
        ("dermatolgy", "Dr. Meera Iyer"),
    ] {
        let found = nobody.get(&format!("doctors/search?q={q}&limit=5")).await.expect(200);
        assert_eq!(names(&found).first(), Some(&first), "{q}");
        assert_eq!(keys(&found[0]), CARD);
    }
    assert_eq!(nobody.get("doctors/search?q=zzzzqqq").await.expect(200), json!([]));
    assert_eq!(nobody.get("doctors/search?q=ankit&offset=25").await.expect(200), json!([]));
    nobody.get("doctors/search").await.invalid(&["query.q missing"]);
    nobody.get("doctors/search?q=&limit=26&offset=-1").await.invalid(&[
        "query.limit less_than_equal",
        "query.offset greater_than_equal",
        "query.q string_too_short",
    ]);
}

#[tokio::test]
async fn the_unverified_and_the_switched_off_are_not_there() {
    let app = TestApp::start().await;
    let hidden = app.doctor_like(|new| (new.is_verified, new.email) = (false, "hidden@example.org".into())).await;
    let off = named(&app, "Dr. Off", "Urology").await;
    accounts::set_active(&mut app.app.conn().await.unwrap(), off.id, false).await.unwrap();
    let patient = app.patient().await;
    assert_eq!(patient.get("doctors/").await.expect(200), json!([]));
    assert_eq!(patient.get("doctors/all_doctors_list").await.expect(200), json!([]));
    for doctor in [hidden.id, off.id] {
        patient.get(&format!("doctors/{doctor}")).await.refused_plainly(404);
        patient.post("connect/sessions", json!({"target_doctor_id": doctor})).await.refused_plainly(404);
        patient.post(&format!("doctors/{doctor}/favourite"), json!({"action": "add"})).await.refused_plainly(404);
        patient.act(&format!("doctors/{doctor}/notify-me")).await.refused_plainly(404);
    }
}

#[tokio::test]
async fn lists_are_ordered_by_presence_and_filtered() {
    let app = TestApp::start().await;
    let (busy, away) = (named(&app, "Dr. Busy", "Urology").await, named(&app, "Dr. Away", "Dermatology").await);
    let free = named(&app, "Dr. Free", "Urology").await;
    for doctor in [&busy, &free] {
        doctor.patch("doctors/me/presence", json!({"presence_status": "online"})).await.expect(200);
    }
    away.patch("doctors/me/presence", json!({"presence_status": "offline"})).await.expect(200);
    let patient = app.patient().await;
    let asked = patient.post("connect/sessions", json!({"target_doctor_id": busy.id})).await.expect(201);
    busy.act(&format!("connect/sessions/{}/accept", asked["session_id"].as_str().unwrap())).await.expect(200);
    let list = app.nobody().get("doctors/").await.expect(200);
    assert_eq!(names(&list), ["Dr. Free", "Dr. Busy", "Dr. Away"]);
    let shown: Vec<&Value> = list.as_array().unwrap().iter().map(|card| &card["presence_status"]).collect();
    assert_eq!(shown, ["ONLINE", "BUSY", "OFFLINE"]);
    let filtered = |query: &str| format!("doctors/all_doctors_list?{query}");
    for (query, expected) in [
        ("status=BUSY", vec!["Dr. Busy"]),
        ("category=dermatology", vec!["Dr. Away"]),
        ("category=Urology&status=ONLINE", vec!["Dr. Free"]),
        ("available_for=chat&featured_only=true", vec![]),
        ("sort_by=rate&sort_order=desc", vec!["Dr. Away", "Dr. Busy", "Dr. Free"]),
    ] {
        assert_eq!(names(&app.nobody().get(&filtered(query)).await.expect(200)), expected, "{query}");
    }
    app.nobody().get(&filtered("status=AWAY&sort_by=name")).await.invalid(&["query.sort_by enum", "query.status enum"]);
    // After the lease without a sign of life the free one is not there any more.
    app.advance(chrono::TimeDelta::seconds(91));
    let later = app.nobody().get(&filtered("status=OFFLINE")).await.expect(200);
    assert_eq!(names(&later), ["Dr. Away", "Dr. Free"]);
}

#[tokio::test]
async fn one_doctor_by_id_and_by_slug() {
    let app = TestApp::start().await;
    let doctor = named(&app, "Dr. Ankit Shah", "Urology").await;
    let by_id = app.nobody().get(&format!("doctors/{}", doctor.id)).await.expect(200);
    assert_eq!(keys(&by_id), DETAIL);
    assert_eq!(by_id["slug"], "dr-ankit-shah-urology");
    assert_eq!((&by_id["rating"], &by_id["total_sessions"]), (&json!(0.0), &json!(0)));
    assert_eq!(app.nobody().get("doctors/slug/dr-ankit-shah-urology").await.expect(200), by_id);
    app.nobody().get("doctors/slug/nobody").await.refused_plainly(404);
    app.nobody().get("doctors/7").await.invalid(&["path.doctor_id uuid_parsing"]);
    let mut forged = app.nobody();
    forged.token = Some("no.token.this".to_owned());
    forged.get(&format!("doctors/{}", doctor.id)).await.refused_plainly(401);
}

#[tokio::test]
async fn categories_want_a_complete_profile() {
    let app = TestApp::start().await;
    assert_eq!(app.patient().await.get("categories/health").await.expect(200), json!([]));
    let patient = app.new_patient().await;
    patient.get("categories/health").await.refused(409, "PROFILE_INCOMPLETE");
    for half in [json!({"sex": "female", "age": null}), json!({"sex": null, "age": 30})] {
        patient.patch("users/me", half).await.expect(200);
        patient.get("categories/health").await.refused(409, "PROFILE_INCOMPLETE");
    }
    patient.patch("users/me", json!({"sex": "female"})).await.expect(200);
    assert_eq!(patient.get("categories/health").await.expect(200), json!([]));
    app.nobody().get("categories/health").await.refused_plainly(401);
    app.doctor().await.get("categories/health").await.refused(403, "WRONG_ROLE");
}
