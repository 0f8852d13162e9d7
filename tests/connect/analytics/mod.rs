//! 92, 93, 96 to 99, 126, 127.

mod doctors;
mod patients;
mod reviews;
