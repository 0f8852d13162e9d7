//! Consilium: a real-time medical consultation engine. `docs/architecture.md` shows how the parts fit.

pub mod accounts;
pub mod app;
pub mod config;
pub mod connect;
pub mod demo;
pub mod demo_data;
pub mod dev;
pub mod error;
pub mod gateways;
pub mod http;
pub mod jobs;
pub mod live;
pub mod serve;
pub mod telemetry;
