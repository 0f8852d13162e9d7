//! Somebody who calls the server: HTTP with JSON, and the doors of the inbox.

use axum::http::Method;
use consilium_storage::ids::UserId;
use serde_json::{Value, json};

use super::socket::Socket;
use super::stream::Stream;

/// A caller, with or without a token. Paths are relative to `/api/v2` unless they begin with `/api`, `/dev` or another
/// root of their own: see [`Client::url`].
#[derive(Clone)]
pub(crate) struct Client {
    /// Whose token it is; nil for nobody.
    pub(crate) id: UserId,
    /// The access token.
    pub(crate) token: Option<String>,
    /// The refresh token.
    pub(crate) refresh_token: Option<String>,
    http: reqwest::Client,
    base: String,
}

impl Client {
    pub(crate) fn new(http: reqwest::Client, base: String) -> Self {
        Self { id: UserId(uuid::Uuid::nil()), token: None, refresh_token: None, http, base }
    }

    /// The same caller at another node.
    pub(crate) fn at(&self, base: &str) -> Self {
        Self { base: base.to_owned(), ..self.clone() }
    }

    /// Takes the tokens of a pair.
    pub(crate) fn signed_in(&mut self, pair: &Value) {
        let text = |name: &str| pair[name].as_str().map(str::to_owned);
        (self.token, self.refresh_token) = (text("access_token"), text("refresh_token"));
    }

    /// `users/me` is below `/api/v2`, `/health` is not.
    pub(crate) fn url(&self, path: &str) -> String {
        if path.starts_with('/') { format!("{}{path}", self.base) } else { format!("{}/api/v2/{path}", self.base) }
    }

    /// A request with the caller's token, for what the shorter ways do not offer.
    pub(crate) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.http.request(method, self.url(path));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        send(self.request(Method::GET, path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        send(self.request(Method::POST, path).json(&body)).await
    }

    /// A POST without a body.
    pub(crate) async fn act(&self, path: &str) -> Answer {
        send(self.request(Method::POST, path)).await
    }

    /// A POST with an `Idempotency-Key`.
    pub(crate) async fn post_once(&self, path: &str, key: &str, body: Value) -> Answer {
        send(self.request(Method::POST, path).header("idempotency-key", key).json(&body)).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Answer {
        send(self.request(Method::PUT, path).json(&body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Answer {
        send(self.request(Method::PATCH, path).json(&body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        send(self.request(Method::DELETE, path)).await
    }

    /// A DELETE with a body.
    pub(crate) async fn delete_with(&self, path: &str, body: Value) -> Answer {
        send(self.request(Method::DELETE, path).json(&body)).await
    }

    /// The inbox over WebSocket; `since` is a cursor.
    pub(crate) async fn socket(&self, since: Option<&str>) -> Socket {
        let query = since.map(|cursor| format!("?since={cursor}")).unwrap_or_default();
        self.try_socket(&query).await.unwrap_or_else(|(status, body)| panic!("refused: {status} {body}"))
    }

    /// As [`Client::socket`], with the whole query; a refusal is its status and body.
    pub(crate) async fn try_socket(&self, query: &str) -> Result<Socket, (u16, Value)> {
        let url = self.url(&format!("connect/ws{query}")).replacen("http://", "ws://", 1);
        Socket::open(&url, self.token.as_deref()).await
    }

    /// A stream of server-sent events: `connect/events`, `connect/sessions/requests/stream`.
    pub(crate) async fn stream(&self, path: &str, last_event_id: Option<&str>) -> Stream {
        let mut request = self.request(Method::GET, path).header("accept", "text/event-stream");
        if let Some(id) = last_event_id {
            request = request.header("last-event-id", id);
        }
        Stream::open(request).await
    }
}

/// Sends a request and reads the whole answer.
pub(crate) async fn send(request: reqwest::RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let text = response.text().await.unwrap();
    let body = serde_json::from_str(&text).unwrap_or(Value::Null);
    Answer { status, headers, body, text }
}

/// An answer with its whole body.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    /// Null where the body is no JSON.
    pub(crate) body: Value,
    pub(crate) text: String,
}

impl Answer {
    /// The body, when the status is this one.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        self.body
    }

    /// The whole refusal: its status, code and extra keys, and a text for people in `detail`.
    #[track_caller]
    pub(crate) fn refused(&self, status: u16, code: &str) {
        self.refused_with(status, code, &json!({}));
    }

    /// As [`Answer::refused`], with these extra keys and no others.
    #[track_caller]
    pub(crate) fn refused_with(&self, status: u16, code: &str, extra: &Value) {
        assert_eq!(self.status, status, "{}", self.text);
        let mut body = self.body.as_object().unwrap().clone();
        assert!(body.remove("detail").is_some_and(|detail| detail.is_string()), "{}", self.text);
        assert_eq!(body.remove("code"), Some(json!(code)), "{}", self.text);
        assert_eq!(Value::Object(body), *extra);
    }

    /// A refusal that has no code: 401, 404, 405.
    #[track_caller]
    pub(crate) fn refused_plainly(&self, status: u16) {
        assert_eq!(self.status, status, "{}", self.text);
        let body = self.body.as_object().unwrap();
        assert_eq!(body.keys().collect::<Vec<_>>(), ["detail"], "{}", self.text);
        assert!(body["detail"].is_string());
    }

    /// A 422 with exactly these failures, each `place.name type`, in any order: `body.phone missing`.
    #[track_caller]
    pub(crate) fn invalid(&self, failures: &[&str]) {
        assert_eq!(self.status, 422, "{}", self.text);
        assert_eq!(self.body.as_object().unwrap().len(), 1, "{}", self.text);
        let mut found: Vec<String> = self.body["detail"].as_array().unwrap().iter().map(failure).collect();
        found.sort();
        let mut expected = failures.to_vec();
        expected.sort_unstable();
        assert_eq!(found, expected, "{}", self.text);
    }

    /// Seconds to wait of a 429.
    #[track_caller]
    pub(crate) fn retry_after(&self) -> u64 {
        self.headers["retry-after"].to_str().unwrap().parse().unwrap()
    }
}

fn failure(issue: &Value) -> String {
    let loc: Vec<String> =
        issue["loc"].as_array().unwrap().iter().map(|part| part.to_string().replace('"', "")).collect();
    assert!(issue["msg"].is_string() && issue.as_object().unwrap().len() == 3, "{issue}");
    format!("{} {}", loc.join("."), issue["type"].as_str().unwrap())
}

/// The keys of an object, sorted.
#[track_caller]
pub(crate) fn keys(object: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = object.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}
