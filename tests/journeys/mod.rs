//! Whole consultations, from the outside.

mod admin;
mod browser;
mod command_line;
