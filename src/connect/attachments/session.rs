//! Attachments of a consultation (connect-v2 52 to 54).

use axum::extract::State;
use consilium_storage::connect::attachments::{self, AttachmentItem, Scope};

use super::wire::{CompletedView, FilesQuery, InitAttachment, InitView, OfSessionPath};
use crate::accounts::caller::{Caller, Participant};
use crate::app::App;
use crate::connect::sessions::access::participant;
use crate::connect::sessions::wire::SessionPath;
use crate::connect::uploads::access::{NOT_FOUND, require_owner};
use crate::connect::uploads::{self, rules};
use crate::error::Result;
use crate::http::input::{Input, PathBody, PathOnly, PathQuery};
use crate::http::paging::Portion;
use crate::http::reply::{Answer, Created};

/// 52.
pub(super) async fn init(
    State(app): State<App>,
    caller: Caller<Participant>,
    Input { path, body, .. }: PathBody<SessionPath, InitAttachment>,
) -> Result<Created<InitView>> {
    app.files.look_if_away().await;
    let mut tx = app.begin().await?;
    let (session, _) = participant(tx.conn(), &caller, path.session_id).await?;
    rules::check_session(Scope::Session, session.status_at(tx.now()))?;
    let declared = rules::Declared {
        scope: Scope::Session,
        filename: &body.filename,
        content_type: &body.content_type,
        size: Some(body.size_bytes),
    };
    let (begun, link) = uploads::begin(&app, &mut tx, &caller, Some(&session), declared, body.upload_mode).await?;
    app.commit(tx).await?;
    Ok(Created(InitView::of(&begun, link)))
}

/// 53: a body may be sent and says nothing.
pub(super) async fn complete(
    State(app): State<App>,
    caller: Caller<Participant>,
    Input { path, .. }: PathOnly<OfSessionPath>,
) -> Result<Answer<CompletedView>> {
    let mut conn = app.conn().await?;
    let (session, _) = participant(&mut conn, &caller, path.session_id).await?;
    let found = attachments::find(&mut conn, path.attachment_id).await?;
    drop(conn);
    let found = found.filter(|found| found.scope == Scope::Session && found.session_id == Some(session.id));
    let found = found.ok_or(NOT_FOUND)?;
    require_owner(&found, &caller)?;
    Ok(Answer(uploads::complete(&app, &caller, found).await?.into()))
}

/// 54.
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller<Participant>,
    Input { path, query, .. }: PathQuery<SessionPath, FilesQuery>,
) -> Result<Answer<Portion<AttachmentItem>>> {
    let mut tx = app.begin().await?;
    let (session, _) = participant(tx.conn(), &caller, path.session_id).await?;
    let (found, total) =
        attachments::list_of_session(tx.conn(), session.id, Scope::Session, query.limit, query.offset).await?;
    caller.note(&mut tx, "attachment.list", session.patient_id, Some(session.id)).await?;
    app.commit(tx).await?;
    let mut items = Vec::with_capacity(found.len());
    for attachment in found {
        let link = if query.include_download_url { uploads::link_of(&app, &attachment).await? } else { None };
        items.push(AttachmentItem { download_url: link, ..attachment.item() });
    }
    Ok(Answer(Portion::new(items, total, query.limit, query.offset)))
}
