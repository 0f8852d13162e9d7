//! A consultation from the request to its end: its room, calls, camera and recordings.

use serde_json::{Value, json};

use super::watch::{Watch, Who};
use crate::support::meeting::{of, say, text};

/// 37, 39, 40, 43, 44: requests that come to nothing.
pub(super) async fn of_requests(w: &mut Watch) {
    let (patient, doctor) = (w.client(Who::Patient), w.client(Who::Doctor));
    let body = json!({"target_doctor_id": doctor.id, "category": "Urology", "symptoms": ["back pain"]});
    let asked = w.call("C37", Who::Patient, "connect/sessions", body, "session.request").await;
    let id = text(&asked["session_id"]);
    w.call("C39", Who::Doctor, "connect/sessions/requests", Value::Null, "sessions.requests").await;
    w.pass().await;
    let stream = doctor.stream("connect/sessions/requests/stream", None).await;
    w.left("C40", Some(doctor.id), "sessions.requests", Some(patient.id)).await;
    drop(stream);
    w.call("C44", Who::Patient, &of(id, "cancel"), Value::Null, "session.cancel").await;
    let id = w.m.requested().await;
    w.call("C43", Who::Doctor, &of(&id, "reject"), Value::Null, "session.reject").await;
}

/// 38, 41, 42, 46, 49: one that is held; answers its id.
pub(super) async fn of_a_session(w: &mut Watch) -> String {
    let id = w.m.requested().await;
    let accepted = w.call("C42", Who::Doctor, &of(&id, "accept"), Value::Null, "session.accept").await;
    w.peer.join(text(&accepted["livekit"]["token"])).unwrap();
    let token = w.call("C46", Who::Patient, &of(&id, "token"), Value::Null, "session.token").await;
    w.peer.join(text(&token["livekit"]["token"])).unwrap();
    w.call("C38", Who::Patient, "connect/sessions/active", Value::Null, "sessions.active").await;
    w.call("C41", Who::Doctor, &format!("connect/sessions/{id}"), Value::Null, "session.read").await;
    say(&w.m.patient, &id, "Good evening").await;
    w.call("C49", Who::Doctor, &of(&id, "messages"), Value::Null, "messages.list").await;
    of_its_camera(w, &id).await;
    of_its_calls(w, &id).await;
    id
}

/// 73 to 79.
async fn of_its_camera(w: &mut Watch, id: &str) {
    let one = of(id, "video-permission");
    w.call("C73", Who::Doctor, &one, Value::Null, "video.read").await;
    for (route, who, act) in [
        ("C74", Who::Doctor, "allow"),
        ("C75", Who::Patient, "accept"),
        ("C78", Who::Patient, "off"),
        ("C79", Who::Patient, "on"),
        ("C77", Who::Doctor, "revoke"),
    ] {
        w.call(route, who, &format!("{one}/{act}"), Value::Null, &format!("video.{act}")).await;
    }
    w.m.doctor.act(&format!("{one}/allow")).await.expect(200);
    w.call("C76", Who::Patient, &format!("{one}/decline"), Value::Null, "video.decline").await;
}

/// 55 to 57, 80 to 82.
async fn of_its_calls(w: &mut Watch, id: &str) {
    let body = json!({"connect_session_id": id});
    let call = w.call("C80", Who::Patient, "connect/call-sessions", body, "call.start").await;
    let one = format!("connect/call-sessions/{}", text(&call["id"]));
    w.call("C81", Who::Doctor, &one, Value::Null, "call.read").await;
    w.call("C82", Who::Doctor, &format!("{one}/end"), Value::Null, "call.end").await;

    let all = of(id, "recordings");
    let recording = w.call("C55", Who::Doctor, &all, Value::Null, "recording.start").await;
    w.call("C57", Who::Patient, &all, Value::Null, "recording.list").await;
    let stop = format!("{all}/{}/stop", text(&recording["id"]));
    w.call("C56", Who::Patient, &stop, Value::Null, "recording.stop").await;
}

/// 45, and the doctor's lists of what was held (19, 20).
pub(super) async fn of_its_end(w: &mut Watch, id: &str) {
    w.call("C45", Who::Doctor, &of(id, "end"), Value::Null, "session.end").await;
    w.call("C19", Who::Doctor, "doctors/me/sessions", Value::Null, "sessions.list").await;
    w.call("C20", Who::Doctor, "doctors/me/sessions/recent", Value::Null, "sessions.list").await;
}
