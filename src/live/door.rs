//! What all doors check before they open: the credential, the cursor, and whether the server is going away.

use aide::generate::GenContext;
use aide::openapi::Operation;
use aide::operation::{OperationInput, ParamLocation, add_parameters, parameters_from_schema};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use consilium_realtime::batcher::Hurry;
use consilium_realtime::connection::Credential;
use consilium_realtime::cursor::Cursor;
use consilium_storage::accounts::Role;
use schemars::JsonSchema;

use crate::accounts::caller::{Account, authenticate, bearer};
use crate::accounts::tickets;
use crate::app::App;
use crate::error::{Code, Error, Issue, Result};
use crate::http::formats::Since;

/// Who comes in, and from where in the inbox.
#[derive(Debug)]
pub(super) struct Visitor {
    pub(super) account: Account,
    pub(super) since: Option<Cursor>,
}

/// Documents what the doors read of a query; the values are read by hand, as a ticket must be taken exactly once.
#[derive(Debug, JsonSchema)]
#[allow(dead_code, reason = "only its schema is used")]
struct DoorQuery {
    /// The cursor to resume from.
    since: Option<Since>,
    /// A single-use ticket in place of the Authorization header.
    ticket: Option<String>,
}

impl Visitor {
    pub(super) fn credential(&self) -> Credential {
        Credential { user: self.account.id, login: self.account.login }
    }

    pub(super) fn is_doctor(&self) -> bool {
        self.account.role == Role::Doctor
    }
}

impl FromRequestParts<App> for Visitor {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        let query: Vec<(String, String)> =
            url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
        let find = |name: &str| query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        if app.shutdown.is_cancelled() {
            return Err(Error::Unavailable { code: Code::Unavailable, detail: "The server is going away" });
        }
        // A long-lived secret never stands in a URL, not even one that would hold.
        if ["token", "access_token", "api_key"].into_iter().any(|name| find(name).is_some()) {
            return Err(Error::unauthenticated("Send the token in the Authorization header, or a ticket"));
        }
        let account = match (bearer(parts)?, find("ticket")) {
            (Some(token), _) => authenticate(app, token, Hurry::InTurn).await?,
            (None, Some(ticket)) => redeem(app, ticket).await?,
            (None, None) => return Err(Error::unauthenticated("Not authenticated")),
        };
        let since = cursor(parts, find("since"))?;
        Ok(Self { account, since })
    }
}

/// The rights of a ticket; the login behind it may have ended since it was made.
async fn redeem(app: &App, ticket: &str) -> Result<Account> {
    let refused = || Error::unauthenticated("The ticket is unknown, used or expired");
    let account = tickets::redeem(app, ticket).await.ok_or_else(refused)?;
    match app.standings.of(account.login, account.id, Hurry::InTurn).await? {
        Some(standing) if standing.is_active && !standing.is_revoked && account.expires_at > app.now() => Ok(account),
        _ => Err(refused()),
    }
}

/// `Last-Event-ID` wins over `since` (settled 3); what does not parse is refused (settled 2).
fn cursor(parts: &Parts, since: Option<&str>) -> Result<Option<Cursor>> {
    let header = parts.headers.get("last-event-id").map(|value| value.to_str().unwrap_or_default());
    let header = header.filter(|text| !text.is_empty());
    let (place, name, text) = match (header, since) {
        (Some(text), _) => ("header", "last-event-id", text),
        (None, Some(text)) => ("query", "since", text),
        (None, None) => return Ok(None),
    };
    text.parse().map(Some).map_err(|_| {
        let msg = "Should be a cursor of the form <epoch>-<seq>".to_owned();
        Error::invalid(Issue { loc: vec![place.into(), name.into()], msg, kind: "value_error" })
    })
}

impl OperationInput for Visitor {
    fn operation_input(ctx: &mut GenContext, operation: &mut Operation) {
        let schema = ctx.schema.subschema_for::<DoorQuery>();
        let params = parameters_from_schema(ctx, schema, ParamLocation::Query);
        add_parameters(ctx, operation, params);
        operation.security.push([("bearer".to_owned(), Vec::new())].into_iter().collect());
    }
}
