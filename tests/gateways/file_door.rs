//! Local files and the door of their signed addresses (docs/decisions/020): whole or not at all, for one purpose, until
//! an end.

use std::path::PathBuf;
use std::time::Duration;

use chrono::TimeDelta;
use consilium::gateways::files::{Download, Upload};
use consilium_storage::files::{self, Area, Object};
use reqwest::{Method, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

use crate::support::app::TestApp;
use crate::support::client::{Answer, send};
use crate::support::files::swept;
use crate::support::process::http_client;

const BODY: &[u8] = b"%PDF-1.7 ten pages";

fn object(key: &str) -> Object {
    Object::new(Area::Reports, format!("test/{key}"))
}

async fn upload_link(app: &TestApp, object: &Object, size: u64) -> String {
    let now = app.app.now();
    let expires_at = now + TimeDelta::minutes(15);
    let upload = Upload { expires_at, content_type: "application/pdf".to_owned(), size };
    app.app.files.upload_link(object, &upload, now).await.unwrap()
}

async fn download_link(app: &TestApp, object: &Object, filename: &str) -> String {
    let now = app.app.now();
    let shown = Download {
        expires_at: now + TimeDelta::minutes(10),
        content_type: "application/pdf".to_owned(),
        filename: filename.to_owned(),
        is_inline: false,
    };
    app.app.files.download_link(object, &shown, now).await.unwrap()
}

async fn put(link: &str, kind: Option<&str>, body: impl Into<reqwest::Body>) -> Answer {
    let mut request = http_client().put(link).body(body);
    if let Some(kind) = kind {
        request = request.header("content-type", kind);
    }
    send(request).await
}

async fn get(link: &str, headers: &[(&str, &str)]) -> Response {
    let mut request = http_client().get(link);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.send().await.unwrap()
}

/// A file that was sent by its address.
async fn sent(app: &TestApp, key: &str) -> Object {
    let object = object(key);
    let link = upload_link(app, &object, BODY.len() as u64).await;
    assert_eq!(put(&link, Some("application/pdf"), BODY).await.status, 201);
    object
}

fn parts(app: &TestApp) -> usize {
    let folder: PathBuf = app.app.config.files_dir().join(".parts");
    std::fs::read_dir(folder).map_or(0, Iterator::count)
}

#[tokio::test]
async fn what_is_sent_is_fetched_as_it_was() {
    let app = TestApp::start().await;
    let object = sent(&app, "a.pdf").await;
    assert_eq!(app.app.files.size(&object).await.unwrap(), Some(BODY.len() as u64));
    let link = download_link(&app, &object, "रक्त \"1\".pdf").await;
    let answer = get(&link, &[]).await;
    assert_eq!(answer.status(), 200);
    let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(header("content-type"), "application/pdf");
    assert_eq!(header("content-length"), BODY.len().to_string());
    assert_eq!(
        header("content-disposition"),
        "attachment; filename=\"1.pdf\"; filename*=UTF-8''%E0%A4%B0%E0%A4%95%E0%A5%8D%E0%A4%A4%20%221%22.pdf"
    );
    assert_eq!(header("x-content-type-options"), "nosniff");
    assert!(header("content-security-policy").starts_with("default-src 'none'"));
    assert_eq!((header("accept-ranges"), header("cache-control")), ("bytes".to_owned(), "no-store".to_owned()));
    let tag = header("etag");
    assert_eq!(answer.bytes().await.unwrap(), BODY);

    let head = http_client().head(&link).send().await.unwrap();
    assert_eq!(
        (head.status().as_u16(), &head.headers()["content-length"]),
        (200, &BODY.len().to_string().as_str().parse().unwrap())
    );
    assert_eq!(get(&link, &[("if-none-match", &tag)]).await.status(), 304);
    for (range, status, content_range, body) in [
        ("bytes=0-3", 206, Some("bytes 0-3/18"), "%PDF"),
        ("bytes=-5", 206, Some("bytes 13-17/18"), "pages"),
        ("bytes=9-", 206, Some("bytes 9-17/18"), "ten pages"),
        ("bytes=0-1,4-5", 200, None, "%PDF-1.7 ten pages"),
        ("bytes=18-", 416, Some("bytes */18"), "{\"detail\":\"No such range\"}"),
    ] {
        let answer = get(&link, &[("range", range)]).await;
        assert_eq!(answer.status(), status, "{range}");
        assert_eq!(answer.headers().get("content-range").map(|text| text.to_str().unwrap()), content_range, "{range}");
        assert_eq!(answer.text().await.unwrap(), body, "{range}");
    }
    let changed = get(&link, &[("range", "bytes=0-3"), ("if-range", "\"another\"")]).await;
    assert_eq!(changed.status(), 200, "a part of another file is of no use");
    assert_eq!(get(&link, &[("range", "bytes=0-3"), ("if-range", &tag)]).await.status(), 206);
}

#[tokio::test]
async fn an_address_ends_and_cannot_be_changed() {
    let app = TestApp::start().await;
    let object = sent(&app, "a.pdf").await;
    let (up, down) = (upload_link(&app, &object, 18).await, download_link(&app, &object, "a.pdf").await);
    let forged = |link: String| async move {
        send(http_client().get(&link)).await.refused(403, "BAD_SIGNATURE");
        put(&link, None, BODY).await.refused(403, "BAD_SIGNATURE");
    };
    // One for sending fetches nothing, and the other way round.
    send(http_client().get(&up)).await.refused(403, "BAD_SIGNATURE");
    put(&down, None, BODY).await.refused(403, "BAD_SIGNATURE");
    for (from, to) in [
        ("a.pdf", "b.pdf"),
        ("/reports/", "/avatars/"),
        ("/reports/", "/nowhere/"),
        ("test/a", "test/../../a"),
        ("test/a", "test/%2e%2e/a"),
        ("sig=", "sig=0"),
        ("&sig=", "&signature="),
        ("kid=", "kid=x"),
        ("expires=", "expires=9"),
        ("application", "text"),
    ] {
        for link in [&up, &down] {
            assert!(link.contains(from), "{link}");
            forged(link.replacen(from, to, 1)).await;
        }
    }
    forged(up.replacen("size=18", "size=1800", 1)).await;
    forged(down.replacen("inline=0", "inline=1", 1)).await;
    forged(down.replacen("name=a", "name=b", 1)).await;
    forged(format!("{}/files/signed/reports/test/a.pdf", app.url)).await;
    send(http_client().delete(&down)).await.refused_plainly(405);

    app.advance(TimeDelta::seconds(540));
    assert_eq!(get(&down, &[]).await.status(), 200);
    app.advance(TimeDelta::seconds(80));
    send(http_client().get(&down)).await.refused(403, "LINK_EXPIRED");
    assert_eq!(put(&up, None, BODY).await.status, 201, "fifteen minutes for sending");
    app.advance(TimeDelta::seconds(300));
    put(&up, None, BODY).await.refused(403, "LINK_EXPIRED");
}

#[tokio::test]
async fn what_was_not_declared_is_refused() {
    let app = TestApp::start().await;
    let object = object("a.pdf");
    let link = upload_link(&app, &object, 18).await;
    put(&link, Some("text/html"), BODY).await.refused(400, "UNSUPPORTED_FILE_TYPE");
    put(&link, Some("application/pdf"), vec![b'x'; 19]).await.refused(400, "FILE_TOO_LARGE");
    put(&link, Some("application/pdf"), vec![b'x'; 3 * 1024 * 1024]).await.refused(400, "FILE_TOO_LARGE");
    let piece = bytes::Bytes::from(vec![b'x'; 64 * 1024]);
    let endless = futures_util::stream::repeat_with(move || Ok::<_, std::io::Error>(piece.clone()));
    let endless = futures_util::StreamExt::take(endless, 32);
    put(&link, None, reqwest::Body::wrap_stream(endless)).await.refused(400, "FILE_TOO_LARGE");
    assert_eq!((app.app.files.size(&object).await.unwrap(), parts(&app)), (None, 0));
    send(http_client().get(download_link(&app, &object, "a.pdf").await)).await.refused_plainly(404);
    // Other names of the type are its names too, and a type need not be said.
    for kind in [Some("Application/PDF; x=y"), Some("application/x-pdf"), None] {
        assert_eq!(put(&link, kind, BODY).await.status, 201, "{kind:?}");
    }
}

/// Sends the head of a PUT and some of its body, then lets go.
async fn break_off(link: &str, head: &str, body: &[u8]) {
    let url = url::Url::parse(link).unwrap();
    let address = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap());
    let mut line = TcpStream::connect(&address).await.unwrap();
    let target = &url[url::Position::BeforePath..];
    line.write_all(format!("PUT {target} HTTP/1.1\r\nhost: {address}\r\n{head}\r\n\r\n").as_bytes()).await.unwrap();
    line.write_all(body).await.unwrap();
    line.flush().await.unwrap();
    // The server has it when the part is there; then the line is cut.
    line.shutdown().await.unwrap();
    let mut rest = Vec::new();
    tokio::time::timeout(Duration::from_secs(20), line.read_to_end(&mut rest)).await.expect("an end").ok();
    assert!(!rest.starts_with(b"HTTP/1.1 2"), "{}", String::from_utf8_lossy(&rest));
}

#[tokio::test]
async fn a_put_that_breaks_off_leaves_nothing() {
    let app = TestApp::start().await;
    for (name, head, body) in [
        ("length.pdf", "content-length: 4000000", vec![b'x'; 300_000]),
        ("nothing.pdf", "content-length: 18", Vec::new()),
        ("chunked.pdf", "transfer-encoding: chunked", b"5\r\n%PDF-\r\n".to_vec()),
    ] {
        let object = object(name);
        let link = upload_link(&app, &object, 4_000_000).await;
        break_off(&link, head, &body).await;
        assert_eq!(app.app.files.size(&object).await.unwrap(), None, "{name}");
        let deadline = Instant::now() + Duration::from_secs(20);
        while parts(&app) > 0 {
            assert!(Instant::now() < deadline, "a part is left of {name}");
            sleep(Duration::from_millis(10)).await;
        }
        // The address still takes the whole.
        assert_eq!(put(&link, Some("application/pdf"), BODY).await.status, 201, "{name}");
        assert_eq!(app.app.files.size(&object).await.unwrap(), Some(18));
    }
}

#[tokio::test]
async fn nodes_share_a_folder_and_each_others_addresses() {
    let app = TestApp::start().await;
    let other = app.beside().await;
    let object = object("a.pdf");
    let link = upload_link(&app, &object, 18).await.replacen(&app.url, &other.url, 1);
    assert!(link.starts_with(&other.url));
    assert_eq!(put(&link, Some("application/pdf"), BODY).await.status, 201);
    assert_eq!(app.app.files.size(&object).await.unwrap(), Some(18));
    let down = download_link(&other, &object, "a.pdf").await.replacen(&other.url, &app.url, 1);
    assert_eq!(get(&down, &[]).await.bytes().await.unwrap(), BODY);
}

#[tokio::test]
async fn another_origin_may_send_if_it_is_listed() {
    let app = TestApp::start_with(|config| config.cors_origins = vec!["https://app.example".to_owned()]).await;
    let link = upload_link(&app, &object("a.pdf"), 18).await;
    let ask = |origin: &'static str| {
        http_client()
            .request(Method::OPTIONS, &link)
            .header("origin", origin)
            .header("access-control-request-method", "PUT")
            .header("access-control-request-headers", "content-type,x-ms-blob-type")
            .send()
    };
    let allowed = ask("https://app.example").await.unwrap();
    assert_eq!(allowed.headers()["access-control-allow-origin"], "https://app.example");
    let headers = allowed.headers()["access-control-allow-headers"].to_str().unwrap().to_lowercase();
    assert!(headers.contains("x-ms-blob-type") && headers.contains("content-type"), "{headers}");
    assert!(!ask("https://other.example").await.unwrap().headers().contains_key("access-control-allow-origin"));
}

#[tokio::test]
async fn what_nothing_keeps_is_swept() {
    let app = TestApp::start().await;
    let (kept, left, later) =
        (sent(&app, "kept.pdf").await, sent(&app, "left.pdf").await, sent(&app, "later.pdf").await);
    let now = app.app.now();
    let mut conn = app.app.conn().await.unwrap();
    for (object, hours) in [(&kept, 1), (&left, 1), (&later, 30)] {
        files::plan_removal(&mut conn, object, now + TimeDelta::hours(hours)).await.unwrap();
    }
    assert!(files::keep(&mut conn, &kept).await.unwrap());
    assert!(!files::keep(&mut conn, &kept).await.unwrap(), "an intention is taken away once");
    swept(&app).await;
    assert!(app.app.files.size(&left).await.unwrap().is_some(), "not due yet");

    app.advance(TimeDelta::hours(2));
    // The server's own sweeper may be at it: done when only the intention for later is left.
    let deadline = Instant::now() + Duration::from_secs(20);
    while app.count("file_removals").await > 1 {
        assert!(Instant::now() < deadline, "not swept");
        swept(&app).await;
    }
    assert_eq!(app.app.files.size(&left).await.unwrap(), None);
    for object in [&kept, &later] {
        assert!(app.app.files.size(object).await.unwrap().is_some());
    }
    // Done once, it is forgotten; what is left stands for another time.
    let far = now + TimeDelta::hours(40);
    let due = files::take_due(&mut conn, far, TimeDelta::minutes(5), 10).await.unwrap();
    assert_eq!(due.iter().map(|due| &due.object).collect::<Vec<_>>(), [&later]);
    assert!(files::take_due(&mut conn, far, TimeDelta::minutes(5), 10).await.unwrap().is_empty(), "taken by somebody");
    let again = far + TimeDelta::minutes(6);
    let taken = files::take_due(&mut conn, again, TimeDelta::minutes(5), 10).await.unwrap();
    assert_eq!(taken.iter().map(|due| &due.object).collect::<Vec<_>>(), [&later]);
    // What is intended while it is being removed stands.
    files::plan_removal(&mut conn, &later, again).await.unwrap();
    assert!(!files::forget(&mut conn, &taken[0]).await.unwrap());
    let taken = files::take_due(&mut conn, again, TimeDelta::minutes(5), 10).await.unwrap();
    assert!(files::forget(&mut conn, &taken[0]).await.unwrap());
    assert!(!files::forget(&mut conn, &taken[0]).await.unwrap());
}
