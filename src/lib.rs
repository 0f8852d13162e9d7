pub mod demo;
pub mod gateways;
