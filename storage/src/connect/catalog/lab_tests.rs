//! Lab tests (connect-v2 102). One is known by its provider and code; an import writes it anew in its place.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::search::{Hit, Search, Shelf};
use super::{Written, key, length, tidy, words};
use crate::error::Result;
use crate::ids::LabTestId;

/// A lab test in a list.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Line {
    /// Its id.
    pub id: LabTestId,
    /// As the laboratory writes it.
    pub name: String,
    /// The laboratory's code.
    pub code: String,
    /// Which laboratory.
    pub provider: String,
}

impl Hit for Line {
    fn id(&self) -> Uuid {
        self.id.0
    }
}

/// A lab test about to be written.
#[derive(Debug, Clone, Default)]
pub struct NewLabTest {
    /// As the laboratory writes it.
    pub name: String,
    /// The laboratory's code.
    pub code: String,
    /// Which laboratory.
    pub provider: String,
}

const SHELF: Shelf = Shelf {
    table: "lab_tests",
    words: "lab_test_words",
    pairs: None,
    columns: "t.id, t.name, t.code, t.provider",
    salts: false,
};

/// The lab tests that fit what was typed: codes first, then by the phases of connect-v2 100.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn search(conn: &mut PgConnection, typed: &str, limit: i64) -> Result<Vec<Line>> {
    let mut search = Search::new(&SHELF, typed, limit);
    search.codes(conn).await?;
    search.finish(conn).await
}

/// Whether there is any.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn any(conn: &mut PgConnection) -> Result<bool> {
    Ok(sqlx::query_scalar!("select exists (select from lab_tests) as \"some!\"").fetch_one(conn).await?)
}

/// Writes a batch: what is not there is added, what says something else is changed, the rest stays untouched. No two of
/// a batch may have the same provider and code.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn write(conn: &mut PgConnection, batch: &[NewLabTest], at: DateTime<Utc>) -> Result<Written> {
    let column = |of: fn(&NewLabTest) -> String| batch.iter().map(of).collect::<Vec<_>>();
    let id = |new: &NewLabTest| LabTestId(super::id("lab_test", &new.provider, &key(&new.code)));
    let ids: Vec<LabTestId> = batch.iter().map(id).collect();
    let lengths: Vec<i32> = batch.iter().map(|new| length(&key(&new.name))).collect();
    let word_lists = column(|new| words(&[&key(&new.name)]).join(" "));
    let rows = sqlx::query!(
        "insert into lab_tests as t (id, provider, code, code_key, name, name_key, name_length, words, created_at,
                                     updated_at)
         select l.id, l.provider, l.code, l.code_key, l.name, l.name_key, l.name_length, string_to_array(l.words, ' '),
                $9, $9
         from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::integer[], $8::text[])
              as l(id, provider, code, code_key, name, name_key, name_length, words)
         on conflict (id) do update
         set code = excluded.code, name = excluded.name, name_key = excluded.name_key,
             name_length = excluded.name_length, words = excluded.words, updated_at = excluded.updated_at
         where (t.code, t.name) is distinct from (excluded.code, excluded.name)
         returning (xmax = 0) as \"is_new!\"",
        &ids as _,
        &column(|new| new.provider.clone()),
        &column(|new| tidy(&new.code)),
        &column(|new| key(&new.code)),
        &column(|new| tidy(&new.name)),
        &column(|new| key(&new.name)),
        &lengths,
        &word_lists,
        at
    )
    .fetch_all(&mut *conn)
    .await?;
    let new = rows.iter().filter(|row| row.is_new).count();
    Ok(Written { new, changed: rows.len() - new })
}

/// Counts the words anew, once all lines are written: searches rest on it.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn recount(conn: &mut PgConnection) -> Result<()> {
    sqlx::query!("delete from lab_test_words").execute(&mut *conn).await?;
    sqlx::query!(
        "insert into lab_test_words (word, lines)
         select word, count(*) from lab_tests, unnest(words) as word group by word"
    )
    .execute(conn)
    .await?;
    Ok(())
}
