//! The two demo apps, the admin's page and the page of the development inbox: the files of `web/`, embedded in the
//! binary (HOUSE.md §1). Debug builds read them from the source tree, whatever the current directory.
//!
//! Pages are few and named; everything else under `web/` is an asset below `/demo/assets/`. Nothing
//! here knows a rule of care: the apps speak the public HTTP and WebSocket surface like anybody else.

use std::borrow::Cow;

use axum::Router;
use axum::body::Body;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use rust_embed::{EmbeddedFile, RustEmbed};

/// Where the assets stand; the pages name them by their full path.
const ASSETS: &str = "/demo/assets/";

/// No inline script or style, nothing from elsewhere. `ws:` and `wss:` are open because the media
/// server is configured, not known here; `blob:` is what media elements and workers are made of.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; \
     font-src 'self'; media-src 'self' blob: mediastream:; worker-src 'self' blob:; \
     connect-src 'self' ws: wss:; manifest-src 'self'; form-action 'self'; base-uri 'none'; \
     frame-ancestors 'none'";

/// Pages and our own assets are asked for each time and mostly answered with 304: their names do
/// not change with their content.
const REVALIDATE: &str = "no-cache";

/// Third-party files change only with a version of theirs.
const KEEP_A_DAY: &str = "public, max-age=86400";

#[derive(RustEmbed)]
#[folder = "$CARGO_MANIFEST_DIR/web"]
struct Web;

/// `/demo`, the apps and their assets. Whoever runs no demo leaves it out of the router.
pub fn router<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    Router::new()
        .route("/demo", get(landing))
        .route("/demo/", get(landing))
        .route("/demo/patient", get(patient))
        .route("/demo/patient/", get(patient))
        .route("/demo/doctor", get(doctor))
        .route("/demo/doctor/", get(doctor))
        .route("/demo/admin", get(admin))
        .route("/demo/admin/", get(admin))
        .route("/demo/assets/{*path}", get(asset))
}

/// A page of `web/` by its path there, such as `dev/inbox.html`, for the door that owns its address.
/// `headers` are the request's, for the answer may be 304.
#[must_use]
pub fn page(path: &str, headers: &HeaderMap) -> Option<Response> {
    let file = Web::get(path)?;
    Some(answer(path, file, headers))
}

async fn landing(headers: HeaderMap) -> Response {
    found("demo/index.html", &headers)
}

async fn patient(headers: HeaderMap) -> Response {
    found("patient/index.html", &headers)
}

async fn doctor(headers: HeaderMap) -> Response {
    found("doctor/index.html", &headers)
}

async fn admin(headers: HeaderMap) -> Response {
    found("admin/index.html", &headers)
}

/// The path is taken from the address itself: names in `web/` need no decoding, and a name that
/// would need it is not there.
async fn asset(uri: Uri, headers: HeaderMap) -> Response {
    let path = uri.path().strip_prefix(ASSETS).unwrap_or_default();
    // Pages have their own addresses, so that there is one for each.
    if has_extension(path, "html") {
        return StatusCode::NOT_FOUND.into_response();
    }
    found(path, &headers)
}

fn found(path: &str, headers: &HeaderMap) -> Response {
    page(path, headers).unwrap_or_else(|| StatusCode::NOT_FOUND.into_response())
}

fn answer(path: &str, file: EmbeddedFile, request: &HeaderMap) -> Response {
    let tag = etag(&file);
    let caching = if path.starts_with("vendored/") { KEEP_A_DAY } else { REVALIDATE };
    let mut headers = HeaderMap::new();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(caching));
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(ETAG, tag);
    }
    if is_known(request, &tag) {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    headers.insert(CONTENT_TYPE, content_type(path));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    if has_extension(path, "html") {
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
        headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
        headers.insert(
            HeaderName::from_static("permissions-policy"),
            HeaderValue::from_static("camera=(self), microphone=(self), geolocation=()"),
        );
    }
    let body = match file.data {
        Cow::Borrowed(bytes) => Body::from(bytes),
        Cow::Owned(bytes) => Body::from(bytes),
    };
    (headers, body).into_response()
}

fn etag(file: &EmbeddedFile) -> String {
    let hash = file.metadata.sha256_hash();
    format!("\"{}\"", hex::encode(hash.get(..16).unwrap_or(&hash)))
}

/// Whether the client says that it has this very content.
fn is_known(request: &HeaderMap, tag: &str) -> bool {
    request
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|candidate| candidate.trim().trim_start_matches("W/"))
        .any(|candidate| candidate == tag || candidate == "*")
}

fn content_type(path: &str) -> HeaderValue {
    let guess = mime_guess::from_path(path).first_or_octet_stream();
    let mut text = guess.essence_str().to_owned();
    if text.starts_with("text/") || text == "image/svg+xml" || text == "application/json" {
        text.push_str("; charset=utf-8");
    }
    HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static("application/octet-stream"))
}

fn has_extension(path: &str, wanted: &str) -> bool {
    path.rsplit_once('.').is_some_and(|(_, found)| found.eq_ignore_ascii_case(wanted))
}

#[cfg(test)]
mod tests;
