//! The outside services, against peers of our own on 127.0.0.1.

mod away;
mod cashfree;
mod clouds;
mod file_door;
mod media;
mod media_fixtures;
