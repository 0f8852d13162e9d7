//! `/api/v2`: a module for each slice.

mod admin;
mod auth_codes;
mod auth_passwords;
mod auth_tokens;
mod avatars;
mod demo;
mod kit;
mod users;
