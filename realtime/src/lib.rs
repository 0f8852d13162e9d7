//! The live engine: who is connected, what they may see next, and how it reaches them.
//!
//! Postgres is the truth (DESIGN §1). Everything here is a projection of it that can be lost at any moment: the
//! [`hub`] of connections and live sessions, [`presence`], the [`writer`] that turns many commands into one commit,
//! the [`reader`] that turns many resumes into one query by its [`batcher`], and the [`bus`] between nodes.
#![warn(missing_docs)]

pub mod batcher;
pub mod bus;
pub mod close;
pub mod connection;
pub mod cursor;
pub mod drain;
pub mod engine;
pub mod frame;
pub mod hub;
pub mod inbox;
pub mod pacing;
pub mod presence;
pub mod reader;
pub mod redis;
pub mod shared;
pub mod writer;

pub use engine::{Engine, Settings};
