//! Objects of the file store that belong to rows (docs/decisions/020): written under an intention to remove them, kept by
//! the transaction that makes them count, removed some time after the one that ends that.

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use consilium_storage::connect::attachments;
use consilium_storage::files::{self, Area, Object};
use consilium_storage::ids::UserId;
use consilium_storage::tx::Tx;

use crate::app::App;
use crate::error::{Code, Error, Result};
use crate::http::upload::Picture;

/// How long an object that counts for nothing yet is left alone.
const GRACE: TimeDelta = TimeDelta::hours(1);

/// Intends to remove an object that is about to be written.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn announce(app: &App, object: &Object) -> Result<()> {
    let now = app.now();
    Ok(files::plan_removal(&mut *app.conn().await?, object, now + GRACE).await?)
}

/// Writes an object that is in memory; it is swept unless [`keep`] is called for it.
///
/// # Errors
/// 503 `STORAGE_UNAVAILABLE`.
pub async fn put(app: &App, object: &Object, content_type: &str, bytes: Bytes) -> Result<()> {
    announce(app, object).await?;
    Ok(app.files.put(object, content_type, bytes).await?)
}

/// The object counts when this transaction commits.
///
/// # Errors
/// 503 when it was swept meanwhile: the work took far too long.
pub async fn keep(tx: &mut Tx, object: &Object) -> Result<()> {
    if files::keep(tx.conn(), object).await? {
        Ok(())
    } else {
        Err(Error::Unavailable { code: Code::StorageUnavailable, detail: "The file was not kept in time, try again" })
    }
}

/// The object counts no more when this transaction commits; its bytes go at `due_at`, or before by [`discard`].
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn give_up(tx: &mut Tx, object: &Object, due_at: DateTime<Utc>) -> Result<()> {
    Ok(files::plan_removal(tx.conn(), object, due_at).await?)
}

/// Removes an object now, whose removal is planned already: where that fails, the sweeper does it.
pub async fn discard(app: &App, object: &Object) {
    if let Err(error) = app.files.remove(object).await {
        tracing::warn!(%error, area = object.area.as_str(), "an object is left to the sweeper");
    }
}

/// Where the picture of a person stands.
#[must_use]
pub fn avatar(name: &str) -> Object {
    Object::new(Area::Avatars, name)
}

/// Writes a picture under a new name, which it answers.
///
/// # Errors
/// As [`put`].
pub async fn put_avatar(app: &App, picture: &Picture) -> Result<String> {
    let name = format!("{}.{}", uuid::Uuid::new_v4().simple(), picture.kind.extension());
    put(app, &avatar(&name), picture.kind.content_type(), picture.bytes.clone()).await?;
    Ok(name)
}

/// In the transaction that sets a person's picture: the new one is kept, the former goes, and the attachment that showed
/// it, if one did.
///
/// # Errors
/// As [`keep`].
pub async fn exchange_avatar(tx: &mut Tx, owner: UserId, former: Option<&str>, new: Option<&str>) -> Result<()> {
    if let Some(new) = new {
        keep(tx, &avatar(new)).await?;
    }
    if let Some(former) = former {
        let now = tx.now();
        give_up(tx, &avatar(former), now).await?;
        attachments::set_picture_deleted(tx.conn(), owner, former, now).await?;
    }
    Ok(())
}
