//! What the tests stand on.

#![allow(dead_code, reason = "a kit: not every tool is in use at all times")]

pub(crate) mod app;
pub(crate) mod azurite;
pub(crate) mod browser;
pub(crate) mod cashfree;
pub(crate) mod client;
pub(crate) mod egress;
pub(crate) mod fcm;
pub(crate) mod files;
pub(crate) mod media;
pub(crate) mod meeting;
pub(crate) mod ports;
pub(crate) mod process;
pub(crate) mod proxy;
pub(crate) mod redis;
pub(crate) mod s3_peer;
pub(crate) mod sms;
pub(crate) mod socket;
pub(crate) mod stream;
pub(crate) mod twirp;
