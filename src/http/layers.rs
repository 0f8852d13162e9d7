//! What surrounds every request: its id, its span, time and panic guards, security headers, figures, and the dialect
//! that prints failures. The raw path never reaches a log or a metric: only the route's pattern does.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{
    CONNECTION, CONTENT_DISPOSITION, CONTENT_RANGE, CONTENT_TYPE, HeaderName, HeaderValue, RANGE, RETRY_AFTER,
};
use axum::http::{Method, StatusCode};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use tower_http::cors::{AllowOrigin, CorsLayer};
use tracing::Instrument;

use super::dialect::Family;
use crate::app::App;
use crate::error::{Carried, Code, Error};

/// How long a request may take; streams are answered at once and then live on their own.
const TIME_LIMIT: Duration = Duration::from_secs(45);

/// How long a request may take that carries a file: its bytes may be many, and must keep coming.
const UPLOAD_LIMIT: Duration = Duration::from_secs(900);

/// The routes that take files.
const UPLOADS: [&str; 3] =
    [super::file_door::ROUTE, "/api/v2/attachments", "/api/v2/attachments/{attachment_id}/upload"];

/// Carries the request's id in both directions.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Puts the layers around the router, outermost last.
pub fn surround(router: Router<App>, app: &App) -> Router {
    router
        .method_not_allowed_fallback(|| async { Error::MethodNotAllowed })
        .fallback(|| async { Error::NotFound("Path") })
        .layer(from_fn(guard))
        .layer(from_fn(super::unread::drain))
        .layer(cors(&app.config.cors_origins))
        .layer(from_fn_with_state(app.clone(), observe))
        .with_state(app.clone())
}

/// Panics and overlong work become errors like all others.
async fn guard(request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    let limit = if UPLOADS.contains(&route) { UPLOAD_LIMIT } else { TIME_LIMIT };
    let work = AssertUnwindSafe(next.run(request)).catch_unwind();
    match tokio::time::timeout(limit, work).await {
        Ok(Ok(response)) => response,
        Ok(Err(_)) => Error::internal("a handler panicked").into_response(),
        Err(_) => Error::Unavailable { code: Code::Unavailable, detail: "The request took too long" }.into_response(),
    }
}

/// The outermost layer: id, span, figures, dialect, headers.
async fn observe(State(app): State<App>, request: Request, next: Next) -> Response {
    let id = request_id(&request);
    let family = Family::of(request.uri().path());
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map_or("unmatched", MatchedPath::as_str).to_owned();
    let span = tracing::info_span!("request", request.id = id.to_str().unwrap_or_default(), http.method = %method, http.route = %route);
    let started = tokio::time::Instant::now();
    let mut response = next.run(request).instrument(span.clone()).await;
    if let Some(Carried(error)) = response.extensions_mut().remove::<Carried>() {
        let _entered = span.enter();
        if let Error::Internal(cause) = &*error {
            tracing::error!(%cause, "internal error");
        }
        response = family.print(&error);
    } else if needs_printing(&response) {
        response = family.print(&from_status(response.status()));
    }
    if response.status() == StatusCode::SERVICE_UNAVAILABLE && !response.headers().contains_key(RETRY_AFTER) {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    let labels =
        [("method", method_name(&method)), ("route", route), ("status", response.status().as_str().to_owned())];
    metrics::counter!("consilium_http_requests_total", &labels).increment(1);
    metrics::counter!("consilium_http_answers_total", "class" => class(response.status())).increment(1);
    metrics::histogram!("consilium_http_request_seconds", "route" => labels[1].1.clone())
        .record(started.elapsed().as_secs_f64());
    tracing::debug!(parent: &span, http.status = response.status().as_u16(), "answered");
    finish_headers(&mut response, &id, app.config.production);
    if app.shutdown.is_cancelled() && response.status() != StatusCode::SWITCHING_PROTOCOLS {
        // Whoever keeps the connection for another request must not meet its end with it (serve.rs).
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// A failure that no handler of ours made: axum's own 405 or 404 with a plain body.
fn needs_printing(response: &Response) -> bool {
    let status = response.status();
    let ours =
        response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    (status.is_client_error() || status.is_server_error()) && !ours
}

fn from_status(status: StatusCode) -> Error {
    match status {
        StatusCode::NOT_FOUND => Error::NotFound("Path"),
        StatusCode::METHOD_NOT_ALLOWED => Error::MethodNotAllowed,
        StatusCode::SERVICE_UNAVAILABLE => {
            Error::Unavailable { code: Code::Unavailable, detail: "The service is briefly unavailable, try again" }
        }
        status if status.is_client_error() => Error::invalid(crate::error::Issue {
            loc: vec!["header".into()],
            msg: status.canonical_reason().unwrap_or("Bad request").to_owned(),
            kind: "value_error",
        }),
        status => Error::internal(format!("a response of status {status}")),
    }
}

/// The caller's own id where it is short and plain, else a new one.
fn request_id(request: &Request) -> HeaderValue {
    let own = request.headers().get(REQUEST_ID).filter(|value| {
        value.len() <= 64 && value.as_bytes().iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte))
    });
    own.cloned().unwrap_or_else(|| {
        HeaderValue::from_str(&uuid::Uuid::now_v7().simple().to_string())
            .unwrap_or_else(|_| HeaderValue::from_static("none"))
    })
}

fn method_name(method: &Method) -> String {
    match *method {
        Method::GET | Method::POST | Method::PUT | Method::PATCH | Method::DELETE | Method::HEAD | Method::OPTIONS => {
            method.as_str().to_owned()
        }
        _ => "OTHER".to_owned(),
    }
}

const fn class(status: StatusCode) -> &'static str {
    match status.as_u16() / 100 {
        1 => "1xx",
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        _ => "5xx",
    }
}

fn finish_headers(response: &mut Response, id: &HeaderValue, production: bool) {
    let headers = response.headers_mut();
    headers.insert(REQUEST_ID, id.clone());
    let mut default = |name: &'static str, value: &'static str| {
        let name = HeaderName::from_static(name);
        if !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    };
    default("x-content-type-options", "nosniff");
    default("x-frame-options", "DENY");
    default("referrer-policy", "no-referrer");
    default("cache-control", "no-store");
    if production {
        default("strict-transport-security", "max-age=31536000");
    }
}

fn cors(origins: &[String]) -> CorsLayer {
    let allowed: Vec<HeaderValue> = origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok()).collect();
    CorsLayer::new()
        .allow_origin(AllowOrigin::list(allowed))
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers([
            axum::http::header::AUTHORIZATION,
            CONTENT_TYPE,
            HeaderName::from_static("idempotency-key"),
            HeaderName::from_static("last-event-id"),
            HeaderName::from_static("x-ms-blob-type"),
            RANGE,
            REQUEST_ID,
        ])
        .expose_headers([REQUEST_ID, RETRY_AFTER, CONTENT_DISPOSITION, CONTENT_RANGE])
        .max_age(Duration::from_secs(600))
}
