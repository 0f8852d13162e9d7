//! What goes in and out of the users slice.

use chrono::{DateTime, Utc};
use consilium_storage::accounts::patients::{Patient, Profile, Sex};
use consilium_storage::ids::UserId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rules;
use crate::connect::display;
use crate::http::patch::{Maybe, Patch};

/// A patient's own view (connect-v2 6, `UserOut`).
#[derive(Debug, Serialize, JsonSchema)]
pub struct UserView {
    /// The account.
    pub id: UserId,
    /// Null until set.
    pub full_name: Option<String>,
    /// E.164; null for an account registered by mail.
    pub phone: Option<String>,
    /// In lower case.
    pub email: Option<String>,
    /// Readable without a token.
    pub avatar_url: String,
    /// The system's drawing or the user's upload.
    pub avatar_source: AvatarSource,
    /// When the account was made.
    pub member_since: DateTime<Utc>,
    /// Whether a code proved the phone.
    pub is_phone_verified: bool,
    /// Whether sex and age are set.
    pub profile_completed: bool,
    /// 0.0 to 1.0.
    pub profile_completion: f64,
    /// Years.
    pub age: Option<i32>,
    /// As the patient said.
    pub sex: Option<Sex>,
    /// Centimetres.
    pub height_cm: Option<f64>,
    /// Kilograms.
    pub weight_kg: Option<f64>,
    /// Of height and weight, one decimal.
    pub bmi: Option<f64>,
}

/// Where the picture is from.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AvatarSource {
    /// Drawn by us.
    System,
    /// Uploaded.
    User,
}

impl UserView {
    /// The view of a patient.
    #[must_use]
    pub fn of(public_url: &str, patient: &Patient) -> Self {
        let (avatar_url, avatar_source) = match &patient.avatar_file {
            Some(file) => (display::uploaded_avatar_url(public_url, file), AvatarSource::User),
            None => (rules::system_avatar_url(public_url, &patient.avatar_id), AvatarSource::System),
        };
        Self {
            id: patient.id,
            full_name: patient.full_name.clone(),
            phone: patient.phone.clone(),
            email: patient.email.clone(),
            avatar_url,
            avatar_source,
            member_since: patient.created_at,
            is_phone_verified: patient.is_phone_verified,
            profile_completed: patient.sex.is_some() && patient.age.is_some(),
            profile_completion: rules::completion(patient),
            age: patient.age,
            sex: patient.sex,
            height_cm: patient.height_cm,
            weight_kg: patient.weight_kg,
            bmi: rules::bmi(patient.height_cm, patient.weight_kg),
        }
    }
}

/// Changes of a profile (connect-v2 7).
#[derive(Debug, Deserialize, JsonSchema)]
pub struct UpdateUser {
    /// Not null, not blank.
    #[serde(default)]
    #[schemars(length(min = 1, max = 100), regex(pattern = r"\S"))]
    pub full_name: Maybe<String>,
    /// Years.
    #[serde(default)]
    #[schemars(range(min = 1, max = 150))]
    pub age: Patch<i32>,
    /// As the patient says.
    #[serde(default)]
    pub sex: Patch<Sex>,
    /// Centimetres.
    #[serde(default)]
    #[schemars(range(min = 50.0, max = 300.0))]
    pub height_cm: Patch<f64>,
    /// Kilograms.
    #[serde(default)]
    #[schemars(range(min = 10.0, max = 500.0))]
    pub weight_kg: Patch<f64>,
}

impl UpdateUser {
    /// The profile after these changes.
    #[must_use]
    pub fn apply(self, current: Profile) -> Profile {
        Profile {
            full_name: self.full_name.0.map(|name| name.trim().to_owned()).or(current.full_name),
            age: self.age.apply(current.age),
            sex: self.sex.apply(current.sex),
            height_cm: self.height_cm.apply(current.height_cm),
            weight_kg: self.weight_kg.apply(current.weight_kg),
        }
    }
}

/// A system avatar (connect-v2 8).
#[derive(Debug, Serialize, JsonSchema)]
pub struct AvatarView {
    /// `av_01` …
    pub avatar_id: String,
    /// Readable without a token.
    pub url: String,
}

/// Which system avatar (connect-v2 9).
#[derive(Debug, Deserialize, JsonSchema)]
pub struct PickAvatar {
    /// From the catalogue.
    pub avatar_id: String,
}
