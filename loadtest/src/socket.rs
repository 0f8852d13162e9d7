//! Opening a WebSocket, with small buffers: thousands of them live in this process.

use std::time::Duration;

use futures_util::StreamExt;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::client_async_with_config;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use uuid::Uuid;

use crate::frame::Frame;
use crate::http;

/// A connection of subprotocol `consilium.v1`.
pub(crate) type Socket = WebSocketStream<TcpStream>;

/// What `connected` said.
#[derive(Debug)]
pub(crate) struct Greeting {
    pub(crate) cursor: Option<String>,
    pub(crate) user_id: Option<Uuid>,
    pub(crate) resumed: bool,
    pub(crate) replay: u64,
}

/// Why there is no connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Refused {
    Unauthenticated,
    Status(u16),
    Transport,
}

/// Connects and waits for the greeting.
pub(crate) async fn open(authority: &str, token: &str, since: Option<&str>) -> Result<(Socket, Greeting), Refused> {
    open_within(Duration::from_secs(15), authority, token, since).await
}

/// The same for somebody of little patience.
pub(crate) async fn open_within(
    patience: Duration,
    authority: &str,
    token: &str,
    since: Option<&str>,
) -> Result<(Socket, Greeting), Refused> {
    let opening = Box::pin(open_now(authority, token, since));
    timeout(patience, opening).await.unwrap_or(Err(Refused::Transport))
}

async fn open_now(authority: &str, token: &str, since: Option<&str>) -> Result<(Socket, Greeting), Refused> {
    let stream = http::dial(authority).await.map_err(|_| Refused::Transport)?;
    let address = match since {
        Some(cursor) => format!("ws://{authority}/api/v2/connect/ws?since={cursor}"),
        None => format!("ws://{authority}/api/v2/connect/ws"),
    };
    let mut request = address.into_client_request().map_err(|_| Refused::Transport)?;
    let headers = request.headers_mut();
    let bearer = format!("Bearer {token}").parse();
    headers.insert("authorization", bearer.map_err(|_| Refused::Transport)?);
    let protocol = "consilium.v1".parse();
    headers.insert("sec-websocket-protocol", protocol.map_err(|_| Refused::Transport)?);
    let config =
        WebSocketConfig::default().read_buffer_size(4096).write_buffer_size(2048).max_write_buffer_size(1024 * 1024);
    let (mut socket, _) = client_async_with_config(request, stream, Some(config)).await.map_err(refusal)?;
    loop {
        match socket.next().await {
            Some(Ok(Message::Text(text))) => {
                let frame = Frame::parse(text.as_str()).map_err(|_| Refused::Transport)?;
                if frame.name != "connected" {
                    continue;
                }
                let greeting = Greeting {
                    cursor: frame.cursor.map(|cursor| cursor.into_owned()),
                    user_id: frame.user_id,
                    resumed: frame.resumed,
                    replay: frame.replay,
                };
                return Ok((socket, greeting));
            }
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            Some(Ok(_) | Err(_)) | None => return Err(Refused::Transport),
        }
    }
}

fn refusal(error: Error) -> Refused {
    match error {
        Error::Http(response) => match response.status().as_u16() {
            401 => Refused::Unauthenticated,
            status => Refused::Status(status),
        },
        _ => Refused::Transport,
    }
}
