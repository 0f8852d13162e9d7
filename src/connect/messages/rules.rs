//! What a message may carry (connect-v2 48, settled 9).

use consilium_storage::connect::messages::ContentType;
use consilium_storage::ids::AttachmentId;

use super::wire::SendMessage;
use crate::error::{Error, Issue, Result};

/// The largest text in bytes of UTF-8.
const TEXT_BYTES: usize = 48 * 1024;

/// The longest address.
const ADDRESS_CHARS: usize = 2048;

/// Checks what the schema cannot say. Answers the attachment that the message carries, if it does.
///
/// # Errors
/// 422 for an overlong text or an address that is none.
pub fn check(message: &SendMessage) -> Result<Option<AttachmentId>> {
    match message.content_type {
        ContentType::Text if message.content.len() > TEXT_BYTES => Err(Error::invalid(Issue::body(
            "content",
            "string_too_long",
            format!("Text should have at most {TEXT_BYTES} bytes in UTF-8"),
        ))),
        ContentType::Text => Ok(None),
        ContentType::Image | ContentType::File | ContentType::Audio => check_reference(&message.content),
    }
}

fn check_reference(content: &str) -> Result<Option<AttachmentId>> {
    if let Ok(id) = content.parse() {
        return Ok(Some(id));
    }
    let address = url::Url::parse(content).ok().filter(|url| url.scheme() == "https" && url.host().is_some());
    if address.is_some() && content.chars().count() <= ADDRESS_CHARS {
        return Ok(None);
    }
    let msg = "Should be the id of an uploaded attachment of this session or an https address of up to 2048 characters";
    Err(Error::invalid(Issue::body("content", "value_error", msg)))
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn check_of(content_type: ContentType, content: &str) -> Result<Option<AttachmentId>> {
        check(&SendMessage { client_message_id: Uuid::nil(), content_type, content: content.to_owned() })
    }

    #[test]
    fn text_is_bounded_in_bytes_too() {
        assert!(check_of(ContentType::Text, &"x".repeat(16_000)).is_ok());
        // 13,000 characters of four bytes each are within the 16,000, but not within the 48 KiB.
        assert!(matches!(check_of(ContentType::Text, &"😀".repeat(13_000)), Err(Error::Invalid(_))));
    }

    #[test]
    fn files_are_addresses_or_attachments() {
        assert!(check_of(ContentType::Image, "https://example.org/a.png").is_ok());
        for bad in ["http://example.org/a.png", "https://", "a.png", "javascript:alert(1)"] {
            assert!(matches!(check_of(ContentType::File, bad), Err(Error::Invalid(_))), "{bad}");
        }
        let long = format!("https://example.org/{}", "a".repeat(2048));
        assert!(matches!(check_of(ContentType::Audio, &long), Err(Error::Invalid(_))));
        let id = AttachmentId::new();
        for text in [id.to_string(), id.to_string().to_uppercase()] {
            assert!(matches!(check_of(ContentType::Image, &text), Ok(Some(found)) if found == id), "{text}");
        }
    }
}
