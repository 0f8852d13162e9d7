//! What operators hold the server by: figures, settings, the proxy in front. The files of deploy/ and docs/operations.md
//! say the same as the program.

mod board;
mod metrics;
mod nginx;
mod proxy;
mod settings;
mod text;
