//! What every client saw, and the proof that it is what was promised (realtime.md §1).
//!
//! `record` is what the clients write while they live; `check` reads it afterwards and knows nothing
//! of sockets, so that each kind of broken promise has a test that breaks it.

pub(crate) mod check;
mod lost;
mod order;
mod receipts;
pub(crate) mod record;
mod requests;
#[cfg(test)]
mod tests;
mod timeline;
mod violation;

pub(crate) use check::{Evidence, Verdict, check};
pub(crate) use record::{Cursor, Entry, Event, Kind, Parties, UserLog, What};
