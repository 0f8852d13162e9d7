//! The search in phases (connect-v2 100, 102): names that begin with what was typed, then names that contain it, then salts
//! that do; with nothing found, words like those typed. Measured in docs/decisions/023.
//!
//! These statements are built, not `query!`, and are not kept prepared: the right plan depends on the typed value (a
//! rare part asks the trigram index, a frequent one is met soon in the order of names), and a kept statement would be
//! planned without it after five uses.

use sqlx::postgres::PgRow;
use sqlx::{FromRow, PgConnection, Postgres, QueryBuilder, Row};
use uuid::Uuid;

use super::key;
use crate::error::Result;

/// Which catalogue.
#[derive(Debug)]
pub(super) struct Shelf {
    /// The table of names.
    pub(super) table: &'static str,
    /// The table of their words.
    pub(super) words: &'static str,
    /// What a hit shows, of the table under the name `t`.
    pub(super) columns: &'static str,
    /// Whether there are salts.
    pub(super) salts: bool,
}

/// Something found.
pub(super) trait Hit: for<'r> FromRow<'r, PgRow> + Send + Unpin {
    /// Its id, so that it is not found again.
    fn id(&self) -> Uuid;
}

/// A condition on a row of the table.
#[derive(Debug)]
pub(super) enum Condition {
    /// The code is this.
    Code(String),
    /// The code begins with this.
    CodePrefix(String),
    /// The name begins with this.
    Prefix(String),
    /// The name contains this.
    Part(String),
    /// A salt contains this.
    Salt(String),
    /// All of these.
    Words(Vec<Word>),
}

/// What a typed word stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Word {
    /// A word, or part of one, of the catalogue.
    Known(String),
    /// None: these are nearest.
    Mistyped(Vec<String>),
}

/// A search that goes on until it has enough.
pub(super) struct Search<'a, T> {
    shelf: &'a Shelf,
    key: String,
    limit: usize,
    found: Vec<T>,
}

/// Shorter parts of a salt say nothing, and no trigram index knows them.
const SHORTEST_SALT: usize = 3;
/// Of what was typed, so many words count.
const MOST_WORDS: usize = 6;
/// Words less alike than this are others.
const LEAST_LIKENESS: f32 = 0.5;
/// Of the words that are alike, those that nearly are as much as the best.
const NEAR_BEST: f32 = 0.9;

impl<'a, T: Hit> Search<'a, T> {
    /// A search for what was typed.
    pub(super) fn new(shelf: &'a Shelf, typed: &str, limit: i64) -> Self {
        Self { shelf, key: key(typed), limit: usize::try_from(limit).unwrap_or(0), found: Vec::new() }
    }

    /// The codes that are or begin with what was typed.
    pub(super) async fn codes(&mut self, conn: &mut PgConnection) -> Result<()> {
        self.phase(conn, &Condition::Code(self.key.clone())).await?;
        self.phase(conn, &Condition::CodePrefix(self.key.clone())).await
    }

    /// The phases of the contract, each only while there is room, the last only when nothing was found.
    pub(super) async fn finish(mut self, conn: &mut PgConnection) -> Result<Vec<T>> {
        self.phase(conn, &Condition::Prefix(self.key.clone())).await?;
        self.phase(conn, &Condition::Part(self.key.clone())).await?;
        if self.shelf.salts && self.key.chars().count() >= SHORTEST_SALT {
            self.phase(conn, &Condition::Salt(self.key.clone())).await?;
        }
        if self.found.is_empty() {
            self.mistyped(conn).await?;
        }
        Ok(self.found)
    }

    /// Names that have every word as it is known or nearly so; where the known ones stand in the way, without them.
    async fn mistyped(&mut self, conn: &mut PgConnection) -> Result<()> {
        let mut words = self.understand(conn).await?;
        let all = words.len();
        if all == 0 {
            return Ok(());
        }
        self.phase(conn, &Condition::Words(words.clone())).await?;
        words.retain(|word| matches!(word, Word::Mistyped(_)));
        if self.found.is_empty() && !words.is_empty() && words.len() < all {
            self.phase(conn, &Condition::Words(words)).await?;
        }
        Ok(())
    }

    async fn phase(&mut self, conn: &mut PgConnection, condition: &Condition) -> Result<()> {
        let room = self.limit.saturating_sub(self.found.len());
        if room == 0 {
            return Ok(());
        }
        let ids: Vec<Uuid> = self.found.iter().map(Hit::id).collect();
        let mut sql = QueryBuilder::new("");
        statement(&mut sql, self.shelf, condition, &ids, room);
        self.found.extend(sql.build_query_as().persistent(false).fetch_all(conn).await?);
        Ok(())
    }

    /// What each typed word stands for; words that resemble nothing are passed over.
    async fn understand(&self, conn: &mut PgConnection) -> Result<Vec<Word>> {
        let typed: Vec<String> = super::words(&[&self.key]).into_iter().take(MOST_WORDS).collect();
        let parts: Vec<String> = typed.iter().map(|word| part(word)).collect();
        let mut sql = QueryBuilder::<Postgres>::new("select t.place, t.known, n.word, n.likeness from (");
        sql.push("select q.word, q.place, exists (select from ").push(self.shelf.words);
        sql.push(" w where w.word like q.part) as known from unnest(").push_bind(&typed).push("::text[], ");
        sql.push_bind(parts).push("::text[]) with ordinality as q(word, part, place)) t left join lateral (");
        sql.push("select w.word, word_similarity(t.word, w.word) as likeness from ").push(self.shelf.words);
        sql.push(" w where not t.known and w.word %> t.word order by likeness desc, w.word limit 8) n on true");
        sql.push(" order by t.place, n.likeness desc, n.word");
        let rows = sql.build().persistent(false).fetch_all(conn).await?;
        let mut meanings: Vec<Meaning> = typed.into_iter().map(|word| (Some(word), false, Vec::new())).collect();
        for row in rows {
            let place = usize::try_from(row.try_get::<i64, _>(0)? - 1).unwrap_or(usize::MAX);
            let Some(meaning) = meanings.get_mut(place) else { continue };
            meaning.1 = row.try_get(1)?;
            if let (Some(word), Some(likeness)) = (row.try_get(2)?, row.try_get(3)?) {
                meaning.2.push((word, likeness));
            }
        }
        Ok(meanings.into_iter().filter_map(|(word, known, near)| meaning(word?, known, near)).collect())
    }
}

fn meaning(typed: String, known: bool, near: Vec<(String, f32)>) -> Option<Word> {
    if known {
        return Some(Word::Known(typed));
    }
    let (_, best) = near.first()?;
    let least = (best * NEAR_BEST).max(LEAST_LIKENESS);
    let near: Vec<String> = near.into_iter().filter(|(_, likeness)| *likeness >= least).map(|(word, _)| word).collect();
    (!near.is_empty()).then_some(Word::Mistyped(near))
}

/// The rows under a condition, without those found before: shorter names first, then by the alphabet.
fn statement(sql: &mut QueryBuilder<Postgres>, shelf: &Shelf, condition: &Condition, without: &[Uuid], room: usize) {
    sql.push("select ").push(shelf.columns).push(" from (select id from ").push(shelf.table).push(" where ");
    match condition {
        Condition::Code(code) => drop(sql.push("code_key = ").push_bind(code.clone())),
        Condition::CodePrefix(prefix) => range(sql, "code_key", prefix),
        Condition::Prefix(prefix) => range(sql, "name_key", prefix),
        Condition::Part(text) => drop(sql.push("name_key like ").push_bind(part(text))),
        Condition::Salt(text) => drop(sql.push("salt_key like ").push_bind(part(text))),
        Condition::Words(words) => {
            for (place, word) in words.iter().enumerate() {
                sql.push(if place == 0 { "" } else { " and " });
                one_word(sql, shelf, word);
            }
        }
    }
    if !without.is_empty() {
        sql.push(" and id <> all(").push_bind(without.to_vec()).push(")");
    }
    let room = i64::try_from(room).unwrap_or(i64::MAX);
    sql.push(" order by name_length, name_key, id limit ").push_bind(room);
    sql.push(") f join ").push(shelf.table).push(" t using (id) order by t.name_length, t.name_key, t.id");
}

/// How Postgres goes about each phase of a search, with what it took: for the benchmark and the docs made from it.
///
/// # Errors
/// When Postgres cannot be asked.
#[cfg(feature = "testing")]
pub(super) async fn plans(
    conn: &mut PgConnection,
    shelf: &Shelf,
    typed: &str,
    limit: usize,
) -> Result<Vec<(&'static str, Vec<String>)>> {
    let key = key(typed);
    let phases = [
        ("prefix", Condition::Prefix(key.clone())),
        ("part", Condition::Part(key.clone())),
        ("salt", Condition::Salt(key.clone())),
    ];
    let mut plans = Vec::new();
    for (phase, condition) in phases.into_iter().filter(|(phase, _)| shelf.salts || *phase != "salt") {
        let mut sql = QueryBuilder::new("explain (analyze, costs off, timing off) ");
        statement(&mut sql, shelf, &condition, &[], limit);
        let lines = sql.build_query_scalar().persistent(false).fetch_all(&mut *conn).await?;
        plans.push((phase, lines));
    }
    Ok(plans)
}

fn one_word(sql: &mut QueryBuilder<Postgres>, shelf: &Shelf, word: &Word) {
    match word {
        Word::Known(text) if shelf.salts => {
            sql.push("(name_key like ")
                .push_bind(part(text))
                .push(" or salt_key like ")
                .push_bind(part(text))
                .push(")");
        }
        Word::Known(text) => {
            sql.push("name_key like ").push_bind(part(text));
        }
        Word::Mistyped(near) => {
            sql.push("words && ").push_bind(near.clone());
        }
    }
}

/// Everything that begins with a prefix lies between it and the prefix with the last of all characters.
fn range(sql: &mut QueryBuilder<Postgres>, column: &str, prefix: &str) {
    sql.push(column).push(" >= ").push_bind(prefix.to_owned());
    sql.push(" and ").push(column).push(" < ").push_bind(format!("{prefix}{}", char::MAX));
}

/// A pattern for what contains the text as it is.
fn part(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 2);
    pattern.push('%');
    for letter in text.chars() {
        if matches!(letter, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(letter);
    }
    pattern.push('%');
    pattern
}

/// A spelling that was understood otherwise: what for, whether exactly, and what is like it.
type Meaning = (Option<String>, bool, Vec<(String, f32)>);
