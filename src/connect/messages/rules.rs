//! What a message may carry (connect-v2 48, settled 9).

use consilium_storage::connect::messages::ContentType;
use consilium_storage::ids::AttachmentId;

use super::wire::SendMessage;

/// The largest text in bytes of UTF-8.
pub const TEXT_BYTES: usize = 48 * 1024;

/// The attachment that a message carries; none where it carries words or an address.
#[must_use]
pub fn attachment(message: &SendMessage) -> Option<AttachmentId> {
    match message.content_type {
        ContentType::Text => None,
        ContentType::Image | ContentType::File | ContentType::Audio => message.content.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn files_are_attachments_or_addresses() {
        let carried = |content_type, content: &str| {
            attachment(&SendMessage { client_message_id: Uuid::nil(), content_type, content: content.to_owned() })
        };
        let id = AttachmentId::new();
        for text in [id.to_string(), id.to_string().to_uppercase()] {
            assert_eq!(carried(ContentType::Image, &text), Some(id), "{text}");
            assert_eq!(carried(ContentType::Text, &text), None, "{text}");
        }
        assert_eq!(carried(ContentType::File, "https://example.org/a.png"), None);
    }
}
