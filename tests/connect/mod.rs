//! `/api/v2`: a module for each slice.

mod admin;
mod auth_codes;
mod auth_passwords;
mod auth_tokens;
mod avatars;
mod calls;
mod catalog;
mod demo;
mod doctors;
mod followups;
mod kit;
mod lab_tests;
mod media_webhook;
mod messages;
mod offers;
mod payments;
mod prescription_pdf;
mod prescriptions;
mod races;
mod receipts;
mod reviews;
mod sessions;
mod users;
mod video_permission;
mod wallet;
