//! A doctor at work while everybody comes back: what he writes then meets the replay.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::Message;
use uuid::Uuid;

use crate::frame::{self, Frame};
use crate::socket::Socket;

/// Between two messages of a doctor, well under the command limit.
const PAUSE: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_secs(60);

/// A doctor's connection, and the messages to write: session and `client_message_id`.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) socket: Socket,
    pub(super) letters: Vec<(Uuid, Uuid)>,
}

impl Desk {
    /// Writes them once it has begun; answers how many were acknowledged.
    pub(super) async fn work(mut self, mut gone: watch::Receiver<bool>) -> Result<u64, String> {
        gone.wait_for(|gone| *gone).await.map_err(|_| "nobody called the doctor")?;
        let mut written = 0;
        for (session, id) in std::mem::take(&mut self.letters) {
            let command = json!({"type": "message.send", "ref": "1", "session_id": session, "client_message_id": id,
                                 "content_type": "text", "content": frame::content(id, 80)});
            self.socket.send(Message::text(command.to_string())).await.map_err(|error| error.to_string())?;
            let acknowledged = timeout(PATIENCE, self.acknowledged()).await;
            acknowledged.map_err(|_| "a doctor's message was not acknowledged")??;
            written += 1;
            sleep(PAUSE).await;
        }
        Ok(written)
    }

    async fn acknowledged(&mut self) -> Result<(), String> {
        while let Some(Ok(message)) = self.socket.next().await {
            if let Message::Text(text) = message
                && let Ok(frame) = Frame::parse(text.as_str())
                && frame.reference.is_some()
            {
                let refused = frame.error.map(|error| error.label()).unwrap_or_default();
                return if frame.name == "ack" { Ok(()) } else { Err(format!("a doctor's message: {refused}")) };
            }
        }
        Err("a doctor's connection ended".into())
    }
}
