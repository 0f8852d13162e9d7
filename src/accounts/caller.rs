//! Who calls: extractors whose type is the permission (HOUSE §4). A handler that takes `Caller<Doctor>` answers 401
//! without a good token and 403 `WRONG_ROLE` with another role's.

use std::marker::PhantomData;
use std::ops::Deref;

use aide::generate::GenContext;
use aide::openapi::Operation;
use aide::operation::OperationInput;
use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use chrono::{DateTime, Utc};
use consilium_realtime::batcher::Hurry;
use consilium_storage::accounts::Role;
use consilium_storage::audit::{self, Entry};
use consilium_storage::connect::Party;
use consilium_storage::ids::{LoginId, SessionId, UserId};
use consilium_storage::tx::Tx;

use crate::app::App;
use crate::error::{Code, Error, Result};

/// The signed-in account behind a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Account {
    /// Whose.
    pub id: UserId,
    /// As what.
    pub role: Role,
    /// By which sign-in.
    pub login: LoginId,
    /// Until when its access token holds.
    pub expires_at: DateTime<Utc>,
}

/// Which roles an endpoint serves.
pub trait Roles: Send + Sync + 'static {
    /// The roles.
    const SERVED: &'static [Role];
    /// Whether its callers wait; those on the way to a door of the inbox need not be first in a storm.
    const HURRY: Hurry = Hurry::Now;
}

/// Patients.
#[derive(Debug, Clone, Copy)]
pub struct Client;
/// Doctors.
#[derive(Debug, Clone, Copy)]
pub struct Doctor;
/// Admins.
#[derive(Debug, Clone, Copy)]
pub struct Admin;
/// Patients and doctors: those who can take part in a consultation.
#[derive(Debug, Clone, Copy)]
pub struct Participant;
/// Everybody who is signed in.
#[derive(Debug, Clone, Copy)]
pub struct Anyone;
/// Everybody who is signed in, on the way to a door of the inbox.
#[derive(Debug, Clone, Copy)]
pub struct Arriving;

impl Roles for Client {
    const SERVED: &'static [Role] = &[Role::Client];
}
impl Roles for Doctor {
    const SERVED: &'static [Role] = &[Role::Doctor];
}
impl Roles for Admin {
    const SERVED: &'static [Role] = &[Role::Admin];
}
impl Roles for Participant {
    const SERVED: &'static [Role] = &[Role::Client, Role::Doctor];
}
impl Roles for Anyone {
    const SERVED: &'static [Role] = &[Role::Client, Role::Doctor, Role::Admin, Role::Member];
}

impl Roles for Arriving {
    const SERVED: &'static [Role] = Anyone::SERVED;
    const HURRY: Hurry = Hurry::InTurn;
}

/// A caller of one of these roles.
#[derive(Debug, Clone, Copy)]
pub struct Caller<R: Roles>(Account, PhantomData<R>);

impl<R: Roles> Deref for Caller<R> {
    type Target = Account;

    fn deref(&self) -> &Account {
        &self.0
    }
}

impl Account {
    /// Leaves an audit row for what the account did with a patient's data, in the caller's transaction.
    ///
    /// # Errors
    /// When Postgres cannot be asked; the transaction fails with it.
    pub async fn note(&self, tx: &mut Tx, action: &str, subject: UserId, session: Option<SessionId>) -> Result<()> {
        let role = self.role.as_str();
        let entry = Entry { at: tx.now(), actor: Some(self.id), role, action, subject: Some(subject), session };
        Ok(audit::append(tx.conn(), entry).await?)
    }

    /// Leaves an audit row for each patient of whom the account read something in a list; none where it was empty.
    ///
    /// # Errors
    /// When Postgres cannot be asked; the transaction fails with it.
    pub async fn note_each(&self, tx: &mut Tx, action: &str, mut subjects: Vec<UserId>) -> Result<()> {
        if subjects.is_empty() {
            return Ok(());
        }
        subjects.sort_unstable();
        subjects.dedup();
        let role = self.role.as_str();
        let entry = Entry { at: tx.now(), actor: Some(self.id), role, action, subject: None, session: None };
        Ok(audit::append_for_each(tx.conn(), entry, &subjects).await?)
    }

    /// Leaves an audit row for what the account did that is nobody's data.
    ///
    /// # Errors
    /// When Postgres cannot be asked; the transaction fails with it.
    pub async fn note_act(&self, tx: &mut Tx, action: &str) -> Result<()> {
        let role = self.role.as_str();
        let entry = Entry { at: tx.now(), actor: Some(self.id), role, action, subject: None, session: None };
        Ok(audit::append(tx.conn(), entry).await?)
    }

    /// Which party of a consultation the account can be.
    #[must_use]
    pub const fn party(&self) -> Option<Party> {
        match self.role {
            Role::Client => Some(Party::Client),
            Role::Doctor => Some(Party::Doctor),
            Role::Admin | Role::Member => None,
        }
    }
}

/// Nobody, or somebody: a token is not needed, but one that is sent must hold.
#[derive(Debug, Clone, Copy)]
pub struct Visitor(pub Option<Account>);

impl Visitor {
    /// The visitor as a patient.
    #[must_use]
    pub fn client(&self) -> Option<Account> {
        self.0.filter(|account| account.role == Role::Client)
    }
}

impl<R: Roles> FromRequestParts<App> for Caller<R> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        let token = bearer(parts)?.ok_or(Error::unauthenticated("Not authenticated"))?;
        let account = authenticate(app, token, R::HURRY).await?;
        require::<R>(&account)?;
        Ok(Self(account, PhantomData))
    }
}

impl FromRequestParts<App> for Visitor {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self> {
        match bearer(parts)? {
            Some(token) => Ok(Self(Some(authenticate(app, token, Hurry::Now).await?))),
            None => Ok(Self(None)),
        }
    }
}

/// Refuses roles that the endpoint does not serve.
///
/// # Errors
/// 403 `WRONG_ROLE`.
pub fn require<R: Roles>(account: &Account) -> Result<()> {
    if R::SERVED.contains(&account.role) {
        Ok(())
    } else {
        Err(Error::Forbidden { code: Code::WrongRole, detail: "This endpoint does not serve your role" })
    }
}

/// The bearer token of the request, if it carries one.
///
/// # Errors
/// 401 for an `Authorization` that is no bearer token.
pub fn bearer(parts: &Parts) -> Result<Option<&str>> {
    let Some(header) = parts.headers.get(AUTHORIZATION) else { return Ok(None) };
    let token = header.to_str().ok().and_then(|text| {
        let (scheme, token) = text.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
    });
    token.map(Some).ok_or(Error::unauthenticated("Not authenticated"))
}

/// The account behind an access token: signed, alive, not revoked, switched on. A doctor's call is a sign of life.
///
/// # Errors
/// 401, or 403 `ACCOUNT_DISABLED` (settled 15).
pub async fn authenticate(app: &App, token: &str, hurry: Hurry) -> Result<Account> {
    let now = app.now();
    let refused = || Error::unauthenticated("Could not validate credentials");
    let claims = app.tokens.verify(token, now).ok_or_else(refused)?;
    let standing = app.standings.of(claims.sid, claims.sub, hurry).await?.ok_or_else(refused)?;
    if !standing.is_active {
        return Err(Error::Forbidden { code: Code::AccountDisabled, detail: "This account is switched off" });
    }
    if standing.is_revoked || standing.role != claims.role {
        return Err(refused());
    }
    if claims.role == Role::Doctor {
        app.engine.note(app.engine.presence().seen(claims.sub, now));
    }
    let expires_at = DateTime::from_timestamp(claims.exp, 0).unwrap_or(now);
    Ok(Account { id: claims.sub, role: claims.role, login: claims.sid, expires_at })
}

impl<R: Roles> OperationInput for Caller<R> {
    fn operation_input(_ctx: &mut GenContext, operation: &mut Operation) {
        operation.security.push([("bearer".to_owned(), Vec::new())].into_iter().collect());
    }
}

impl OperationInput for Visitor {
    fn operation_input(_ctx: &mut GenContext, operation: &mut Operation) {
        operation.security.push(std::iter::empty::<(String, Vec<String>)>().collect());
        operation.security.push([("bearer".to_owned(), Vec::new())].into_iter().collect());
    }
}
