//! One client of a storm: connected, cut off, and back.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::json;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tokio_tungstenite::tungstenite::Message;
use uuid::Uuid;

use crate::frame::Frame;
use crate::history::Cursor;
use crate::socket::{self, Refused, Socket};

/// The longest anybody tries.
const PATIENCE: Duration = Duration::from_secs(120);
/// Between the first tries.
const PAUSE: Duration = Duration::from_millis(20);

/// Whoever is to come back, and what it has to find then.
#[derive(Debug)]
pub(super) struct Client {
    /// Where it comes back to.
    pub(super) home: String,
    pub(super) token: String,
    /// The last place it knows of.
    pub(super) cursor: String,
    pub(super) session: Uuid,
    /// The number of its doctor.
    pub(super) doctor: usize,
    /// The `client_message_id` of all that was written since, in their order.
    pub(super) missed: Vec<Uuid>,
    /// What is written while it comes back, and then.
    pub(super) meanwhile: Option<Uuid>,
}

/// Whoever is back, with everything.
#[derive(Debug)]
pub(super) struct Back {
    pub(super) took: Duration,
    /// When it had everything that was written before the return.
    pub(super) at: Instant,
    pub(super) tries: u64,
    /// It stays until all are back: their leaving is no part of this.
    socket: Box<Socket>,
}

/// Stays connected, as a client does, until the cut: then the connection is reset. Whatever came is forgotten.
pub(super) async fn stay(mut socket: Socket, mut cut: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            _ = cut.changed() => {
                drop(socket.get_ref().set_zero_linger());
                return;
            }
            message = socket.next() => {
                if !matches!(message, Some(Ok(_))) {
                    return;
                }
            }
        }
    }
}

impl Client {
    /// Waits for the network, connects until it is let in, and reads what it missed; or what is amiss.
    pub(super) async fn come_back(self, mut gone: watch::Receiver<bool>) -> Result<Back, String> {
        gone.wait_for(|gone| *gone).await.map_err(|_| "nobody called it back")?;
        let began = Instant::now();
        let mut tries = 0;
        let mut pause = PAUSE;
        while began.elapsed() < PATIENCE {
            tries += 1;
            match socket::open(&self.home, &self.token, Some(&self.cursor)).await {
                Ok((mut socket, greeting)) => {
                    if !greeting.resumed {
                        return Err("it was not resumed".into());
                    }
                    let mut place = Cursor::parse(&self.cursor).ok_or("an unreadable cursor")?;
                    Self::read(&mut socket, &mut place, &self.missed).await?;
                    let (took, at) = (began.elapsed(), Instant::now());
                    // How soon this comes, is up to the doctor.
                    Self::read(&mut socket, &mut place, self.meanwhile.as_slice()).await?;
                    return Ok(Back { took, at, tries, socket: Box::new(socket) });
                }
                Err(Refused::Status(429 | 503) | Refused::Transport) => {}
                Err(Refused::Status(status)) => return Err(format!("refused with {status}")),
                Err(Refused::Unauthenticated) => return Err("refused with 401".into()),
            }
            sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(1));
        }
        Err("it did not come in".into())
    }

    /// Each place follows the one before and holds the very message that was written there.
    async fn read(socket: &mut Socket, place: &mut Cursor, expected: &[Uuid]) -> Result<(), String> {
        for id in expected {
            let reading = timeout(PATIENCE, Self::read_one(socket, place, *id));
            reading.await.map_err(|_| "what it missed did not come")??;
        }
        Ok(())
    }

    async fn read_one(socket: &mut Socket, place: &mut Cursor, id: Uuid) -> Result<(), String> {
        loop {
            let message = socket.next().await.and_then(Result::ok).ok_or("its connection ended")?;
            let Message::Text(text) = message else { continue };
            let frame = Frame::parse(text.as_str()).map_err(|error| error.to_string())?;
            if frame.name == "resync" {
                return Err("resync".into());
            }
            let Some(cursor) = frame.cursor.as_deref() else { continue };
            let at = Cursor::parse(cursor).ok_or("an unreadable cursor")?;
            if at.epoch != place.epoch || at.seq != place.seq + 1 {
                return Err(format!("a gap: {at} after {place}"));
            }
            let event = frame.event();
            return match event.as_ref().and_then(|event| event.message()) {
                Some(message) if message.client_message_id == id && message.intact => {
                    *place = at;
                    Ok(())
                }
                _ => Err(format!("{} at {at}, where message {id} was due", frame.name)),
            };
        }
    }
}

impl Back {
    /// Everything came once: nothing else with a place comes before the answer to a ping.
    pub(super) async fn has_nothing_more(&mut self) -> Result<(), String> {
        let ping = json!({"type": "ping", "ref": "again"}).to_string();
        self.socket.send(Message::text(ping)).await.map_err(|_| "its connection ended afterwards")?;
        let answered = timeout(PATIENCE, async {
            while let Some(Ok(message)) = self.socket.next().await {
                let Message::Text(text) = message else { continue };
                let frame = Frame::parse(text.as_str()).map_err(|error| error.to_string())?;
                if frame.name == "ack" {
                    return Ok(());
                }
                if let Some(cursor) = &frame.cursor {
                    return Err(format!("repeated: {} at {cursor}", frame.name));
                }
            }
            Err("its connection ended afterwards".to_owned())
        });
        answered.await.map_err(|_| "its ping was not answered")?
    }
}
