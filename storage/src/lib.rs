//! The records of Consilium and their rules; the only crate that knows Postgres.
//!
//! A slice has one file here, named as under `src/` of the server: its records, and the SQL beside them. Functions
//! take `&mut PgConnection`, so that the caller owns the transaction; whoever changes state does it in a [`tx::Tx`],
//! whose commit alone yields something to deliver.
#![warn(missing_docs)]

pub mod accounts;
pub mod audit;
pub mod clock;
pub mod connect;
pub mod database;
pub mod demo;
pub mod dev_inbox;
pub mod embedded;
pub mod error;
pub mod events;
pub mod files;
pub mod heads;
pub mod idempotency;
pub mod ids;
pub mod inbox;
pub mod ledger;
pub mod maintenance;
pub mod migrations;
pub mod money;
pub mod outbox;
#[cfg(test)]
mod outbox_tests;
pub mod push;
pub mod reminders;
pub mod settings;
pub mod states;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod turns;
pub mod tx;

pub use error::{Error, Result};
