//! 73 to 79: the patient's camera.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::client::Client;
use crate::support::meeting::{Meeting, events_of, of, say};

const STATES: [&str; 5] = ["NOT_ALLOWED", "ALLOWED_BY_DOCTOR", "VIDEO_ON", "VIDEO_OFF", "DECLINED_BY_PATIENT"];
const ACTIONS: [&str; 6] = ["allow", "accept", "decline", "revoke", "off", "on"];

/// §3.13: where an action leads from a state.
fn listed(from: &str, action: &str) -> Option<&'static str> {
    match (from, action) {
        ("NOT_ALLOWED" | "DECLINED_BY_PATIENT", "allow") => Some("ALLOWED_BY_DOCTOR"),
        ("ALLOWED_BY_DOCTOR", "accept") | ("VIDEO_OFF", "on") => Some("VIDEO_ON"),
        ("ALLOWED_BY_DOCTOR", "decline") => Some("DECLINED_BY_PATIENT"),
        ("ALLOWED_BY_DOCTOR" | "VIDEO_ON" | "VIDEO_OFF", "revoke") => Some("NOT_ALLOWED"),
        ("VIDEO_ON", "off") => Some("VIDEO_OFF"),
        _ => None,
    }
}

/// Whether the action's target state is held already.
fn held(from: &str, action: &str) -> bool {
    matches!(
        (from, action),
        ("ALLOWED_BY_DOCTOR", "allow")
            | ("VIDEO_ON", "accept" | "on")
            | ("DECLINED_BY_PATIENT", "decline")
            | ("NOT_ALLOWED", "revoke")
            | ("VIDEO_OFF", "off")
    )
}

fn path(session: &str, action: &str) -> String {
    of(session, &format!("video-permission/{action}"))
}

fn who<'a>(m: &'a Meeting, action: &str) -> &'a Client {
    if action == "allow" { &m.doctor } else { &m.patient }
}

/// Brings the permission into a state, by the shortest way that works from anywhere.
async fn drive(m: &Meeting, session: &str, to: &str) {
    m.doctor.act(&path(session, "allow")).await;
    m.doctor.act(&path(session, "revoke")).await.expect(200);
    let way: &[&str] = match to {
        "NOT_ALLOWED" => &[],
        "ALLOWED_BY_DOCTOR" => &["allow"],
        "VIDEO_ON" => &["allow", "accept"],
        "VIDEO_OFF" => &["allow", "accept", "off"],
        _ => &["allow", "decline"],
    };
    for action in way {
        who(m, action).act(&path(session, action)).await.expect(200);
    }
}

#[tokio::test]
async fn every_action_in_every_state_is_as_the_table_says() {
    let m = Meeting::start().await;
    let id = m.ongoing().await;
    let state = async || m.patient.get(&of(&id, "video-permission")).await.expect(200);
    let told = async || events_of(&m.doctor, "video.permission").await.len();
    for from in STATES {
        for action in ACTIONS {
            drive(&m, &id, from).await;
            let (before, events) = (state().await, told().await);
            assert_eq!(before["video_permission_state"], from);
            let answer = who(&m, action).act(&path(&id, action)).await;
            match listed(from, action) {
                Some(to) => {
                    let round = before["consent_round"].as_i64().unwrap() + i64::from(action == "allow");
                    let expected = json!({"session_id": id, "video_permission_state": to,
                                          "patient_video_enabled": to == "VIDEO_ON", "consent_round": round});
                    assert_eq!(answer.expect(200), expected, "{from} {action}");
                    assert_eq!(state().await, expected);
                    assert_eq!(told().await, events + 1, "{from} {action}");
                }
                None => {
                    if held(from, action) {
                        assert_eq!(answer.expect(200), before, "{from} {action}");
                    } else {
                        answer.refused_with(409, "ILLEGAL_TRANSITION", &json!({"current_state": from}));
                    }
                    assert_eq!((state().await, told().await), (before, events), "{from} {action}");
                }
            }
        }
    }
}

#[tokio::test]
async fn both_hear_who_changed_what() {
    let m = Meeting::start().await;
    let id = m.ongoing().await;
    for (by, action) in [
        (&m.doctor, "allow"),
        (&m.patient, "decline"),
        (&m.doctor, "allow"),
        (&m.patient, "accept"),
        (&m.patient, "off"),
        (&m.patient, "on"),
        (&m.doctor, "revoke"),
        (&m.doctor, "allow"),
        (&m.patient, "revoke"),
    ] {
        by.act(&path(&id, action)).await.expect(200);
    }
    let events = events_of(&m.patient, "video.permission").await;
    let data = |events: &[Value]| events.iter().map(|event| event["data"].clone()).collect::<Vec<_>>();
    assert_eq!(data(&events), data(&events_of(&m.doctor, "video.permission").await));
    let expected = [
        ("ALLOWED_BY_DOCTOR", 1, "doctor"),
        ("DECLINED_BY_PATIENT", 1, "patient"),
        ("ALLOWED_BY_DOCTOR", 2, "doctor"),
        ("VIDEO_ON", 2, "patient"),
        ("VIDEO_OFF", 2, "patient"),
        ("VIDEO_ON", 2, "patient"),
        ("NOT_ALLOWED", 2, "doctor"),
        ("ALLOWED_BY_DOCTOR", 3, "doctor"),
        ("NOT_ALLOWED", 3, "patient"),
    ];
    let expected: Vec<Value> = expected
        .iter()
        .map(|(state, round, by)| {
            json!({"session_id": id, "video_permission_state": state, "patient_video_enabled": *state == "VIDEO_ON",
                   "consent_round": round, "by": by})
        })
        .collect();
    assert_eq!(data(&events), expected);
    assert!(events.iter().all(|event| event["session_id"] == id.as_str()));
}

#[tokio::test]
async fn each_action_is_for_its_party() {
    let m = Meeting::start().await;
    let id = m.ongoing().await;
    m.patient.act(&path(&id, "allow")).await.refused(403, "WRONG_ROLE");
    for action in ["accept", "decline", "off", "on"] {
        m.doctor.act(&path(&id, action)).await.refused(403, "WRONG_ROLE");
    }
    let admin = m.app.admin().await;
    let [patient, doctor] = m.strangers().await;
    for action in ACTIONS {
        let stranger = if action == "allow" { &doctor } else { &patient };
        stranger.act(&path(&id, action)).await.refused_plainly(404);
        admin.act(&path(&id, action)).await.refused(403, "WRONG_ROLE");
        m.app.nobody().act(&path(&id, action)).await.refused_plainly(401);
        who(&m, action).act(&path("nonsense", action)).await.invalid(&["path.session_id uuid_parsing"]);
        who(&m, action).act(&path(&Uuid::new_v4().to_string(), action)).await.refused_plainly(404);
    }
    doctor.act(&path(&id, "revoke")).await.refused_plainly(404);
    let shown = of(&id, "video-permission");
    patient.get(&shown).await.refused_plainly(404);
    admin.get(&shown).await.refused(403, "WRONG_ROLE");
    m.app.nobody().get(&shown).await.refused_plainly(401);
    assert!(events_of(&m.patient, "video.permission").await.is_empty());
}

#[tokio::test]
async fn video_needs_a_running_consultation_and_shows_in_every_status() {
    let m = Meeting::start().await;
    let mut sessions = vec![("REQUESTED", m.requested().await)];
    let check = async |sessions: &[(&str, String)]| {
        for (status, id) in sessions {
            for action in ACTIONS {
                let answer = who(&m, action).act(&path(id, action)).await;
                answer.refused_with(409, "INVALID_SESSION_STATE", &json!({"current_status": status}));
            }
            let state = m.doctor.get(&of(id, "video-permission")).await.expect(200);
            assert_eq!(
                state,
                json!({"session_id": id, "video_permission_state": "NOT_ALLOWED", "patient_video_enabled": false,
                       "consent_round": 0})
            );
        }
    };
    check(&sessions).await;
    m.patient.act(&of(&sessions[0].1, "cancel")).await.expect(200);
    sessions.clear();
    for status in ["REJECTED", "CANCELLED", "EXPIRED"] {
        sessions.push((status, m.closed(status).await));
    }
    sessions.push(("ENDED", m.ended().await));
    check(&sessions).await;
}

#[tokio::test]
async fn a_new_consultation_begins_without_consent() {
    let m = Meeting::start().await;
    let first = m.ongoing().await;
    drive(&m, &first, "VIDEO_ON").await;
    say(&m.patient, &first, "can you see me").await;
    m.doctor.act(&of(&first, "end")).await.expect(200);
    let second = m.ongoing().await;
    let state = m.patient.get(&of(&second, "video-permission")).await.expect(200);
    assert_eq!((&state["video_permission_state"], &state["consent_round"]), (&json!("NOT_ALLOWED"), &json!(0)));
}
