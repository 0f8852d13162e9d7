//! Whole consultations, from the outside.

mod admin;
mod afterwards;
mod browser;
mod command_line;
