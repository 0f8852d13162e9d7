//! The transaction of a change: what it emits is written with it, and only its commit yields something to deliver.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool, Postgres, Transaction};
use uuid::Uuid;

use crate::connect::messages::{self, Message, NewMessage};
use crate::error::Result;
use crate::events::{Event, SessionPatch};
use crate::heads::Heads;
use crate::ids::{EventId, SessionId, UserId};
use crate::outbox::{self, NewJob};
use crate::push::{self, Pending, Source};

/// A transaction that collects the events of its change.
#[derive(Debug)]
pub struct Tx {
    inner: Transaction<'static, Postgres>,
    now: DateTime<Utc>,
    posts: Vec<Post>,
    pushes: Vec<Pending>,
    jobs: Vec<NewJob>,
}

/// Something that gets a place in inboxes at commit.
#[derive(Debug)]
enum Post {
    Event { event: Box<Event>, session_id: Option<SessionId>, recipients: Vec<UserId>, is_silent: bool },
    Message(NewMessage),
}

/// A committed change: the only thing there is to deliver.
#[derive(Debug, Default)]
#[must_use = "a committed change wants to be delivered"]
pub struct Committed {
    /// In the order they were emitted.
    pub events: Vec<CommittedEvent>,
    /// How many jobs the outbox got with it.
    pub queued: u64,
}

/// One event as it stands in the inboxes of its recipients.
#[derive(Clone)]
pub struct CommittedEvent {
    /// The event's name.
    pub kind: &'static str,
    /// When, by the inboxes' clock.
    pub at: DateTime<Utc>,
    /// The session it belongs to.
    pub session_id: Option<SessionId>,
    /// The frame's `data`, as JSON.
    pub data: Arc<str>,
    /// Who has it at which `seq`.
    pub places: Vec<(UserId, i64)>,
    /// What it changes in the hub's picture of the session.
    pub patch: Option<SessionPatch>,
    /// The stored message, where the event is one.
    pub message: Option<Message>,
}

// What patients say never reaches a log, however it is printed.
impl std::fmt::Debug for CommittedEvent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CommittedEvent").field("kind", &self.kind).field("places", &self.places).finish_non_exhaustive()
    }
}

impl Tx {
    /// Begins a transaction whose changes happen at `now`.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`] when no connection is to be had.
    pub async fn begin(pool: &PgPool, now: DateTime<Utc>) -> Result<Self> {
        Ok(Self { inner: pool.begin().await?, now, posts: Vec::new(), pushes: Vec::new(), jobs: Vec::new() })
    }

    /// The connection, for storage functions.
    pub fn conn(&mut self) -> &mut PgConnection {
        &mut self.inner
    }

    /// The time of this change.
    #[must_use]
    pub const fn now(&self) -> DateTime<Utc> {
        self.now
    }

    /// Emits an event to these users: written, with the next place in their inboxes, when the transaction commits. Its
    /// push, where [`crate::push::PUSHES`] has one, is written with it.
    pub fn emit(&mut self, event: Event, recipients: &[UserId]) {
        let session_id = event.session_id();
        self.posts.push(Post::Event {
            event: Box::new(event),
            session_id,
            recipients: recipients.to_vec(),
            is_silent: false,
        });
    }

    /// As [`Tx::emit`], without the push: a consequence of something that is told already.
    pub fn emit_silently(&mut self, event: Event, recipients: &[UserId]) {
        let session_id = event.session_id();
        self.posts.push(Post::Event {
            event: Box::new(event),
            session_id,
            recipients: recipients.to_vec(),
            is_silent: true,
        });
    }

    /// As [`Tx::emit`], for events whose data does not name their session.
    pub fn emit_in(&mut self, session_id: SessionId, event: Event, recipients: &[UserId]) {
        let recipients = recipients.to_vec();
        self.posts.push(Post::Event {
            event: Box::new(event),
            session_id: Some(session_id),
            recipients,
            is_silent: false,
        });
    }

    /// Posts a message: its row is written, with its place in both inboxes, when the transaction commits.
    pub fn post_message(&mut self, message: NewMessage) {
        self.posts.push(Post::Message(message));
    }

    /// Rings the devices of these users about something that stands in no inbox, by its line of
    /// [`crate::push::PUSHES`]; the ids are named as there.
    pub fn push(&mut self, event: &str, users: &[UserId], ids: &[(&'static str, Uuid)]) {
        self.pushes.extend(Pending::alone(event, users, ids, self.now));
    }

    /// Rings every patient, a page at a time.
    pub fn push_to_all_patients(&mut self, event: &str, ids: &[(&'static str, Uuid)]) {
        self.jobs.extend(push::broadcast(event, ids, self.now));
    }

    /// Writes a job into the outbox when the transaction commits.
    pub fn enqueue(&mut self, job: NewJob) {
        self.jobs.push(job);
    }

    /// Everybody in whose inbox this will stand.
    #[must_use]
    pub fn recipients(&self) -> Vec<UserId> {
        self.posts.iter().flat_map(Post::recipients).collect()
    }

    /// Takes the places in the inboxes, writes events and messages, and commits.
    ///
    /// # Errors
    /// Whatever Postgres refuses; nothing is written then. A lost connection during the commit leaves the outcome
    /// unknown, which the callers' own idempotency resolves.
    pub async fn commit(mut self) -> Result<Committed> {
        let posts = std::mem::take(&mut self.posts);
        let events = if posts.is_empty() { Vec::new() } else { self.write(posts).await? };
        let queued = self.write_jobs().await?;
        self.inner.commit().await?;
        Ok(Committed { events, queued })
    }

    /// Gives each post its place and writes it.
    async fn write(&mut self, posts: Vec<Post>) -> Result<Vec<CommittedEvent>> {
        let users = posts.iter().flat_map(Post::recipients).collect();
        let mut heads = Heads::lock(&mut self.inner, users, self.now).await?;
        let mut events = Vec::with_capacity(posts.len());
        let mut columns = EventColumns::default();
        let mut stored = Vec::new();
        for post in posts {
            let (at, places) = heads.next(&post.recipients(), self.now);
            let committed = post.place(at, places, &mut columns, &mut self.pushes)?;
            if let Some(message) = &committed.message {
                stored.push((message.clone(), committed.places.clone()));
            }
            events.push(committed);
        }
        if !stored.is_empty() {
            messages::insert_many(&mut self.inner, &stored).await?;
        }
        columns.write(&mut self.inner, &heads).await?;
        Ok(events)
    }

    async fn write_jobs(&mut self) -> Result<u64> {
        let mut queued = self.jobs.len() as u64;
        if !self.jobs.is_empty() {
            outbox::insert_many(&mut self.inner, &self.jobs, self.now).await?;
        }
        if !self.pushes.is_empty() {
            queued += push::enqueue(&mut self.inner, &self.pushes, self.now).await?;
        }
        Ok(queued)
    }

    /// Undoes everything.
    ///
    /// # Errors
    /// Only when the connection is lost, which undoes everything too.
    pub async fn rollback(self) -> Result<()> {
        Ok(self.inner.rollback().await?)
    }
}

impl Post {
    fn recipients(&self) -> Vec<UserId> {
        match self {
            Self::Event { recipients, .. } => recipients.clone(),
            Self::Message(message) => vec![message.patient_id, message.doctor_id],
        }
    }

    fn place(
        self,
        at: DateTime<Utc>,
        places: Vec<(UserId, i64)>,
        columns: &mut EventColumns,
        pushes: &mut Vec<Pending>,
    ) -> Result<CommittedEvent> {
        match self {
            Self::Event { event, session_id, recipients, is_silent } => {
                let data: Arc<str> = event.data()?.get().into();
                let id = EventId::new();
                columns.push(id, &event, session_id, at, &data, &places);
                if !is_silent {
                    let session = session_id.map(|session| session.0);
                    let source = Source { kind: event.kind(), id: id.0, at, session, by: event.by(), data: &data };
                    pushes.extend(Pending::of_event(source, recipients));
                }
                let patch = event.patch();
                Ok(CommittedEvent { kind: event.kind(), at, session_id, data, places, patch, message: None })
            }
            Self::Message(new) => {
                let parties = vec![new.patient_id, new.doctor_id];
                let message = new.at(at);
                pushes.extend(Pending::of_message(&message, parties));
                let event = Event::MessageNew(message.clone());
                let data: Arc<str> = event.data()?.get().into();
                let session_id = Some(message.session_id);
                Ok(CommittedEvent {
                    kind: event.kind(),
                    at,
                    session_id,
                    data,
                    places,
                    patch: None,
                    message: Some(message),
                })
            }
        }
    }
}

/// The columns of one insert into `events` and one into `inbox`.
#[derive(Debug, Default)]
struct EventColumns {
    ids: Vec<EventId>,
    ats: Vec<DateTime<Utc>>,
    kinds: Vec<String>,
    sessions: Vec<Option<SessionId>>,
    datas: Vec<String>,
    inbox_users: Vec<UserId>,
    inbox_seqs: Vec<i64>,
    inbox_events: Vec<EventId>,
    inbox_ats: Vec<DateTime<Utc>>,
}

impl EventColumns {
    fn push(
        &mut self,
        id: EventId,
        event: &Event,
        session_id: Option<SessionId>,
        at: DateTime<Utc>,
        data: &str,
        places: &[(UserId, i64)],
    ) {
        self.ids.push(id);
        self.ats.push(at);
        self.kinds.push(event.kind().to_owned());
        self.sessions.push(session_id);
        self.datas.push(data.to_owned());
        for (user, seq) in places {
            self.inbox_users.push(*user);
            self.inbox_seqs.push(*seq);
            self.inbox_events.push(id);
            self.inbox_ats.push(at);
        }
    }

    /// Writes the rows and the heads; with no events (messages alone) only the heads.
    async fn write(&self, conn: &mut PgConnection, heads: &Heads) -> Result<()> {
        let (users, seqs, ats) = heads.columns();
        if self.ids.is_empty() {
            sqlx::query!(
                "update inboxes i set head = h.head, last_at = h.last_at
                 from unnest($1::uuid[], $2::bigint[], $3::timestamptz[]) as h(user_id, head, last_at)
                 where i.user_id = h.user_id",
                &users as _,
                &seqs,
                &ats
            )
            .execute(conn)
            .await?;
            return Ok(());
        }
        sqlx::query_file!(
            "src/tx_write.sql",
            &users as _,
            &seqs,
            &ats,
            &self.ids as _,
            &self.ats,
            &self.kinds,
            &self.sessions as _,
            &self.datas,
            &self.inbox_users as _,
            &self.inbox_seqs,
            &self.inbox_events as _,
            &self.inbox_ats
        )
        .execute(conn)
        .await?;
        Ok(())
    }
}
