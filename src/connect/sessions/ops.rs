//! The operations on consultations; REST, WebSocket and timers call the same ones.

mod ending;
mod reading;
mod requesting;

use consilium_realtime::engine::Origin;
use consilium_storage::connect::payloads::SessionChanged;
use consilium_storage::connect::sessions::{self, Session};
use consilium_storage::connect::{Actor, Party};
use consilium_storage::events::Event;
use consilium_storage::ids::{SessionId, UserId};
use consilium_storage::states::session::{self, Status};
use consilium_storage::states::{Illegal, Step};
use consilium_storage::tx::Tx;

use super::access::{NOT_FOUND, participant_for_update};
use super::wire::{AcceptedView, StatusView};
use crate::accounts::caller::Account;
use crate::app::App;
use crate::error::{Code, Error, Result};
use crate::gateways::media::{self, LiveKitGrant};

pub use ending::{close_room, end, end_one_idle};
pub use reading::{list_active, list_requests, note_requests, request_items, show, token};
pub use requesting::request;

/// How a request is closed without a consultation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Close {
    /// By the doctor (43).
    Reject,
    /// By the patient, or because an account was switched off (44).
    Cancel,
    /// By time.
    Expire,
}

/// REQUESTED to ONGOING (42). Of accept, reject, cancel and expiry exactly one wins.
///
/// # Errors
/// 404, 409 `ILLEGAL_TRANSITION`, 409 `ACTIVE_SESSION_EXISTS` while the patient is in another consultation.
pub async fn accept(app: &App, caller: &Account, id: SessionId, origin: Option<Origin>) -> Result<AcceptedView> {
    let mut tx = app.begin().await?;
    let (mut session, party) = participant_for_update(tx.conn(), caller, id).await?;
    if party != Party::Doctor {
        return Err(NOT_FOUND);
    }
    let now = tx.now();
    match step(app, &session, session::Event::Accept)? {
        Step::Held => {
            let view = accepted_view(app, &session)?;
            app.acknowledge(origin, &view)?;
            Ok(view)
        }
        Step::To(_) => {
            // The other session's id is withheld: it is none of this doctor's business.
            let busy = || Error::conflict(Code::ActiveSessionExists, "The patient is in another consultation");
            if sessions::find_ongoing_of_patient(tx.conn(), session.patient_id).await?.is_some() {
                return Err(busy());
            }
            match sessions::set_accepted(tx.conn(), id, now).await {
                Err(error) if error.is_conflict("sessions_one_ongoing") => return Err(busy()),
                other => other?,
            };
            session.status = Status::Ongoing;
            session.started_at = Some(now);
            tx.emit(Event::SessionAccepted(changed(&session)), &session.parties());
            caller.note(&mut tx, "session.accept", session.patient_id, Some(id)).await?;
            let view = accepted_view(app, &session)?;
            app.commit_for(tx, origin, &view).await?;
            Ok(view)
        }
    }
}

/// REQUESTED to REJECTED or CANCELLED (43, 44).
///
/// # Errors
/// 404, 409 `ILLEGAL_TRANSITION`.
pub async fn close(
    app: &App,
    caller: &Account,
    id: SessionId,
    how: Close,
    origin: Option<Origin>,
) -> Result<StatusView> {
    let mut tx = app.begin().await?;
    let (session, party) = participant_for_update(tx.conn(), caller, id).await?;
    if party != how.by() {
        return Err(NOT_FOUND);
    }
    match step(app, &session, how.event())? {
        Step::Held => {
            let view = StatusView { session_id: id, status: session.status };
            app.acknowledge(origin, &view)?;
            Ok(view)
        }
        Step::To(status) => {
            close_locked(&mut tx, session.clone(), how).await?;
            caller.note(&mut tx, how.action(), session.patient_id, Some(id)).await?;
            let view = StatusView { session_id: id, status };
            app.commit_for(tx, origin, &view).await?;
            Ok(view)
        }
    }
}

/// Closes a request whose row the transaction holds, and emits the event to both parties.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn close_locked(tx: &mut Tx, mut session: Session, how: Close) -> Result<()> {
    let to = how.status();
    if sessions::set_closed(tx.conn(), session.id, to).await? {
        session.status = to;
        let data = changed(&session);
        let event = match how {
            Close::Reject => Event::SessionRejected(data),
            Close::Cancel => Event::SessionCancelled(data),
            Close::Expire => Event::SessionExpired(data),
        };
        tx.emit(event, &session.parties());
    }
    Ok(())
}

/// Cancels every open request of a patient or doctor whose account is switched off (settled 15), within the caller's
/// transaction.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn cancel_all_of(tx: &mut Tx, user: UserId) -> Result<()> {
    let now = tx.now();
    for session in sessions::take_requests_of(tx.conn(), user).await? {
        // One that lapsed before was not cancelled, only nobody had looked yet.
        let how = if session.status_at(now) == Status::Requested { Close::Cancel } else { Close::Expire };
        close_locked(tx, session, how).await?;
    }
    Ok(())
}

impl Close {
    const fn by(self) -> Party {
        match self {
            Self::Reject => Party::Doctor,
            Self::Cancel | Self::Expire => Party::Client,
        }
    }

    const fn event(self) -> session::Event {
        match self {
            Self::Reject => session::Event::Reject,
            Self::Cancel => session::Event::Cancel,
            Self::Expire => session::Event::Expire,
        }
    }

    const fn status(self) -> Status {
        match self {
            Self::Reject => Status::Rejected,
            Self::Cancel => Status::Cancelled,
            Self::Expire => Status::Expired,
        }
    }

    const fn action(self) -> &'static str {
        match self {
            Self::Reject => "session.reject",
            Self::Cancel => "session.cancel",
            Self::Expire => "session.expire",
        }
    }
}

/// What an event would do to the session as it stands now. The caller holds its row: the time is read after the wait
/// for it, so that nobody is told EXPIRED while somebody who came earlier still gets through.
fn step(app: &App, session: &Session, event: session::Event) -> Result<Step<Status>> {
    let status = session.status_at(app.now());
    session::transition(status, event).map_err(|Illegal| Error::illegal_transition(status.as_str()))
}

/// The session's change as events tell it.
fn changed(session: &Session) -> SessionChanged {
    SessionChanged {
        session_id: session.id,
        status: session.status,
        patient_id: session.patient_id,
        doctor_id: session.doctor_id,
        created_at: session.created_at,
        started_at: session.started_at,
    }
}

/// A token for a party of the session. It needs no media server.
fn grant(app: &App, session: &Session, party: Party) -> Result<LiveKitGrant> {
    let (party, name) = match party {
        Party::Client => (media::Party::Patient(session.patient_id.0), "Patient"),
        Party::Doctor => (media::Party::Doctor(session.doctor_id.0), "Doctor"),
    };
    app.media.grant(&session.room_name(), party, name).map_err(Error::internal)
}

fn accepted_view(app: &App, session: &Session) -> Result<AcceptedView> {
    Ok(AcceptedView {
        session_id: session.id,
        status: session.status,
        doctor_id: session.doctor_id,
        started_at: session.started_at,
        livekit: grant(app, session, Party::Doctor)?,
    })
}

/// The words of who did it.
const fn actor(party: Party) -> Actor {
    match party {
        Party::Client => Actor::Patient,
        Party::Doctor => Actor::Doctor,
    }
}
