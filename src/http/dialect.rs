//! Which family owns a path, and how that family prints an error (v1-common A1, connect-v2 §1.1). One outermost layer
//! uses it for every failure: also for 404, 405, oversized bodies, time-outs, panics and refused input.

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::response::Response;
use serde_json::{Map, Value, json};

use crate::error::{Code, Error};

/// Who owns a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// `/api/v2`.
    Connect,
    /// `/api/v1/organizations` and its like: camelCase, `{"success": false, "error": {…}}`.
    Organizations,
    /// `/api/v1/encounters` and its like: `{"error": "…"}`.
    Encounters,
    /// Everything else.
    Grants,
}

const ORGANIZATIONS: [&str; 2] = ["/api/v1/organizations", "/api/v1/auth/change-password"];
const ENCOUNTERS: [&str; 9] = [
    "/api/v1/agent",
    "/api/v1/encounters",
    "/api/v1/patients",
    "/api/v1/subscriptions",
    "/api/v1/personal-keys",
    "/api/v1/physician",
    "/api/v1/config",
    "/api/v1/knowledge",
    "/api/v1/users/me/submissions",
];

impl Family {
    /// The family that owns this path.
    #[must_use]
    pub fn of(path: &str) -> Self {
        let under =
            |prefix: &&str| path.strip_prefix(*prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        if under(&"/api/v2") {
            Self::Connect
        } else if ORGANIZATIONS.iter().any(under) {
            Self::Organizations
        } else if ENCOUNTERS.iter().any(under) {
            Self::Encounters
        } else {
            Self::Grants
        }
    }

    /// The body of this error in the family's shape.
    #[must_use]
    pub fn body(self, error: &Error) -> Value {
        match self {
            Self::Connect | Self::Grants => detail_body(error),
            Self::Organizations => json!({"success": false, "error": {"code": word(error), "message": text(error)}}),
            Self::Encounters => json!({"error": text(error)}),
        }
    }

    /// The whole answer.
    #[must_use]
    pub fn print(self, error: &Error) -> Response {
        let mut response = Response::new(Body::from(self.body(error).to_string()));
        *response.status_mut() = error.status();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        match error {
            Error::Unauthenticated { .. } => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            Error::TooMany { retry_after, .. } => {
                headers.insert(RETRY_AFTER, HeaderValue::from((*retry_after).max(1)));
            }
            // Postgres comes back within seconds; a server that drains has others beside it or a successor (DESIGN §9).
            Error::Unavailable { .. } => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
            }
            _ => {}
        }
        response
    }
}

/// `{"detail": …}`, with the code and its extra keys beside it.
#[must_use]
pub fn detail_body(error: &Error) -> Value {
    let mut body = Map::new();
    if let Error::Invalid(issues) = error {
        body.insert("detail".to_owned(), json!(issues));
        return Value::Object(body);
    }
    body.insert("detail".to_owned(), text(error).into());
    if let Some(code) = error.code() {
        body.insert("code".to_owned(), code.as_str().into());
    }
    if let Error::Conflict { extra, .. } = error {
        body.extend(extra.clone());
    }
    Value::Object(body)
}

fn text(error: &Error) -> String {
    match error {
        Error::Internal(_) => "Internal server error".to_owned(),
        Error::NotFound(what) => format!("{what} not found"),
        Error::MethodNotAllowed => "Method not allowed".to_owned(),
        Error::Invalid(issues) => issues.iter().map(|issue| issue.msg.as_str()).collect::<Vec<_>>().join("; "),
        Error::Unauthenticated { detail, .. }
        | Error::Forbidden { detail, .. }
        | Error::TooMany { detail, .. }
        | Error::Unavailable { detail, .. } => (*detail).to_owned(),
        Error::Conflict { detail, .. } | Error::Rule { detail, .. } => detail.clone(),
    }
}

fn word(error: &Error) -> &'static str {
    error.code().map_or_else(
        || match error {
            Error::Unauthenticated { .. } => "UNAUTHORIZED",
            Error::NotFound(_) => "NOT_FOUND",
            Error::Invalid(_) => "VALIDATION_ERROR",
            Error::MethodNotAllowed => "METHOD_NOT_ALLOWED",
            _ => "INTERNAL_ERROR",
        },
        Code::as_str,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_owns_a_path() {
        assert_eq!(Family::of("/api/v2/connect/sessions"), Family::Connect);
        assert_eq!(Family::of("/api/v2"), Family::Connect);
        assert_eq!(Family::of("/api/v20"), Family::Grants);
        assert_eq!(Family::of("/api/v1/organizations/1/patients"), Family::Organizations);
        assert_eq!(Family::of("/api/v1/patients"), Family::Encounters);
        assert_eq!(Family::of("/api/v1/users/me"), Family::Grants);
        assert_eq!(Family::of("/nowhere"), Family::Grants);
    }

    #[test]
    fn an_internal_cause_is_never_shown() {
        let error = Error::internal("password=hunter2");
        assert_eq!(Family::Connect.body(&error), json!({"detail": "Internal server error"}));
    }

    #[test]
    fn extra_keys_stand_beside_the_code() {
        let error = Error::illegal_transition("ENDED");
        let body = Family::Connect.body(&error);
        assert_eq!(body.get("code"), Some(&json!("ILLEGAL_TRANSITION")));
        assert_eq!(body.get("current_status"), Some(&json!("ENDED")));
    }
}
