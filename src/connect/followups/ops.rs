//! One operation, one transaction. A follow-up's reminders are planned and dropped under its own row's lock.

use chrono::{NaiveDate, NaiveTime};
use chrono_tz::Tz;
use consilium_storage::audit::{self, Entry};
use consilium_storage::connect::followups::{self, Filter, Followup};
use consilium_storage::connect::payloads::FollowUp;
use consilium_storage::connect::{Actor, Party, reviews};
use consilium_storage::events::Event as Emitted;
use consilium_storage::ids::{FollowupId, ReviewId, SessionId};
use consilium_storage::reminders;
use consilium_storage::states::followup::{self, Event, Status};
use consilium_storage::states::session::Status as SessionStatus;
use consilium_storage::states::{Illegal, Step};
use consilium_storage::tx::Tx;

use super::rules::Schedule;
use super::wire::{Action, ListQuery, Respond, ScheduleFollowup};
use crate::accounts::caller::Account;
use crate::app::App;
use crate::connect::sessions::access::{participant, participant_for_update};
use crate::error::{Code, Error, Issue, Result};
use crate::http::paging::Page;

/// A stranger's follow-up, or none.
const NOT_FOUND: Error = Error::NotFound("Follow-up");

/// 63, 86: writes the follow-up within the caller's transaction; the caller commits.
///
/// # Errors
/// 404, 409 `INVALID_SESSION_STATE` unless ONGOING or ENDED, 400 `DATE_IN_PAST`, 409 `FOLLOWUP_EXISTS`.
pub async fn create(tx: &mut Tx, caller: &Account, session: SessionId, body: &ScheduleFollowup) -> Result<FollowUp> {
    let (session, _) = participant_for_update(tx.conn(), caller, session).await?;
    let now = tx.now();
    let status = session.status_at(now);
    if !matches!(status, SessionStatus::Ongoing | SessionStatus::Ended) {
        return Err(Error::invalid_session_state(status.as_str()));
    }
    let schedule = body.schedule();
    refuse_past(&schedule, tx)?;
    let new = Followup {
        id: FollowupId::new(),
        session_id: session.id,
        doctor_id: session.doctor_id,
        patient_id: session.patient_id,
        doctor_name: String::new(),
        patient_name: None,
        scheduled_date: schedule.date,
        scheduled_time: schedule.time,
        scheduled_timezone: schedule.zone.name().to_owned(),
        scheduled_at: schedule.at(),
        lapses_at: schedule.lapses_at(),
        proposed_date: None,
        proposed_time: None,
        status: Status::PendingPatient,
        cancel_reason: None,
        cancelled_by: None,
        created_at: now,
        updated_at: now,
    };
    match followups::insert(tx.conn(), &new).await {
        Err(error) if error.is_conflict("followups_one_open") => {
            return Err(Error::conflict(Code::FollowupExists, "This session has a follow-up already"));
        }
        other => other?,
    }
    reminders::plan(tx.conn(), new.id.0, &schedule.reminders(now)).await?;
    caller.note(tx, "followup.create", session.patient_id, Some(session.id)).await?;
    let view = followups::find(tx.conn(), new.id).await?.ok_or(NOT_FOUND)?.view();
    tx.emit(Emitted::FollowupScheduled(view.clone()), &[view.patient_id]);
    Ok(view)
}

/// 30: the same for the session of one of the doctor's reviews.
///
/// # Errors
/// As [`create`]; 404 for a review that is not the doctor's.
pub async fn create_for_review(
    tx: &mut Tx,
    caller: &Account,
    review: ReviewId,
    body: &ScheduleFollowup,
) -> Result<FollowUp> {
    let review = reviews::find_of_doctor(tx.conn(), review, caller.id).await?;
    let review = review.ok_or(crate::connect::reviews::ops::NOT_FOUND)?;
    create(tx, caller, review.session_id, body).await
}

/// 64: the latest one of a session.
///
/// # Errors
/// 404 when the caller has no part in the session, or it has none.
pub async fn show_of_session(app: &App, caller: &Account, session: SessionId) -> Result<FollowUp> {
    let mut tx = app.begin().await?;
    let (session, _) = participant(tx.conn(), caller, session).await?;
    let followup = followups::find_latest(tx.conn(), session.id).await?.ok_or(NOT_FOUND)?;
    caller.note(&mut tx, "followup.read", followup.patient_id, Some(session.id)).await?;
    app.commit(tx).await?;
    Ok(followup.view())
}

/// 88.
///
/// # Errors
/// 404.
pub async fn show(app: &App, caller: &Account, id: FollowupId) -> Result<FollowUp> {
    let mut tx = app.begin().await?;
    let followup = followups::find(tx.conn(), id).await?;
    let followup = followup.filter(|found| found.party(caller.id).is_some()).ok_or(NOT_FOUND)?;
    caller.note(&mut tx, "followup.read", followup.patient_id, Some(followup.session_id)).await?;
    app.commit(tx).await?;
    Ok(followup.view())
}

/// 87.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn list(app: &App, caller: &Account, query: &ListQuery) -> Result<Page<FollowUp>> {
    let upcoming = (query.upcoming || query.past).then_some(query.upcoming);
    let filter = Filter { status: query.status, upcoming };
    let mut tx = app.begin().await?;
    let now = tx.now();
    let total = followups::count(tx.conn(), caller.id, filter, now).await?;
    let found = followups::list(tx.conn(), caller.id, filter, (query.limit, query.offset), now).await?;
    let patients = found.iter().map(|followup| followup.patient_id).collect();
    caller.note_each(&mut tx, "followups.list", patients).await?;
    app.commit(tx).await?;
    Ok(Page::new(found.into_iter().map(Followup::view).collect(), total, query.limit, query.offset))
}

/// 89: the patient's answer.
///
/// # Errors
/// 422 without a date to propose, 404, 409 `ILLEGAL_TRANSITION`, also of a date that has passed meanwhile (beyond the
/// contract: docs/integrators.md, Follow-ups), 400 `DATE_IN_PAST`.
pub async fn respond(app: &App, caller: &Account, id: FollowupId, body: Respond) -> Result<FollowUp> {
    let event = match (body.action, body.proposed_date) {
        (Action::Accept, _) => Event::Accept,
        (Action::Reject, _) => Event::Reject,
        (Action::Reschedule, Some(_)) => Event::Propose,
        // The schema asks for it already, so that it is missed together with what else is wrong.
        (Action::Reschedule, None) => {
            return Err(Error::invalid(Issue::body("proposed_date", "missing", "Field required")));
        }
    };
    let mut tx = app.begin().await?;
    let mut followup = part(&mut tx, caller, id).await?;
    let proposal = (body.proposed_date, body.proposed_time);
    let to = match step(&followup, event)? {
        // Another proposal in place of the one that waits (settled 19).
        Step::Held if event == Event::Propose && proposal != (followup.proposed_date, followup.proposed_time) => {
            followup.status
        }
        Step::Held => return Ok(followup.view()),
        Step::To(_) if event == Event::Accept && followup.lapses_at <= tx.now() => {
            return Err(illegal(followup.status));
        }
        Step::To(status) => status,
    };
    if let (Event::Propose, (Some(date), time)) = (event, proposal) {
        refuse_past(&Schedule { date, time, zone: zone_of(&followup)? }, &tx)?;
        (followup.proposed_date, followup.proposed_time) = proposal;
    }
    followup.status = to;
    let (action, emitted): (_, fn(FollowUp) -> Emitted) = match event {
        Event::Accept => ("followup.accept", Emitted::FollowupAccepted),
        Event::Reject => ("followup.reject", Emitted::FollowupRejected),
        _ => ("followup.reschedule", Emitted::FollowupRescheduled),
    };
    change(app, tx, caller, followup, action, emitted).await
}

/// 90: the doctor's answer to the patient's date.
///
/// # Errors
/// 404, 409 `ILLEGAL_TRANSITION` unless PENDING_DOCTOR, and for a date that has passed meanwhile (as in [`respond`]).
pub async fn respond_to_proposal(app: &App, caller: &Account, id: FollowupId, accept: bool) -> Result<FollowUp> {
    let mut tx = app.begin().await?;
    let mut followup = part(&mut tx, caller, id).await?;
    let event = if accept { Event::Agree } else { Event::Refuse };
    match step(&followup, event)? {
        Step::Held => return Ok(followup.view()),
        Step::To(status) => followup.status = status,
    }
    if !accept {
        return change(app, tx, caller, followup, "followup.refuse", Emitted::FollowupRejected).await;
    }
    if let (Some(date), time) = (followup.proposed_date.take(), followup.proposed_time.take()) {
        let schedule = set_schedule(&mut followup, date, time)?;
        let now = tx.now();
        if followup.lapses_at <= now {
            return Err(illegal(Status::PendingDoctor));
        }
        reminders::plan(tx.conn(), id.0, &schedule.reminders(now)).await?;
    }
    change(app, tx, caller, followup, "followup.agree", Emitted::FollowupAccepted).await
}

/// 91: called off by either party.
///
/// # Errors
/// 404, 409 `ILLEGAL_TRANSITION` from REJECTED and when the date has passed.
pub async fn cancel(app: &App, caller: &Account, id: FollowupId, reason: Option<String>) -> Result<FollowUp> {
    let mut tx = app.begin().await?;
    let mut followup = part(&mut tx, caller, id).await?;
    match step(&followup, Event::Cancel)? {
        Step::Held => return Ok(followup.view()),
        Step::To(_) if followup.lapses_at <= tx.now() => return Err(illegal(followup.status)),
        Step::To(status) => followup.status = status,
    }
    followup.cancel_reason = reason;
    followup.cancelled_by = followup.party(caller.id).map(Actor::from);
    change(app, tx, caller, followup, "followup.cancel", Emitted::FollowupCancelled).await
}

/// Tells both parties that an appointment is near. Answers whether it was this call that did.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn remind(app: &App, id: FollowupId) -> Result<bool> {
    let mut tx = app.begin().await?;
    let now = tx.now();
    let Some(followup) = followups::find_if_free(tx.conn(), id).await? else { return Ok(false) };
    // After an outage two may be due at once: one word is enough, and none about what is over.
    let taken = reminders::take_due(tx.conn(), id.0, now).await?;
    let is_due = taken > 0 && followup.status.is_reminded() && followup.lapses_at > now;
    if is_due {
        let (subject, session) = (Some(followup.patient_id), Some(followup.session_id));
        let entry = Entry { at: now, actor: None, role: "system", action: "followup.remind", subject, session };
        audit::append(tx.conn(), entry).await?;
        let parties = [followup.patient_id, followup.doctor_id];
        tx.emit(Emitted::FollowupReminder(followup.view()), &parties);
    }
    app.commit(tx).await?;
    Ok(is_due)
}

/// The follow-up, its row held; to strangers it does not exist.
async fn part(tx: &mut Tx, caller: &Account, id: FollowupId) -> Result<Followup> {
    let followup = followups::find_for_update(tx.conn(), id).await?;
    followup.filter(|found| found.party(caller.id).is_some()).ok_or(NOT_FOUND)
}

fn step(followup: &Followup, event: Event) -> Result<Step<Status>> {
    followup::transition(followup.status, event).map_err(|Illegal| illegal(followup.status))
}

fn illegal(current: Status) -> Error {
    let current = current.as_str();
    let detail = format!("not possible while the follow-up is {current}, or after its date");
    Error::conflict(Code::IllegalTransition, detail).with("current_status", current)
}

fn refuse_past(schedule: &Schedule, tx: &Tx) -> Result<()> {
    if schedule.lapses_at() <= tx.now() {
        return Err(Error::Rule { code: Code::DateInPast, detail: "The date has passed".to_owned() });
    }
    Ok(())
}

fn zone_of(followup: &Followup) -> Result<Tz> {
    followup.scheduled_timezone.parse().map_err(|_| Error::internal("a stored time zone that is none"))
}

fn set_schedule(followup: &mut Followup, date: NaiveDate, time: Option<NaiveTime>) -> Result<Schedule> {
    let schedule = Schedule { date, time, zone: zone_of(followup)? };
    followup.scheduled_date = date;
    followup.scheduled_time = time;
    followup.scheduled_at = schedule.at();
    followup.lapses_at = schedule.lapses_at();
    Ok(schedule)
}

/// Writes the changed follow-up, drops its reminders where it is over, and tells the other party.
async fn change(
    app: &App,
    mut tx: Tx,
    caller: &Account,
    mut followup: Followup,
    action: &str,
    event: fn(FollowUp) -> Emitted,
) -> Result<FollowUp> {
    let now = tx.now();
    followup.updated_at = now;
    followups::update(tx.conn(), &followup).await?;
    // What is planned stays otherwise: also what is due and about to be sent.
    if followup.status.is_final() {
        reminders::cancel(tx.conn(), followup.id.0).await?;
    }
    caller.note(&mut tx, action, followup.patient_id, Some(followup.session_id)).await?;
    let other = followup.user(followup.party(caller.id).map_or(Party::Client, Party::other));
    let view = followup.view();
    tx.emit(event(view.clone()), &[other]);
    app.commit(tx).await?;
    Ok(view)
}
