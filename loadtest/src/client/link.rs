//! Having a connection, losing it, and getting the next.

use std::sync::atomic::Ordering;
use std::time::Duration;

use rand::Rng;
use tokio::time::{Instant, sleep, timeout};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use super::{Client, Departed};
use crate::history::record::Channel;
use crate::history::{Cursor, What};
use crate::pace::Bucket;
use crate::socket;
use crate::world::Phase;

impl Client {
    pub(super) async fn closed(&mut self, frame: Option<CloseFrame>) {
        let code = frame.as_ref().map_or(1005, |frame| u16::from(frame.code));
        match code {
            1000 | 1001 => {}
            4401 => drop(self.account.renew(&self.world.http, self.node).await),
            _ => self.world.stats.error(format!("closed with {code}")),
        }
        self.lost(&format!("closed with {code}"));
    }

    /// Breaks the connection as networks do: reset, half-closed, or politely.
    pub(super) async fn cut_at_random(&mut self) {
        self.world.stats.reconnects.fetch_add(1, Ordering::Relaxed);
        let way = self.rng.random_range(0..3_u8);
        if let Some(mut socket) = self.socket.take() {
            let why = match way {
                0 => {
                    drop(socket.get_ref().set_zero_linger());
                    "cut by us with a reset"
                }
                1 => "cut by us without a word",
                _ => {
                    drop(timeout(Duration::from_secs(1), socket.close(None)).await);
                    "closed by us"
                }
            };
            self.socket = Some(socket);
            self.lost(why);
        }
    }

    /// Forgets the connection; what was not answered goes out again on the next, in its order.
    pub(super) fn lost(&mut self, why: &str) {
        if self.socket.is_none() {
            return;
        }
        self.note(What::Closed { why: why.into() });
        self.socket = None;
        self.resuming = None;
        self.next_cut = None;
        self.world.stats.connections.fetch_sub(1, Ordering::Relaxed);
        while let Some((_, mut command)) = self.pending.pop_last() {
            command.crossed = true;
            command.written = None;
            if let Some(mark) = command.mark() {
                self.world.take_mark(mark);
            }
            self.waiting.push_front(command);
        }
    }

    /// Connects, for as long as the run lasts.
    pub(super) async fn reconnect(&mut self) -> bool {
        let mut pause = Duration::from_millis(40);
        let mut failures: u32 = 0;
        if let Some(wait) = self.stay_away.take() {
            sleep(wait).await;
        }
        loop {
            if self.world.phase() == Phase::Over {
                return false;
            }
            let began = Instant::now();
            match self.connect(began).await {
                Ok(()) => return true,
                Err(socket::Refused::Unauthenticated) => {
                    if let Err(trouble) = self.account.renew(&self.world.http, self.node).await {
                        self.world.stats.error(format!("renew: {trouble}"));
                    }
                }
                Err(socket::Refused::Status(status)) => {
                    self.world.stats.error(format!("handshake: {status}"));
                }
                Err(socket::Refused::Transport) => {}
            }
            failures += 1;
            // The next node may be alive where this one is not.
            self.node = self.node.wrapping_add(1);
            if failures > 1 {
                let wait = self.around(pause);
                sleep(wait).await;
                pause = (pause * 2).min(Duration::from_secs(1));
            }
        }
    }

    pub(super) async fn connect(&mut self, began: Instant) -> Result<(), socket::Refused> {
        let authority = self.world.http.authority(self.node).to_owned();
        let (socket, greeting) = socket::open(&authority, &self.account.access, self.position()).await?;
        self.conn += 1;
        self.socket = Some(socket);
        self.connected_at = Some(Instant::now());
        self.bucket = Bucket::commands(Instant::now());
        self.world.stats.connections.fetch_add(1, Ordering::Relaxed);
        for command in &mut self.waiting {
            // What was wished for while there was no connection waited for one.
            command.crossed = true;
            if let Some(mark) = command.mark() {
                self.world.take_mark(mark);
            }
        }
        let asked = self.position.as_deref().and_then(Cursor::parse);
        self.note(What::Opened {
            channel: Channel::Socket,
            asked,
            cursor: greeting.cursor.as_deref().and_then(Cursor::parse),
        });
        if greeting.user_id != Some(self.account.id) {
            self.world.stats.error("greeted as somebody else".into());
        }
        if self.position.is_none() {
            self.position = greeting.cursor;
        } else {
            self.resuming = Some((began, greeting.replay));
            if greeting.resumed && greeting.replay == 0 {
                self.caught_up();
            }
        }
        let mean = self.world.plan.cut_gap;
        if !mean.is_zero() && self.world.phase() < Phase::Leaving {
            let chance: f64 = self.rng.random_range(1e-6..1.0);
            self.next_cut = Some(Instant::now() + mean.mul_f64(-chance.ln()));
        }
        Ok(())
    }

    /// Closes for good and gives back the history.
    pub(crate) async fn leave(mut self) -> Departed {
        for command in self.waiting.iter().chain(self.pending.values()) {
            let kind = format!("{}: no answer until the end", command.name);
            self.world.stats.error(kind);
        }
        if let Some(mut socket) = self.socket.take() {
            drop(timeout(Duration::from_secs(1), socket.close(None)).await);
            self.socket = Some(socket);
            self.lost("the client left");
        }
        Departed {
            account: self.account,
            log: self.log,
            requests: self.requests.map(|requests| requests.log),
            position: self.position,
            conn: self.conn,
        }
    }
}
