//! Doctors: found by patients, at their own desk, made by admins (connect-v2 §3.3, §3.4, §3.6, 109).

mod administration;
mod dashboard;
mod discovery;
mod favourites;
mod presence;
mod profile;
