//! The uploads are those of attachments; here are the words of reports.

use axum::extract::State;
use consilium_storage::connect::attachments::{self, Attachment, Scope, UploadMode};
use consilium_storage::connect::reports::ReportItem;
use consilium_storage::connect::sessions::Session;
use consilium_storage::database::Conn;
use consilium_storage::states::upload::Status;

use super::wire::{CompletedReportView, DeletedReportView, InitReport, InitReportView, ReportPath, ReportView};
use crate::accounts::caller::{Account, Caller, Client, Participant};
use crate::app::App;
use crate::connect::attachments::wire::FilesQuery;
use crate::connect::sessions::access::participant;
use crate::connect::sessions::wire::SessionPath;
use crate::connect::uploads::access::require_owner;
use crate::connect::uploads::{self, rules};
use crate::error::{Error, Result};
use crate::http::input::{Input, PathOnly, PathQuery};
use crate::http::paging::Portion;
use crate::http::reply::{Answer, Created};

const NOT_FOUND: Error = Error::NotFound("Report");

/// 58.
pub(super) async fn init(
    State(app): State<App>,
    caller: Caller<Client>,
    Input { path, query, .. }: PathQuery<SessionPath, InitReport>,
) -> Result<Created<InitReportView>> {
    app.files.look_if_away().await;
    let mut tx = app.begin().await?;
    let (session, _) = participant(tx.conn(), &caller, path.session_id).await?;
    rules::check_session(Scope::Report, session.status_at(tx.now()))?;
    let declared = rules::Declared {
        scope: Scope::Report,
        filename: &query.original_filename,
        content_type: &query.mime_type,
        size: Some(query.size_bytes),
    };
    let (begun, link) = uploads::begin(&app, &mut tx, &caller, Some(&session), declared, UploadMode::Sas).await?;
    app.commit(tx).await?;
    let object = begun.upload_object().ok_or_else(|| Error::internal("a report without a place"))?;
    let place = app.files.place(&object);
    Ok(Created(InitReportView {
        report_id: begun.id,
        sas_url: link,
        required_headers: app.files.upload_headers(&begun.content_type).into_iter().collect(),
        container_name: place.container,
        blob_name: place.name,
    }))
}

/// 59: a body may be sent and says nothing.
pub(super) async fn complete(
    State(app): State<App>,
    caller: Caller<Client>,
    Input { path, .. }: PathOnly<ReportPath>,
) -> Result<Answer<CompletedReportView>> {
    let (found, _) = find(&mut *app.conn().await?, &caller, &path).await?;
    require_owner(&found, &caller)?;
    let done = uploads::complete(&app, &caller, found).await?;
    // Types have other names, of which the contract knows none.
    let verified = uploads::ops::kind_of(&done)?.content_type();
    Ok(Answer(CompletedReportView {
        report_id: done.id,
        status: done.status,
        verified_size_bytes: done.size_bytes,
        verified_mime_type: verified.to_owned(),
    }))
}

/// 60.
pub(super) async fn list(
    State(app): State<App>,
    caller: Caller<Participant>,
    Input { path, query, .. }: PathQuery<SessionPath, FilesQuery>,
) -> Result<Answer<Portion<ReportItem>>> {
    let mut tx = app.begin().await?;
    let (session, _) = participant(tx.conn(), &caller, path.session_id).await?;
    let (found, total) =
        attachments::list_of_session(tx.conn(), session.id, Scope::Report, query.limit, query.offset).await?;
    caller.note(&mut tx, "report.list", session.patient_id, Some(session.id)).await?;
    app.commit(tx).await?;
    let mut items = Vec::with_capacity(found.len());
    for report in &found {
        let link = if query.include_download_url { uploads::link_of(&app, report).await? } else { None };
        items.push(ReportItem { download_url: link, ..ReportItem::from(report) });
    }
    Ok(Answer(Portion::new(items, total, query.limit, query.offset)))
}

/// 61.
pub(super) async fn show(
    State(app): State<App>,
    caller: Caller<Participant>,
    Input { path, .. }: PathOnly<ReportPath>,
) -> Result<Answer<ReportView>> {
    let mut tx = app.begin().await?;
    let (found, session) = find(tx.conn(), &caller, &path).await?;
    if found.status != Status::Uploaded {
        return Err(NOT_FOUND);
    }
    caller.note(&mut tx, "report.read", session.patient_id, Some(session.id)).await?;
    app.commit(tx).await?;
    let download_url = uploads::link_of(&app, &found).await?;
    Ok(Answer(ReportView {
        report_id: found.id,
        original_filename: found.filename,
        mime_type: found.content_type,
        size_bytes: found.size_bytes,
        download_url,
        expires_in: app.config.ttl.signed_url.num_seconds(),
        created_at: found.created_at,
    }))
}

/// 62: a repeat answers when it was deleted first.
pub(super) async fn remove(
    State(app): State<App>,
    caller: Caller<Client>,
    Input { path, .. }: PathOnly<ReportPath>,
) -> Result<Answer<DeletedReportView>> {
    let (found, _) = find(&mut *app.conn().await?, &caller, &path).await?;
    require_owner(&found, &caller)?;
    let deleted = uploads::delete(&app, &caller, &found).await?;
    Ok(Answer(DeletedReportView { report_id: found.id, status: Status::Deleted, deleted_at: deleted.at }))
}

async fn find(conn: &mut Conn, caller: &Account, path: &ReportPath) -> Result<(Attachment, Session)> {
    let (session, _) = participant(conn, caller, path.session_id).await?;
    let found = attachments::find(conn, path.report_id).await?;
    let found = found.filter(|found| found.scope == Scope::Report && found.session_id == Some(session.id));
    Ok((found.ok_or(NOT_FOUND)?, session))
}
