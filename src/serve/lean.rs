//! Event streams without hyper's buffers, which would be most of what an idle stream costs (docs/decisions/007): the
//! head of a connection's first request is looked at here; where it asks for a stream, the router answers as ever, and
//! the blocks are written straight to the socket. A stream asked for later on the connection goes through hyper.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::header::CONNECTION;
use axum::http::{HeaderName, HeaderValue, Response};
use bytes::{Buf, BytesMut};
use http_body_util::BodyExt;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tower::Service;

/// The streams' paths.
const STREAMS: [&str; 2] = ["/api/v2/connect/events", "/api/v2/connect/sessions/requests/stream"];
/// How every such request begins.
const BEGINNING: &[u8] = b"GET /api/v2/connect/";
/// How every head ends.
const END: &[u8] = b"\r\n\r\n";
/// The largest head looked at.
const HEAD: usize = 8 * 1024;
/// How many headers a head may have.
const HEADERS: usize = 64;
/// How long a first head may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// The first request of a connection.
pub(super) enum First {
    /// It asks for an event stream.
    Stream(Box<Request>),
    /// Anything else, as far as it was read.
    Other(Bytes),
}

/// Reads as much of the first request as it takes to know what it asks for.
pub(super) async fn read_first(stream: &mut TcpStream) -> io::Result<First> {
    let mut head = BytesMut::with_capacity(1024);
    let read = async {
        loop {
            if stream.read_buf(&mut head).await? == 0 {
                return Ok(None);
            }
            let compared = head.len().min(BEGINNING.len());
            if head.get(..compared) != BEGINNING.get(..compared) || head.len() >= HEAD {
                return Ok(None);
            }
            if head.ends_with(END) {
                return Ok::<_, io::Error>(stream_request(&head));
            }
            // More than a head came: a body, or another request. A stream's has neither.
            if head.windows(END.len()).any(|bytes| bytes == END) {
                return Ok(None);
            }
        }
    };
    let found = tokio::time::timeout(PATIENCE, read).await.map_err(|_| io::ErrorKind::TimedOut)??;
    Ok(found.map_or_else(|| First::Other(head.freeze()), |request| First::Stream(Box::new(request))))
}

/// The head as a request, if it is a plain GET of a stream; hyper takes everything that is out of the ordinary.
fn stream_request(head: &[u8]) -> Option<Request> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let mut parsed = httparse::Request::new(&mut headers);
    match parsed.parse(head) {
        Ok(httparse::Status::Complete(length)) if length == head.len() => {}
        _ => return None,
    }
    let target = parsed.path?;
    let path = target.split('?').next()?.trim_end_matches('/');
    if parsed.method != Some("GET") || parsed.version != Some(1) || !STREAMS.contains(&path) {
        return None;
    }
    let mut request = Request::builder().uri(target);
    for header in parsed.headers.iter() {
        let unusual = ["upgrade", "expect", "content-length", "transfer-encoding"];
        if unusual.iter().any(|name| header.name.eq_ignore_ascii_case(name)) {
            return None;
        }
        let name = HeaderName::from_bytes(header.name.as_bytes()).ok()?;
        request = request.header(name, HeaderValue::from_bytes(header.value).ok()?);
    }
    request.body(Body::empty()).ok()
}

/// Answers the request and writes the stream until either side ends it; the connection is not used again.
pub(super) async fn serve(mut stream: TcpStream, mut router: Router, request: Request) -> io::Result<()> {
    let response = router.call(request).await.unwrap_or_else(|never| match never {});
    drop(router);
    stream.write_all(&head_of(&response)).await?;
    let mut body = response.into_body();
    let mut ignored = [0; 64];
    loop {
        tokio::select! {
            frame = body.frame() => match frame {
                Some(Ok(frame)) => if let Ok(block) = frame.into_data() { stream.write_all(&block).await? },
                _ => break,
            },
            // A client has nothing to say on a stream; what it sends is read to learn that it left.
            read = stream.read(&mut ignored) => if read? == 0 { return Ok(()) },
        }
    }
    stream.shutdown().await
}

/// The answer's head: without a length, the end of the connection is the end of the body.
fn head_of(response: &Response<Body>) -> Vec<u8> {
    let status = response.status();
    let reason = status.canonical_reason().unwrap_or_default();
    let mut head = format!("HTTP/1.1 {} {reason}\r\n", status.as_u16()).into_bytes();
    for (name, value) in response.headers().iter().filter(|(name, _)| *name != CONNECTION) {
        head.extend_from_slice(name.as_str().as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"connection: close\r\n\r\n");
    head
}

/// A socket whose first bytes were read already.
pub(super) struct Prefixed {
    read: Bytes,
    stream: TcpStream,
}

impl Prefixed {
    pub(super) const fn new(read: Bytes, stream: TcpStream) -> Self {
        Self { read, stream }
    }
}

impl AsyncRead for Prefixed {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.read.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buffer);
        }
        let count = self.read.len().min(buffer.remaining());
        buffer.put_slice(self.read.get(..count).unwrap_or_default());
        self.read.advance(count);
        if self.read.is_empty() {
            // The buffer of the first bytes is let go.
            self.read = Bytes::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Prefixed {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn only_a_plain_get_of_a_stream_is_taken() {
        let of = |line: &str, more: &str| stream_request(format!("{line}\r\nHost: x\r\n{more}\r\n").as_bytes());
        let taken = of("GET /api/v2/connect/events?since=k1-4 HTTP/1.1", "Last-Event-ID: k1-5\r\n").unwrap();
        assert_eq!(taken.uri().query(), Some("since=k1-4"));
        assert_eq!(taken.headers().get("last-event-id").unwrap(), "k1-5");
        assert!(of("GET /api/v2/connect/sessions/requests/stream HTTP/1.1", "").is_some());
        for (line, more) in [
            ("GET /api/v2/connect/events/poll HTTP/1.1", ""),
            ("GET /api/v2/connect/ws HTTP/1.1", ""),
            ("POST /api/v2/connect/events HTTP/1.1", ""),
            ("GET /api/v2/connect/events HTTP/1.0", ""),
            ("GET /api/v2/connect/events HTTP/1.1", "Content-Length: 3\r\n"),
            ("GET /api/v2/connect/events HTTP/1.1", "Upgrade: h2c\r\n"),
            ("GET /api/v2/connect/events HTTP/1.1", "bad header\r\n"),
        ] {
            assert!(of(line, more).is_none(), "{line} {more}");
        }
        assert!(stream_request(b"GET /api/v2/connect/events HTTP/1.1\r\n\r\nmore\r\n\r\n").is_none());
    }

    #[tokio::test]
    async fn what_comes_with_a_body_is_not_waited_for() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        for sent in [
            "GET /api/v2/connect/sessions HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}",
            "GET /api/v2/connect/sessions HTTP/1.1\r\n\r\nGET /",
            "GET /health HTTP/1.1\r\n",
        ] {
            let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            let (mut stream, _) = listener.accept().await.unwrap();
            client.write_all(sent.as_bytes()).await.unwrap();
            let first = tokio::time::timeout(PATIENCE / 3, read_first(&mut stream)).await.unwrap().unwrap();
            assert!(matches!(first, First::Other(read) if read == sent), "{sent}");
        }
    }
}
