//! The batching writer (DESIGN §3): many commands, one commit, then delivery, then the acknowledgements. A lane
//! commits whenever its previous commit is done, with whatever has gathered; nobody waits on a timer.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use consilium_storage as storage;
use consilium_storage::clock::Clock;
use consilium_storage::connect::Party;
use consilium_storage::connect::messages::{self, Message, NewMessage};
use consilium_storage::connect::payloads::Receipt;
use consilium_storage::connect::receipts::{self, Kind, Mark};
use consilium_storage::connect::sessions;
use consilium_storage::database::Pool;
use consilium_storage::events::Event;
use consilium_storage::ids::{MessageId, SessionId, UserId};
use consilium_storage::states::session::Status;
use consilium_storage::tx::{Committed, Tx};
use tokio::sync::{mpsc, oneshot};
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::engine::{Origin, Settings, WeakEngine};

/// How many commands may wait for one lane; above it callers wait.
const QUEUE: usize = 2048;

/// How often a batch is tried while Postgres is away, and how long between: about 2 s in all.
const TRIES: u32 = 6;

/// Something to write.
#[derive(Debug, Clone)]
pub enum Command {
    /// A message.
    Send(NewMessage),
    /// Receipts of one call.
    Mark(Marks),
}

/// The receipts of one call.
#[derive(Debug, Clone)]
pub struct Marks {
    /// Delivered or read.
    pub kind: Kind,
    /// The session.
    pub session_id: SessionId,
    /// Its doctor, whose lane is used.
    pub doctor_id: UserId,
    /// Who reports.
    pub receiver: Party,
    /// Who wrote the messages and is told.
    pub sender_id: UserId,
    /// Which messages.
    pub messages: Vec<MessageId>,
}

/// What became of a command.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// The stored message, and whether this call stored it.
    Sent(Message, bool),
    /// How many messages changed.
    Marked(usize),
}

/// Why a command was refused; one lost database answers a whole batch.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Refusal {
    /// The session is not ONGOING.
    #[error("the session is {}", .0.as_str())]
    NotOngoing(Status),
    /// The other party used this client message id.
    #[error("the other party used this client message id")]
    TakenByOther,
    /// No such session.
    #[error("no such session")]
    NoSession,
    /// Postgres refused or is away.
    #[error("{0}")]
    Storage(Arc<storage::Error>),
}

type Reply = Result<Outcome, Refusal>;

#[derive(Debug)]
struct Job {
    command: Command,
    origin: Option<Origin>,
    reply: oneshot::Sender<Reply>,
}

/// The door to the lanes.
#[derive(Debug)]
pub struct Writer(Vec<mpsc::Sender<Job>>);

impl Writer {
    pub(crate) fn start(
        settings: &Settings,
        pool: &Pool,
        clock: &Clock,
        engine: &WeakEngine,
        tracker: &TaskTracker,
    ) -> Self {
        let lanes = (0..settings.lanes.max(1)).map(|_| {
            let (sender, receiver) = mpsc::channel(QUEUE);
            let lane =
                Lane { pool: pool.clone(), clock: clock.clone(), engine: engine.clone(), batch: settings.batch.max(1) };
            tracker.spawn(lane.run(receiver));
            sender
        });
        Self(lanes.collect())
    }

    /// Writes a command. With an origin its connection has been acknowledged, in the right place, when this answers
    /// with a success; a refusal is the caller's to tell.
    ///
    /// # Errors
    /// Why it was refused.
    pub async fn write(&self, command: Command, origin: Option<Origin>) -> Reply {
        let away = || Refusal::Storage(Arc::new(storage::Error::away()));
        // A session has one doctor, so lanes by doctor rarely meet in an inbox.
        let doctor = match &command {
            Command::Send(message) => message.doctor_id,
            Command::Mark(marks) => marks.doctor_id,
        };
        let low = doctor.0.as_u128() & u128::from(u32::MAX);
        let index = usize::try_from(low).unwrap_or(0) % self.0.len().max(1);
        let lane = self.0.get(index).ok_or_else(away)?;
        let (reply, answer) = oneshot::channel();
        lane.send(Job { command, origin, reply }).await.map_err(|_| away())?;
        answer.await.map_err(|_| away())?
    }
}

struct Lane {
    pool: Pool,
    clock: Clock,
    engine: WeakEngine,
    batch: usize,
}

impl Lane {
    async fn run(self, mut jobs: mpsc::Receiver<Job>) {
        let mut batch = Vec::with_capacity(self.batch);
        while jobs.recv_many(&mut batch, self.batch).await > 0 {
            metrics::histogram!("consilium_writer_batch_commands").record(batch.len() as f64);
            self.write_all(std::mem::take(&mut batch)).await;
        }
    }

    /// Writes a batch; where it fails for one command's sake, each command alone, so that none fails its neighbours.
    async fn write_all(&self, mut jobs: Vec<Job>) {
        let mut pause = Duration::from_millis(30);
        for attempt in 1..=TRIES {
            match self.try_batch(&jobs).await {
                Ok(done) => return self.finish(jobs, done),
                Err(storage::Error::Conflict(_)) => {
                    // Somebody repeats a message that is stored: those are answered with what is stored.
                    jobs = self.answer_repeats(jobs).await;
                    if jobs.is_empty() {
                        return;
                    }
                }
                Err(error @ (storage::Error::Unavailable(_) | storage::Error::Retry(_))) if attempt < TRIES => {
                    self.look_for(&jobs, &error);
                    tracing::warn!(%error, attempt, commands = jobs.len(), "batch failed, trying again");
                    tokio::time::sleep(pause).await;
                    pause *= 2;
                }
                Err(error) if jobs.len() > 1 && !matches!(error, storage::Error::Unavailable(_)) => {
                    tracing::error!(%error, commands = jobs.len(), "batch failed, writing its commands one by one");
                    for job in jobs {
                        Box::pin(self.write_all(vec![job])).await;
                    }
                    return;
                }
                Err(error) => {
                    self.look_for(&jobs, &error);
                    return refuse_all(jobs, error);
                }
            }
        }
        refuse_all(jobs, storage::Error::away());
    }

    /// Nobody knows whether a commit was done whose answer is lost: whoever is connected finds out by the inbox.
    fn look_for(&self, jobs: &[Job], error: &storage::Error) {
        if let (true, Some(engine)) = (error.is_unavailable(), self.engine.upgrade()) {
            let parties: Vec<UserId> = jobs.iter().flat_map(|job| parties_of(&job.command)).collect();
            engine.look_at(&parties);
        }
    }

    /// One transaction for the whole batch.
    async fn try_batch(&self, jobs: &[Job]) -> storage::Result<Done> {
        let mut tx = Tx::begin(&self.pool, self.clock.now()).await?;
        let mut plan = Plan::new(jobs);
        plan.post_messages(&mut tx).await?;
        plan.post_receipts(&mut tx).await?;
        let committed = tx.commit().await?;
        plan.settle(&committed);
        Ok(Done { replies: plan.replies, posts: plan.posts, committed })
    }

    /// Delivers, with the acknowledgements in their places, then answers the callers.
    fn finish(&self, jobs: Vec<Job>, done: Done) {
        let Some(engine) = self.engine.upgrade() else { return };
        let mut origins: HashMap<usize, Origin> = HashMap::new();
        let mut answered = Vec::with_capacity(jobs.len());
        for (index, (job, reply)) in jobs.into_iter().zip(done.replies).enumerate() {
            if let (Some(origin), true) = (job.origin, reply.is_ok()) {
                origins.insert(index, origin);
            }
            answered.push((job.command, job.reply, reply));
        }
        for (event, job) in done.committed.events.iter().zip(&done.posts) {
            let origin = origins.remove(job).and_then(|origin| {
                let reply = answered.get(*job).and_then(|(_, _, reply)| reply.as_ref().ok())?;
                Some((origin, ack_data(reply, Some(&event.data))))
            });
            engine.deliver(std::slice::from_ref(event), origin);
        }
        for (index, origin) in origins {
            // A repeat, a twin, or receipts that changed nothing: acknowledged without a place.
            if let Some((_, _, Ok(outcome))) = answered.get(index) {
                engine.deliver(&[], Some((origin, ack_data(outcome, None))));
            }
        }
        for (command, reply, outcome) in answered {
            if let (Command::Mark(marks), Ok(Outcome::Marked(updated))) = (&command, &outcome)
                // Delivered now or before; read only where every one was: an undelivered one was skipped.
                && (marks.kind == Kind::Delivered || *updated == marks.messages.len())
                && let Some(session) = engine.sessions().known(marks.session_id)
            {
                session.note_receipts(marks.kind, &marks.messages);
            }
            // A caller that is gone finds its message stored when it tries again.
            drop(reply.send(outcome));
        }
    }

    /// Answers the repeats among the messages with what is stored; the rest goes on. Whoever commits and loses the
    /// answer comes by here too, so the parties' connections are made to look at their inboxes.
    async fn answer_repeats(&self, jobs: Vec<Job>) -> Vec<Job> {
        let wanted: Vec<(SessionId, Uuid)> = jobs.iter().filter_map(|job| key_of(&job.command)).collect();
        let stored = match self.find(&wanted).await {
            Ok(stored) => stored,
            Err(error) => {
                refuse_all(jobs, error);
                return Vec::new();
            }
        };
        let Some(engine) = self.engine.upgrade() else { return Vec::new() };
        let mut rest = Vec::new();
        let mut parties = Vec::new();
        for job in jobs {
            let Some(message) = key_of(&job.command).and_then(|key| stored.get(&key)) else {
                rest.push(job);
                continue;
            };
            if let Command::Send(new) = &job.command {
                parties.extend([new.patient_id, new.doctor_id]);
            }
            let outcome = repeat_of(&job.command, message);
            if let (Some(origin), Ok(outcome)) = (job.origin, &outcome) {
                engine.deliver(&[], Some((origin, ack_data(outcome, None))));
            }
            drop(job.reply.send(outcome));
        }
        engine.nudge(&parties).await;
        engine.look_at(&parties);
        rest
    }

    async fn find(&self, wanted: &[(SessionId, Uuid)]) -> storage::Result<HashMap<(SessionId, Uuid), Message>> {
        let mut conn = self.pool.acquire().await?;
        let found = messages::find_by_client_ids(&mut conn, wanted).await?;
        Ok(found.into_iter().map(|message| ((message.session_id, message.client_message_id), message)).collect())
    }
}

struct Done {
    replies: Vec<Reply>,
    /// For each committed event, the job that caused it.
    posts: Vec<usize>,
    committed: Committed,
}

/// How a batch is worked off: each job's reply, and which job each posted event belongs to.
struct Plan<'a> {
    jobs: &'a [Job],
    replies: Vec<Reply>,
    posts: Vec<usize>,
    /// Jobs that send the same message as an earlier job of the batch.
    twins: Vec<(usize, usize)>,
}

impl<'a> Plan<'a> {
    fn new(jobs: &'a [Job]) -> Self {
        let replies = jobs.iter().map(|_| Ok(Outcome::Marked(0))).collect();
        Self { jobs, replies, posts: Vec::new(), twins: Vec::new() }
    }

    fn set(&mut self, index: usize, reply: Reply) {
        if let Some(slot) = self.replies.get_mut(index) {
            *slot = reply;
        }
    }

    /// Posts the messages whose session is ONGOING. Of the others those that are stored already are answered so, also
    /// after the end.
    async fn post_messages(&mut self, tx: &mut Tx) -> storage::Result<()> {
        let mut ids: Vec<SessionId> = self.sends().map(|(_, message)| message.session_id).collect();
        if ids.is_empty() {
            return Ok(());
        }
        ids.sort_unstable();
        ids.dedup();
        let statuses: HashMap<SessionId, Status> =
            sessions::statuses_for_share(tx.conn(), &ids).await?.into_iter().collect();
        let mut first: HashMap<(SessionId, Uuid), usize> = HashMap::new();
        let mut closed = Vec::new();
        let jobs = self.jobs;
        for (index, message) in jobs.iter().enumerate().filter_map(|(index, job)| Some((index, send_of(job)?))) {
            let key = (message.session_id, message.client_message_id);
            match statuses.get(&message.session_id) {
                None => self.set(index, Err(Refusal::NoSession)),
                Some(Status::Ongoing) => match first.get(&key) {
                    Some(earlier) => self.twins.push((index, *earlier)),
                    None => {
                        first.insert(key, index);
                        tx.post_message(message.clone());
                        self.posts.push(index);
                    }
                },
                Some(status) => closed.push((index, key, *status)),
            }
        }
        if closed.is_empty() {
            return Ok(());
        }
        let wanted: Vec<_> = closed.iter().map(|(_, key, _)| *key).collect();
        let stored = messages::find_by_client_ids(tx.conn(), &wanted).await?;
        for (index, key, status) in closed {
            let found = stored.iter().find(|message| (message.session_id, message.client_message_id) == key);
            let reply = match (found, jobs.get(index)) {
                (Some(message), Some(job)) => repeat_of(&job.command, message),
                _ => Err(Refusal::NotOngoing(status)),
            };
            self.set(index, reply);
        }
        Ok(())
    }

    /// Sets the receipts, all delivered ones first, and posts one event per call that changed something.
    async fn post_receipts(&mut self, tx: &mut Tx) -> storage::Result<()> {
        for kind in [Kind::Delivered, Kind::Read] {
            let jobs = self.jobs;
            let calls: Vec<(usize, &Marks)> = jobs
                .iter()
                .enumerate()
                .filter_map(|(index, job)| match &job.command {
                    Command::Mark(marks) if marks.kind == kind => Some((index, marks)),
                    _ => None,
                })
                .collect();
            if calls.is_empty() {
                continue;
            }
            let mut wanted: Vec<Mark> = calls.iter().flat_map(|(_, marks)| marks.each()).collect();
            wanted.sort_by_key(|mark| mark.message_id);
            let at = tx.now();
            let mut changed: std::collections::HashSet<MessageId> =
                receipts::mark_many(tx.conn(), kind, &wanted, at).await?.into_iter().collect();
            for (index, marks) in calls {
                // Two calls for one message: the first one changed it.
                let message_ids: Vec<MessageId> =
                    marks.messages.iter().copied().filter(|message| changed.remove(message)).collect();
                self.set(index, Ok(Outcome::Marked(message_ids.len())));
                if message_ids.is_empty() {
                    continue;
                }
                let receipt = Receipt { message_ids, at };
                let event = match kind {
                    Kind::Delivered => Event::MessageDelivered(receipt),
                    Kind::Read => Event::MessageRead(receipt),
                };
                tx.emit_in(marks.session_id, event, &[marks.sender_id]);
                self.posts.push(index);
            }
        }
        Ok(())
    }

    /// Fills in what the commit made of the messages.
    fn settle(&mut self, committed: &Committed) {
        let posts = self.posts.clone();
        for (event, job) in committed.events.iter().zip(posts) {
            if let Some(message) = &event.message {
                self.set(job, Ok(Outcome::Sent(message.clone(), true)));
            }
        }
        let jobs = self.jobs;
        for (index, earlier) in std::mem::take(&mut self.twins) {
            if let (Some(Ok(Outcome::Sent(message, _))), Some(job)) = (self.replies.get(earlier), jobs.get(index)) {
                let reply = repeat_of(&job.command, message);
                self.set(index, reply);
            }
        }
    }

    fn sends(&self) -> impl Iterator<Item = (usize, &NewMessage)> {
        self.jobs.iter().enumerate().filter_map(|(index, job)| Some((index, send_of(job)?)))
    }
}

impl Marks {
    fn each(&self) -> impl Iterator<Item = Mark> + '_ {
        self.messages.iter().map(|message_id| Mark {
            message_id: *message_id,
            session_id: self.session_id,
            receiver: self.receiver,
        })
    }
}

fn parties_of(command: &Command) -> [UserId; 2] {
    match command {
        Command::Send(message) => [message.patient_id, message.doctor_id],
        Command::Mark(marks) => [marks.sender_id, marks.doctor_id],
    }
}

const fn send_of(job: &Job) -> Option<&NewMessage> {
    match &job.command {
        Command::Send(message) => Some(message),
        Command::Mark(_) => None,
    }
}

fn key_of(command: &Command) -> Option<(SessionId, Uuid)> {
    match command {
        Command::Send(message) => Some((message.session_id, message.client_message_id)),
        Command::Mark(_) => None,
    }
}

/// The answer to a repeat: the stored message to its own sender, a refusal to the other party (connect-v2 48).
fn repeat_of(command: &Command, stored: &Message) -> Reply {
    match command {
        Command::Send(new) if new.sender == stored.sender_role => Ok(Outcome::Sent(stored.clone(), false)),
        _ => Err(Refusal::TakenByOther),
    }
}

/// What the REST call would answer. A new message's is the event's own data, written already.
fn ack_data(outcome: &Outcome, event_data: Option<&Arc<str>>) -> Arc<str> {
    match (outcome, event_data) {
        (Outcome::Sent(_, true), Some(data)) => Arc::clone(data),
        (Outcome::Sent(message, _), _) => serde_json::to_string(message).unwrap_or_default().into(),
        (Outcome::Marked(updated), _) => format!(r#"{{"updated":{updated}}}"#).into(),
    }
}

fn refuse_all(jobs: Vec<Job>, error: storage::Error) {
    tracing::error!(%error, commands = jobs.len(), "commands refused");
    let error = Arc::new(error);
    for job in jobs {
        drop(job.reply.send(Err(Refusal::Storage(Arc::clone(&error)))));
    }
}
