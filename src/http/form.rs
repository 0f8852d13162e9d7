//! Forms that carry a file of any size: it is passed on as it comes, never gathered (connect-v2 104, 106).

use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use aide::generate::GenContext;
use aide::openapi::{MediaType, Operation, RequestBody, SchemaObject};
use aide::operation::{OperationInput, ParamLocation, add_parameters, parameters_from_schema, set_body};
use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, RawPathParams, Request};
use axum::http::header::CONTENT_TYPE;
use bytes::Bytes;
use futures_util::{Stream, StreamExt, ready, stream};
use multer::{Constraints, Field, Multipart, SizeLimit};
use sha2::{Digest, Sha256};

use super::input::{Part, WrongHeader, body_chunk, read_texts};
use crate::app::App;
use crate::error::{Error, Issue, Result};

/// The largest form: a recording, and what stands around it.
const LARGEST: u64 = 520 * 1024 * 1024;

/// The longest text in a field that is no file.
const LONGEST_TEXT: usize = 1024;

/// How many fields may come that are no file.
const MOST_TEXTS: usize = 16;

/// How much may come without anything of it being delivered: the parser holds it until it sees a boundary.
const MOST_LOOSE: usize = 2 * 1024 * 1024;

/// How long what is not wanted is still read, so that its sender gets to read the answer.
const DRAIN_FOR: Duration = Duration::from_secs(10);

/// What a form is made of, for the document.
pub trait Fields: Send + 'static {
    /// Its schema.
    fn schema() -> schemars::Schema;
}

/// A form with a file, and the parameters of its path.
pub struct FormInput<P, F> {
    /// The path's parameters.
    pub path: P,
    /// The form, not read yet.
    pub form: Form,
    fields: PhantomData<F>,
}

impl<P: Part, F: Fields> FromRequest<App> for FormInput<P, F> {
    type Rejection = Error;

    async fn from_request(request: Request, app: &App) -> Result<Self> {
        let (mut parts, body) = request.into_parts();
        let mut issues = WrongHeader::take(&mut parts);
        let path = RawPathParams::from_request_parts(&mut parts, app)
            .await
            .map(|params| params.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
            .unwrap_or_default();
        let path = read_texts::<P>("path", path, &mut issues)?;
        let kind = parts.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let boundary = boundary(kind).map_err(|issue| issues.push(issue)).ok();
        match (path, boundary) {
            (Some(path), Some(boundary)) if issues.is_empty() => {
                Ok(Self { path, form: Form::new(body, boundary), fields: PhantomData })
            }
            _ => Err(Error::Invalid(issues)),
        }
    }
}

/// The boundary of a form.
///
/// # Errors
/// What is wrong with the header.
pub(super) fn boundary(content_type: &str) -> Result<String, Issue> {
    multer::parse_boundary(content_type).map_err(|_| Issue {
        loc: vec!["header".into(), "content-type".into()],
        msg: "Content-Type should be multipart/form-data with a boundary".to_owned(),
        kind: "value_error",
    })
}

/// A form as it comes.
pub struct Form {
    parts: Multipart<'static>,
    flow: Arc<Flow>,
    texts: usize,
}

/// What is between the body and the parser.
#[derive(Default)]
struct Flow {
    /// What came since something was delivered last.
    loose: AtomicUsize,
    /// Whether nobody wants the rest.
    is_over: AtomicBool,
}

impl Flow {
    fn delivered(&self) {
        self.loose.store(0, Ordering::Relaxed);
    }

    /// Lets a chunk through, or as much as nothing of it when nobody wants it.
    fn pass(&self, chunk: Bytes) -> Result<Bytes> {
        if self.is_over.load(Ordering::Relaxed) {
            return Ok(Bytes::new());
        }
        let before = self.loose.fetch_add(chunk.len(), Ordering::Relaxed);
        if before.saturating_add(chunk.len()) > MOST_LOOSE { Err(unreadable()) } else { Ok(chunk) }
    }
}

/// The next field of a form.
pub enum Entry {
    /// A short text.
    Text(String, String),
    /// The field `file`.
    File(Box<FilePart>),
    /// There is none.
    End,
}

impl Form {
    fn new(body: Body, boundary: String) -> Self {
        let limits = Constraints::new().size_limit(SizeLimit::new().whole_stream(LARGEST));
        let flow = Arc::<Flow>::default();
        let parts = Multipart::with_constraints(paced(body, Arc::clone(&flow)), boundary, limits);
        Self { parts, flow, texts: 0 }
    }

    /// The next field.
    ///
    /// # Errors
    /// 422 when the form cannot be read, or has too many fields.
    pub async fn next(&mut self) -> Result<Entry> {
        let Some(mut field) = self.parts.next_field().await.map_err(broken)? else { return Ok(Entry::End) };
        self.flow.delivered();
        let name = field.name().unwrap_or_default().to_owned();
        if name == "file" {
            return Ok(Entry::File(Box::new(FilePart::of(field, Arc::clone(&self.flow)))));
        }
        self.texts += 1;
        if self.texts > MOST_TEXTS {
            return Err(Error::invalid(Issue::body(
                "file",
                "value_error",
                "There are too many fields before the file",
            )));
        }
        let mut text = Vec::new();
        while let Some(chunk) = field.chunk().await.map_err(broken)? {
            if text.len() + chunk.len() > LONGEST_TEXT {
                let msg = format!("Should have at most {LONGEST_TEXT} bytes");
                return Err(Error::invalid(Issue::body(&name, "string_too_long", msg)));
            }
            self.flow.delivered();
            text.extend_from_slice(&chunk);
        }
        let text = String::from_utf8(text);
        let text = text.map_err(|_| Error::invalid(Issue::body(&name, "value_error", "Should be UTF-8")))?;
        Ok(Entry::Text(name, text))
    }

    /// Reads on for a while without looking: the answer is a refusal, and its reader is still writing.
    pub async fn drain(mut self) {
        self.flow.is_over.store(true, Ordering::Relaxed);
        let rest = async { while let Ok(Some(_)) = self.parts.next_field().await {} };
        tokio::time::timeout(DRAIN_FOR, rest).await.ok();
    }
}

/// The file in a form.
pub struct FilePart {
    field: Field<'static>,
    flow: Arc<Flow>,
    /// What came already.
    ahead: Option<Bytes>,
    /// As its sender calls it.
    pub filename: String,
    /// As its sender says, if so.
    pub content_type: Option<String>,
}

impl FilePart {
    fn of(field: Field<'static>, flow: Arc<Flow>) -> Self {
        let filename = field.file_name().unwrap_or_default().to_owned();
        let content_type = field.content_type().map(ToString::to_string);
        Self { field, flow, ahead: None, filename, content_type }
    }

    async fn chunk(&mut self) -> Result<Option<Bytes>> {
        let chunk = self.field.chunk().await.map_err(broken)?;
        self.flow.delivered();
        Ok(chunk)
    }

    /// Its first bytes, which are passed on all the same.
    ///
    /// # Errors
    /// 422 when the form breaks off.
    pub async fn peek(&mut self) -> Result<&[u8]> {
        if self.ahead.is_none() {
            self.ahead = self.chunk().await?;
        }
        Ok(self.ahead.as_deref().unwrap_or_default())
    }

    /// Its bytes.
    #[must_use]
    pub fn pass(&mut self) -> Passing<'_> {
        Passing { file: self, size: 0, hash: Sha256::new() }
    }
}

/// A file on its way, counted and hashed.
pub struct Passing<'a> {
    file: &'a mut FilePart,
    size: i64,
    hash: Sha256,
}

impl Passing<'_> {
    /// The next bytes; none at the end.
    ///
    /// # Errors
    /// 422 when the form breaks off.
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        let chunk = match self.file.ahead.take() {
            Some(chunk) => Some(chunk),
            None => self.file.chunk().await?,
        };
        let Some(chunk) = chunk else { return Ok(None) };
        self.size = self.size.saturating_add(i64::try_from(chunk.len()).unwrap_or(i64::MAX));
        self.hash.update(&chunk);
        Ok(Some(chunk))
    }

    /// How many bytes have passed.
    #[must_use]
    pub const fn size(&self) -> i64 {
        self.size
    }

    /// The hash of what has passed.
    #[must_use]
    pub fn hash(self) -> [u8; 32] {
        self.hash.finalize().into()
    }
}

fn broken(_: multer::Error) -> Error {
    unreadable()
}

fn unreadable() -> Error {
    Error::invalid(Issue::body("file", "value_error", "The form cannot be read"))
}

/// The parser reads on as long as there is something to read, into memory. So this one rests after each chunk, and ends
/// when too much of it is only held.
fn paced(body: Body, flow: Arc<Flow>) -> impl Stream<Item = Result<Bytes, Error>> {
    let chunks = stream::try_unfold(body, |mut body| async move {
        let chunk = body_chunk(&mut body).await?;
        Ok::<_, Error>(chunk.map(|chunk| (chunk, body)))
    });
    let mut chunks = Box::pin(chunks);
    let mut has_rested = true;
    stream::poll_fn(move |cx| {
        if !has_rested {
            has_rested = true;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let next = ready!(chunks.poll_next_unpin(cx));
        has_rested = false;
        Poll::Ready(next.map(|chunk| chunk.and_then(|chunk| flow.pass(chunk))))
    })
}

impl<P: Part, F: Fields> OperationInput for FormInput<P, F> {
    fn operation_input(ctx: &mut GenContext, operation: &mut Operation) {
        let path = ctx.schema.subschema_for::<P>();
        let params = parameters_from_schema(ctx, path, ParamLocation::Path);
        add_parameters(ctx, operation, params);
        set_body(ctx, operation, form_body(F::schema()));
    }
}

/// A form in the document.
pub(super) fn form_body(json_schema: schemars::Schema) -> RequestBody {
    let media = MediaType {
        schema: Some(SchemaObject { json_schema, example: None, external_docs: None }),
        ..MediaType::default()
    };
    RequestBody {
        content: [("multipart/form-data".to_owned(), media)].into_iter().collect(),
        required: true,
        ..RequestBody::default()
    }
}
