//! A small S3 on 127.0.0.1 that believes nobody: every request's Signature Version 4 is computed anew, in the header or in
//! the address. It knows what the file store needs and no more.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use consilium_storage::clock::Clock;
use futures_util::stream;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::sleep;

pub(crate) const KEY_ID: &str = "AKIAIOSFODNN7EXAMPLE";
pub(crate) const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
pub(crate) const BUCKET: &str = "examplebucket";
pub(crate) const REGION: &str = "us-east-1";
/// The folder of the bucket that is ours.
pub(crate) const FOLDER: &str = "team/";

/// The largest body that is read, either way.
const LARGEST: usize = 64 * 1024 * 1024;

/// How every request goes wrong. In all ways but the last it may stand for any other store too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// 500.
    Internal,
    /// 503.
    Unavailable,
    /// 200 with what is neither a file nor XML.
    Garbage,
    /// 200 with a page that is well formed, whatever is asked for.
    Page,
    /// No answer.
    Hang,
    /// It does what it is asked for, and its words come a byte a second.
    Trickle,
}

type Query = Vec<(String, String)>;

#[derive(Default)]
struct Kept {
    objects: BTreeMap<String, (Bytes, String)>,
    uploads: BTreeMap<String, BTreeMap<u32, Bytes>>,
    refused: Vec<&'static str>,
    fault: Option<Fault>,
    denied: Vec<Method>,
    late: Option<Bytes>,
}

/// A running peer; it ends with this value.
pub(crate) struct S3Peer {
    /// `http://127.0.0.1:port`.
    pub(crate) url: String,
    kept: Arc<Mutex<Kept>>,
    serving: JoinHandle<()>,
}

impl Drop for S3Peer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl S3Peer {
    pub(crate) async fn start() -> Self {
        let kept = Arc::new(Mutex::new(Kept::default()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(Arc::clone(&kept));
        #[allow(clippy::disallowed_methods, reason = "the peer ends with its value")]
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, kept, serving }
    }

    /// The names of its objects.
    pub(crate) fn names(&self) -> Vec<String> {
        self.kept.lock().unwrap().objects.keys().cloned().collect()
    }

    /// Uploads in parts that were neither completed nor taken back.
    pub(crate) fn open_uploads(&self) -> usize {
        self.kept.lock().unwrap().uploads.len()
    }

    /// Why requests were refused so far.
    pub(crate) fn refused(&self) -> Vec<&'static str> {
        self.kept.lock().unwrap().refused.clone()
    }

    /// How every request goes wrong until told otherwise.
    pub(crate) fn fail_always(&self, fault: Option<Fault>) {
        self.kept.lock().unwrap().fault = fault;
    }

    /// Which requests are refused with 403, as by a policy, until told otherwise.
    pub(crate) fn deny(&self, methods: &[Method]) {
        self.kept.lock().unwrap().denied = methods.to_vec();
    }

    /// What is sent to the next object that is copied, right before it is.
    pub(crate) fn send_before_copy(&self, bytes: impl Into<Bytes>) {
        self.kept.lock().unwrap().late = Some(bytes.into());
    }
}

async fn answer(State(kept): State<Arc<Mutex<Kept>>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, LARGEST).await else { return StatusCode::BAD_REQUEST.into_response() };
    let fault = kept.lock().unwrap().fault;
    match fault {
        Some(Fault::Internal) => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        Some(Fault::Unavailable) => return StatusCode::SERVICE_UNAVAILABLE.into_response(),
        Some(Fault::Garbage) => return "It works!".into_response(),
        Some(Fault::Page) => return "<html><head/><body><h1>It works!</h1></body></html>".into_response(),
        Some(Fault::Hang) => std::future::pending::<()>().await,
        Some(Fault::Trickle) | None => {}
    }
    let answer = handle(&mut kept.lock().unwrap(), &parts, body);
    // The answer to a HEAD has nothing that could be slow.
    if fault == Some(Fault::Trickle) && parts.method != Method::HEAD { trickling(answer).await } else { answer }
}

/// The same answer, a byte a second.
async fn trickling(answer: Response) -> Response {
    let (mut parts, body) = answer.into_parts();
    let body = to_bytes(body, LARGEST).await.unwrap();
    if body.is_empty() {
        return Response::from_parts(parts, Body::empty());
    }
    parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    let pieces = stream::unfold(body, |mut rest: Bytes| async move {
        if rest.is_empty() {
            return None;
        }
        sleep(Duration::from_secs(1)).await;
        let first = rest.split_to(1);
        Some((Ok::<_, std::io::Error>(first), rest))
    });
    Response::from_parts(parts, Body::from_stream(pieces))
}

fn handle(kept: &mut Kept, parts: &Parts, body: Bytes) -> Response {
    let text = parts.uri.query().unwrap_or_default();
    let query: Query = url::form_urlencoded::parse(text.as_bytes()).into_owned().collect();
    if let Err(why) = verify(&parts.method, parts.uri.path(), &query, &parts.headers, &body, Clock::system().now()) {
        kept.refused.push(why);
        return (StatusCode::FORBIDDEN, xml(&format!("<Error><Code>{why}</Code></Error>"))).into_response();
    }
    let Some(key) = parts.uri.path().strip_prefix(&format!("/{BUCKET}")) else {
        return (StatusCode::NOT_FOUND, xml("<Error><Code>NoSuchBucket</Code></Error>")).into_response();
    };
    let key = key.trim_start_matches('/').to_owned();
    if kept.denied.contains(&parts.method) {
        return denied();
    }
    serve(kept, &parts.method, &key, &query, &parts.headers, body)
}

fn xml(body: &str) -> Body {
    Body::from(format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>{body}"))
}

fn serve(kept: &mut Kept, method: &Method, key: &str, query: &Query, headers: &HeaderMap, body: Bytes) -> Response {
    let asked = |name: &str| query.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
    let header = |name: &str| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    let tag = [("etag", "\"tag\"")];
    match (method.as_str(), asked("uploadId")) {
        ("POST", None) if asked("uploads").is_some() => {
            let id = uuid::Uuid::new_v4().to_string();
            kept.uploads.insert(id.clone(), BTreeMap::new());
            xml(&format!("<InitiateMultipartUploadResult><UploadId>{id}</UploadId></InitiateMultipartUploadResult>"))
                .into_response()
        }
        ("PUT", Some(id)) => {
            let number = asked("partNumber").unwrap().parse().unwrap();
            kept.uploads.get_mut(&id).unwrap().insert(number, body);
            (tag, Body::empty()).into_response()
        }
        ("POST", Some(id)) => {
            let whole: Vec<u8> = kept.uploads.remove(&id).unwrap().into_values().flatten().collect();
            kept.objects.insert(key.to_owned(), (whole.into(), "application/octet-stream".to_owned()));
            xml("<CompleteMultipartUploadResult><ETag>\"tag\"</ETag></CompleteMultipartUploadResult>").into_response()
        }
        ("DELETE", Some(id)) => {
            kept.uploads.remove(&id);
            StatusCode::NO_CONTENT.into_response()
        }
        ("PUT", None) => match header("x-amz-copy-source") {
            Some(source) => {
                let from = source.trim_start_matches('/').strip_prefix(&format!("{BUCKET}/")).unwrap().to_owned();
                let late = kept.late.take();
                let Some(object) = kept.objects.get_mut(&from) else { return missing() };
                if let Some(late) = late {
                    object.0 = late;
                }
                let object = object.clone();
                kept.objects.insert(key.to_owned(), object);
                let done = "<LastModified>2026-01-01T00:00:00Z</LastModified><ETag>\"tag\"</ETag>";
                xml(&format!("<CopyObjectResult>{done}</CopyObjectResult>")).into_response()
            }
            None => {
                let kind = header("content-type").unwrap_or_default();
                kept.objects.insert(key.to_owned(), (body, kind));
                (tag, Body::empty()).into_response()
            }
        },
        ("DELETE", None) => {
            kept.objects.remove(key);
            StatusCode::NO_CONTENT.into_response()
        }
        // Whoever asks may list below one folder alone.
        ("GET", None) if key.is_empty() && asked("prefix").is_none_or(|prefix| !prefix.starts_with(FOLDER)) => denied(),
        ("GET", None) if key.is_empty() => {
            xml("<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>").into_response()
        }
        ("GET" | "HEAD", None) => kept.objects.get(key).map_or_else(missing, |object| read(object, &asked, &header)),
        _ => StatusCode::NOT_IMPLEMENTED.into_response(),
    }
}

fn denied() -> Response {
    (StatusCode::FORBIDDEN, xml("<Error><Code>AccessDenied</Code></Error>")).into_response()
}

fn missing() -> Response {
    (StatusCode::NOT_FOUND, xml("<Error><Code>NoSuchKey</Code></Error>")).into_response()
}

fn read(
    (bytes, kind): &(Bytes, String),
    asked: &dyn Fn(&str) -> Option<String>,
    header: &dyn Fn(&str) -> Option<String>,
) -> Response {
    let size = bytes.len();
    let mut response =
        Response::builder().header("etag", "\"tag\"").header("last-modified", "Thu, 01 Jan 2026 00:00:00 GMT");
    response = response.header("content-type", asked("response-content-type").unwrap_or_else(|| kind.clone()));
    for (name, by) in
        [("content-disposition", "response-content-disposition"), ("cache-control", "response-cache-control")]
    {
        if let Some(value) = asked(by) {
            response = response.header(name, value);
        }
    }
    let Some(range) = header("range") else { return response.body(Body::from(bytes.clone())).unwrap() };
    let (from, to) = range.strip_prefix("bytes=").unwrap().split_once('-').unwrap();
    let from: usize = from.parse().unwrap();
    let to = to.parse::<usize>().unwrap_or(size).min(size - 1);
    let response =
        response.status(StatusCode::PARTIAL_CONTENT).header("content-range", format!("bytes {from}-{to}/{size}"));
    response.body(Body::from(bytes.slice(from..=to))).unwrap()
}

/// Whether a request carries a good Signature Version 4.
fn verify(
    method: &Method,
    path: &str,
    query: &Query,
    headers: &HeaderMap,
    body: &[u8],
    now: DateTime<Utc>,
) -> Result<(), &'static str> {
    let asked = |name: &str| query.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let (credential, signed_headers, signature, date, payload) = if let Some(signature) = asked("X-Amz-Signature") {
        let date = asked("X-Amz-Date").ok_or("AccessDenied")?;
        let life: i64 = asked("X-Amz-Expires").and_then(|life| life.parse().ok()).ok_or("AccessDenied")?;
        let start = NaiveDateTime::parse_from_str(&date, "%Y%m%dT%H%M%SZ").map_err(|_| "AccessDenied")?.and_utc();
        if now < start - TimeDelta::minutes(15) || now > start + TimeDelta::seconds(life) {
            return Err("RequestExpired");
        }
        let names = (asked("X-Amz-Credential"), asked("X-Amz-SignedHeaders"));
        (names.0.ok_or("AccessDenied")?, names.1.ok_or("AccessDenied")?, signature, date, "UNSIGNED-PAYLOAD".to_owned())
    } else {
        let authorization = header("authorization").ok_or("AccessDenied")?;
        let fields = authorization.strip_prefix("AWS4-HMAC-SHA256 ").ok_or("AccessDenied")?;
        let field = |name: &str| {
            let found = fields.split(',').find_map(|field| field.trim().strip_prefix(name)?.strip_prefix('='));
            found.map(str::to_owned).ok_or("AccessDenied")
        };
        let payload = header("x-amz-content-sha256").ok_or("AccessDenied")?;
        if payload != "UNSIGNED-PAYLOAD" && payload != hex::encode(Sha256::digest(body)) {
            return Err("XAmzContentSHA256Mismatch");
        }
        let date = header("x-amz-date").ok_or("AccessDenied")?;
        (field("Credential")?, field("SignedHeaders")?, field("Signature")?, date, payload)
    };
    let (id, scope) = credential.split_once('/').ok_or("AccessDenied")?;
    if id != KEY_ID || scope != format!("{}/{REGION}/s3/aws4_request", date.get(..8).unwrap_or_default()) {
        return Err("InvalidAccessKeyId");
    }
    let canonical = canonical(method, path, query, headers, &signed_headers, &payload);
    if sign(&date, scope, &canonical) == signature { Ok(()) } else { Err("SignatureDoesNotMatch") }
}

fn canonical(method: &Method, path: &str, query: &Query, headers: &HeaderMap, signed: &str, payload: &str) -> String {
    let mut pairs: Vec<String> = query
        .iter()
        .filter(|(name, _)| name != "X-Amz-Signature")
        .map(|(name, value)| format!("{}={}", encoded(name), encoded(value)))
        .collect();
    pairs.sort();
    let lines: String = signed
        .split(';')
        .map(|name| {
            let values: Vec<&str> = headers.get_all(name).iter().map(|value| value.to_str().unwrap().trim()).collect();
            format!("{name}:{}\n", values.join(","))
        })
        .collect();
    format!("{method}\n{path}\n{}\n{lines}\n{signed}\n{payload}", pairs.join("&"))
}

/// RFC 3986.
fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

fn sign(date: &str, scope: &str, canonical: &str) -> String {
    let hmac = |key: &[u8], text: &str| {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
        mac.update(text.as_bytes());
        mac.finalize().into_bytes().to_vec()
    };
    let key = scope.split('/').fold(format!("AWS4{SECRET}").into_bytes(), |key, part| hmac(&key, part));
    let text = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", hex::encode(Sha256::digest(canonical)));
    hex::encode(hmac(&key, &text))
}

/// The example of Amazon's own documentation, "Authenticating requests: using query parameters".
#[test]
fn it_computes_what_amazon_publishes() {
    let query: Query = [
        ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
        ("X-Amz-Credential", "AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request"),
        ("X-Amz-Date", "20130524T000000Z"),
        ("X-Amz-Expires", "86400"),
        ("X-Amz-SignedHeaders", "host"),
        ("X-Amz-Signature", "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec();
    let mut headers = HeaderMap::new();
    headers.insert("host", "examplebucket.s3.amazonaws.com".parse().unwrap());
    let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
    let verdict = |path, now| verify(&Method::GET, path, &query, &headers, b"", now);
    assert_eq!(verdict("/test.txt", at("2013-05-24T12:00:00Z")), Ok(()));
    assert_eq!(verdict("/other.txt", at("2013-05-24T12:00:00Z")), Err("SignatureDoesNotMatch"));
    assert_eq!(verdict("/test.txt", at("2013-05-25T12:00:00Z")), Err("RequestExpired"));
}
