//! What admins publish for everybody (connect-v2 §3.21).

pub mod articles;
pub mod events;
