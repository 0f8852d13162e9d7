//! One party's side of an ongoing consultation.

use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use crate::client::Client;
use crate::command::Command;
use crate::history::record::Detail;
use crate::history::{Event, Kind};
use crate::stats::Step;
use crate::world::Phase;

/// Whose side.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Role {
    Patient,
    Doctor,
}

/// One side of a consultation.
#[derive(Debug)]
pub(crate) struct Chat {
    pub(crate) session: Uuid,
    role: Role,
    next_message: Instant,
    end_at: Instant,
    ending: bool,
    pub(crate) ended: bool,
    undelivered: Vec<Uuid>,
    deliver_at: Option<Instant>,
    unread: Vec<Uuid>,
    read_at: Option<Instant>,
    video: Option<(Instant, &'static str)>,
    was_on: bool,
}

impl Chat {
    /// The consultation begins now.
    pub(crate) fn new(client: &mut Client, session: Uuid, role: Role) -> Self {
        let now = Instant::now();
        let plan = client.world.plan.clone();
        // One of the two ends it, by the session's last bit; the patient does if the doctor has not.
        let ends = (session.as_u128() & 1 == 0) == (role == Role::Patient);
        let mut length = client.around(plan.length);
        if !ends {
            length = plan.length * 2 + Duration::from_secs(5);
        }
        let gap = client.around(plan.message_gap);
        let video = (plan.video && role == Role::Doctor).then(|| (now + client.around(plan.length / 4), "video.allow"));
        Self {
            session,
            role,
            next_message: now + gap,
            end_at: now + length,
            ending: false,
            ended: false,
            undelivered: Vec::new(),
            deliver_at: None,
            unread: Vec::new(),
            read_at: None,
            video,
            was_on: false,
        }
    }

    /// Nothing more to do here.
    pub(crate) fn is_done(&self) -> bool {
        self.ended && self.deliver_at.is_none() && self.read_at.is_none()
    }

    /// When there is something to do.
    pub(crate) fn due(&self) -> Option<Instant> {
        let live = !self.ended && !self.ending;
        let timers = [
            self.deliver_at,
            self.read_at,
            live.then_some(self.next_message),
            live.then_some(self.end_at),
            self.video.filter(|_| live).map(|(at, _)| at),
        ];
        timers.into_iter().flatten().min()
    }

    /// Does what is due.
    pub(crate) fn tick(&mut self, client: &mut Client) {
        let now = Instant::now();
        self.receipts(client, now);
        if self.ended || self.ending {
            return;
        }
        let stopping = self.role == Role::Patient && client.world.phase() >= Phase::Ending;
        if stopping || now >= self.end_at {
            self.ending = true;
            let reference = client.reference();
            client.send(Command::session(reference, Kind::Ended, self.session));
            return;
        }
        if now >= self.next_message {
            if client.connected_at.is_some_and(|at| at <= self.next_message) {
                client.world.stats.record(Step::TimerLag, now - self.next_message);
            }
            if client.is_full() {
                client.world.stats.strain("a message not sent: too many commands wait".into());
            } else {
                let length = client.world.plan.message_bytes;
                let reference = client.reference();
                client.send(Command::message(reference, self.session, length));
            }
            let gap = client.world.plan.message_gap;
            // From the planned moment, so that lateness does not lower the rate; but no pile after a cut.
            self.next_message = (self.next_message + client.around(gap)).max(now);
        }
        if let Some((at, name)) = self.video
            && now >= at
        {
            self.video = None;
            let reference = client.reference();
            client.send(Command::video(reference, name, self.session));
        }
    }

    fn receipts(&mut self, client: &mut Client, now: Instant) {
        if self.deliver_at.is_some_and(|at| now >= at) {
            self.deliver_at = None;
            let ids = std::mem::take(&mut self.undelivered);
            for some in ids.chunks(500) {
                let reference = client.reference();
                client.send(Command::receipt(reference, Kind::Delivered, self.session, some));
            }
            self.unread.extend(ids);
            if self.read_at.is_none() {
                self.read_at = Some(now + client.around(Duration::from_millis(700)));
            }
        }
        if self.read_at.is_some_and(|at| now >= at) {
            self.read_at = None;
            let ids = std::mem::take(&mut self.unread);
            for some in ids.chunks(500) {
                let reference = client.reference();
                client.send(Command::receipt(reference, Kind::Read, self.session, some));
            }
        }
    }

    /// Takes an event of this session, or an acknowledgement of one's own command.
    pub(crate) fn on_event(&mut self, client: &mut Client, event: &Event) {
        match &event.detail {
            Detail::Message(message) => {
                if message.sender != client.account.id && client.world.plan.receipts {
                    self.undelivered.push(message.id);
                    // A moment, so that a replay is answered in one piece.
                    self.deliver_at.get_or_insert(Instant::now() + Duration::from_millis(5));
                }
            }
            Detail::Video { state, round } => self.on_video(client, state, *round),
            Detail::Receipts(_) | Detail::None => {}
        }
        if event.kind == Kind::Ended {
            self.ended = true;
        }
    }

    /// The permission dance: allow, then accept or decline, off and on, perhaps revoke.
    fn on_video(&mut self, client: &mut Client, state: &str, round: i64) {
        let pause = client.around(client.world.plan.length / 10);
        let chance = client.chance(0.5);
        let next = match (self.role, state) {
            (Role::Patient, "ALLOWED_BY_DOCTOR") if round == 1 && chance => Some("video.decline"),
            (Role::Patient, "ALLOWED_BY_DOCTOR") => Some("video.accept"),
            (Role::Patient, "VIDEO_ON") if !self.was_on => {
                self.was_on = true;
                Some("video.off")
            }
            (Role::Patient, "VIDEO_OFF") if chance => Some("video.on"),
            (Role::Doctor, "DECLINED_BY_PATIENT") if round < 2 => Some("video.allow"),
            (Role::Doctor, "VIDEO_OFF") if chance => Some("video.revoke"),
            _ => None,
        };
        self.video = next.map(|name| (Instant::now() + pause, name));
    }
}
