//! Who may see a file and who may touch it (connect-v2 §1.1, §3.20): the owner of a picture, the parties of a
//! consultation; to everybody else it does not exist. Only its uploader changes it.

use consilium_storage::connect::attachments::{self, Attachment};
use consilium_storage::connect::sessions::Session;
use consilium_storage::database::Conn;
use consilium_storage::ids::AttachmentId;

use crate::accounts::caller::Account;
use crate::connect::sessions::access::participant;
use crate::error::{Code, Error, Result};

/// A stranger's file, or none.
pub const NOT_FOUND: Error = Error::NotFound("Attachment");

/// The file and its consultation.
///
/// # Errors
/// 404 when the caller has no part in it.
pub async fn visible(conn: &mut Conn, caller: &Account, id: AttachmentId) -> Result<(Attachment, Option<Session>)> {
    let found = attachments::find(conn, id).await?.ok_or(NOT_FOUND)?;
    match found.session_id {
        Some(session) => {
            let (session, _) = participant(conn, caller, session).await.map_err(|error| match error {
                Error::NotFound(_) => NOT_FOUND,
                other => other,
            })?;
            Ok((found, Some(session)))
        }
        None if found.uploader_id == caller.id => Ok((found, None)),
        None => Err(NOT_FOUND),
    }
}

/// As [`visible`], for the uploader alone.
///
/// # Errors
/// 404 as above, 403 `NOT_OWNER` for the other party.
pub async fn owned(conn: &mut Conn, caller: &Account, id: AttachmentId) -> Result<(Attachment, Option<Session>)> {
    let (found, session) = visible(conn, caller, id).await?;
    require_owner(&found, caller)?;
    Ok((found, session))
}

/// Refuses the other party.
///
/// # Errors
/// 403 `NOT_OWNER`.
pub fn require_owner(attachment: &Attachment, caller: &Account) -> Result<()> {
    if attachment.uploader_id == caller.id {
        Ok(())
    } else {
        Err(Error::Forbidden { code: Code::NotOwner, detail: "Only whoever uploaded it may do this" })
    }
}
