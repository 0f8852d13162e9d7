//! Writing what demo data needs and nothing else does: consultations that are over when they are written.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use crate::connect::Party;
use crate::connect::lab_tests::{self, LabOrder, Recommendation};
use crate::connect::messages::{self, ContentType, NewMessage};
use crate::connect::prescriptions::{self, Medication, Prescription};
use crate::connect::sessions::{self, End, NewSession};
use crate::error::Result;
use crate::heads::Heads;
use crate::ids::{LabOrderId, PrescriptionId, UserId};

/// A consultation of the past.
#[derive(Debug, Clone)]
pub struct Past {
    /// Who asked whom for what.
    pub session: NewSession,
    /// When the doctor accepted.
    pub started_at: DateTime<Utc>,
    /// How it ended.
    pub end: End,
    /// What was said, by whom, when; read within a few seconds.
    pub lines: Vec<(Party, DateTime<Utc>, String)>,
    /// The patient's stars and words.
    pub review: Option<(f64, String)>,
    /// What the doctor decided.
    pub plan: Option<Plan>,
}

/// What the doctor prescribed and recommended.
#[derive(Debug, Clone)]
pub struct Plan {
    /// At least one.
    pub medications: Vec<Medication>,
    /// Of the prescription.
    pub notes: Option<String>,
    /// At least one.
    pub recommendations: Vec<Recommendation>,
}

/// Seeds of several nodes follow one another; the lock goes with the transaction.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn lock(conn: &mut PgConnection) -> Result<()> {
    sqlx::query!("select pg_advisory_xact_lock(4711, 2)").execute(conn).await?;
    Ok(())
}

/// Whether there is any health category.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn has_categories(conn: &mut PgConnection) -> Result<bool> {
    Ok(sqlx::query_scalar!("select exists (select from health_categories) as \"some!\"").fetch_one(conn).await?)
}

/// The doctor with this registration number.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn registered_doctor(conn: &mut PgConnection, number: &str) -> Result<Option<UserId>> {
    Ok(sqlx::query_scalar!("select id from doctors where registration_number = $1", number)
        .fetch_optional(conn)
        .await?)
}

/// Whether there is any article.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn has_articles(conn: &mut PgConnection) -> Result<bool> {
    Ok(sqlx::query_scalar!("select exists (select from articles) as \"some!\"").fetch_one(conn).await?)
}

/// Whether there is any event that people come to.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn has_community_events(conn: &mut PgConnection) -> Result<bool> {
    Ok(sqlx::query_scalar!("select exists (select from community_events) as \"some!\"").fetch_one(conn).await?)
}

/// Whether there is any offer.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn has_offers(conn: &mut PgConnection) -> Result<bool> {
    Ok(sqlx::query_scalar!("select exists (select from wallet_offers) as \"some!\"").fetch_one(conn).await?)
}

/// Writes the consultation with its messages in both inboxes, and its review with the doctor's figures. Those of one
/// person are to be written in the order of time.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn insert_past(conn: &mut PgConnection, past: &Past) -> Result<()> {
    let session = &past.session;
    sessions::insert(conn, session).await?;
    sessions::set_accepted(conn, session.id, past.started_at).await?;
    let parties = [session.patient_id, session.doctor_id];
    let mut heads = Heads::lock(conn, parties.to_vec(), session.created_at).await?;
    let mut rows = Vec::with_capacity(past.lines.len());
    for (sender, at, content) in &past.lines {
        let (at, places) = heads.next(&parties, *at);
        let new = NewMessage {
            session_id: session.id,
            patient_id: session.patient_id,
            doctor_id: session.doctor_id,
            client_message_id: Uuid::now_v7(),
            sender: *sender,
            content_type: ContentType::Text,
            content: content.clone(),
        };
        rows.push((new.at(at), places));
    }
    messages::insert_many(conn, &rows).await?;
    let (users, seqs, ats) = heads.columns();
    sqlx::query!(
        "update inboxes i set head = h.head, last_at = h.last_at
         from unnest($1::uuid[], $2::bigint[], $3::timestamptz[]) as h(user_id, head, last_at)
         where i.user_id = h.user_id",
        &users as _,
        &seqs,
        &ats
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "update messages set delivered_at = created_at + interval '1 second', read_at = created_at + interval '4 seconds'
         where session_id = $1",
        session.id as _
    )
    .execute(&mut *conn)
    .await?;
    sessions::set_ended(conn, session.id, &past.end).await?;
    insert_plan(conn, past).await?;
    insert_review(conn, past).await
}

/// Both lists are written in the last minute, as doctors do.
async fn insert_plan(conn: &mut PgConnection, past: &Past) -> Result<()> {
    let Some(plan) = &past.plan else { return Ok(()) };
    let NewSession { id: session_id, doctor_id, patient_id, .. } = past.session;
    let at = past.end.at - TimeDelta::seconds(30);
    let prescription = Prescription {
        id: PrescriptionId::new(),
        session_id,
        doctor_id,
        patient_id,
        medications: Json(plan.medications.clone()),
        notes: plan.notes.clone(),
        version: 1,
        created_at: at,
        updated_at: at,
    };
    prescriptions::insert(conn, &prescription).await?;
    let order = LabOrder {
        id: LabOrderId::new(),
        session_id,
        doctor_id,
        patient_id,
        recommendations: Json(plan.recommendations.clone()),
        notes: None,
        created_at: at,
        updated_at: at,
    };
    lab_tests::insert(conn, &order).await
}

async fn insert_review(conn: &mut PgConnection, past: &Past) -> Result<()> {
    let Some((rating, comment)) = &past.review else { return Ok(()) };
    sqlx::query!(
        "with review as (
             insert into reviews (id, session_id, doctor_id, patient_id, rating, comment, created_at)
             values ($1, $2, $3, $4, $5, $6, $7)
         )
         update doctors set rating_sum = rating_sum + $5, review_count = review_count + 1 where id = $3",
        Uuid::now_v7(),
        past.session.id as _,
        past.session.doctor_id as _,
        past.session.patient_id as _,
        rating,
        comment,
        past.end.at + TimeDelta::minutes(3)
    )
    .execute(conn)
    .await?;
    Ok(())
}
