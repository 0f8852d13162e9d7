//! What goes in and out of the review endpoints.

use chrono::{DateTime, Utc};
use consilium_storage::connect::reviews::{Order, Reply, Review};
use consilium_storage::ids::{ReviewId, SessionId, UserId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::connect::display::patient_name_masked;
use crate::http::calendar::Moment;

/// A review in the path.
#[derive(Debug, Deserialize, JsonSchema)]
pub struct ReviewPath {
    /// The review.
    pub review_id: ReviewId,
}

/// A new review (85).
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct CreateReview {
    /// The consultation.
    pub session_id: SessionId,
    /// 1.0 to 5.0.
    #[schemars(range(min = 1.0, max = 5.0))]
    pub rating: f64,
    /// The patient's words.
    #[schemars(length(max = 1000))]
    pub comment: Option<String>,
}

/// A reply (27, 28).
#[derive(Debug, Deserialize, JsonSchema)]
pub struct WriteReply {
    /// Not blank.
    #[schemars(length(min = 1, max = 1000), regex(pattern = r"\S"))]
    pub text: String,
}

/// Which of a doctor's public reviews (17).
#[derive(Debug, Deserialize, JsonSchema)]
pub struct WallQuery {
    /// 1 to 100.
    #[serde(default = "ten")]
    #[schemars(range(min = 1, max = 100))]
    pub limit: i64,
    /// From 0.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1_000_000_000))]
    pub offset: i64,
}

const fn ten() -> i64 {
    10
}

/// Which of the doctor's own reviews (26).
#[derive(Debug, Deserialize, JsonSchema)]
pub struct DeskQuery {
    /// 1 to 100.
    #[serde(default = "ten")]
    #[schemars(range(min = 1, max = 100))]
    pub limit: i64,
    /// From 0.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1_000_000_000))]
    pub offset: i64,
    /// The whole part of the rating.
    #[schemars(range(min = 1, max = 5))]
    pub rating: Option<i32>,
    /// Only those with, or without, a reply.
    pub has_reply: Option<bool>,
    /// The first day or time; not after `date_to`.
    #[schemars(extend("x-not-after" = "date_to"))]
    pub date_from: Option<Moment>,
    /// The last day or time.
    pub date_to: Option<Moment>,
    /// Newest first, unless said otherwise.
    #[serde(default)]
    pub sort_by: SortBy,
}

/// In which order (26).
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "ReviewOrder")]
pub enum SortBy {
    /// Newest first.
    #[default]
    DateDesc,
    /// Oldest first.
    DateAsc,
    /// Best first.
    RatingDesc,
    /// Worst first.
    RatingAsc,
}

impl From<SortBy> for Order {
    fn from(sort: SortBy) -> Self {
        match sort {
            SortBy::DateDesc => Self::DateDown,
            SortBy::DateAsc => Self::DateUp,
            SortBy::RatingDesc => Self::RatingDown,
            SortBy::RatingAsc => Self::RatingUp,
        }
    }
}

/// A review as its parties see it (72, 85).
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ReviewOut")]
pub struct ReviewView {
    /// Its id.
    pub id: ReviewId,
    /// The consultation.
    pub connect_session_id: SessionId,
    /// Null: a session of the first generation.
    pub session_id: Option<SessionId>,
    /// Who was reviewed.
    pub doctor_id: UserId,
    /// 1.0 to 5.0.
    pub rating: f64,
    /// The patient's words.
    pub comment: Option<String>,
    /// When.
    pub created_at: DateTime<Utc>,
}

impl From<Review> for ReviewView {
    fn from(review: Review) -> Self {
        Self {
            id: review.id,
            connect_session_id: review.session_id,
            session_id: None,
            doctor_id: review.doctor_id,
            rating: review.rating,
            comment: review.comment,
            created_at: review.created_at,
        }
    }
}

/// A review as everybody sees it (17).
#[derive(Debug, Serialize, JsonSchema)]
pub struct PublicReview {
    /// Its id.
    pub id: ReviewId,
    /// 1.0 to 5.0.
    pub rating: f64,
    /// The patient's words.
    pub comment: Option<String>,
    /// `User****` and three characters.
    pub patient_name_masked: String,
    /// When.
    pub created_at: DateTime<Utc>,
    /// The doctor's answer.
    pub reply: Option<PublicReply>,
}

/// The doctor's answer as everybody sees it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct PublicReply {
    /// The words.
    pub text: String,
    /// When first said.
    pub created_at: DateTime<Utc>,
}

impl From<Review> for PublicReview {
    fn from(review: Review) -> Self {
        let reply = review.reply().map(|Reply { text, created_at, updated_at: _ }| PublicReply { text, created_at });
        Self {
            id: review.id,
            rating: review.rating,
            comment: review.comment,
            patient_name_masked: patient_name_masked(review.patient_id),
            created_at: review.created_at,
            reply,
        }
    }
}

/// A review at the doctor's desk (26).
#[derive(Debug, Serialize, JsonSchema)]
pub struct DeskReview {
    /// Its id.
    pub id: ReviewId,
    /// 1.0 to 5.0.
    pub rating: f64,
    /// The patient's words.
    pub comment: Option<String>,
    /// `User****` and three characters.
    pub patient_name_masked: String,
    /// When.
    pub created_at: DateTime<Utc>,
    /// The consultation.
    pub connect_session_id: SessionId,
    /// Null: a session of the first generation.
    pub session_id: Option<SessionId>,
    /// Whether there is an answer.
    pub has_reply: bool,
    /// The answer.
    pub reply: Option<DeskReply>,
    /// Whether the consultation has a follow-up, of any state.
    pub has_followup: bool,
}

/// The doctor's own answer.
#[derive(Debug, Serialize, JsonSchema)]
pub struct DeskReply {
    /// The words.
    pub text: String,
    /// When first said.
    pub created_at: DateTime<Utc>,
    /// When last changed.
    pub updated_at: DateTime<Utc>,
}

impl From<Review> for DeskReview {
    fn from(review: Review) -> Self {
        let reply =
            review.reply().map(|Reply { text, created_at, updated_at }| DeskReply { text, created_at, updated_at });
        Self {
            id: review.id,
            rating: review.rating,
            comment: review.comment,
            patient_name_masked: patient_name_masked(review.patient_id),
            created_at: review.created_at,
            connect_session_id: review.session_id,
            session_id: None,
            has_reply: reply.is_some(),
            reply,
            has_followup: review.has_followup,
        }
    }
}

/// A reply with its review's id (27, 28).
#[derive(Debug, Serialize, JsonSchema)]
pub struct ReplyView {
    /// The review.
    pub review_id: ReviewId,
    /// The words.
    pub text: String,
    /// When first said.
    pub created_at: DateTime<Utc>,
    /// When last changed.
    pub updated_at: DateTime<Utc>,
}

impl ReplyView {
    /// The reply to this review.
    #[must_use]
    pub fn new(review_id: ReviewId, reply: Reply) -> Self {
        Self { review_id, text: reply.text, created_at: reply.created_at, updated_at: reply.updated_at }
    }
}
