//! One account per person: tokens, passwords, and the extractors that say who calls.

pub mod caller;
pub mod passwords;
pub mod sign_in;
pub mod tokens;
