//! Server-sent events: the blocks of a stream, as an EventSource would see them (realtime.md §5).

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Incoming;

/// One block of the stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) id: Option<String>,
    pub(crate) event: Option<String>,
    pub(crate) data: String,
}

/// Puts blocks together from bytes that come in any pieces.
#[derive(Debug, Default)]
pub(crate) struct Parser {
    buffer: Vec<u8>,
    block: Block,
    has_data: bool,
}

impl Parser {
    /// Takes some bytes; whole blocks go to `out`.
    pub(crate) fn push(&mut self, bytes: &[u8], out: &mut impl Extend<Block>) {
        self.buffer.extend_from_slice(bytes);
        let buffer = std::mem::take(&mut self.buffer);
        let mut rest = buffer.as_slice();
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (line, tail) = rest.split_at(end);
            let text = String::from_utf8_lossy(line);
            if let Some(block) = self.line(text.trim_end_matches('\r')) {
                out.extend([block]);
            }
            rest = tail.get(1..).unwrap_or_default();
        }
        self.buffer.extend_from_slice(rest);
    }

    fn line(&mut self, line: &str) -> Option<Block> {
        if line.is_empty() {
            let block = std::mem::take(&mut self.block);
            self.has_data = false;
            return (block != Block::default()).then_some(block);
        }
        let (field, value) = match line.split_once(':') {
            Some((field, value)) => (field, value.strip_prefix(' ').unwrap_or(value)),
            None => (line, ""),
        };
        match field {
            "id" => self.block.id = Some(value.to_owned()),
            "event" => self.block.event = Some(value.to_owned()),
            "data" => {
                if self.has_data {
                    self.block.data.push('\n');
                }
                self.has_data = true;
                self.block.data.push_str(value);
            }
            // Comments (an empty field), retry and what may come are not ours.
            _ => {}
        }
        None
    }
}

/// An open stream.
#[derive(Debug)]
pub(crate) struct Stream {
    body: Incoming,
    parser: Parser,
    ready: std::collections::VecDeque<Block>,
}

impl Stream {
    pub(crate) fn new(body: Incoming) -> Self {
        Self { body, parser: Parser::default(), ready: std::collections::VecDeque::new() }
    }

    /// The next block; `None` at the end. May be dropped at any wait without loss.
    pub(crate) async fn next(&mut self) -> Option<Block> {
        loop {
            if let Some(block) = self.ready.pop_front() {
                return Some(block);
            }
            let frame = self.body.frame().await?.ok()?;
            let bytes: Bytes = frame.into_data().unwrap_or_default();
            self.parser.push(&bytes, &mut self.ready);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_come_whole_whatever_the_pieces() {
        let text = "retry: 2100\n\nevent: connected\ndata: {\"doctor_id\":\"d\"}\n\n: beat\n\n\
                    id: k3-7\n\nid: k3-9\r\nevent: session_requested\r\ndata: {\"a\":1}\r\n\r\n";
        for piece in 1..text.len() {
            let mut parser = Parser::default();
            let mut out: Vec<Block> = Vec::new();
            for bytes in text.as_bytes().chunks(piece) {
                parser.push(bytes, &mut out);
            }
            let block = |id: Option<&str>, event: Option<&str>, data: &str| Block {
                id: id.map(str::to_owned),
                event: event.map(str::to_owned),
                data: data.to_owned(),
            };
            assert_eq!(
                out,
                [
                    block(None, Some("connected"), "{\"doctor_id\":\"d\"}"),
                    block(Some("k3-7"), None, ""),
                    block(Some("k3-9"), Some("session_requested"), "{\"a\":1}"),
                ]
            );
        }
    }
}
