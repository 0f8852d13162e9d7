//! Sessions, messages, video permission and calls: one consultation from request to end.

use serde_json::{Value, json};

use super::Samples;
use crate::contract::shape;
use crate::support::app::TestApp;
use crate::support::client::Client;

#[tokio::test]
async fn the_samples_of_a_consultation() {
    let app = TestApp::start().await;
    let (patient, doctor) = (app.patient().await, app.doctor().await);
    let session = request(&patient, &doctor).await;
    accept(&doctor, &session).await;
    messages(&patient, &doctor, &session).await;
    video_and_call(&patient, &doctor, &session).await;
    end(&patient, &doctor, &session).await;
    post_session(&patient, &doctor, &session).await;
}

async fn request(patient: &Client, doctor: &Client) -> String {
    let samples = Samples::of("sessions");
    let body = samples.request_with("request", &json!({"target_doctor_id": doctor.id}));
    let answer = patient.post("connect/sessions", body.clone()).await.expect(201);
    samples.fits("request", &answer, &[]);
    let session = answer["session_id"].as_str().unwrap().to_owned();
    assert_eq!(answer["room_name"], format!("cn-{session}"));
    assert_eq!(answer["livekit"]["identity"], format!("patient-{}", patient.id));
    assert_eq!(answer["livekit"]["expires_in"], 3600);

    let requests = doctor.get("connect/sessions/requests").await.expect(200);
    samples.fits("requests", &requests, &[]);
    assert_eq!((&requests["total"], &requests["items"][0]["symptoms"]), (&json!(1), &body["symptoms"]));

    let mut stream = doctor.stream("connect/sessions/requests/stream", None).await;
    for expected in samples.events("stream") {
        let block = stream.next_of(expected["event"].as_str().unwrap()).await;
        shape::fits(&block.data, &expected["data"], &[]);
    }
    session
}

async fn accept(doctor: &Client, session: &str) {
    let samples = Samples::of("sessions");
    let answer = doctor.act(&format!("connect/sessions/{session}/accept")).await.expect(200);
    samples.fits("accept", &answer, &[]);
    assert_eq!(answer["status"], samples.response("accept")["status"]);
    assert_eq!(answer["livekit"]["identity"], format!("doctor-{}", doctor.id));
    let token = doctor.get(&format!("connect/sessions/{session}/token")).await.expect(200);
    shape::fits(&token["livekit"], &samples.response("accept")["livekit"], &[]);
}

async fn messages(patient: &Client, doctor: &Client, session: &str) {
    let samples = Samples::of("messages");
    let all = format!("connect/sessions/{session}/messages");
    let body = samples.request("send");
    let sent = patient.post(&all, body.clone()).await.expect(201);
    for key in ["client_message_id", "content_type", "content"] {
        assert_eq!(sent[key], body[key]);
    }
    assert_eq!(patient.post(&all, body).await.expect(200), sent, "a repeat gives the stored message");
    let mut ids = vec![sent["id"].clone()];
    for _ in 0..2 {
        let fresh = json!({"client_message_id": uuid::Uuid::new_v4()});
        let sent = patient.post(&all, samples.request_with("send", &fresh)).await.expect(201);
        ids.push(sent["id"].clone());
    }

    let history = doctor.get(&format!("{all}?limit=20")).await.expect(200);
    Samples::of("lists").fits("page", &history, &[]);
    assert_eq!((&history["total"], &history["limit"]), (&json!(3), &json!(20)));

    let marked = json!({"message_ids": ids});
    let delivered = doctor.post(&format!("{all}/delivered"), marked.clone()).await.expect(200);
    assert_eq!(&delivered, samples.response("delivered"));
    assert_eq!(doctor.post(&format!("{all}/delivered"), marked.clone()).await.expect(200), json!({"updated": 0}));
    assert_eq!(doctor.post(&format!("{all}/read"), marked).await.expect(200), json!({"updated": 3}));
}

async fn video_and_call(patient: &Client, doctor: &Client, session: &str) {
    let samples = Samples::of("video");
    let state = format!("connect/sessions/{session}/video-permission");
    let first = doctor.get(&state).await.expect(200);
    samples.fits("state", &first, &[]);
    for (key, value) in samples.response("state").as_object().unwrap() {
        if key != "session_id" {
            assert_eq!(&first[key], value, "{key} before anybody was asked");
        }
    }

    let calls = Samples::of("calls");
    let open = json!({"connect_session_id": session});
    let call = patient.post("connect/call-sessions", open.clone()).await.expect(201);
    calls.fits("create", &call, &[]);
    for key in ["call_type", "status", "video_permission_state", "patient_video_enabled"] {
        assert_eq!(call[key], calls.response("create")[key], "{key}");
    }
    assert_eq!(doctor.post("connect/call-sessions", open).await.expect(200)["id"], call["id"]);
    let id = call["id"].as_str().unwrap();
    calls.fits("create", &doctor.get(&format!("connect/call-sessions/{id}")).await.expect(200), &[]);

    let steps: [(&Client, &str, &str); 7] = [
        (doctor, "allow", "ALLOWED_BY_DOCTOR"),
        (patient, "decline", "DECLINED_BY_PATIENT"),
        (doctor, "allow", "ALLOWED_BY_DOCTOR"),
        (patient, "accept", "VIDEO_ON"),
        (patient, "off", "VIDEO_OFF"),
        (patient, "on", "VIDEO_ON"),
        (doctor, "revoke", "NOT_ALLOWED"),
    ];
    for (caller, step, expected) in steps {
        let answer = caller.act(&format!("{state}/{step}")).await.expect(200);
        samples.fits("state", &answer, &[]);
        assert_eq!(answer["video_permission_state"], expected, "{step}");
    }
}

async fn end(patient: &Client, doctor: &Client, session: &str) {
    let samples = Samples::of("sessions");
    let one = format!("connect/sessions/{session}");
    let ended = doctor.post(&format!("{one}/end"), samples.request("end")).await.expect(200);
    assert_eq!((&ended["status"], &ended["end_reason"]), (&json!("ENDED"), &json!("completed")));
    for caller in [patient, doctor] {
        let detail = caller.get(&one).await.expect(200);
        samples.fits("detail", &detail, &[]);
        assert_eq!(detail["status"], samples.response("detail")["status"]);
        assert_eq!(detail["patient"]["initials"], samples.response("detail")["patient"]["initials"]);
        caller.get(&format!("{one}/token")).await.refused_with(
            409,
            "INVALID_SESSION_STATE",
            &json!({"current_status": "ENDED"}),
        );
    }
}

async fn post_session(patient: &Client, doctor: &Client, session: &str) {
    let samples = Samples::of("post_session");
    let prescription = format!("connect/sessions/{session}/prescription");
    let body = samples.request("prescription");
    let written = doctor.post(&prescription, body.clone()).await.expect(201);
    assert_eq!((&written["medications"], &written["notes"]), (&body["medications"], &body["notes"]));
    assert_eq!(doctor.put(&prescription, body).await.expect(200), written);
    assert_eq!(patient.get(&prescription).await.expect(200), written);
    let pdf = patient.get(&format!("{prescription}/pdf")).await.expect(200);
    samples.fits("prescription_pdf", &pdf, &[]);
    assert_eq!(pdf["expires_in"], samples.response("prescription_pdf")["expires_in"]);

    let tests = format!("connect/sessions/{session}/lab-tests");
    let mut body = samples.request("lab_tests");
    let written = doctor.post(&tests, body.clone()).await.expect(201);
    body["recommendations"][1]["instructions"] = Value::Null;
    assert_eq!((&written["recommendations"], &written["notes"]), (&body["recommendations"], &body["notes"]));
    assert_eq!(patient.get(&tests).await.expect(200), written);
    // "Full replacement. Same body as POST."
    let less = json!({"recommendations": [body["recommendations"][0]]});
    let replaced = doctor.put(&tests, less.clone()).await.expect(200);
    assert_eq!((&replaced["id"], &replaced["notes"]), (&written["id"], &Value::Null));
    assert_eq!(replaced["recommendations"], less["recommendations"]);
    let again = doctor.put(&tests, samples.request("lab_tests")).await.expect(200);
    assert_eq!((&again["recommendations"], &again["notes"]), (&body["recommendations"], &body["notes"]));
    assert_eq!(patient.get(&tests).await.expect(200), again);
}

#[tokio::test]
async fn a_refused_request_needs_no_body() {
    let app = TestApp::start().await;
    let (patient, doctor) = (app.patient().await, app.doctor().await);
    let body = Samples::of("sessions").request_with("request", &json!({"target_doctor_id": doctor.id}));
    let session: Value = patient.post("connect/sessions", body).await.expect(201)["session_id"].clone();
    let rejected = doctor.act(&format!("connect/sessions/{}/reject", session.as_str().unwrap())).await.expect(200);
    assert_eq!(rejected, json!({"session_id": session, "status": "REJECTED"}));
}
