//! The records of Consilium and their rules; the only crate that knows Postgres.

#![warn(missing_docs)]

pub mod embedded;
pub mod migrations;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
