//! What comes over the socket: events, acknowledgements, refusals.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;

use super::{Client, Incoming};
use crate::command::{Command, Deed, seen_step};
use crate::frame::{self, Frame, FrameError};
use crate::history::{Cursor, What};
use crate::stats::Step;

impl Client {
    /// One text frame.
    pub(super) async fn frame(&mut self, text: &str) -> Option<Incoming> {
        self.world.stats.frames.fetch_add(1, Ordering::Relaxed);
        let Ok(frame) = Frame::parse(text) else {
            self.world.stats.error("unreadable frame".into());
            return None;
        };
        match frame.name.as_ref() {
            "ack" => return self.acked(&frame),
            "error" => return self.refused(&frame),
            "resync" => {
                if let Some((cursor, text)) = cursor_of(&frame) {
                    self.note(What::Resync { cursor });
                    self.position = Some(text.to_owned());
                    self.caught_up();
                }
                return None;
            }
            "token.expiring" => {
                self.refresh().await;
                return None;
            }
            "going_away" => {
                let data = frame.data.map_or("null", |data| data.get());
                self.stay_away = frame::reconnect_after(data);
                return None;
            }
            "redacted" => {
                if let Some((cursor, text)) = cursor_of(&frame) {
                    self.note(What::Redacted { cursor });
                    self.stand_at(text);
                    self.replayed_one();
                }
                return None;
            }
            _ => {}
        }
        // Without a cursor: typing, presence.changed, going_away and what may come.
        let (cursor, at) = cursor_of(&frame)?;
        let Some(event) = frame.event() else {
            self.world.stats.error(format!("unreadable data of {}", frame.name));
            return None;
        };
        self.note(What::Event { cursor: Some(cursor), event: event.clone() });
        self.stand_at(at);
        if let Some((mark, step)) = seen_step(&event)
            && let Some((began, from)) = self.world.take_mark(mark)
            && self.resuming.is_none()
        {
            self.world.stats.record(step, began.elapsed());
            if step == Step::SendSeen && self.world.http.targets.len() > 1 {
                let here = from == self.world.http.node(self.node);
                let step = if here { Step::SendSeenHere } else { Step::SendSeenAcross };
                self.world.stats.record(step, began.elapsed());
            }
        }
        self.replayed_one();
        Some(Incoming::Event { event })
    }

    pub(super) fn acked(&mut self, frame: &Frame<'_>) -> Option<Incoming> {
        let command = self.answered(frame)?;
        let data = frame.data.map_or("null", |data| data.get());
        let Ok(event) = command.event(data) else {
            self.world.stats.error(format!("unreadable ack of {}", command.name));
            return None;
        };
        let at = cursor_of(frame);
        if let Some(event) = &event {
            self.note(What::Ack {
                cursor: at.map(|(cursor, _)| cursor),
                event: event.clone(),
                sent_us: command.first_sent_us.unwrap_or_default(),
            });
        }
        if let Some((_, text)) = at {
            self.stand_at(text);
        }
        if let Some(step) = command.ack_step() {
            self.world.stats.record(step, command.queued.elapsed());
        }
        Some(Incoming::Acked { event })
    }

    pub(super) fn refused(&mut self, frame: &Frame<'_>) -> Option<Incoming> {
        let error = frame.error.clone().unwrap_or_default();
        let mut command = self.answered(frame)?;
        if let Some(mark) = command.mark() {
            self.world.take_mark(mark);
        }
        if let Deed::Message { client_message_id, .. } = command.deed {
            self.note(What::Refused { client_message_id: Some(client_message_id) });
        }
        self.count(&command, &error);
        if error.status == 429 || error.status == 503 {
            self.bucket.pause_until(Instant::now() + Duration::from_millis(500));
            command.crossed = true;
            self.waiting.push_front(command);
            return None;
        }
        Some(Incoming::Refused { command: Box::new(command) })
    }

    pub(super) fn count(&self, command: &Command, error: &FrameError) {
        let kind = format!("{}: {}", command.name, error.label());
        if command.foresees(error) {
            self.world.stats.refusal(kind);
        } else if error.status == 503 {
            self.world.stats.strain(kind);
        } else {
            self.world.stats.error(kind);
        }
    }

    pub(super) fn answered(&mut self, frame: &Frame<'_>) -> Option<Command> {
        let reference = frame.reference.as_deref()?.parse().ok();
        let command = reference.and_then(|reference: u64| self.pending.remove(&reference));
        if command.is_none() {
            self.world.stats.error("an answer to nothing, or a second one".into());
        }
        command
    }

    pub(super) fn stand_at(&mut self, cursor: &str) {
        let position = self.position.get_or_insert_default();
        position.clear();
        position.push_str(cursor);
    }

    pub(super) fn replayed_one(&mut self) {
        if let Some((_, left)) = &mut self.resuming {
            *left = left.saturating_sub(1);
            if *left == 0 {
                self.caught_up();
            }
        }
    }

    pub(super) fn caught_up(&mut self) {
        if let Some((began, _)) = self.resuming.take() {
            self.world.stats.record(Step::Resume, began.elapsed());
        }
    }

    pub(super) async fn refresh(&mut self) {
        let node = self.node;
        match self.account.renew(&self.world.http, node).await {
            Ok(()) => {
                let reference = self.reference();
                self.send(Command::refresh(reference, &self.account.access));
            }
            Err(trouble) => self.trouble("refresh", &trouble),
        }
    }
}

fn cursor_of<'a>(frame: &'a Frame<'_>) -> Option<(Cursor, &'a str)> {
    let text = frame.cursor.as_deref()?;
    Some((Cursor::parse(text)?, text))
}
