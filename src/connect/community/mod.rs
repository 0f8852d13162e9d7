//! What admins publish for everybody: articles and events (connect-v2 §3.21, §3.23).

mod articles;
mod events;

use aide::axum::ApiRouter;

use crate::app::App;

const TAG: &str = "Community";

/// The routes 110 to 113 and 136 to 143.
pub fn router() -> ApiRouter<App> {
    ApiRouter::new().merge(articles::router()).merge(events::router())
}

/// An address of a picture: `https`, a host, no blanks.
const PICTURE: &str = r"^https://[^\s/?#]+[^\s]*$";

/// A filter's word; blanks around it do not count, and a blank one is none.
fn word(text: Option<&str>) -> Option<&str> {
    text.map(str::trim).filter(|text| !text.is_empty())
}

/// What is kept of a text that people read in a line.
fn trimmed(text: &str) -> String {
    text.trim().to_owned()
}
