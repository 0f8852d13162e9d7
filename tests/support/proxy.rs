//! A line between a node and its Redis that a test can let go silent: the sockets stay open, and nothing passes.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

/// A running proxy; it ends with this value.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    /// The local ports towards Redis of the lines that are silent.
    silent: Arc<Mutex<HashSet<u16>>>,
    /// Nothing passes on any line, and new ones are refused.
    is_cut: Arc<AtomicBool>,
    /// How many lines there were so far.
    opened: Arc<AtomicUsize>,
    task: AbortHandle,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Proxy {
    pub(crate) async fn start(to: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let silent: Arc<Mutex<HashSet<u16>>> = Arc::default();
        let heard = Arc::clone(&silent);
        let is_cut = Arc::new(AtomicBool::new(false));
        let cut = Arc::clone(&is_cut);
        let opened: Arc<AtomicUsize> = Arc::default();
        let counted = Arc::clone(&opened);
        #[allow(clippy::disallowed_methods, reason = "ends with the proxy")]
        let task = tokio::spawn(async move {
            let mut lines = JoinSet::new();
            while let Ok((near, _)) = listener.accept().await {
                if cut.load(Ordering::SeqCst) {
                    continue;
                }
                let Ok(far) = TcpStream::connect(("127.0.0.1", to)).await else { continue };
                let line = far.local_addr().unwrap().port();
                counted.fetch_add(1, Ordering::SeqCst);
                let (near_in, near_out) = near.into_split();
                let (far_in, far_out) = far.into_split();
                lines.spawn(pass(near_in, far_out, line, Arc::clone(&heard), Arc::clone(&cut)));
                lines.spawn(pass(far_in, near_out, line, Arc::clone(&heard), Arc::clone(&cut)));
            }
        });
        Self { port, silent, is_cut, opened, task: task.abort_handle() }
    }

    /// How many lines were opened since the start.
    pub(crate) fn opened(&self) -> usize {
        self.opened.load(Ordering::SeqCst)
    }

    /// Nothing passes at all from now on.
    pub(crate) fn cut(&self) {
        self.is_cut.store(true, Ordering::SeqCst);
    }

    /// Nothing passes on the line with this local port towards Redis from now on.
    pub(crate) fn silence(&self, line: u16) {
        self.silent.lock().unwrap().insert(line);
    }
}

async fn pass(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    line: u16,
    silent: Arc<Mutex<HashSet<u16>>>,
    is_cut: Arc<AtomicBool>,
) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(count) = from.read(&mut buffer).await {
        if count == 0 {
            break;
        }
        // What comes on a silent line is lost, as in a network that drops it.
        let is_silent = is_cut.load(Ordering::SeqCst) || silent.lock().unwrap().contains(&line);
        if !is_silent && to.write_all(&buffer[..count]).await.is_err() {
            break;
        }
    }
}
