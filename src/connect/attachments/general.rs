//! General attachments (connect-v2 103 to 108): the same files by their scope.

use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use consilium_storage::accounts::Role;
use consilium_storage::connect::attachments::{self, Scope};
use consilium_storage::connect::sessions::Session;
use consilium_storage::database::Conn;
use consilium_storage::ids::SessionId;
use consilium_storage::states::upload::Status;
use serde_json::json;

use super::wire::{AttachmentPath, AttachmentView, CompletedView, InitGeneral, InitView, ScopeQuery};
use crate::accounts::caller::{Account, Caller, Participant};
use crate::app::App;
use crate::connect::sessions::access::participant;
use crate::connect::uploads::receiving::{Size, require_receivable};
use crate::connect::uploads::{self, access, ops, rules};
use crate::error::{Error, Issue, Result};
use crate::gateways::files::kinds::{self, Kind};
use crate::gateways::files::names;
use crate::http::form::{Entry, Fields, FilePart, Form, FormInput};
use crate::http::idempotency::{IdempotencyKey, Start, finish};
use crate::http::input::{BodyOnly, Input, Nothing, PathOnly, QueryOnly};
use crate::http::paging::Page;
use crate::http::reply::{Answer, CreatedOrAgain, NoContent};

/// A scope that is none of the caller's.
const SCOPE_NOT_FOUND: Error = Error::NotFound("Scope");

/// 103, which an `Idempotency-Key` may make repeatable.
pub(super) async fn init(
    State(app): State<App>,
    caller: Caller<Participant>,
    key: IdempotencyKey,
    Input { body, .. }: BodyOnly<InitGeneral>,
) -> Result<CreatedOrAgain<InitView>> {
    let scope_id = required(body.scope_type, body.scope_id, Issue::body)?;
    app.files.look_if_away().await;
    let mut tx = app.begin().await?;
    let key = match key.start(&mut tx, caller.id, "POST /api/v2/attachments/init", &body).await? {
        Start::Again(stored) => return Ok(CreatedOrAgain::again(stored)),
        Start::Go(key) => key,
    };
    let session = writable(tx.conn(), &caller, body.scope_type, scope_id).await?;
    check_open(body.scope_type, session.as_ref(), tx.now())?;
    let declared = rules::Declared {
        scope: body.scope_type,
        filename: &body.filename,
        content_type: &body.content_type,
        size: Some(body.size_bytes),
    };
    let (begun, link) = uploads::begin(&app, &mut tx, &caller, session.as_ref(), declared, body.upload_mode).await?;
    let view = InitView::of(&begun, link);
    finish(&mut tx, key.as_ref(), StatusCode::CREATED, &view).await?;
    app.commit(tx).await?;
    Ok(CreatedOrAgain::created(&view))
}

/// A form with the field `file`.
pub(super) struct FileForm;

impl Fields for FileForm {
    fn schema() -> schemars::Schema {
        schemars::json_schema!({
            "type": "object",
            "properties": {"file": {"type": "string", "contentMediaType": "application/octet-stream"}},
            "required": ["file"],
        })
    }
}

/// 104: the bytes of an upload begun in DIRECT mode, also of a consultation's attachment.
pub(super) async fn receive(
    State(app): State<App>,
    caller: Caller<Participant>,
    FormInput { path, mut form, .. }: FormInput<AttachmentPath, FileForm>,
) -> Result<Answer<AttachmentView>> {
    let work = async {
        let mut file = loop {
            match form.next().await? {
                Entry::File(file) => break file,
                Entry::Text(..) => {}
                Entry::End => return Err(Error::invalid(Issue::body("file", "missing", "Field required"))),
            }
        };
        let (found, _) = access::owned(&mut *app.conn().await?, &caller, path.attachment_id).await?;
        require_receivable(&found)?;
        uploads::receive(&app, &caller, found, &mut file).await
    };
    let done = Box::pin(work).await;
    match done {
        Ok(done) => Ok(Answer(AttachmentView::of(done, None))),
        Err(error) => {
            form.drain().await;
            Err(error)
        }
    }
}

/// 105.
pub(super) async fn complete(
    State(app): State<App>,
    caller: Caller<Participant>,
    Input { path, .. }: PathOnly<AttachmentPath>,
) -> Result<Answer<CompletedView>> {
    let (found, _) = access::owned(&mut *app.conn().await?, &caller, path.attachment_id).await?;
    Ok(Answer(uploads::complete(&app, &caller, found).await?.into()))
}

/// A form with a scope and the field `file` after it.
pub(super) struct ScopedForm;

impl Fields for ScopedForm {
    fn schema() -> schemars::Schema {
        schemars::json_schema!({
            "type": "object",
            "properties": {
                "scope_type": {"type": "string", "enum": ["PROFILE", "SESSION", "REPORT", "RECORDING"]},
                "scope_id": {
                    "type": "string",
                    "format": "uuid",
                    "description": "The consultation; required unless PROFILE",
                },
                "file": {
                    "type": "string",
                    "contentMediaType": "application/octet-stream",
                    "description": "After the other fields",
                },
            },
            "required": ["scope_type", "file"],
        })
    }
}

/// 106, which an `Idempotency-Key` may make repeatable.
pub(super) async fn upload(
    State(app): State<App>,
    caller: Caller<Participant>,
    key: IdempotencyKey,
    FormInput { mut form, .. }: FormInput<Nothing, ScopedForm>,
) -> Result<CreatedOrAgain<AttachmentView>> {
    let done = Box::pin(take(&app, &caller, key, &mut form)).await;
    if done.is_err() {
        form.drain().await;
    }
    done
}

async fn take(
    app: &App,
    caller: &Account,
    key: IdempotencyKey,
    form: &mut Form,
) -> Result<CreatedOrAgain<AttachmentView>> {
    let (scope, scope_id, mut file) = read_fields(form).await?;
    let session = writable(&mut *app.conn().await?, caller, scope, scope_id).await?;
    // With a key it may be a repeat of what was done while the session was open.
    if !key.is_given() {
        check_open(scope, session.as_ref(), app.now())?;
    }
    let kind = told_kind(scope, &mut file).await?;
    let (filename, content_type) = (file.filename.clone(), kind.content_type());
    let declared = rules::Declared { scope, filename: &filename, content_type, size: None };
    rules::check(declared)?;
    let mut row = ops::row(caller, session.as_ref(), declared, app.now())?;
    let received =
        uploads::store(app, &ops::place(app, &row), kind, Size::Limit(rules::limit(scope)), &mut file).await?;
    let mut tx = app.begin().await?;
    let request = json!([scope, scope_id, row.filename, received.size, hex::encode(received.hash)]);
    let key = match key.start(&mut tx, caller.id, "POST /api/v2/attachments", &request).await? {
        // What came is swept: nothing keeps it.
        Start::Again(stored) => return Ok(CreatedOrAgain::again(stored)),
        Start::Go(key) => key,
    };
    let now = tx.now();
    // It may have ended while the file came.
    ops::hold_open(app, &mut tx, scope, session.as_ref()).await?;
    ops::lock_person(&mut tx, &row).await?;
    (row.size_bytes, row.status) = (received.size, Status::Uploaded);
    (row.created_at, row.uploaded_at, row.stored_key) = (now, Some(now), Some(received.object.key.clone()));
    attachments::insert(tx.conn(), &row).await?;
    let former = ops::count(&mut tx, caller, &row).await?;
    let view = AttachmentView::of(row, None);
    finish(&mut tx, key.as_ref(), StatusCode::CREATED, &view).await?;
    app.commit(tx).await?;
    if let Some(former) = former {
        crate::connect::stored::discard(app, &former).await;
    }
    Ok(CreatedOrAgain::created(&view))
}

/// The scope, and the file that must come after it: where it goes depends on the scope.
async fn read_fields(form: &mut Form) -> Result<(Scope, Option<SessionId>, FilePart)> {
    let (mut scope, mut scope_id) = (None, None);
    let mut issues = Vec::new();
    let mut is_first = true;
    let file = loop {
        match form.next().await? {
            Entry::Text(name, text) if name == "scope_type" => {
                scope = serde_json::from_value::<Scope>(text.into()).ok();
                if scope.is_none() {
                    let msg = "Input should be one of PROFILE, SESSION, REPORT, RECORDING";
                    issues.push(Issue::body("scope_type", "enum", msg));
                }
            }
            Entry::Text(name, text) if name == "scope_id" && !text.is_empty() => {
                scope_id = text.parse().ok();
                if scope_id.is_none() {
                    issues.push(Issue::body("scope_id", "uuid_parsing", "Input should be a valid uuid"));
                }
            }
            Entry::Text(..) => {}
            Entry::File(file) => break Some(file),
            Entry::End => break None,
        }
        is_first = false;
    };
    if is_first && file.is_some() {
        // Nothing may be missing: what is written after a file is not waited for.
        return Err(Error::invalid(Issue::body("file", "value_error", "The other fields must come before the file")));
    }
    let is_named = |issues: &[Issue], name: &str| issues.iter().any(|issue| issue.loc.last() == Some(&name.into()));
    if scope.is_none() && !is_named(&issues, "scope_type") {
        issues.push(Issue::body("scope_type", "missing", "Field required, before the file"));
    }
    if scope.is_some_and(|scope| scope != Scope::Profile) && scope_id.is_none() && !is_named(&issues, "scope_id") {
        issues.push(Issue::body("scope_id", "missing", "Field required, before the file"));
    }
    if file.is_none() {
        issues.push(Issue::body("file", "missing", "Field required"));
    }
    match (scope, file) {
        (Some(scope), Some(file)) if issues.is_empty() => Ok((scope, scope_id, *file)),
        _ => Err(Error::Invalid(issues)),
    }
}

/// What kind of file this says to be: by its type, else by its extension, else by how it begins. The content decides.
async fn told_kind(scope: Scope, file: &mut FilePart) -> Result<Kind> {
    let refused = || rules::unsupported("Files of this type are not taken here");
    let said = file.content_type.as_deref().filter(|said| !said.starts_with("application/octet-stream"));
    let told = match (said, names::extension(&names::cleaned(&file.filename))) {
        (Some(said), _) => Kind::of_type(said),
        (None, Some(extension)) => rules::kinds(scope).iter().copied().find(|kind| kind.fits_extension(&extension)),
        (None, None) => kinds::guess(rules::kinds(scope), file.peek().await?),
    };
    told.filter(|kind| rules::kinds(scope).contains(kind)).ok_or_else(refused)
}

/// 107.
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller<Participant>,
    Input { query, .. }: QueryOnly<ScopeQuery>,
) -> Result<Answer<Page<AttachmentView>>> {
    let scope_id = required(query.scope_type, query.scope_id, Issue::query)?;
    let mut tx = app.begin().await?;
    let (found, total) = match scope_id {
        None => attachments::list_of_profile(tx.conn(), caller.id, query.limit, query.offset).await?,
        Some(id) => {
            let (session, _) = participant(tx.conn(), &caller, id).await.map_err(as_scope)?;
            caller.note(&mut tx, "attachment.list", session.patient_id, Some(id)).await?;
            attachments::list_of_session(tx.conn(), id, query.scope_type, query.limit, query.offset).await?
        }
    };
    app.commit(tx).await?;
    let mut items = Vec::with_capacity(found.len());
    for attachment in found {
        let link = if query.include_download_url { uploads::link_of(&app, &attachment).await? } else { None };
        items.push(AttachmentView::of(attachment, link));
    }
    Ok(Answer(Page::new(items, total, query.limit, query.offset)))
}

/// 108: a repeat is 404.
pub(super) async fn remove(
    State(app): State<App>,
    caller: Caller<Participant>,
    Input { path, .. }: PathOnly<AttachmentPath>,
) -> Result<NoContent> {
    let (found, _) = access::visible(&mut *app.conn().await?, &caller, path.attachment_id).await?;
    if found.status == Status::Deleted {
        return Err(access::NOT_FOUND);
    }
    access::require_owner(&found, &caller)?;
    // Of two at once one is the repeat.
    let deleted = uploads::delete(&app, &caller, &found).await?;
    if deleted.is_first { Ok(NoContent) } else { Err(access::NOT_FOUND) }
}

/// The consultation that a scope needs; a picture of a person needs none. The schemas ask for it already, so that it is
/// missed together with what else is wrong.
fn required(
    scope: Scope,
    id: Option<SessionId>,
    issue: fn(&str, &'static str, &'static str) -> Issue,
) -> Result<Option<SessionId>> {
    match (scope, id) {
        (Scope::Profile, _) => Ok(None),
        (_, Some(id)) => Ok(Some(id)),
        (_, None) => Err(Error::invalid(issue("scope_id", "missing", "Field required"))),
    }
}

/// The consultation that an upload goes to. Reports are the patient's to upload: to the doctor there is no such scope.
async fn writable(conn: &mut Conn, caller: &Account, scope: Scope, id: Option<SessionId>) -> Result<Option<Session>> {
    let Some(id) = id.filter(|_| scope != Scope::Profile) else { return Ok(None) };
    if scope == Scope::Report && caller.role != Role::Client {
        return Err(SCOPE_NOT_FOUND);
    }
    let (session, _) = participant(conn, caller, id).await.map_err(as_scope)?;
    Ok(Some(session))
}

fn check_open(scope: Scope, session: Option<&Session>, at: DateTime<Utc>) -> Result<()> {
    session.map_or(Ok(()), |session| rules::check_session(scope, session.status_at(at)))
}

fn as_scope(error: Error) -> Error {
    match error {
        Error::NotFound(_) => SCOPE_NOT_FOUND,
        other => other,
    }
}
