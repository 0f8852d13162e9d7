//! What may be uploaded where (connect-v2 52, §3.11, §3.20, §4.1).

use consilium_storage::connect::attachments::Scope;
use consilium_storage::states::session::Status;

use crate::error::{Code, Error, Result};
use crate::gateways::files::kinds::{self, Kind};
use crate::gateways::files::names;

const MIB: i64 = 1024 * 1024;

/// The largest file of a scope, in bytes.
#[must_use]
pub const fn limit(scope: Scope) -> i64 {
    match scope {
        Scope::Profile => 2 * MIB,
        Scope::Session => 25 * MIB,
        Scope::Report => 10 * MIB,
        Scope::Recording => 500 * MIB,
    }
}

/// The kinds of files that a scope takes.
#[must_use]
pub const fn kinds(scope: Scope) -> &'static [Kind] {
    match scope {
        Scope::Profile => kinds::PICTURES,
        Scope::Session => kinds::ATTACHMENTS,
        Scope::Report => kinds::DOCUMENTS,
        Scope::Recording => kinds::RECORDINGS,
    }
}

/// A file as a client declares it.
#[derive(Debug, Clone, Copy)]
pub struct Declared<'a> {
    /// For what.
    pub scope: Scope,
    /// As the client calls it.
    pub filename: &'a str,
    /// As the client says.
    pub content_type: &'a str,
    /// As the client says; none while it is being sent.
    pub size: Option<i64>,
}

/// Whether a file may be uploaded, as far as its declaration tells.
///
/// # Errors
/// 400 `FILE_TOO_LARGE`, `UNSUPPORTED_FILE_TYPE`; of a report also where the extension does not fit the type (58).
pub fn check(declared: Declared<'_>) -> Result<Kind> {
    let Declared { scope, filename, content_type, size } = declared;
    if size.is_some_and(|size| size > limit(scope)) {
        return Err(too_large(limit(scope)));
    }
    let kind = Kind::of_type(content_type).filter(|kind| kinds(scope).contains(kind));
    let kind = kind.ok_or_else(|| unsupported("Files of this type are not taken here"))?;
    let extension = names::extension(&names::cleaned(filename));
    if scope == Scope::Report && extension.is_some_and(|extension| !kind.fits_extension(&extension)) {
        return Err(unsupported("The extension does not fit the type"));
    }
    Ok(kind)
}

/// Whether a consultation of this status takes uploads of this scope.
///
/// # Errors
/// 409 `INVALID_SESSION_STATE`.
pub fn check_session(scope: Scope, status: Status) -> Result<()> {
    let is_open = match scope {
        Scope::Profile => true,
        Scope::Session | Scope::Recording => status == Status::Ongoing,
        Scope::Report => matches!(status, Status::Requested | Status::Ongoing | Status::Ended),
    };
    if is_open { Ok(()) } else { Err(Error::invalid_session_state(status.as_str())) }
}

/// 400 `FILE_TOO_LARGE`.
#[must_use]
pub fn too_large(limit: i64) -> Error {
    Error::Rule { code: Code::FileTooLarge, detail: format!("The file is larger than {limit} bytes") }
}

/// 400 `UNSUPPORTED_FILE_TYPE`.
#[must_use]
pub fn unsupported(why: &str) -> Error {
    Error::Rule { code: Code::UnsupportedFileType, detail: why.to_owned() }
}

/// 400 `SIZE_MISMATCH`.
#[must_use]
pub fn size_mismatch(declared: i64) -> Error {
    Error::Rule {
        code: Code::SizeMismatch,
        detail: format!("Not the {declared} bytes that were declared: send it again"),
    }
}

/// 409 `INVALID_UPLOAD_STATE`.
#[must_use]
pub fn invalid_state(why: &str) -> Error {
    Error::conflict(Code::InvalidUploadState, why)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn code_of(scope: Scope, filename: &str, content_type: &str, size: i64) -> Option<Code> {
        check(Declared { scope, filename, content_type, size: Some(size) }).err().and_then(|error| error.code())
    }

    #[test]
    fn limits_are_inclusive_and_of_each_scope() {
        for (scope, limit) in [
            (Scope::Profile, 2_097_152),
            (Scope::Session, 26_214_400),
            (Scope::Report, 10_485_760),
            (Scope::Recording, 524_288_000),
        ] {
            let kind = kinds(scope).last().unwrap().content_type();
            assert_eq!(code_of(scope, "x", kind, limit), None);
            assert_eq!(code_of(scope, "x", kind, limit + 1), Some(Code::FileTooLarge));
        }
    }

    #[test]
    fn types_are_of_each_scope() {
        let refused = Some(Code::UnsupportedFileType);
        assert_eq!(code_of(Scope::Report, "a.heic", "image/heic", 1), refused);
        assert_eq!(code_of(Scope::Session, "a.heic", "image/heic", 1), None);
        assert_eq!(code_of(Scope::Session, "a.mp4", "video/mp4", 1), refused);
        assert_eq!(code_of(Scope::Recording, "a.mp4", "video/mp4", 1), None);
        assert_eq!(code_of(Scope::Profile, "a.pdf", "application/pdf", 1), refused);
        for content_type in ["text/html", "image/svg+xml", "application/x-msdownload", "x"] {
            assert_eq!(code_of(Scope::Session, "a.pdf", content_type, 1), refused, "{content_type}");
        }
    }

    #[test]
    fn a_reports_extension_fits_its_type() {
        for (name, code) in [
            ("a.pdf", None),
            ("A.PDF", None),
            ("no extension", None),
            ("a.jpg", Some(Code::UnsupportedFileType)),
            ("a.pdf.exe", Some(Code::UnsupportedFileType)),
        ] {
            assert_eq!(code_of(Scope::Report, name, "application/pdf", 1), code, "{name}");
        }
    }

    #[test]
    fn who_takes_what_when() {
        let open = |scope, status| check_session(scope, status).is_ok();
        for status in Status::ALL {
            assert_eq!(open(Scope::Session, status), status == Status::Ongoing);
            assert_eq!(open(Scope::Recording, status), status == Status::Ongoing);
            let report = [Status::Requested, Status::Ongoing, Status::Ended].contains(&status);
            assert_eq!(open(Scope::Report, status), report);
        }
    }
}
