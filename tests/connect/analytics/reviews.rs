//! A doctor's reviews in figures. The days of summer time are given by hand.

use chrono::{DateTime, TimeDelta, Utc};
use consilium_storage::connect::reviews::{self, NewReview};
use consilium_storage::ids::{ReviewId, UserId};
use serde_json::{Value, json};

use crate::support::meeting::{Meeting, accept, of, request, text};

/// A doctor with reviews of these times and ratings; some say something, the first is replied to.
async fn reviewed(given: &[(&str, f64, Option<&str>)]) -> Meeting {
    let m = Meeting::start().await;
    for (at, rating, comment) in given {
        let session = m.ended().await;
        insert(&m, m.doctor.id, &session, at, *rating, *comment).await;
    }
    m
}

async fn insert(m: &Meeting, doctor_id: UserId, session: &str, at: &str, rating: f64, comment: Option<&str>) {
    let mut tx = m.app.app.begin().await.unwrap();
    let new = NewReview {
        id: ReviewId::new(),
        session_id: session.parse().unwrap(),
        doctor_id,
        patient_id: m.patient.id,
        rating,
        comment: comment.map(str::to_owned),
        created_at: at.parse::<DateTime<Utc>>().unwrap(),
    };
    reviews::insert(tx.conn(), &new).await.unwrap();
    m.app.app.commit(tx).await.unwrap();
}

async fn get(m: &Meeting, rest: &str) -> Value {
    m.doctor.get(&format!("analytics/doctor/reviews/{rest}")).await.expect(200)
}

/// The buckets that are not empty: first day, count, mean.
fn filled(trends: &Value) -> Vec<(String, i64, Value)> {
    let items = trends["items"].as_array().unwrap();
    assert!(items.iter().all(|one| (one["reviews_count"] == 0) == one["average_rating"].is_null()));
    let days: Vec<_> = items.iter().map(|one| text(&one["period_start"])).collect();
    assert!(days.is_sorted(), "{days:?}");
    let some = items.iter().filter(|one| one["reviews_count"] != 0);
    some.map(|one| {
        let day = text(&one["period_start"]).to_owned();
        (day, one["reviews_count"].as_i64().unwrap(), one["average_rating"].clone())
    })
    .collect()
}

#[tokio::test]
async fn totals_and_stars() {
    let m = reviewed(&[
        ("2026-01-01T00:00:00Z", 5.0, Some("Good")),
        ("2026-01-31T23:59:59.999999Z", 4.5, Some("  ")),
        ("2026-02-01T00:00:00Z", 4.0, None),
        ("2026-02-10T12:00:00Z", 1.0, Some("Bad")),
    ])
    .await;
    // Somebody else's reviews are theirs.
    let [_, other] = m.strangers().await;
    let session = request(&m.patient, &other).await;
    accept(&other, &session).await;
    other.act(&of(&session, "end")).await.expect(200);
    insert(&m, other.id, &session, "2026-01-15T00:00:00Z", 2.0, None).await;

    let all = json!({"total_reviews": 4, "average_rating": 3.6, "replied_count": 0, "reply_rate": 0.0,
        "with_comment_count": 2, "date_from": null, "date_to": null});
    assert_eq!(get(&m, "metrics").await, all);
    let first = m.doctor.get("doctors/me/reviews?rating=5").await.expect(200)["items"][0]["id"].clone();
    m.doctor
        .post(&format!("doctors/me/reviews/{}/reply", text(&first)), json!({"text": "Thank you"}))
        .await
        .expect(201);
    let january = json!({"total_reviews": 2, "average_rating": 4.8, "replied_count": 1, "reply_rate": 0.5,
        "with_comment_count": 1, "date_from": "2026-01-01", "date_to": "2026-01-31"});
    assert_eq!(get(&m, "metrics?date_from=2026-01-01&date_to=2026-01-31").await, january);
    let one = get(&m, "metrics?date_from=2026-02-01T00:00:00Z&date_to=2026-02-01T00:00:00Z").await;
    assert_eq!((&one["total_reviews"], &one["date_from"]), (&json!(1), &json!("2026-02-01T00:00:00Z")), "inclusive");
    // In Kolkata the last of January was already February.
    let zoned = get(&m, "metrics?date_from=2026-01-01&date_to=2026-01-31&timezone=Asia/Kolkata").await;
    assert_eq!(zoned["total_reviews"], 1);
    let none = get(&m, "metrics?date_to=2025-12-31").await;
    assert_eq!(
        (&none["total_reviews"], &none["average_rating"], &none["reply_rate"]),
        (&json!(0), &Value::Null, &Value::Null)
    );

    let stars = get(&m, "rating-distribution").await;
    assert_eq!((&stars["total_reviews"], &stars["average_rating"]), (&json!(4), &json!(3.6)));
    let line =
        |rating: i32, count: i32, percentage: f64| json!({"rating": rating, "count": count, "percentage": percentage});
    let lines = json!([line(5, 1, 25.0), line(4, 2, 50.0), line(3, 0, 0.0), line(2, 0, 0.0), line(1, 1, 25.0)]);
    assert_eq!(stars["distribution"], lines);
    let some = get(&m, "rating-distribution?date_to=2026-02-01").await;
    assert_eq!(some["distribution"][0]["percentage"], 33.3);
    let none = get(&m, "rating-distribution?date_from=2090-01-01").await;
    assert_eq!((&none["average_rating"], &none["distribution"][4]), (&Value::Null, &line(1, 0, 0.0)));
}

/// New York: 8 March 2026 has 23 hours, 1 November has 25.
#[tokio::test]
async fn a_review_is_in_the_bucket_of_its_day_where_the_doctor_is() {
    let m = reviewed(&[
        ("2026-03-08T04:59:59Z", 1.0, None),
        ("2026-03-08T05:00:00Z", 2.0, None),
        ("2026-03-09T03:59:59Z", 4.0, None),
        ("2026-03-09T04:00:00Z", 5.0, None),
        ("2026-11-01T04:00:00Z", 3.0, None),
        ("2026-11-02T04:59:59Z", 4.0, None),
        ("2026-11-02T05:00:00Z", 5.0, None),
    ])
    .await;
    let day = |day: &str, count: i64, mean: f64| (day.to_owned(), count, json!(mean));
    let trends = async |query: &str| get(&m, &format!("trends?{query}")).await;
    let spring = trends("date_from=2026-03-07&date_to=2026-03-09&timezone=America/New_York").await;
    assert_eq!(filled(&spring), [day("2026-03-07", 1, 1.0), day("2026-03-08", 2, 3.0), day("2026-03-09", 1, 5.0)]);
    assert_eq!(spring["period"], "day");
    let autumn = trends("date_from=2026-11-01&date_to=2026-11-02&timezone=America/New_York").await;
    assert_eq!(filled(&autumn), [day("2026-11-01", 2, 3.5), day("2026-11-02", 1, 5.0)]);
    let in_utc = trends("date_from=2026-03-07&date_to=2026-03-09").await;
    assert_eq!(filled(&in_utc), [day("2026-03-08", 2, 1.5), day("2026-03-09", 2, 4.5)]);
    assert_eq!(in_utc["items"].as_array().unwrap().len(), 3);

    // Weeks begin on Monday, months on the first; a range cuts what it begins in the middle of.
    let weeks = trends("period=week&date_from=2026-03-08&date_to=2026-03-15").await;
    assert_eq!(filled(&weeks), [day("2026-03-02", 2, 1.5), day("2026-03-09", 2, 4.5)]);
    let months = trends("period=month&date_from=2026-03-09&date_to=2026-11-01").await;
    assert_eq!(months["items"].as_array().unwrap().len(), 9);
    assert_eq!(filled(&months), [day("2026-03-01", 2, 4.5), day("2026-11-01", 1, 3.0)]);
    let hours = trends("date_from=2026-03-08T05:00:00Z&date_to=2026-03-09T03:59:59Z").await;
    assert_eq!(filled(&hours), [day("2026-03-08", 1, 2.0), day("2026-03-09", 1, 4.0)]);
}

#[tokio::test]
async fn without_a_range_it_is_the_last_thirty_days() {
    let m = Meeting::start().await;
    let now = m.app.app.now();
    for (days, rating) in [(30, 1.0), (29, 2.0), (0, 5.0)] {
        let session = m.ended().await;
        let at = (now - TimeDelta::days(days)).to_rfc3339();
        insert(&m, m.doctor.id, &session, &at, rating, None).await;
    }
    let shown = get(&m, "trends").await;
    let items = shown["items"].as_array().unwrap();
    // A midnight may pass meanwhile.
    if m.app.app.now().date_naive() == now.date_naive() {
        assert_eq!(items.len(), 30);
        assert_eq!(items[29]["period_start"], now.date_naive().to_string());
        assert_eq!((&items[0]["reviews_count"], &items[29]["reviews_count"]), (&json!(1), &json!(1)));
    }
    let back = get(&m, "trends?date_to=2026-01-30").await;
    assert_eq!(
        (back["items"].as_array().unwrap().len(), &back["items"][0]["period_start"]),
        (30, &json!("2026-01-01"))
    );
}

#[tokio::test]
async fn what_is_refused() {
    let m = Meeting::start().await;
    let refused = async |rest: &str| {
        assert_eq!(m.doctor.get(&format!("analytics/doctor/reviews/{rest}")).await.status, 422, "{rest}");
    };
    for name in ["metrics", "trends", "rating-distribution"] {
        for query in [
            "date_from=2026-02-02&date_to=2026-02-01",
            "date_from=yesterday",
            "date_from=26-02-07",
            "date_to=2026-2-7",
            "date_to=2026-13-01",
            "date_from=2026-02-30",
            "timezone=Mars/Olympus",
        ] {
            refused(&format!("{name}?{query}")).await;
        }
        let path = format!("analytics/doctor/reviews/{name}");
        let several = format!("{path}?date_from=2026-02-02&date_to=2026-02-01&timezone=Mars/Olympus");
        m.doctor.get(&several).await.invalid(&["query.date_from value_error", "query.timezone value_error"]);
        // In Kolkata the day has begun already.
        let days = "date_from=2026-02-12&date_to=2026-02-11T20:00:00Z";
        m.doctor.get(&format!("{path}?{days}&timezone=Asia/Kolkata")).await.expect(200);
        m.doctor.get(&format!("{path}?{days}")).await.invalid(&["query.date_from value_error"]);
        m.patient.get(&path).await.refused(403, "WRONG_ROLE");
    }
    refused("trends?period=hour").await;
    refused("trends?date_from=2090-01-01").await;
    refused("trends?date_from=2020-01-01&date_to=2022-09-27").await;
    assert_eq!(
        get(&m, "trends?date_from=2020-01-01&date_to=2022-09-26").await["items"].as_array().unwrap().len(),
        1000
    );
    get(&m, "trends?period=month&date_from=1950-01-01&date_to=2026-01-01").await;
}
