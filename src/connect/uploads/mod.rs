//! Uploading a file, whatever it is for (connect-v2 §4.5, docs/decisions/020): begun with an address, sent to the store,
//! looked at, kept. Attachments and reports are two sets of words for it.

pub mod access;
pub mod keys;
pub mod ops;
pub mod receiving;
pub mod rules;

pub use ops::{begin, complete, delete, link_of};
pub use receiving::{Received, receive, store};
