//! The doors of the inbox: order, gaps, slow readers, restarts.

mod asyncapi;
mod commands;
mod expiry;
mod kit;
mod leaving;
mod limits;
mod order;
mod poll;
mod presence;
mod sse;
mod ws;
