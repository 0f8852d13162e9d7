//! The OpenAPI document, made from the handlers' own types, and the pages that show it without internet.

use std::sync::Arc;

use aide::axum::ApiRouter;
use aide::openapi::{OpenApi, SecurityScheme};
use aide::redoc::Redoc;
use aide::swagger::Swagger;
use aide::transform::TransformOpenApi;
use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use schemars::JsonSchema;
use serde::Serialize;

use crate::app::App;
use crate::error::Issue;

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

/// Finishes the router: the document is complete when all slices are in.
pub fn finish(router: ApiRouter<App>) -> (Router<App>, Arc<OpenApi>) {
    aide::generate::on_error(|error| tracing::warn!(%error, "OpenAPI"));
    aide::generate::extract_schemas(true);
    let mut document = OpenApi::default();
    let router = router.finish_api_with(&mut document, describe);
    let document = Arc::new(document);
    let served = serde_json::to_string(&*document).unwrap_or_default();
    let pages = Router::new()
        .route(
            "/openapi.json",
            get(move || async move { ([(CONTENT_TYPE, "application/json")], served).into_response() }),
        )
        .route("/docs", Swagger::new("/openapi.json").with_title("Consilium API").axum_route().into())
        .route("/redoc", Redoc::new("/openapi.json").with_title("Consilium API").axum_route().into());
    (router.merge(pages), document)
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
            "REST surface of Consilium. Amounts are in paise, times in UTC. Real-time transports are described at \
             `/asyncapi.json`.",
        )
        .security_scheme("bearer", bearer)
        .default_response_with::<super::reply::Answer<ErrorBody>, _>(|response| {
            response.description("Any failure: `detail`, and a `code` where there is one")
        })
}

/// The document alone, as `consilium openapi` prints it.
///
/// # Errors
/// When it cannot be written, which its types rule out.
pub fn document() -> Result<String, crate::serve::StartError> {
    let (_, document) = finish(crate::serve::routes());
    serde_json::to_string_pretty(&*document).map_err(|error| crate::serve::StartError(error.to_string()))
}
