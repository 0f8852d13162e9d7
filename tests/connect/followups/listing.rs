//! 87: each party's own, filtered.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::{in_days, in_status, path, respond};
use crate::support::meeting::{Meeting, of};

#[tokio::test]
async fn own_follow_ups_and_nobody_elses() {
    let m = Meeting::start().await;
    let mut made = Vec::new();
    for (days, time) in [(5, "09:00:00"), (2, "09:00:00"), (9, "09:00:00")] {
        let body = json!({"scheduled_date": in_days(&m, days), "scheduled_time": time});
        let session = m.ended().await;
        made.push(m.doctor.post(&of(&session, "followup"), body).await.expect(201));
    }
    let [five, two, nine] = made.try_into().unwrap();
    let session = m.ended().await;
    let body = json!({"scheduled_date": in_days(&m, 1)});
    let tomorrow = m.doctor.post(&of(&session, "followup"), body).await.expect(201);
    let two = respond(&m.patient, &two, "accept").await.expect(200);
    let nine = m.patient.act(&path(&nine, "/cancel")).await.expect(200);
    let list = async |query: &str| {
        let page = m.patient.get(&format!("followups/{query}")).await.expect(200);
        assert_eq!(m.doctor.get(&format!("followups/{query}")).await.expect(200), page);
        page
    };
    let all = list("").await;
    assert_eq!(all["items"], json!([nine, five, two, tomorrow]), "the latest first");
    assert_eq!(
        (&all["total"], &all["limit"], &all["offset"], &all["has_more"]),
        (&json!(4), &json!(20), &json!(0), &json!(false))
    );
    assert_eq!(list("?upcoming=true").await["items"], json!([tomorrow, two, five, nine]), "the next first");
    assert_eq!(list("?past=true").await["items"], json!([]));
    assert_eq!(list("?status=ACCEPTED&upcoming=true&limit=10").await["items"], json!([two]));
    assert_eq!(list("?status=CANCELLED").await["items"], json!([nine]));
    assert_eq!(list("?status=PENDING_DOCTOR").await["total"], 0);
    let page = list("?limit=1&offset=1").await;
    assert_eq!((&page["items"], &page["total"], &page["has_more"]), (&json!([five]), &json!(4), &json!(true)));
    m.app.advance(TimeDelta::days(3));
    assert_eq!(list("?past=true").await["items"], json!([two, tomorrow]));
    assert_eq!(list("?upcoming=true").await["items"], json!([five, nine]));
    assert_eq!(list("?upcoming=false&past=false").await["total"], 4);
    for stranger in m.strangers().await {
        assert_eq!(stranger.get("followups/").await.expect(200)["items"], json!([]));
    }
    m.app.admin().await.get("followups/").await.refused(403, "WRONG_ROLE");
    m.app.nobody().get("followups/").await.refused_plainly(401);
    m.patient.get("followups/?upcoming=true&past=true").await.invalid(&["query.past value_error"]);
    let several = m.patient.get("followups/?upcoming=true&past=true&limit=0").await;
    several.invalid(&["query.past value_error", "query.limit greater_than_equal"]);
    m.patient.get("followups/?status=OPEN&limit=101&upcoming=soon").await.invalid(&[
        "query.status enum",
        "query.limit less_than_equal",
        "query.upcoming bool_parsing",
    ]);
}

#[tokio::test]
async fn a_day_without_a_time_is_to_come_until_it_ends() {
    let m = Meeting::start().await;
    // Whatever the hour here: somewhere it is early in the day.
    let zones = ["Pacific/Auckland", "Asia/Kolkata", "America/New_York", "Pacific/Honolulu"];
    let now = m.app.app.now();
    let local = |zone: &str| now.with_timezone(&zone.parse::<chrono_tz::Tz>().unwrap()).naive_local();
    let zone = zones.into_iter().find(|zone| (2..18).contains(&chrono::Timelike::hour(&local(zone)))).unwrap();
    let body = json!({"scheduled_date": local(zone).date(), "scheduled_timezone": zone});
    let made = m.doctor.post(&of(&m.ended().await, "followup"), body).await.expect(201);
    let ids = async |query: &str| {
        let page = m.patient.get(&format!("followups/?{query}")).await.expect(200);
        page["items"].as_array().unwrap().iter().map(|item| item["id"].clone()).collect::<Vec<Value>>()
    };
    assert_eq!(ids("upcoming=true").await, [made["id"].clone()]);
    m.app.advance(TimeDelta::hours(24));
    assert_eq!(ids("past=true").await, [made["id"].clone()]);
    assert_eq!(m.app.audited("followups.list", m.patient.id).await, 2);
    assert_eq!(in_status(&m, "ACCEPTED").await["status"], "ACCEPTED");
}
