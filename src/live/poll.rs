//! Long poll and backfill (settled 1).

use std::time::Duration;

use axum::extract::State;
use consilium_realtime::close::Close;
use consilium_realtime::connection::{Credential, Item, Kind};
use consilium_realtime::inbox::{Output, frame, opening};
use consilium_realtime::reader::ReadError;
use consilium_storage as storage;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::accounts::caller::{Account, Anyone, Caller};
use crate::app::App;
use crate::error::{Code, Error, Result};
use crate::http::formats::Since;
use crate::http::input::QueryOnly;
use crate::http::reply::Answer;

/// From where, how many, and how long to wait.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct PollQuery {
    /// A cursor; without one the head.
    since: Option<Since>,
    /// 1 to 500.
    #[serde(default = "PollQuery::limit")]
    #[schemars(range(min = 1, max = 500))]
    limit: usize,
    /// 0 to 30 seconds.
    #[serde(default)]
    #[schemars(range(min = 0, max = 30))]
    wait: u64,
}

impl PollQuery {
    const fn limit() -> usize {
        100
    }
}

/// What came after the cursor.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Polled {
    /// Frames of realtime.md §4, each with its cursor.
    events: Vec<Value>,
    /// Where to go on.
    cursor: String,
    /// The cursor could not be served: refetch over REST.
    resync: bool,
    /// More is there already.
    has_more: bool,
}

pub(super) async fn poll(
    State(app): State<App>,
    caller: Caller<Anyone>,
    input: QueryOnly<PollQuery>,
) -> Result<Answer<Polled>> {
    let PollQuery { since, limit, wait } = input.query;
    let here = |Since(cursor): &Since| (cursor.epoch == app.engine.epoch()).then_some(cursor.seq);
    let served = since.as_ref().and_then(here);
    let first = app.engine.reader().read(caller.id, served).await.map_err(|error| unavailable(&error))?;
    let begin = opening(since.is_some(), served, &first);
    if begin.resync {
        let cursor = app.engine.cursor(first.head);
        return Ok(Answer(Polled { events: Vec::new(), cursor, resync: true, has_more: false }));
    }
    if begin.replay == 0 && wait > 0 {
        wait_for_news(&app, *caller, begin.cursor, first.head, Duration::from_secs(wait)).await?;
    }
    Ok(Answer(collect(&app, &caller, begin.cursor, limit).await?))
}

/// Up to `limit` frames after a place; a page brings fewer.
async fn collect(app: &App, account: &Account, begin: i64, limit: usize) -> Result<Polled> {
    let mut place = begin;
    let mut events = Vec::new();
    loop {
        let found = app.engine.reader().read(account.id, Some(place)).await.map_err(|error| unavailable(&error))?;
        let whole = found.rows.iter().zip(place + 1..).all(|(row, seq)| row.seq == seq);
        if !whole || (found.rows.is_empty() && found.head > place) {
            // Retention took rows away while we were reading.
            let cursor = app.engine.cursor(found.head);
            return Ok(Polled { events: Vec::new(), cursor, resync: true, has_more: false });
        }
        let head = found.head;
        let page = found.rows.len();
        for row in found.rows.into_iter().take(limit - events.len()) {
            let (seq, frame) = frame(&row);
            let text = frame.json(app.engine.epoch(), Some(seq));
            events.push(serde_json::from_str(&text).map_err(Error::internal)?);
            place = seq;
        }
        if page == 0 || events.len() == limit || place >= head {
            let cursor = app.engine.cursor(place);
            return Ok(Polled { events, cursor, resync: false, has_more: place < head });
        }
    }
}

/// Returns when something came after the place or the time is up; refuses when the credential ended meanwhile.
async fn wait_for_news(app: &App, account: Account, place: i64, head: i64, wait: Duration) -> Result<()> {
    let credential = Credential { user: account.id, login: account.login };
    let feed = app.engine.enlist(credential, false, Kind::Passing);
    feed.connection().start(place, head);
    let news = async {
        // Something may have been committed between the first look and the enlisting.
        app.engine.nudge(&[account.id]).await;
        loop {
            match feed.next().await {
                Output::Items(items) if items.iter().all(|item| !is_durable(item)) => {}
                Output::Close(Close::Unauthenticated) => {
                    return Err(Error::unauthenticated("Could not validate credentials"));
                }
                _ => return Ok(()),
            }
        }
    };
    tokio::select! {
        ended = news => ended,
        () = tokio::time::sleep(wait) => Ok(()),
        () = app.shutdown.cancelled() => Ok(()),
    }
}

const fn is_durable(item: &Item) -> bool {
    matches!(item, Item::Event(..))
}

pub(super) fn unavailable(error: &ReadError) -> Error {
    match &**error {
        storage::Error::Unavailable(_) | storage::Error::Retry(_) => {
            Error::Unavailable { code: Code::Unavailable, detail: "The inbox cannot be read right now, try again" }
        }
        other => Error::internal(other.to_string()),
    }
}
