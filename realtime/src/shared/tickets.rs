//! Single-use tickets that stand in for a credential where a browser cannot set a header (realtime.md §3).

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use dashmap::DashMap;
use rand::RngCore;

/// Tickets of this node: random, kept until used or expired.
#[derive(Debug)]
pub struct Tickets<T>(Arc<DashMap<Secret, Issued<T>>>);

type Secret = [u8; 24];

/// The rights and when they end.
type Issued<T> = (T, DateTime<Utc>);

impl<T> Clone for Tickets<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Default for Tickets<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T> Tickets<T> {
    /// A new ticket for these rights, good once within `life`.
    #[must_use]
    pub fn issue(&self, rights: T, now: DateTime<Utc>, life: TimeDelta) -> String {
        let mut secret = [0; 24];
        rand::rng().fill_bytes(&mut secret);
        self.0.insert(secret, (rights, now + life));
        hex(&secret)
    }

    /// Takes a ticket: its rights, once.
    #[must_use]
    pub fn take(&self, ticket: &str, now: DateTime<Utc>) -> Option<T> {
        let (_, (rights, ends)) = self.0.remove(&unhex(ticket)?)?;
        (ends > now).then_some(rights)
    }

    /// Forgets tickets that nobody used in time.
    pub fn sweep(&self, now: DateTime<Utc>) {
        self.0.retain(|_, (_, ends)| *ends > now);
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(48), |mut text, byte| {
        // Writing to a string cannot fail.
        write!(text, "{byte:02x}").ok();
        text
    })
}

fn unhex(text: &str) -> Option<[u8; 24]> {
    let mut bytes = [0; 24];
    if text.len() != 48 || !text.is_ascii() {
        return None;
    }
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(index * 2..index * 2 + 2)?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_is_good_once_and_in_time() {
        let tickets = Tickets::default();
        let start = DateTime::<Utc>::UNIX_EPOCH;
        let life = TimeDelta::seconds(30);
        let ticket = tickets.issue(7, start, life);
        assert_eq!(tickets.take(&ticket, start + TimeDelta::seconds(29)), Some(7));
        assert_eq!(tickets.take(&ticket, start + TimeDelta::seconds(29)), None);
        let late = tickets.issue(8, start, life);
        assert_eq!(tickets.take(&late, start + life), None);
        assert_eq!(tickets.take("no ticket", start), None);
        assert_eq!(tickets.take(&"é".repeat(24), start), None);
    }
}
