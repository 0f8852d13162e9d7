//! A patient asks for a doctor (37).

use consilium_storage::accounts::patients;
use consilium_storage::connect::briefs;
use consilium_storage::connect::payloads::SessionRequest;
use consilium_storage::connect::sessions::{self, NewSession, Session, room_name};
use consilium_storage::events::Event;
use consilium_storage::ids::SessionId;
use consilium_storage::states::session::Status;
use consilium_storage::tx::Tx;

use super::super::wire::{RequestSession, RequestedView};
use super::{Close, close_locked};
use crate::accounts::caller::Account;
use crate::app::App;
use crate::connect::display;
use crate::error::{Code, Error, Result};
use crate::gateways::media;

/// Writes the request within the caller's transaction; the caller commits. Doctor and patient are held, then an open
/// request of theirs: a switch-off (settled 15) comes first and is seen here, or comes afterwards and cancels it.
///
/// # Errors
/// 403 `ACCOUNT_DISABLED`, 404 doctor, 409 `PROFILE_INCOMPLETE`, 409 `ACTIVE_SESSION_EXISTS` with the session's id.
pub async fn request(app: &App, tx: &mut Tx, caller: &Account, body: RequestSession) -> Result<RequestedView> {
    sessions::hold_parties(tx.conn(), body.target_doctor_id, caller.id).await?;
    let doctor = briefs::find_many(tx.conn(), &[body.target_doctor_id]).await?.pop();
    let doctor = doctor.filter(|doctor| doctor.is_open).ok_or(Error::NotFound("Doctor"))?;
    let patient = patients::find(tx.conn(), caller.id).await?.ok_or(Error::NotFound("Patient"))?;
    if !patient.is_active {
        return Err(Error::Forbidden { code: Code::AccountDisabled, detail: "This account is switched off" });
    }
    if patient.sex.is_none() || patient.age.is_none() {
        return Err(Error::conflict(Code::ProfileIncomplete, "Set sex and age first"));
    }
    refuse_second(tx, caller, &body).await?;
    let id = SessionId::new();
    let now = tx.now();
    let new = NewSession {
        id,
        patient_id: caller.id,
        doctor_id: doctor.id,
        category: body.category,
        symptoms: body.symptoms,
        active_treatment: body.active_treatment,
        medical_history: body.medical_history,
        // Whatever the app showed: the doctor's own rate counts.
        rate_per_minute: doctor.rate_per_minute,
        created_at: now,
        expires_at: now + app.config.ttl.request,
    };
    match sessions::insert(tx.conn(), &new).await {
        Err(error) if error.is_conflict("sessions_one_request") => {
            // Two requests at once: the other one stands, and its id is to be found.
            let mut conn = app.conn().await?;
            let open = sessions::list_active(&mut conn, caller.id, now).await?;
            return Err(active_exists(open.iter().find(|open| open.doctor_id == doctor.id).map(|open| open.id)));
        }
        other => other?,
    }
    caller.note(tx, "session.request", caller.id, Some(id)).await?;
    let item = SessionRequest {
        session_id: id,
        status: Status::Requested,
        requested_at: now,
        expires_at: new.expires_at,
        category: new.category,
        symptoms: new.symptoms,
        patient: display::patient_preview(&app.public_url, &patient),
    };
    tx.emit(Event::SessionRequested(item), &[doctor.id]);
    let party = media::Party::Patient(caller.id.0);
    let livekit = app.media.grant(&room_name(id), party, "Patient").map_err(Error::internal)?;
    Ok(RequestedView {
        session_id: id,
        status: Status::Requested,
        room_name: room_name(id),
        expires_at: new.expires_at,
        livekit,
        created_at: now,
    })
}

/// One ONGOING session in all, one open request per doctor; one that has lapsed unswept is closed on the way.
async fn refuse_second(tx: &mut Tx, caller: &Account, body: &RequestSession) -> Result<()> {
    if let Some(ongoing) = sessions::find_ongoing_of_patient(tx.conn(), caller.id).await? {
        return Err(active_exists(Some(ongoing)));
    }
    let open: Option<Session> = sessions::find_request_for_update(tx.conn(), caller.id, body.target_doctor_id).await?;
    match open {
        Some(open) if open.status_at(tx.now()) == Status::Requested => Err(active_exists(Some(open.id))),
        Some(lapsed) => close_locked(tx, lapsed, Close::Expire).await,
        None => Ok(()),
    }
}

fn active_exists(id: Option<SessionId>) -> Error {
    let error = Error::conflict(Code::ActiveSessionExists, "There is an open session already");
    match id {
        Some(id) => error.with("session_id", id.to_string()),
        None => error,
    }
}
