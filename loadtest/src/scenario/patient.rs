//! A patient: asks a doctor, talks, ends, and comes back with the next complaint.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::LOOK_UP;
use super::chat::{Chat, Role};
use crate::account::Account;
use crate::client::{Client, Departed, Incoming};
use crate::command::{Command, Deed};
use crate::history::record::Detail;
use crate::history::{Event, Kind, Parties, What};
use crate::http::{Call, Refusal, Trouble};
use crate::stats::Step;
use crate::world::{Mark, Phase, World};

/// A doctor who has not answered for so long has lost the request.
const PATIENCE: Duration = Duration::from_secs(45);
/// Patients who change their mind at once.
const FICKLE: f64 = 0.01;

#[derive(Debug)]
enum Stage {
    Resting { until: Instant },
    Asked { session: Uuid, until: Instant, fickle: bool, cancelled: bool },
    Talking(Chat),
}

struct Patient {
    client: Client,
    stage: Stage,
    /// Ended consultations whose receipts are not all sent.
    closing: Vec<Chat>,
}

/// Lives until the run ends.
pub(crate) async fn live(world: Arc<World>, account: Account, number: usize) -> Departed {
    let client = Client::new(Arc::clone(&world), account, format!("patient {number}"), number);
    let until = world.next_arrival();
    let mut patient = Patient { client, stage: Stage::Resting { until }, closing: Vec::new() };
    while !patient.is_finished() {
        patient.act().await;
        let deadline = patient.due();
        match patient.client.next(deadline).await {
            Incoming::Event { event } | Incoming::Acked { event: Some(event) } => {
                patient.on_event(&event);
            }
            Incoming::Refused { command } => patient.on_refusal(&command.deed),
            Incoming::Over => break,
            Incoming::Acked { event: None } | Incoming::Nothing | Incoming::Reconnected | Incoming::Shown(_) => {}
        }
    }
    patient.client.leave().await
}

impl Patient {
    fn is_finished(&self) -> bool {
        self.client.world.phase() >= Phase::Ending
            && matches!(self.stage, Stage::Resting { .. })
            && self.closing.is_empty()
            && self.client.is_idle()
    }

    fn due(&self) -> Instant {
        let mut due = Instant::now() + LOOK_UP;
        let stage = match &self.stage {
            Stage::Resting { until } if self.client.world.phase() < Phase::Ending => Some(*until),
            Stage::Resting { .. } => None,
            Stage::Asked { until, .. } => Some(*until),
            Stage::Talking(chat) => chat.due(),
        };
        for other in stage.into_iter().chain(self.closing.iter().filter_map(Chat::due)) {
            due = due.min(other);
        }
        due
    }

    async fn act(&mut self) {
        for chat in &mut self.closing {
            chat.tick(&mut self.client);
        }
        self.closing.retain(|chat| !chat.is_done());
        let now = Instant::now();
        let ending = self.client.world.phase() >= Phase::Ending;
        match &mut self.stage {
            Stage::Resting { until } => {
                if !ending && now >= *until && self.client.position().is_some() {
                    self.ask().await;
                }
            }
            Stage::Asked { session, until, fickle, cancelled } => {
                if now < *until && (*cancelled || !ending) {
                    return;
                }
                if *cancelled {
                    self.rest();
                    return;
                }
                *cancelled = true;
                *until = now + PATIENCE;
                if !ending && !*fickle {
                    let stats = &self.client.world.stats;
                    stats.strain("a request that no doctor answered".into());
                }
                let reference = self.client.reference();
                let command = Command::session(reference, Kind::Cancelled, *session);
                self.client.send(command);
            }
            Stage::Talking(chat) => chat.tick(&mut self.client),
        }
    }

    fn rest(&mut self) {
        let until = self.client.world.next_arrival();
        let old = std::mem::replace(&mut self.stage, Stage::Resting { until });
        if let Stage::Talking(chat) = old {
            let stats = &self.client.world.stats;
            stats.live_sessions.fetch_sub(1, Ordering::Relaxed);
            stats.consultations.fetch_add(1, Ordering::Relaxed);
            self.closing.push(chat);
        }
    }

    fn talk(&mut self, session: Uuid) {
        let world = Arc::clone(&self.client.world);
        world.stats.live_sessions.fetch_add(1, Ordering::Relaxed);
        self.stage = Stage::Talking(Chat::new(&mut self.client, session, Role::Patient));
    }

    fn on_event(&mut self, event: &Event) {
        let Some(session) = event.session else {
            return;
        };
        for chat in &mut self.closing {
            if chat.session == session {
                chat.on_event(&mut self.client, event);
                return;
            }
        }
        match &mut self.stage {
            Stage::Talking(chat) if chat.session == session => {
                chat.on_event(&mut self.client, event);
                if chat.ended {
                    self.rest();
                }
            }
            Stage::Asked { session: asked, .. } if *asked == session => match event.kind {
                Kind::Accepted => self.talk(session),
                Kind::Rejected | Kind::Cancelled | Kind::Expired | Kind::Ended => self.rest(),
                _ => {}
            },
            // A request whose answer was lost, accepted meanwhile.
            Stage::Resting { .. } if event.kind == Kind::Accepted => self.talk(session),
            _ => {}
        }
    }

    /// The other party was first: take what is, not what was wished.
    fn on_refusal(&mut self, deed: &Deed) {
        let Deed::Session { kind, session } = deed else {
            return;
        };
        match &mut self.stage {
            // Refused an end: it is not ongoing any more.
            Stage::Talking(chat) if chat.session == *session && *kind == Kind::Ended => {
                let event = Event { kind: Kind::Ended, session: Some(*session), detail: Detail::None };
                self.on_event(&event);
            }
            _ => {}
        }
    }

    /// Asks the next doctor, over REST, with one `Idempotency-Key` for all tries.
    async fn ask(&mut self) {
        let world = Arc::clone(&self.client.world);
        let Some(doctor) = world.pick_doctor() else {
            return;
        };
        let patient = self.client.account.id;
        let key = Uuid::new_v4().to_string();
        let began = Instant::now();
        let sent_us = world.now_us();
        world.mark(Mark::Request(patient), began, self.client.node());
        for attempt in 0..60_u32 {
            if world.phase() >= Phase::Leaving {
                break;
            }
            let token = self.client.account.access.clone();
            let body = json!({"target_doctor_id": doctor, "category": "General Medicine",
                              "symptoms": ["a load"]});
            let mut call = Call::post("/api/v2/connect/sessions", Some(&token), body);
            call.idempotency_key = Some(key.clone());
            let node = self.client.node() + attempt as usize;
            let answer = world.http.call(node, &call).await;
            match answer.and_then(|answer| answer.expect::<Value>()) {
                Ok(created) => {
                    if attempt == 0 {
                        world.stats.record(Step::Request, began.elapsed());
                    }
                    self.asked(&created, doctor, sent_us);
                    return;
                }
                Err(Trouble::Refused(refusal)) => {
                    if !self.refused(refusal).await {
                        return;
                    }
                }
                // No answer: the same request again, which is safe with its key.
                Err(Trouble::Transport(_)) => {}
            }
            world.take_mark(Mark::Request(patient));
            sleep(Duration::from_millis(u64::from(attempt.min(10)) * 50 + 20)).await;
        }
        self.rest();
    }

    fn asked(&mut self, created: &Value, doctor: Uuid, sent_us: u64) {
        let session = created.get("session_id").and_then(Value::as_str).and_then(|id| id.parse().ok());
        let Some(session) = session else {
            let stats = &self.client.world.stats;
            stats.error("a request answered without session_id".into());
            self.rest();
            return;
        };
        let patient = self.client.account.id;
        self.client.world.add_session(session, Parties { patient, doctor });
        self.client.note(What::Ack {
            cursor: None,
            event: Event { kind: Kind::Requested, session: Some(session), detail: Detail::None },
            sent_us,
        });
        let fickle = self.client.chance(FICKLE);
        let patience = if fickle { Duration::from_millis(5) } else { PATIENCE };
        self.stage = Stage::Asked { session, until: Instant::now() + patience, fickle, cancelled: false };
    }

    /// Whether to try again.
    async fn refused(&mut self, refusal: Refusal) -> bool {
        let world = Arc::clone(&self.client.world);
        match refusal.status {
            401 => {
                let node = self.client.node();
                drop(self.client.account.renew(&world.http, node).await);
                true
            }
            429 => {
                world.stats.error(format!("request: {}", refusal.label()));
                true
            }
            503 => {
                world.stats.strain(format!("request: {}", refusal.label()));
                true
            }
            _ => {
                let other = refusal.body.get("session_id").and_then(Value::as_str).and_then(|id| id.parse().ok());
                match (refusal.code.as_deref(), other) {
                    (Some("ACTIVE_SESSION_EXISTS"), Some(session)) => {
                        world.stats.refusal(format!("request: {}", refusal.label()));
                        self.adopt(session).await;
                    }
                    _ => {
                        world.stats.error(format!("request: {}", refusal.label()));
                        self.rest();
                    }
                }
                false
            }
        }
    }

    /// Goes on with a session that an earlier, unanswered request made.
    async fn adopt(&mut self, session: Uuid) {
        let path = format!("/api/v2/connect/sessions/{session}");
        let token = self.client.account.access.clone();
        let call = Call::get(&path, Some(&token));
        let http = &self.client.world.http;
        let found = http.call(self.client.node(), &call).await;
        let found: Option<Value> = found.and_then(|answer| answer.expect()).ok();
        let status = found.as_ref().and_then(|detail| detail.get("status")?.as_str());
        match status {
            Some("ONGOING") => self.talk(session),
            Some("REQUESTED") => {
                self.stage =
                    Stage::Asked { session, until: Instant::now() + PATIENCE, fickle: false, cancelled: false };
            }
            _ => self.rest(),
        }
    }
}
