//! Tickets (realtime.md §3): single-use, 30 s, with the rights of the credential they were made from.

use axum::extract::State;
use schemars::JsonSchema;
use serde::Serialize;

use crate::accounts::caller::{Arriving, Caller};
use crate::accounts::tickets;
use crate::app::App;
use crate::error::Result;
use crate::http::reply::Created;

/// A fresh ticket.
#[derive(Debug, Serialize, JsonSchema)]
pub struct TicketView {
    /// Pass it as `?ticket=`.
    pub ticket: String,
    /// Seconds.
    pub expires_in: i64,
}

/// Makes a ticket.
pub(super) async fn create(State(app): State<App>, caller: Caller<Arriving>) -> Result<Created<TicketView>> {
    let life = app.config.ttl.ticket;
    let ticket = tickets::issue(&app, &caller, life)?;
    Ok(Created(TicketView { ticket, expires_in: life.num_seconds() }))
}
