//! One operation, one transaction; the store is asked outside of them.

use chrono::{DateTime, TimeDelta, Utc};
use consilium_storage::accounts::patients;
use consilium_storage::connect::Party;
use consilium_storage::connect::attachments::{self, Attachment, Scope, UploadMode};
use consilium_storage::connect::doctors::profile;
use consilium_storage::connect::reports::ReportItem;
use consilium_storage::connect::sessions::{self, Session};
use consilium_storage::events::Event;
use consilium_storage::files::Object;
use consilium_storage::ids::AttachmentId;
use consilium_storage::states::upload::{self, Status};
use consilium_storage::states::{Illegal, Step};
use consilium_storage::tx::Tx;

use super::access::NOT_FOUND;
use super::{keys, rules};
use crate::accounts::caller::Account;
use crate::accounts::codes::DEFAULT_AVATAR;
use crate::app::App;
use crate::connect::{display, stored};
use crate::error::{Code, Error, Result};
use crate::gateways::files::kinds::{Checker, Kind};
use crate::gateways::files::{Download, Upload, names};

/// How long a client may begin to send a file (52).
const LINK_LIFE: TimeDelta = TimeDelta::minutes(15);

/// How long sending may go on after the address has ended, and some more.
const SENDING: TimeDelta = TimeDelta::minutes(20);

/// How long an upload may stay PENDING (§4.5).
pub const PENDING_LIFE: TimeDelta = TimeDelta::hours(24);

/// How much is read at a time to look at it.
const CHUNK: u64 = 1024 * 1024;

/// Begins an upload: its row, and the address that takes the bytes. The store is asked for that before the consultation is
/// held.
///
/// # Errors
/// 400 `FILE_TOO_LARGE`, `UNSUPPORTED_FILE_TYPE`; 409 `INVALID_SESSION_STATE`; 503.
pub async fn begin(
    app: &App,
    tx: &mut Tx,
    caller: &Account,
    session: Option<&Session>,
    declared: rules::Declared<'_>,
    mode: UploadMode,
) -> Result<(Attachment, String)> {
    let kind = rules::check(declared)?;
    let now = tx.now();
    let mut new = row(caller, session, declared, now)?;
    new.upload_mode = mode;
    let link = match mode {
        UploadMode::Direct => format!("{}/api/v2/attachments/{}/upload", app.public_url, new.id),
        UploadMode::Sas => {
            let key = keys::upload(&place(app, &new), kind, &new.filename);
            let object = Object::new(new.scope.area(), key.clone());
            let ends_at = whole_seconds(now + LINK_LIFE);
            let size = u64::try_from(new.size_bytes).unwrap_or_default();
            let upload = Upload { expires_at: ends_at, content_type: new.content_type.clone(), size };
            let link = app.files.upload_link(&object, &upload, now).await?;
            stored::give_up(tx, &object, now + PENDING_LIFE).await?;
            (new.upload_key, new.link_ends_at) = (Some(key), Some(ends_at));
            link
        }
    };
    hold_open(app, tx, new.scope, session).await?;
    attachments::insert(tx.conn(), &new).await?;
    if let Some(session) = session {
        caller.note(tx, words(new.scope).begin, session.patient_id, Some(session.id)).await?;
    }
    Ok((new, link))
}

/// Holds a consultation that takes uploads of this scope (connect-v2 §4.1) until the transaction ends, so that nothing slips
/// in after its end. It is the first row that is locked, before attachments and inboxes; from here on no store is asked and
/// no body received.
///
/// # Errors
/// 409 `INVALID_SESSION_STATE`.
pub async fn hold_open(app: &App, tx: &mut Tx, scope: Scope, session: Option<&Session>) -> Result<()> {
    let Some(session) = session else { return Ok(()) };
    let held = sessions::find_for_share(tx.conn(), session.id).await?.ok_or(NOT_FOUND)?;
    rules::check_session(scope, held.status_at(app.now()))
}

/// Looks at what came; where it is what was declared, it is UPLOADED. A repeat answers the same.
///
/// # Errors
/// 409 `UPLOAD_MISSING`, `INVALID_UPLOAD_STATE`; 400 `SIZE_MISMATCH`, `UNSUPPORTED_FILE_TYPE`, after which the client may
/// send again; 503.
pub async fn complete(app: &App, caller: &Account, found: Attachment) -> Result<Attachment> {
    match upload::transition(found.status, upload::Event::Complete) {
        Ok(Step::Held) => return Ok(found),
        Err(Illegal) => return Err(rules::invalid_state("The upload was deleted or has lapsed")),
        Ok(Step::To(_)) => {}
    }
    let Some(arrived) = found.upload_object() else { return missing(app, found.id).await };
    let Some(size) = app.files.size(&arrived).await? else { return missing(app, found.id).await };
    if u64::try_from(found.size_bytes) != Ok(size) {
        stored::discard(app, &arrived).await;
        return Err(rules::size_mismatch(found.size_bytes));
    }
    let kind = kind_of(&found)?;
    let kept = Object::new(arrived.area, keys::stored(&place(app, &found), kind));
    stored::announce(app, &kept).await?;
    if !app.files.promote(&arrived, &kept).await? {
        return missing(app, found.id).await;
    }
    // Nobody can write to the new name: what is seen here is what will be read.
    if !is_as_declared(app, &kept, kind, size).await? {
        stored::discard(app, &kept).await;
        stored::discard(app, &arrived).await;
        return Err(rules::unsupported("The content is not of the declared type: send it again"));
    }
    let done = finish(app, caller, &found, upload::Event::Complete, &kept).await?;
    if done.stored_object().as_ref() != Some(&kept) {
        stored::discard(app, &kept).await;
    }
    stored::discard(app, &arrived).await;
    Ok(done)
}

/// Nothing came; unless another call was faster and has kept it meanwhile.
async fn missing(app: &App, id: AttachmentId) -> Result<Attachment> {
    let now = attachments::find(&mut *app.conn().await?, id).await?.ok_or(NOT_FOUND)?;
    match now.status {
        Status::Uploaded => Ok(now),
        Status::Deleted => Err(rules::invalid_state("The upload was deleted or has lapsed")),
        Status::Pending => Err(Error::conflict(Code::UploadMissing, "Nothing was sent to the upload address yet")),
    }
}

/// Whether an object has this size and is of this kind.
async fn is_as_declared(app: &App, object: &Object, kind: Kind, size: u64) -> Result<bool> {
    if app.files.size(object).await? != Some(size) {
        return Ok(false);
    }
    let mut checker = Checker::new(kind);
    let mut at = 0;
    while at < size && !checker.is_settled() {
        // The beginning tells most kinds.
        let end = size.min(at + if at == 0 { CHUNK / 64 } else { CHUNK });
        let Some(chunk) = app.files.read(object, at..end).await?.filter(|chunk| !chunk.is_empty()) else {
            return Ok(false);
        };
        at += chunk.len() as u64;
        checker.feed(&chunk);
    }
    Ok(checker.is_of_kind())
}

/// The row becomes UPLOADED with its effects; of two calls that race the first one's object stays. Of a picture the person is
/// locked first, then the row.
pub(super) async fn finish(
    app: &App,
    caller: &Account,
    found: &Attachment,
    event: upload::Event,
    kept: &Object,
) -> Result<Attachment> {
    let mut tx = app.begin().await?;
    lock_person(&mut tx, found).await?;
    let mut row = attachments::find_for_update(tx.conn(), found.id).await?.ok_or(NOT_FOUND)?;
    match upload::transition(row.status, event) {
        Ok(Step::Held) => return Ok(row),
        Err(Illegal) => return Err(rules::invalid_state("The upload is complete or deleted")),
        Ok(Step::To(status)) => row.status = status,
    }
    let now = tx.now();
    attachments::set_uploaded(tx.conn(), row.id, &kept.key, now).await?;
    (row.stored_key, row.uploaded_at) = (Some(kept.key.clone()), Some(now));
    if let Some(arrived) = row.upload_object() {
        // A late PUT may still come: it counts for nothing, and goes.
        stored::give_up(&mut tx, &arrived, row.link_ends_at.unwrap_or(now) + SENDING).await?;
    }
    let former = count(&mut tx, caller, &row).await?;
    app.commit(tx).await?;
    if let Some(former) = former {
        stored::discard(app, &former).await;
    }
    Ok(row)
}

/// What an upload that is complete does: the object is kept, those concerned are told, a picture is set. Answers the
/// picture that was replaced.
///
/// # Errors
/// 503 when the object was swept meanwhile.
pub async fn count(tx: &mut Tx, caller: &Account, row: &Attachment) -> Result<Option<Object>> {
    let Some(session_id) = row.session_id else { return set_picture(tx, caller, row, row.stored_key.as_deref()).await };
    if let Some(object) = row.stored_object() {
        stored::keep(tx, &object).await?;
    }
    let session = sessions::find(tx.conn(), session_id).await?.ok_or(NOT_FOUND)?;
    match row.scope {
        Scope::Session => tx.emit_in(session_id, Event::MessageAttachment(row.item()), &session.parties()),
        Scope::Report => tx.emit_in(session_id, Event::ReportUploaded(ReportItem::from(row)), &session.parties()),
        Scope::Profile | Scope::Recording => {}
    }
    caller.note(tx, words(row.scope).upload, session.patient_id, Some(session_id)).await?;
    Ok(None)
}

/// Sets or takes away the picture of whoever uploaded it, as 9 to 11, 33 and 34 do.
async fn set_picture(tx: &mut Tx, caller: &Account, row: &Attachment, file: Option<&str>) -> Result<Option<Object>> {
    let former = match row.uploader_role {
        Party::Client => {
            let patient = patients::find_for_update(tx.conn(), row.uploader_id).await?.ok_or(NOT_FOUND)?;
            patients::set_avatar(tx.conn(), row.uploader_id, DEFAULT_AVATAR, file).await?;
            caller.note(tx, "user.avatar", row.uploader_id, None).await?;
            patient.avatar_file
        }
        Party::Doctor => profile::set_avatar(tx.conn(), row.uploader_id, file).await?,
    };
    stored::exchange_avatar(tx, row.uploader_id, former.as_deref(), file).await?;
    Ok(former.map(|former| stored::avatar(&former)))
}

/// An upload that is deleted.
#[derive(Debug, Clone, Copy)]
pub struct Deleted {
    /// When it was deleted first.
    pub at: DateTime<Utc>,
    /// Whether that was by this call.
    pub is_first: bool,
}

/// Deletes an upload: links end by themselves, then the bytes go (62, 108). Of a picture the person is locked first, then the
/// row.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn delete(app: &App, caller: &Account, found: &Attachment) -> Result<Deleted> {
    let mut tx = app.begin().await?;
    lock_person(&mut tx, found).await?;
    let row = attachments::find_for_update(tx.conn(), found.id).await?.ok_or(NOT_FOUND)?;
    let now = tx.now();
    if let (Ok(Step::Held), Some(at)) = (upload::transition(row.status, upload::Event::Delete), row.deleted_at) {
        return Ok(Deleted { at, is_first: false });
    }
    attachments::set_deleted(tx.conn(), row.id, now).await?;
    let former = match (row.status, row.session_id) {
        // The present picture: the system's comes back.
        (Status::Uploaded, None) => set_picture(&mut tx, caller, &row, None).await?,
        (Status::Uploaded, Some(_)) => {
            let due_at = now + app.config.ttl.signed_url + TimeDelta::minutes(1);
            if let Some(object) = row.stored_object() {
                stored::give_up(&mut tx, &object, due_at).await?;
            }
            None
        }
        (Status::Pending | Status::Deleted, _) => None,
    };
    let session = match row.session_id {
        Some(id) => sessions::find(tx.conn(), id).await?,
        None => None,
    };
    if let Some(session) = session {
        // Nobody was told of what was never complete.
        if row.scope == Scope::Report && row.status == Status::Uploaded {
            tx.emit_in(session.id, Event::ReportDeleted(ReportItem::from(&row)), &session.parties());
        }
        caller.note(&mut tx, words(row.scope).delete, session.patient_id, Some(session.id)).await?;
    }
    app.commit(tx).await?;
    if let Some(former) = former {
        stored::discard(app, &former).await;
    }
    Ok(Deleted { at: now, is_first: true })
}

/// Locks whose picture this is. Whoever sets one locks the person first, then the account, which a new row refers to, and
/// the rows of pictures.
///
/// # Errors
/// 404 when there is no such person.
pub async fn lock_person(tx: &mut Tx, row: &Attachment) -> Result<()> {
    if row.scope != Scope::Profile {
        return Ok(());
    }
    match row.uploader_role {
        Party::Client => patients::find_for_update(tx.conn(), row.uploader_id).await?.map(drop),
        Party::Doctor => profile::find_for_update(tx.conn(), row.uploader_id).await?.map(drop),
    }
    .ok_or(NOT_FOUND)
}

/// The address by which a file is fetched for a while, and how it is shown; a picture of a person has one of its own.
///
/// # Errors
/// 503.
pub async fn link_of(app: &App, row: &Attachment) -> Result<Option<String>> {
    let Some(object) = row.stored_object() else { return Ok(None) };
    if row.scope == Scope::Profile {
        return Ok(Some(display::uploaded_avatar_url(&app.public_url, &object.key)));
    }
    let kind = kind_of(row)?;
    let now = app.now();
    let shown = Download {
        expires_at: whole_seconds(now + app.config.ttl.signed_url),
        content_type: kind.content_type().to_owned(),
        filename: row.filename.clone(),
        is_inline: kind.is_shown_inline(),
    };
    Ok(Some(app.files.download_link(&object, &shown, now).await?))
}

/// A row that is not written yet.
///
/// # Errors
/// 404 for a caller that can be no party.
pub fn row(
    caller: &Account,
    session: Option<&Session>,
    declared: rules::Declared<'_>,
    at: DateTime<Utc>,
) -> Result<Attachment> {
    let content_type = declared.content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    Ok(Attachment {
        id: AttachmentId::new(),
        scope: declared.scope,
        session_id: session.map(|session| session.id),
        uploader_id: caller.id,
        uploader_role: caller.party().ok_or(NOT_FOUND)?,
        filename: names::cleaned(declared.filename),
        content_type,
        size_bytes: declared.size.unwrap_or_default(),
        upload_mode: UploadMode::Direct,
        status: Status::Pending,
        upload_key: None,
        stored_key: None,
        link_ends_at: None,
        created_at: at,
        uploaded_at: None,
        deleted_at: None,
    })
}

/// What the names of its objects are made of.
#[must_use]
pub fn place<'a>(app: &'a App, row: &Attachment) -> keys::Place<'a> {
    let environment = &app.config.environment;
    keys::Place { environment, scope: row.scope, session: row.session_id, at: row.created_at }
}

/// The kind of file that was declared, which an upload that is complete is.
///
/// # Errors
/// [`Error::Internal`] where the row is none that an upload was begun with.
pub fn kind_of(row: &Attachment) -> Result<Kind> {
    Kind::of_type(&row.content_type).ok_or_else(|| Error::internal("an upload of a type that is not taken"))
}

/// The audit log's words for an upload.
struct Words {
    begin: &'static str,
    upload: &'static str,
    delete: &'static str,
}

const fn words(scope: Scope) -> Words {
    match scope {
        Scope::Report => Words { begin: "report.begin", upload: "report.upload", delete: "report.delete" },
        Scope::Profile | Scope::Session | Scope::Recording => {
            Words { begin: "attachment.begin", upload: "attachment.upload", delete: "attachment.delete" }
        }
    }
}

/// Addresses say their end in whole seconds.
fn whole_seconds(at: DateTime<Utc>) -> DateTime<Utc> {
    chrono::SubsecRound::trunc_subsecs(at, 0)
}
