//! Attachments and reports: the flows of the page, step by step, with files of the samples' sizes.

use serde_json::{Value, json};

use super::Samples;
use crate::support::app::TestApp;
use crate::support::client::Client;
use crate::support::files::{fetch, form, post_form, put};
use crate::support::meeting::{accept, request};

/// A PDF of so many bytes.
fn pdf(sample: &Value) -> Vec<u8> {
    let mut bytes = b"%PDF-1.7\n".to_vec();
    bytes.resize(usize::try_from(sample["size_bytes"].as_u64().unwrap()).unwrap(), b'\n');
    bytes
}

async fn consultation(app: &TestApp) -> (Client, Client, String) {
    let (patient, doctor) = (app.patient().await, app.doctor().await);
    let session = request(&patient, &doctor).await;
    accept(&doctor, &session).await;
    (patient, doctor, session)
}

#[tokio::test]
async fn the_samples_of_attachments() {
    let app = TestApp::start().await;
    let (patient, doctor, session) = consultation(&app).await;
    let samples = Samples::of("attachments");
    let all = format!("connect/sessions/{session}/attachments");
    let body = samples.request("init");
    let begun = patient.post(&format!("{all}/init"), body.clone()).await.expect(201);
    samples.fits("init", &begun, &[]);
    assert_eq!((&begun["upload_mode"], &begun["status"]), (&json!("SAS"), &json!("PENDING")));
    // Step 2: PUT the file to upload_url directly. Step 3: complete.
    put(&begun["upload_url"], "application/pdf", pdf(&body)).await.expect(201);
    let path = format!("{all}/{}/complete", begun["id"].as_str().unwrap());
    let done = patient.post(&path, samples.request("complete")).await.expect(200);
    assert_eq!((&done["status"], &done["size_bytes"]), (&json!("UPLOADED"), &json!(524_288)));
    let listed = doctor.get(&format!("{all}?include_download_url=true")).await.expect(200);
    assert_eq!(fetch(&listed["items"][0]["download_url"]).await, (200, pdf(&body).into()));

    let body = samples.request_with("general_init", &json!({"scope_id": session}));
    let begun = patient.post("attachments/init", body.clone()).await.expect(201);
    samples.fits("init", &begun, &[]);
    put(&begun["upload_url"], "application/pdf", pdf(&body)).await.expect(201);
    let path = format!("attachments/{}/complete", begun["id"].as_str().unwrap());
    patient.post(&path, json!({})).await.expect(200);
    // "DIRECT": the bytes come to the server.
    let direct = samples.request_with("general_init", &json!({"scope_id": session, "upload_mode": "DIRECT"}));
    let begun = patient.post("attachments/init", direct).await.expect(201);
    samples.fits("init", &begun, &[]);
    assert_eq!((&begun["upload_mode"], &begun["status"]), (&json!("DIRECT"), &json!("PENDING")));
    let path = format!("attachments/{}/upload", begun["id"].as_str().unwrap());
    let sent = form(&[], "report.pdf", Some("application/pdf"), &pdf(&body));
    let sent = post_form(&patient, &path, sent).await.expect(200);
    assert_eq!((&sent["id"], &sent["status"]), (&begun["id"], &json!("UPLOADED")));
    let fields = [("scope_type", "SESSION".to_owned()), ("scope_id", session.clone())];
    let sent = form(&fields, "report.pdf", Some("application/pdf"), &pdf(&body));
    let sent = post_form(&patient, "attachments", sent).await.expect(201);
    let query = format!("attachments?scope_type=SESSION&scope_id={session}&include_download_url=true");
    let listed = doctor.get(&query).await.expect(200);
    Samples::of("lists").fits("page", &listed, &[]);
    assert_eq!(listed["total"], 4);
    assert_eq!(patient.delete(&format!("attachments/{}", sent["id"].as_str().unwrap())).await.status, 204);
    assert_eq!(doctor.get(&query).await.expect(200)["total"], 3);
}

#[tokio::test]
async fn the_samples_of_reports() {
    let app = TestApp::start_with(|config| config.environment = "staging".to_owned()).await;
    let (patient, doctor, session) = consultation(&app).await;
    let samples = Samples::of("reports");
    let all = format!("connect/sessions/{session}/reports");
    let query = "original_filename=blood_report.pdf&mime_type=application/pdf&size_bytes=524288";
    let mut begun = patient.act(&format!("{all}/init?{query}")).await.expect(201);
    // The one object whose keys are headers.
    let headers = begun["required_headers"].take();
    assert_eq!(headers, samples.response("init")["required_headers"]);
    samples.fits("init", &begun, &["required_headers"]);
    assert_eq!(begun["container_name"], samples.response("init")["container_name"]);
    let (blob, sample) =
        (begun["blob_name"].as_str().unwrap(), samples.response("init")["blob_name"].as_str().unwrap());
    // `staging/sessions/<id>/reports/<year>/<month>/<day>/<random>_blood_report.pdf`
    let shape =
        |name: &str| name.split('/').map(|part| part.split_once('_').map(|two| two.1.to_owned())).collect::<Vec<_>>();
    assert_eq!(shape(blob), shape(sample), "{blob}");
    assert!(blob.starts_with(&format!("staging/sessions/{session}/reports/20")), "{blob}");

    put(&begun["sas_url"], "application/pdf", pdf(&samples.request("init"))).await.expect(201);
    let one = format!("{all}/{}", begun["report_id"].as_str().unwrap());
    let done = patient.post(&format!("{one}/complete"), samples.request("complete")).await.expect(200);
    samples.fits("complete", &done, &[]);
    let listed = doctor.get(&format!("{all}?include_download_url=true")).await.expect(200);
    samples.fits("list", &listed, &[]);
    let shown = doctor.get(&one).await.expect(200);
    samples.fits("one", &shown, &[]);
    assert_eq!(shown["expires_in"], samples.response("one")["expires_in"]);
    doctor.delete(&one).await.refused(403, "WRONG_ROLE");
    let deleted = patient.delete(&one).await.expect(200);
    samples.fits("delete", &deleted, &[]);
    assert_eq!(deleted["status"], samples.response("delete")["status"]);
}
