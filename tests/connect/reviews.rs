//! Reviews, the doctors' replies, the public wall and the doctor's desk (17, 26 to 29, 72, 85).

use axum::http::Method;
use chrono::{Days, TimeDelta};
use consilium::jobs::reminders;
use consilium_storage::accounts::Role;
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::app::TestApp;
use crate::support::client::{Client, keys, send};
use crate::support::meeting::{Meeting, events_of, of, text, time, wait_for_events};

const NO_ID: &str = "00000000-0000-7000-8000-000000000000";

/// An ended session with a review; the review's id.
async fn reviewed(m: &Meeting, rating: f64, comment: &str) -> Value {
    let session = m.ended().await;
    review(&m.patient, &session, rating, comment).await
}

async fn review(patient: &Client, session: &str, rating: f64, comment: &str) -> Value {
    let body = json!({"session_id": session, "rating": rating, "comment": comment});
    patient.post("reviews", body).await.expect(201)
}

fn reply_of(review: &Value) -> String {
    format!("doctors/me/reviews/{}/reply", text(&review["id"]))
}

#[tokio::test]
async fn a_review_is_written_once_and_counts() {
    let m = Meeting::start().await;
    let session = m.ended().await;
    let body = json!({"session_id": session, "rating": 4.5, "comment": "Explained everything"});
    let review = m.patient.post("reviews", body.clone()).await.expect(201);
    time(&review["created_at"]);
    assert_eq!(
        review,
        json!({"id": review["id"], "connect_session_id": session, "session_id": null, "doctor_id": m.doctor.id,
               "rating": 4.5, "comment": "Explained everything", "created_at": review["created_at"]})
    );
    for client in [&m.patient, &m.doctor] {
        assert_eq!(client.get(&of(&session, "review")).await.expect(200), review);
    }
    m.patient.post("reviews", body).await.refused(409, "REVIEW_EXISTS");
    let told = events_of(&m.doctor, "review.submitted").await;
    let data = json!({"review_id": review["id"], "session_id": session, "doctor_id": m.doctor.id});
    assert_eq!(told.iter().map(|event| &event["data"]).collect::<Vec<_>>(), [&data]);
    assert_eq!(told[0]["session_id"], session);
    assert!(events_of(&m.patient, "review.submitted").await.is_empty());
    let figures = || async {
        let doctor = m.patient.get(&format!("doctors/{}", m.doctor.id)).await.expect(200);
        (doctor["rating"].as_f64().unwrap(), doctor["total_reviews"].as_i64().unwrap())
    };
    assert_eq!(figures().await, (4.5, 1));
    let bare = m.patient.post("reviews", json!({"session_id": m.ended().await, "rating": 5})).await.expect(201);
    assert_eq!((&bare["rating"], &bare["comment"]), (&json!(5.0), &Value::Null));
    assert_eq!(figures().await, (4.8, 2), "the mean of all, one decimal");
    let lines = m.doctor.get("doctors/me/sessions").await.expect(200);
    let ratings: Vec<&Value> = lines["items"].as_array().unwrap().iter().map(|line| &line["rating"]).collect();
    assert_eq!(ratings, [&json!(5.0), &json!(4.5)]);
    assert_eq!(m.app.audited("review.create", m.patient.id).await, 2);
}

#[tokio::test]
async fn who_may_review_what() {
    let m = Meeting::start().await;
    let [stranger, other_doctor] = m.strangers().await;
    let body = |session: &str| json!({"session_id": session, "rating": 5.0});
    let session = m.ended().await;
    stranger.post("reviews", body(&session)).await.refused_plainly(404);
    m.patient.post("reviews", body(NO_ID)).await.refused_plainly(404);
    m.doctor.post("reviews", body(&session)).await.refused(403, "WRONG_ROLE");
    m.app.nobody().post("reviews", body(&session)).await.refused_plainly(401);
    m.patient.get(&of(&session, "review")).await.refused_plainly(404);
    review(&m.patient, &session, 5.0, "").await;
    for foreign in [&stranger, &other_doctor] {
        foreign.get(&of(&session, "review")).await.refused_plainly(404);
    }
    for status in ["REJECTED", "CANCELLED", "EXPIRED"] {
        let closed = m.closed(status).await;
        let refused = m.patient.post("reviews", body(&closed)).await;
        refused.refused_with(409, "INVALID_SESSION_STATE", &json!({"current_status": status}));
    }
    let requested = m.requested().await;
    let refused = m.patient.post("reviews", body(&requested)).await;
    refused.refused_with(409, "INVALID_SESSION_STATE", &json!({"current_status": "REQUESTED"}));
    m.doctor.act(&of(&requested, "accept")).await.expect(200);
    let refused = m.patient.post("reviews", body(&requested)).await;
    refused.refused_with(409, "INVALID_SESSION_STATE", &json!({"current_status": "ONGOING"}));
}

#[tokio::test]
async fn what_a_review_may_be() {
    let m = Meeting::start().await;
    let session = m.ended().await;
    for (rating, failure) in [
        (json!(0.9), "body.rating greater_than_equal"),
        (json!(5.1), "body.rating less_than_equal"),
        (json!("5"), "body.rating float_type"),
        (json!(null), "body.rating float_type"),
    ] {
        m.patient.post("reviews", json!({"session_id": session, "rating": rating})).await.invalid(&[failure]);
    }
    m.patient.post("reviews", json!({})).await.invalid(&["body.session_id missing", "body.rating missing"]);
    let long = json!({"session_id": "no-id", "rating": 1.0, "comment": "x".repeat(1001)});
    m.patient.post("reviews", long).await.invalid(&["body.session_id uuid_parsing", "body.comment string_too_long"]);
    let longest = json!({"session_id": session, "rating": 1.0, "comment": "é".repeat(1000)});
    m.patient.post("reviews", longest).await.expect(201);
}

#[tokio::test]
async fn a_repeated_key_gives_the_same_review() {
    let m = Meeting::start().await;
    let body = json!({"session_id": m.ended().await, "rating": 3.0});
    let first = m.patient.post_once("reviews", "one", body.clone()).await.expect(201);
    assert_eq!(m.patient.post_once("reviews", "one", body.clone()).await.expect(201), first);
    let other = json!({"session_id": body["session_id"], "rating": 4.0});
    m.patient.post_once("reviews", "one", other).await.refused(409, "IDEMPOTENCY_MISMATCH");
    m.patient.post_once("reviews", "two", body).await.refused(409, "REVIEW_EXISTS");
}

#[tokio::test]
async fn of_many_reviews_at_once_one_counts() {
    let m = Meeting::start().await;
    let body = json!({"session_id": m.ended().await, "rating": 2.0});
    let answers = join_all((0..8).map(|_| m.patient.post("reviews", body.clone()))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1);
    for answer in answers.iter().filter(|answer| answer.status != 201) {
        answer.refused(409, "REVIEW_EXISTS");
    }
    let doctor = m.patient.get(&format!("doctors/{}", m.doctor.id)).await.expect(200);
    assert_eq!((&doctor["rating"], &doctor["total_reviews"]), (&json!(2.0), &json!(1)));
    assert_eq!(events_of(&m.doctor, "review.submitted").await.len(), 1);
}

#[tokio::test]
async fn a_reply_is_written_changed_and_removed() {
    let m = Meeting::start().await;
    let review = reviewed(&m, 2.0, "In a hurry").await;
    let path = reply_of(&review);
    let words = |words: &str| json!({"text": words});
    m.doctor.put(&path, words("Sorry")).await.refused_plainly(404);
    m.doctor.delete(&path).await.refused_plainly(404);
    let reply = m.doctor.post(&path, words("Sorry, a busy day")).await.expect(201);
    assert_eq!(
        reply,
        json!({"review_id": review["id"], "text": "Sorry, a busy day", "created_at": reply["created_at"],
               "updated_at": reply["created_at"]})
    );
    m.doctor.post(&path, words("Again")).await.refused(409, "REPLY_EXISTS");
    let told = events_of(&m.patient, "review.reply").await;
    assert_eq!(told.len(), 1);
    assert_eq!(told[0]["data"]["review_id"], review["id"]);
    assert_eq!(told[0]["session_id"], review["connect_session_id"]);

    m.app.advance(TimeDelta::seconds(5));
    let changed = m.doctor.put(&path, words("Please come again")).await.expect(200);
    assert_eq!((&changed["text"], &changed["created_at"]), (&json!("Please come again"), &reply["created_at"]));
    assert!(time(&changed["updated_at"]) > time(&changed["created_at"]));
    let patched = m.doctor.patch(&path, words("Please do come again")).await.expect(200);
    assert_eq!(patched["text"], "Please do come again");
    let public = m.app.nobody().get(&format!("doctors/{}/reviews", m.doctor.id)).await.expect(200);
    let shown = &public["items"][0]["reply"];
    assert_eq!(shown, &json!({"text": "Please do come again", "created_at": reply["created_at"]}));

    let removed = m.doctor.delete(&path).await;
    assert_eq!((removed.status, removed.text.as_str()), (204, ""));
    m.doctor.delete(&path).await.refused_plainly(404);
    m.doctor.patch(&path, words("x")).await.refused_plainly(404);
    m.doctor.post(&path, words("Anew")).await.expect(201);
    assert_eq!(events_of(&m.patient, "review.reply").await.len(), 2, "changes are told to nobody");
}

#[tokio::test]
async fn who_may_reply_and_with_what() {
    let m = Meeting::start().await;
    let other = m.app.doctor().await;
    let review = reviewed(&m, 5.0, "Good").await;
    let path = reply_of(&review);
    let body = json!({"text": "Thank you"});
    other.post(&path, body.clone()).await.refused_plainly(404);
    m.doctor.post(&format!("doctors/me/reviews/{NO_ID}/reply"), body.clone()).await.refused_plainly(404);
    m.doctor.post(&path, body.clone()).await.expect(201);
    for method in [Method::PUT, Method::PATCH] {
        send(other.request(method, &path).json(&body)).await.refused_plainly(404);
    }
    other.delete(&path).await.refused_plainly(404);
    for call in [m.patient.post(&path, body.clone()).await, m.patient.delete(&path).await] {
        call.refused(403, "WRONG_ROLE");
    }
    for (text, failures) in [
        (json!(""), vec!["body.text string_pattern_mismatch", "body.text string_too_short"]),
        (json!("  \n"), vec!["body.text string_pattern_mismatch"]),
        (json!("x".repeat(1001)), vec!["body.text string_too_long"]),
        (json!(5), vec!["body.text string_type"]),
    ] {
        m.doctor.post(&path, json!({"text": text})).await.invalid(&failures);
        m.doctor.put(&path, json!({"text": text})).await.invalid(&failures);
    }
    m.doctor.put(&path, json!({"text": "x".repeat(1000)})).await.expect(200);
}

#[tokio::test]
async fn the_wall_is_public_and_masked() {
    let m = Meeting::start().await;
    let wall = format!("doctors/{}/reviews", m.doctor.id);
    let nobody = m.app.nobody();
    let empty = json!({"items": [], "total": 0, "limit": 10, "offset": 0, "has_more": false});
    assert_eq!(nobody.get(&wall).await.expect(200), empty);
    let mut ids = Vec::new();
    for (rating, comment) in [(5.0, "first"), (3.5, "second"), (1.0, "third")] {
        ids.insert(0, reviewed(&m, rating, comment).await["id"].clone());
    }
    let page = nobody.get(&wall).await.expect(200);
    let found: Vec<Value> = page["items"].as_array().unwrap().iter().map(|item| item["id"].clone()).collect();
    assert_eq!(found, ids, "newest first");
    let item = &page["items"][0];
    assert_eq!(keys(item), ["comment", "created_at", "id", "patient_name_masked", "rating", "reply"]);
    let id = m.patient.id.to_string();
    assert_eq!(item["patient_name_masked"], format!("User****{}", &id[id.len() - 3..]));
    assert_eq!((&item["rating"], &item["comment"], &item["reply"]), (&json!(1.0), &json!("third"), &Value::Null));
    assert!(!page.to_string().contains(&id) && !page.to_string().contains("Test Patient"));
    let second = nobody.get(&format!("{wall}?limit=1&offset=1")).await.expect(200);
    assert_eq!((&second["items"][0]["id"], &second["has_more"]), (&ids[1], &json!(true)));
    nobody.get(&format!("doctors/{NO_ID}/reviews")).await.refused_plainly(404);
    nobody
        .get(&format!("{wall}?limit=0&offset=x"))
        .await
        .invalid(&["query.limit greater_than_equal", "query.offset int_parsing"]);
    let hidden = m.app.doctor_like(|new| new.is_verified = false).await;
    nobody.get(&format!("doctors/{}/reviews", hidden.id)).await.refused_plainly(404);
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one story, in its order")]
async fn the_desk_filters_and_sorts() {
    let m = Meeting::start().await;
    let other = m.app.doctor().await;
    let today = m.app.app.now().date_naive();
    let low = reviewed(&m, 1.5, "low").await;
    m.app.advance(TimeDelta::days(1));
    let high = reviewed(&m, 4.9, "high").await;
    m.app.advance(TimeDelta::days(1));
    let middle = reviewed(&m, 4.0, "middle").await;
    m.doctor.post(&reply_of(&middle), json!({"text": "Thanks"})).await.expect(201);
    let tomorrow = today + Days::new(1);
    let followup = json!({"scheduled_date": today + Days::new(30)});
    m.doctor.post(&of(text(&low["connect_session_id"]), "followup"), followup).await.expect(201);
    let ids = async |query: &str| {
        let page = m.doctor.get(&format!("doctors/me/reviews?{query}")).await.expect(200);
        page["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| item["comment"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(ids("").await, ["middle", "high", "low"]);
    assert_eq!(ids("sort_by=date_asc").await, ["low", "high", "middle"]);
    assert_eq!(ids("sort_by=rating_desc").await, ["high", "middle", "low"]);
    assert_eq!(ids("sort_by=rating_asc&limit=1&offset=1").await, ["middle"]);
    assert_eq!(ids("rating=4").await, ["middle", "high"], "the whole part");
    assert_eq!(ids("rating=5").await, Vec::<String>::new());
    assert_eq!(ids("has_reply=true").await, ["middle"]);
    assert_eq!(ids("has_reply=false").await, ["high", "low"]);
    assert_eq!(ids(&format!("date_from={tomorrow}")).await, ["middle", "high"]);
    assert_eq!(ids(&format!("date_from={tomorrow}&date_to={tomorrow}")).await, ["high"], "both ends count");
    let at = text(&high["created_at"]);
    assert_eq!(ids(&format!("date_from={at}&date_to={at}")).await, ["high"]);
    assert_eq!(ids(&format!("date_to={today}T23:59:59Z")).await, ["low"]);

    assert!(m.app.audited("reviews.list", m.patient.id).await > 0);
    let page = m.doctor.get("doctors/me/reviews?has_reply=true").await.expect(200);
    let item = &page["items"][0];
    assert_eq!(
        keys(item),
        [
            "comment",
            "connect_session_id",
            "created_at",
            "has_followup",
            "has_reply",
            "id",
            "patient_name_masked",
            "rating",
            "reply",
            "session_id"
        ]
    );
    assert_eq!(item["connect_session_id"], middle["connect_session_id"]);
    assert_eq!(
        (&item["has_reply"], &item["has_followup"], &item["session_id"]),
        (&json!(true), &json!(false), &Value::Null)
    );
    assert_eq!(keys(&item["reply"]), ["created_at", "text", "updated_at"]);
    let page = m.doctor.get("doctors/me/reviews?sort_by=date_asc&limit=1").await.expect(200);
    assert_eq!((&page["items"][0]["has_followup"], &page["items"][0]["reply"]), (&json!(true), &Value::Null));
    assert_eq!((&page["total"], &page["has_more"]), (&json!(3), &json!(true)));

    assert_eq!(other.get("doctors/me/reviews").await.expect(200)["total"], 0);
    m.patient.get("doctors/me/reviews").await.refused(403, "WRONG_ROLE");
    m.doctor.get("doctors/me/reviews?rating=6&has_reply=maybe&date_from=soon&sort_by=best").await.invalid(&[
        "query.rating less_than_equal",
        "query.has_reply bool_parsing",
        "query.date_from datetime_parsing",
        "query.sort_by enum",
    ]);
    let turned = m.doctor.get(&format!("doctors/me/reviews?date_from={tomorrow}&date_to={today}")).await;
    turned.invalid(&["query.date_from value_error"]);
    let several = m.doctor.get(&format!("doctors/me/reviews?date_from={tomorrow}&date_to={today}&rating=6")).await;
    several.invalid(&["query.date_from value_error", "query.rating less_than_equal"]);
}

#[tokio::test]
async fn the_desk_shows_ten_at_a_time_within_its_bounds() {
    let app = TestApp::start().await;
    let doctor = app.doctor().await;
    let empty = json!({"items": [], "total": 0, "limit": 10, "offset": 0, "has_more": false});
    assert_eq!(doctor.get("doctors/me/reviews").await.expect(200), empty);
    for (query, failure) in [
        ("limit=0", "query.limit greater_than_equal"),
        ("limit=101", "query.limit less_than_equal"),
        ("offset=-1", "query.offset greater_than_equal"),
        ("rating=0", "query.rating greater_than_equal"),
    ] {
        doctor.get(&format!("doctors/me/reviews?{query}")).await.invalid(&[failure]);
    }
}

#[tokio::test]
async fn a_review_that_is_missing_is_asked_for_once_after_a_day() {
    let m = Meeting::start_with(|config| config.ttl.inbox_retention = TimeDelta::days(30)).await;
    let (silent, reviewed) = (m.ended().await, m.ended().await);
    review(&m.patient, &reviewed, 5.0, "").await;
    m.app.advance(TimeDelta::hours(24) - TimeDelta::minutes(5));
    reminders::send(&m.app.app).await.unwrap();
    assert!(events_of(&m.patient, "review.reminder").await.is_empty());
    m.app.advance(TimeDelta::minutes(6));
    for round in join_all((0..4).map(|_| reminders::send(&m.app.app))).await {
        round.unwrap();
    }
    wait_for_events(&m.patient, "review.reminder", 1).await;
    m.app.advance(TimeDelta::hours(48));
    reminders::send(&m.app.app).await.unwrap();
    let told = events_of(&m.patient, "review.reminder").await;
    assert_eq!(told.iter().map(|event| &event["session_id"]).collect::<Vec<_>>(), [&json!(silent)]);
    assert_eq!(told[0]["data"], json!({"session_id": silent, "doctor_id": m.doctor.id}));
    assert!(events_of(&m.doctor, "review.reminder").await.is_empty());
    // It may still be reviewed.
    review(&m.patient, &silent, 4.0, "late").await;
}

#[tokio::test]
async fn reviews_of_a_doctor_who_is_switched_off_are_not_shown() {
    let app = TestApp::start().await;
    let (patient, doctor, admin) = (app.patient().await, app.doctor().await, app.admin().await);
    let wall = format!("doctors/{}/reviews", doctor.id);
    patient.get(&wall).await.expect(200);
    admin.patch(&format!("doctors/{}", doctor.id), json!({"is_active": false})).await.expect(200);
    patient.get(&wall).await.refused_plainly(404);
    let back = app.sign_in(doctor.id, Role::Doctor).await;
    back.get("doctors/me/reviews").await.refused(403, "ACCOUNT_DISABLED");
}
