//! The catalogues of medicines and lab tests (connect-v2 §3.19): public reference data, written by imports alone.

pub mod lab_tests;
pub mod made_up;
pub mod medicines;
mod search;
#[cfg(test)]
mod search_tests;

use sha2::{Digest, Sha256};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, Executor, PgConnection};
use uuid::{Builder, Uuid};

use crate::error::Result;

/// How many lines a batch of an import holds at most.
pub const BATCH: usize = 500;
/// How many a search finds at most (connect-v2 100, 102). An import notes as many of each pair of letters: whoever raises
/// this has the catalogues imported again.
pub const MOST_FOUND: i64 = 25;

/// What a batch of lines did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Written {
    /// Lines that were not there.
    pub new: usize,
    /// Lines that say something else than before.
    pub changed: usize,
}

impl std::ops::AddAssign for Written {
    fn add_assign(&mut self, more: Self) {
        self.new += more.new;
        self.changed += more.changed;
    }
}

/// One import at a time; the lock goes with the transaction.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn lock(conn: &mut PgConnection) -> Result<()> {
    sqlx::query!("select pg_advisory_xact_lock(4711, 3)").execute(conn).await?;
    Ok(())
}

/// Tells the planner what is there now, and settles what a bulk import leaves to a later vacuum. These are the options of
/// the role that owns the tables.
///
/// # Errors
/// When Postgres refuses, for instance to the role that owns nothing.
pub async fn settle(owner: &PgConnectOptions) -> Result<()> {
    // It may take seconds, which is nothing to warn of.
    let mut conn = owner.clone().disable_statement_logging().connect().await?;
    conn.execute(
        "vacuum (analyze) medicines, medicine_texts, medicine_words, medicine_pairs, lab_tests, lab_test_words",
    )
    .await?;
    conn.close().await?;
    Ok(())
}

/// The id of a line follows from what it is known by: the same in every installation, and an import never has to look it
/// up. A lookup among rows that are being written would be planned for the few that were there before.
fn id(catalogue: &str, provider: &str, key: &str) -> Uuid {
    let mut hash = Sha256::new();
    for part in [catalogue, provider, key] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    let hash = hash.finalize();
    let mut bytes = [0; 16];
    bytes.iter_mut().zip(hash.iter()).for_each(|(byte, hashed)| *byte = *hashed);
    Builder::from_custom_bytes(bytes).into_uuid()
}

/// A text as it is kept: no space around it, one space between its words.
#[must_use]
pub fn tidy(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What is compared: tidy, in lower case.
#[must_use]
pub fn key(text: &str) -> String {
    tidy(text).to_lowercase()
}

/// The words of a key, for queries with typos, each once.
fn words(keys: &[&str]) -> Vec<String> {
    let apart = |letter: char| letter.is_whitespace() || matches!(letter, '+' | '/' | ',' | ';' | '(' | ')' | '|');
    let parts = keys.iter().flat_map(|key| key.split(apart));
    let trimmed = parts.map(|word| word.trim_matches(|letter: char| letter.is_ascii_punctuation()));
    let mut words: Vec<String> = trimmed.filter(|word| word.chars().count() > 1).map(str::to_owned).collect();
    words.sort_unstable();
    words.dedup();
    words
}

/// How many characters a key has: shorter names come first.
fn length(key: &str) -> i32 {
    i32::try_from(key.chars().count()).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_their_words() {
        assert_eq!(key("  Amoxyclav \t 625  Tablet"), "amoxyclav 625 tablet");
        assert_eq!(key("पैरासिटामोल  Tablet"), "पैरासिटामोल tablet");
        assert_eq!(
            words(&["thyroid profile, free", "amoxycillin (500mg) + clavulanic acid", "a"]),
            ["500mg", "acid", "amoxycillin", "clavulanic", "free", "profile", "thyroid"]
        );
        assert_eq!(length("पैर"), 3);
    }

    #[test]
    fn ids_follow_from_what_a_line_is_known_by() {
        let one = id("medicine", "sample", "dolo 650 tablet");
        assert_eq!(one.to_string(), "c3371a7f-98e8-8dd7-aa33-071d6f6b4f30");
        assert_eq!(one, id("medicine", "sample", "dolo 650 tablet"));
        for other in [id("lab_test", "sample", "dolo 650 tablet"), id("medicine", "sampled", "olo 650 tablet")] {
            assert_ne!(one, other);
        }
    }
}
