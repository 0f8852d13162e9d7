//! A consultation as it should be, then broken in every way the checker must notice.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod case;
mod messages;
mod numbers;
mod receipts;
