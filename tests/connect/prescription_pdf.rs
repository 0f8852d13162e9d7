//! 68: the prescription as PDF, made once, made anew when it is changed.

use std::process::Command;
use std::time::{Duration, Instant};

use axum::http::Method;
use chrono::TimeDelta;
use consilium_storage::connect::prescriptions as stored;
use consilium_storage::files::{self, Area, Object};
use consilium_storage::testing::Scratch;
use serde_json::{Value, json};

use crate::support::client::keys;
use crate::support::files::{Obstacle, objects, swept};
use crate::support::meeting::{Meeting, of, text, time};

fn path(session: &str) -> String {
    of(session, "prescription/pdf")
}

fn body(medicine: &str) -> Value {
    json!({
        "medications": [{"name": medicine, "dosage": "½ tablet", "instructions": "खाने के बाद लें"}],
        "notes": "Cost about ₹ 120",
    })
}

/// Fetches without a token; answers status, type and bytes.
async fn fetch(m: &Meeting, answer: &Value) -> (u16, String, Vec<u8>) {
    let url = text(&answer["download_url"]).strip_prefix(m.app.url.as_str()).unwrap().to_owned();
    let response = m.app.nobody().request(Method::GET, &url).send().await.unwrap();
    let status = response.status().as_u16();
    let kind = response.headers().get("content-type").map_or("", |kind| kind.to_str().unwrap()).to_owned();
    (status, kind, response.bytes().await.unwrap().to_vec())
}

/// What another program reads in it, without any space.
fn letters(pdf: &[u8]) -> String {
    let scratch = Scratch::new("pdf").unwrap();
    let file = scratch.path().join("prescription.pdf");
    std::fs::write(&file, pdf).unwrap();
    let output = Command::new("pdftotext").arg(&file).arg("-").output();
    let output = output.unwrap_or_else(|error| panic!("pdftotext: {error}; run scripts/ensure.sh poppler"));
    String::from_utf8(output.stdout).unwrap().split_whitespace().collect()
}

#[tokio::test]
async fn it_is_made_once_and_fetched_without_a_token() {
    let m = Meeting::start().await;
    let id = m.ongoing().await;
    m.patient.get(&path(&id)).await.refused_plainly(404);
    m.doctor.post(&of(&id, "prescription"), body("Dolo 650 Tablet")).await.expect(201);
    let first = m.patient.get(&path(&id)).await.expect(200);
    assert_eq!(keys(&first), ["download_url", "expires_in", "generated_at"]);
    assert_eq!(first["expires_in"], 600);
    let (status, kind, pdf) = fetch(&m, &first).await;
    assert_eq!((status, kind.as_str()), (200, "application/pdf"));
    let words = letters(&pdf);
    for part in ["Dolo650Tablet", "½tablet", "खानेकेबादलें", "₹120", "TestPatient", "28years,male", "MBBS,MD", "Page1of1"]
    {
        assert!(words.contains(part), "{part} is not in {words}");
    }
    let doctor = m.doctor.get("doctors/me/profile").await.expect(200);
    for key in ["full_name", "registration_number"] {
        let part: String = text(&doctor[key]).split_whitespace().collect();
        assert!(words.contains(&part), "{part} is not in {words}");
    }

    m.app.advance(TimeDelta::seconds(120));
    let second = m.doctor.get(&path(&id)).await.expect(200);
    assert_eq!(second["generated_at"], first["generated_at"]);
    assert_eq!(fetch(&m, &second).await.2, pdf);
    assert_eq!(m.app.audited("prescription.pdf", m.patient.id).await, 2);
    // The first link ends, the second goes on.
    m.app.advance(TimeDelta::seconds(490));
    assert_eq!(fetch(&m, &first).await.0, 403);
    assert_eq!(fetch(&m, &second).await.0, 200);
}

#[tokio::test]
async fn a_change_drops_it_and_the_next_call_makes_the_new_version() {
    let m = Meeting::start().await;
    let id = m.ended().await;
    let prescription = of(&id, "prescription");
    m.doctor.post(&prescription, body("Dolo 650 Tablet")).await.expect(201);
    let first = m.patient.get(&path(&id)).await.expect(200);
    // The same words again are no change.
    m.app.advance(TimeDelta::seconds(5));
    m.doctor.put(&prescription, body("Dolo 650 Tablet")).await.expect(200);
    assert_eq!(m.patient.get(&path(&id)).await.expect(200)["generated_at"], first["generated_at"]);

    m.app.advance(TimeDelta::seconds(5));
    m.doctor.put(&prescription, body("Cefixime 200 Tablet")).await.expect(200);
    assert_eq!(fetch(&m, &first).await.0, 404, "nobody fetches the old one any more");
    let second = m.patient.get(&path(&id)).await.expect(200);
    assert!(time(&second["generated_at"]) > time(&first["generated_at"]));
    let words = letters(&fetch(&m, &second).await.2);
    assert!(words.contains("Cefixime200Tablet") && words.contains("Version2,replacesallearlierones"), "{words}");
    assert!(!words.contains("Dolo"), "{words}");
    // What counts is not on the list of what is to go.
    let mut conn = m.app.app.conn().await.unwrap();
    let prescription = stored::find(&mut conn, id.parse().unwrap()).await.unwrap().unwrap();
    let kept = stored::find_pdf(&mut conn, prescription.id).await.unwrap().unwrap();
    let tomorrow = m.app.clock.now() + TimeDelta::days(1);
    let due = files::take_due(&mut conn, tomorrow, TimeDelta::minutes(1), 10).await.unwrap();
    assert!(due.iter().all(|due| due.object.key != kept.key), "{due:?}");
}

#[tokio::test]
async fn a_change_of_its_people_makes_it_anew() {
    let m = Meeting::start().await;
    let id = m.ended().await;
    m.doctor.post(&of(&id, "prescription"), body("Dolo 650 Tablet")).await.expect(201);
    let mut last = m.patient.get(&path(&id)).await.expect(200);
    let (admin, doctor) = (m.app.admin().await, format!("doctors/{}", m.doctor.id));
    let changes = [
        (&admin, doctor.as_str(), json!({"registration_number": "KMC-776655"}), "KMC-776655"),
        (&m.doctor, "doctors/me/profile", json!({"full_name": "Dr. Asha Menon"}), "Dr.AshaMenon"),
        (&m.doctor, "doctors/me/profile", json!({"degrees": ["MBBS", "DNB"]}), "MBBS,DNB"),
        (&m.patient, "users/me", json!({"full_name": "Meera Iyer"}), "MeeraIyer"),
    ];
    for (client, path_of_change, change, shown) in &changes {
        m.app.advance(TimeDelta::seconds(5));
        client.patch(path_of_change, change.clone()).await.expect(200);
        let next = m.patient.get(&path(&id)).await.expect(200);
        assert!(time(&next["generated_at"]) > time(&last["generated_at"]), "{shown}");
        let words = letters(&fetch(&m, &next).await.2);
        assert!(words.contains(*shown), "{shown} is not in {words}");
        assert_eq!(fetch(&m, &last).await.0, 200, "a link that was given out holds until its end");
        last = next;
    }
    // What is not printed changes nothing.
    m.app.advance(TimeDelta::seconds(5));
    m.doctor.patch("doctors/me/profile", json!({"about_short": "Twenty years of practice"})).await.expect(200);
    admin.patch(&doctor, json!({"rate_per_minute": 900})).await.expect(200);
    m.patient.patch("users/me", json!({"height_cm": 180})).await.expect(200);
    assert_eq!(m.doctor.get(&path(&id)).await.expect(200)["generated_at"], last["generated_at"]);
    // With their links the old ones go.
    assert_eq!(objects(&m.app), 1 + changes.len());
    m.app.advance(m.app.app.config.ttl.signed_url + TimeDelta::minutes(1));
    let deadline = Instant::now() + Duration::from_secs(30);
    while objects(&m.app) > 1 {
        assert!(Instant::now() < deadline, "not swept");
        swept(&m.app).await;
    }
    assert_eq!(fetch(&m, &m.patient.get(&path(&id)).await.expect(200)).await.0, 200);
}

#[tokio::test]
async fn of_those_who_ask_at_once_all_get_the_same() {
    let m = Meeting::start().await;
    let id = m.ongoing().await;
    m.doctor.post(&of(&id, "prescription"), body("Dolo 650 Tablet")).await.expect(201);
    let path = path(&id);
    let answers = tokio::join!(m.patient.get(&path), m.doctor.get(&path), m.patient.get(&path), m.doctor.get(&path));
    let made = [answers.0, answers.1, answers.2, answers.3].map(|answer| answer.expect(200));
    for answer in &made {
        assert_eq!(answer["generated_at"], made[0]["generated_at"]);
        assert_eq!(fetch(&m, answer).await.0, 200);
    }
}

#[tokio::test]
async fn one_that_is_gone_from_the_store_is_made_again() {
    let m = Meeting::start().await;
    let id = m.ongoing().await;
    let written = m.doctor.post(&of(&id, "prescription"), body("Dolo 650 Tablet")).await.expect(201);
    let first = m.patient.get(&path(&id)).await.expect(200);
    let mut conn = m.app.app.conn().await.unwrap();
    let kept = stored::find_pdf(&mut conn, text(&written["id"]).parse().unwrap()).await.unwrap().unwrap();
    drop(conn);
    assert!(kept.key.starts_with(&format!("development/sessions/{id}/prescriptions/")), "{}", kept.key);
    m.app.app.files.remove(&Object::new(Area::Prescriptions, kept.key)).await.unwrap();
    m.app.advance(TimeDelta::seconds(5));
    let second = m.patient.get(&path(&id)).await.expect(200);
    assert_ne!(second["generated_at"], first["generated_at"]);
    assert_eq!(fetch(&m, &second).await.0, 200);
}

#[tokio::test]
async fn a_store_that_refuses_is_said_and_asked_again_next_time() {
    let m = Meeting::start().await;
    let id = m.ongoing().await;
    m.doctor.post(&of(&id, "prescription"), body("Dolo 650 Tablet")).await.expect(201);
    let obstacle = Obstacle::at(&m.app, "prescriptions");
    let refused = m.patient.get(&path(&id)).await;
    refused.refused(503, "STORAGE_UNAVAILABLE");
    assert_eq!(refused.retry_after(), 1);
    obstacle.clear();
    let made = m.patient.get(&path(&id)).await.expect(200);
    // One that was made before is looked for, too.
    let obstacle = Obstacle::at(&m.app, "prescriptions");
    for client in [&m.patient, &m.doctor] {
        client.get(&path(&id)).await.refused(503, "STORAGE_UNAVAILABLE");
    }
    obstacle.clear();
    let again = m.doctor.get(&path(&id)).await.expect(200);
    assert_eq!(again["generated_at"], made["generated_at"]);
    assert_eq!(fetch(&m, &again).await.0, 200);
}

#[tokio::test]
async fn it_needs_a_consultation_that_was_held_and_a_part_in_it() {
    let m = Meeting::start().await;
    let refuse = async |id: &str, status: &str| {
        for client in [&m.patient, &m.doctor] {
            let extra = json!({"current_status": status});
            client.get(&path(id)).await.refused_with(409, "INVALID_SESSION_STATE", &extra);
        }
    };
    let requested = m.requested().await;
    refuse(&requested, "REQUESTED").await;
    m.patient.act(&of(&requested, "cancel")).await.expect(200);
    for status in ["REJECTED", "CANCELLED", "EXPIRED"] {
        refuse(&m.closed(status).await, status).await;
    }
    let id = m.ongoing().await;
    m.doctor.post(&of(&id, "prescription"), body("Dolo 650 Tablet")).await.expect(201);
    for stranger in m.strangers().await {
        stranger.get(&path(&id)).await.refused_plainly(404);
    }
    m.app.admin().await.get(&path(&id)).await.refused(403, "WRONG_ROLE");
    m.app.nobody().get(&path(&id)).await.refused_plainly(401);
}
