//! The kinds of files that are taken, and telling them by their content: what a client says is believed of none
//! (connect-v2 52, 58, §3.20).

/// A kind of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Kind {
    Jpeg,
    Png,
    Webp,
    Heic,
    Pdf,
    Text,
    Doc,
    Docx,
    M4a,
    Aac,
    Mp3,
    Ogg,
    Wav,
    WebmAudio,
    Mp4,
    WebmVideo,
    QuickTime,
}

/// What is known of a kind.
struct Facts {
    kind: Kind,
    /// Its content type, then what else it is called.
    types: &'static [&'static str],
    /// Its extension, then what else it has.
    extensions: &'static [&'static str],
}

const fn facts(kind: Kind, types: &'static [&'static str], extensions: &'static [&'static str]) -> Facts {
    Facts { kind, types, extensions }
}

const DOCX: &str = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";

const KINDS: [Facts; 17] = [
    facts(Kind::Jpeg, &["image/jpeg", "image/jpg", "image/pjpeg"], &["jpg", "jpeg", "jpe", "jfif"]),
    facts(Kind::Png, &["image/png"], &["png"]),
    facts(Kind::Webp, &["image/webp"], &["webp"]),
    facts(Kind::Heic, &["image/heic", "image/heif"], &["heic", "heif"]),
    facts(Kind::Pdf, &["application/pdf", "application/x-pdf"], &["pdf"]),
    facts(Kind::Text, &["text/plain"], &["txt", "text", "log", "md", "csv"]),
    facts(Kind::Doc, &["application/msword"], &["doc"]),
    facts(Kind::Docx, &[DOCX], &["docx"]),
    facts(Kind::M4a, &["audio/mp4", "audio/x-m4a", "audio/m4a"], &["m4a", "mp4"]),
    facts(Kind::Aac, &["audio/aac", "audio/aacp", "audio/x-aac"], &["aac"]),
    facts(Kind::Mp3, &["audio/mpeg", "audio/mp3"], &["mp3"]),
    facts(Kind::Ogg, &["audio/ogg", "application/ogg", "audio/opus"], &["ogg", "oga", "opus"]),
    facts(Kind::Wav, &["audio/wav", "audio/x-wav", "audio/wave", "audio/vnd.wave"], &["wav"]),
    facts(Kind::WebmAudio, &["audio/webm"], &["webm", "weba"]),
    facts(Kind::Mp4, &["video/mp4"], &["mp4", "m4v"]),
    facts(Kind::WebmVideo, &["video/webm"], &["webm"]),
    facts(Kind::QuickTime, &["video/quicktime"], &["mov", "qt"]),
];

/// Pictures of people.
pub const PICTURES: &[Kind] = &[Kind::Jpeg, Kind::Png, Kind::Webp];
/// Documents of patients (connect-v2 §3.11).
pub const DOCUMENTS: &[Kind] = &[Kind::Pdf, Kind::Jpeg, Kind::Png, Kind::Webp];
/// What is attached to a consultation (connect-v2 52).
pub const ATTACHMENTS: &[Kind] = &[
    Kind::Jpeg,
    Kind::Png,
    Kind::Webp,
    Kind::Heic,
    Kind::Pdf,
    Kind::Text,
    Kind::Doc,
    Kind::Docx,
    Kind::M4a,
    Kind::Aac,
    Kind::Mp3,
    Kind::Ogg,
    Kind::Wav,
    Kind::WebmAudio,
];
/// Recordings that an app made.
pub const RECORDINGS: &[Kind] = &[
    Kind::M4a,
    Kind::Aac,
    Kind::Mp3,
    Kind::Ogg,
    Kind::Wav,
    Kind::WebmAudio,
    Kind::Mp4,
    Kind::WebmVideo,
    Kind::QuickTime,
];

impl Kind {
    fn facts(self) -> &'static Facts {
        // Every kind has its line: a test counts them.
        KINDS.iter().find(|facts| facts.kind == self).unwrap_or(&KINDS[0])
    }

    /// The kind of a content type; parameters and case do not matter.
    #[must_use]
    pub fn of_type(content_type: &str) -> Option<Self> {
        let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        KINDS.iter().find(|facts| facts.types.contains(&essence.as_str())).map(|facts| facts.kind)
    }

    /// The kind of a key that the server made, by its extension.
    #[must_use]
    pub fn of_extension(extension: &str) -> Option<Self> {
        KINDS.iter().find(|facts| facts.extensions.first() == Some(&extension)).map(|facts| facts.kind)
    }

    /// Its content type.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        self.facts().types.first().copied().unwrap_or_default()
    }

    /// Its usual extension.
    #[must_use]
    pub fn extension(self) -> &'static str {
        self.facts().extensions.first().copied().unwrap_or_default()
    }

    /// Whether a file of this kind may have this extension, in lower case.
    #[must_use]
    pub fn fits_extension(self, extension: &str) -> bool {
        self.facts().extensions.contains(&extension)
    }

    /// Whether a browser may show it in place: pictures and sounds, which carry no script.
    #[must_use]
    pub const fn is_shown_inline(self) -> bool {
        !matches!(self, Self::Pdf | Self::Text | Self::Doc | Self::Docx)
    }

    /// Whether a file begins like one of this kind.
    fn begins(self, head: &[u8]) -> bool {
        let at = |from: usize, bytes: &[u8]| head.get(from..from + bytes.len()) == Some(bytes);
        match self {
            Self::Jpeg => at(0, b"\xff\xd8\xff"),
            Self::Png => at(0, b"\x89PNG\r\n\x1a\n"),
            Self::Webp => at(0, b"RIFF") && at(8, b"WEBP"),
            Self::Heic => is_heic(head),
            Self::Pdf => at(0, b"%PDF-") || at(0, b"\xef\xbb\xbf%PDF-"),
            Self::Text => !KINDS.iter().any(|other| other.kind != Self::Text && other.kind.begins(head)),
            Self::Doc => at(0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
            Self::Docx => at(0, b"PK\x03\x04"),
            Self::M4a | Self::Mp4 => brand(head).is_some_and(|brand| brand != b"qt  ") && !is_heic(head),
            Self::QuickTime => brand(head) == Some(b"qt  ") || at(4, b"moov") || at(4, b"wide") || at(4, b"mdat"),
            Self::Aac => at(0, b"ADIF") || matches!(head, [0xff, second, ..] if second & 0xf6 == 0xf0),
            Self::Mp3 => at(0, b"ID3") || is_mp3_frame(head),
            Self::Ogg => at(0, b"OggS"),
            Self::Wav => at(0, b"RIFF") && at(8, b"WAVE"),
            Self::WebmAudio | Self::WebmVideo => at(0, b"\x1a\x45\xdf\xa3") && finds(head, b"webm"),
        }
    }

    /// What must stand somewhere in a file of this kind.
    const fn needles(self) -> &'static [&'static [u8]] {
        match self {
            // The names of a compound file's streams are UTF-16.
            Self::Doc => &[b"W\0o\0r\0d\0D\0o\0c\0u\0m\0e\0n\0t\0"],
            Self::Docx => &[b"[Content_Types].xml", b"word/"],
            _ => &[],
        }
    }
}

/// The major brand of an ISO media file.
fn brand(head: &[u8]) -> Option<&[u8]> {
    (head.get(4..8) == Some(b"ftyp")).then(|| head.get(8..12)).flatten()
}

fn is_heic(head: &[u8]) -> bool {
    const BRANDS: [&[u8]; 8] = [b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"];
    let Some(major) = brand(head) else { return false };
    if BRANDS.contains(&major) {
        return true;
    }
    let length = head.first_chunk::<4>().map_or(0, |length| u32::from_be_bytes(*length) as usize);
    let compatible = head.get(16..length.min(head.len())).unwrap_or_default();
    matches!(major, b"mif1" | b"msf1") && compatible.chunks_exact(4).any(|brand| BRANDS.contains(&brand))
}

/// A frame header of MPEG audio, layer III, with a rate that exists.
fn is_mp3_frame(head: &[u8]) -> bool {
    matches!(head, [0xff, second, third, ..]
        if second & 0xe6 == 0xe2 && second & 0x18 != 0x08 && third & 0xf0 != 0xf0 && third & 0x0c != 0x0c)
}

fn finds(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle)
}

/// How much of the beginning tells the kind.
const HEAD: usize = 4096;

/// Looks at a file's bytes as they pass, for whether they are of the declared kind.
#[derive(Debug)]
pub struct Checker {
    kind: Kind,
    head: Vec<u8>,
    seen: u64,
    is_refused: bool,
    missing: Vec<&'static [u8]>,
    /// The end of the chunk before, in which a needle may have begun.
    overlap: Vec<u8>,
}

impl Checker {
    /// For a file that should be of this kind.
    #[must_use]
    pub fn new(kind: Kind) -> Self {
        let missing = kind.needles().to_vec();
        Self { kind, head: Vec::new(), seen: 0, is_refused: false, missing, overlap: Vec::new() }
    }

    /// Looks at the next bytes.
    pub fn feed(&mut self, chunk: &[u8]) {
        self.seen += chunk.len() as u64;
        let room = HEAD.saturating_sub(self.head.len()).min(chunk.len());
        self.head.extend_from_slice(chunk.get(..room).unwrap_or_default());
        if self.kind == Kind::Text {
            self.is_refused |= chunk.iter().any(|byte| is_no_text(*byte));
        }
        if !self.missing.is_empty() {
            self.search(chunk);
        }
    }

    fn search(&mut self, chunk: &[u8]) {
        let longest = self.missing.iter().map(|needle| needle.len()).max().unwrap_or_default();
        self.overlap.extend_from_slice(chunk.get(..longest.min(chunk.len())).unwrap_or_default());
        let overlap = std::mem::take(&mut self.overlap);
        self.missing.retain(|needle| !finds(chunk, needle) && !finds(&overlap, needle));
        let from = if chunk.len() < longest { &overlap } else { chunk };
        self.overlap = from.get(from.len().saturating_sub(longest)..).unwrap_or_default().to_vec();
    }

    /// Whether more bytes would change nothing.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.is_refused || (self.head.len() >= HEAD && self.kind != Kind::Text && self.missing.is_empty())
    }

    /// Whether what was fed, if it was all or enough, is of the declared kind.
    #[must_use]
    pub fn is_of_kind(&self) -> bool {
        self.seen > 0 && !self.is_refused && self.missing.is_empty() && self.kind.begins(&self.head)
    }
}

/// Control characters that no text has.
const fn is_no_text(byte: u8) -> bool {
    matches!(byte, 0x00..=0x08 | 0x0b | 0x0e..=0x1a | 0x1c..=0x1f | 0x7f)
}

/// The kind of a whole file, among these.
#[must_use]
pub fn tell(among: &[Kind], bytes: &[u8]) -> Option<Kind> {
    among.iter().copied().find(|kind| {
        let mut checker = Checker::new(*kind);
        checker.feed(bytes);
        checker.is_of_kind()
    })
}

/// The kind that a file of these begins like.
#[must_use]
pub fn guess(among: &[Kind], head: &[u8]) -> Option<Kind> {
    among.iter().copied().find(|kind| !head.is_empty() && kind.begins(head))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples() -> Vec<(Kind, Vec<u8>)> {
        let ftyp = |brand: &[u8], rest: &[u8]| [b"\0\0\0\x18ftyp", brand, b"\0\0\0\0", rest].concat();
        let doc = [b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".as_slice(), &[0; 600], Kind::Doc.needles()[0]].concat();
        vec![
            (Kind::Jpeg, b"\xff\xd8\xff\xe0 and more".to_vec()),
            (Kind::Png, b"\x89PNG\r\n\x1a\n".to_vec()),
            (Kind::Webp, b"RIFF\x10\0\0\0WEBPVP8 ".to_vec()),
            (Kind::Heic, ftyp(b"mif1", b"heicmif1")),
            (Kind::Pdf, b"%PDF-1.7\n".to_vec()),
            (Kind::Text, "पढ़ने के लिए\r\n\ttext".as_bytes().to_vec()),
            (Kind::Doc, doc),
            (Kind::Docx, b"PK\x03\x04..[Content_Types].xml..word/document.xml".to_vec()),
            (Kind::M4a, ftyp(b"M4A ", b"isommp42")),
            (Kind::Aac, b"\xff\xf1\x50\x80".to_vec()),
            (Kind::Mp3, b"\xff\xfb\x90\x64".to_vec()),
            (Kind::Ogg, b"OggS\0\x02".to_vec()),
            (Kind::Wav, b"RIFF\x24\0\0\0WAVEfmt ".to_vec()),
            (Kind::WebmAudio, b"\x1a\x45\xdf\xa3\x9fB\x86\x81\x01B\x82\x84webm".to_vec()),
            (Kind::Mp4, ftyp(b"isom", b"isomavc1")),
            (Kind::WebmVideo, b"\x1a\x45\xdf\xa3\x9fB\x86\x81\x01B\x82\x84webm".to_vec()),
            (Kind::QuickTime, ftyp(b"qt  ", b"qt  ")),
        ]
    }

    #[test]
    fn every_kind_is_known_by_its_bytes_and_by_few_others() {
        let same = |a, b| {
            let pairs = [[Kind::M4a, Kind::Mp4], [Kind::WebmAudio, Kind::WebmVideo]];
            a == b || pairs.iter().any(|pair| pair.contains(&a) && pair.contains(&b))
        };
        assert_eq!(samples().len(), KINDS.len());
        for (kind, bytes) in samples() {
            for facts in &KINDS {
                assert_eq!(
                    tell(&[facts.kind], &bytes).is_some(),
                    same(kind, facts.kind),
                    "{kind:?} as {:?}",
                    facts.kind
                );
            }
            assert_eq!(tell(&[kind], b""), None);
            assert_eq!(Kind::of_type(kind.content_type()), Some(kind));
            assert_eq!(Kind::of_type(&format!(" {}; charset=x", kind.content_type().to_uppercase())), Some(kind));
        }
        for refused in ["text/html", "image/svg+xml", "application/zip", "", "application/octet-stream"] {
            assert_eq!(Kind::of_type(refused), None, "{refused}");
        }
    }

    #[test]
    fn programs_and_archives_are_nothing_that_is_taken() {
        for bytes in [b"MZ\x90\0\x03".as_slice(), b"\x7fELF\x02\x01", b"PK\x03\x04 word.exe", b"\0"] {
            assert_eq!(tell(ATTACHMENTS, bytes), None);
            assert_eq!(tell(RECORDINGS, bytes), None);
        }
    }

    #[test]
    fn what_stands_across_chunks_is_found() {
        for (kind, bytes) in samples() {
            for size in [1, 2, 7, 64] {
                let mut checker = Checker::new(kind);
                bytes.chunks(size).for_each(|chunk| checker.feed(chunk));
                assert!(checker.is_of_kind(), "{kind:?} in chunks of {size}");
            }
        }
        let mut late = Checker::new(Kind::Text);
        late.feed(&[b'a'; 2 * HEAD]);
        assert!(late.is_of_kind() && !late.is_settled());
        late.feed(b"\0");
        assert!(!late.is_of_kind() && late.is_settled());
    }

    #[test]
    fn extensions_fit_their_kinds() {
        assert!(Kind::Jpeg.fits_extension("jpeg") && !Kind::Jpeg.fits_extension("pdf"));
        assert_eq!(Kind::of_extension("webp"), Some(Kind::Webp));
        assert_eq!(Kind::of_extension("exe"), None);
    }
}
