//! Having a connection, losing it, and getting the next.

use std::sync::atomic::Ordering;
use std::time::Duration;

use rand::Rng;
use tokio::time::{Instant, sleep, timeout};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use super::{Client, Departed};
use crate::command::Deed;
use crate::history::record::Channel;
use crate::history::{Cursor, What};
use crate::http::Trouble;
use crate::pace::Bucket;
use crate::socket;
use crate::world::Phase;

impl Client {
    pub(super) async fn closed(&mut self, frame: Option<CloseFrame>) {
        let code = frame.as_ref().map_or(1005, |frame| u16::from(frame.code));
        match code {
            1000 | 1001 => {}
            4401 => drop(self.account.renew(&self.world.http, self.node).await),
            // Without a code, by a failing server, for missed heartbeats or for being slow: a fault may be why.
            1005 | 1006 | 1011..=1013 | 4408 | 4409 => self.world.stats.strain(format!("closed with {code}")),
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
            if self.chance(0.3) {
                // Some come back to where they were.
                self.node = self.node.wrapping_sub(1);
            }
        }
    }

    /// Many are cut at once; perhaps this client is one of them.
    pub(super) async fn cut_by_order(&mut self) {
        let cut = *self.cuts.borrow_and_update();
        if cut.hits(self.number) {
            if let Some(requests) = &mut self.requests {
                requests.cut_now();
            }
            self.cut_at_random().await;
        }
    }

    /// Counts what a call of the client's own met with.
    pub(super) fn trouble(&self, what: &str, trouble: &Trouble) {
        let kind = format!("{what}: {trouble}");
        match trouble {
            Trouble::Refused(refusal) if refusal.status != 503 => self.world.stats.error(kind),
            Trouble::Refused(_) | Trouble::Transport(_) => self.world.stats.strain(kind),
        }
    }

    /// Forgets the connection, and tries the next node first; what was not answered goes out again on the next, in its order.
    pub(super) fn lost(&mut self, why: &str) {
        if self.socket.is_none() {
            return;
        }
        self.note(What::Closed { why: why.into() });
        self.socket = None;
        self.move_on();
        self.resuming = None;
        self.next_cut = None;
        self.world.stats.connections.fetch_sub(1, Ordering::Relaxed);
        while let Some((_, mut command)) = self.pending.pop_last() {
            command.crossed = true;
            command.written = None;
            if let Deed::Message { client_message_id, .. } = command.deed
                && self.world.stats.may_refuse_unheard()
            {
                self.note(What::Unheard { client_message_id });
            }
            if let Some(mark) = command.mark() {
                self.world.take_mark(mark);
            }
            self.waiting.push_front(command);
        }
    }

    /// Connects, for as long as the run lasts.
    pub(super) async fn reconnect(&mut self) -> bool {
        let mut pause = Duration::from_millis(40);
        let mut failures = 0_usize;
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
                        self.trouble("renew", &trouble);
                    }
                }
                Err(socket::Refused::Status(status)) => {
                    let kind = format!("handshake: {status}");
                    if status == 503 {
                        self.world.stats.strain(kind);
                    } else {
                        self.world.stats.error(kind);
                    }
                }
                Err(socket::Refused::Transport) => {}
            }
            failures += 1;
            // The next node may be alive where this one is not.
            self.move_on();
            if failures > self.world.http.targets.len() {
                let wait = self.around(pause);
                sleep(wait).await;
                pause = (pause * 2).min(Duration::from_secs(1));
            }
        }
    }

    pub(super) async fn connect(&mut self, began: Instant) -> Result<(), socket::Refused> {
        let authority = self.world.http.authority(self.node).to_owned();
        let patience = self.world.plan.patience.min(Duration::from_secs(15));
        let opening = socket::open_within(patience, &authority, &self.account.access, self.position());
        let (socket, greeting) = Box::pin(opening).await?;
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
