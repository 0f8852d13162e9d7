//! A small HTTP/1.1 client: keep-alive connections, bounded in number, bounded in time.

use std::fmt;
use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

/// The longest any one request may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// The largest body accepted.
const LARGEST: usize = 16 * 1024 * 1024;

/// One node of the server.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// `host:port`.
    pub(crate) authority: String,
}

impl Target {
    /// Reads `http://host:port`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let url = url::Url::parse(text).map_err(|error| format!("{text}: {error}"))?;
        if url.scheme() != "http" {
            return Err(format!("{text}: only http:// addresses"));
        }
        let host = url.host_str().ok_or_else(|| format!("{text}: no host in it"))?;
        let port = url.port_or_known_default().unwrap_or(80);
        Ok(Self { authority: format!("{host}:{port}") })
    }
}

/// Why a request had no answer, or not the expected one.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// No connection, a broken one, or too late.
    Transport(String),
    /// An answer of another status than hoped for.
    Refused(Refusal),
}

/// A refusal by the server.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) code: Option<String>,
    pub(crate) detail: String,
    pub(crate) body: Value,
}

impl Refusal {
    pub(crate) fn from_answer(answer: &Answer) -> Self {
        let body: Value = serde_json::from_slice(&answer.body).unwrap_or(Value::Null);
        let text = |key: &str| body.get(key).and_then(Value::as_str).map(str::to_owned);
        Self { status: answer.status, code: text("code"), detail: text("detail").unwrap_or_default(), body }
    }

    /// The status and the code word, for counting.
    pub(crate) fn label(&self) -> String {
        match &self.code {
            Some(code) => format!("{} {code}", self.status),
            None => self.status.to_string(),
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Transport(why) => f.write_str(why),
            Self::Refused(refusal) => write!(f, "{} {}", refusal.label(), refusal.detail),
        }
    }
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Bytes,
}

impl Answer {
    /// The body as `T`, if the status is 2xx.
    pub(crate) fn expect<T: DeserializeOwned>(&self) -> Result<T, Trouble> {
        if !(200..300).contains(&self.status) {
            return Err(Trouble::Refused(Refusal::from_answer(self)));
        }
        serde_json::from_slice(&self.body).map_err(|error| Trouble::Transport(format!("unreadable answer: {error}")))
    }
}

/// A request to make.
#[derive(Clone, Debug)]
pub(crate) struct Call<'a> {
    pub(crate) method: Method,
    pub(crate) path: &'a str,
    pub(crate) token: Option<&'a str>,
    pub(crate) body: Option<Value>,
    pub(crate) idempotency_key: Option<String>,
}

impl<'a> Call<'a> {
    pub(crate) fn get(path: &'a str, token: Option<&'a str>) -> Self {
        Self { method: Method::GET, path, token, body: None, idempotency_key: None }
    }

    pub(crate) fn post(path: &'a str, token: Option<&'a str>, body: Value) -> Self {
        Self { method: Method::POST, path, token, body: Some(body), idempotency_key: None }
    }
}

/// The connections to all targets.
#[derive(Debug)]
pub(crate) struct Http {
    pub(crate) targets: Vec<Target>,
    idle: Mutex<Vec<(usize, SendRequest<Full<Bytes>>)>>,
    /// For each target its own: requests that wait for a node that hangs keep nobody from the others.
    permits: Vec<Semaphore>,
    patience: Duration,
    tasks: TaskTracker,
}

impl Http {
    /// At most `connections` requests to a node at a time.
    pub(crate) fn new(targets: Vec<Target>, connections: usize) -> Self {
        let permits = targets.iter().map(|_| Semaphore::new(connections)).collect();
        Self { targets, idle: Mutex::new(Vec::new()), permits, patience: PATIENCE, tasks: TaskTracker::new() }
    }

    /// Waits no longer than this for an answer.
    pub(crate) fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// The number of the node that `at` means, counted round.
    pub(crate) fn node(&self, at: usize) -> usize {
        at % self.targets.len().max(1)
    }

    /// The address of node `at`, counted round.
    pub(crate) fn authority(&self, at: usize) -> &str {
        self.targets.get(self.node(at)).map_or("127.0.0.1:8080", |target| target.authority.as_str())
    }

    fn take_idle(&self, at: usize) -> Option<SendRequest<Full<Bytes>>> {
        let mut idle = self.idle.lock().ok()?;
        idle.retain(|(_, sender)| !sender.is_closed());
        let found = idle.iter().position(|(target, _)| *target == at)?;
        Some(idle.swap_remove(found).1)
    }

    fn put_back(&self, at: usize, sender: SendRequest<Full<Bytes>>) {
        if let Ok(mut idle) = self.idle.lock() {
            idle.push((at, sender));
        }
    }

    async fn connect(&self, at: usize) -> Result<SendRequest<Full<Bytes>>, Trouble> {
        let stream = dial(self.authority(at)).await?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(transport)?;
        self.tasks.spawn(async move {
            // A broken connection shows at the request that used it.
            drop(connection.await);
        });
        Ok(sender)
    }

    /// One request to node `at`, one whole answer.
    pub(crate) async fn call(&self, at: usize, call: &Call<'_>) -> Result<Answer, Trouble> {
        let at = self.node(at);
        let permit = match self.permits.get(at) {
            Some(permits) => Some(permits.acquire().await),
            None => None,
        };
        let exchange = async {
            if let Some(mut sender) = self.take_idle(at)
                && sender.ready().await.is_ok()
            {
                return self.exchange(at, sender, call).await;
            }
            let sender = self.connect(at).await?;
            self.exchange(at, sender, call).await
        };
        let answer = timeout(self.patience, exchange).await;
        drop(permit);
        answer.unwrap_or_else(|_| Err(Trouble::Transport("no answer in time".into())))
    }

    async fn exchange(
        &self,
        at: usize,
        mut sender: SendRequest<Full<Bytes>>,
        call: &Call<'_>,
    ) -> Result<Answer, Trouble> {
        let request = request(self.authority(at), call)?;
        let response = sender.send_request(request).await.map_err(transport)?;
        let status = response.status().as_u16();
        let body = http_body_util::Limited::new(response.into_body(), LARGEST)
            .collect()
            .await
            .map_err(|error| Trouble::Transport(error.to_string()))?
            .to_bytes();
        self.put_back(at, sender);
        Ok(Answer { status, body })
    }

    /// Opens an answer that does not end; the connection is its own and not counted against the bound.
    pub(crate) async fn stream(
        &self,
        at: usize,
        path: &str,
        token: &str,
        last_event_id: Option<&str>,
    ) -> Result<Response<Incoming>, Trouble> {
        let open = async {
            let mut sender = self.connect(at).await?;
            let mut request = Request::get(path)
                .header(HOST, self.authority(at))
                .header(ACCEPT, "text/event-stream")
                .header(AUTHORIZATION, format!("Bearer {token}"));
            if let Some(id) = last_event_id {
                request = request.header("last-event-id", id);
            }
            let request =
                request.body(Full::new(Bytes::new())).map_err(|error| Trouble::Transport(error.to_string()))?;
            sender.send_request(request).await.map_err(transport)
        };
        let response = timeout(self.patience, open)
            .await
            .unwrap_or_else(|_| Err(Trouble::Transport("no answer in time".into())))?;
        if response.status().as_u16() == 200 {
            return Ok(response);
        }
        let status = response.status().as_u16();
        let body = timeout(self.patience, response.into_body().collect()).await;
        let body = match body {
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(_)) | Err(_) => Bytes::new(),
        };
        let answer = Answer { status, body };
        Err(Trouble::Refused(Refusal::from_answer(&answer)))
    }
}

/// A TCP connection without Nagle's delay.
pub(crate) async fn dial(authority: &str) -> Result<TcpStream, Trouble> {
    let stream = timeout(Duration::from_secs(10), TcpStream::connect(authority))
        .await
        .map_err(|_| Trouble::Transport("connecting took too long".into()))?
        .map_err(|error| Trouble::Transport(format!("connect: {}", error.kind())))?;
    stream.set_nodelay(true).map_err(|error| Trouble::Transport(error.to_string()))?;
    Ok(stream)
}

fn transport(error: hyper::Error) -> Trouble {
    let what = if error.is_closed() || error.is_incomplete_message() {
        "connection closed"
    } else if error.is_timeout() {
        "time-out"
    } else {
        "broken connection"
    };
    drop(error);
    Trouble::Transport(what.into())
}

fn request(authority: &str, call: &Call<'_>) -> Result<Request<Full<Bytes>>, Trouble> {
    let mut request = Request::builder().method(call.method.clone()).uri(call.path).header(HOST, authority);
    if let Some(token) = call.token {
        request = request.header(AUTHORIZATION, format!("Bearer {token}"));
    }
    if let Some(key) = &call.idempotency_key {
        request = request.header("idempotency-key", key);
    }
    let body = match &call.body {
        Some(value) => {
            request = request.header(CONTENT_TYPE, "application/json");
            Bytes::from(value.to_string())
        }
        None => Bytes::new(),
    };
    request.body(Full::new(body)).map_err(|error| Trouble::Transport(error.to_string()))
}
