//! One account per person: tokens, passwords, and the extractors that say who calls.

pub mod by_password;
pub mod caller;
pub mod codes;
pub mod passwords;
pub mod sign_in;
pub mod standings;
pub mod tickets;
pub mod tokens;
