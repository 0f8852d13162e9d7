//! Where avatars are read, without a token (settled 20): the system's own drawings and uploaded pictures.

use axum::Router;
use axum::extract::{RawPathParams, State};
use axum::http::HeaderMap;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::app::App;
use crate::error::{Error, Result};

/// A picture is kept under a name that is used once.
const KEEP: HeaderValue = HeaderValue::from_static("public, max-age=86400, immutable");
/// A picture that is opened as a page may do nothing.
const POLICY: HeaderValue = HeaderValue::from_static("default-src 'none'; sandbox");
const NOSNIFF: (HeaderName, HeaderValue) =
    (HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff"));

/// Both addresses.
pub fn router() -> Router<App> {
    Router::new().route("/assets/avatars/{name}", get(system)).route("/files/avatars/{name}", get(uploaded))
}

fn name(params: &RawPathParams) -> String {
    params.iter().next().map(|(_, name)| name.to_owned()).unwrap_or_default()
}

async fn system(params: RawPathParams, headers: HeaderMap) -> Result<Response> {
    let page = crate::demo::page(&format!("avatars/{}", name(&params)), &headers);
    let mut response = page.ok_or(Error::NotFound("Picture"))?;
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, POLICY);
    Ok(response)
}

async fn uploaded(State(app): State<App>, params: RawPathParams) -> Result<Response> {
    let (bytes, kind) = app.files.avatar(&name(&params)).await?.ok_or(Error::NotFound("Picture"))?;
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(kind)),
        (CACHE_CONTROL, KEEP),
        (CONTENT_SECURITY_POLICY, POLICY),
        NOSNIFF,
    ];
    Ok((headers, bytes).into_response())
}
