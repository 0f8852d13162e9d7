//! Files on local disk, behind the server's own signed addresses (`src/http/file_door.rs`). A file appears under its
//! name only when all of it is on disk; several nodes may share the folder.

use std::io::{self, ErrorKind, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use consilium_storage::files::Object;
use tokio::fs::{self, File};
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};

use super::links::{LinkKeys, Purpose, is_sound};
use super::{Answer, Download, Place, Sink, Store, StoreError, Upload};

/// Where files stand until all of them is there.
const PARTS: &str = ".parts";

/// A folder of files.
#[derive(Debug, Clone)]
pub struct Local {
    root: PathBuf,
    public_url: String,
    keys: LinkKeys,
}

impl Local {
    /// The folder; made when first written to.
    #[must_use]
    pub const fn new(root: PathBuf, public_url: String, keys: LinkKeys) -> Self {
        Self { root, public_url, keys }
    }

    /// The keys of its addresses.
    #[must_use]
    pub const fn keys(&self) -> &LinkKeys {
        &self.keys
    }

    /// A stored file and its size; none where there is none.
    ///
    /// # Errors
    /// When the disk refuses.
    pub async fn open(&self, object: &Object) -> Result<Option<(File, u64)>, StoreError> {
        let Some(file) = absent_is_none(File::open(self.path(object)?).await)? else { return Ok(None) };
        let size = file.metadata().await?.len();
        Ok(Some((file, size)))
    }

    /// Begins to write a file.
    ///
    /// # Errors
    /// When the disk refuses.
    pub async fn create(&self, object: &Object) -> Result<Part, StoreError> {
        let target = self.path(object)?;
        let folder = self.root.join(PARTS);
        make_folder(&folder).await?;
        let path = folder.join(uuid::Uuid::new_v4().simple().to_string());
        let file = File::options().write(true).create_new(true).mode(0o600).open(&path).await?;
        Ok(Part { file, path, target, is_whole: false })
    }

    fn path(&self, object: &Object) -> Result<PathBuf, StoreError> {
        if !is_sound(&object.key) {
            return Err(StoreError::new("a key that is none"));
        }
        Ok(self.root.join(object.area.as_str()).join(&object.key))
    }

    async fn link(&self, from: &Object, to: &Object) -> Result<bool, StoreError> {
        let (from, to) = (self.path(from)?, self.path(to)?);
        make_folder_of(&to).await?;
        match fs::hard_link(&from, &to).await {
            Ok(()) => sync_folder_of(&to).await.map(|()| true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            // Some file systems have no second names.
            Err(_) => self.copy(&from, to).await,
        }
    }

    async fn copy(&self, from: &Path, target: PathBuf) -> Result<bool, StoreError> {
        let path = self.root.join(PARTS).join(uuid::Uuid::new_v4().simple().to_string());
        make_folder_of(&path).await?;
        if absent_is_none(fs::copy(from, &path).await)?.is_none() {
            return Ok(false);
        }
        let file = File::options().write(true).open(&path).await?;
        Part { file, path, target, is_whole: false }.complete().await.map(|()| true)
    }

    async fn probe(&self) -> Result<(), StoreError> {
        let folder = self.root.join(PARTS);
        make_folder(&folder).await?;
        let path = folder.join(format!("probe-{}", uuid::Uuid::new_v4().simple()));
        fs::write(&path, b"x").await?;
        Ok(fs::remove_file(&path).await?)
    }

    async fn forget_parts(&self, before: SystemTime) -> Result<(), StoreError> {
        let Some(mut entries) = absent_is_none(fs::read_dir(self.root.join(PARTS)).await)? else { return Ok(()) };
        while let Some(entry) = entries.next_entry().await? {
            let Some(details) = absent_is_none(entry.metadata().await)? else { continue };
            if details.modified().is_ok_and(|at| at < before) {
                absent_is_none(fs::remove_file(entry.path()).await)?;
            }
        }
        Ok(())
    }
}

/// A file that is being written; dropped before its end, it is gone.
#[derive(Debug)]
pub struct Part {
    file: File,
    path: PathBuf,
    target: PathBuf,
    is_whole: bool,
}

impl Part {
    async fn complete(mut self) -> Result<(), StoreError> {
        self.file.flush().await?;
        self.file.sync_all().await?;
        make_folder_of(&self.target).await?;
        fs::rename(&self.path, &self.target).await?;
        self.is_whole = true;
        sync_folder_of(&self.target).await
    }
}

impl Sink for Part {
    fn write(&mut self, bytes: Bytes) -> Answer<'_, ()> {
        Box::pin(async move { Ok(self.file.write_all(&bytes).await?) })
    }

    fn finish(self: Box<Self>) -> Answer<'static, ()> {
        Box::pin(self.complete())
    }

    fn abort(self: Box<Self>) -> Answer<'static, ()> {
        drop(self);
        Box::pin(std::future::ready(Ok(())))
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.is_whole {
            // What cannot be removed now is swept when it is old.
            std::fs::remove_file(&self.path).ok();
        }
    }
}

impl Store for Local {
    fn place(&self, object: &Object) -> Place {
        Place { container: object.area.as_str().to_owned(), name: object.key.clone() }
    }

    fn upload_headers(&self, content_type: &str) -> Vec<(&'static str, String)> {
        // The first is of no use here: a client that sends it can be moved to Azure.
        vec![("x-ms-blob-type", "BlockBlob".to_owned()), ("Content-Type", content_type.to_owned())]
    }

    fn upload_link<'a>(&'a self, object: &'a Object, upload: &'a Upload, _now: DateTime<Utc>) -> Answer<'a, String> {
        Box::pin(async move {
            // A folder that cannot be made is told before the client sends anything.
            make_folder_of(&self.path(object)?).await?;
            Ok(self.public_url.clone() + &self.keys.address(object, &Purpose::Upload(upload.clone())))
        })
    }

    fn download_link<'a>(&'a self, object: &'a Object, shown: &'a Download, _now: DateTime<Utc>) -> Answer<'a, String> {
        let address = self.keys.address(object, &Purpose::Download(shown.clone()));
        Box::pin(std::future::ready(Ok(self.public_url.clone() + &address)))
    }

    fn write<'a>(&'a self, object: &'a Object, _content_type: &'a str) -> Answer<'a, Box<dyn Sink>> {
        Box::pin(async move { Ok(Box::new(self.create(object).await?) as Box<dyn Sink>) })
    }

    fn size<'a>(&'a self, object: &'a Object) -> Answer<'a, Option<u64>> {
        Box::pin(async move {
            let details = absent_is_none(fs::metadata(self.path(object)?).await)?;
            Ok(details.filter(std::fs::Metadata::is_file).map(|details| details.len()))
        })
    }

    fn read<'a>(&'a self, object: &'a Object, range: Range<u64>) -> Answer<'a, Option<Bytes>> {
        Box::pin(async move {
            let Some((mut file, _)) = self.open(object).await? else { return Ok(None) };
            file.seek(SeekFrom::Start(range.start)).await?;
            let mut bytes = Vec::new();
            file.take(range.end.saturating_sub(range.start)).read_to_end(&mut bytes).await?;
            Ok(Some(bytes.into()))
        })
    }

    fn promote<'a>(&'a self, from: &'a Object, to: &'a Object) -> Answer<'a, bool> {
        Box::pin(self.link(from, to))
    }

    fn remove<'a>(&'a self, object: &'a Object) -> Answer<'a, ()> {
        Box::pin(async move {
            absent_is_none(fs::remove_file(self.path(object)?).await)?;
            Ok(())
        })
    }

    fn check(&self) -> Answer<'_, ()> {
        Box::pin(self.probe())
    }

    fn sweep(&self, before: SystemTime) -> Answer<'_, ()> {
        Box::pin(self.forget_parts(before))
    }
}

fn absent_is_none<T>(done: io::Result<T>) -> Result<Option<T>, StoreError> {
    match done {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

async fn make_folder(folder: &Path) -> Result<(), StoreError> {
    Ok(fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).await?)
}

async fn make_folder_of(file: &Path) -> Result<(), StoreError> {
    match file.parent() {
        Some(folder) => make_folder(folder).await,
        None => Ok(()),
    }
}

/// A new name is durable when its folder is.
async fn sync_folder_of(file: &Path) -> Result<(), StoreError> {
    match file.parent() {
        Some(folder) => Ok(File::open(folder).await?.sync_all().await?),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use consilium_storage::files::Area;

    use super::*;

    fn local() -> Local {
        let root = std::env::temp_dir().join(format!("consilium-files-{}", uuid::Uuid::new_v4()));
        Local::new(root, "http://here".to_owned(), LinkKeys::new(&[]))
    }

    fn entries(folder: &Path) -> usize {
        std::fs::read_dir(folder).map_or(0, Iterator::count)
    }

    #[tokio::test]
    async fn a_file_appears_whole_or_not_at_all() {
        let local = local();
        let (one, two) = (Object::new(Area::Reports, "a/b.pdf"), Object::new(Area::Reports, "a/c.pdf"));
        let mut part = local.write(&one, "application/pdf").await.unwrap();
        part.write(Bytes::from_static(b"half")).await.unwrap();
        assert_eq!(local.size(&one).await.unwrap(), None);
        assert_eq!(entries(&local.root.join(PARTS)), 1);
        drop(part);
        assert_eq!((local.size(&one).await.unwrap(), entries(&local.root.join(PARTS))), (None, 0));

        let mut part = local.write(&one, "application/pdf").await.unwrap();
        part.write(Bytes::from_static(b"the ")).await.unwrap();
        part.write(Bytes::from_static(b"whole")).await.unwrap();
        part.finish().await.unwrap();
        assert_eq!(local.size(&one).await.unwrap(), Some(9));
        assert_eq!(local.read(&one, 4..6).await.unwrap().unwrap(), "wh");
        assert_eq!(local.read(&one, 7..70).await.unwrap().unwrap(), "le");
        assert_eq!(local.read(&two, 0..1).await.unwrap(), None);

        // What is written to the first name later does not reach the second.
        assert!(local.promote(&one, &two).await.unwrap());
        let mut part = local.write(&one, "application/pdf").await.unwrap();
        part.write(Bytes::from_static(b"other")).await.unwrap();
        part.finish().await.unwrap();
        assert_eq!(local.read(&two, 0..9).await.unwrap().unwrap(), "the whole");
        for _ in 0..2 {
            local.remove(&one).await.unwrap();
        }
        assert!(!local.promote(&one, &Object::new(Area::Reports, "x")).await.unwrap());
        assert_eq!(local.size(&two).await.unwrap(), Some(9));
        assert!(local.copy(&local.path(&two).unwrap(), local.path(&one).unwrap()).await.unwrap());
        assert_eq!(local.size(&one).await.unwrap(), Some(9));
        fs::remove_dir_all(&local.root).await.unwrap();
    }

    #[tokio::test]
    async fn old_parts_are_swept_and_young_ones_left() {
        let local = local();
        local.sweep(SystemTime::UNIX_EPOCH).await.unwrap();
        local.check().await.unwrap();
        let part = local.create(&Object::new(Area::Sessions, "a")).await.unwrap();
        let at = std::fs::metadata(&part.path).unwrap().modified().unwrap();
        local.sweep(at).await.unwrap();
        assert_eq!(entries(&local.root.join(PARTS)), 1);
        local.sweep(at + std::time::Duration::from_secs(1)).await.unwrap();
        assert_eq!(entries(&local.root.join(PARTS)), 0);
        drop(part);
        fs::remove_dir_all(&local.root).await.unwrap();
    }

    #[tokio::test]
    async fn keys_that_leave_the_folder_are_refused() {
        let local = local();
        for key in ["../x", "a/../../x", "/etc/passwd", ""] {
            let object = Object::new(Area::Avatars, key);
            assert!(local.size(&object).await.is_err() && local.create(&object).await.is_err(), "{key}");
        }
    }
}
