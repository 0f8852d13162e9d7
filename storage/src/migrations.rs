//! The schema, embedded in the program (migrations/README.md has the rules).

use sha2::{Digest, Sha256};
use sqlx::migrate::Migrator;

/// All migrations. Running them takes an advisory lock, so several servers may start at once.
pub static MIGRATOR: Migrator = sqlx::migrate!("../migrations");

/// A short name for this state of `migrations/`: the same files, the same name.
#[must_use]
pub fn fingerprint() -> String {
    let mut digest = Sha256::new();
    for migration in MIGRATOR.iter() {
        digest.update(migration.version.to_be_bytes());
        digest.update(&*migration.checksum);
    }
    let mut hash = hex::encode(digest.finalize());
    hash.truncate(12);
    hash
}
