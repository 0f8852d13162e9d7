//! Answers: a view with its status, and that status and shape in the OpenAPI document.

use std::marker::PhantomData;

use aide::OperationOutput;
use aide::generate::GenContext;
use aide::openapi::{MediaType, Operation, Response as ApiResponse, SchemaObject, StatusCode as ApiStatus};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;

use crate::error::Error;

/// 200 with a view.
#[derive(Debug)]
pub struct Answer<T>(pub T);

/// 201 with the new thing's view.
#[derive(Debug)]
pub struct Created<T>(pub T);

/// 202: taken on.
#[derive(Debug)]
pub struct Accepted<T>(pub T);

/// 204.
#[derive(Debug)]
pub struct NoContent;

/// 201 for a new thing, 200 for the stored one of a repeat (connect-v2 §1.4).
#[derive(Debug)]
pub struct Stored<T> {
    /// Whether it is new.
    pub created: bool,
    /// The view.
    pub view: T,
}

/// 201 with the new thing's view, or the stored answer of a repeat with its `Idempotency-Key`.
#[derive(Debug)]
pub struct CreatedOrAgain<T>(Response, PhantomData<fn() -> T>);

impl<T> CreatedOrAgain<T> {
    /// The stored answer.
    #[must_use]
    pub const fn again(stored: Response) -> Self {
        Self(stored, PhantomData)
    }
}

impl<T: Serialize> CreatedOrAgain<T> {
    /// 201.
    #[must_use]
    pub fn created(view: &T) -> Self {
        Self(json(StatusCode::CREATED, view), PhantomData)
    }
}

impl<T> IntoResponse for CreatedOrAgain<T> {
    fn into_response(self) -> Response {
        self.0
    }
}

/// A view as JSON; a view that cannot be written is our bug.
pub fn json<T: Serialize>(status: StatusCode, view: &T) -> Response {
    match serde_json::to_vec(view) {
        Ok(body) => (status, [(CONTENT_TYPE, HeaderValue::from_static("application/json"))], body).into_response(),
        Err(error) => Error::internal(error).into_response(),
    }
}

impl<T: Serialize> IntoResponse for Answer<T> {
    fn into_response(self) -> Response {
        json(StatusCode::OK, &self.0)
    }
}

impl<T: Serialize> IntoResponse for Created<T> {
    fn into_response(self) -> Response {
        json(StatusCode::CREATED, &self.0)
    }
}

impl<T: Serialize> IntoResponse for Accepted<T> {
    fn into_response(self) -> Response {
        json(StatusCode::ACCEPTED, &self.0)
    }
}

impl IntoResponse for NoContent {
    fn into_response(self) -> Response {
        StatusCode::NO_CONTENT.into_response()
    }
}

impl<T: Serialize> IntoResponse for Stored<T> {
    fn into_response(self) -> Response {
        json(if self.created { StatusCode::CREATED } else { StatusCode::OK }, &self.view)
    }
}

/// A JSON answer of this shape, for the document.
pub fn documented<T: JsonSchema>(ctx: &mut GenContext, description: &str) -> ApiResponse {
    let json_schema = ctx.schema.subschema_for::<T>();
    let media = MediaType {
        schema: Some(SchemaObject { json_schema, example: None, external_docs: None }),
        ..MediaType::default()
    };
    ApiResponse {
        description: description.to_owned(),
        content: [("application/json".to_owned(), media)].into_iter().collect(),
        ..ApiResponse::default()
    }
}

type Responses = Vec<(Option<ApiStatus>, ApiResponse)>;

impl<T: JsonSchema> OperationOutput for Answer<T> {
    type Inner = T;

    fn inferred_responses(ctx: &mut GenContext, _operation: &mut Operation) -> Responses {
        vec![(Some(ApiStatus::Code(200)), documented::<T>(ctx, "OK"))]
    }
}

impl<T: JsonSchema> OperationOutput for Created<T> {
    type Inner = T;

    fn inferred_responses(ctx: &mut GenContext, _operation: &mut Operation) -> Responses {
        vec![(Some(ApiStatus::Code(201)), documented::<T>(ctx, "Created"))]
    }
}

impl<T: JsonSchema> OperationOutput for CreatedOrAgain<T> {
    type Inner = T;

    fn inferred_responses(ctx: &mut GenContext, operation: &mut Operation) -> Responses {
        Created::<T>::inferred_responses(ctx, operation)
    }
}

impl<T: JsonSchema> OperationOutput for Accepted<T> {
    type Inner = T;

    fn inferred_responses(ctx: &mut GenContext, _operation: &mut Operation) -> Responses {
        vec![(Some(ApiStatus::Code(202)), documented::<T>(ctx, "Accepted"))]
    }
}

impl OperationOutput for NoContent {
    type Inner = ();

    fn inferred_responses(_ctx: &mut GenContext, _operation: &mut Operation) -> Responses {
        let response = ApiResponse { description: "No content".to_owned(), ..ApiResponse::default() };
        vec![(Some(ApiStatus::Code(204)), response)]
    }
}

impl<T: JsonSchema> OperationOutput for Stored<T> {
    type Inner = T;

    fn inferred_responses(ctx: &mut GenContext, _operation: &mut Operation) -> Responses {
        vec![
            (Some(ApiStatus::Code(201)), documented::<T>(ctx, "New")),
            (Some(ApiStatus::Code(200)), documented::<T>(ctx, "Stored before")),
        ]
    }
}
