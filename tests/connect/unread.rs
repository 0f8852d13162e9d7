//! A request that is refused before its body came costs nobody the connection.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use crate::support::app::TestApp;

/// The next answer on a kept connection.
async fn answer(line: &mut TcpStream) -> String {
    let mut text = Vec::new();
    loop {
        let got = String::from_utf8_lossy(&text).into_owned();
        if let Some((head, body)) = got.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
            if body.len() >= length.parse().unwrap() {
                return got;
            }
        }
        let mut part = [0; 4096];
        let read = timeout(Duration::from_secs(30), line.read(&mut part)).await.expect("in time").unwrap();
        assert!(read > 0, "closed after {got:?}");
        text.extend_from_slice(&part[..read]);
    }
}

/// Whether all were refused over one connection; false where a body was sent so late that the server waits for it no more.
async fn is_refused_each_time(app: &TestApp) -> bool {
    let mut line = TcpStream::connect(app.url.trim_start_matches("http://")).await.unwrap();
    line.set_nodelay(true).unwrap();
    for (request, status) in [("POST /api/v2/reviews", 401), ("GET /api/v2/reviews", 405), ("POST /nowhere", 404)] {
        let body = "x".repeat(30_000);
        let head =
            format!("{request} HTTP/1.1\r\nhost: x\r\ncontent-type: text/plain\r\ncontent-length: 30000\r\n\r\n");
        let begun = Instant::now();
        line.write_all(head.as_bytes()).await.unwrap();
        // The head alone is enough to refuse it: the body comes when that has been done.
        sleep(Duration::from_millis(50)).await;
        if begun.elapsed() > Duration::from_millis(900) {
            return false;
        }
        line.write_all(body.as_bytes()).await.unwrap();
        let answer = answer(&mut line).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    }
    true
}

#[tokio::test]
async fn a_refusal_before_the_body_leaves_the_connection_whole() {
    let app = TestApp::start().await;
    let deadline = Instant::now() + Duration::from_secs(30);
    while !is_refused_each_time(&app).await {
        assert!(Instant::now() < deadline, "a body always comes too late");
    }
}
