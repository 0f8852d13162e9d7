//! What nodes share for a short while (DESIGN §1): in Redis where one is configured, else in memory of the one node.
//! Every key has a time to live, and everything here goes on without Redis: limits and tickets per node, rosters as last
//! heard. Where two steps must be one they are a script.

pub(crate) mod connections;
pub mod counters;
pub mod once;
pub(crate) mod roster;
