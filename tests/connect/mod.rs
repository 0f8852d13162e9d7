//! `/api/v2`: a module for each slice.

mod kit;
