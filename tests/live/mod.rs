//! The doors of the inbox: order, gaps, slow readers, restarts.

mod asyncapi;
mod commands;
mod drain;
mod expiry;
pub(crate) mod faults;
pub(crate) mod kit;
mod leaving;
mod limits;
pub(crate) mod node;
mod order;
mod poll;
mod presence;
mod process;
mod sse;
mod storm;
mod ws;
