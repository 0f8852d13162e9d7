//! The audit log: a row for every read or write of patient data, in the caller's transaction, never changed
//! (DESIGN §8). A sealer chains settled rows in blocks, so that `consilium audit verify` finds one changed byte.

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::error::Result;
use crate::ids::{SessionId, UserId};

/// Who did what to whose data.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// When.
    pub at: DateTime<Utc>,
    /// Who; none for timers.
    pub actor: Option<UserId>,
    /// As what: `client`, `doctor`, `admin`, `system`.
    pub role: &'a str,
    /// What: `session.accept`, `messages.list`, `auth.refresh_reused`.
    pub action: &'a str,
    /// Whose data, where it is not the session's parties.
    pub subject: Option<UserId>,
    /// Which session.
    pub session: Option<SessionId>,
}

/// Appends an entry.
///
/// # Errors
/// When Postgres cannot be asked; the caller's transaction fails with it.
pub async fn append(conn: &mut PgConnection, entry: Entry<'_>) -> Result<()> {
    sqlx::query!(
        "insert into audit_log (at, actor_id, actor_role, action, subject_id, session_id)
         values ($1, $2, $3, $4, $5, $6)",
        entry.at,
        entry.actor as _,
        entry.role,
        entry.action,
        entry.subject as _,
        entry.session as _
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Adds a row for each of these subjects: somebody read a list of them.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn append_for_each(conn: &mut PgConnection, entry: Entry<'_>, subjects: &[UserId]) -> Result<()> {
    sqlx::query!(
        "insert into audit_log (at, actor_id, actor_role, action, subject_id, session_id)
         select $1, $2, $3, $4, subject, $6 from unnest($5::uuid[]) as subject",
        entry.at,
        entry.actor as _,
        entry.role,
        entry.action,
        subjects as _,
        entry.session as _
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// How many rows there are of this action on this subject.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn count(conn: &mut PgConnection, action: &str, subject: UserId) -> Result<i64> {
    Ok(sqlx::query_scalar!(
        "select count(*) as \"count!\" from audit_log where action = $1 and subject_id = $2",
        action,
        subject as _
    )
    .fetch_one(conn)
    .await?)
}

struct Block {
    id: i64,
    after_txid: String,
    upto_txid: String,
    row_count: i64,
    previous: Vec<u8>,
    hash: Vec<u8>,
}

struct Row {
    id: i64,
    at: DateTime<Utc>,
    actor_id: Option<Uuid>,
    actor_role: String,
    action: String,
    subject_id: Option<Uuid>,
    session_id: Option<Uuid>,
}

/// Seals the rows of all transactions that have ended into one block. Answers how many rows it holds.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn seal(conn: &mut PgConnection, now: DateTime<Utc>) -> Result<i64> {
    // One sealer at a time, whichever node it is on; the lock goes with the transaction.
    let free =
        sqlx::query_scalar!("select pg_try_advisory_xact_lock(4711, 1) as \"free!\"").fetch_one(&mut *conn).await?;
    if !free {
        return Ok(0);
    }
    let last = last_block(conn).await?;
    let (after, previous) = last.map_or_else(|| ("0".to_owned(), vec![0; 32]), |block| (block.upto_txid, block.hash));
    let upto =
        sqlx::query_scalar!("select (pg_snapshot_xmin(pg_current_snapshot())::text::bigint - 1)::text as \"upto!\"")
            .fetch_one(&mut *conn)
            .await?;
    let rows = rows_between(conn, &after, &upto).await?;
    if rows.is_empty() {
        return Ok(0);
    }
    let count = i64::try_from(rows.len()).unwrap_or(i64::MAX);
    sqlx::query!(
        "insert into audit_blocks (after_txid, upto_txid, row_count, previous, hash, sealed_at)
         values ($1::text::xid8, $2::text::xid8, $3, $4, $5, $6)",
        after,
        upto,
        count,
        previous,
        block_hash(&previous, &rows),
        now
    )
    .execute(conn)
    .await?;
    Ok(count)
}

/// Recomputes every block. Answers how many blocks and rows stand, or the first block that does not.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn verify(conn: &mut PgConnection) -> Result<Verdict> {
    let blocks = sqlx::query_as!(
        Block,
        "select id, after_txid::text as \"after_txid!\", upto_txid::text as \"upto_txid!\", row_count, previous, hash
         from audit_blocks order by id"
    )
    .fetch_all(&mut *conn)
    .await?;
    let mut previous = vec![0; 32];
    let mut after = "0".to_owned();
    let mut total = 0;
    for block in &blocks {
        let rows = rows_between(conn, &block.after_txid, &block.upto_txid).await?;
        let count = i64::try_from(rows.len()).unwrap_or(i64::MAX);
        let chained = block.previous == previous && block.after_txid == after;
        if !chained || count != block.row_count || block_hash(&previous, &rows) != block.hash {
            return Ok(Verdict::Broken { block: block.id });
        }
        previous.clone_from(&block.hash);
        after.clone_from(&block.upto_txid);
        total += count;
    }
    Ok(Verdict::Whole { blocks: blocks.len(), rows: total })
}

/// What [`verify`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Every block stands.
    Whole {
        /// How many blocks.
        blocks: usize,
        /// How many sealed rows.
        rows: i64,
    },
    /// A row of this block, or the chain before it, was changed.
    Broken {
        /// The first block that does not stand.
        block: i64,
    },
}

async fn last_block(conn: &mut PgConnection) -> Result<Option<Block>> {
    Ok(sqlx::query_as!(
        Block,
        "select id, after_txid::text as \"after_txid!\", upto_txid::text as \"upto_txid!\", row_count, previous, hash
         from audit_blocks order by id desc limit 1"
    )
    .fetch_optional(conn)
    .await?)
}

async fn rows_between(conn: &mut PgConnection, after: &str, upto: &str) -> Result<Vec<Row>> {
    Ok(sqlx::query_as!(
        Row,
        "select id, at, actor_id, actor_role, action, subject_id, session_id from audit_log
         where txid > $1::text::xid8 and txid <= $2::text::xid8
         order by txid, id",
        after,
        upto
    )
    .fetch_all(conn)
    .await?)
}

/// A hash over the block before and every field of every row, each with its length so that none can slide.
fn block_hash(previous: &[u8], rows: &[Row]) -> Vec<u8> {
    let mut hash = Sha256::new();
    hash.update(previous);
    for row in rows {
        hash.update(row.id.to_be_bytes());
        hash.update(row.at.timestamp_micros().to_be_bytes());
        for text in [&row.actor_role, &row.action] {
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text.as_bytes());
        }
        for id in [row.actor_id, row.subject_id, row.session_id] {
            hash.update([u8::from(id.is_some())]);
            hash.update(id.unwrap_or_default().as_bytes());
        }
    }
    hash.finalize().to_vec()
}
