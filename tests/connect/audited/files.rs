//! Attachments and reports, by each of their ways.

use serde_json::{Value, json};

use super::watch::{Watch, Who};
use crate::support::files::{PDF, declared, form, post_form, put};
use crate::support::meeting::{of, text};

const KIND: &str = "application/pdf";

/// 52 to 54, 103 to 108.
pub(super) async fn of_attachments(w: &mut Watch, session: &str) {
    let all = of(session, "attachments");
    let body = declared("a.pdf", KIND, PDF);
    let begun = w.call("C52", Who::Patient, &format!("{all}/init"), body, "attachment.begin").await;
    put(&begun["upload_url"], KIND, PDF).await.expect(201);
    let complete = format!("{all}/{}/complete", text(&begun["id"]));
    w.call("C53", Who::Patient, &complete, json!({}), "attachment.upload").await;
    w.call("C54", Who::Doctor, &all, Value::Null, "attachment.list").await;

    let mut body = declared("b.pdf", KIND, PDF);
    (body["scope_type"], body["scope_id"]) = (json!("SESSION"), json!(session));
    let begun = w.call("C103", Who::Doctor, "attachments/init", body.clone(), "attachment.begin").await;
    put(&begun["upload_url"], KIND, PDF).await.expect(201);
    let complete = format!("attachments/{}/complete", text(&begun["id"]));
    w.call("C105", Who::Doctor, &complete, json!({}), "attachment.upload").await;
    let list = format!("attachments?scope_type=SESSION&scope_id={session}");
    w.call("C107", Who::Doctor, &list, Value::Null, "attachment.list").await;
    let one = format!("attachments/{}", text(&begun["id"]));
    w.call("C108", Who::Doctor, &one, Value::Null, "attachment.delete").await;

    body["upload_mode"] = json!("DIRECT");
    let begun = w.m.patient.post("attachments/init", body).await.expect(201);
    let direct = format!("attachments/{}/upload", text(&begun["id"]));
    send_form(w, "C104", &direct, &[]).await;
    let fields = [("scope_type", "SESSION".to_owned()), ("scope_id", session.to_owned())];
    send_form(w, "C106", "attachments", &fields).await;
}

/// A form by a stranger, and by the patient.
async fn send_form(w: &mut Watch, id: &'static str, path: &str, fields: &[(&'static str, String)]) {
    let (patient, stranger) = (w.client(Who::Patient), w.stranger(Who::Patient));
    w.pass().await;
    let answer = post_form(&stranger, path, form(fields, "c.pdf", Some(KIND), PDF)).await;
    w.refused(id, &answer).await;
    let answer = post_form(&patient, path, form(fields, "c.pdf", Some(KIND), PDF)).await;
    w.noted(id, Some(patient.id), "attachment.upload", Some(patient.id), answer).await;
}

/// 58 to 62.
pub(super) async fn of_reports(w: &mut Watch, session: &str) {
    let all = of(session, "reports");
    let query = format!("original_filename=blood.pdf&mime_type={KIND}&size_bytes={}", PDF.len());
    let begun = w.call("C58", Who::Patient, &format!("{all}/init?{query}"), Value::Null, "report.begin").await;
    put(&begun["sas_url"], KIND, PDF).await.expect(201);
    let one = format!("{all}/{}", text(&begun["report_id"]));
    w.call("C59", Who::Patient, &format!("{one}/complete"), json!({}), "report.upload").await;
    w.call("C60", Who::Doctor, &all, Value::Null, "report.list").await;
    w.call("C61", Who::Doctor, &one, Value::Null, "report.read").await;
    w.call("C62", Who::Patient, &one, Value::Null, "report.delete").await;
}
