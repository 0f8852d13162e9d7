//! Reminders: a row for each that is to be sent, gone in the transaction that sends it, so that each is sent once or
//! not at all. Whoever plans, drops or sends one holds the row of its subject (the appointment, the session).

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::error::Result;

/// What is reminded of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A follow-up, the day before.
    FollowupDay,
    /// A follow-up, the hour before.
    FollowupHour,
    /// A consultation that was not reviewed.
    Review,
}

impl Kind {
    const ALL: [Self; 3] = [Self::FollowupDay, Self::FollowupHour, Self::Review];

    /// The word that is stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FollowupDay => "followup.day",
            Self::FollowupHour => "followup.hour",
            Self::Review => "review",
        }
    }

    fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

/// Replaces all reminders of a subject.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn plan(conn: &mut PgConnection, subject: Uuid, reminders: &[(Kind, DateTime<Utc>)]) -> Result<()> {
    cancel(conn, subject).await?;
    if reminders.is_empty() {
        return Ok(());
    }
    let (kinds, times): (Vec<String>, Vec<DateTime<Utc>>) =
        reminders.iter().map(|(kind, at)| (kind.as_str().to_owned(), *at)).unzip();
    sqlx::query!(
        "insert into reminders (subject_id, kind, due_at)
         select $1, r.kind, r.due_at from unnest($2::text[], $3::timestamptz[]) as r(kind, due_at)",
        subject,
        &kinds,
        &times
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Plans one reminder of a subject; one of this kind that is planned already stays.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn add(conn: &mut PgConnection, subject: Uuid, kind: Kind, due_at: DateTime<Utc>) -> Result<()> {
    sqlx::query!(
        "insert into reminders (subject_id, kind, due_at) values ($1, $2, $3) on conflict do nothing",
        subject,
        kind.as_str(),
        due_at
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Drops all reminders of a subject.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn cancel(conn: &mut PgConnection, subject: Uuid) -> Result<()> {
    sqlx::query!("delete from reminders where subject_id = $1", subject).execute(conn).await?;
    Ok(())
}

/// Subjects with a reminder that is due, the longest waiting first, each with one kind of it. Nothing is locked.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn list_due(conn: &mut PgConnection, now: DateTime<Utc>, limit: i64) -> Result<Vec<(Uuid, Kind)>> {
    let known: Vec<String> = Kind::ALL.iter().map(|kind| kind.as_str().to_owned()).collect();
    let rows = sqlx::query!(
        "select subject_id, min(kind) as \"kind!\" from reminders where due_at <= $1 and kind = any($2)
         group by subject_id order by min(due_at) limit $3",
        now,
        &known,
        limit
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().filter_map(|row| Some((row.subject_id, Kind::of(&row.kind)?))).collect())
}

/// Takes the due reminders of a subject away. Answers how many they were: none where somebody else was first.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn take_due(conn: &mut PgConnection, subject: Uuid, now: DateTime<Utc>) -> Result<u64> {
    let taken = sqlx::query!("delete from reminders where subject_id = $1 and due_at <= $2", subject, now)
        .execute(conn)
        .await?;
    Ok(taken.rows_affected())
}
