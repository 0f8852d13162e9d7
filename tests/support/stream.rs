//! A client of server-sent events that parses their blocks, with deadlines.

use std::time::Duration;

use serde_json::Value;
use tokio::time::timeout;

use super::client::{Answer, send};
use super::socket::DEADLINE;

/// How long a stream may take to open.
const OPENING: Duration = Duration::from_secs(30);

/// One block of the stream; comments alone are no block.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Block {
    /// `event:`; empty where the block has none.
    pub(crate) event: String,
    /// `id:`.
    pub(crate) id: Option<String>,
    /// `data:` as JSON; null where the block has none.
    pub(crate) data: Value,
    /// `retry:` in milliseconds.
    pub(crate) retry: Option<u64>,
}

/// An open stream.
pub(crate) struct Stream {
    response: reqwest::Response,
    text: String,
    /// How many comment lines came: heartbeats.
    pub(crate) comments: usize,
}

impl Stream {
    pub(crate) async fn open(request: reqwest::RequestBuilder) -> Self {
        let response = timeout(OPENING, request.send()).await.expect("no answer in time").unwrap();
        if response.status() != 200 {
            panic!("refused: {} {}", response.status(), response.text().await.unwrap_or_default());
        }
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { response, text: String::new(), comments: 0 }
    }

    /// A stream that is refused: the answer.
    pub(crate) async fn refused(request: reqwest::RequestBuilder) -> Answer {
        send(request).await
    }

    /// The next block; none when the server ended the stream.
    pub(crate) async fn try_next(&mut self) -> Option<Block> {
        timeout(DEADLINE, self.read()).await.expect("nothing came in time")
    }

    /// The next block.
    pub(crate) async fn next(&mut self) -> Block {
        self.try_next().await.expect("the stream ended")
    }

    /// The next block of this event; others are passed over.
    pub(crate) async fn next_of(&mut self, event: &str) -> Block {
        loop {
            let block = self.next().await;
            if block.event == event {
                return block;
            }
        }
    }

    /// Whether nothing comes within this time. For showing that something is not sent: keep it short.
    pub(crate) async fn silent_for(&mut self, time: Duration) -> bool {
        timeout(time, self.read()).await.is_err()
    }

    async fn read(&mut self) -> Option<Block> {
        loop {
            while let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                if let Some(block) = self.parse(&block) {
                    return Some(block);
                }
            }
            let chunk = self.response.chunk().await.ok()??;
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    fn parse(&mut self, text: &str) -> Option<Block> {
        let mut block = Block::default();
        let mut data: Vec<&str> = Vec::new();
        let mut fields = 0;
        for line in text.lines() {
            if line.starts_with(':') {
                self.comments += 1;
                continue;
            }
            fields += 1;
            let (name, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match name {
                "event" => value.clone_into(&mut block.event),
                "id" => block.id = Some(value.to_owned()),
                "data" => data.push(value),
                "retry" => block.retry = Some(value.parse().unwrap()),
                other => panic!("unknown field {other}"),
            }
        }
        if !data.is_empty() {
            block.data = serde_json::from_str(&data.join("\n")).unwrap();
        }
        (fields > 0).then_some(block)
    }
}
