//! The OpenAPI document, made from the handlers' own types, and the pages that show it without internet.

use std::collections::HashSet;
use std::sync::LazyLock;

use aide::generate::GenContext;
use aide::openapi::{OpenApi, Operation, Response as ApiResponse, SecurityScheme};
use aide::redoc::Redoc;
use aide::swagger::Swagger;
use aide::transform::TransformOpenApi;
use axum::Router;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::IntoResponse;
use axum::routing::{MethodRouter, get};
use bytes::Bytes;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::app::App;
use crate::error::{Error, Issue, Result};

/// The body of every failure under `/api/v2`.
#[derive(Debug, Serialize, JsonSchema)]
#[allow(dead_code, reason = "only its schema is used: bodies are printed by the dialect layer")]
struct ErrorBody {
    /// A text for a person; for 422 the list of failures.
    detail: Detail,
    /// A word for a program, where there is one; some words bring keys of their own.
    code: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
#[allow(dead_code, reason = "only its schema is used")]
enum Detail {
    Text(String),
    Issues(Vec<Issue>),
}

impl aide::OperationOutput for ErrorBody {
    type Inner = Self;

    fn operation_response(ctx: &mut GenContext, _operation: &mut Operation) -> Option<ApiResponse> {
        Some(super::reply::documented::<Self>(ctx, "Any failure: `detail`, and a `code` where there is one"))
    }
}

/// The document, made when it is first asked for: it is the same for every server. The schemas are gathered while the
/// routes are made, so they are made in here.
static DOCUMENT: LazyLock<OpenApi> = LazyLock::new(|| {
    aide::generate::reset_context();
    aide::generate::on_error(|error| tracing::warn!(%error, "OpenAPI"));
    let mut document = OpenApi::default();
    let _routes = crate::serve::routes().finish_api_with(&mut document, describe);
    forget_unused(&mut document);
    document
});

/// The document as it is served.
static SERVED: LazyLock<Bytes> = LazyLock::new(|| serde_json::to_string(&*DOCUMENT).unwrap_or_default().into());

/// The document and the pages that show it.
pub fn pages() -> Router<App> {
    Router::new()
        .route("/openapi.json", get(served))
        .route("/docs", page(Swagger::new("/openapi.json").with_title(TITLE).html()))
        .route("/redoc", page(Redoc::new("/openapi.json").with_title(TITLE).html()))
}

/// Whoever comes first has it made, beside the threads that serve.
async fn served() -> Result<impl IntoResponse> {
    let document = tokio::task::spawn_blocking(|| SERVED.clone()).await;
    let document = document.map_err(|error| Error::internal(error.to_string()))?;
    Ok(([(CONTENT_TYPE, "application/json")], document))
}

/// Structs of paths and queries became parameters: their schemas are left over, and what only they refer to.
fn forget_unused(document: &mut OpenApi) {
    loop {
        let mut used = HashSet::new();
        collect_used(&serde_json::to_value(&*document).unwrap_or_default(), &mut used);
        let Some(components) = &mut document.components else { return };
        let before = components.schemas.len();
        components.schemas.retain(|name, _| used.contains(name));
        if components.schemas.len() == before {
            return;
        }
    }
}

/// The names of the schemas that something refers to.
fn collect_used(value: &Value, used: &mut HashSet<String>) {
    match value {
        Value::String(text) => used.extend(text.strip_prefix("#/components/schemas/").map(str::to_owned)),
        Value::Array(items) => items.iter().for_each(|item| collect_used(item, used)),
        Value::Object(fields) => fields.values().for_each(|field| collect_used(field, used)),
        _ => {}
    }
}

const TITLE: &str = "Consilium API";

/// What the pages may load: themselves and the document, nothing from the internet.
const POLICY: &str = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src 'self' data:; \
                      font-src data:; connect-src 'self'; worker-src blob:; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

fn page(html: String) -> MethodRouter<App> {
    let html = Bytes::from(html);
    get(move || async move { ([(CONTENT_TYPE, "text/html; charset=utf-8"), (CONTENT_SECURITY_POLICY, POLICY)], html) })
}

fn describe(api: TransformOpenApi<'_>) -> TransformOpenApi<'_> {
    let bearer = SecurityScheme::Http {
        scheme: "bearer".to_owned(),
        bearer_format: Some("JWT".to_owned()),
        description: Some("An access token of `/api/v2/auth/…`".to_owned()),
        extensions: Default::default(),
    };
    api.title("Consilium")
        .version(env!("CARGO_PKG_VERSION"))
        .summary("A real-time medical consultation engine")
        .description(
            "REST surface of Consilium. Amounts are integer paise, times ISO 8601 in UTC, ids lower-case UUIDs. Unknown \
             fields of a body are ignored, unset fields of an answer are null. A failure has `detail` and, where \
             programs need to tell it apart, a `code`; every answer carries `X-Request-Id`. Operations are named after \
             the rows of the contract's endpoint table. The real-time doors are described at `/asyncapi.json`.",
        )
        .security_scheme("bearer", bearer)
        .default_response::<ErrorBody>()
}

/// The document alone, as `consilium openapi` prints it.
///
/// # Errors
/// When it cannot be written, which its types rule out.
pub fn document() -> Result<String, crate::serve::StartError> {
    serde_json::to_string_pretty(&*DOCUMENT).map_err(|error| crate::serve::StartError(error.to_string()))
}
