//! A doctor: watches the requests stream, accepts, and talks with several patients at once.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use tokio::time::Instant;
use uuid::Uuid;

use super::LOOK_UP;
use super::chat::{Chat, Role};
use crate::account::Account;
use crate::client::{Client, Departed, Incoming};
use crate::command::Command;
use crate::frame;
use crate::history::{Event, Kind, UserLog};
use crate::requests::Requests;
use crate::world::{Phase, World};

/// Requests turned away.
const REJECTED: f64 = 0.01;

struct Doctor {
    client: Client,
    chats: HashMap<Uuid, Chat>,
    answered: HashSet<Uuid>,
}

/// Lives until the run ends.
pub(crate) async fn live(world: Arc<World>, account: Account, number: usize) -> Departed {
    let stream = UserLog::new(account.id, format!("doctor {number}'s requests stream"));
    // Patients count from 0; a doctor's randomness must not be a patient's.
    let mut client = Client::new(world, account, format!("doctor {number}"), 1_000_000 + number);
    client.requests = Some(Requests::new(stream));
    let reference = client.reference();
    client.send(Command::online(reference));
    let mut doctor = Doctor { client, chats: HashMap::new(), answered: HashSet::new() };
    while !doctor.is_finished() {
        doctor.act();
        let deadline = doctor.due();
        match doctor.client.next(deadline).await {
            Incoming::Event { event } | Incoming::Acked { event: Some(event) } => {
                doctor.on_event(&event);
            }
            Incoming::Shown(block) => {
                if Kind::parse(block.event.as_deref().unwrap_or_default()) == Kind::Requested
                    && let Some(session) = frame::session_of(&block.data)
                {
                    doctor.on_request(session);
                }
            }
            Incoming::Over => break,
            Incoming::Acked { event: None } | Incoming::Refused { .. } | Incoming::Nothing | Incoming::Reconnected => {}
        }
    }
    doctor.client.leave().await
}

impl Doctor {
    fn is_finished(&self) -> bool {
        self.client.world.phase() >= Phase::Leaving && self.chats.is_empty() && self.client.is_idle()
    }

    fn due(&self) -> Instant {
        let due = Instant::now() + LOOK_UP;
        self.chats.values().filter_map(Chat::due).fold(due, Instant::min)
    }

    fn act(&mut self) {
        for chat in self.chats.values_mut() {
            chat.tick(&mut self.client);
        }
        self.chats.retain(|_, chat| !chat.is_done());
    }

    /// A request on the stream; shown again after a reconnect, answered once.
    fn on_request(&mut self, session: Uuid) {
        if !self.answered.insert(session) {
            return;
        }
        let kind = if self.client.chance(REJECTED) { Kind::Rejected } else { Kind::Accepted };
        let reference = self.client.reference();
        self.client.send(Command::session(reference, kind, session));
    }

    fn on_event(&mut self, event: &Event) {
        let Some(session) = event.session else {
            return;
        };
        if event.kind == Kind::Accepted && !self.chats.contains_key(&session) {
            let chat = Chat::new(&mut self.client, session, Role::Doctor);
            self.chats.insert(session, chat);
        }
        if let Some(chat) = self.chats.get_mut(&session) {
            chat.on_event(&mut self.client, event);
        }
    }
}
