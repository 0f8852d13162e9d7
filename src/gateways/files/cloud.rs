//! What Azure and S3 have in common, through `object_store`: an object appears when all of it is there, and two names
//! for it are two copies.

use std::fmt::Debug;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use consilium_storage::files::{Area, Object};
use futures_util::StreamExt;
use futures_util::future::try_join_all;
use object_store::buffered::BufWriter;
use object_store::path::Path;
use object_store::{Attribute, Attributes, ClientOptions, ObjectMeta, ObjectStore, ObjectStoreExt, RetryConfig};
use tokio::io::AsyncWriteExt;

use super::{Answer, Download, Place, Sink, Store, StoreError, Upload};

/// How much is sent at a time; S3 takes parts of 5 MiB and more.
const PART: usize = 5 * 1024 * 1024;

/// How long the parts under way may take before more is taken from whoever sends.
const PART_LIMIT: Duration = Duration::from_secs(20);

/// How long to wait between looks at a copy that is being made.
const COPY_PAUSE: Duration = Duration::from_millis(50);

/// A provider's own: names, addresses, headers.
pub(super) trait Provider: Debug + Send + Sync {
    /// The client for an area.
    fn store(&self, area: Area) -> Result<&Arc<dyn ObjectStore>, StoreError>;
    /// The areas that have a container of their own, one for each container.
    fn areas(&self) -> &[Area];
    /// Where an object stands.
    fn place(&self, object: &Object) -> Place;
    /// The headers that an upload of this type should carry.
    fn upload_headers(&self, content_type: &str) -> Vec<(&'static str, String)>;
    /// An address that takes a PUT.
    fn upload_link<'a>(&'a self, object: &'a Object, upload: &'a Upload, now: DateTime<Utc>) -> Answer<'a, String>;
    /// An address that answers a GET.
    fn download_link<'a>(&'a self, object: &'a Object, shown: &'a Download, now: DateTime<Utc>) -> Answer<'a, String>;
}

/// Files far away.
#[derive(Debug)]
pub(super) struct Cloud<P>(pub(super) P);

/// One attempt is short and few are made: whoever asks is waiting.
pub(super) fn retries() -> RetryConfig {
    RetryConfig { max_retries: 3, retry_timeout: Duration::from_secs(15), ..RetryConfig::default() }
}

/// A part of a large file takes its time on a slow line.
pub(super) fn client(allow_http: bool) -> ClientOptions {
    ClientOptions::new()
        .with_allow_http(allow_http)
        .with_connect_timeout(Duration::from_secs(5))
        .with_timeout(Duration::from_secs(60))
}

impl From<object_store::Error> for StoreError {
    /// By its kind alone: the error's own text names the object.
    fn from(error: object_store::Error) -> Self {
        use object_store::Error;
        let kind = match error {
            Error::PermissionDenied { .. } => return Self::refusal("permission denied"),
            Error::Unauthenticated { .. } => return Self::refusal("the credentials do not hold"),
            Error::NotFound { .. } => "not found",
            Error::AlreadyExists { .. } | Error::Precondition { .. } | Error::NotModified { .. } => {
                "a condition failed"
            }
            Error::NotSupported { .. } | Error::NotImplemented { .. } => "not supported",
            Error::InvalidPath { .. } => "a path that is none",
            Error::UnknownConfigurationKey { .. } => "a setting that is not known",
            _ => "cannot be reached or answers wrongly",
        };
        Self::new(kind)
    }
}

fn absent_is_none<T>(done: object_store::Result<T>) -> Result<Option<T>, StoreError> {
    match done {
        Ok(value) => Ok(Some(value)),
        Err(object_store::Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// What a store knows of an object. What answers to its name without a tag or a date is no store: a page, mostly.
async fn head(store: &Arc<dyn ObjectStore>, path: &Path) -> Result<Option<ObjectMeta>, StoreError> {
    let found = absent_is_none(store.head(path).await)?;
    if found.as_ref().is_some_and(|found| found.e_tag.is_none() || found.last_modified == DateTime::UNIX_EPOCH) {
        return Err(StoreError::new("an answer that is none"));
    }
    Ok(found)
}

impl<P: Provider> Cloud<P> {
    /// The client and the path of an object.
    fn at(&self, object: &Object) -> Result<(&Arc<dyn ObjectStore>, Path), StoreError> {
        let path = Path::parse(self.0.place(object).name).map_err(|_| StoreError::new("a key that is none"))?;
        Ok((self.0.store(object.area)?, path))
    }

    async fn copy(&self, from: &Object, to: &Object) -> Result<bool, StoreError> {
        let ((store, from), (_, to)) = (self.at(from)?, self.at(to)?);
        let Some(source) = head(store, &from).await? else { return Ok(false) };
        if absent_is_none(store.copy(&from, &to).await)?.is_none() {
            return Ok(false);
        }
        // Azure may answer before a large copy is made. The caller's time limit ends the wait.
        while head(store, &to).await?.is_none_or(|copy| copy.size < source.size) {
            match head(store, &from).await? {
                None => return Ok(false),
                // Something else was sent there meanwhile: whoever looks at the copy sees it.
                Some(now) if (now.size, &now.e_tag) != (source.size, &source.e_tag) => return Ok(true),
                Some(_) => tokio::time::sleep(COPY_PAUSE).await,
            }
        }
        Ok(true)
    }

    async fn look(&self) -> Result<(), StoreError> {
        try_join_all(self.0.areas().iter().copied().map(|area| self.look_into(area))).await?;
        Ok(())
    }

    /// Whether a container answers as a store does: with a list, below our own prefix since more may not be ours to see,
    /// and without what nobody ever wrote. A page in its place is an empty list too.
    async fn look_into(&self, area: Area) -> Result<(), StoreError> {
        let (store, folder) = self.at(&Object::new(area, "consilium-is-there"))?;
        let nothing = folder.clone().join("nothing");
        let mut listed = store.list(Some(&folder));
        let (first, found) = tokio::join!(listed.next(), head(store, &nothing));
        if let Some(first) = first {
            first?;
        }
        match found {
            Ok(None) => Ok(()),
            Ok(Some(_)) => Err(StoreError::new("something else answers there")),
            // S3 says so of what is absent to whoever may not list all of the bucket.
            Err(error) if error.is_refusal => Ok(()),
            Err(error) => Err(error),
        }
    }
}

impl<P: Provider> Store for Cloud<P> {
    fn place(&self, object: &Object) -> Place {
        self.0.place(object)
    }

    fn upload_headers(&self, content_type: &str) -> Vec<(&'static str, String)> {
        self.0.upload_headers(content_type)
    }

    fn upload_link<'a>(&'a self, object: &'a Object, upload: &'a Upload, now: DateTime<Utc>) -> Answer<'a, String> {
        self.0.upload_link(object, upload, now)
    }

    fn download_link<'a>(&'a self, object: &'a Object, shown: &'a Download, now: DateTime<Utc>) -> Answer<'a, String> {
        self.0.download_link(object, shown, now)
    }

    fn write<'a>(&'a self, object: &'a Object, content_type: &'a str) -> Answer<'a, Box<dyn Sink>> {
        Box::pin(async move {
            let (store, path) = self.at(object)?;
            let attributes = Attributes::from_iter([(Attribute::ContentType, content_type.to_owned())]);
            let writer = BufWriter::with_capacity(Arc::clone(store), path, PART);
            Ok(Box::new(Writing(writer.with_attributes(attributes).with_max_concurrency(2))) as Box<dyn Sink>)
        })
    }

    fn size<'a>(&'a self, object: &'a Object) -> Answer<'a, Option<u64>> {
        Box::pin(async move {
            let (store, path) = self.at(object)?;
            Ok(head(store, &path).await?.map(|found| found.size))
        })
    }

    fn read<'a>(&'a self, object: &'a Object, range: Range<u64>) -> Answer<'a, Option<Bytes>> {
        Box::pin(async move {
            let (store, path) = self.at(object)?;
            absent_is_none(store.get_range(&path, range).await)
        })
    }

    fn promote<'a>(&'a self, from: &'a Object, to: &'a Object) -> Answer<'a, bool> {
        Box::pin(self.copy(from, to))
    }

    fn remove<'a>(&'a self, object: &'a Object) -> Answer<'a, ()> {
        Box::pin(async move {
            let (store, path) = self.at(object)?;
            absent_is_none(store.delete(&path).await)?;
            Ok(())
        })
    }

    fn check(&self) -> Answer<'_, ()> {
        Box::pin(self.look())
    }

    /// The providers do so themselves: Azure after a week, S3 by a rule of the bucket.
    fn sweep(&self, _before: SystemTime) -> Answer<'_, ()> {
        Box::pin(std::future::ready(Ok(())))
    }
}

/// An object on its way: in one piece where it is small, else in parts that become one at the end.
struct Writing(BufWriter);

impl Sink for Writing {
    fn write(&mut self, bytes: Bytes) -> Answer<'_, ()> {
        Box::pin(async move {
            let put = tokio::time::timeout(PART_LIMIT, self.0.put(bytes)).await;
            Ok(put.map_err(|_| StoreError::new("no answer in time"))??)
        })
    }

    fn finish(mut self: Box<Self>) -> Answer<'static, ()> {
        Box::pin(async move { Ok(self.0.shutdown().await?) })
    }

    fn abort(mut self: Box<Self>) -> Answer<'static, ()> {
        Box::pin(async move {
            // What was never begun in parts has nothing to take back, and says so by an error.
            tokio::time::timeout(PART_LIMIT, self.0.abort()).await.ok();
            Ok(())
        })
    }
}
