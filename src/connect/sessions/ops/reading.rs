//! Looking at consultations (38, 39, 41, 46).

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use consilium_storage::accounts::patients::{self, Patient};
use consilium_storage::connect::Party;
use consilium_storage::connect::briefs::{self, DoctorBrief};
use consilium_storage::connect::payloads::SessionRequest;
use consilium_storage::connect::sessions::{self, Session};
use consilium_storage::database::Conn;
use consilium_storage::ids::{SessionId, UserId};
use consilium_storage::states::session::Status;
use consilium_storage::tx::Tx;

use super::super::access::participant;
use super::super::wire::{DoctorLine, SessionDetail, TokenView};
use super::grant;
use crate::accounts::caller::Account;
use crate::app::App;
use crate::connect::display;
use crate::error::{Error, Result};

/// 41: one session as the caller may see it.
///
/// # Errors
/// 404 when the caller has no part in it.
pub async fn show(app: &App, caller: &Account, id: SessionId) -> Result<SessionDetail> {
    let mut tx = app.begin().await?;
    let (session, _) = participant(tx.conn(), caller, id).await?;
    caller.note(&mut tx, "session.read", session.patient_id, Some(id)).await?;
    let now = tx.now();
    let mut views = details(app, tx.conn(), caller, vec![session], now).await?;
    app.commit(tx).await?;
    views.pop().ok_or_else(|| Error::internal("a session without its parties"))
}

/// 38: the caller's open sessions, newest first.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn list_active(app: &App, caller: &Account) -> Result<Vec<SessionDetail>> {
    let mut tx = app.begin().await?;
    let now = tx.now();
    let open = sessions::list_active(tx.conn(), caller.id, now).await?;
    caller.note_each(&mut tx, "sessions.active", open.iter().map(|session| session.patient_id).collect()).await?;
    let views = details(app, tx.conn(), caller, open, now).await?;
    app.commit(tx).await?;
    Ok(views)
}

/// 39: open requests addressed to the doctor, oldest first.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn list_requests(app: &App, caller: &Account) -> Result<Vec<SessionRequest>> {
    let mut tx = app.begin().await?;
    let now = tx.now();
    let open = sessions::list_requests_for_doctor(tx.conn(), caller.id, now).await?;
    let items = request_items(tx.conn(), &app.public_url, open, now).await?;
    note_requests(&mut tx, caller, &items).await?;
    app.commit(tx).await?;
    Ok(items)
}

/// Leaves an audit row for each patient whose open request a doctor is shown, in the list or as a stream begins.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn note_requests(tx: &mut Tx, caller: &Account, shown: &[SessionRequest]) -> Result<()> {
    let patients = shown.iter().map(|request| request.patient.user_id).collect();
    caller.note_each(tx, "sessions.requests", patients).await
}

/// Requests with the previews of their patients.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn request_items(
    conn: &mut Conn,
    public_url: &str,
    open: Vec<Session>,
    now: DateTime<Utc>,
) -> Result<Vec<SessionRequest>> {
    let people = patients_of(conn, &open).await?;
    let item = |session: Session| {
        let patient = display::patient_preview(public_url, people.get(&session.patient_id)?);
        Some(SessionRequest {
            session_id: session.id,
            status: session.status_at(now),
            requested_at: session.created_at,
            expires_at: session.expires_at,
            category: session.category,
            symptoms: session.symptoms,
            patient,
        })
    };
    Ok(open.into_iter().filter_map(item).collect())
}

/// 46: a fresh token. While REQUESTED only the patient gets one.
///
/// # Errors
/// 404, 409 `INVALID_SESSION_STATE`.
pub async fn token(app: &App, caller: &Account, id: SessionId) -> Result<TokenView> {
    let mut tx = app.begin().await?;
    let (session, party) = participant(tx.conn(), caller, id).await?;
    let status = session.status_at(tx.now());
    match (status, party) {
        (Status::Ongoing, _) | (Status::Requested, Party::Client) => {
            let livekit = grant(app, &session, party)?;
            caller.note(&mut tx, "session.token", session.patient_id, Some(id)).await?;
            app.commit(tx).await?;
            Ok(TokenView { session_id: id, status, room_name: session.room_name(), livekit })
        }
        _ => Err(Error::invalid_session_state(status.as_str())),
    }
}

async fn patients_of(conn: &mut Conn, list: &[Session]) -> Result<HashMap<UserId, Patient>> {
    let ids: Vec<UserId> = list.iter().map(|session| session.patient_id).collect();
    Ok(patients::find_many(conn, &ids).await?.into_iter().map(|patient| (patient.id, patient)).collect())
}

async fn details(
    app: &App,
    conn: &mut Conn,
    caller: &Account,
    list: Vec<Session>,
    now: DateTime<Utc>,
) -> Result<Vec<SessionDetail>> {
    let people = patients_of(conn, &list).await?;
    let ids: Vec<UserId> = list.iter().map(|session| session.doctor_id).collect();
    let doctors: HashMap<UserId, DoctorBrief> =
        briefs::find_many(conn, &ids).await?.into_iter().map(|doctor| (doctor.id, doctor)).collect();
    let view = |session: Session| {
        let viewer = session.party(caller.id)?;
        let patient = display::patient_preview(&app.public_url, people.get(&session.patient_id)?);
        let doctor = DoctorLine::new(doctors.get(&session.doctor_id)?, &app.public_url);
        Some(SessionDetail::new(session, viewer, now, patient, doctor))
    };
    Ok(list.into_iter().filter_map(view).collect())
}
