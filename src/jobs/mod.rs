//! What the server does unasked; each job runs until the shutdown token is cancelled.

pub mod presence;

use consilium_storage::database::Options;

use crate::app::App;

/// Starts every job.
pub fn start(app: &App, owner: Options) {
    let _ = (app, owner);
}
