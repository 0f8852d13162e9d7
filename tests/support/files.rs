//! Files as clients send them.

use std::path::PathBuf;
use std::time::Duration;

use axum::http::Method;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::app::TestApp;
use super::client::{Answer, Client, send};
use super::meeting::{of, text};
use super::process::http_client;

pub(crate) const PDF: &[u8] = b"%PDF-1.7\nten pages of results\n%%EOF";
pub(crate) const PNG: &[u8] = b"\x89PNG\r\n\x1a\nwhatever follows";

/// The body of 52 for these bytes.
pub(crate) fn declared(filename: &str, content_type: &str, bytes: &[u8]) -> Value {
    json!({"filename": filename, "content_type": content_type, "size_bytes": bytes.len()})
}

/// Begins an attachment of a consultation (52).
pub(crate) async fn init(client: &Client, session: &str, filename: &str, kind: &str, bytes: &[u8]) -> Value {
    client.post(&of(session, "attachments/init"), declared(filename, kind, bytes)).await.expect(201)
}

/// A PUT to an upload address, with the headers that every store takes.
pub(crate) async fn put(url: &Value, kind: &str, bytes: impl Into<reqwest::Body>) -> Answer {
    let request = http_client().put(text(url)).header("x-ms-blob-type", "BlockBlob").header("content-type", kind);
    send(request.body(bytes)).await
}

/// Completes an attachment of a consultation (53).
pub(crate) async fn complete(client: &Client, session: &str, id: &Value) -> Answer {
    client.post(&of(session, &format!("attachments/{}/complete", text(id))), json!({})).await
}

/// A complete attachment of a consultation; answers its id.
pub(crate) async fn attach(client: &Client, session: &str, filename: &str, kind: &str, bytes: &'static [u8]) -> Value {
    let begun = init(client, session, filename, kind, bytes).await;
    assert_eq!(put(&begun["upload_url"], kind, bytes).await.status, 201);
    complete(client, session, &begun["id"]).await.expect(200);
    begun["id"].clone()
}

/// Begins a report (58).
pub(crate) async fn init_report(client: &Client, session: &str, name: &str, kind: &str, size: usize) -> Answer {
    let query: String = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("original_filename", name)
        .append_pair("mime_type", kind)
        .append_pair("size_bytes", &size.to_string())
        .finish();
    client.act(&of(session, &format!("reports/init?{query}"))).await
}

/// Completes a report (59).
pub(crate) async fn complete_report(client: &Client, session: &str, id: &Value) -> Answer {
    client.post(&of(session, &format!("reports/{}/complete", text(id))), json!({})).await
}

/// A complete report; answers its id.
pub(crate) async fn report(client: &Client, session: &str, filename: &str) -> Value {
    let begun = init_report(client, session, filename, "application/pdf", PDF.len()).await.expect(201);
    assert_eq!(put(&begun["sas_url"], "application/pdf", PDF).await.status, 201);
    complete_report(client, session, &begun["report_id"]).await.expect(200);
    begun["report_id"].clone()
}

/// A form with a file, and fields before it.
pub(crate) fn form(fields: &[(&'static str, String)], filename: &str, kind: Option<&str>, bytes: &[u8]) -> Form {
    let part = Part::bytes(bytes.to_vec()).file_name(filename.to_owned());
    let part = kind.map_or_else(
        || Part::bytes(bytes.to_vec()).file_name(filename.to_owned()),
        |kind| part.mime_str(kind).unwrap(),
    );
    let form = fields.iter().fold(Form::new(), |form, (name, value)| form.text(*name, value.clone()));
    form.part("file", part)
}

/// A POST of a form.
pub(crate) async fn post_form(client: &Client, path: &str, form: Form) -> Answer {
    send(client.request(Method::POST, path).multipart(form)).await
}

/// What is fetched by an address.
pub(crate) async fn fetch(url: &Value) -> (u16, bytes::Bytes) {
    let answer = http_client().get(text(url)).send().await.unwrap();
    (answer.status().as_u16(), answer.bytes().await.unwrap())
}

/// Something that stands where a folder of the store of local files should be: the store refuses until it is cleared.
pub(crate) struct Obstacle {
    folder: PathBuf,
    aside: PathBuf,
}

impl Obstacle {
    /// In the place of `sessions`, `reports` and so on.
    pub(crate) fn at(app: &TestApp, area: &str) -> Self {
        let root = app.app.config.files_dir();
        let obstacle = Self { folder: root.join(area), aside: root.join(format!("{area}-aside")) };
        std::fs::create_dir_all(&obstacle.folder).unwrap();
        std::fs::rename(&obstacle.folder, &obstacle.aside).unwrap();
        std::fs::write(&obstacle.folder, "in the way").unwrap();
        obstacle
    }

    /// What stood there before is back.
    pub(crate) fn clear(self) {
        std::fs::remove_file(&self.folder).unwrap();
        std::fs::rename(&self.aside, &self.folder).unwrap();
    }
}

/// A round of the sweeper. It gives up where the disk takes two seconds to answer, and asks it anew five seconds later.
pub(crate) async fn swept(app: &TestApp) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while let Err(error) = consilium::jobs::files::sweep(&app.app).await {
        assert!(Instant::now() < deadline, "{error}");
        sleep(Duration::from_millis(50)).await;
    }
}

/// How many objects the store of local files holds, half-written ones too.
pub(crate) fn objects(app: &TestApp) -> usize {
    count(&app.app.config.files_dir())
}

fn count(folder: &std::path::Path) -> usize {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    entries.map(|entry| entry.unwrap().path()).map(|path| if path.is_dir() { count(&path) } else { 1 }).sum()
}
