//! The optional `Idempotency-Key` header (connect-v2 §1.4): same key and body, the same answer for 24 h.

use std::marker::PhantomData;

use aide::OperationOutput;
use aide::generate::GenContext;
use aide::openapi::{Operation, Parameter, ParameterData, ParameterSchemaOrContent, SchemaObject};
use aide::operation::{OperationInput, add_parameters};
use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use consilium_storage::idempotency::{self, Claim, Key};
use consilium_storage::ids::UserId;
use consilium_storage::tx::Tx;
use schemars::JsonSchema;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::input::WrongHeader;
use super::reply::{Created, json};
use crate::app::App;
use crate::error::{Code, Error, Issue, Result};

/// The header, where it was sent. Handlers take it before an `Input` or a `FormInput`, which refuses a wrong one.
#[derive(Debug, Clone)]
pub struct IdempotencyKey(Option<String>);

impl FromRequestParts<App> for IdempotencyKey {
    type Rejection = Error;

    /// A key that is none is left for the extractor of the input, which comes last and tells all failures together.
    async fn from_request_parts(parts: &mut Parts, _app: &App) -> Result<Self> {
        let Some(header) = parts.headers.get("idempotency-key") else { return Ok(Self(None)) };
        let key = header.to_str().ok().filter(|key| (1..=128).contains(&key.len())).map(str::to_owned);
        if key.is_none() {
            parts.extensions.insert(WrongHeader(Issue {
                loc: vec!["header".into(), "idempotency-key".into()],
                msg: "Idempotency-Key should have 1 to 128 printable characters".to_owned(),
                kind: "value_error",
            }));
        }
        Ok(Self(key))
    }
}

/// What a key leads to.
pub enum Start {
    /// The first answer, again.
    Again(Response),
    /// Go on; store the answer with [`finish`].
    Go(Option<Key>),
}

/// 201 with the new thing's view, or the stored answer of a repeat.
pub struct CreatedOnce<T>(Response, PhantomData<fn() -> T>);

impl<T: Serialize> CreatedOnce<T> {
    /// The new thing.
    #[must_use]
    pub fn new(view: &T) -> Self {
        Self(json(StatusCode::CREATED, view), PhantomData)
    }

    /// What was answered before.
    #[must_use]
    pub const fn again(stored: Response) -> Self {
        Self(stored, PhantomData)
    }
}

impl<T> IntoResponse for CreatedOnce<T> {
    fn into_response(self) -> Response {
        self.0
    }
}

impl<T: JsonSchema> OperationOutput for CreatedOnce<T> {
    type Inner = T;

    fn inferred_responses(
        ctx: &mut GenContext,
        operation: &mut Operation,
    ) -> Vec<(Option<aide::openapi::StatusCode>, aide::openapi::Response)> {
        Created::<T>::inferred_responses(ctx, operation)
    }
}

impl IdempotencyKey {
    /// Whether the caller gave one: then the request may be a repeat.
    #[must_use]
    pub const fn is_given(&self) -> bool {
        self.0.is_some()
    }

    /// Claims the key within the creation's own transaction. `body` is all that makes a request another one: where the
    /// path names something, that too.
    ///
    /// # Errors
    /// 409 `IDEMPOTENCY_MISMATCH` when the key was used with another body.
    pub async fn start(
        self,
        tx: &mut Tx,
        account: UserId,
        endpoint: &'static str,
        body: &impl Serialize,
    ) -> Result<Start> {
        let Some(key) = self.0 else { return Ok(Start::Go(None)) };
        let body = serde_json::to_vec(body).map_err(Error::internal)?;
        let key = Key { account_id: account, endpoint, key, fingerprint: Sha256::digest(body).to_vec() };
        let now = tx.now();
        match idempotency::claim(tx.conn(), &key, now).await? {
            Claim::Fresh => Ok(Start::Go(Some(key))),
            Claim::Answered { status, body } => {
                let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
                Ok(Start::Again(json(status, &body)))
            }
            Claim::Mismatch => {
                Err(Error::conflict(Code::IdempotencyMismatch, "This Idempotency-Key was used with another body"))
            }
        }
    }
}

/// Stores the answer under the claimed key, in the same transaction.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn finish(tx: &mut Tx, key: Option<&Key>, status: StatusCode, view: &impl Serialize) -> Result<()> {
    if let Some(key) = key {
        let body = serde_json::to_value(view).map_err(Error::internal)?;
        idempotency::store(tx.conn(), key, status.as_u16(), &body).await?;
    }
    Ok(())
}

impl OperationInput for IdempotencyKey {
    fn operation_input(ctx: &mut GenContext, operation: &mut Operation) {
        let json_schema = ctx.schema.subschema_for::<String>();
        let parameter_data = ParameterData {
            name: "Idempotency-Key".to_owned(),
            description: Some("Same key and same body within 24 h: the stored answer again".to_owned()),
            required: false,
            deprecated: None,
            format: ParameterSchemaOrContent::Schema(SchemaObject { json_schema, example: None, external_docs: None }),
            example: None,
            examples: Default::default(),
            explode: None,
            extensions: Default::default(),
        };
        let style = aide::openapi::HeaderStyle::Simple;
        add_parameters(ctx, operation, [Parameter::Header { parameter_data, style }]);
    }
}
