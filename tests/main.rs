//! The one integration binary; its modules mirror the server's.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod connect;
mod contract;
mod deploy;
mod gateways;
mod jobs;
mod journeys;
mod live;
mod nodes;
mod push;
mod support;
