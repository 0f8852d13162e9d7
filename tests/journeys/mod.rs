//! Whole consultations, from the outside.

mod browser;
