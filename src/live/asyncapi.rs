//! The AsyncAPI document.

/// The document.
#[must_use]
pub fn document() -> String {
    String::new()
}
