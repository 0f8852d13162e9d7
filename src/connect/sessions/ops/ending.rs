//! The end of a consultation (45): everything it ends with it, in one transaction, in the order of settled 10.

use chrono::{DateTime, TimeDelta, Utc};
use consilium_realtime::engine::Origin;
use consilium_storage::audit::{self, Entry};
use consilium_storage::connect::payloads::{CallChanged, SessionEnded, VideoPermission, WalletUpdated};
use consilium_storage::connect::sessions::{self, End, Session};
use consilium_storage::connect::{Actor, calls, messages, recordings};
use consilium_storage::events::Event;
use consilium_storage::ids::SessionId;
use consilium_storage::ledger::{self, Kind, Posting, Reference};
use consilium_storage::money::Paise;
use consilium_storage::reminders;
use consilium_storage::states::session::Status;
use consilium_storage::states::{Step, call, session, video};
use consilium_storage::tx::Tx;

use super::super::access::participant_for_update;
use super::super::rules::{self, Bill};
use super::super::wire::{self, EndSession};
use super::{actor, step};
use crate::accounts::caller::Account;
use crate::app::App;
use crate::connect::recordings as recorded;
use crate::error::{Error, Result};

/// When the patient is asked for a review that is still missing.
const REVIEW_AFTER: TimeDelta = TimeDelta::hours(24);

/// ONGOING to ENDED by a party. The first end stands; its values return to everybody who ends again.
///
/// # Errors
/// 404, 409 `ILLEGAL_TRANSITION`.
pub async fn end(
    app: &App,
    caller: &Account,
    id: SessionId,
    body: EndSession,
    origin: Option<Origin>,
) -> Result<SessionEnded> {
    let mut tx = app.begin().await?;
    let (session, party) = participant_for_update(tx.conn(), caller, id).await?;
    if step(app, &session, session::Event::End)? == Step::Held {
        let view = wire::ended(&session);
        app.acknowledge(origin, &view)?;
        return Ok(view);
    }
    caller.note(&mut tx, "session.end", session.patient_id, Some(id)).await?;
    let view = end_locked(app, &mut tx, session, actor(party), body, None).await?;
    app.commit_for(tx, origin, &view).await?;
    close_room(app, id);
    Ok(view)
}

/// ONGOING to ENDED by the idle timer, for one session in which nothing has happened since this time: it is charged up to
/// its last sign of life, not for the silence after it. Answers whether there was one.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn end_one_idle(app: &App, quiet_since: DateTime<Utc>) -> Result<bool> {
    let mut tx = app.begin().await?;
    let Some(session) = sessions::take_idle(tx.conn(), quiet_since).await? else { return Ok(false) };
    let id = session.id;
    let entry = Entry {
        at: tx.now(),
        actor: None,
        role: "system",
        action: "session.end",
        subject: Some(session.patient_id),
        session: Some(id),
    };
    audit::append(tx.conn(), entry).await?;
    let body = EndSession { reason: Some("timeout".to_owned()), note: None };
    let alive = sessions::find_last_sign(tx.conn(), id).await?;
    end_locked(app, &mut tx, session, Actor::System, body, Some(alive)).await?;
    app.commit(tx).await?;
    close_room(app, id);
    Ok(true)
}

/// `until` is the end of what is charged, where that is not the end of the session.
async fn end_locked(
    app: &App,
    tx: &mut Tx,
    mut session: Session,
    by: Actor,
    body: EndSession,
    until: Option<DateTime<Utc>>,
) -> Result<SessionEnded> {
    let now = tx.now();
    let parties = session.parties();
    let started = session.started_at.unwrap_or(now);
    // Messages were written while this waited for the row, and the clock of another node may be a little ahead: a
    // session ends neither before it started nor before its last message.
    let last = messages::find_last_at(tx.conn(), session.id).await?;
    let ended_at = now.max(started).max(last.unwrap_or(started));
    let bill = rules::bill(started, until.unwrap_or(ended_at), session.rate_per_minute, app.config.charging);
    let charge = charge(tx, &session, &bill).await?;
    let end = End {
        at: ended_at,
        by,
        reason: body.reason,
        note: body.note,
        duration_seconds: bill.seconds,
        billed_minutes: bill.minutes,
        amount: bill.amount,
        amount_due: bill.amount.minus(charge.debited),
    };
    sessions::set_ended(tx.conn(), session.id, &end).await?;
    reminders::add(tx.conn(), session.id.0, reminders::Kind::Review, ended_at + REVIEW_AFTER).await?;
    if let Ok(Step::To(state)) = video::transition(session.video_state, video::Event::Reset) {
        let data = VideoPermission {
            session_id: session.id,
            video_permission_state: state,
            patient_video_enabled: state.patient_video_enabled(),
            consent_round: session.consent_round,
            by,
        };
        tx.emit_silently(Event::VideoPermission(data), &parties);
    }
    if let Some(mut open) = calls::find_connected(tx.conn(), session.id).await? {
        calls::set_ended(tx.conn(), open.id, ended_at).await?;
        open.status = call::Status::Ended;
        open.ended_at = Some(ended_at);
        tx.emit(Event::CallEnded(CallChanged { call: open, by: Some(by) }), &parties);
    }
    if let Some(open) = recordings::find_open(tx.conn(), session.id).await? {
        recorded::stop_locked(tx, &session, open, ended_at).await?;
    }
    // The last but one of settled 10, which the patient alone gets.
    if let Some(balance) = charge.balance {
        let data = WalletUpdated { order_id: None, session_id: Some(session.id), balance };
        tx.emit(Event::WalletUpdated(data), &[session.patient_id]);
    }
    session.status = Status::Ended;
    session.ended_at = Some(ended_at);
    session.ended_by = Some(by);
    session.end_reason = end.reason;
    session.duration_seconds = Some(bill.seconds);
    session.billed_minutes = Some(bill.minutes);
    session.amount = Some(bill.amount);
    session.amount_due = Some(end.amount_due);
    let view = wire::ended(&session);
    tx.emit(Event::SessionEnded(view.clone()), &parties);
    Ok(view)
}

/// What the wallet gave for a session.
struct Charge {
    debited: Paise,
    /// What is left in it; none where nothing was debited.
    balance: Option<Paise>,
}

/// Debits the wallet by as much of the bill as it holds, never more (connect-v2 45); the wallet is held until the
/// session's end is committed.
async fn charge(tx: &mut Tx, session: &Session, bill: &Bill) -> Result<Charge> {
    let nothing = Charge { debited: Paise::ZERO, balance: None };
    if !bill.amount.is_positive() {
        return Ok(nothing);
    }
    let held = ledger::lock_wallet(tx.conn(), session.patient_id).await?;
    let debited = bill.amount.min(held);
    if !debited.is_positive() {
        return Ok(nothing);
    }
    let at = tx.now();
    let posting = Posting {
        kind: Kind::SessionDebit,
        reference: Reference::Session(session.id),
        from: ledger::Account::Wallet(session.patient_id),
        to: ledger::Account::Doctor(session.doctor_id),
        amount: debited,
        description: &format!("Consultation, {} min", bill.minutes),
        at,
    };
    // The row of the session is held and was ONGOING: nothing can have debited it before.
    let posted = ledger::post(tx.conn(), &posting).await?;
    let posted = posted.ok_or_else(|| Error::internal("a running session was debited already"))?;
    Ok(Charge { debited, balance: posted.balance })
}

/// The media room goes with the session; where the media server is away now, the reconciler closes it: within seconds if
/// anybody was said to be in it, otherwise when it looks at all rooms.
pub fn close_room(app: &App, id: SessionId) {
    recorded::halt(app, id);
    let media = app.media.clone();
    app.tracker.spawn(async move {
        if let Err(error) = media.close_room(&sessions::room_name(id)).await {
            tracing::debug!(%error, session.id = %id, "media room not closed");
        }
    });
}
