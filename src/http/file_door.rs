//! Where the signed addresses of local files lead (docs/decisions/020): a PUT that counts only when all of it came, a
//! GET with ranges. Everything that is asked of a file stands under the signature; nobody needs a token.

use axum::Router;
use axum::body::Body;
use axum::extract::{RawQuery, Request, State};
use axum::http::header::{
    ACCEPT_RANGES, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG,
    HeaderName, HeaderValue, IF_NONE_MATCH, IF_RANGE, RANGE,
};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::{Bytes, BytesMut};
use consilium_storage::files::Object;
use sha2::{Digest, Sha256};
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};

use super::input::body_chunk;
use crate::app::App;
use crate::error::{Code, Error, Result};
use crate::gateways::files::kinds::Kind;
use crate::gateways::files::links::{PATH, Purpose, Refusal};
use crate::gateways::files::local::Local;
use crate::gateways::files::{Download, Sink, Upload, names};

/// The pattern of the route, which may take its time: see [`super::layers`].
pub const ROUTE: &str = "/files/signed/{*object}";

/// How much is read from disk at a time.
const CHUNK: usize = 64 * 1024;

/// How much of an oversized body is read and dropped, so that its sender gets to read the answer.
const DRAINED: u64 = 16 * 1024 * 1024;

/// A file that is opened as a page may do nothing.
const POLICY: HeaderValue = HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; sandbox");
/// Apps on other origins show pictures by these addresses: the signature is the permission.
const SHARED: (HeaderName, HeaderValue) =
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("cross-origin"));

/// The route.
pub fn router() -> Router<App> {
    debug_assert!(ROUTE.starts_with(PATH));
    Router::new().route(ROUTE, get(fetch).put(receive))
}

/// The disk, and what the address is for.
fn opened<'a>(app: &'a App, method: &Method, request: (&str, &str)) -> Result<(&'a Local, Object, Purpose)> {
    let local = app.files.disk().ok_or(Error::NotFound("Path"))?;
    let verified = local.keys().verify(method.as_str(), request.0, request.1, app.now());
    match verified {
        Ok(verified) => Ok((local, verified.object, verified.purpose)),
        Err(Refusal::Expired) => Err(Error::Forbidden { code: Code::LinkExpired, detail: "This address has ended" }),
        Err(Refusal::Forged) => {
            Err(Error::Forbidden { code: Code::BadSignature, detail: "This address was not made here" })
        }
    }
}

async fn receive(State(app): State<App>, RawQuery(query): RawQuery, request: Request) -> Result<Response> {
    let query = query.unwrap_or_default();
    let (local, object, purpose) = opened(&app, request.method(), (request.uri().path(), &query))?;
    let Purpose::Upload(upload) = purpose else { return Err(Error::NotFound("File")) };
    let (parts, body) = request.into_parts();
    check_type(&parts.headers, &upload)?;
    take(local, &object, body, &upload).await?;
    Ok(StatusCode::CREATED.into_response())
}

/// A type that is said must be the one that was declared, or another name of it.
fn check_type(headers: &HeaderMap, upload: &Upload) -> Result<()> {
    let Some(said) = headers.get(CONTENT_TYPE).map(|said| said.to_str().unwrap_or_default()) else { return Ok(()) };
    if said.eq_ignore_ascii_case(&upload.content_type)
        || Kind::of_type(said).is_some_and(|kind| Some(kind) == Kind::of_type(&upload.content_type))
    {
        return Ok(());
    }
    let detail = format!("Content-Type should be {}", upload.content_type);
    Err(Error::Rule { code: Code::UnsupportedFileType, detail })
}

/// Writes the body; one that breaks off or is too long leaves nothing.
async fn take(local: &Local, object: &Object, mut body: Body, upload: &Upload) -> Result<()> {
    let mut part = Some(Box::new(local.create(object).await?));
    let mut seen = 0_u64;
    while let Some(chunk) = body_chunk(&mut body).await? {
        seen = seen.saturating_add(chunk.len() as u64);
        if seen > upload.size {
            part = None;
        }
        if seen > upload.size.saturating_add(DRAINED) {
            break;
        }
        if let Some(part) = &mut part {
            part.write(chunk).await?;
        }
    }
    let Some(part) = part else {
        let detail = format!("The file is larger than the {} bytes that were declared", upload.size);
        return Err(Error::Rule { code: Code::FileTooLarge, detail });
    };
    Ok(part.finish().await?)
}

async fn fetch(
    State(app): State<App>,
    RawQuery(query): RawQuery,
    method: Method,
    uri: axum::http::Uri,
    headers: HeaderMap,
) -> Result<Response> {
    let query = query.unwrap_or_default();
    let (local, object, purpose) = opened(&app, &method, (uri.path(), &query))?;
    let Purpose::Download(shown) = purpose else { return Err(Error::NotFound("File")) };
    let (file, size) = local.open(&object).await?.ok_or(Error::NotFound("File"))?;
    let tag = tag_of(&object, size);
    let mut response = if headers.get(IF_NONE_MATCH).is_some_and(|known| *known == tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let wanted = headers.get(RANGE).filter(|_| headers.get(IF_RANGE).is_none_or(|known| *known == tag));
        part_of(file, size, range_of(wanted, size)).await?
    };
    describe(response.headers_mut(), &shown, tag);
    Ok(response)
}

/// What part of a file is wanted.
#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    All,
    /// From here, so many bytes.
    Part(u64, u64),
    Nothing,
}

/// One range is served; several, or what cannot be read, are answered with the whole file (RFC 9110 §14.2).
fn range_of(header: Option<&HeaderValue>, size: u64) -> Wanted {
    let one = header.and_then(|header| header.to_str().ok()?.strip_prefix("bytes=")?.trim().split_once('-'));
    let Some((from, to)) = one else { return Wanted::All };
    let (first, last) = match (from.parse::<u64>(), to.parse::<u64>()) {
        (Ok(first), Ok(last)) if first <= last => (first, last.min(size.saturating_sub(1))),
        (Ok(first), Err(_)) if to.is_empty() => (first, size.saturating_sub(1)),
        (Err(_), Ok(last)) if from.is_empty() && last > 0 => (size.saturating_sub(last), size.saturating_sub(1)),
        _ => return Wanted::All,
    };
    if first >= size { Wanted::Nothing } else { Wanted::Part(first, last + 1 - first) }
}

async fn part_of(mut file: File, size: u64, wanted: Wanted) -> Result<Response> {
    let number = |number: u64| HeaderValue::from(number);
    let range = |text: String| HeaderValue::from_str(&text).map_err(Error::internal);
    let (status, from, length) = match wanted {
        Wanted::All => (StatusCode::OK, 0, size),
        Wanted::Part(from, length) => (StatusCode::PARTIAL_CONTENT, from, length),
        Wanted::Nothing => {
            let mut response =
                super::reply::json(StatusCode::RANGE_NOT_SATISFIABLE, &serde_json::json!({"detail": "No such range"}));
            response.headers_mut().insert(CONTENT_RANGE, range(format!("bytes */{size}"))?);
            return Ok(response);
        }
    };
    file.seek(std::io::SeekFrom::Start(from)).await.map_err(crate::gateways::files::StoreError::from)?;
    let mut response = Response::new(Body::from_stream(chunks(file, length)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_LENGTH, number(length));
    if status == StatusCode::PARTIAL_CONTENT {
        response.headers_mut().insert(CONTENT_RANGE, range(format!("bytes {from}-{}/{size}", from + length - 1))?);
    }
    Ok(response)
}

fn chunks(file: File, length: u64) -> impl futures_util::Stream<Item = std::io::Result<Bytes>> {
    futures_util::stream::try_unfold((file, length), |(mut file, left)| async move {
        if left == 0 {
            return Ok(None);
        }
        let mut chunk = BytesMut::with_capacity(CHUNK.min(usize::try_from(left).unwrap_or(CHUNK)));
        let read = (&mut file).take(left).read_buf(&mut chunk).await?;
        if read == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        Ok(Some((chunk.freeze(), (file, left - read as u64))))
    })
}

/// A key is written once, so its name and length are what a tag has to tell.
fn tag_of(object: &Object, size: u64) -> HeaderValue {
    let hash = Sha256::new().chain_update(&object.key).chain_update(size.to_be_bytes()).finalize();
    let tag = format!("\"{}\"", hex::encode(hash.get(..12).unwrap_or_default()));
    HeaderValue::from_str(&tag).unwrap_or(HeaderValue::from_static("\"\""))
}

fn describe(headers: &mut HeaderMap, shown: &Download, tag: HeaderValue) {
    let is_error = headers.get(CONTENT_TYPE).is_some_and(|kind| kind == "application/json");
    if !is_error {
        let kind = HeaderValue::from_str(&shown.content_type);
        headers.insert(CONTENT_TYPE, kind.unwrap_or(HeaderValue::from_static("application/octet-stream")));
        let disposition = HeaderValue::from_str(&names::disposition(&shown.filename, shown.is_inline));
        headers.insert(CONTENT_DISPOSITION, disposition.unwrap_or(HeaderValue::from_static("attachment")));
        headers.insert(ETAG, tag);
    }
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(CONTENT_SECURITY_POLICY, POLICY);
    headers.insert(SHARED.0, SHARED.1);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range_is_understood_and_all_else_is_the_whole() {
        for (header, wanted) in [
            ("bytes=0-0", Wanted::Part(0, 1)),
            ("bytes=2-4", Wanted::Part(2, 3)),
            ("bytes=2-400", Wanted::Part(2, 8)),
            ("bytes=9-", Wanted::Part(9, 1)),
            ("bytes=-3", Wanted::Part(7, 3)),
            ("bytes=-30", Wanted::Part(0, 10)),
            ("bytes=10-", Wanted::Nothing),
            ("bytes=10-20", Wanted::Nothing),
            ("bytes=-0", Wanted::All),
            ("bytes=4-2", Wanted::All),
            ("bytes=0-1,3-4", Wanted::All),
            ("bytes=a-b", Wanted::All),
            ("items=0-1", Wanted::All),
        ] {
            assert_eq!(range_of(Some(&HeaderValue::from_static(header)), 10), wanted, "{header}");
        }
        assert_eq!(range_of(None, 10), Wanted::All);
        assert_eq!(range_of(Some(&HeaderValue::from_static("bytes=0-")), 0), Wanted::Nothing);
    }
}
