//! 89, 90, 91: the patient answers, the doctor answers the patient's date, either calls it off.

use chrono::{Days, TimeDelta};
use serde_json::{Value, json};

use super::{NO_ID, in_days, in_status, path, propose, respond, scheduled, settle};
use crate::support::client::{Answer, Client};
use crate::support::meeting::{Meeting, events_of, kinds, time};

const STATUSES: [&str; 5] = ["PENDING_PATIENT", "PENDING_DOCTOR", "ACCEPTED", "REJECTED", "CANCELLED"];

/// What can be done, and where it leads from each of [`STATUSES`]; empty where it is refused.
const STEPS: [(&str, [&str; 5]); 7] = [
    ("accept", ["ACCEPTED", "", "ACCEPTED", "", ""]),
    ("reject", ["REJECTED", "", "", "REJECTED", ""]),
    ("reschedule", ["PENDING_DOCTOR", "PENDING_DOCTOR", "", "", ""]),
    ("agree", ["", "ACCEPTED", "", "", ""]),
    ("refuse", ["", "REJECTED", "", "", ""]),
    ("cancel by patient", ["CANCELLED", "CANCELLED", "CANCELLED", "", "CANCELLED"]),
    ("cancel by doctor", ["CANCELLED", "CANCELLED", "CANCELLED", "", "CANCELLED"]),
];

async fn take(m: &Meeting, followup: &Value, step: &str) -> Answer {
    match step {
        "reschedule" => propose(&m.patient, followup, in_days(m, 9), Some("15:00:00")).await,
        "agree" => settle(&m.doctor, followup, true).await,
        "refuse" => settle(&m.doctor, followup, false).await,
        "cancel by patient" => m.patient.act(&path(followup, "/cancel")).await,
        "cancel by doctor" => m.doctor.act(&path(followup, "/cancel")).await,
        action => respond(&m.patient, followup, action).await,
    }
}

#[tokio::test]
async fn every_step_from_every_status() {
    let m = Meeting::start().await;
    for (index, status) in STATUSES.into_iter().enumerate() {
        for (step, to) in STEPS {
            let followup = in_status(&m, status).await;
            assert_eq!(followup["status"], status);
            let before = (kinds(&m.patient).await, kinds(&m.doctor).await);
            let answer = take(&m, &followup, step).await;
            let what = format!("{step} from {status}");
            match to[index] {
                "" => answer.refused_with(409, "ILLEGAL_TRANSITION", &json!({"current_status": status})),
                same if same == status => {
                    assert_eq!(answer.expect(200), followup, "{what}: a repeat changes nothing");
                    assert_eq!((kinds(&m.patient).await, kinds(&m.doctor).await), before, "{what}: and tells nobody");
                }
                to => {
                    let changed = answer.expect(200);
                    assert_eq!(changed["status"], to, "{what}");
                    assert_eq!(m.patient.get(&path(&followup, "")).await.expect(200), changed, "{what}");
                }
            }
        }
    }
}

/// The last event of this kind that the client was told.
async fn last(client: &Client, kind: &str) -> Value {
    events_of(client, kind).await.pop().unwrap_or_else(|| panic!("no {kind}"))
}

#[tokio::test]
async fn each_answer_is_told_to_the_other_party() {
    let m = Meeting::start().await;
    for (action, kind) in [("accept", "followup.accepted"), ("reject", "followup.rejected")] {
        let followup = scheduled(&m).await;
        let answered = respond(&m.patient, &followup, action).await.expect(200);
        let told = last(&m.doctor, kind).await;
        assert_eq!((&told["data"], &told["session_id"]), (&answered, &followup["connect_session_id"]));
        assert!(time(&answered["updated_at"]) > time(&answered["created_at"]));
        assert!(events_of(&m.patient, kind).await.is_empty());
    }
    let followup = scheduled(&m).await;
    let date = in_days(&m, 20);
    let proposed = propose(&m.patient, &followup, date, Some("15:00:00")).await.expect(200);
    assert_eq!((&proposed["proposed_date"], &proposed["proposed_time"]), (&json!(date), &json!("15:00:00")));
    assert_eq!(proposed["scheduled_at"], followup["scheduled_at"], "the date stands until the doctor agrees");
    assert_eq!(last(&m.doctor, "followup.rescheduled").await["data"], proposed);
    let agreed = settle(&m.doctor, &followup, true).await.expect(200);
    assert_eq!((&agreed["scheduled_date"], &agreed["scheduled_time"]), (&json!(date), &json!("15:00:00")));
    assert_eq!(time(&agreed["scheduled_at"]), date.and_time("09:30:00".parse().unwrap()).and_utc());
    assert_eq!((&agreed["proposed_date"], &agreed["proposed_time"]), (&Value::Null, &Value::Null));
    assert_eq!(last(&m.patient, "followup.accepted").await["data"], agreed);

    let followup = in_status(&m, "PENDING_DOCTOR").await;
    let refused = settle(&m.doctor, &followup, false).await.expect(200);
    assert_eq!(refused["status"], "REJECTED");
    assert_eq!(last(&m.patient, "followup.rejected").await["data"], refused);

    let followup = scheduled(&m).await;
    let body = json!({"reason": "Schedule conflict"});
    let cancelled = m.doctor.post(&path(&followup, "/cancel"), body).await.expect(200);
    assert_eq!(
        (&cancelled["cancel_reason"], &cancelled["cancelled_by"]),
        (&json!("Schedule conflict"), &json!("doctor"))
    );
    assert_eq!(last(&m.patient, "followup.cancelled").await["data"], cancelled);
    let again = m.patient.post(&path(&followup, "/cancel"), json!({"reason": "other"})).await.expect(200);
    assert_eq!(again, cancelled, "the first one stands");
    let followup = scheduled(&m).await;
    let cancelled = m.patient.act(&path(&followup, "/cancel")).await.expect(200);
    assert_eq!((&cancelled["cancel_reason"], &cancelled["cancelled_by"]), (&Value::Null, &json!("patient")));
    assert_eq!(last(&m.doctor, "followup.cancelled").await["data"], cancelled);
}

#[tokio::test]
async fn one_proposal_replaces_another() {
    let m = Meeting::start().await;
    let followup = scheduled(&m).await;
    let date = in_days(&m, 10);
    let first = propose(&m.patient, &followup, date, None).await.expect(200);
    assert_eq!(propose(&m.patient, &followup, date, None).await.expect(200), first);
    assert_eq!(events_of(&m.doctor, "followup.rescheduled").await.len(), 1);
    let second = propose(&m.patient, &followup, date, Some("08:00:00")).await.expect(200);
    assert_eq!((&second["proposed_time"], &second["status"]), (&json!("08:00:00"), &json!("PENDING_DOCTOR")));
    assert_eq!(events_of(&m.doctor, "followup.rescheduled").await.len(), 2);
    propose(&m.patient, &followup, in_days(&m, 0) - Days::new(2), None).await.refused(400, "DATE_IN_PAST");
    let agreed = settle(&m.doctor, &followup, true).await.expect(200);
    assert_eq!(agreed["scheduled_time"], "08:00:00");
}

#[tokio::test]
async fn a_proposal_must_be_to_come() {
    let m = Meeting::start().await;
    let followup = scheduled(&m).await;
    let before = m.kinds().await;
    let today = in_days(&m, 0);
    // In India that midnight has passed, whatever the hour here.
    for (date, time) in [(today - Days::new(2), None), (today, Some("00:00:00"))] {
        propose(&m.patient, &followup, date, time).await.refused(400, "DATE_IN_PAST");
    }
    assert_eq!(m.patient.get(&path(&followup, "")).await.expect(200), followup);
    assert_eq!(m.kinds().await, before, "nobody is told of it");
    propose(&m.patient, &followup, in_days(&m, 2), None).await.expect(200);
}

#[tokio::test]
async fn whose_follow_up_and_what_may_be_said() {
    let m = Meeting::start().await;
    let [patient, doctor] = m.strangers().await;
    let followup = scheduled(&m).await;
    for foreign in [&patient, &doctor] {
        foreign.get(&path(&followup, "")).await.refused_plainly(404);
        foreign.act(&path(&followup, "/cancel")).await.refused_plainly(404);
    }
    respond(&patient, &followup, "accept").await.refused_plainly(404);
    settle(&doctor, &followup, true).await.refused_plainly(404);
    respond(&m.doctor, &followup, "accept").await.refused(403, "WRONG_ROLE");
    settle(&m.patient, &followup, true).await.refused(403, "WRONG_ROLE");
    let nothing = json!({"id": NO_ID});
    respond(&m.patient, &nothing, "accept").await.refused_plainly(404);
    settle(&m.doctor, &nothing, true).await.refused_plainly(404);
    m.patient.get(&path(&nothing, "")).await.refused_plainly(404);
    m.patient.act(&path(&nothing, "/cancel")).await.refused_plainly(404);
    let say = async |body: Value| m.patient.post(&path(&followup, "/respond"), body).await;
    say(json!({})).await.invalid(&["body.action missing"]);
    say(json!({"action": "maybe"})).await.invalid(&["body.action enum"]);
    say(json!({"action": "reschedule"})).await.invalid(&["body.proposed_date missing"]);
    for date in [json!({}), json!({"proposed_date": null})] {
        let mut body = json!({"action": "reschedule", "proposed_time": "late"});
        body.as_object_mut().unwrap().extend(date.as_object().unwrap().clone());
        say(body).await.invalid(&["body.proposed_date missing", "body.proposed_time time_parsing"]);
    }
    say(json!({"action": "reschedule", "proposed_date": "soon", "proposed_time": "late"}))
        .await
        .invalid(&["body.proposed_date date_parsing", "body.proposed_time time_parsing"]);
    m.doctor.post(&path(&followup, "/respond-to-proposal"), json!({})).await.invalid(&["body.accept missing"]);
    let wordy = json!({"accept": "yes"});
    m.doctor.post(&path(&followup, "/respond-to-proposal"), wordy).await.invalid(&["body.accept bool_type"]);
    let long = json!({"reason": "x".repeat(501)});
    m.doctor.post(&path(&followup, "/cancel"), long).await.invalid(&["body.reason string_too_long"]);
    assert_eq!(m.patient.get(&path(&followup, "")).await.expect(200), followup);
}

#[tokio::test]
async fn what_is_over_is_not_called_off() {
    let m = Meeting::start().await;
    let accepted = in_status(&m, "ACCEPTED").await;
    let cancelled = in_status(&m, "CANCELLED").await;
    m.app.advance(TimeDelta::days(9));
    for client in [&m.patient, &m.doctor] {
        let refused = client.act(&path(&accepted, "/cancel")).await;
        refused.refused_with(409, "ILLEGAL_TRANSITION", &json!({"current_status": "ACCEPTED"}));
        assert_eq!(client.act(&path(&cancelled, "/cancel")).await.expect(200), cancelled);
    }
}

#[tokio::test]
async fn a_proposal_whose_date_has_passed_is_only_refused() {
    let m = Meeting::start().await;
    let followup = in_status(&m, "PENDING_DOCTOR").await;
    m.app.advance(TimeDelta::days(11));
    let late = settle(&m.doctor, &followup, true).await;
    late.refused_with(409, "ILLEGAL_TRANSITION", &json!({"current_status": "PENDING_DOCTOR"}));
    assert_eq!(m.doctor.get(&path(&followup, "")).await.expect(200), followup);
    assert_eq!(settle(&m.doctor, &followup, false).await.expect(200)["status"], "REJECTED");
}

#[tokio::test]
async fn a_date_that_has_passed_is_declined_or_moved() {
    let m = Meeting::start().await;
    let (moved, declined) = (scheduled(&m).await, scheduled(&m).await);
    m.app.advance(TimeDelta::days(8));
    for followup in [&moved, &declined] {
        let late = respond(&m.patient, followup, "accept").await;
        late.refused_with(409, "ILLEGAL_TRANSITION", &json!({"current_status": "PENDING_PATIENT"}));
    }
    let proposed = propose(&m.patient, &moved, in_days(&m, 2), None).await.expect(200);
    assert_eq!(proposed["status"], "PENDING_DOCTOR");
    assert_eq!(settle(&m.doctor, &moved, true).await.expect(200)["status"], "ACCEPTED");
    assert_eq!(respond(&m.patient, &declined, "reject").await.expect(200)["status"], "REJECTED");
}

#[tokio::test]
async fn of_answers_at_once_one_counts() {
    let m = Meeting::start().await;
    for _ in 0..4 {
        let followup = scheduled(&m).await;
        let before = kinds(&m.doctor).await.len() + kinds(&m.patient).await.len();
        let cancel = path(&followup, "/cancel");
        let (accept, reject, cancel) = tokio::join!(
            respond(&m.patient, &followup, "accept"),
            respond(&m.patient, &followup, "reject"),
            m.doctor.act(&cancel),
        );
        let status = m.patient.get(&path(&followup, "")).await.expect(200)["status"].clone();
        let won = [&accept, &reject, &cancel].into_iter().filter(|answer| answer.status == 200).count();
        // Accepted and then called off is the one order in which two are right.
        let two = accept.status == 200 && cancel.status == 200;
        assert_eq!(won, if two { 2 } else { 1 }, "{accept:?} {reject:?} {cancel:?}");
        assert_eq!(two, status == "CANCELLED" && accept.status == 200);
        let after = kinds(&m.doctor).await.len() + kinds(&m.patient).await.len();
        assert_eq!(after - before, won);
    }
}
