//! Whole consultations, from the outside.

mod browser;
mod command_line;
