#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use axum::http::{Method, Request};
use http_body_util::BodyExt;
use tower::ServiceExt;

use super::*;

async fn call(request: Request<Body>) -> Response {
    router::<()>().oneshot(request).await.unwrap()
}

async fn fetch(path: &str) -> Response {
    call(Request::get(path).body(Body::empty()).unwrap()).await
}

async fn text(response: Response) -> String {
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn header(response: &Response, name: HeaderName) -> &str {
    response.headers()[name].to_str().unwrap()
}

#[tokio::test]
async fn pages_come_as_html_with_the_policy() {
    for (path, has) in [
        ("/demo", "Demo sign-ins"),
        ("/demo/", "Demo sign-ins"),
        ("/demo/patient", "/demo/assets/patient/app.js"),
        ("/demo/doctor", "/demo/assets/doctor/app.js"),
        ("/demo/admin", "/demo/assets/admin/app.js"),
    ] {
        let response = fetch(path).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        assert_eq!(header(&response, CONTENT_TYPE), "text/html; charset=utf-8");
        assert_eq!(header(&response, CACHE_CONTROL), "no-cache");
        assert!(header(&response, CONTENT_SECURITY_POLICY).contains("script-src 'self';"));
        assert!(text(response).await.contains(has), "{path}");
    }
}

#[tokio::test]
async fn assets_come_with_their_types() {
    for (path, wanted) in [
        ("shared/api.js", "text/javascript; charset=utf-8"),
        ("shared/base.css", "text/css; charset=utf-8"),
        ("shared/icons.svg", "image/svg+xml; charset=utf-8"),
    ] {
        let response = fetch(&format!("{ASSETS}{path}")).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        assert_eq!(header(&response, CONTENT_TYPE), wanted, "{path}");
        assert_eq!(header(&response, X_CONTENT_TYPE_OPTIONS), "nosniff");
    }
}

#[tokio::test]
async fn third_party_assets_are_kept_and_licensed() {
    let client = "/demo/assets/vendored/livekit-client";
    let script = fetch(&format!("{client}/livekit-client.umd.js")).await;
    assert_eq!(header(&script, CACHE_CONTROL), KEEP_A_DAY);
    let licence = text(fetch(&format!("{client}/LICENSE")).await).await;
    assert!(licence.contains("Apache License"));
}

#[tokio::test]
async fn a_known_tag_is_answered_without_the_content() {
    let first = fetch("/demo/patient").await;
    let tag = header(&first, ETAG).to_owned();
    for said in [tag.clone(), format!("W/{tag}"), format!("\"old\", {tag}"), "*".to_owned()] {
        let request = Request::get("/demo/patient").header(IF_NONE_MATCH, &said).body(Body::empty()).unwrap();
        let again = call(request).await;
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED, "{said}");
        assert_eq!(header(&again, ETAG), tag);
        assert!(text(again).await.is_empty());
    }
    let request = Request::get("/demo/patient").header(IF_NONE_MATCH, "\"old\"").body(Body::empty()).unwrap();
    assert_eq!(call(request).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    for path in [
        "shared/nothing.js",
        "patient/index.html",
        "../Cargo.toml",
        "..%2fCargo.toml",
        "shared/../../Cargo.toml",
        "/etc/passwd",
        "shared",
    ] {
        let response = fetch(&format!("{ASSETS}{path}")).await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn writing_is_refused() {
    let request = Request::builder().method(Method::POST).uri("/demo/patient").body(Body::empty()).unwrap();
    assert_eq!(call(request).await.status(), StatusCode::METHOD_NOT_ALLOWED);
}

#[test]
fn the_inbox_page_is_given_to_its_door() {
    let found = page("dev/inbox.html", &HeaderMap::new()).unwrap();
    assert_eq!(found.status(), StatusCode::OK);
    assert!(page("dev/nothing.html", &HeaderMap::new()).is_none());
}

/// The policy forbids inline code, so a page that carries some would be broken; and every asset that
/// a page or a module names must be there.
#[test]
fn pages_carry_no_inline_code_and_name_only_what_exists() {
    let ours = Web::iter().filter(|path| !path.starts_with("vendored/"));
    for path in ours {
        let file = Web::get(&path).unwrap();
        let source = String::from_utf8(file.data.into_owned()).unwrap();
        if has_extension(&path, "html") {
            let lower = source.to_lowercase();
            for banned in ["<style", " style=", "javascript:", " onclick=", " onload=", "<script>"] {
                assert!(!lower.contains(banned), "{path} contains {banned}");
            }
        }
        for named in source.split(['"', '\'', '`']).filter_map(|s| s.strip_prefix(ASSETS)) {
            let named = named.split('#').next().unwrap_or_default();
            assert!(Web::get(named).is_some(), "{path} names {named}");
        }
        for foreign in ["http://", "https://"] {
            for at in source.match_indices(foreign).map(|(at, _)| &source[at..]) {
                assert!(at.starts_with("http://www.w3.org/"), "{path} names {}", &at[..40]);
            }
        }
    }
}
