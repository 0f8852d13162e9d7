//! The one error type of the server, by kind. It knows no family's envelope: [`crate::http::dialect`] prints it.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use consilium_storage as storage;
use serde_json::{Map, Value};

/// The code words that travel beside `detail` (connect-v2 §1.1); clients branch on them, never on texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the words are the contract's own")]
pub enum Code {
    OtpInvalid,
    OtpExpired,
    OtpRateLimited,
    OtpAttemptsExceeded,
    LoginRateLimited,
    SmsUnavailable,
    InvalidCredentials,
    InvalidRefreshToken,
    ProfileIncomplete,
    ActiveSessionExists,
    IllegalTransition,
    InvalidSessionState,
    FileTooLarge,
    UnsupportedFileType,
    SizeMismatch,
    UploadMissing,
    InvalidUploadState,
    BodyTooLarge,
    StorageUnavailable,
    MediaUnavailable,
    OfferNotApplicable,
    PaymentUnavailable,
    Duplicate,
    IdempotencyMismatch,
    BadSignature,
    FollowupExists,
    DateInPast,
    ReviewExists,
    ReplyExists,
    WrongRole,
    AccountDisabled,
    NotOwner,
    RateLimited,
    Unavailable,
    UnknownCommand,
    LinkExpired,
    PrescriptionExists,
    LabTestsExist,
}

impl Code {
    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OtpInvalid => "OTP_INVALID",
            Self::OtpExpired => "OTP_EXPIRED",
            Self::OtpRateLimited => "OTP_RATE_LIMITED",
            Self::OtpAttemptsExceeded => "OTP_ATTEMPTS_EXCEEDED",
            Self::LoginRateLimited => "LOGIN_RATE_LIMITED",
            Self::SmsUnavailable => "SMS_UNAVAILABLE",
            Self::InvalidCredentials => "INVALID_CREDENTIALS",
            Self::InvalidRefreshToken => "INVALID_REFRESH_TOKEN",
            Self::ProfileIncomplete => "PROFILE_INCOMPLETE",
            Self::ActiveSessionExists => "ACTIVE_SESSION_EXISTS",
            Self::IllegalTransition => "ILLEGAL_TRANSITION",
            Self::InvalidSessionState => "INVALID_SESSION_STATE",
            Self::FileTooLarge => "FILE_TOO_LARGE",
            Self::UnsupportedFileType => "UNSUPPORTED_FILE_TYPE",
            Self::SizeMismatch => "SIZE_MISMATCH",
            Self::UploadMissing => "UPLOAD_MISSING",
            Self::InvalidUploadState => "INVALID_UPLOAD_STATE",
            Self::BodyTooLarge => "BODY_TOO_LARGE",
            Self::StorageUnavailable => "STORAGE_UNAVAILABLE",
            Self::MediaUnavailable => "MEDIA_UNAVAILABLE",
            Self::OfferNotApplicable => "OFFER_NOT_APPLICABLE",
            Self::PaymentUnavailable => "PAYMENT_UNAVAILABLE",
            Self::Duplicate => "DUPLICATE",
            Self::IdempotencyMismatch => "IDEMPOTENCY_MISMATCH",
            Self::BadSignature => "BAD_SIGNATURE",
            Self::FollowupExists => "FOLLOWUP_EXISTS",
            Self::DateInPast => "DATE_IN_PAST",
            Self::ReviewExists => "REVIEW_EXISTS",
            Self::ReplyExists => "REPLY_EXISTS",
            Self::WrongRole => "WRONG_ROLE",
            Self::AccountDisabled => "ACCOUNT_DISABLED",
            Self::NotOwner => "NOT_OWNER",
            Self::RateLimited => "RATE_LIMITED",
            Self::Unavailable => "UNAVAILABLE",
            Self::UnknownCommand => "UNKNOWN_COMMAND",
            Self::LinkExpired => "LINK_EXPIRED",
            Self::PrescriptionExists => "PRESCRIPTION_EXISTS",
            Self::LabTestsExist => "LAB_TESTS_EXIST",
        }
    }
}

/// One failed check of a request's input (connect-v2 §1.1, rule 3).
#[derive(Debug, Clone, PartialEq, serde::Serialize, schemars::JsonSchema)]
pub struct Issue {
    /// `body`, `query`, `path` or `header`, then names and list positions.
    pub loc: Vec<Value>,
    /// For a person.
    pub msg: String,
    /// For a program: `missing`, `string_type`, `greater_than_equal` …
    #[serde(rename = "type")]
    pub kind: &'static str,
}

impl Issue {
    /// An issue with a member of the body.
    #[must_use]
    pub fn body(field: &str, kind: &'static str, msg: impl Into<String>) -> Self {
        Self { loc: vec!["body".into(), field.into()], msg: msg.into(), kind }
    }

    /// An issue with a query parameter.
    #[must_use]
    pub fn query(field: &str, kind: &'static str, msg: impl Into<String>) -> Self {
        Self { loc: vec!["query".into(), field.into()], msg: msg.into(), kind }
    }
}

/// Why a request is not answered as hoped.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// 401: no or no good credential.
    #[error("{detail}")]
    Unauthenticated {
        /// Machine code, where the contract has one.
        code: Option<Code>,
        /// For a person.
        detail: &'static str,
    },
    /// 403: the caller may not do this.
    #[error("{detail}")]
    Forbidden {
        /// Machine code.
        code: Code,
        /// For a person.
        detail: &'static str,
    },
    /// 404: an id that names nothing, or nothing of the caller's.
    #[error("{0} not found")]
    NotFound(&'static str),
    /// 405: a known path, another method.
    #[error("method not allowed")]
    MethodNotAllowed,
    /// 409: the state does not allow it, or it exists already.
    #[error("{detail}")]
    Conflict {
        /// Machine code.
        code: Code,
        /// For a person.
        detail: String,
        /// Extra keys beside `code`.
        extra: Map<String, Value>,
    },
    /// 400: a rule of the business refuses it.
    #[error("{detail}")]
    Rule {
        /// Machine code.
        code: Code,
        /// For a person.
        detail: String,
    },
    /// 422: every failed check of the input.
    #[error("the input has {} failures", .0.len())]
    Invalid(Vec<Issue>),
    /// 429.
    #[error("{detail}")]
    TooMany {
        /// Machine code.
        code: Code,
        /// For a person.
        detail: &'static str,
        /// Whole seconds, at least 1.
        retry_after: u64,
    },
    /// 503: something outside is away.
    #[error("{detail}")]
    Unavailable {
        /// Machine code.
        code: Code,
        /// For a person.
        detail: &'static str,
    },
    /// 500: a bug; the cause is logged, never shown.
    #[error("{0}")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// The result of an operation.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// 401 without a token, or with one that does not hold.
    #[must_use]
    pub const fn unauthenticated(detail: &'static str) -> Self {
        Self::Unauthenticated { code: None, detail }
    }

    /// 409 with a code and nothing more.
    #[must_use]
    pub fn conflict(code: Code, detail: impl Into<String>) -> Self {
        Self::Conflict { code, detail: detail.into(), extra: Map::new() }
    }

    /// Adds a key beside the code of a 409.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        if let Self::Conflict { extra, .. } = &mut self {
            extra.insert(key.to_owned(), value.into());
        }
        self
    }

    /// 409 `ILLEGAL_TRANSITION` of a session that stands at `current`.
    #[must_use]
    pub fn illegal_transition(current: &str) -> Self {
        Self::conflict(Code::IllegalTransition, format!("not possible while the session is {current}"))
            .with("current_status", current)
    }

    /// 409 `INVALID_SESSION_STATE` of a session that stands at `current`.
    #[must_use]
    pub fn invalid_session_state(current: &str) -> Self {
        Self::conflict(Code::InvalidSessionState, format!("not possible while the session is {current}"))
            .with("current_status", current)
    }

    /// 422 with one failure.
    #[must_use]
    pub fn invalid(issue: Issue) -> Self {
        Self::Invalid(vec![issue])
    }

    /// 500 with a cause for the log.
    pub fn internal(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Internal(cause.into())
    }

    /// A failed query that several waited for: each answers for itself, as [`Error::from`] would.
    #[must_use]
    pub fn shared(error: &storage::Error) -> Self {
        match error {
            storage::Error::Unavailable(_) | storage::Error::Retry(_) => {
                tracing::warn!(%error, "database unavailable");
                Self::Unavailable { code: Code::Unavailable, detail: "The service is briefly unavailable, try again" }
            }
            other => Self::internal(other.to_string()),
        }
    }

    /// The HTTP status.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::Unauthenticated { .. } => StatusCode::UNAUTHORIZED,
            Self::Forbidden { .. } => StatusCode::FORBIDDEN,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::Conflict { .. } => StatusCode::CONFLICT,
            Self::Rule { .. } => StatusCode::BAD_REQUEST,
            Self::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::TooMany { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The machine code, where there is one.
    #[must_use]
    pub const fn code(&self) -> Option<Code> {
        match self {
            Self::Unauthenticated { code, .. } => *code,
            Self::Forbidden { code, .. }
            | Self::Conflict { code, .. }
            | Self::Rule { code, .. }
            | Self::TooMany { code, .. }
            | Self::Unavailable { code, .. } => Some(*code),
            Self::NotFound(_) | Self::MethodNotAllowed | Self::Invalid(_) | Self::Internal(_) => None,
        }
    }
}

impl From<storage::Error> for Error {
    fn from(error: storage::Error) -> Self {
        match error {
            storage::Error::Unavailable(_) | storage::Error::Retry(_) => Self::shared(&error),
            other => Self::internal(other),
        }
    }
}

impl From<storage::database::DriverError> for Error {
    fn from(error: storage::database::DriverError) -> Self {
        storage::Error::from(error).into()
    }
}

impl IntoResponse for Error {
    /// Carries the error to the dialect layer, which alone prints it.
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        response.extensions_mut().insert(Carried(std::sync::Arc::new(self)));
        response
    }
}

/// An error on its way to the dialect layer.
#[derive(Debug, Clone)]
pub struct Carried(pub std::sync::Arc<Error>);

// A handler that may fail documents what it answers when it does not; failures are documented once, for all.
impl aide::OperationOutput for Error {
    type Inner = Self;
}
