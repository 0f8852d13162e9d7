//! One number out of a Postgres: the few messages of its protocol that a trusted local client needs.

use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(10);
/// The largest message that is read.
const LARGEST: usize = 64 * 1024;

/// The start-up message of the owner, for his database.
pub(super) fn greeting() -> Vec<u8> {
    let mut message = vec![0, 0, 0, 0, 0, 3, 0, 0];
    message.extend(b"user\0consilium\0database\0consilium\0\0");
    let length = u32::try_from(message.len()).unwrap_or_default();
    message.splice(..4, length.to_be_bytes());
    message
}

/// What the query answers: the first column of its only row.
pub(super) async fn number(socket: &Path, query: &str) -> Result<u64, String> {
    let asking = async {
        let mut stream = UnixStream::connect(socket).await.map_err(|error| error.to_string())?;
        send(&mut stream, &greeting()).await?;
        while receive(&mut stream).await?.0 != b'Z' {}
        let length = u32::try_from(query.len() + 5).map_err(|_| "too long a query")?;
        let mut message = vec![b'Q'];
        message.extend(length.to_be_bytes());
        message.extend(query.as_bytes());
        message.push(0);
        send(&mut stream, &message).await?;
        let mut found = None;
        loop {
            match receive(&mut stream).await? {
                (b'Z', _) => break,
                // Two bytes for the number of columns, four for the length of the first.
                (b'D', row) => found = row.get(6..).and_then(|text| std::str::from_utf8(text).ok()?.parse().ok()),
                _ => {}
            }
        }
        // A polite farewell, so that the log has no complaint.
        drop(stream.write_all(b"X\0\0\0\x04").await);
        found.ok_or_else(|| "no number".to_owned())
    };
    let asked = timeout(PATIENCE, asking).await.unwrap_or_else(|_| Err("it took too long".to_owned()));
    asked.map_err(|why: String| format!("postgres: {why}"))
}

async fn send(stream: &mut UnixStream, message: &[u8]) -> Result<(), String> {
    stream.write_all(message).await.map_err(|error| error.to_string())
}

/// The next message; an error of the server is one here.
async fn receive(stream: &mut UnixStream) -> Result<(u8, Vec<u8>), String> {
    let failed = |error: std::io::Error| error.to_string();
    let kind = stream.read_u8().await.map_err(failed)?;
    let length = stream.read_u32().await.map_err(failed)? as usize;
    let length = length.checked_sub(4).filter(|length| *length <= LARGEST).ok_or("not a message of Postgres")?;
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.map_err(failed)?;
    if kind == b'E' {
        return Err(String::from_utf8_lossy(&body).replace('\0', " "));
    }
    Ok((kind, body))
}
