//! Reading inboxes: many users in one query, events and messages merged by `seq` (DESIGN §2).

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::connect::Party;
use crate::connect::messages::{ContentType, Message};
use crate::error::{Error, Result};
use crate::events::Event;
use crate::ids::{MessageId, SessionId, UserId};

/// One place in an inbox.
#[derive(Clone)]
pub struct Row {
    /// Whose inbox.
    pub user_id: UserId,
    /// Which place.
    pub seq: i64,
    /// When.
    pub at: DateTime<Utc>,
    /// The event's name.
    pub kind: String,
    /// The session it belongs to.
    pub session_id: Option<SessionId>,
    /// The frame's `data`, as JSON.
    pub data: String,
}

// What patients say never reaches a log, however it is printed.
impl std::fmt::Debug for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Row")
            .field("user_id", &self.user_id)
            .field("seq", &self.seq)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

/// The heads of these inboxes; a user without one has head 0 and is left out.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn heads(conn: &mut PgConnection, users: &[UserId]) -> Result<Vec<(UserId, i64)>> {
    let rows =
        sqlx::query!("select user_id, head from inboxes where user_id = any($1)", users as _).fetch_all(conn).await?;
    Ok(rows.into_iter().map(|row| (row.user_id, row.head)).collect())
}

/// What a look at one inbox found.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// The inbox's head.
    pub head: i64,
    /// Rows after the place asked for, ascending by `seq`; none for a look at the head alone.
    pub rows: Vec<Row>,
}

/// For each `(user, after)`: the head, and up to `limit` rows that follow `after`, not older than `floor`. One
/// statement, so that all is of one moment: a head is never ahead of the rows it was read with, nor behind them. An
/// inbox with a row that cannot be read fails alone.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn look(
    conn: &mut PgConnection,
    wanted: &[(UserId, Option<i64>)],
    floor: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<Result<Found>>> {
    let (users, afters): (Vec<UserId>, Vec<Option<i64>>) = wanted.iter().copied().unzip();
    let rows = sqlx::query_file_as!(Stored, "src/inbox_read.sql", &users as _, &afters as _, limit, floor)
        .fetch_all(conn)
        .await?;
    let mut found: Vec<Result<Found>> = wanted.iter().map(|_| Ok(Found::default())).collect();
    for row in rows {
        // Ordinality counts from 1.
        let index = usize::try_from(row.ask - 1).unwrap_or(usize::MAX);
        let (Some(entry), Some((user, _))) = (found.get_mut(index), wanted.get(index)) else { continue };
        if let Ok(inbox) = entry {
            inbox.head = row.head;
            match row.into_row(*user) {
                Ok(row) => inbox.rows.extend(row),
                Err(error) => *entry = Err(error),
            }
        }
    }
    Ok(found)
}

/// A row of the merged read: an event with its data, or a message with its columns; nothing but the head where there
/// is neither.
struct Stored {
    ask: i64,
    head: i64,
    seq: Option<i64>,
    at: Option<DateTime<Utc>>,
    kind: Option<String>,
    session_id: Option<SessionId>,
    data: Option<String>,
    message_id: Option<MessageId>,
    client_message_id: Option<uuid::Uuid>,
    sender_id: Option<UserId>,
    sender_role: Option<Party>,
    content_type: Option<ContentType>,
    content: Option<String>,
}

impl Stored {
    fn into_row(mut self, user_id: UserId) -> Result<Option<Row>> {
        let (Some(seq), Some(at), Some(kind)) = (self.seq, self.at, self.kind.take()) else { return Ok(None) };
        let session_id = self.session_id;
        let data = match self.data.take() {
            Some(data) => data,
            None => self.message_data(at).ok_or_else(|| Error::Corrupt(format!("inbox row {seq} of a message")))?,
        };
        Ok(Some(Row { user_id, seq, at, kind, session_id, data }))
    }

    /// The message as it was announced: receipts that came later are events of their own.
    fn message_data(self, created_at: DateTime<Utc>) -> Option<String> {
        let message = Message {
            id: self.message_id?,
            session_id: self.session_id?,
            client_message_id: self.client_message_id?,
            sender_id: self.sender_id?,
            sender_role: self.sender_role?,
            content_type: self.content_type?,
            content: self.content?,
            created_at,
            delivered_at: None,
            read_at: None,
        };
        Event::MessageNew(message).data().ok().map(|data| data.get().to_owned())
    }
}

/// A transaction in which everything is read from one snapshot; dropped, it ends.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn snapshot(pool: &sqlx::PgPool) -> Result<sqlx::Transaction<'static, sqlx::Postgres>> {
    let mut tx = pool.begin().await?;
    sqlx::query!("set transaction isolation level repeatable read, read only").execute(&mut *tx).await?;
    Ok(tx)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use chrono::TimeDelta;

    use super::*;
    use crate::accounts::{NewAccount, Role, insert};
    use crate::connect::payloads::SessionChanged;
    use crate::states::session::Status;
    use crate::testing;
    use crate::tx::Tx;

    const LIMIT: i64 = 100;

    fn start() -> DateTime<Utc> {
        crate::clock::Clock::system().now()
    }

    async fn users<const N: usize>(pool: &sqlx::PgPool) -> [UserId; N] {
        let ids = [(); N].map(|()| UserId::new());
        let mut conn = pool.acquire().await.unwrap();
        for id in ids {
            insert(&mut conn, id, Role::Client, NewAccount::default(), start()).await.unwrap();
        }
        ids
    }

    /// Writes an event into these inboxes.
    async fn emit(pool: &sqlx::PgPool, users: &[UserId], at: DateTime<Utc>) {
        let mut tx = Tx::begin(pool, at).await.unwrap();
        let (session_id, other) = (SessionId::new(), UserId::new());
        let (status, patient_id, doctor_id) = (Status::Expired, other, other);
        let data = SessionChanged { session_id, status, patient_id, doctor_id, created_at: at, started_at: None };
        tx.emit(Event::SessionExpired(data), users);
        drop(tx.commit().await.unwrap());
    }

    fn shape(found: &Result<Found>) -> (i64, Vec<i64>) {
        let found = found.as_ref().unwrap();
        (found.head, found.rows.iter().map(|row| row.seq).collect())
    }

    #[tokio::test]
    async fn every_ask_gets_its_head_and_its_rows() {
        let database = testing::database().await;
        let pool = crate::database::connect(&database.options, 2).await.unwrap();
        let [one, two, empty] = users(&pool).await;
        let now = start();
        for (number, who) in [&[one][..], &[one, two], &[one], &[one]].into_iter().enumerate() {
            emit(&pool, who, now + TimeDelta::seconds(number as i64)).await;
        }
        let wanted = [
            (one, Some(1)),
            (one, None),
            (one, Some(4)),
            (one, Some(9)),
            (two, Some(0)),
            (empty, Some(0)),
            (UserId::new(), Some(3)),
            (one, Some(0)),
        ];
        let mut conn = pool.acquire().await.unwrap();
        let found = look(&mut conn, &wanted, now - TimeDelta::hours(1), LIMIT).await.unwrap();
        let shapes: Vec<_> = found.iter().map(shape).collect();
        let expected: Vec<(i64, Vec<i64>)> = vec![
            (4, vec![2, 3, 4]),
            (4, vec![]),
            (4, vec![]),
            (4, vec![]),
            (1, vec![1]),
            (0, vec![]),
            (0, vec![]),
            (4, vec![1, 2, 3, 4]),
        ];
        assert_eq!(shapes, expected);
        assert!(found[0].as_ref().unwrap().rows.iter().all(|row| row.user_id == one && row.kind == "session.expired"));
        // A short page, and what retention has taken.
        let found = look(&mut conn, &[(one, Some(1))], now - TimeDelta::hours(1), 2).await.unwrap();
        assert_eq!(shape(&found[0]), (4, vec![2, 3]));
        let found = look(&mut conn, &[(one, Some(0))], now + TimeDelta::milliseconds(1500), LIMIT).await.unwrap();
        assert_eq!(shape(&found[0]), (4, vec![3, 4]));
        assert!(look(&mut conn, &[], now, LIMIT).await.unwrap().is_empty());
    }

    /// While events are being written: what is read is of one moment, so head and last row are the same number.
    #[tokio::test]
    async fn a_head_is_of_the_same_moment_as_its_rows() {
        let database = testing::database().await;
        let pool = crate::database::connect(&database.options, 6).await.unwrap();
        let who: [UserId; 3] = users(&pool).await;
        let (now, done, looks) = (start(), AtomicBool::new(false), AtomicUsize::new(0));
        let writing = async {
            let (mut number, deadline) = (0, std::time::Instant::now() + std::time::Duration::from_secs(60));
            // Until there was something to race with.
            while number < 60 || looks.load(Ordering::SeqCst) < 2 {
                assert!(std::time::Instant::now() < deadline, "nobody gets to look");
                emit(&pool, &who, now + TimeDelta::milliseconds(number)).await;
                number += 1;
            }
            done.store(true, Ordering::SeqCst);
        };
        let reading = async {
            let mut conn = pool.acquire().await.unwrap();
            while !done.load(Ordering::SeqCst) {
                let wanted = who.map(|user| (user, Some(0)));
                for found in look(&mut conn, &wanted, now - TimeDelta::hours(1), 100_000).await.unwrap() {
                    let found = found.unwrap();
                    let seqs: Vec<i64> = found.rows.iter().map(|row| row.seq).collect();
                    assert_eq!(seqs, (1..=found.head).collect::<Vec<_>>());
                }
                looks.fetch_add(1, Ordering::SeqCst);
            }
        };
        tokio::join!(writing, reading);
    }
}
