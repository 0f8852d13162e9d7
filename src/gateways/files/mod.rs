//! Files (DESIGN §6, docs/decisions/020): one gateway to local disk, Azure Blob Storage or S3.
//!
//! Clients send and fetch bytes by signed addresses that end; the server looks at what arrived before it counts. Keys
//! are made here, of plain letters, and never taken from a client.

mod azure;
mod cloud;
pub mod kinds;
pub mod links;
pub mod local;
pub mod names;
pub mod place;
mod s3;
mod store;

use std::fmt::Debug;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use consilium_storage::files::{Area, Object};
use tokio::time::{Instant, timeout};

use super::breaker::Breaker;
use kinds::Kind;
use links::LinkKeys;
use local::Local;
use place::FilesPlace;

pub use store::{Answer, Download, Place, Sink, Store, StoreError, Upload};

/// How long one call to the store may take; sending a file is bounded by its own progress.
const LIMIT: Duration = Duration::from_secs(20);

/// How long [`Files::check`] waits: whoever asks wants to know now.
const CHECK_LIMIT: Duration = Duration::from_secs(2);

/// How long the answer of [`Files::check`] holds, for whoever asks next.
const CHECKED_FOR: Duration = Duration::from_secs(5);

/// The largest avatar that is read.
const AVATAR: u64 = 4 * 1024 * 1024;

/// The file store. Cheap to clone; all clones share one breaker.
#[derive(Clone)]
pub struct Files(Arc<Inner>);

struct Inner {
    store: Box<dyn Store>,
    local: Option<Local>,
    breaker: Breaker,
    checked: Mutex<Option<(Instant, bool)>>,
}

impl Debug for Files {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Files").field(&self.0.store).finish()
    }
}

impl Files {
    /// Files where the settings say. Nothing is connected yet.
    ///
    /// # Errors
    /// When the settings lead nowhere.
    pub fn open(place: &FilesPlace, public_url: &str, keys: LinkKeys) -> Result<Self, StoreError> {
        match place {
            FilesPlace::Disk(root) => Ok(Self::local(root.clone(), public_url.to_owned(), keys)),
            FilesPlace::Azure(place) => Ok(Self::of(Box::new(azure::store(place.clone())?), None)),
            FilesPlace::S3(place) => Ok(Self::of(Box::new(s3::store(place.clone())?), None)),
        }
    }

    /// Files on local disk.
    #[must_use]
    pub fn local(root: PathBuf, public_url: String, keys: LinkKeys) -> Self {
        let local = Local::new(root, public_url, keys);
        Self::of(Box::new(local.clone()), Some(local))
    }

    fn of(store: Box<dyn Store>, local: Option<Local>) -> Self {
        let breaker = Breaker::new(5, Duration::from_secs(5));
        Self(Arc::new(Inner { store, local, breaker, checked: Mutex::default() }))
    }

    /// The local disk, where files are kept there: the door of signed addresses leads to it.
    #[must_use]
    pub fn disk(&self) -> Option<&Local> {
        self.0.local.as_ref()
    }

    /// Where an object stands, in the words of the store.
    #[must_use]
    pub fn place(&self, object: &Object) -> Place {
        self.0.store.place(object)
    }

    /// The headers that an upload of this type should carry.
    #[must_use]
    pub fn upload_headers(&self, content_type: &str) -> Vec<(&'static str, String)> {
        self.0.store.upload_headers(content_type)
    }

    /// An address that takes a PUT until it ends.
    ///
    /// # Errors
    /// When the store cannot be reached.
    pub async fn upload_link(
        &self,
        object: &Object,
        upload: &Upload,
        now: DateTime<Utc>,
    ) -> Result<String, StoreError> {
        if self.is_away() {
            return Err(turned_away());
        }
        counted("upload_link", in_time(LIMIT, self.0.store.upload_link(object, upload, now)).await)
    }

    /// An address that answers a GET until it ends.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub async fn download_link(
        &self,
        object: &Object,
        shown: &Download,
        now: DateTime<Utc>,
    ) -> Result<String, StoreError> {
        counted("download_link", in_time(LIMIT, self.0.store.download_link(object, shown, now)).await)
    }

    /// Begins to write an object, which exists when the sink is finished.
    ///
    /// # Errors
    /// When the store cannot be reached.
    pub async fn write(&self, object: &Object, content_type: &str) -> Result<Box<dyn Sink>, StoreError> {
        if !self.look_if_away().await {
            return Err(turned_away());
        }
        in_time(LIMIT, self.0.store.write(object, content_type)).await
    }

    /// Takes the next bytes of an object that is being written.
    ///
    /// # Errors
    /// When the store cannot be reached.
    pub async fn pass(&self, sink: &mut dyn Sink, bytes: Bytes) -> Result<(), StoreError> {
        sink.write(bytes).await.inspect_err(|error| self.learn_of(error))
    }

    /// All bytes were written: now the object exists.
    ///
    /// # Errors
    /// When the store cannot be reached.
    pub async fn finish(&self, sink: Box<dyn Sink>) -> Result<(), StoreError> {
        let done = in_time(LIMIT, sink.finish()).await;
        match &done {
            Ok(()) => self.learn(true),
            Err(error) => self.learn_of(error),
        }
        counted("write", done)
    }

    /// Writes an object that is in memory.
    ///
    /// # Errors
    /// When the store cannot be reached.
    pub async fn put(&self, object: &Object, content_type: &str, bytes: Bytes) -> Result<(), StoreError> {
        let work = async {
            let mut sink = self.0.store.write(object, content_type).await?;
            match sink.write(bytes).await {
                Ok(()) => sink.finish().await,
                Err(error) => sink.abort().await.and(Err(error)),
            }
        };
        self.call("put", Box::pin(work)).await
    }

    /// How many bytes an object has; none where there is none.
    ///
    /// # Errors
    /// When the store cannot be reached.
    pub async fn size(&self, object: &Object) -> Result<Option<u64>, StoreError> {
        self.call("size", self.0.store.size(object)).await
    }

    /// Some bytes of an object; none where there is none.
    ///
    /// # Errors
    /// When the store cannot be reached.
    pub async fn read(&self, object: &Object, range: Range<u64>) -> Result<Option<Bytes>, StoreError> {
        self.call("read", self.0.store.read(object, range)).await
    }

    /// Gives an object another name within its area. False where there is none.
    ///
    /// # Errors
    /// When the store cannot be reached.
    pub async fn promote(&self, from: &Object, to: &Object) -> Result<bool, StoreError> {
        self.call("promote", self.0.store.promote(from, to)).await
    }

    /// Removes an object; one that is gone already is fine.
    ///
    /// # Errors
    /// When the store cannot be reached.
    pub async fn remove(&self, object: &Object) -> Result<(), StoreError> {
        self.call("remove", self.0.store.remove(object)).await
    }

    /// A picture of a person and its content type; none for a name that was never given out.
    ///
    /// # Errors
    /// When the store cannot be reached.
    pub async fn avatar(&self, name: &str) -> Result<Option<(Bytes, &'static str)>, StoreError> {
        let Some((stem, extension)) = name.split_once('.') else { return Ok(None) };
        let kind = Kind::of_extension(extension).filter(|kind| kinds::PICTURES.contains(kind));
        let (true, Some(kind)) = (stem.len() == 32 && stem.bytes().all(|byte| byte.is_ascii_hexdigit()), kind) else {
            return Ok(None);
        };
        let bytes = self.read(&Object::new(Area::Avatars, name), 0..AVATAR).await?;
        Ok(bytes.map(|bytes| (bytes, kind.content_type())))
    }

    /// Whether files can be kept; the answer holds for a few seconds, so that nobody wears the store out by asking.
    ///
    /// # Errors
    /// When they cannot.
    pub async fn check(&self) -> Result<(), StoreError> {
        let known = *self.0.checked.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, is_good)) = known
            && at.elapsed() < CHECKED_FOR
        {
            return if is_good { Ok(()) } else { Err(StoreError::new("not reachable")) };
        }
        let done = self.call_within(CHECK_LIMIT, "check", self.0.store.check()).await;
        *self.0.checked.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), done.is_ok()));
        done
    }

    /// Forgets what was begun before this time and never finished.
    ///
    /// # Errors
    /// When the store cannot be reached.
    pub async fn sweep(&self, before: SystemTime) -> Result<(), StoreError> {
        counted("sweep", self.0.store.sweep(before).await)
    }

    /// Finds out whether a store far away that did not answer does again; before a transaction that needs an address of
    /// it, as that may take 2 s. Answers whether the store may be called.
    pub async fn look_if_away(&self) -> bool {
        !self.is_away() || self.check().await.is_ok()
    }

    /// Whether a store far away is not asked at present, because it did not answer. A local disk is always asked.
    #[must_use]
    pub fn is_away(&self) -> bool {
        self.0.local.is_none() && self.0.breaker.is_open()
    }

    fn learn(&self, is_good: bool) {
        if is_good {
            self.0.breaker.succeeded();
        } else {
            self.0.breaker.failed(Instant::now());
        }
    }

    /// Of one object a refusal says nothing of the others.
    fn learn_of(&self, error: &StoreError) {
        if !error.is_refusal {
            self.learn(false);
        }
    }

    /// One call: counted, bounded in time, and not made at all while a store far away does not answer.
    async fn call<T>(&self, name: &'static str, work: Answer<'_, T>) -> Result<T, StoreError> {
        self.call_within(LIMIT, name, work).await
    }

    async fn call_within<T>(&self, limit: Duration, name: &'static str, work: Answer<'_, T>) -> Result<T, StoreError> {
        if self.0.local.is_none() && !self.0.breaker.admits(Instant::now()) {
            return Err(turned_away());
        }
        let done = in_time(limit, work).await;
        match &done {
            // Of the look at the whole store a refusal says everything.
            Err(error) if name != "check" => self.learn_of(error),
            _ => self.learn(done.is_ok()),
        }
        counted(name, done)
    }
}

async fn in_time<T>(limit: Duration, work: Answer<'_, T>) -> Result<T, StoreError> {
    timeout(limit, work).await.unwrap_or_else(|_| Err(StoreError::new("no answer in time")))
}

fn turned_away() -> StoreError {
    StoreError::new("not asked: it did not answer just now")
}

fn counted<T>(name: &'static str, done: Result<T, StoreError>) -> Result<T, StoreError> {
    let outcome = if done.is_ok() { "done" } else { "failed" };
    metrics::counter!("consilium_file_calls_total", "call" => name, "outcome" => outcome).increment(1);
    done
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[tokio::test]
    async fn names_that_were_never_given_out_are_not_read() {
        let root = std::env::temp_dir().join(format!("consilium-files-{}", uuid::Uuid::new_v4()));
        let files = Files::local(root.clone(), "http://here".to_owned(), LinkKeys::new(&[]));
        let name = format!("{}.png", uuid::Uuid::new_v4().simple());
        let object = Object::new(Area::Avatars, name.clone());
        files.put(&object, "image/png", Bytes::from_static(b"x")).await.unwrap();
        assert_eq!(files.avatar(&name).await.unwrap(), Some((Bytes::from_static(b"x"), "image/png")));
        for bad in ["../secret.png", "a.png", "", "x", &name.replace("png", "exe"), &name.replace("png", "pdf")] {
            assert_eq!(files.avatar(bad).await.unwrap(), None, "{bad}");
        }
        files.remove(&object).await.unwrap();
        assert_eq!(files.avatar(&name).await.unwrap(), None);
        tokio::fs::remove_dir_all(&root).await.unwrap();
    }
}
