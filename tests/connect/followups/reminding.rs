//! Reminders with the moved clock: once or not at all, also where the clocks change.

use chrono::{DateTime, Days, NaiveDate, NaiveTime, Offset, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use consilium::jobs::reminders;
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{in_days, in_status, path, propose, respond, scheduled, settle};
use crate::support::meeting::{Meeting, events_of, of, time, wait_for_events};

/// A meeting whose tokens and inboxes outlive a year of moved clock.
async fn meeting() -> Meeting {
    Meeting::start_with(|config| {
        config.ttl.access_token = TimeDelta::days(800);
        config.ttl.inbox_retention = TimeDelta::days(800);
    })
    .await
}

/// Moves the clock to this moment and lets several nodes' worth of rounds look at once.
async fn at(m: &Meeting, moment: DateTime<Utc>) {
    m.app.advance(moment - m.app.app.now());
    for round in join_all((0..3).map(|_| reminders::send(&m.app.app))).await {
        round.unwrap();
    }
}

async fn reminded(m: &Meeting, followup: &Value) -> [usize; 2] {
    let count = async |client| {
        let events = events_of(client, "followup.reminder").await;
        events.iter().filter(|event| event["data"]["id"] == followup["id"]).count()
    };
    [count(&m.patient).await, count(&m.doctor).await]
}

/// Waits until both were reminded so many times: whoever looked may still be at it.
async fn wait(m: &Meeting, followup: &Value, times: usize) {
    wait_for_events(&m.patient, "followup.reminder", times).await;
    wait_for_events(&m.doctor, "followup.reminder", times).await;
    assert_eq!(reminded(m, followup).await, [times, times]);
}

#[tokio::test]
async fn both_are_reminded_a_day_and_an_hour_before() {
    let m = meeting().await;
    let followup = scheduled(&m).await;
    let due = time(&followup["scheduled_at"]);
    at(&m, due - TimeDelta::hours(24) - TimeDelta::minutes(1)).await;
    assert_eq!(reminded(&m, &followup).await, [0, 0]);
    let accepted = respond(&m.patient, &followup, "accept").await.expect(200);
    at(&m, due - TimeDelta::hours(24)).await;
    wait(&m, &followup, 1).await;
    assert_eq!(events_of(&m.doctor, "followup.reminder").await[0]["data"], accepted);
    at(&m, due - TimeDelta::minutes(61)).await;
    assert_eq!(reminded(&m, &followup).await, [1, 1]);
    at(&m, due - TimeDelta::minutes(60)).await;
    wait(&m, &followup, 2).await;
    at(&m, due + TimeDelta::days(2)).await;
    assert_eq!(reminded(&m, &followup).await, [2, 2]);
    assert_eq!(m.app.audited("followup.remind", m.patient.id).await, 2);
}

#[tokio::test]
async fn what_is_called_off_refused_or_unsettled_is_not_reminded_of() {
    let m = meeting().await;
    let silent = ["CANCELLED", "REJECTED", "PENDING_DOCTOR"];
    let mut made = Vec::new();
    for status in silent {
        made.push(in_status(&m, status).await);
    }
    let pending = scheduled(&m).await;
    for hours in [24, 1] {
        at(&m, time(&pending["scheduled_at"]) - TimeDelta::hours(hours)).await;
        wait(&m, &pending, if hours == 24 { 1 } else { 2 }).await;
    }
    for followup in &made {
        assert_eq!(reminded(&m, followup).await, [0, 0], "{followup}");
    }
}

#[tokio::test]
async fn an_answer_does_not_drop_a_reminder_that_is_due() {
    let m = meeting().await;
    let followup = scheduled(&m).await;
    m.app.advance(time(&followup["scheduled_at"]) - TimeDelta::hours(23) - m.app.app.now());
    respond(&m.patient, &followup, "accept").await.expect(200);
    at(&m, time(&followup["scheduled_at"]) - TimeDelta::hours(22)).await;
    wait(&m, &followup, 1).await;
}

#[tokio::test]
async fn a_new_date_has_its_own_reminders() {
    let m = meeting().await;
    let followup = scheduled(&m).await;
    let old = time(&followup["scheduled_at"]);
    propose(&m.patient, &followup, in_days(&m, 20), Some("15:00:00")).await.expect(200);
    let moved = settle(&m.doctor, &followup, true).await.expect(200);
    at(&m, old - TimeDelta::hours(1)).await;
    assert_eq!(reminded(&m, &followup).await, [0, 0]);
    let new = time(&moved["scheduled_at"]);
    at(&m, new - TimeDelta::hours(24)).await;
    wait(&m, &followup, 1).await;
    m.doctor.act(&path(&followup, "/cancel")).await.expect(200);
    at(&m, new - TimeDelta::hours(1)).await;
    assert_eq!(reminded(&m, &followup).await, [1, 1]);
}

#[tokio::test]
async fn after_an_outage_one_word_is_enough_and_none_about_the_past() {
    let m = meeting().await;
    let followup = scheduled(&m).await;
    let due = time(&followup["scheduled_at"]);
    // The clock jumps over both: the server was away.
    at(&m, due - TimeDelta::minutes(30)).await;
    wait(&m, &followup, 1).await;
    at(&m, due).await;
    assert_eq!(reminded(&m, &followup).await, [1, 1]);
    let missed = scheduled(&m).await;
    at(&m, time(&missed["scheduled_at"]) + TimeDelta::seconds(1)).await;
    at(&m, time(&missed["scheduled_at"]) + TimeDelta::days(1)).await;
    assert_eq!(reminded(&m, &missed).await, [0, 0]);
    // One that is made within the hour is not reminded of at all.
    let now = m.app.app.now() + TimeDelta::minutes(40);
    let body = json!({"scheduled_date": now.date_naive(), "scheduled_time": now.format("%H:%M:%S").to_string(),
                      "scheduled_timezone": "UTC"});
    let soon = m.doctor.post(&of(&m.ended().await, "followup"), body).await.expect(201);
    at(&m, now - TimeDelta::minutes(1)).await;
    assert_eq!(reminded(&m, &soon).await, [0, 0]);
}

/// The next day on which the clocks of a zone change, forward or back.
fn next_change(zone: Tz, after: NaiveDate, forward: bool) -> NaiveDate {
    let offset = |day: NaiveDate| {
        let noon = day.and_time(NaiveTime::from_hms_opt(12, 0, 0).unwrap());
        zone.from_local_datetime(&noon).unwrap().offset().fix().local_minus_utc()
    };
    let mut day = after + Days::new(3);
    loop {
        let change = offset(day) - offset(day - Days::new(1));
        if change != 0 && (change > 0) == forward {
            return day;
        }
        day = day + Days::new(1);
    }
}

#[tokio::test]
async fn where_the_clocks_change() {
    let m = meeting().await;
    let zone = Tz::America__New_York;
    let utc =
        |day: NaiveDate, time: &str| zone.from_local_datetime(&day.and_time(time.parse().unwrap())).unwrap().to_utc();
    let mut total = 0;
    let first_forward = next_change(zone, m.app.app.now().date_naive(), true);
    let first_back = next_change(zone, m.app.app.now().date_naive(), false);
    let mut changes = [(first_forward, true), (first_back, false)];
    changes.sort_unstable();
    for (day, forward) in changes {
        let schedule = async |date: NaiveDate, time: Option<&str>| {
            let body = json!({"scheduled_date": date, "scheduled_time": time, "scheduled_timezone": zone.name()});
            m.doctor.post(&of(&m.ended().await, "followup"), body).await.expect(201)
        };
        // At ten on the day of the change: 24 hours before is nine, or eleven, on the wall.
        let timed = schedule(day, Some("10:00:00")).await;
        let before = day - Days::new(1);
        let wall = if forward { "09:00:00" } else { "11:00:00" };
        let (far, near) = (utc(before, wall), utc(day, "09:00:00"));
        assert_eq!(time(&timed["scheduled_at"]) - far, TimeDelta::hours(24));
        // The day after it, without a time: at nine of the new clock.
        let whole = schedule(day + Days::new(1), None).await;
        at(&m, far - TimeDelta::seconds(90)).await;
        assert_eq!(reminded(&m, &timed).await, [0, 0]);
        at(&m, far).await;
        total += 1;
        wait_for_events(&m.doctor, "followup.reminder", total).await;
        assert_eq!((reminded(&m, &timed).await, reminded(&m, &whole).await), ([1, 1], [0, 0]));
        at(&m, near - TimeDelta::seconds(90)).await;
        assert_eq!((reminded(&m, &timed).await, reminded(&m, &whole).await), ([1, 1], [0, 0]));
        // Both at once: an hour before the one, nine in the morning of the day before the other.
        at(&m, near).await;
        total += 2;
        wait_for_events(&m.doctor, "followup.reminder", total).await;
        assert_eq!((reminded(&m, &timed).await, reminded(&m, &whole).await), ([2, 2], [1, 1]));
        at(&m, near + TimeDelta::days(2)).await;
        assert_eq!((reminded(&m, &timed).await, reminded(&m, &whole).await), ([2, 2], [1, 1]));
    }
}
