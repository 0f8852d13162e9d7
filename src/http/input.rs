//! The one extractor of input: path, query and body are checked together, so that every failure is in one 422.

use std::collections::HashSet;

use aide::generate::GenContext;
use aide::openapi::{MediaType, Operation, RequestBody, SchemaObject};
use aide::operation::{OperationInput, ParamLocation, add_parameters, parameters_from_schema, set_body};
use axum::extract::{FromRequest, FromRequestParts, RawPathParams, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use http_body_util::BodyExt;
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::schemas;
use crate::app::App;
use crate::error::{Code, Error, Issue, Result};

/// The largest JSON body (settled 16).
pub const BODY_LIMIT: usize = 1024 * 1024;

/// A part that a handler does not take.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
pub struct Nothing {}

/// What a handler takes of path, query and body; each a struct whose JSON schema is both documented and enforced.
#[derive(Debug)]
pub struct Input<P, Q, B> {
    /// The path's parameters.
    pub path: P,
    /// The query's parameters.
    pub query: Q,
    /// The JSON body.
    pub body: B,
}

/// Path parameters alone.
pub type PathOnly<P> = Input<P, Nothing, Nothing>;
/// Query parameters alone.
pub type QueryOnly<Q> = Input<Nothing, Q, Nothing>;
/// A body alone.
pub type BodyOnly<B> = Input<Nothing, Nothing, B>;
/// Path and query.
pub type PathQuery<P, Q> = Input<P, Q, Nothing>;
/// Path and body.
pub type PathBody<P, B> = Input<P, Nothing, B>;

/// What is wrong with a header that was read before the rest of the request.
#[derive(Debug, Clone)]
pub(super) struct WrongHeader(pub(super) Issue);

impl WrongHeader {
    /// The first of all the request's failures, if there is one.
    pub(super) fn take(parts: &mut Parts) -> Vec<Issue> {
        parts.extensions.remove::<Self>().map(|Self(issue)| issue).into_iter().collect()
    }
}

/// What can be taken.
pub trait Part: JsonSchema + DeserializeOwned + Send + 'static {}
impl<T: JsonSchema + DeserializeOwned + Send + 'static> Part for T {}

fn is_nothing<T: 'static>() -> bool {
    std::any::TypeId::of::<T>() == std::any::TypeId::of::<Nothing>()
}

impl<P: Part, Q: Part, B: Part> FromRequest<App> for Input<P, Q, B> {
    type Rejection = Error;

    async fn from_request(request: Request, app: &App) -> Result<Self> {
        let (mut parts, body) = request.into_parts();
        let mut issues = WrongHeader::take(&mut parts);
        let path = RawPathParams::from_request_parts(&mut parts, app)
            .await
            .map(|params| params.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
            .unwrap_or_default();
        let path = read_texts::<P>("path", path, &mut issues)?;
        let query = url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes());
        let query = query.map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
        let query = read_texts::<Q>("query", query, &mut issues)?;
        let body = if is_nothing::<B>() {
            serde_json::from_value(Value::Object(serde_json::Map::new())).ok()
        } else {
            let is_json = parts
                .headers
                .get(CONTENT_TYPE)
                .is_none_or(|kind| kind.to_str().is_ok_and(|kind| kind.to_ascii_lowercase().contains("json")));
            if !is_json {
                let loc = vec!["header".into(), "content-type".into()];
                issues.push(Issue {
                    loc,
                    msg: "Content-Type should be application/json".to_owned(),
                    kind: "value_error",
                });
            }
            read_body::<B>(body, &mut issues).await?
        };
        match (path, query, body) {
            (Some(path), Some(query), Some(body)) if issues.is_empty() => Ok(Self { path, query, body }),
            _ => Err(Error::Invalid(issues)),
        }
    }
}

/// Reads a query or path. Where a text did not parse, its own issue stands alone: not also `missing`.
pub(super) fn read_texts<T: Part>(
    place: &str,
    texts: Vec<(String, String)>,
    issues: &mut Vec<Issue>,
) -> Result<Option<T>> {
    let checker = schemas::of::<T>()?;
    let (value, unparsed) = checker.parse_texts(place, texts);
    let reported: HashSet<String> = unparsed.iter().map(|issue| format!("{:?}", issue.loc)).collect();
    issues.extend(unparsed);
    match checker.read::<T>(place, value) {
        Ok(value) => Ok(Some(value)),
        Err(found) => {
            issues.extend(found.into_iter().filter(|issue| !reported.contains(&format!("{:?}", issue.loc))));
            Ok(None)
        }
    }
}

async fn read_body<T: Part>(body: axum::body::Body, issues: &mut Vec<Issue>) -> Result<Option<T>> {
    let checker = schemas::of::<T>()?;
    let bytes = collect_body(body, BODY_LIMIT).await?;
    let value = if bytes.is_empty() && checker.body_optional() {
        Value::Object(serde_json::Map::new())
    } else if bytes.is_empty() {
        issues.push(Issue { loc: vec!["body".into()], msg: "Field required".to_owned(), kind: "missing" });
        return Ok(None);
    } else {
        match serde_json::from_slice(&bytes) {
            Ok(value) => value,
            Err(error) => {
                let msg = format!("JSON decode error at line {}, column {}", error.line(), error.column());
                issues.push(Issue { loc: vec!["body".into()], msg, kind: "json_invalid" });
                return Ok(None);
            }
        }
    };
    let read = if checker.exact_numbers() {
        checker.read_exactly("body", &value, &bytes)
    } else {
        checker.read("body", value)
    };
    match read {
        Ok(value) => Ok(Some(value)),
        Err(found) => {
            issues.extend(found);
            Ok(None)
        }
    }
}

/// How much of an oversized body is read and dropped, so that its sender gets to read the answer.
const DRAINED: usize = 16 * 1024 * 1024;

/// How long a client may send nothing in the middle of a body.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(30);

/// The next bytes of a body; none at its end.
///
/// # Errors
/// 422 when the body breaks off or stands still.
pub async fn body_chunk(body: &mut axum::body::Body) -> Result<Option<bytes::Bytes>> {
    let broken = || {
        let msg = "The body broke off".to_owned();
        Error::invalid(Issue { loc: vec!["body".into()], msg, kind: "json_invalid" })
    };
    loop {
        match tokio::time::timeout(PATIENCE, body.frame()).await {
            Ok(None) => return Ok(None),
            Ok(Some(Ok(frame))) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
            Ok(Some(Err(_))) | Err(_) => return Err(broken()),
        }
    }
}

/// The whole body, up to `limit` bytes.
///
/// # Errors
/// 400 `BODY_TOO_LARGE` above the limit; 422 when the body breaks off.
pub async fn collect_body(mut body: axum::body::Body, limit: usize) -> Result<bytes::Bytes> {
    let mut whole = bytes::BytesMut::new();
    let mut seen = 0_usize;
    while let Some(data) = body_chunk(&mut body).await? {
        seen = seen.saturating_add(data.len());
        if seen > limit + DRAINED {
            break;
        } else if seen > limit {
            whole.clear();
        } else {
            whole.extend_from_slice(&data);
        }
    }
    if seen > limit {
        let detail = format!("The body is larger than {limit} bytes");
        return Err(Error::Rule { code: Code::BodyTooLarge, detail });
    }
    Ok(whole.freeze())
}

impl<P: Part, Q: Part, B: Part> OperationInput for Input<P, Q, B> {
    fn operation_input(ctx: &mut GenContext, operation: &mut Operation) {
        let path = ctx.schema.subschema_for::<P>();
        let params = parameters_from_schema(ctx, path, ParamLocation::Path);
        add_parameters(ctx, operation, params);
        let query = ctx.schema.subschema_for::<Q>();
        let params = parameters_from_schema(ctx, query, ParamLocation::Query);
        add_parameters(ctx, operation, params);
        if is_nothing::<B>() {
            return;
        }
        let json_schema = ctx.schema.subschema_for::<B>();
        let required = ctx.resolve_schema(&json_schema).get("x-body-optional").is_none();
        let media = MediaType {
            schema: Some(SchemaObject { json_schema, example: None, external_docs: None }),
            ..MediaType::default()
        };
        let body = RequestBody {
            content: [("application/json".to_owned(), media)].into_iter().collect(),
            required,
            ..RequestBody::default()
        };
        set_body(ctx, operation, body);
    }
}
