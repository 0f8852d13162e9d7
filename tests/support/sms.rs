//! An SMS gateway of one file on 127.0.0.1: remembers every request as it came, and answers as told, also with what is
//! no HTTP.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::sleep;

/// How a request goes wrong.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// This status, and nothing more.
    Status(u16),
    /// 200 with a page, as somebody else's server answers.
    Page,
    /// What is no HTTP.
    Garbage,
    /// The connection ends without an answer.
    CutOff,
    /// No answer.
    Hang,
    /// An answer whose head comes a byte at a time and never ends.
    Trickle,
    /// This status, to this address.
    Redirect(u16, String),
}

/// One request, as it came.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) method: String,
    /// With its query.
    pub(crate) path: String,
    /// By their names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    /// Null where it is no JSON.
    pub(crate) body: Value,
}

#[derive(Default)]
struct Inside {
    sent: Vec<Sent>,
    faults: HashMap<String, VecDeque<Fault>>,
}

/// The running gateway; it ends with this value.
pub(crate) struct SmsPeer {
    /// `http://127.0.0.1:port`.
    pub(crate) url: String,
    inside: Arc<Mutex<Inside>>,
    serving: JoinHandle<()>,
}

impl Drop for SmsPeer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl SmsPeer {
    /// Starts it on a free port.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let inside: Arc<Mutex<Inside>> = Arc::default();
        #[allow(clippy::disallowed_methods, reason = "it ends with the peer")]
        let serving = tokio::spawn(serve(listener, Arc::clone(&inside)));
        Self { url, inside, serving }
    }

    /// How the next requests for a phone go wrong, one each.
    pub(crate) fn fail(&self, phone: &str, faults: impl IntoIterator<Item = Fault>) {
        self.inside.lock().unwrap().faults.entry(phone.to_owned()).or_default().extend(faults);
    }

    /// All requests so far.
    pub(crate) fn all(&self) -> Vec<Sent> {
        self.inside.lock().unwrap().sent.clone()
    }

    /// The requests for a phone so far.
    pub(crate) fn sent_to(&self, phone: &str) -> Vec<Sent> {
        self.all().into_iter().filter(|sent| sent.body["to"] == phone).collect()
    }
}

async fn serve(listener: TcpListener, inside: Arc<Mutex<Inside>>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(answer(stream, Arc::clone(&inside)));
    }
}

async fn answer(mut stream: TcpStream, inside: Arc<Mutex<Inside>>) {
    let Some(sent) = read(&mut stream).await else { return };
    let fault = {
        let mut inside = inside.lock().unwrap();
        let phone = sent.body["to"].as_str().unwrap_or_default().to_owned();
        inside.sent.push(sent);
        inside.faults.get_mut(&phone).and_then(VecDeque::pop_front)
    };
    let text = match fault {
        None => whole(202, "content-type: application/json\r\n", "{\"queued\":1}"),
        Some(Fault::Status(status)) => whole(status, "", ""),
        Some(Fault::Page) => whole(200, "content-type: text/html\r\n", "<h1>It works!</h1>"),
        Some(Fault::Redirect(status, to)) => whole(status, &format!("location: {to}\r\n"), ""),
        Some(Fault::Garbage) => "SSH-2.0-OpenSSH_9.9\r\n".to_owned(),
        Some(Fault::CutOff) => return,
        Some(Fault::Hang) => pending().await,
        Some(Fault::Trickle) => return trickle(stream).await,
    };
    // Who asked may be gone.
    stream.write_all(text.as_bytes()).await.ok();
}

fn whole(status: u16, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status} As Told\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}")
}

async fn trickle(mut stream: TcpStream) {
    let mut piece: &[u8] = b"HTTP/1.1 200 OK\r\nx-padding: ";
    while stream.write_all(piece).await.is_ok() {
        sleep(Duration::from_millis(100)).await;
        piece = b"x";
    }
}

/// One request; none where the connection ends before it does.
async fn read(stream: &mut TcpStream) -> Option<Sent> {
    let mut bytes: Vec<u8> = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let mut body = bytes.split_off(end + 4);
    let head = String::from_utf8(bytes).unwrap();
    let mut lines = head.trim_end().split("\r\n");
    let mut words = lines.next().unwrap().split(' ').map(str::to_owned);
    let (method, path) = (words.next().unwrap(), words.next().unwrap());
    let header = |line: &str| {
        let (name, value) = line.split_once(':').unwrap();
        (name.to_lowercase(), value.trim().to_owned())
    };
    let headers: BTreeMap<String, String> = lines.map(header).collect();
    let length: usize = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    while body.len() < length {
        if stream.read_buf(&mut body).await.ok()? == 0 {
            return None;
        }
    }
    Some(Sent { method, path, headers, body: serde_json::from_slice(&body).unwrap_or_default() })
}
