//! Derived display values (connect-v2 §3): pure rules shared by the slices.

use consilium_storage::accounts::patients::{Patient, Sex};
use consilium_storage::connect::payloads::PatientPreview;
use consilium_storage::ids::UserId;
use sha2::{Digest, Sha256};

/// One word gives its first two letters, several the first letters of the first and the last; upper case. Nobody's
/// name gives nothing.
#[must_use]
pub fn initials(name: Option<&str>) -> String {
    let words: Vec<&str> = name.unwrap_or_default().split_whitespace().collect();
    let letters: String = match words.as_slice() {
        [] => String::new(),
        [word] => word.chars().take(2).collect(),
        [first, .., last] => first.chars().take(1).chain(last.chars().take(1)).collect(),
    };
    letters.to_uppercase()
}

/// Where an uploaded picture is read, without a token (settled 20).
#[must_use]
pub fn uploaded_avatar_url(public_url: &str, file: &str) -> String {
    format!("{public_url}/files/avatars/{file}")
}

/// The patient's picture in sessions: the uploaded one, else a drawing that gives away neither id nor name.
#[must_use]
pub fn patient_avatar_url(public_url: &str, patient: &Patient) -> String {
    if let Some(file) = &patient.avatar_file {
        return uploaded_avatar_url(public_url, file);
    }
    let hair = match patient.sex {
        Some(Sex::Male) => "shortCurly",
        Some(Sex::Female) => "straight01",
        Some(Sex::Other | Sex::PreferNotToSay) | None => "shortFlat",
    };
    let seed = avatar_seed(patient.id);
    format!("https://api.dicebear.com/9.x/avataaars/svg?seed={seed}&style=circle&top={hair}")
}

/// A stable hash of the id.
fn avatar_seed(id: UserId) -> String {
    let hash = Sha256::new().chain_update("avatar seed\0").chain_update(id.0.as_bytes()).finalize();
    hex::encode(hash.get(..16).unwrap_or_default())
}

/// The patient as doctors see them (connect-v2 §3, `PatientPreview`).
#[must_use]
pub fn patient_preview(public_url: &str, patient: &Patient) -> PatientPreview {
    PatientPreview {
        user_id: patient.id,
        name: patient.full_name.clone(),
        age: patient.age,
        sex: patient.sex,
        initials: initials(patient.full_name.as_deref()),
        avatar_url: patient_avatar_url(public_url, patient),
    }
}

/// `User****` and the last three characters of the id.
#[must_use]
pub fn patient_name_masked(patient: UserId) -> String {
    let id = patient.to_string();
    let tail = id.get(id.len().saturating_sub(3)..).unwrap_or_default();
    format!("User****{tail}")
}

/// `1h 2m 3s`, `37m 7s` or `42s`.
#[must_use]
pub fn duration_display(seconds: i32) -> String {
    let seconds = seconds.max(0);
    let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes) {
        (0, 0) => format!("{rest}s"),
        (0, _) => format!("{minutes}m {rest}s"),
        _ => format!("{hours}h {minutes}m {rest}s"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use chrono::{DateTime, Utc};

    use super::*;

    #[test]
    fn initials_of_one_word_and_of_several() {
        for (name, expected) in
            [("Rahul", "RA"), ("Test Patient", "TP"), (" ana maria de souza ", "AS"), ("X", "X"), ("", "")]
        {
            assert_eq!(initials(Some(name)), expected);
        }
        assert_eq!(initials(None), "");
        assert_eq!(initials(Some("ßeta")), "SSE");
    }

    #[test]
    fn durations() {
        for (seconds, expected) in [(0, "0s"), (42, "42s"), (60, "1m 0s"), (2227, "37m 7s"), (3723, "1h 2m 3s")] {
            assert_eq!(duration_display(seconds), expected);
        }
    }

    #[test]
    fn a_masked_name_ends_like_the_id() {
        let id: UserId = "644452ac-0000-4000-8000-0000000093d3".parse().unwrap();
        assert_eq!(patient_name_masked(id), "User****3d3");
    }

    #[test]
    fn an_avatar_tells_neither_id_nor_name_and_an_upload_replaces_it() {
        let mut patient = Patient {
            id: UserId::new(),
            full_name: Some("Test Patient".to_owned()),
            phone: None,
            email: None,
            is_phone_verified: false,
            is_active: true,
            created_at: DateTime::<Utc>::UNIX_EPOCH,
            last_login_at: None,
            age: None,
            sex: Some(Sex::Male),
            height_cm: None,
            weight_kg: None,
            avatar_id: "av_01".to_owned(),
            avatar_file: None,
        };
        let url = patient_avatar_url("http://here", &patient);
        assert!(url.starts_with("https://api.dicebear.com/9.x/avataaars/svg?seed="), "{url}");
        assert!(url.ends_with("&style=circle&top=shortCurly") && !url.contains(&patient.id.to_string()), "{url}");
        assert_eq!(url, patient_preview("http://here", &patient).avatar_url);
        patient.avatar_file = Some("a.png".to_owned());
        assert_eq!(patient_avatar_url("http://here", &patient), "http://here/files/avatars/a.png");
    }
}
