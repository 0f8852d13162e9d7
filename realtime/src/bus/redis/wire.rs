//! What travels between nodes, and the seal on it: whoever reaches Redis must not be able to put an event into a patient's
//! stream or to end a sign-in. The key stands in Postgres, where all nodes of a deployment find it.

use hmac::{Hmac, KeyInit, Mac};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::super::Signal;

/// How many bytes of the HMAC travel: forging one takes 2^128 tries.
const SEAL: usize = 16;

/// A signal under its running number.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Envelope {
    /// Who sends.
    pub(super) node: u64,
    /// 1, 2, 3 … for each (node, channel): a hole is a loss.
    pub(super) number: u64,
    /// What.
    pub(super) signal: Signal,
}

/// The heartbeat of a node.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Beat {
    /// Whose.
    pub(super) node: u64,
    /// Which one: the sender finds out how long it took to come back.
    pub(super) count: u64,
    /// The last number sent on each channel, slots first, the channel of all nodes last.
    pub(super) numbers: Vec<u64>,
    /// What Redis says of this node's connected doctors is whole.
    pub(super) presence_written: bool,
    /// The node ends: this is its last beat.
    pub(super) leaving: bool,
}

/// Seals and opens what travels.
#[derive(Clone)]
pub(super) struct Seal(Hmac<Sha256>);

impl std::fmt::Debug for Seal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seal")
    }
}

impl Seal {
    pub(super) fn new(key: &[u8]) -> Option<Self> {
        Hmac::new_from_slice(key).ok().map(Self)
    }

    /// The bytes of a message, with its seal behind them. `channel` is sealed too: a message cannot be moved to another.
    pub(super) fn close(&self, channel: &str, message: &impl Serialize) -> Option<Vec<u8>> {
        let mut bytes = postcard::to_stdvec(message).ok()?;
        let tag = self.tag(channel, &bytes).finalize().into_bytes();
        bytes.extend_from_slice(tag.get(..SEAL)?);
        Some(bytes)
    }

    /// The message, if its seal holds.
    pub(super) fn open<T: DeserializeOwned>(&self, channel: &str, bytes: &[u8]) -> Option<T> {
        let (message, seal) = bytes.split_at_checked(bytes.len().checked_sub(SEAL)?)?;
        self.tag(channel, message).verify_truncated_left(seal).ok()?;
        postcard::from_bytes(message).ok()
    }

    fn tag(&self, channel: &str, message: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        mac.update(channel.as_bytes());
        mac.update(&[0]);
        mac.update(message);
        mac
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
    use consilium_storage::ids::{LoginId, SessionId, UserId};

    use super::*;
    use crate::frame::EventFrame;
    use crate::presence::Sign;

    #[test]
    fn every_signal_comes_back_as_it_was() {
        let seal = Seal::new(b"key").unwrap();
        let frame = EventFrame::new("x", chrono::DateTime::UNIX_EPOCH, Some(SessionId::new()), r#"{"a":"ü"}"#);
        for signal in [
            Signal::Event { places: vec![(UserId::new(), 7)], frame: frame.clone() },
            Signal::Ephemeral { users: vec![UserId::new()], frame },
            Signal::Look(vec![UserId::new()]),
            Signal::Revoked(vec![LoginId::new()]),
            Signal::Presence(UserId::new(), Sign::Switch(true, chrono::DateTime::UNIX_EPOCH)),
            Signal::Displaced { user: UserId::new(), node: 1, connection: u64::MAX },
        ] {
            let envelope = Envelope { node: 9, number: 3, signal };
            let bytes = seal.close("c", &envelope).unwrap();
            let back: Envelope = seal.open("c", &bytes).unwrap();
            assert_eq!(format!("{envelope:?}"), format!("{back:?}"));
        }
    }

    #[test]
    fn what_is_forged_moved_or_cut_is_not_opened() {
        let seal = Seal::new(b"key").unwrap();
        let envelope = Envelope { node: 9, number: 3, signal: Signal::Look(vec![UserId::new()]) };
        let bytes = seal.close("c", &envelope).unwrap();
        assert!(seal.open::<Envelope>("d", &bytes).is_none(), "another channel");
        assert!(Seal::new(b"other").unwrap().open::<Envelope>("c", &bytes).is_none(), "another key");
        for index in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[index] ^= 1;
            assert!(seal.open::<Envelope>("c", &changed).is_none(), "byte {index}");
            assert!(seal.open::<Envelope>("c", &bytes[..index]).is_none(), "cut at {index}");
        }
    }
}
