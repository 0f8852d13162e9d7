//! Closing the connections of revoked logins, wherever that happened: for what the bus did not bring.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use consilium_realtime::close::Close;
use consilium_storage::accounts::logins;

use crate::app::App;
use crate::error::Result;

/// How far a look reaches behind the last one that succeeded: a revocation carries the time its transaction began, by
/// the clock of its node, and a connection that was being opened when it committed is known to the hub only now.
const OVERLAP: TimeDelta = TimeDelta::seconds(30);

/// Looks, and remembers when it last succeeded: an outage of Postgres, however long, hides no revocation.
#[derive(Debug, Clone)]
pub struct Revocations(Arc<Mutex<DateTime<Utc>>>);

impl Revocations {
    /// Nothing was revoked unseen before this time.
    #[must_use]
    pub fn since(last: DateTime<Utc>) -> Self {
        Self(Arc::new(Mutex::new(last)))
    }

    /// Closes the connections of what was revoked since the last look that succeeded.
    ///
    /// # Errors
    /// When Postgres cannot be asked; the next look reaches further back then.
    pub async fn look(&self, app: &App) -> Result<()> {
        let now = app.now();
        // Connections that open from now on are refused by their standing.
        if !app.engine.hub().is_empty() {
            let since = self.last() - OVERLAP;
            let revoked: HashSet<_> =
                logins::list_revoked_since(&mut *app.conn().await?, since).await?.into_iter().collect();
            if !revoked.is_empty() {
                app.engine.hub().each(|connection| {
                    if revoked.contains(&connection.credential().login) {
                        connection.close(Close::Unauthenticated);
                    }
                });
            }
        }
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = now;
        Ok(())
    }

    fn last(&self) -> DateTime<Utc> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
