//! Objects of the file store, and which of them are to be removed (docs/decisions/020). Every object is written under an
//! intention to remove it; the transaction that makes it count takes the intention away with [`keep`].

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;

use crate::error::Result;

/// A part of the store: a container of its own in Azure, a folder elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum Area {
    /// Pictures of people, readable without a token (settled 20).
    Avatars,
    /// Attachments of consultations.
    Sessions,
    /// Documents of patients.
    Reports,
    /// Recordings that an app made.
    Recordings,
    /// Prescriptions as PDF.
    Prescriptions,
}

impl Area {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Avatars, Self::Sessions, Self::Reports, Self::Recordings, Self::Prescriptions];

    /// The word in addresses, also stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Avatars => "avatars",
            Self::Sessions => "sessions",
            Self::Reports => "reports",
            Self::Recordings => "recordings",
            Self::Prescriptions => "prescriptions",
        }
    }

    /// The area of this word.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|area| area.as_str() == word)
    }
}

/// Something in the file store. Keys are made by the server, of letters, digits, `-`, `_`, `.` and `/` alone.
#[derive(Clone, PartialEq, Eq)]
pub struct Object {
    /// Where.
    pub area: Area,
    /// Under which name.
    pub key: String,
}

impl Object {
    /// An object.
    #[must_use]
    pub fn new(area: Area, key: impl Into<String>) -> Self {
        Self { area, key: key.into() }
    }
}

// A key may carry what a patient called a file.
impl std::fmt::Debug for Object {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Object").field("area", &self.area).finish_non_exhaustive()
    }
}

/// Intends to remove an object; of two intentions the later one stands.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn plan_removal(conn: &mut PgConnection, object: &Object, due_at: DateTime<Utc>) -> Result<()> {
    sqlx::query!(
        "insert into file_removals (area, key, due_at) values ($1, $2, $3)
         on conflict on constraint file_removals_pkey do update set due_at = excluded.due_at, attempts = 0",
        object.area as _,
        object.key,
        due_at
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Takes the intention away: the object counts from this transaction on. False when the intention is gone, and perhaps
/// the object with it.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn keep(conn: &mut PgConnection, object: &Object) -> Result<bool> {
    let done = sqlx::query!("delete from file_removals where area = $1 and key = $2", object.area as _, object.key)
        .execute(conn)
        .await?;
    Ok(done.rows_affected() == 1)
}

/// An object that was taken for removal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// Which one.
    pub object: Object,
    /// When it is due again; also the proof that nobody has intended anything else since.
    pub due_at: DateTime<Utc>,
}

/// Forgets an intention that was carried out. False where there is another one by now, which stands: what was written
/// under the same name meanwhile is to go too.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn forget(conn: &mut PgConnection, due: &Due) -> Result<bool> {
    let done = sqlx::query!(
        "delete from file_removals where area = $1 and key = $2 and due_at = $3",
        due.object.area as _,
        due.object.key,
        due.due_at
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// How many objects were taken three times or more and are still there: the store refuses, mostly.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn count_refused(conn: &mut PgConnection) -> Result<i64> {
    let counted = sqlx::query_scalar!("select count(*) as \"count!\" from file_removals where attempts >= 3");
    Ok(counted.fetch_one(conn).await?)
}

/// Takes objects whose removal is due, none that another node has taken. Each is due again after `lease`, and later
/// after each attempt, unless it is forgotten by then.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn take_due(conn: &mut PgConnection, now: DateTime<Utc>, lease: TimeDelta, limit: i64) -> Result<Vec<Due>> {
    let taken = sqlx::query!(
        "update file_removals f
         set attempts = f.attempts + 1,
             due_at = $2::timestamptz + ($2::timestamptz - $1::timestamptz) * least(f.attempts, 12)
         from (select area, key from file_removals where due_at <= $1 order by due_at limit $3 for update skip locked) d
         where f.area = d.area and f.key = d.key
         returning f.area, f.key, f.due_at",
        now,
        now + lease,
        limit
    )
    .fetch_all(conn)
    .await?;
    Ok(taken
        .into_iter()
        .map(|row| Due { object: Object { area: row.area, key: row.key }, due_at: row.due_at })
        .collect())
}
