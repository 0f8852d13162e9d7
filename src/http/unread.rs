//! Bodies that nobody read: a refusal is often made before its body was looked at. Closing the connection then would cost
//! the client its answer (the system resets a connection with unread bytes) or the next request that it sends over it, so
//! a little is read for nothing.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::header::EXPECT;
use axum::middleware::Next;
use axum::response::Response;
use futures_util::StreamExt;
use http_body::{Body as _, Frame, SizeHint};
use tokio::sync::oneshot;

/// So many bytes at most; whoever sends more is cut off, as before.
const MOST: usize = 64 * 1024;
/// And no longer than that.
const PATIENCE: Duration = Duration::from_secs(1);

/// Reads the rest of a request that was answered without it, before the answer leaves.
pub async fn drain(request: Request, next: Next) -> Response {
    // A client that waits for 100 Continue has sent nothing yet.
    if request.body().is_end_stream() || request.headers().contains_key(EXPECT) {
        return next.run(request).await;
    }
    let (back, mut unread) = oneshot::channel();
    let response = next.run(request.map(|body| Body::new(Lent { body, back: Some(back) }))).await;
    if let Ok(body) = unread.try_recv() {
        tokio::time::timeout(PATIENCE, swallow(body)).await.ok();
    }
    response
}

async fn swallow(body: Body) {
    let mut chunks = body.into_data_stream();
    let mut read = 0;
    while let Some(Ok(chunk)) = chunks.next().await {
        read += chunk.len();
        if read > MOST {
            return;
        }
    }
}

/// A body that comes back when it is let go before its end.
struct Lent {
    body: Body,
    back: Option<oneshot::Sender<Body>>,
}

impl http_body::Body for Lent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if self.body.is_end_stream() {
            return;
        }
        if let Some(back) = self.back.take() {
            // Nobody waits for it any more where the answer was a stream.
            back.send(std::mem::take(&mut self.body)).ok();
        }
    }
}
