//! The HTTP kit: no rules of care, no family but in [`dialect`]'s table.

pub mod address;
pub mod calendar;
pub mod dialect;
pub mod file_door;
pub mod form;
pub mod formats;
pub mod health;
pub mod idempotency;
pub mod input;
mod keywords;
pub mod layers;
pub mod openapi;
pub mod paging;
pub mod patch;
pub mod pictures;
pub mod reply;
pub mod schemas;
pub mod unread;
pub mod upload;
