//! Outside services, each behind a narrow API of its own.

mod breaker;
pub mod codes;
pub mod files;
pub mod media;
pub mod payments;
pub mod push;
