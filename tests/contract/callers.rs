//! A caller of each role, and requests whose answers are checked for what every answer has.

use axum::http::Method;
use consilium_storage::accounts::Role;
use serde_json::Value;

use crate::support::app::TestApp;
use crate::support::client::{Answer, Client};

/// One caller of each role.
pub(crate) struct Callers {
    nobody: Client,
    patient: Client,
    doctor: Client,
    admin: Client,
}

impl Callers {
    pub(crate) async fn of(app: &TestApp) -> Self {
        Self {
            nobody: app.nobody(),
            patient: app.patient().await,
            doctor: app.doctor().await,
            admin: app.admin().await,
        }
    }

    pub(crate) fn all(&self) -> [(Role, &Client); 3] {
        [(Role::Client, &self.patient), (Role::Doctor, &self.doctor), (Role::Admin, &self.admin)]
    }

    pub(crate) fn nobody(&self) -> &Client {
        &self.nobody
    }

    /// Somebody whom these roles let in.
    pub(crate) fn one_of(&self, roles: Option<&[Role]>) -> &Client {
        let Some(roles) = roles else { return &self.nobody };
        self.all().into_iter().find(|(role, _)| roles.contains(role)).unwrap().1
    }
}

/// Asks and checks what every answer has. The body of a stream is not waited for: its answer has none here.
pub(crate) async fn ask(client: &Client, method: &Method, path: &str) -> Answer {
    read(client.request(method.clone(), path)).await
}

/// As [`ask`], for a request that is made already.
pub(crate) async fn read(request: reqwest::RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let url = response.url().path().to_owned();
    let kind = headers.get("content-type").map_or("", |kind| kind.to_str().unwrap()).to_owned();
    let text = if kind.starts_with("text/event-stream") { String::new() } else { response.text().await.unwrap() };
    assert!(headers.get("x-request-id").is_some_and(|id| !id.is_empty()), "{url}: no X-Request-Id");
    let body: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
    if status >= 400 {
        assert_eq!(kind, "application/json", "{url}: {text}");
        assert!(body.is_object(), "{url}: {text}");
    }
    assert_ne!(status, 500, "{url}: {text}");
    assert_eq!(status == 401, headers.contains_key("www-authenticate"), "{url}");
    Answer { status, headers, body, text }
}
