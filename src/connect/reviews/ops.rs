//! One operation, one transaction.

use consilium_storage::audit::{self, Entry};
use consilium_storage::connect::doctors::profile;
use consilium_storage::connect::payloads::{ReviewNotice, ReviewReminder};
use consilium_storage::connect::reviews::{self, Filter, NewReview, Order, Reply, Review};
use consilium_storage::events::Event;
use consilium_storage::ids::{ReviewId, SessionId, UserId};
use consilium_storage::reminders;
use consilium_storage::states::session::Status;
use consilium_storage::tx::Tx;

use super::wire::{CreateReview, DeskQuery, DeskReview, PublicReview, ReplyView, ReviewView, WallQuery};
use crate::accounts::caller::Account;
use crate::app::App;
use crate::connect::sessions::access::{participant, participant_for_update};
use crate::error::{Code, Error, Result};
use crate::http::calendar;
use crate::http::paging::Page;

/// No such review, or another doctor's.
pub const NOT_FOUND: Error = Error::NotFound("Review");

const NO_REPLY: Error = Error::NotFound("Reply");

/// 85: writes the review within the caller's transaction; the caller commits.
///
/// # Errors
/// 404, 409 `INVALID_SESSION_STATE` unless ENDED, 409 `REVIEW_EXISTS`.
pub async fn create(tx: &mut Tx, caller: &Account, body: CreateReview) -> Result<ReviewView> {
    let (session, _) = participant_for_update(tx.conn(), caller, body.session_id).await?;
    let status = session.status_at(tx.now());
    if status != Status::Ended {
        return Err(Error::invalid_session_state(status.as_str()));
    }
    // The session's row is held: nobody writes another one in between.
    if reviews::find_by_session(tx.conn(), session.id).await?.is_some() {
        return Err(Error::conflict(Code::ReviewExists, "This session was reviewed already"));
    }
    let new = NewReview {
        id: ReviewId::new(),
        session_id: session.id,
        doctor_id: session.doctor_id,
        patient_id: session.patient_id,
        rating: body.rating,
        comment: body.comment,
        created_at: tx.now(),
    };
    reviews::insert(tx.conn(), &new).await?;
    reminders::cancel(tx.conn(), session.id.0).await?;
    caller.note(tx, "review.create", session.patient_id, Some(session.id)).await?;
    let review = reviews::find_by_session(tx.conn(), session.id).await?.ok_or(NOT_FOUND)?;
    tx.emit(Event::ReviewSubmitted(notice(&review)), &[review.doctor_id]);
    Ok(review.into())
}

/// 72.
///
/// # Errors
/// 404 when the caller has no part in the session, or it is not reviewed.
pub async fn show(app: &App, caller: &Account, session: SessionId) -> Result<ReviewView> {
    let mut tx = app.begin().await?;
    let (session, _) = participant(tx.conn(), caller, session).await?;
    let review = reviews::find_by_session(tx.conn(), session.id).await?.ok_or(NOT_FOUND)?;
    caller.note(&mut tx, "review.read", session.patient_id, Some(session.id)).await?;
    app.commit(tx).await?;
    Ok(review.into())
}

/// 17: what everybody may read.
///
/// # Errors
/// 404 for a doctor who is not there or not visible.
pub async fn wall(app: &App, doctor: UserId, query: &WallQuery) -> Result<Page<PublicReview>> {
    let mut conn = app.conn().await?;
    let found = profile::find(&mut conn, doctor).await?;
    found.filter(profile::Doctor::is_visible).ok_or(Error::NotFound("Doctor"))?;
    let (filter, page) = (Filter::default(), (query.limit, query.offset));
    let total = reviews::count_of_doctor(&mut conn, doctor, &filter).await?;
    let found = reviews::list_of_doctor(&mut conn, doctor, &filter, Order::DateDown, page).await?;
    Ok(Page::new(found.into_iter().map(PublicReview::from).collect(), total, query.limit, query.offset))
}

/// 26: the doctor's own.
///
/// # Errors
/// 422 when the first day is after the last.
pub async fn desk(app: &App, caller: &Account, query: DeskQuery) -> Result<Page<DeskReview>> {
    let (from, until) = calendar::range(query.date_from, query.date_to)?;
    let filter = Filter { rating: query.rating, has_reply: query.has_reply, from, until };
    let (order, page) = (query.sort_by.into(), (query.limit, query.offset));
    let mut tx = app.begin().await?;
    let total = reviews::count_of_doctor(tx.conn(), caller.id, &filter).await?;
    let found = reviews::list_of_doctor(tx.conn(), caller.id, &filter, order, page).await?;
    let patients = found.iter().map(|review| review.patient_id).collect();
    caller.note_each(&mut tx, "reviews.list", patients).await?;
    app.commit(tx).await?;
    Ok(Page::new(found.into_iter().map(DeskReview::from).collect(), total, query.limit, query.offset))
}

/// 27: the first and only reply.
///
/// # Errors
/// 404, 409 `REPLY_EXISTS`.
pub async fn reply(app: &App, caller: &Account, id: ReviewId, text: String) -> Result<ReplyView> {
    let mut tx = app.begin().await?;
    let review = own(&mut tx, caller, id).await?;
    if review.reply().is_some() {
        return Err(Error::conflict(Code::ReplyExists, "This review has a reply already"));
    }
    let reply = Reply { text, created_at: tx.now(), updated_at: tx.now() };
    reviews::set_reply(tx.conn(), id, Some(&reply)).await?;
    caller.note(&mut tx, "review.reply", review.patient_id, Some(review.session_id)).await?;
    tx.emit(Event::ReviewReply(notice(&review)), &[review.patient_id]);
    app.commit(tx).await?;
    Ok(ReplyView::new(id, reply))
}

/// 28: other words, told to nobody.
///
/// # Errors
/// 404.
pub async fn change_reply(app: &App, caller: &Account, id: ReviewId, text: String) -> Result<ReplyView> {
    let mut tx = app.begin().await?;
    let review = own(&mut tx, caller, id).await?;
    let before = review.reply().ok_or(NO_REPLY)?;
    let reply = Reply { text, created_at: before.created_at, updated_at: tx.now() };
    reviews::set_reply(tx.conn(), id, Some(&reply)).await?;
    caller.note(&mut tx, "review.reply.update", review.patient_id, Some(review.session_id)).await?;
    app.commit(tx).await?;
    Ok(ReplyView::new(id, reply))
}

/// 29.
///
/// # Errors
/// 404.
pub async fn remove_reply(app: &App, caller: &Account, id: ReviewId) -> Result<()> {
    let mut tx = app.begin().await?;
    let review = own(&mut tx, caller, id).await?;
    review.reply().ok_or(NO_REPLY)?;
    reviews::set_reply(tx.conn(), id, None).await?;
    caller.note(&mut tx, "review.reply.remove", review.patient_id, Some(review.session_id)).await?;
    app.commit(tx).await
}

/// The doctor's own review; to all others it does not exist. Its row is held.
async fn own(tx: &mut Tx, caller: &Account, id: ReviewId) -> Result<Review> {
    reviews::find_of_doctor_for_update(tx.conn(), id, caller.id).await?.ok_or(NOT_FOUND)
}

/// Reminds the patient of a consultation that is not reviewed. Answers whether it was this call that did.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn remind(app: &App, session: SessionId) -> Result<bool> {
    let mut tx = app.begin().await?;
    let now = tx.now();
    let Some((patient, doctor_id)) = reviews::find_unreviewed_if_free(tx.conn(), session).await? else {
        return Ok(false);
    };
    if reminders::take_due(tx.conn(), session.0, now).await? == 0 {
        return Ok(false);
    }
    let entry = Entry {
        at: now,
        actor: None,
        role: "system",
        action: "review.remind",
        subject: Some(patient),
        session: Some(session),
    };
    audit::append(tx.conn(), entry).await?;
    tx.emit(Event::ReviewReminder(ReviewReminder { session_id: session, doctor_id }), &[patient]);
    app.commit(tx).await?;
    Ok(true)
}

const fn notice(review: &Review) -> ReviewNotice {
    ReviewNotice { review_id: review.id, session_id: review.session_id, doctor_id: review.doctor_id }
}
