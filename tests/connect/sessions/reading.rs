//! 38, 39, 41, 46: looking at consultations.

use chrono::TimeDelta;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::client::keys;
use crate::support::meeting::{Meeting, accept, of, request, text, time};
use crate::support::twirp::verify_signature;

const DETAIL: [&str; 24] = [
    "active_treatment",
    "amount",
    "amount_due",
    "billed_minutes",
    "category",
    "created_at",
    "doctor",
    "doctor_id",
    "duration_display",
    "duration_seconds",
    "end_note",
    "end_reason",
    "ended_at",
    "ended_by",
    "expires_at",
    "id",
    "medical_history",
    "patient",
    "patient_id",
    "rate_per_minute",
    "room_name",
    "started_at",
    "status",
    "symptoms",
];

fn ids(list: &Value) -> Vec<&str> {
    let items = list["items"].as_array().unwrap();
    assert_eq!(list["total"], items.len());
    assert_eq!(keys(list), ["items", "total"]);
    items.iter().map(|item| text(item.get("session_id").unwrap_or(&item["id"]))).collect()
}

#[tokio::test]
async fn a_request_in_full() {
    let m = Meeting::start().await;
    let id = m.requested().await;
    let detail = m.patient.get(&format!("connect/sessions/{id}")).await.expect(200);
    assert_eq!(keys(&detail), DETAIL);
    let avatar = text(&detail["patient"]["avatar_url"]);
    assert!(avatar.starts_with("https://api.dicebear.com/9.x/avataaars/svg?seed="), "{avatar}");
    assert_eq!(
        detail,
        json!({
            "id": id, "patient_id": m.patient.id, "doctor_id": m.doctor.id, "status": "REQUESTED",
            "room_name": format!("cn-{id}"), "category": "Urology", "started_at": null, "ended_at": null,
            "patient": {"user_id": m.patient.id, "name": "Test Patient", "age": 28, "sex": "male", "initials": "TP",
                        "avatar_url": avatar},
            "doctor": {"id": m.doctor.id, "full_name": detail["doctor"]["full_name"], "speciality_category": "Urology",
                       "avatar_url": null},
            "symptoms": ["back pain"], "active_treatment": null, "medical_history": null,
            "created_at": detail["created_at"], "expires_at": detail["expires_at"], "rate_per_minute": 500,
            "duration_seconds": null, "duration_display": null, "billed_minutes": null, "amount": null, "amount_due": null,
            "end_reason": null, "end_note": null, "ended_by": null,
        })
    );
    assert!(text(&detail["doctor"]["full_name"]).starts_with("Dr. Test"));
    assert_eq!(m.doctor.get(&format!("connect/sessions/{id}")).await.expect(200), detail);
}

#[tokio::test]
async fn strangers_and_wrong_roles_see_nothing() {
    let m = Meeting::start().await;
    let id = m.ongoing().await;
    let admin = m.app.admin().await;
    for path in [format!("connect/sessions/{id}"), of(&id, "token")] {
        for stranger in m.strangers().await {
            stranger.get(&path).await.refused_plainly(404);
        }
        admin.get(&path).await.refused(403, "WRONG_ROLE");
        m.app.nobody().get(&path).await.refused_plainly(401);
    }
    for path in ["connect/sessions/nonsense", "connect/sessions/nonsense/token"] {
        m.patient.get(path).await.invalid(&["path.session_id uuid_parsing"]);
    }
    let unknown = Uuid::new_v4().to_string();
    m.patient.get(&format!("connect/sessions/{unknown}")).await.refused_plainly(404);
    m.patient.get(&of(&unknown, "token")).await.refused_plainly(404);
    admin.get("connect/sessions/active").await.refused(403, "WRONG_ROLE");
    m.patient.get("connect/sessions/requests").await.refused(403, "WRONG_ROLE");
    m.app.nobody().get("connect/sessions/requests").await.refused_plainly(401);
}

#[tokio::test]
async fn open_sessions_are_listed_newest_first() {
    let m = Meeting::start().await;
    let [patient, doctor] = m.strangers().await;
    let active = "connect/sessions/active";
    assert_eq!(m.patient.get(active).await.expect(200), json!({"items": [], "total": 0}));
    let first = m.ongoing().await;
    let second = request(&patient, &m.doctor).await;
    let third = request(&patient, &doctor).await;
    let list = m.doctor.get(active).await.expect(200);
    assert_eq!(ids(&list), [second.as_str(), &first]);
    assert_eq!(list["items"][1], m.doctor.get(&format!("connect/sessions/{first}")).await.expect(200));
    assert_eq!(ids(&patient.get(active).await.expect(200)), [third.as_str(), &second]);
    // With the slash and without it (connect-v2 §1).
    assert_eq!(ids(&m.patient.get("connect/sessions/active/").await.expect(200)), [first.as_str()]);
    m.doctor.act(&of(&first, "end")).await.expect(200);
    assert_eq!(ids(&m.patient.get(active).await.expect(200)), Vec::<&str>::new());
    m.app.advance(TimeDelta::minutes(31));
    assert_eq!(ids(&m.doctor.get(active).await.expect(200)), Vec::<&str>::new());
}

#[tokio::test]
async fn requests_are_listed_oldest_first() {
    let m = Meeting::start().await;
    let [patient, doctor] = m.strangers().await;
    let path = "connect/sessions/requests";
    let first = m.requested().await;
    m.app.advance(TimeDelta::minutes(20));
    let second = request(&patient, &m.doctor).await;
    request(&patient, &doctor).await;
    let list = m.doctor.get(path).await.expect(200);
    assert_eq!(ids(&list), [first.as_str(), &second]);
    let item = &list["items"][0];
    let detail = m.doctor.get(&format!("connect/sessions/{first}")).await.expect(200);
    assert_eq!(
        *item,
        json!({"session_id": first, "status": "REQUESTED", "requested_at": detail["created_at"],
               "expires_at": detail["expires_at"], "category": "Urology", "symptoms": ["back pain"],
               "patient": detail["patient"]})
    );
    assert!(time(&item["requested_at"]) < time(&list["items"][1]["requested_at"]));
    m.app.advance(TimeDelta::minutes(11));
    assert_eq!(ids(&m.doctor.get(path).await.expect(200)), [second.as_str()]);
    accept(&m.doctor, &second).await;
    assert_eq!(ids(&m.doctor.get(path).await.expect(200)), Vec::<&str>::new());
}

fn claims(grant: &Value) -> Value {
    assert_eq!(keys(grant), ["expires_in", "identity", "token", "ws_url"]);
    let claims = verify_signature(text(&grant["token"]), "secret").unwrap();
    assert_eq!(claims["sub"], grant["identity"]);
    claims
}

#[tokio::test]
async fn a_token_opens_one_room_and_never_the_patients_camera() {
    let m = Meeting::start().await;
    let id = m.requested().await;
    let path = of(&id, "token");
    let answer = m.patient.get(&path).await.expect(200);
    assert_eq!(keys(&answer), ["livekit", "room_name", "session_id", "status"]);
    assert_eq!((&answer["session_id"], &answer["status"]), (&json!(id), &json!("REQUESTED")));
    // While REQUESTED the doctor gets none.
    let refusal = json!({"current_status": "REQUESTED"});
    m.doctor.get(&path).await.refused_with(409, "INVALID_SESSION_STATE", &refusal);

    let accepted = accept(&m.doctor, &id).await;
    assert_eq!(claims(&accepted["livekit"])["video"]["room"], format!("cn-{id}"));
    m.doctor.act(&of(&id, "video-permission/allow")).await.expect(200);
    m.patient.act(&of(&id, "video-permission/accept")).await.expect(200);
    let room = format!("cn-{id}");
    for (caller, who, sources) in [
        (&m.patient, format!("patient-{}", m.patient.id), json!(["microphone"])),
        (&m.doctor, format!("doctor-{}", m.doctor.id), json!(["microphone", "camera"])),
    ] {
        let answer = caller.get(&path).await.expect(200);
        assert_eq!((&answer["status"], &answer["room_name"]), (&json!("ONGOING"), &json!(room)));
        assert_eq!(answer["livekit"]["identity"], who);
        assert_eq!(answer["livekit"]["expires_in"], 3600);
        let video = &claims(&answer["livekit"])["video"];
        assert_eq!((&video["roomJoin"], &video["room"]), (&json!(true), &json!(room)));
        assert_eq!((&video["canPublish"], &video["canPublishData"]), (&json!(true), &json!(true)));
        assert_eq!(video["canPublishSources"], sources);
    }
    m.doctor.act(&of(&id, "end")).await.expect(200);
    for caller in [&m.patient, &m.doctor] {
        let refusal = json!({"current_status": "ENDED"});
        caller.get(&path).await.refused_with(409, "INVALID_SESSION_STATE", &refusal);
    }
    for status in ["REJECTED", "CANCELLED", "EXPIRED"] {
        let path = of(&m.closed(status).await, "token");
        let refusal = json!({"current_status": status});
        m.patient.get(&path).await.refused_with(409, "INVALID_SESSION_STATE", &refusal);
    }
}
