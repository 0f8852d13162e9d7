//! Who may touch a session: its two parties; to everybody else it does not exist (connect-v2 §1.1).

use consilium_storage::connect::Party;
use consilium_storage::connect::sessions::{self, Session};
use consilium_storage::database::Conn;
use consilium_storage::ids::SessionId;
use consilium_storage::states::session::Status;
use consilium_storage::tx::Tx;

use crate::accounts::caller::Account;
use crate::error::{Error, Result};

/// A stranger's session, or none.
pub const NOT_FOUND: Error = Error::NotFound("Session");

/// The session, and which party the caller is.
///
/// # Errors
/// 404 when the caller has no part in it.
pub async fn participant(conn: &mut Conn, account: &Account, id: SessionId) -> Result<(Session, Party)> {
    part(sessions::find(conn, id).await?, account)
}

/// As [`participant`], with the row locked until the transaction ends.
///
/// # Errors
/// 404 when the caller has no part in it.
pub async fn participant_for_update(conn: &mut Conn, account: &Account, id: SessionId) -> Result<(Session, Party)> {
    part(sessions::find_for_update(conn, id).await?, account)
}

/// As [`participant_for_update`], for what follows from a consultation that is or was held (connect-v2 §3.12).
///
/// # Errors
/// 404, 409 `INVALID_SESSION_STATE` unless it is ONGOING or ENDED.
pub async fn held_for_update(tx: &mut Tx, account: &Account, id: SessionId) -> Result<Session> {
    let (session, _) = participant_for_update(tx.conn(), account, id).await?;
    refuse_unless_held(session.status_at(tx.now()))?;
    Ok(session)
}

/// Refuses what needs a consultation that is or was held.
///
/// # Errors
/// 409 `INVALID_SESSION_STATE` unless it is ONGOING or ENDED.
pub fn refuse_unless_held(status: Status) -> Result<()> {
    match status {
        Status::Ongoing | Status::Ended => Ok(()),
        Status::Requested | Status::Rejected | Status::Expired | Status::Cancelled => {
            Err(Error::invalid_session_state(status.as_str()))
        }
    }
}

fn part(session: Option<Session>, account: &Account) -> Result<(Session, Party)> {
    let session = session.ok_or(NOT_FOUND)?;
    let party = session.party(account.id).ok_or(NOT_FOUND)?;
    Ok((session, party))
}
