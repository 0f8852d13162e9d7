//! Health categories: chosen by patients (109), kept by admins (128 to 131).

use axum::http::Method;
use chrono::TimeDelta;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::app::TestApp;
use crate::support::client::{Client, keys, send};
use crate::support::meeting::{Meeting, of, text, time};

const PATH: &str = "admin/categories";
const KEYS: [&str; 6] = ["created_at", "description", "id", "is_active", "name", "updated_at"];

async fn make(admin: &Client, name: &str) -> String {
    text(&admin.post(PATH, json!({"name": name})).await.expect(201)["id"]).to_owned()
}

fn one(id: &str) -> String {
    format!("{PATH}/{id}")
}

fn names(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|item| text(&item["name"])).collect()
}

#[tokio::test]
async fn a_category_is_made_changed_and_deleted() {
    let m = Meeting::start().await;
    let admin = m.app.admin().await;
    let body = json!({"name": "  Dermatology ", "description": "Skin care"});
    let made = admin.post(PATH, body).await.expect(201);
    assert_eq!(keys(&made), KEYS);
    assert_eq!((&made["name"], &made["description"]), (&json!("Dermatology"), &json!("Skin care")));
    assert_eq!((&made["is_active"], &made["created_at"]), (&json!(true), &made["updated_at"]));
    let id = text(&made["id"]).to_owned();
    assert_eq!(names(&m.patient.get("categories/health").await.expect(200)), ["Dermatology"]);

    m.app.advance(TimeDelta::seconds(5));
    let hidden = admin.patch(&one(&id), json!({"is_active": false})).await.expect(200);
    assert_eq!((keys(&hidden), &hidden["is_active"], &hidden["name"]), (KEYS.to_vec(), &json!(false), &made["name"]));
    assert_eq!(hidden["created_at"], made["created_at"]);
    assert!(time(&hidden["updated_at"]) > time(&made["updated_at"]));
    assert_eq!(m.patient.get("categories/health").await.expect(200), json!([]));
    assert_eq!(admin.get(PATH).await.expect(200)["items"], json!([hidden]));

    // Null clears what may be absent; its own name in other letters is no duplicate.
    let body = json!({"name": "DERMATOLOGY", "description": null, "is_active": true});
    let changed = admin.patch(&one(&id), body).await.expect(200);
    assert_eq!((&changed["name"], &changed["description"]), (&json!("DERMATOLOGY"), &Value::Null));

    // A consultation keeps the word when its category is gone.
    let request = json!({"target_doctor_id": m.doctor.id, "category": "DERMATOLOGY"});
    let session = m.patient.post("connect/sessions", request).await.expect(201);
    let deleted = admin.delete(&one(&id)).await;
    assert_eq!((deleted.status, deleted.text.as_str()), (204, ""));
    admin.delete(&one(&id)).await.refused_plainly(404);
    admin.patch(&one(&id), json!({})).await.refused_plainly(404);
    assert_eq!(m.patient.get("categories/health").await.expect(200), json!([]));
    let path = of(text(&session["session_id"]), "");
    let kept = m.patient.get(path.trim_end_matches('/')).await.expect(200);
    assert_eq!(kept["category"], "DERMATOLOGY");
}

#[tokio::test]
async fn patients_choose_from_what_is_active_by_name() {
    let app = TestApp::start().await;
    let (admin, patient) = (app.admin().await, app.patient().await);
    for name in ["Urology", "dermatology", "Heart", "Cardiology"] {
        make(&admin, name).await;
    }
    let body = json!({"name": "Botany", "is_active": false});
    admin.post(PATH, body).await.expect(201);
    let body = json!({"name": "Sleep", "description": "Snoring and more"});
    let sleep = admin.post(PATH, body).await.expect(201);
    let all = admin.get(PATH).await.expect(200);
    let heart = text(&all["items"][3]["id"]);
    assert_eq!(all["items"][3]["name"], "Heart");
    admin.patch(&one(heart), json!({"is_active": false})).await.expect(200);
    let chosen = patient.get("categories/health").await.expect(200);
    assert_eq!(names(&chosen), ["Cardiology", "dermatology", "Sleep", "Urology"]);
    assert_eq!(
        chosen[2],
        json!({"id": sleep["id"], "name": "Sleep", "description": "Snoring and more", "is_active": true})
    );
    for shown in chosen.as_array().unwrap() {
        assert_eq!((keys(shown), &shown["is_active"]), (vec!["description", "id", "is_active", "name"], &json!(true)));
    }
}

#[tokio::test]
async fn categories_are_listed_by_name_fifty_at_a_time() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    for number in (0..52).rev() {
        make(&admin, &format!("{} {number:02}", if number % 2 == 0 { "category" } else { "Category" })).await;
    }
    let page = admin.get(PATH).await.expect(200);
    assert_eq!(keys(&page), ["has_more", "items", "limit", "offset", "total"]);
    assert_eq!((&page["limit"], &page["offset"]), (&json!(50), &json!(0)));
    assert_eq!((&page["total"], &page["has_more"]), (&json!(52), &json!(true)));
    let listed = names(&page["items"]);
    assert_eq!((listed.len(), listed[0], listed[1]), (50, "category 00", "Category 01"));
    let page = admin.get(&format!("{PATH}?limit=50&offset=50")).await.expect(200);
    assert_eq!((names(&page["items"]), &page["has_more"]), (vec!["category 50", "Category 51"], &json!(false)));
    admin
        .get(&format!("{PATH}?limit=101&offset=-1"))
        .await
        .invalid(&["query.limit less_than_equal", "query.offset greater_than_equal"]);
}

#[tokio::test]
async fn a_name_is_taken_whatever_the_case_of_its_letters() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    make(&admin, "Haut & Épiderme").await;
    let taken = json!({"field": "name"});
    for name in ["Haut & Épiderme", "HAUT & ÉPIDERME", " haut & épiderme "] {
        admin.post(PATH, json!({"name": name})).await.refused_with(409, "DUPLICATE", &taken);
    }
    let other = make(&admin, "Heart").await;
    let body = json!({"name": "haut & épiderme", "description": "never written"});
    admin.patch(&one(&other), body).await.refused_with(409, "DUPLICATE", &taken);
    let kept = admin.get(PATH).await.expect(200)["items"].clone();
    assert_eq!((names(&kept), &kept[1]["description"]), (vec!["Haut & Épiderme", "Heart"], &Value::Null));
    // Of two at once one is made.
    let body = || json!({"name": "Sleep"});
    let (first, second) = tokio::join!(admin.post(PATH, body()), admin.post(PATH, body()));
    let mut statuses = [first.status, second.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409]);
    // What is free again may be taken.
    admin.delete(&one(&other)).await;
    make(&admin, "HEART").await;
}

#[tokio::test]
async fn a_category_is_checked() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    admin.post(PATH, json!({})).await.invalid(&["body.name missing"]);
    let id = make(&admin, "Heart").await;
    for (members, wrong) in [
        (json!({"name": ""}), &["body.name string_too_short", "body.name string_pattern_mismatch"] as &[&str]),
        (json!({"name": "  "}), &["body.name string_pattern_mismatch"]),
        (json!({"name": "n".repeat(101)}), &["body.name string_too_long"]),
        (json!({"name": null}), &["body.name string_type"]),
        (json!({"name": "x\u{0}"}), &["body.name value_error"]),
        (
            json!({"name": "x", "description": "d".repeat(501), "is_active": "no"}),
            &["body.description string_too_long", "body.is_active bool_type"],
        ),
        (
            json!({"name": "x", "description": 5, "is_active": null}),
            &["body.description string_type", "body.is_active bool_type"],
        ),
    ] {
        admin.post(PATH, members.clone()).await.invalid(wrong);
        admin.patch(&one(&id), members).await.invalid(wrong);
    }
    let longest = json!({"name": "é".repeat(100), "description": "d".repeat(500), "is_active": false});
    admin.post(PATH, longest).await.expect(201);
    admin.patch(&one("heart"), json!({})).await.invalid(&["path.category_id uuid_parsing"]);
    admin.patch(&one(&Uuid::new_v4().to_string()), json!({"name": 5})).await.invalid(&["body.name string_type"]);
}

#[tokio::test]
async fn only_admins_keep_categories_and_each_change_leaves_a_trace() {
    let app = TestApp::start().await;
    let (admin, patient, doctor) = (app.admin().await, app.patient().await, app.doctor().await);
    let id = make(&admin, "Heart").await;
    for (method, path) in [
        (Method::POST, PATH.to_owned()),
        (Method::GET, PATH.to_owned()),
        (Method::PATCH, one(&id)),
        (Method::DELETE, one(&id)),
    ] {
        send(app.nobody().request(method.clone(), &path)).await.refused_plainly(401);
        send(patient.request(method.clone(), &path)).await.refused(403, "WRONG_ROLE");
        send(doctor.request(method, &path)).await.refused(403, "WRONG_ROLE");
    }
    admin.patch(&one(&id), json!({"name": "Heart"})).await.expect(200);
    assert_eq!(admin.delete(&one(&id)).await.status, 204);
    for action in ["admin.category.create", "admin.category.update", "admin.category.delete"] {
        assert_eq!(app.acts(action, admin.id).await, 1, "{action}");
    }
}
