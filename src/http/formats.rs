//! Formats of texts that are no calendar's. They are checked with the rest of a request, so that a wrong one stands in the
//! same 422 as everything else.

use std::borrow::Cow;

use consilium_realtime::cursor::Cursor;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};
use uuid::Uuid;

/// `<epoch>-<seq>`.
pub const CURSOR: &str = "inbox-cursor";

/// Whether a text is a cursor.
#[must_use]
pub fn is_cursor(text: &str) -> bool {
    text.parse::<Cursor>().is_ok()
}

/// From where in the inbox a request goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Since(pub Cursor);

impl<'de> Deserialize<'de> for Since {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map(Self).map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Since {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "InboxCursor".into()
    }

    fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "format": CURSOR, "examples": ["k3-41"]})
    }
}

/// An id, or an https address of at most 2048 characters.
pub const REFERENCE: &str = "uuid-or-https-address";

/// The longest address.
const ADDRESS_CHARS: usize = 2048;

/// Whether a text refers to something by its id or its address.
#[must_use]
pub fn is_reference(text: &str) -> bool {
    let is_address = || {
        let address = url::Url::parse(text).ok().filter(|url| url.scheme() == "https" && url.host().is_some());
        address.is_some() && text.chars().count() <= ADDRESS_CHARS
    };
    text.parse::<Uuid>().is_ok() || is_address()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_ids_or_addresses() {
        let id = Uuid::nil().to_string();
        for right in ["https://example.org/a.png", &id, "6F0D3A3C-0000-4000-8000-000000000000"] {
            assert!(is_reference(right), "{right}");
        }
        let long = format!("https://example.org/{}", "a".repeat(2048));
        for wrong in ["http://example.org/a.png", "https://", "a.png", "javascript:alert(1)", "", &long] {
            assert!(!is_reference(wrong), "{wrong}");
        }
    }
}
