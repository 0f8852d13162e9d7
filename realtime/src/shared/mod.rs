//! What nodes share for a short while: counters and tickets; in memory while there is one node.

pub mod counters;
pub mod tickets;
