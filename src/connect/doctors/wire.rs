//! What goes out of the doctors' endpoints, and what several of them take.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use consilium_realtime::presence::Shown;
use consilium_storage::connect::doctors::discovery::Card;
use consilium_storage::connect::doctors::profile::Doctor;
use consilium_storage::ids::UserId;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::rules;
use crate::app::App;
use crate::connect::display::uploaded_avatar_url;

/// A doctor in the path.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct DoctorPath {
    /// The doctor.
    pub doctor_id: UserId,
}

/// A doctor in a list (12, 13, 14, 23).
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "DoctorOut")]
pub struct DoctorView {
    /// The doctor.
    pub id: UserId,
    /// With the title.
    pub full_name: String,
    /// In addresses.
    pub slug: String,
    /// Speciality.
    pub speciality_category: String,
    /// Mean of all reviews, one decimal; 0.0 without reviews.
    pub rating: f64,
    /// Years.
    pub years_experience: i32,
    /// Paise per minute.
    pub rate_per_minute: i32,
    /// Right now.
    pub presence_status: Shown,
    /// Of the patient who looks.
    pub is_favourite: bool,
    /// Uploaded picture.
    pub avatar_url: Option<String>,
    /// Takes chats.
    pub chat_enabled: bool,
    /// Takes calls.
    pub call_enabled: bool,
    /// Shown first.
    pub is_featured: bool,
}

impl DoctorView {
    /// The card with the doctor's presence right now.
    #[must_use]
    pub fn of(app: &App, card: Card) -> Self {
        Self {
            presence_status: app.engine.presence().shown(card.id, app.now()),
            avatar_url: avatar_url(app, card.avatar_file.as_deref()),
            id: card.id,
            full_name: card.full_name,
            slug: card.slug,
            speciality_category: card.speciality_category,
            rating: card.rating,
            years_experience: card.years_experience,
            rate_per_minute: card.rate_per_minute,
            is_favourite: card.is_favourite,
            chat_enabled: card.chat_enabled,
            call_enabled: card.call_enabled,
            is_featured: card.is_featured,
        }
    }
}

/// A doctor in full, as patients see it (15, 16).
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "DoctorDetailOut")]
pub struct DetailView {
    /// The doctor.
    pub id: UserId,
    /// With the title.
    pub full_name: String,
    /// In addresses.
    pub slug: String,
    /// Speciality.
    pub speciality_category: String,
    /// `MBBS`, `MD` …
    pub degrees: Vec<String>,
    /// Years.
    pub years_experience: i32,
    /// A few sentences.
    pub about_short: Option<String>,
    /// Mean of all reviews, one decimal; 0.0 without reviews.
    pub rating: f64,
    /// How many reviews.
    pub total_reviews: i32,
    /// How many consultations were held.
    pub total_sessions: i32,
    /// Of the patient who looks.
    pub is_favourite: bool,
    /// Right now.
    pub presence_status: Shown,
    /// Paise per minute.
    pub rate_per_minute: i32,
    /// Spoken languages.
    pub languages: Vec<String>,
    /// Of the medical council.
    pub registration_number: Option<String>,
    /// Uploaded picture.
    pub avatar_url: Option<String>,
    /// Takes chats.
    pub chat_enabled: bool,
    /// Takes calls.
    pub call_enabled: bool,
    /// Shown first.
    pub is_featured: bool,
}

impl DetailView {
    /// The doctor with presence right now.
    #[must_use]
    pub fn of(app: &App, doctor: Doctor, is_favourite: bool) -> Self {
        Self {
            presence_status: app.engine.presence().shown(doctor.id, app.now()),
            avatar_url: avatar_url(app, doctor.avatar_file.as_deref()),
            id: doctor.id,
            full_name: doctor.full_name,
            slug: doctor.slug,
            speciality_category: doctor.speciality_category,
            degrees: doctor.degrees,
            years_experience: doctor.years_experience,
            about_short: doctor.about_short,
            rating: doctor.rating,
            total_reviews: doctor.review_count,
            total_sessions: doctor.ended_count,
            is_favourite,
            rate_per_minute: doctor.rate_per_minute,
            languages: doctor.languages,
            registration_number: doctor.registration_number,
            chat_enabled: doctor.chat_enabled,
            call_enabled: doctor.call_enabled,
            is_featured: doctor.is_featured,
        }
    }
}

/// A doctor as the doctor and admins see it (31, 32, 35, 36).
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "DoctorProfileOut")]
pub struct ProfileView {
    /// As patients see it.
    #[serde(flatten)]
    pub detail: DetailView,
    /// Sign-in name.
    pub email: Option<String>,
    /// E.164.
    pub phone: Option<String>,
    /// Whether the account is switched on.
    pub is_active: bool,
    /// Whether patients see the doctor (settled 17).
    pub is_verified: bool,
    /// Reviews encounters (settled 17).
    pub is_reviewer: bool,
    /// When the account was made.
    pub created_at: DateTime<Utc>,
}

impl ProfileView {
    /// The whole doctor.
    #[must_use]
    pub fn of(app: &App, mut doctor: Doctor) -> Self {
        Self {
            email: doctor.email.take(),
            phone: doctor.phone.take(),
            is_active: doctor.is_active,
            is_verified: doctor.is_verified,
            is_reviewer: doctor.is_reviewer,
            created_at: doctor.created_at,
            detail: DetailView::of(app, doctor, false),
        }
    }
}

/// Where the doctor's picture is read.
#[must_use]
pub fn avatar_url(app: &App, file: Option<&str>) -> Option<String> {
    file.map(|file| uploaded_avatar_url(&app.public_url, file))
}

/// A speciality of the list.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub struct Speciality(pub String);

/// A language of the list.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub struct Language(pub String);

impl JsonSchema for Speciality {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Speciality".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "enum": rules::SPECIALITIES})
    }
}

impl JsonSchema for Language {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Language".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "enum": rules::LANGUAGES})
    }
}
