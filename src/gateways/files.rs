//! Uploaded pictures: on local disk, readable without a token (settled 20). Names are made here, never taken from
//! the client; a picture appears under its name only when all of it is on disk.

use std::path::PathBuf;

use bytes::Bytes;

/// What a file cannot be kept or found for.
#[derive(Debug, thiserror::Error)]
#[error("file store: {0}")]
pub struct StoreError(#[from] std::io::Error);

/// A folder of pictures.
#[derive(Debug, Clone)]
pub struct Files {
    root: PathBuf,
}

/// The pictures that are taken as avatars.
const PICTURES: [(&str, &str); 3] = [("image/jpeg", "jpg"), ("image/png", "png"), ("image/webp", "webp")];

/// The content type of a picture by its bytes, not by its name.
#[must_use]
pub fn picture_type(bytes: &[u8]) -> Option<(&'static str, &'static str)> {
    let found = infer::get(bytes)?.mime_type();
    PICTURES.into_iter().find(|(mime, _)| *mime == found)
}

impl Files {
    /// The folder; made when first written to.
    #[must_use]
    pub const fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// Whether the folder can be written to.
    ///
    /// # Errors
    /// Why not.
    pub async fn check(&self) -> Result<(), StoreError> {
        tokio::fs::create_dir_all(self.root.join("avatars")).await?;
        Ok(())
    }

    /// Keeps a picture under a new name, which it answers.
    ///
    /// # Errors
    /// When the disk refuses.
    pub async fn put_avatar(&self, bytes: &Bytes, extension: &str) -> Result<String, StoreError> {
        let name = format!("{}.{extension}", uuid::Uuid::new_v4().simple());
        let folder = self.root.join("avatars");
        tokio::fs::create_dir_all(&folder).await?;
        let draft = folder.join(format!(".{name}.part"));
        tokio::fs::write(&draft, bytes).await?;
        tokio::fs::rename(&draft, folder.join(&name)).await?;
        Ok(name)
    }

    /// A picture and its content type; none for a name that was never given out.
    ///
    /// # Errors
    /// When the disk refuses.
    pub async fn avatar(&self, name: &str) -> Result<Option<(Bytes, &'static str)>, StoreError> {
        let Some((stem, extension)) = name.split_once('.') else { return Ok(None) };
        let known = PICTURES.into_iter().find(|(_, known)| *known == extension);
        let (true, Some((mime, _))) = (stem.len() == 32 && stem.bytes().all(|byte| byte.is_ascii_hexdigit()), known)
        else {
            return Ok(None);
        };
        match tokio::fs::read(self.root.join("avatars").join(name)).await {
            Ok(bytes) => Ok(Some((bytes.into(), mime))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes a picture; one that is gone already is fine.
    ///
    /// # Errors
    /// When the disk refuses.
    pub async fn remove_avatar(&self, name: &str) -> Result<(), StoreError> {
        match tokio::fs::remove_file(self.root.join("avatars").join(name)).await {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[tokio::test]
    async fn names_that_were_never_given_out_are_not_read() {
        let files = Files::new(std::env::temp_dir().join(format!("consilium-files-{}", uuid::Uuid::new_v4())));
        let name = files.put_avatar(&Bytes::from_static(b"x"), "png").await.unwrap();
        assert_eq!(files.avatar(&name).await.unwrap(), Some((Bytes::from_static(b"x"), "image/png")));
        for bad in ["../secret.png", "a.png", "", "x", &name.replace("png", "exe")] {
            assert_eq!(files.avatar(bad).await.unwrap(), None, "{bad}");
        }
        files.remove_avatar(&name).await.unwrap();
        files.remove_avatar(&name).await.unwrap();
        assert_eq!(files.avatar(&name).await.unwrap(), None);
        tokio::fs::remove_dir_all(&files.root).await.unwrap();
    }

    #[test]
    fn the_type_is_told_by_the_bytes() {
        assert_eq!(picture_type(b"\x89PNG\r\n\x1a\nxxxx"), Some(("image/png", "png")));
        assert_eq!(picture_type(b"%PDF-1.7"), None);
        assert_eq!(picture_type(b"hello"), None);
    }
}
