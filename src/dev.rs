//! The development inbox (running.md): in production these routes do not exist.

use aide::axum::ApiRouter;
use axum::Router;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use consilium_storage::dev_inbox::{self, Filter, Item};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::error::{Error, Result};
use crate::http::input::QueryOnly;
use crate::http::reply::Answer;

/// The page and its data.
pub fn router() -> Router<App> {
    ApiRouter::<App>::new().route("/dev/inbox", get(page)).route("/dev/inbox.json", get(list)).into()
}

/// Optional filters (settled 30).
#[derive(Debug, Deserialize, JsonSchema)]
struct Wanted {
    #[schemars(extend("x-empty-is-absent" = true))]
    channel: Option<Channel>,
    #[schemars(extend("x-empty-is-absent" = true))]
    to: Option<String>,
    #[schemars(range(min = 0, max = 9_007_199_254_740_991_i64), extend("x-empty-is-absent" = true))]
    after: Option<i64>,
    #[serde(default = "Wanted::limit")]
    #[schemars(range(min = 1, max = 1000), extend("x-empty-is-absent" = true))]
    limit: i64,
}

impl Wanted {
    const fn limit() -> i64 {
        100
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Channel {
    Sms,
    Email,
    Push,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Inbox {
    items: Vec<Item>,
}

async fn page(headers: HeaderMap) -> Response {
    crate::demo::page("dev/inbox.html", &headers).unwrap_or_else(|| Error::NotFound("Page").into_response())
}

async fn list(State(app): State<App>, input: QueryOnly<Wanted>) -> Result<Answer<Inbox>> {
    let channel = input.query.channel.map(|channel| match channel {
        Channel::Sms => "sms".to_owned(),
        Channel::Email => "email".to_owned(),
        Channel::Push => "push".to_owned(),
    });
    // A `+` in a query is a blank to the URL rules; phones are asked for with it as it is.
    let to = input.query.to.map(|to| if to.starts_with(' ') { to.replacen(' ', "+", 1) } else { to });
    let filter = Filter { channel, to, after: input.query.after.filter(|id| *id > 0), limit: input.query.limit };
    let items = dev_inbox::list(&mut *app.conn().await?, &filter).await?;
    Ok(Answer(Inbox { items }))
}
