//! What files are called: names that people gave are cleaned for showing; keys are made here, of plain letters.

use std::fmt::Write;

use rand::RngCore;

/// The longest name that is kept, in characters.
const LONGEST: usize = 255;

/// The longest name inside a key.
const LONGEST_IN_KEY: usize = 60;

/// A name as it is shown: without the folders before it, control characters and marks that turn the direction of writing
/// (they make `fdp.exe` look like `exe.pdf`). A name of which nothing is left becomes `file`.
#[must_use]
pub fn cleaned(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let shown: String = last.chars().filter(|letter| !letter.is_control() && !turns_direction(*letter)).collect();
    let trimmed = shown.trim_matches(|letter: char| letter.is_whitespace() || letter == '.');
    if trimmed.is_empty() { "file".to_owned() } else { trimmed.chars().take(LONGEST).collect() }
}

const fn turns_direction(letter: char) -> bool {
    matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// The extension of a name, in lower case.
#[must_use]
pub fn extension(name: &str) -> Option<String> {
    let (stem, extension) = name.rsplit_once('.')?;
    (!stem.is_empty() && !extension.is_empty()).then(|| extension.to_lowercase())
}

/// A cleaned name in letters that need no encoding in an address: stores sign the address as it is encoded.
#[must_use]
pub fn plain(name: &str) -> String {
    let plain = |part: &str| {
        let mut out = String::new();
        for letter in part.chars() {
            if letter.is_ascii_alphanumeric() || letter == '-' {
                out.push(letter);
            } else if !out.ends_with('_') {
                out.push('_');
            }
        }
        out.trim_matches('_').to_owned()
    };
    let name = cleaned(name);
    let (stem, extension) = name.rsplit_once('.').unwrap_or((&name, ""));
    let extension: String = plain(extension).chars().take(10).collect();
    let stem: String = plain(stem).chars().take(LONGEST_IN_KEY).collect();
    let stem = if stem.is_empty() { "file" } else { &stem };
    if extension.is_empty() { stem.to_owned() } else { format!("{stem}.{extension}") }
}

/// Twelve random hexadecimal digits.
#[must_use]
pub fn random() -> String {
    let mut bytes = [0; 6];
    rand::rng().fill_bytes(&mut bytes);
    hex::encode(bytes)
}

/// `Content-Disposition` with a name in any script (RFC 6266).
#[must_use]
pub fn disposition(name: &str, is_inline: bool) -> String {
    let kind = if is_inline { "inline" } else { "attachment" };
    let fallback = plain(name);
    let mut header = format!("{kind}; filename=\"{fallback}\"");
    if fallback != name {
        header.push_str("; filename*=UTF-8''");
        for byte in name.bytes() {
            if byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&byte) {
                header.push(char::from(byte));
            } else {
                // Writing to a string cannot fail.
                write!(header, "%{byte:02X}").ok();
            }
        }
    }
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_tricks_are_stripped() {
        for (given, shown) in [
            ("../../etc/passwd", "passwd"),
            ("C:\\Users\\x\\report.pdf", "report.pdf"),
            ("..", "file"),
            ("", "file"),
            ("/", "file"),
            (" .hidden. ", "hidden"),
            ("a\r\nSet-Cookie: x\0.pdf", "aSet-Cookie: x.pdf"),
            ("exe.\u{202e}fdp.pdf", "exe.fdp.pdf"),
            ("रक्त जाँच.pdf", "रक्त जाँच.pdf"),
        ] {
            assert_eq!(cleaned(given), shown, "{given:?}");
        }
        assert_eq!(cleaned(&"ß".repeat(300)).chars().count(), 255);
    }

    #[test]
    fn keys_need_no_encoding() {
        for (given, key) in [
            ("blood report (1).pdf", "blood_report_1.pdf"),
            ("रक्त.pdf", "file.pdf"),
            ("../x", "x"),
            ("a.tar.gz", "a_tar.gz"),
            ("%2e%2e.PDF", "2e_2e.PDF"),
            (".pdf", "pdf"),
        ] {
            assert_eq!(plain(given), key, "{given:?}");
        }
        assert!(plain(&"x".repeat(500)).len() <= LONGEST_IN_KEY);
    }

    #[test]
    fn a_header_carries_any_name_and_nothing_else() {
        assert_eq!(disposition("a.pdf", false), "attachment; filename=\"a.pdf\"");
        assert_eq!(disposition("é \".pdf", true), "inline; filename=\"file.pdf\"; filename*=UTF-8''%C3%A9%20%22.pdf");
        assert_eq!(extension("A.b.PDF").as_deref(), Some("pdf"));
        assert_eq!((extension("x"), extension(".x"), extension("x.")), (None, None, None));
    }
}
