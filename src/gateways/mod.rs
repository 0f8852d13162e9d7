//! Outside services, each behind a narrow API of its own.

pub mod codes;
pub mod files;
pub mod media;
