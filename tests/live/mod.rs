//! The doors of the inbox: order, gaps, slow readers, restarts.

mod asyncapi;
mod commands;
mod expiry;
mod faults;
mod kit;
mod leaving;
mod limits;
mod node;
mod nodes;
mod order;
mod poll;
mod presence;
mod process;
mod sse;
mod ws;
