//! Passwords: Argon2id, on a thread that may block.

use argon2::{Argon2, PasswordHasher, PasswordVerifier};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::error::{Error, Result};

/// Each check takes 19 MiB and a core: a flood of sign-ins waits in line instead of taking all memory.
static AT_ONCE: Semaphore = Semaphore::const_new(8);

/// The right to hash or to check, for as long as it is kept.
pub type Turn = SemaphorePermit<'static>;

/// Waits in line.
///
/// # Errors
/// [`Error::Internal`] when there is no line, which never is.
pub async fn turn() -> Result<Turn> {
    AT_ONCE.acquire().await.map_err(Error::internal)
}

/// The PHC string of a password.
///
/// # Errors
/// [`Error::Internal`] when hashing fails.
pub async fn hash(password: String) -> Result<String> {
    let _turn = turn().await?;
    let hashed = tokio::task::spawn_blocking(move || {
        Argon2::default().hash_password(password.as_bytes()).map(|hash| hash.to_string())
    });
    hashed.await.map_err(Error::internal)?.map_err(|error| Error::internal(error.to_string()))
}

/// Whether the password fits, in the caller's turn. Without a hash it takes as long to say no, so that nobody learns which
/// names exist.
///
/// # Errors
/// [`Error::Internal`] when the check cannot be run.
pub async fn verify(_turn: &Turn, password: String, hash: Option<String>) -> Result<bool> {
    let known = hash.is_some();
    let hash = hash.unwrap_or_else(|| NOBODY.to_owned());
    let checked = tokio::task::spawn_blocking(move || {
        argon2::password_hash::phc::PasswordHash::new(&hash)
            .is_ok_and(|parsed| Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok())
    });
    Ok(checked.await.map_err(Error::internal)? && known)
}

/// A hash of a password that nobody has.
const NOBODY: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$3oEGVHqhWlBp0sx6pJyPUs8C3tEkeHf2WBaJNOMfmTM";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[tokio::test]
    async fn a_password_fits_its_own_hash_alone() {
        let hashed = hash("demo-pass-1".to_owned()).await.unwrap();
        assert!(hashed.starts_with("$argon2id$"));
        let turn = turn().await.unwrap();
        assert!(verify(&turn, "demo-pass-1".to_owned(), Some(hashed.clone())).await.unwrap());
        assert!(!verify(&turn, "demo-pass-2".to_owned(), Some(hashed)).await.unwrap());
        assert!(!verify(&turn, "demo-pass-1".to_owned(), None).await.unwrap());
        assert!(argon2::password_hash::phc::PasswordHash::new(NOBODY).is_ok());
    }
}
