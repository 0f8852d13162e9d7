//! Ports for servers that are processes of their own: a port is looked for here, and taken there a little later.

use std::net::TcpListener;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU16, Ordering};

/// Below those that systems give to whoever takes any port, so that meanwhile nobody else's listener or connection gets it.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

/// Begins anywhere, as other test processes look for ports too.
static NEXT: LazyLock<AtomicU16> = LazyLock::new(|| AtomicU16::new(rand::random()));

/// A port of 127.0.0.1 that nobody listens on, and that no other test is told of.
pub(crate) fn free_port() -> u16 {
    for _ in 0..COUNT {
        let port = FIRST + NEXT.fetch_add(1, Ordering::Relaxed) % COUNT;
        // Free again when the listener is dropped.
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no port is free");
}
