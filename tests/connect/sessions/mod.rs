//! Consultations from request to end (connect-v2 37 to 46).

mod answering;
mod ending;
mod reading;
mod requesting;
mod timing;
