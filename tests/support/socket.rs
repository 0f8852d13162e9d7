//! A WebSocket client that waits with a deadline, never by sleeping.

use std::collections::VecDeque;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// How long a frame may take to come. Less than the 15 s after which a stream's comment or the nodes' comparing wakes
/// whoever should have been woken before: a signal that was lost must not pass for one that was late.
pub(crate) const DEADLINE: Duration = Duration::from_secs(14);
/// How long a connection may take to open; nothing else helps it.
const HANDSHAKE: Duration = Duration::from_secs(30);

/// What came over a socket.
#[derive(Debug, Clone)]
pub(crate) enum Incoming {
    /// A frame.
    Frame(Value),
    /// The close, with its code and reason; 1006 where the line was cut.
    Closed(u16, String),
}

/// One connection to the inbox.
pub(crate) struct Socket {
    line: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// Frames that came while an acknowledgement was waited for.
    early: VecDeque<Value>,
    refs: u64,
    /// How many pings came: heartbeats.
    pub(crate) pings: usize,
}

impl Socket {
    /// Opens a connection; or the status and body of the refusal, 0 and the error where nobody answers.
    pub(crate) async fn open(url: &str, token: Option<&str>) -> Result<Self, (u16, Value)> {
        let mut request = url.into_client_request().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", "consilium.v1".parse().unwrap());
        if let Some(token) = token {
            request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        }
        match timeout(HANDSHAKE, tokio_tungstenite::connect_async(request)).await.expect("no handshake in time") {
            Ok((line, response)) => {
                assert_eq!(response.headers()["sec-websocket-protocol"], "consilium.v1");
                Ok(Self { line, early: VecDeque::new(), refs: 0, pings: 0 })
            }
            Err(Error::Http(response)) => {
                let body = response.body().as_deref().unwrap_or_default();
                Err((response.status().as_u16(), serde_json::from_slice(body).unwrap_or(Value::Null)))
            }
            Err(error) => Err((0, Value::String(error.to_string()))),
        }
    }

    /// What comes next.
    pub(crate) async fn incoming(&mut self) -> Incoming {
        self.incoming_within(DEADLINE).await
    }

    /// As [`Socket::incoming`], where the server is being broken and takes longer.
    pub(crate) async fn incoming_within(&mut self, deadline: Duration) -> Incoming {
        if let Some(frame) = self.early.pop_front() {
            return Incoming::Frame(frame);
        }
        timeout(deadline, self.read()).await.expect("nothing came in time")
    }

    async fn read(&mut self) -> Incoming {
        loop {
            match self.line.next().await {
                Some(Ok(Message::Text(text))) => return Incoming::Frame(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Close(frame))) => {
                    let (code, reason) = frame
                        .map_or((1005, String::new()), |CloseFrame { code, reason }| (code.into(), reason.to_string()));
                    return Incoming::Closed(code, reason);
                }
                Some(Ok(Message::Ping(_))) => self.pings += 1,
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Incoming::Closed(1006, String::new()),
            }
        }
    }

    /// The next frame.
    pub(crate) async fn next(&mut self) -> Value {
        match self.incoming().await {
            Incoming::Frame(frame) => frame,
            Incoming::Closed(code, reason) => panic!("closed: {code} {reason}"),
        }
    }

    /// The next frame of this type; others are passed over.
    pub(crate) async fn next_of(&mut self, kind: &str) -> Value {
        loop {
            let frame = self.next().await;
            if frame["type"] == kind {
                return frame;
            }
        }
    }

    /// Whether nothing comes within this time. For showing that something is not sent: keep it short.
    pub(crate) async fn silent_for(&mut self, time: Duration) -> bool {
        self.early.is_empty() && timeout(time, self.read()).await.is_err()
    }

    /// The close code; frames before it are passed over.
    pub(crate) async fn closed(&mut self) -> u16 {
        loop {
            if let Incoming::Closed(code, _) = self.incoming().await {
                return code;
            }
        }
    }

    /// Sends a frame as it is.
    pub(crate) async fn send(&mut self, frame: &Value) {
        self.send_text(frame.to_string()).await;
    }

    /// Sends a text that may be no JSON.
    pub(crate) async fn send_text(&mut self, text: String) {
        self.line.send(Message::text(text)).await.unwrap();
    }

    /// Sends a binary frame.
    pub(crate) async fn send_binary(&mut self, bytes: Vec<u8>) {
        self.line.send(Message::binary(bytes)).await.unwrap();
    }

    /// Sends a command and waits for its `ack` or `error`; what comes before is kept for [`Socket::next`].
    pub(crate) async fn command(&mut self, kind: &str, fields: Value) -> Value {
        let reference = self.send_command(kind, fields).await;
        loop {
            let frame = match timeout(DEADLINE, self.read()).await.expect("no answer in time") {
                Incoming::Frame(frame) => frame,
                Incoming::Closed(code, reason) => panic!("closed: {code} {reason}"),
            };
            if frame["ref"] == reference.as_str() {
                return frame;
            }
            self.early.push_back(frame);
        }
    }

    /// Sends a command without waiting; answers its `ref`.
    pub(crate) async fn send_command(&mut self, kind: &str, mut fields: Value) -> String {
        self.refs += 1;
        let reference = self.refs.to_string();
        fields["type"] = json!(kind);
        fields["ref"] = json!(reference);
        self.send(&fields).await;
        reference
    }

    /// Says goodbye and waits for the server's: 1005 for an answer without a code, 1006 where none came.
    pub(crate) async fn leave(&mut self) -> u16 {
        self.line.close(None).await.unwrap();
        self.closed().await
    }

    /// Says goodbye.
    pub(crate) async fn close(mut self) {
        self.line.close(None).await.ok();
    }
}
