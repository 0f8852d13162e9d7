//! The outbox: work for services outside, written in the transaction of its cause and worked off by any node (DESIGN §6).
//!
//! A row is taken under a lease, with `for update skip locked`, so that no transaction is open while somebody outside is
//! waited for. A node that dies leaves its lease to run out; the row is then taken again: at least once, and mostly once.
//! What fails is put off; what cannot be done, or was tried often enough, is dead, and stays until an admin retries it.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use sqlx::PgConnection;

use crate::error::Result;

/// How long a dead letter is kept.
const KEPT: TimeDelta = TimeDelta::days(30);

/// Work about to be written.
#[derive(Clone)]
pub struct NewJob {
    /// Which carrier takes it.
    pub kind: &'static str,
    /// Jobs of one topic go out one after the other, and one that failed is dropped when the next one goes: for what a
    /// later word makes untrue.
    pub topic: Option<String>,
    /// What the carrier needs.
    pub payload: Value,
    /// Not before.
    pub due_at: DateTime<Utc>,
    /// Of no use afterwards.
    pub expires_at: Option<DateTime<Utc>>,
}

// Payloads may carry addresses and texts: neither belongs into a log.
impl std::fmt::Debug for NewJob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewJob").field("kind", &self.kind).field("due_at", &self.due_at).finish_non_exhaustive()
    }
}

/// Work that was taken. Whoever holds it says in the end what became of it.
#[derive(Clone)]
pub struct Job {
    /// Ascending.
    pub id: i64,
    /// What the carrier needs.
    pub payload: Value,
    /// When it was written.
    pub created_at: DateTime<Utc>,
    /// Of no use afterwards.
    pub expires_at: Option<DateTime<Utc>>,
    /// Which attempt this is, from 1.
    pub attempts: i32,
    /// Whose it is until then; also the proof that it still is ours: nobody else was given the same instant.
    pub leased_until: DateTime<Utc>,
    /// Whether something went wrong with it before.
    pub has_failed: bool,
}

// Payloads may carry addresses and texts: neither belongs into a log.
impl std::fmt::Debug for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Job").field("id", &self.id).field("attempts", &self.attempts).finish_non_exhaustive()
    }
}

/// Writes jobs, in their order.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn insert_many(conn: &mut PgConnection, jobs: &[NewJob], now: DateTime<Utc>) -> Result<()> {
    let kinds: Vec<String> = jobs.iter().map(|job| job.kind.to_owned()).collect();
    let topics: Vec<Option<String>> = jobs.iter().map(|job| job.topic.clone()).collect();
    let payloads: Vec<Value> = jobs.iter().map(|job| job.payload.clone()).collect();
    let dues: Vec<DateTime<Utc>> = jobs.iter().map(|job| job.due_at).collect();
    let expiries: Vec<Option<DateTime<Utc>>> = jobs.iter().map(|job| job.expires_at).collect();
    sqlx::query!(
        "insert into outbox (kind, topic, payload, created_at, due_at, expires_at)
         select j.kind, j.topic, j.payload, $6, j.due_at, j.expires_at
         from unnest($1::text[], $2::text[], $3::jsonb[], $4::timestamptz[], $5::timestamptz[])
              with ordinality as j(kind, topic, payload, due_at, expires_at, place)
         order by j.place",
        &kinds,
        &topics as _,
        &payloads,
        &dues,
        &expiries as _,
        now
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Takes up to `limit` jobs of a kind that are due, until `lease` is over.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn take(
    conn: &mut PgConnection,
    kind: &str,
    now: DateTime<Utc>,
    lease: TimeDelta,
    limit: i64,
) -> Result<Vec<Job>> {
    Ok(sqlx::query_file_as!(Job, "src/outbox_take.sql", kind, now, now + lease, limit).fetch_all(conn).await?)
}

/// Done: the job goes. Answers whether it was still ours.
///
/// # Errors
/// When Postgres cannot be asked; the job is done again after its lease then.
pub async fn finish(conn: &mut PgConnection, job: &Job) -> Result<bool> {
    let done = sqlx::query!("delete from outbox where id = $1 and leased_until = $2", job.id, job.leased_until);
    Ok(done.execute(conn).await?.rows_affected() == 1)
}

/// Failed: again at `due_at`.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn put_off(conn: &mut PgConnection, job: &Job, due_at: DateTime<Utc>, error: &str) -> Result<()> {
    sqlx::query!(
        "update outbox set leased_until = null, due_at = $3, last_error = $4 where id = $1 and leased_until = $2",
        job.id,
        job.leased_until,
        due_at,
        error
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Nothing was tried: again at `due_at`, perhaps with another payload or a reason, and the attempt does not count.
/// Answers whether it was still ours.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn postpone(
    conn: &mut PgConnection,
    job: &Job,
    due_at: DateTime<Utc>,
    payload: Option<&Value>,
    error: Option<&str>,
) -> Result<bool> {
    let postponed = sqlx::query!(
        "update outbox set leased_until = null, due_at = $3, attempts = attempts - 1, payload = coalesce($4, payload),
             last_error = coalesce($5, last_error)
         where id = $1 and leased_until = $2",
        job.id,
        job.leased_until,
        due_at,
        payload,
        error
    )
    .execute(conn)
    .await?;
    Ok(postponed.rows_affected() == 1)
}

/// Given up: the job is a dead letter. Without an error of its own it keeps the last one.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn bury(conn: &mut PgConnection, job: &Job, now: DateTime<Utc>, error: Option<&str>) -> Result<()> {
    sqlx::query!(
        "update outbox set leased_until = null, dead_at = $3, last_error = coalesce($4, last_error)
         where id = $1 and leased_until = $2",
        job.id,
        job.leased_until,
        now,
        error
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// A job as an admin sees it: no payload.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Ascending.
    pub id: i64,
    /// Which carrier takes it.
    pub kind: String,
    /// How often it was tried.
    pub attempts: i32,
    /// When it was written.
    pub created_at: DateTime<Utc>,
    /// When it is tried next.
    pub due_at: DateTime<Utc>,
    /// Of no use afterwards.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was given up.
    pub dead_at: Option<DateTime<Utc>>,
    /// Somebody is at work on it until then; what has passed, they never came to an end with.
    pub leased_until: Option<DateTime<Utc>>,
    /// Why it failed.
    pub last_error: Option<String>,
}

/// The jobs that wait, or the dead letters, the oldest first.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn list(conn: &mut PgConnection, dead: bool, kind: Option<&str>, limit: i64) -> Result<Vec<Entry>> {
    // Two statements, so that each finds its own index whatever plan is kept for it.
    let found = if dead {
        sqlx::query_as!(
            Entry,
            "select id, kind, attempts, created_at, due_at, expires_at, dead_at, leased_until,
                    last_error
             from outbox
             where dead_at is not null and ($1::text is null or kind = $1) order by id limit $2",
            kind,
            limit
        )
        .fetch_all(conn)
        .await?
    } else {
        sqlx::query_as!(
            Entry,
            "select id, kind, attempts, created_at, due_at, expires_at, dead_at, leased_until,
                    last_error
             from outbox
             where dead_at is null and ($1::text is null or kind = $1) order by id limit $2",
            kind,
            limit
        )
        .fetch_all(conn)
        .await?
    };
    Ok(found)
}

/// Which dead letters are tried again.
#[derive(Debug, Clone, Copy)]
pub enum Which<'a> {
    /// This one.
    One(i64),
    /// All, or all of a kind.
    All(Option<&'a str>),
}

/// Gives dead letters all their attempts again; those that are of no use any more, also since a later job of their topic
/// has come, stay dead. Answers how many.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn retry(conn: &mut PgConnection, which: Which<'_>, now: DateTime<Utc>) -> Result<u64> {
    let (id, kind) = match which {
        Which::One(id) => (Some(id), None),
        Which::All(kind) => (None, kind),
    };
    let revived = sqlx::query!(
        "with chosen as (
             select o.id from outbox o
             where o.dead_at is not null and (o.expires_at is null or o.expires_at > $3)
               and ($1::bigint is null or o.id = $1) and ($2::text is null or o.kind = $2)
               and (o.topic is null or not exists (
                   select from outbox l where l.topic = o.topic and l.id > o.id and l.dead_at is null
               ))
             -- Whoever takes a later job of their topics holds them to let them expire.
             for update of o skip locked
         )
         update outbox o set dead_at = null, attempts = 0, due_at = $3 from chosen where o.id = chosen.id",
        id,
        kind,
        now
    )
    .execute(conn)
    .await?;
    Ok(revived.rows_affected())
}

/// How it stands with a kind.
#[derive(Debug, Clone)]
pub struct Figures {
    /// Which carrier takes it.
    pub kind: String,
    /// How many jobs wait.
    pub waiting: i64,
    /// How many dead letters there are.
    pub dead: i64,
    /// When the job was due that has been waiting longest.
    pub oldest_due: Option<DateTime<Utc>>,
}

/// How it stands with each kind that has rows.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn figures(conn: &mut PgConnection) -> Result<Vec<Figures>> {
    Ok(sqlx::query_as!(
        Figures,
        "select kind, count(*) filter (where dead_at is null) as \"waiting!\",
                count(*) filter (where dead_at is not null) as \"dead!\",
                min(due_at) filter (where dead_at is null) as oldest_due
         from outbox group by kind"
    )
    .fetch_all(conn)
    .await?)
}

/// Drops dead letters that nobody looked at for long.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn sweep(conn: &mut PgConnection, now: DateTime<Utc>) -> Result<()> {
    sqlx::query!("delete from outbox where dead_at < $1", now - KEPT).execute(conn).await?;
    Ok(())
}
