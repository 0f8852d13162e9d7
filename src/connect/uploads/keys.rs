//! The names of objects. Where a client sends a report, the contract's form holds (connect-v2 58); everywhere else the
//! name tells nothing but the consultation.

use chrono::{DateTime, Utc};
use consilium_storage::connect::attachments::Scope;
use consilium_storage::ids::SessionId;

use crate::gateways::files::kinds::Kind;
use crate::gateways::files::names;

/// What a name is made of.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The environment, for stores that several share.
    pub environment: &'a str,
    /// For what.
    pub scope: Scope,
    /// Which consultation.
    pub session: Option<SessionId>,
    /// When the upload began.
    pub at: DateTime<Utc>,
}

impl Place<'_> {
    fn folder(&self) -> String {
        let (environment, day) = (self.environment, self.at.format("%Y/%m/%d"));
        let folder = match self.scope {
            Scope::Profile => "profiles",
            Scope::Session => "attachments",
            Scope::Report => "reports",
            Scope::Recording => "recordings",
        };
        match self.session {
            Some(session) => format!("{environment}/sessions/{session}/{folder}/{day}"),
            None => format!("{environment}/{folder}/{day}"),
        }
    }
}

/// Where a client sends a file.
#[must_use]
pub fn upload(place: &Place<'_>, kind: Kind, filename: &str) -> String {
    let random = names::random();
    let name = match place.scope {
        Scope::Report => format!("{random}_{}", names::plain(filename)),
        Scope::Profile | Scope::Session | Scope::Recording => format!("{random}.{}", kind.extension()),
    };
    format!("{}/{name}", place.folder())
}

/// Where it is kept: a new name each time. Pictures of people are read by it, without a token.
#[must_use]
pub fn stored(place: &Place<'_>, kind: Kind) -> String {
    let name = format!("{}.{}", uuid::Uuid::new_v4().simple(), kind.extension());
    if place.scope == Scope::Profile { name } else { format!("{}/{name}", place.folder()) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::gateways::files::links::is_sound;

    #[test]
    fn a_report_is_sent_where_the_contract_says_and_kept_without_its_name() {
        let session = SessionId::new();
        let at = "2026-02-08T01:12:26Z".parse().unwrap();
        let place = |scope, session| Place { environment: "staging", scope, session, at };
        let report = place(Scope::Report, Some(session));
        let key = upload(&report, Kind::Pdf, "../blood report.pdf");
        let (folder, name) = key.rsplit_once('/').unwrap();
        assert_eq!(folder, format!("staging/sessions/{session}/reports/2026/02/08"));
        let (random, name) = name.split_once('_').unwrap();
        assert!(random.len() == 12 && random.bytes().all(|byte| byte.is_ascii_hexdigit()), "{random}");
        assert_eq!(name, "blood_report.pdf");
        let kept = stored(&report, Kind::Pdf);
        assert!(kept.starts_with(folder) && kept.ends_with(".pdf") && !kept.contains("blood"), "{kept}");
        let attachment = upload(&place(Scope::Session, Some(session)), Kind::Text, "hiv.txt");
        assert!(attachment.ends_with(".txt") && !attachment.contains("hiv"), "{attachment}");
        for key in [key, kept, attachment, stored(&place(Scope::Profile, None), Kind::Png)] {
            assert!(is_sound(&key), "{key}");
        }
    }
}
