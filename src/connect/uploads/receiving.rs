//! Bytes that come to the server itself (104, 106): written to the store as they pass, and looked at on the way.

use consilium_storage::connect::attachments::{Attachment, UploadMode};
use consilium_storage::files::Object;
use consilium_storage::states::Illegal;
use consilium_storage::states::upload;

use super::ops::{finish, kind_of, place};
use super::{keys, rules};
use crate::accounts::caller::Account;
use crate::app::App;
use crate::connect::stored;
use crate::error::Result;
use crate::gateways::files::Sink;
use crate::gateways::files::kinds::{Checker, Kind};
use crate::http::form::FilePart;

/// What came in a body, and where it stands now.
#[derive(Debug)]
pub struct Received {
    /// The object.
    pub object: Object,
    /// How large it is.
    pub size: i64,
    /// A hash of its bytes, for comparing requests.
    pub hash: [u8; 32],
}

/// Takes the bytes of an upload begun in DIRECT mode; they are UPLOADED at once (104).
///
/// # Errors
/// 409 `INVALID_UPLOAD_STATE`; 400 `SIZE_MISMATCH`, `UNSUPPORTED_FILE_TYPE`, after which the client may send again; 503.
pub async fn receive(app: &App, caller: &Account, found: Attachment, file: &mut FilePart) -> Result<Attachment> {
    require_receivable(&found)?;
    let kind = kind_of(&found)?;
    let place = place(app, &found);
    let received = store(app, &place, kind, Size::Declared(found.size_bytes), file).await?;
    finish(app, caller, &found, upload::Event::Receive, &received.object).await
}

/// Whether an upload waits for its bytes to be sent to the server.
///
/// # Errors
/// 409 `INVALID_UPLOAD_STATE`.
pub fn require_receivable(found: &Attachment) -> Result<()> {
    if found.upload_mode != UploadMode::Direct {
        return Err(rules::invalid_state("This upload was not begun in DIRECT mode"));
    }
    let step = upload::transition(found.status, upload::Event::Receive);
    step.map(drop).map_err(|Illegal| rules::invalid_state("The upload is complete or deleted"))
}

/// How large a body may be.
#[derive(Debug, Clone, Copy)]
pub enum Size {
    /// Exactly so many bytes.
    Declared(i64),
    /// At most so many.
    Limit(i64),
}

impl Size {
    const fn most(self) -> i64 {
        match self {
            Self::Declared(size) | Self::Limit(size) => size,
        }
    }

    /// Refuses what has ended, or gone on, at `found`.
    fn check(self, found: i64) -> Result<()> {
        match self {
            Self::Declared(size) if size != found => Err(rules::size_mismatch(size)),
            Self::Limit(limit) if found > limit => Err(rules::too_large(limit)),
            Self::Declared(_) | Self::Limit(_) => Ok(()),
        }
    }
}

/// Writes a file from a body to a new object, looking at it as it passes. It counts for nothing until it is kept.
///
/// # Errors
/// 400 `FILE_TOO_LARGE`, `SIZE_MISMATCH`, `UNSUPPORTED_FILE_TYPE`; 422 when the body breaks off; 503.
pub async fn store(
    app: &App,
    place: &keys::Place<'_>,
    kind: Kind,
    size: Size,
    file: &mut FilePart,
) -> Result<Received> {
    let object = Object::new(place.scope.area(), keys::stored(place, kind));
    stored::announce(app, &object).await?;
    let mut sink = app.files.write(&object, kind.content_type()).await?;
    match pass_on(app, &mut *sink, kind, size, file).await {
        Ok((size, hash)) => {
            app.files.finish(sink).await?;
            Ok(Received { object, size, hash })
        }
        Err(error) => {
            sink.abort().await.ok();
            Err(error)
        }
    }
}

/// Passes a body on to the store. Answers how large it was, and its hash.
async fn pass_on(
    app: &App,
    sink: &mut dyn Sink,
    kind: Kind,
    size: Size,
    file: &mut FilePart,
) -> Result<(i64, [u8; 32])> {
    let mut checker = Checker::new(kind);
    let mut passing = file.pass();
    while let Some(chunk) = passing.next().await? {
        if passing.size() > size.most() {
            break;
        }
        checker.feed(&chunk);
        app.files.pass(sink, chunk).await?;
    }
    size.check(passing.size())?;
    if !checker.is_of_kind() {
        return Err(rules::unsupported("The content is not of the declared type"));
    }
    Ok((passing.size(), passing.hash()))
}
