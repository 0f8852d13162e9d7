//! Patients as admins see and change them (connect-v2 122 to 125).

use axum::http::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::app::TestApp;
use crate::support::client::{Client, keys, send};

const KEYS: [&str; 18] = [
    "age",
    "avatar_source",
    "avatar_url",
    "bmi",
    "created_at",
    "email",
    "full_name",
    "height_cm",
    "id",
    "is_active",
    "is_phone_verified",
    "last_login_at",
    "member_since",
    "phone",
    "profile_completed",
    "profile_completion",
    "sex",
    "weight_kg",
];

async fn named(app: &TestApp, name: &str) -> Client {
    let patient = app.patient().await;
    patient.patch("users/me", json!({"full_name": name})).await.expect(200);
    patient
}

fn names(page: &Value) -> Vec<&str> {
    page["items"].as_array().unwrap().iter().map(|item| item["full_name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn patients_are_listed_newest_first_and_searched() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let asha = named(&app, "Asha Rao").await;
    let (ravi, percent) = (named(&app, "Ravi ÉTIENNE").await, named(&app, "100%_Sure").await);
    app.doctor().await;
    let page = admin.get("admin/users").await.expect(200);
    assert_eq!(keys(&page), ["has_more", "items", "limit", "offset", "total"]);
    assert_eq!(names(&page), ["100%_Sure", "Ravi ÉTIENNE", "Asha Rao"]);
    assert_eq!((&page["total"], &page["limit"], &page["has_more"]), (&json!(3), &json!(20), &json!(false)));
    assert_eq!(keys(&page["items"][0]), KEYS);
    let page = admin.get("admin/users?limit=1&offset=1").await.expect(200);
    assert_eq!((names(&page), &page["total"], &page["has_more"]), (vec!["Ravi ÉTIENNE"], &json!(3), &json!(true)));
    let search = async |text: &str| admin.get(&format!("admin/users?search={text}")).await.expect(200);
    assert_eq!(names(&search("asha").await), ["Asha Rao"]);
    assert_eq!(names(&search("%C3%A9tienne").await), ["Ravi ÉTIENNE"]);
    assert_eq!(names(&search("%25_s").await), ["100%_Sure"]);
    assert!(names(&search("zzz").await).is_empty());
    for (query, total) in [("offset=7", 3), ("search=asha&offset=7", 1), ("search=zzz&offset=7", 0)] {
        let page = admin.get(&format!("admin/users?{query}")).await.expect(200);
        assert_eq!((names(&page).len(), &page["total"]), (0, &json!(total)), "{query}");
    }
    let phone = ravi.get("users/me").await.expect(200)["phone"].as_str().unwrap().to_owned();
    assert_eq!(names(&search(&phone).await), ["Ravi ÉTIENNE"]);
    assert_eq!(names(&search(&phone.replace('+', "%2B")).await), ["Ravi ÉTIENNE"]);
    let status = format!("admin/users/{}/status", percent.id);
    admin.patch(&status, json!({"is_active": false})).await.expect(200);
    assert_eq!(names(&admin.get("admin/users?is_active=false").await.expect(200)), ["100%_Sure"]);
    assert_eq!(admin.get("admin/users?is_active=true").await.expect(200)["total"], 2);
    assert!(app.audited("admin.user.list", asha.id).await > 0);

    // One is found by the name, the other by the phone; the newest first here too.
    let number = phone.replace('+', "%2B");
    let last = named(&app, &phone).await;
    let page = search(&number).await;
    assert_eq!((names(&page), &page["total"]), (vec![phone.as_str(), "Ravi ÉTIENNE"], &json!(2)));
    let own = last.get("users/me").await.expect(200)["phone"].as_str().unwrap().to_owned();
    admin.patch(&format!("admin/users/{}/status", last.id), json!({"is_active": false})).await.expect(200);
    let active = admin.get(&format!("admin/users?is_active=true&search={number}")).await.expect(200);
    assert_eq!((names(&active), &active["total"]), (vec!["Ravi ÉTIENNE"], &json!(1)));
    // Found by both, it is found once.
    admin.patch(&format!("admin/users/{}", last.id), json!({"full_name": own})).await.expect(200);
    let page = search(&own.replace('+', "%2B")).await;
    assert_eq!((names(&page), &page["total"]), (vec![own.as_str()], &json!(1)));
}

#[tokio::test]
async fn nobody_else_may() {
    let app = TestApp::start().await;
    let (patient, doctor, admin) = (app.patient().await, app.doctor().await, app.admin().await);
    let one = format!("admin/users/{}", patient.id);
    let status = format!("{one}/status");
    for (method, path) in
        [(Method::GET, "admin/users"), (Method::GET, &one), (Method::PATCH, &one), (Method::PATCH, &status)]
    {
        send(app.nobody().request(method.clone(), path)).await.refused_plainly(401);
        send(patient.request(method.clone(), path)).await.refused(403, "WRONG_ROLE");
        send(doctor.request(method, path)).await.refused(403, "WRONG_ROLE");
    }
    admin.get("admin/users?limit=0&offset=-1&is_active=maybe").await.invalid(&[
        "query.limit greater_than_equal",
        "query.offset greater_than_equal",
        "query.is_active bool_parsing",
    ]);
    admin.get("admin/users?limit=x").await.invalid(&["query.limit int_parsing"]);
}

#[tokio::test]
async fn one_patient_is_shown_and_noted() {
    let app = TestApp::start().await;
    let (patient, doctor, admin) = (app.patient().await, app.doctor().await, app.admin().await);
    let shown = admin.get(&format!("admin/users/{}", patient.id)).await.expect(200);
    assert_eq!(keys(&shown), KEYS);
    let own = patient.get("users/me").await.expect(200);
    for (key, value) in own.as_object().unwrap() {
        assert_eq!(&shown[key], value, "{key}");
    }
    assert_eq!((&shown["is_active"], shown["last_login_at"].is_string()), (&json!(true), true));
    assert_eq!(app.audited("admin.user.read", patient.id).await, 1);
    admin.get(&format!("admin/users/{}", Uuid::new_v4())).await.refused_plainly(404);
    admin.get(&format!("admin/users/{}", doctor.id)).await.refused_plainly(404);
    admin.get("admin/users/nobody").await.invalid(&["path.user_id uuid_parsing"]);
}

#[tokio::test]
async fn a_patient_is_edited() {
    let app = TestApp::start().await;
    let (patient, other, admin) = (app.patient().await, app.patient().await, app.admin().await);
    let path = format!("admin/users/{}", patient.id);
    let body = json!({"email": "Rahul@Example.org", "age": 40, "sex": null});
    let edited = admin.patch(&path, body).await.expect(200);
    assert_eq!(keys(&edited), KEYS);
    assert_eq!((&edited["email"], &edited["age"]), (&json!("rahul@example.org"), &json!(40)));
    assert_eq!((&edited["sex"], &edited["full_name"]), (&Value::Null, &json!("Test Patient")));
    assert_eq!(admin.get(&path).await.expect(200), edited);
    // The own address again is no duplicate; somebody else's is.
    admin.patch(&path, json!({"email": "rahul@example.org"})).await.expect(200);
    let theirs = format!("admin/users/{}", other.id);
    let refused = admin.patch(&theirs, json!({"email": "RAHUL@example.org", "age": 99})).await;
    refused.refused_with(409, "DUPLICATE", &json!({"field": "email"}));
    assert_eq!(admin.get(&theirs).await.expect(200)["age"], 28);
    assert_eq!(admin.patch(&path, json!({"email": null})).await.expect(200)["email"], Value::Null);
    admin.patch(&path, json!({"email": "no address", "age": 151, "full_name": null})).await.invalid(&[
        "body.email value_error",
        "body.age less_than_equal",
        "body.full_name string_type",
    ]);
    admin.patch(&format!("admin/users/{}", Uuid::new_v4()), json!({})).await.refused_plainly(404);
    assert_eq!(app.audited("admin.user.update", patient.id).await, 3);
}

#[tokio::test]
async fn switching_a_patient_off_ends_everything_of_theirs() {
    let app = TestApp::start().await;
    let (patient, doctor, admin) = (app.patient().await, app.doctor().await, app.admin().await);
    let request = patient.post("connect/sessions", json!({"target_doctor_id": doctor.id})).await.expect(201);
    let mut doctors = doctor.socket(None).await;
    doctors.next_of("connected").await;
    let mut theirs = patient.socket(None).await;
    theirs.next_of("connected").await;
    let path = format!("admin/users/{}/status", patient.id);
    for _ in 0..2 {
        let shown = admin.patch(&path, json!({"is_active": false})).await.expect(200);
        assert_eq!((keys(&shown), &shown["is_active"]), (KEYS.to_vec(), &json!(false)));
    }
    let cancelled = doctors.next_of("session.cancelled").await;
    assert_eq!(cancelled["data"]["session_id"], request["session_id"]);
    assert_eq!(cancelled["data"]["status"], "CANCELLED");
    assert_eq!(theirs.closed().await, 4401);
    patient.get("users/me").await.refused(403, "ACCOUNT_DISABLED");
    assert_eq!(app.audited("admin.user.disable", patient.id).await, 1);
    admin.patch(&path, json!({})).await.invalid(&["body.is_active missing"]);
    admin.patch(&path, json!({"is_active": null})).await.invalid(&["body.is_active bool_type"]);
    admin.patch(&path, json!({"is_active": "false"})).await.invalid(&["body.is_active bool_type"]);
    admin
        .patch(&format!("admin/users/{}/status", Uuid::new_v4()), json!({"is_active": true}))
        .await
        .refused_plainly(404);
    admin.patch(&path, json!({"is_active": true})).await.expect(200);
    app.sign_in(patient.id, consilium_storage::accounts::Role::Client).await.get("users/me").await.expect(200);
}
