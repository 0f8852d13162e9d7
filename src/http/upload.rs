//! One picture in a multipart body (connect-v2 10, 33): its type is told by its bytes.

use aide::generate::GenContext;
use aide::openapi::Operation;
use aide::operation::{OperationInput, set_body};
use axum::extract::{FromRequest, Request};
use axum::http::header::CONTENT_TYPE;
use bytes::Bytes;
use multer::Multipart;

use super::form::{boundary, form_body};
use super::input::collect_body;
use crate::app::App;
use crate::error::{Code, Error, Issue, Result};
use crate::gateways::files::kinds::{self, Kind};

/// The largest picture.
pub const PICTURE_LIMIT: usize = 2 * 1024 * 1024;

/// What a form may add around the picture.
const FORM_ROOM: usize = 64 * 1024;

/// The picture in the field `file`.
#[derive(Debug)]
pub struct Picture {
    /// All of it.
    pub bytes: Bytes,
    /// JPEG, PNG or WebP, by its bytes.
    pub kind: Kind,
}

impl FromRequest<App> for Picture {
    type Rejection = Error;

    async fn from_request(request: Request, _app: &App) -> Result<Self> {
        let (parts, body) = request.into_parts();
        let kind = parts.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let boundary = boundary(kind).map_err(Error::invalid)?;
        let whole = match collect_body(body, PICTURE_LIMIT + FORM_ROOM).await {
            Err(error) if error.code() == Some(Code::BodyTooLarge) => return Err(too_large()),
            other => other?,
        };
        let bytes = find_file(whole, boundary).await?;
        if bytes.len() > PICTURE_LIMIT {
            return Err(too_large());
        }
        let kind = kinds::tell(kinds::PICTURES, &bytes).ok_or_else(|| Error::Rule {
            code: Code::UnsupportedFileType,
            detail: "The file should be a JPEG, PNG or WebP picture".to_owned(),
        })?;
        Ok(Self { bytes, kind })
    }
}

async fn find_file(whole: Bytes, boundary: String) -> Result<Bytes> {
    let broken = |_| Error::invalid(Issue::body("file", "value_error", "The form cannot be read"));
    let stream = futures_util::stream::once(async move { Ok::<_, std::io::Error>(whole) });
    let mut form = Multipart::new(stream, boundary);
    while let Some(field) = form.next_field().await.map_err(broken)? {
        if field.name() == Some("file") {
            return field.bytes().await.map_err(broken);
        }
    }
    Err(Error::invalid(Issue::body("file", "missing", "Field required")))
}

fn too_large() -> Error {
    Error::Rule { code: Code::FileTooLarge, detail: format!("The file is larger than {PICTURE_LIMIT} bytes") }
}

impl OperationInput for Picture {
    fn operation_input(ctx: &mut GenContext, operation: &mut Operation) {
        let json_schema = schemars::json_schema!({
            "type": "object",
            "properties": {"file": {
                "type": "string",
                "contentMediaType": "application/octet-stream",
                "description": "JPEG, PNG or WebP, at most 2 MB",
            }},
            "required": ["file"],
        });
        set_body(ctx, operation, form_body(json_schema));
    }
}
