//! Taking connections: an event stream asked for first goes to the lean writer, everything else to hyper.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::Uri;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service;

use super::lean::{self, First};
use crate::app::App;

/// The read buffer of a connection; it also bounds a request's head.
const BUFFER: usize = 8 * 1024;

/// Where connections come in.
pub(super) struct Door<'a> {
    pub(super) app: &'a App,
    pub(super) router: &'a Router,
    pub(super) connections: &'a TaskTracker,
    pub(super) stop: &'a CancellationToken,
}

impl Door<'_> {
    /// Takes connections until it is dropped.
    pub(super) async fn accept(&self, listener: &TcpListener) {
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => self.take(stream, peer),
                Err(error) => {
                    // Out of file descriptors, mostly: waiting is all that helps.
                    metrics::counter!("consilium_accept_failures_total").increment(1);
                    tracing::warn!(%error, "cannot take a connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    /// Closes the listener. Whoever waits in its queue believes to be connected and may have sent a request: he is taken
    /// first, as the end of the listener would be his too.
    pub(super) fn close(&self, listener: TcpListener) {
        let Ok(listener) = listener.into_std() else { return };
        while let Ok((stream, peer)) = listener.accept() {
            if stream.set_nonblocking(true).is_ok()
                && let Ok(stream) = TcpStream::from_std(stream)
            {
                self.take(stream, peer);
            }
        }
    }

    fn take(&self, stream: TcpStream, peer: SocketAddr) {
        let Self { app, router, connections, stop } = *self;
        if connections.len() + app.sockets.len() >= app.config.max_connections {
            metrics::counter!("consilium_connections_refused_total").increment(1);
            return;
        }
        let socket = Socket::default();
        let served = serve_connection(stream, Peer(peer), socket.clone(), router.clone(), stop.clone());
        let task = connections.spawn(served);
        drop(socket.0.set(task.abort_handle()));
    }
}

/// The address at the other end of the socket.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub SocketAddr);

/// The task of a socket, for a stream whose client takes nothing any more.
#[derive(Debug, Clone, Default)]
pub struct Socket(Arc<OnceLock<AbortHandle>>);

impl Socket {
    /// The task, once it runs.
    #[must_use]
    pub fn task(&self) -> Option<AbortHandle> {
        self.0.get().cloned()
    }
}

async fn serve_connection(mut stream: TcpStream, peer: Peer, socket: Socket, router: Router, stop: CancellationToken) {
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let first = tokio::select! {
        first = lean::read_first(&mut stream) => first,
        () = stop.cancelled() => return,
    };
    // Both are boxed, so that a stream's task does not carry the room of hyper's connection.
    match first {
        Ok(First::Stream(request)) => {
            let request = prepared(*request, peer, &socket);
            if let Err(error) = Box::pin(lean::serve(stream, router, request)).await {
                tracing::debug!(%error, "stream ended");
            }
        }
        Ok(First::Other(read)) => Box::pin(serve_http(stream, read, peer, socket, router, stop)).await,
        Err(error) => tracing::debug!(%error, "connection ended before its first request"),
    }
}

async fn serve_http(
    stream: TcpStream,
    read: Bytes,
    peer: Peer,
    socket: Socket,
    router: Router,
    stop: CancellationToken,
) {
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        router.clone().call(prepared(request.map(Body::new), peer, &socket))
    });
    let mut connection = std::pin::pin!(
        hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(Duration::from_secs(30))
            .max_buf_size(BUFFER)
            .serve_connection(TokioIo::new(lean::Prefixed::new(read, stream)), service)
            .with_upgrades()
    );
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "connection ended");
    }
}

/// A request with what handlers want to know of its connection.
fn prepared(mut request: Request, peer: Peer, socket: &Socket) -> Request {
    request.extensions_mut().insert(peer);
    request.extensions_mut().insert(socket.clone());
    trim_slash(&mut request);
    request
}

/// Collections answer with and without a slash at the end, without redirecting (connect-v2 §1).
fn trim_slash(request: &mut Request) {
    let uri = request.uri();
    let path = uri.path();
    if !path.starts_with("/api/") || !path.ends_with('/') {
        return;
    }
    let trimmed = path.trim_end_matches('/');
    let target = uri.query().map_or_else(|| trimmed.to_owned(), |query| format!("{trimmed}?{query}"));
    if let Ok(target) = Uri::try_from(target) {
        *request.uri_mut() = target;
    }
}
