//! What every place for files does, in its own words.

use std::fmt::Debug;
use std::ops::Range;
use std::time::SystemTime;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use consilium_storage::files::Object;
use futures_util::future::BoxFuture;

use crate::error::{Code, Error};

/// Why the store did not do it. It names no object: a key may carry what a patient called a file.
#[derive(Debug, thiserror::Error)]
#[error("file store: {what}")]
pub struct StoreError {
    what: String,
    /// Whether a store that is well does not let us.
    pub(super) is_refusal: bool,
}

impl StoreError {
    pub(super) fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), is_refusal: false }
    }

    pub(super) fn refusal(what: impl Into<String>) -> Self {
        Self { what: what.into(), is_refusal: true }
    }
}

impl From<std::io::Error> for StoreError {
    fn from(error: std::io::Error) -> Self {
        Self::new(error.kind().to_string())
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        tracing::warn!(%error, "the file store refuses");
        Self::Unavailable { code: Code::StorageUnavailable, detail: "The file store cannot be reached" }
    }
}

/// What a store answers.
pub type Answer<'a, T> = BoxFuture<'a, Result<T, StoreError>>;

/// What may be sent to an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// Until when, in whole seconds.
    pub expires_at: DateTime<Utc>,
    /// As what.
    pub content_type: String,
    /// At most so many bytes, where the store can be told.
    pub size: u64,
}

/// How a file is shown to whoever fetches it.
#[derive(Clone, PartialEq, Eq)]
pub struct Download {
    /// Until when, in whole seconds.
    pub expires_at: DateTime<Utc>,
    /// As what.
    pub content_type: String,
    /// Under which name.
    pub filename: String,
    /// Whether a browser may show it in place.
    pub is_inline: bool,
}

// What patients call their files never reaches a log.
impl Debug for Download {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Download").field("content_type", &self.content_type).finish_non_exhaustive()
    }
}

/// Where an object stands, in the words of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Azure's container, S3's bucket, a folder.
    pub container: String,
    /// The name in it.
    pub name: String,
}

/// An object that is being written. It exists when [`Sink::finish`] has succeeded, and not before.
pub trait Sink: Send {
    /// Takes the next bytes.
    fn write(&mut self, bytes: Bytes) -> Answer<'_, ()>;
    /// All bytes were written: now it exists.
    fn finish(self: Box<Self>) -> Answer<'static, ()>;
    /// It shall not exist.
    fn abort(self: Box<Self>) -> Answer<'static, ()>;
}

/// A place for files.
pub trait Store: Debug + Send + Sync {
    /// Where an object stands.
    fn place(&self, object: &Object) -> Place;
    /// The headers that an upload of this type should carry.
    fn upload_headers(&self, content_type: &str) -> Vec<(&'static str, String)>;
    /// An address that takes a PUT.
    fn upload_link<'a>(&'a self, object: &'a Object, upload: &'a Upload, now: DateTime<Utc>) -> Answer<'a, String>;
    /// An address that answers a GET.
    fn download_link<'a>(&'a self, object: &'a Object, shown: &'a Download, now: DateTime<Utc>) -> Answer<'a, String>;
    /// Begins to write an object.
    fn write<'a>(&'a self, object: &'a Object, content_type: &'a str) -> Answer<'a, Box<dyn Sink>>;
    /// How many bytes an object has; none where there is none.
    fn size<'a>(&'a self, object: &'a Object) -> Answer<'a, Option<u64>>;
    /// Some bytes of an object, fewer at its end; none where there is none.
    fn read<'a>(&'a self, object: &'a Object, range: Range<u64>) -> Answer<'a, Option<Bytes>>;
    /// Gives an object another name within its area, under which nobody has an address to write to. False where there is
    /// none. The first name may stay.
    fn promote<'a>(&'a self, from: &'a Object, to: &'a Object) -> Answer<'a, bool>;
    /// Removes an object; one that is gone already is fine.
    fn remove<'a>(&'a self, object: &'a Object) -> Answer<'a, ()>;
    /// Whether files can be kept now.
    fn check(&self) -> Answer<'_, ()>;
    /// Forgets what was begun before this time and never finished, where the store does not do so itself.
    fn sweep(&self, before: SystemTime) -> Answer<'_, ()>;
}
