//! How people behave: a patient, a doctor, and the talk between them (connect-v2.md §3.7, §3.8, §3.13).

pub(crate) mod chat;
pub(crate) mod doctor;
pub(crate) mod patient;

use std::time::Duration;

/// Nobody sleeps longer than this without looking at the phase of the run.
const LOOK_UP: Duration = Duration::from_secs(1);
