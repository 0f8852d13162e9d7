//! FCM and Google's token endpoint on a free port: checks what comes, answers as told, and remembers everything.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

const ACCOUNT: &str = include_str!("../fixtures/fcm/service-account.json");
const PUBLIC_KEY: &str = include_str!("../fixtures/fcm/public-key.der.b64");
/// The path that the account's project has.
const SEND: &str = "/v1/projects/consilium-tests/messages:send";

/// What the peer answers to a message.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// Taken.
    Taken,
    /// A status with FCM's error body.
    Error(u16, Value),
    /// A status and headers, with no body.
    Bare(u16, Vec<(&'static str, &'static str)>),
    /// 200 with something that is no answer.
    Garbage(&'static str),
    /// Nothing, until the caller goes away.
    Silence,
}

/// FCM's words for a token that is gone.
pub(crate) fn unregistered() -> Reply {
    Reply::Error(404, error("NOT_FOUND", "UNREGISTERED"))
}

/// FCM's words for what never was a token, as it documents them.
pub(crate) fn no_token() -> Value {
    let mut body = error("INVALID_ARGUMENT", "INVALID_ARGUMENT");
    body["error"]["message"] = json!("The registration token is not a valid FCM registration token");
    body
}

/// An error body of HTTP v1.
pub(crate) fn error(status: &str, code: &str) -> Value {
    json!({"error": {"code": 0, "message": "for people", "status": status, "details": [
        {"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": code}]}})
}

#[derive(Default)]
struct Seen {
    /// Claims of the assertions that were exchanged.
    assertions: Vec<Value>,
    /// Bodies of the messages, in the order they came.
    messages: Vec<Value>,
    /// What each device's messages are answered, in order; then [`Reply::Taken`].
    replies: HashMap<String, VecDeque<Reply>>,
    /// Answers of the token endpoint, in order; then a good one.
    token_replies: VecDeque<(u16, String)>,
    /// Whether whoever asks for a token waits for it.
    is_held: bool,
    /// The tokens that hold.
    good: Vec<String>,
    /// What was wrong with a request: empty at the end of a good test.
    wrong: Vec<String>,
}

/// The peer; it ends with this value.
pub(crate) struct Fcm {
    /// Where it listens.
    pub(crate) url: String,
    seen: Arc<Mutex<Seen>>,
    serving: JoinHandle<()>,
}

impl Drop for Fcm {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Fcm {
    pub(crate) async fn start() -> Self {
        let seen: Arc<Mutex<Seen>> = Arc::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().route("/token", post(token)).fallback(send).with_state(Arc::clone(&seen));
        #[allow(clippy::disallowed_methods, reason = "it ends with the peer")]
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, seen, serving }
    }

    /// The account's file, with this peer's token endpoint.
    pub(crate) fn credentials(&self) -> String {
        let mut account: Value = serde_json::from_str(ACCOUNT).unwrap();
        account["token_uri"] = json!(format!("{}/token", self.url));
        account.to_string()
    }

    /// What the next messages to a device are answered.
    pub(crate) fn answer(&self, device: &str, replies: impl IntoIterator<Item = Reply>) {
        self.seen.lock().unwrap().replies.entry(device.to_owned()).or_default().extend(replies);
    }

    /// From now on a device's messages are taken.
    pub(crate) fn answer_well(&self, device: &str) {
        self.seen.lock().unwrap().replies.remove(device);
    }

    /// What the next requests for a token are answered.
    pub(crate) fn answer_token(&self, status: u16, body: &str) {
        self.seen.lock().unwrap().token_replies.push_back((status, body.to_owned()));
    }

    /// Whether whoever asks for a token waits, until told otherwise.
    pub(crate) fn hold_tokens(&self, is_held: bool) {
        self.seen.lock().unwrap().is_held = is_held;
    }

    /// From now on no token that was given holds.
    pub(crate) fn revoke(&self) {
        self.seen.lock().unwrap().good.clear();
    }

    /// The claims of all assertions so far.
    pub(crate) fn assertions(&self) -> Vec<Value> {
        self.sound().assertions.clone()
    }

    /// The messages to a device so far.
    pub(crate) fn messages(&self, device: &str) -> Vec<Value> {
        let seen = self.sound();
        seen.messages.iter().filter(|message| message["token"] == device).cloned().collect()
    }

    /// All messages so far.
    pub(crate) fn all(&self) -> Vec<Value> {
        self.sound().messages.clone()
    }

    fn sound(&self) -> std::sync::MutexGuard<'_, Seen> {
        let seen = self.seen.lock().unwrap();
        assert!(seen.wrong.is_empty(), "{:?}", seen.wrong);
        seen
    }
}

async fn token(State(seen): State<Arc<Mutex<Seen>>>, headers: HeaderMap, body: Bytes) -> Response {
    let answer = grant(&mut seen.lock().unwrap(), &headers, &body);
    while seen.lock().unwrap().is_held {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    answer
}

fn grant(seen: &mut Seen, headers: &HeaderMap, body: &[u8]) -> Response {
    let form: HashMap<String, String> = url::form_urlencoded::parse(body).into_owned().collect();
    if headers["content-type"] != "application/x-www-form-urlencoded"
        || form.get("grant_type").is_none_or(|grant| grant != "urn:ietf:params:oauth:grant-type:jwt-bearer")
    {
        seen.wrong.push(format!("no grant: {form:?}"));
    }
    match claims(form.get("assertion").map_or("", String::as_str)) {
        Ok(claims) => seen.assertions.push(claims),
        Err(why) => seen.wrong.push(why),
    }
    if let Some((status, body)) = seen.token_replies.pop_front() {
        return (StatusCode::from_u16(status).unwrap(), body).into_response();
    }
    let token = format!("ya29.{}", seen.assertions.len());
    seen.good.push(token.clone());
    json!({"access_token": token, "expires_in": 3599, "token_type": "Bearer"}).to_string().into_response()
}

/// The claims of an assertion whose signature stands.
fn claims(assertion: &str) -> Result<Value, String> {
    let (signed, signature) = assertion.rsplit_once('.').ok_or("no assertion")?;
    let (header, claims) = signed.split_once('.').ok_or("no claims")?;
    let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).map_err(|error| error.to_string());
    let key = STANDARD.decode(PUBLIC_KEY.trim()).unwrap();
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key)
        .verify(signed.as_bytes(), &decode(signature)?)
        .map_err(|_| "the signature does not stand")?;
    let header: Value = serde_json::from_slice(&decode(header)?).map_err(|error| error.to_string())?;
    if header != json!({"alg": "RS256", "typ": "JWT", "kid": "test-key-1"}) {
        return Err(format!("header {header}"));
    }
    serde_json::from_slice(&decode(claims)?).map_err(|error| error.to_string())
}

async fn send(State(seen): State<Arc<Mutex<Seen>>>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let reply = {
        let mut seen = seen.lock().unwrap();
        let bearer = headers.get("authorization").map_or("", |value| value.to_str().unwrap());
        let is_good = seen.good.iter().any(|token| bearer == format!("Bearer {token}"));
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        let message = body["message"].clone();
        if uri.path() != SEND || !message.is_object() || body.as_object().is_none_or(|body| body.len() != 1) {
            seen.wrong.push(format!("{uri}: {body}"));
        }
        if !is_good {
            // As Google says it of an access token; with an `FcmError` it would be of Apple's key.
            let details =
                json!([{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "ACCESS_TOKEN_EXPIRED"}]);
            let body = json!({"error": {"code": 401, "status": "UNAUTHENTICATED", "details": details}});
            return (StatusCode::UNAUTHORIZED, body.to_string()).into_response();
        }
        let device = message["token"].as_str().unwrap_or_default().to_owned();
        seen.messages.push(message);
        seen.replies.get_mut(&device).and_then(VecDeque::pop_front).unwrap_or(Reply::Taken)
    };
    match reply {
        Reply::Taken => json!({"name": "projects/consilium-tests/messages/1"}).to_string().into_response(),
        Reply::Error(status, body) => (StatusCode::from_u16(status).unwrap(), body.to_string()).into_response(),
        Reply::Bare(status, headers) => {
            let mut answer = Response::builder().status(status);
            for (name, value) in headers {
                answer = answer.header(name, value);
            }
            answer.body(Body::empty()).unwrap()
        }
        Reply::Garbage(body) => body.into_response(),
        Reply::Silence => {
            tokio::time::sleep(Duration::from_secs(60)).await;
            StatusCode::OK.into_response()
        }
    }
}
