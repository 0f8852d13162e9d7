//! Follow-up appointments (connect-v2 §3.12, §3.17): the row, its changes under its own lock, the lists of its parties.

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use sqlx::PgConnection;

use super::payloads::FollowUp;
use super::{Actor, Party};
use crate::error::Result;
use crate::ids::{FollowupId, SessionId, UserId};
use crate::states::followup::Status;

/// A follow-up as it stands in the database, with the names of its parties.
#[derive(Clone)]
pub struct Followup {
    /// Its id.
    pub id: FollowupId,
    /// The consultation it follows.
    pub session_id: SessionId,
    /// Who proposed it.
    pub doctor_id: UserId,
    /// For whom.
    pub patient_id: UserId,
    /// With the title.
    pub doctor_name: String,
    /// Null until set.
    pub patient_name: Option<String>,
    /// The day, in its zone.
    pub scheduled_date: NaiveDate,
    /// The time of day, in its zone.
    pub scheduled_time: Option<NaiveTime>,
    /// IANA name; a proposal is in the same zone.
    pub scheduled_timezone: String,
    /// The two as an instant; of a day without a time, its beginning.
    pub scheduled_at: DateTime<Utc>,
    /// When it is over: `scheduled_at`, or the end of a day without a time.
    pub lapses_at: DateTime<Utc>,
    /// The patient's day.
    pub proposed_date: Option<NaiveDate>,
    /// The patient's time of day.
    pub proposed_time: Option<NaiveTime>,
    /// Where it stands.
    pub status: Status,
    /// Why it was called off.
    pub cancel_reason: Option<String>,
    /// By whom.
    pub cancelled_by: Option<Actor>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}

// What patients say never reaches a log, however it is printed.
impl std::fmt::Debug for Followup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Followup").field("id", &self.id).field("status", &self.status).finish_non_exhaustive()
    }
}

impl Followup {
    /// Which party this user is, if any.
    #[must_use]
    pub fn party(&self, user: UserId) -> Option<Party> {
        if user == self.patient_id {
            Some(Party::Client)
        } else if user == self.doctor_id {
            Some(Party::Doctor)
        } else {
            None
        }
    }

    /// This party's account.
    #[must_use]
    pub const fn user(&self, party: Party) -> UserId {
        match party {
            Party::Client => self.patient_id,
            Party::Doctor => self.doctor_id,
        }
    }

    /// The shape of answers and events.
    #[must_use]
    pub fn view(self) -> FollowUp {
        FollowUp {
            id: self.id,
            connect_session_id: self.session_id,
            parent_session_id: None,
            doctor_id: self.doctor_id,
            patient_id: self.patient_id,
            doctor_name: self.doctor_name,
            patient_name: self.patient_name,
            scheduled_date: self.scheduled_date,
            scheduled_time: self.scheduled_time,
            scheduled_timezone: self.scheduled_timezone,
            scheduled_at: self.scheduled_at,
            proposed_date: self.proposed_date,
            proposed_time: self.proposed_time,
            status: self.status,
            cancel_reason: self.cancel_reason,
            cancelled_by: self.cancelled_by,
            created_at: self.created_at,
            updated_at: self.updated_at,
        }
    }
}

/// Selects whole follow-ups with the given tail of a query.
macro_rules! select_followups {
    ($tail:literal $(, $bind:expr)*) => {
        sqlx::query_as!(
            Followup,
            "select f.id, f.session_id, f.doctor_id, f.patient_id, d.full_name as doctor_name,
                    p.full_name as patient_name, f.scheduled_date, f.scheduled_time, f.scheduled_timezone,
                    f.scheduled_at, f.lapses_at, f.proposed_date, f.proposed_time, f.status, f.cancel_reason,
                    f.cancelled_by, f.created_at, f.updated_at
             from followups f join doctors d on d.id = f.doctor_id join patients p on p.id = f.patient_id "
                + $tail
            $(, $bind)*
        )
    };
}

/// Writes a new follow-up.
///
/// # Errors
/// Conflict `followups_one_open` when the consultation has one that is neither refused nor called off.
pub async fn insert(conn: &mut PgConnection, new: &Followup) -> Result<()> {
    sqlx::query!(
        "insert into followups (id, session_id, doctor_id, patient_id, scheduled_date, scheduled_time,
                                scheduled_timezone, scheduled_at, lapses_at, status, created_at, updated_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        new.id as _,
        new.session_id as _,
        new.doctor_id as _,
        new.patient_id as _,
        new.scheduled_date,
        new.scheduled_time,
        new.scheduled_timezone,
        new.scheduled_at,
        new.lapses_at,
        new.status.as_str(),
        new.created_at,
        new.updated_at
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Writes what can change of a follow-up whose row the caller holds.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn update(conn: &mut PgConnection, followup: &Followup) -> Result<()> {
    sqlx::query!(
        "update followups
         set scheduled_date = $2, scheduled_time = $3, scheduled_at = $4, lapses_at = $5, proposed_date = $6,
             proposed_time = $7, status = $8, cancel_reason = $9, cancelled_by = $10, updated_at = $11
         where id = $1",
        followup.id as _,
        followup.scheduled_date,
        followup.scheduled_time,
        followup.scheduled_at,
        followup.lapses_at,
        followup.proposed_date,
        followup.proposed_time,
        followup.status.as_str(),
        followup.cancel_reason,
        followup.cancelled_by as _,
        followup.updated_at
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// One follow-up.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn find(conn: &mut PgConnection, id: FollowupId) -> Result<Option<Followup>> {
    Ok(select_followups!("where f.id = $1", id as _).fetch_optional(conn).await?)
}

/// One follow-up, locked until the transaction ends.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn find_for_update(conn: &mut PgConnection, id: FollowupId) -> Result<Option<Followup>> {
    Ok(select_followups!("where f.id = $1 for update of f", id as _).fetch_optional(conn).await?)
}

/// One follow-up, locked, unless somebody else holds it.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn find_if_free(conn: &mut PgConnection, id: FollowupId) -> Result<Option<Followup>> {
    Ok(select_followups!("where f.id = $1 for update of f skip locked", id as _).fetch_optional(conn).await?)
}

/// The latest follow-up of a consultation.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn find_latest(conn: &mut PgConnection, session: SessionId) -> Result<Option<Followup>> {
    Ok(select_followups!("where f.session_id = $1 order by f.created_at desc, f.id desc limit 1", session as _)
        .fetch_optional(conn)
        .await?)
}

/// Which follow-ups of a user.
#[derive(Debug, Clone, Copy, Default)]
pub struct Filter {
    /// Only in this status.
    pub status: Option<Status>,
    /// Only those to come, or only those that are over.
    pub upcoming: Option<bool>,
}

/// A user's follow-ups: those to come with the next first, otherwise the latest first.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn list(
    conn: &mut PgConnection,
    user: UserId,
    filter: Filter,
    (limit, offset): (i64, i64),
    now: DateTime<Utc>,
) -> Result<Vec<Followup>> {
    Ok(select_followups!(
        "where (f.patient_id = $1 or f.doctor_id = $1)
           and ($2::text is null or f.status = $2)
           and ($3::boolean is null or (f.lapses_at > $4) = $3)
         order by case when $3 then f.scheduled_at end, f.scheduled_at desc, f.id
         limit $5 offset $6",
        user as _,
        filter.status.map(Status::as_str),
        filter.upcoming,
        now,
        limit,
        offset
    )
    .fetch_all(conn)
    .await?)
}

/// How many they are in all.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn count(conn: &mut PgConnection, user: UserId, filter: Filter, now: DateTime<Utc>) -> Result<i64> {
    Ok(sqlx::query_scalar!(
        "select count(*) as \"count!\" from followups
         where (patient_id = $1 or doctor_id = $1)
           and ($2::text is null or status = $2)
           and ($3::boolean is null or (lapses_at > $4) = $3)",
        user as _,
        filter.status.map(Status::as_str),
        filter.upcoming,
        now
    )
    .fetch_one(conn)
    .await?)
}
