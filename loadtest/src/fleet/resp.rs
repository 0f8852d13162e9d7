//! The few words this program has to say to a Redis, over one connection each: RESP by hand.

use std::time::Duration;

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(15);
/// The longest answer read.
const LARGEST: usize = 1024 * 1024;

/// Where a Redis is; only on this machine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Address {
    authority: String,
    password: Option<String>,
    user: Option<String>,
}

impl Address {
    /// Reads `redis://[[user]:password@]host:port[/0]`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let url = url::Url::parse(text).map_err(|error| format!("--redis-url: {error}"))?;
        if url.scheme() != "redis" {
            return Err("--redis-url: only redis:// addresses".to_owned());
        }
        let host = url.host_str().unwrap_or("127.0.0.1");
        if !matches!(host, "127.0.0.1" | "localhost" | "[::1]") {
            return Err(format!("--redis-url: {host} is not this machine, and only its own Redis is ever broken"));
        }
        let authority = format!("{host}:{}", url.port().unwrap_or(6379));
        let user = Some(url.username()).filter(|user| !user.is_empty()).map(str::to_owned);
        Ok(Self { authority, password: url.password().map(str::to_owned), user })
    }

    pub(crate) fn local(port: u16) -> Self {
        Self { authority: format!("127.0.0.1:{port}"), password: None, user: None }
    }

    /// Says one command and gives its answer, in the words of the protocol without its marks.
    pub(crate) async fn ask(&self, words: &[&str]) -> Result<String, String> {
        let name = words.first().copied().unwrap_or_default();
        let asked = timeout(PATIENCE, self.ask_now(words)).await;
        asked.unwrap_or_else(|_| Err("no answer in time".to_owned())).map_err(|why| format!("redis: {name}: {why}"))
    }

    async fn ask_now(&self, words: &[&str]) -> Result<String, String> {
        let stream = TcpStream::connect(&self.authority).await.map_err(|error| error.to_string())?;
        let mut stream = BufReader::new(stream);
        if let Some(password) = &self.password {
            let mut words = vec!["AUTH"];
            words.extend(self.user.as_deref());
            words.push(password);
            exchange(&mut stream, &words).await?;
        }
        exchange(&mut stream, words).await
    }
}

async fn exchange(stream: &mut BufReader<TcpStream>, words: &[&str]) -> Result<String, String> {
    stream.get_mut().write_all(&encode(words)).await.map_err(|error| error.to_string())?;
    answer(stream).await
}

fn encode(words: &[&str]) -> Vec<u8> {
    let mut out = format!("*{}\r\n", words.len());
    for word in words {
        out.push_str(&format!("${}\r\n{word}\r\n", word.len()));
    }
    out.into_bytes()
}

/// One simple or bulk string, number or error.
async fn answer(from: &mut (impl AsyncBufRead + Unpin)) -> Result<String, String> {
    let mut line = String::new();
    from.take(LARGEST as u64).read_line(&mut line).await.map_err(|error| error.to_string())?;
    let line = line.trim_end();
    let mut rest = line.chars();
    match rest.next() {
        Some('+' | ':') => Ok(rest.as_str().to_owned()),
        Some('-') => Err(rest.as_str().to_owned()),
        Some('$') => {
            let length: usize = rest.as_str().parse().map_err(|_| "no such value".to_owned())?;
            if length > LARGEST {
                return Err("an answer too long".to_owned());
            }
            let mut bytes = vec![0; length + 2];
            from.read_exact(&mut bytes).await.map_err(|error| error.to_string())?;
            bytes.truncate(length);
            String::from_utf8(bytes).map_err(|_| "an answer that is no text".to_owned())
        }
        Some(_) | None => Err(format!("an answer that is not understood: {line}")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn addresses_of_this_machine_alone_are_taken() {
        let plain = Address::parse("redis://127.0.0.1:6380/0").unwrap();
        assert_eq!(plain, Address::local(6380));
        let full = Address::parse("redis://worker:secret@localhost").unwrap();
        assert_eq!((full.user.as_deref(), full.password.as_deref()), (Some("worker"), Some("secret")));
        for wrong in ["http://127.0.0.1", "redis://10.0.0.1:6379", "redis://cache.example"] {
            assert!(Address::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[tokio::test]
    async fn answers_are_read() {
        assert_eq!(encode(&["CLIENT", "ID"]), b"*2\r\n$6\r\nCLIENT\r\n$2\r\nID\r\n");
        for (bytes, expected) in [
            ("+OK\r\n", Ok("OK")),
            (":12\r\n", Ok("12")),
            ("$5\r\na\r\nbc\r\n", Ok("a\r\nbc")),
            ("$0\r\n\r\n", Ok("")),
            ("-ERR no\r\n", Err("ERR no")),
            ("$-1\r\n", Err("no such value")),
        ] {
            let mut reader = bytes.as_bytes();
            let read = answer(&mut reader).await;
            assert_eq!(read.as_deref().map_err(String::as_str), expected, "{bytes}");
        }
        assert!(answer(&mut "".as_bytes()).await.is_err());
    }
}
