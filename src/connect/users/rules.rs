//! Pure rules of a patient's profile (connect-v2 6).

use consilium_storage::accounts::patients::Patient;

/// The drawings in `web/avatars`.
pub const AVATARS: [&str; 12] =
    ["av_01", "av_02", "av_03", "av_04", "av_05", "av_06", "av_07", "av_08", "av_09", "av_10", "av_11", "av_12"];

/// Where a system avatar is read, without a token.
#[must_use]
pub fn system_avatar_url(public_url: &str, id: &str) -> String {
    format!("{public_url}/assets/avatars/{id}.svg")
}

/// Weight by height squared, one decimal.
#[must_use]
pub fn bmi(height_cm: Option<f64>, weight_kg: Option<f64>) -> Option<f64> {
    let metres = height_cm? / 100.0;
    Some((weight_kg? / (metres * metres) * 10.0).round() / 10.0)
}

/// How much of the profile is filled: name, phone, e-mail, age and sex weigh 0.15 each, height and weight 0.125.
#[must_use]
pub fn completion(patient: &Patient) -> f64 {
    let thousandths = [
        (patient.full_name.is_some(), 150),
        (patient.phone.is_some(), 150),
        (patient.email.is_some(), 150),
        (patient.age.is_some(), 150),
        (patient.sex.is_some(), 150),
        (patient.height_cm.is_some(), 125),
        (patient.weight_kg.is_some(), 125),
    ];
    let filled: i32 = thousandths.iter().filter(|(set, _)| *set).map(|(_, weight)| weight).sum();
    f64::from(filled) / 1000.0
}

#[cfg(test)]
mod tests {
    #![allow(clippy::float_cmp, reason = "the values are exact")]
    use chrono::{DateTime, Utc};
    use consilium_storage::accounts::patients::Sex;
    use consilium_storage::ids::UserId;

    use super::*;

    #[test]
    fn bmi_as_in_the_sample() {
        assert_eq!(bmi(Some(175.0), Some(72.5)), Some(23.7));
        assert_eq!(bmi(None, Some(72.5)), None);
        assert_eq!(bmi(Some(175.0), None), None);
    }

    #[test]
    fn completion_as_in_the_sample() {
        let mut patient = Patient {
            id: UserId::new(),
            full_name: Some("Rahul Sharma".to_owned()),
            phone: Some("+919900112233".to_owned()),
            email: None,
            is_phone_verified: true,
            is_active: true,
            created_at: DateTime::<Utc>::UNIX_EPOCH,
            last_login_at: None,
            age: Some(28),
            sex: Some(Sex::Male),
            height_cm: Some(175.0),
            weight_kg: Some(72.5),
            avatar_id: "av_01".to_owned(),
            avatar_file: None,
        };
        assert_eq!(completion(&patient), 0.85);
        patient.email = Some("rahul@example.org".to_owned());
        assert_eq!(completion(&patient), 1.0);
        patient.height_cm = None;
        assert_eq!(completion(&patient), 0.875);
    }
}
