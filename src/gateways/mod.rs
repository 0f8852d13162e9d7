//! Outside services, each behind a narrow API of its own.

pub mod media;
