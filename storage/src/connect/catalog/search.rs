//! The search in phases (connect-v2 100, 102): names that begin with what was typed, then names that contain it, then salts
//! that do; with nothing found, words like those typed. Measured in docs/performance.md §10.
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
    /// The table of each two letters' first names, where there are too many names to walk through.
    pub(super) pairs: Option<&'static str>,
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
enum Condition {
    /// The code is this.
    Code(String),
    /// The code begins with this.
    CodePrefix(String),
    /// The name begins with this.
    Prefix(String),
    /// The name contains this.
    Part(String),
    /// The name is one of the first that contain these two letters.
    Pair(&'static str, String),
    /// A salt contains this.
    Salt(String),
    /// Of each of these lists, one of the words.
    Words(Vec<Meaning>),
}

/// What a typed word stands for.
#[derive(Debug, Clone, PartialEq)]
struct Meaning {
    /// Whether no word of the catalogue contains what was typed: these are the nearest.
    is_mistyped: bool,
    /// The words of the catalogue.
    words: Vec<String>,
    /// In how many lines they stand, one with another.
    lines: i64,
}

/// A search that goes on until it has enough.
pub(super) struct Search<'a, T> {
    shelf: &'a Shelf,
    key: String,
    limit: usize,
    found: Vec<T>,
}

/// What a table of pairs knows.
const PAIR: usize = 2;
/// Shorter parts have no trigram, so no trigram index knows them.
const TRIGRAM: usize = 3;
/// Of what was typed, so many words count.
const MOST_WORDS: usize = 6;
/// What stands in more lines than this is soon met in the order of names; what stands in fewer is gathered and sorted.
const MANY: i64 = 1_500;
/// Names that contain what was typed are gathered up to this many: looking for ten among a few could go through all names,
/// which takes 8 ms.
const FEW: i64 = 400;
/// A part stands in more words than this only when it stands in many lines too.
const MOST_MEANINGS: i64 = 200;
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
        self.phase(conn, &self.part()).await?;
        if self.shelf.salts && self.has_trigram() {
            self.phase(conn, &Condition::Salt(self.key.clone())).await?;
        }
        if self.found.is_empty() && self.has_trigram() {
            self.mistyped(conn).await?;
        }
        Ok(self.found)
    }

    /// What a name has to be to contain it.
    fn part(&self) -> Condition {
        match self.shelf.pairs {
            Some(pairs) if self.key.chars().count() == PAIR => Condition::Pair(pairs, self.key.clone()),
            _ => Condition::Part(self.key.clone()),
        }
    }

    fn has_trigram(&self) -> bool {
        self.key.chars().count() >= TRIGRAM
    }

    /// Names that have every word as it is known or nearly so; where the known ones stand in the way, without them.
    async fn mistyped(&mut self, conn: &mut PgConnection) -> Result<()> {
        let mut meanings = self.understand(conn).await?;
        let all = meanings.len();
        if all == 0 {
            return Ok(());
        }
        self.phase(conn, &Condition::Words(meanings.clone())).await?;
        meanings.retain(|meaning| meaning.is_mistyped);
        if self.found.is_empty() && !meanings.is_empty() && meanings.len() < all {
            self.phase(conn, &Condition::Words(meanings)).await?;
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

    /// What each typed word stands for: the words of the catalogue that contain it, or else those most like it. Two letters
    /// only stand for what begins with them, and are no typo of anything. Words that resemble nothing are passed over.
    async fn understand(&self, conn: &mut PgConnection) -> Result<Vec<Meaning>> {
        let typed: Vec<String> = super::words(&[&self.key]).into_iter().take(MOST_WORDS).collect();
        let is_short: Vec<bool> = typed.iter().map(|word| word.chars().count() < TRIGRAM).collect();
        let parts: Vec<String> = typed.iter().map(|word| part(word)).collect();
        let ends: Vec<String> = typed.iter().map(|word| end(word)).collect();
        let words = self.shelf.words;
        let mut sql = QueryBuilder::<Postgres>::new("with t as materialized (select * from unnest(");
        sql.push_bind(typed).push("::text[], ").push_bind(is_short).push("::boolean[], ").push_bind(parts);
        sql.push("::text[], ").push_bind(ends);
        sql.push("::text[]) with ordinality as q(word, is_short, part, past, place)), k as materialized (");
        sql.push("select t.place, w.word, w.lines from t cross join lateral (");
        sql.push("(select w.word, w.lines from ").push(words).push(" w where not t.is_short and w.word like t.part");
        sql.push(" order by w.lines desc, w.word limit ").push_bind(MOST_MEANINGS).push(") union all (");
        sql.push("select w.word, w.lines from ").push(words);
        sql.push(" w where t.is_short and w.word >= t.word collate \"C\" and w.word < t.past collate \"C\"");
        sql.push(" order by w.lines desc, w.word limit ").push_bind(MOST_MEANINGS).push(")) w) ");
        sql.push("select place, true as known, word, 1::real as likeness, lines from k union all ");
        sql.push("select t.place, false, n.word, n.likeness, n.lines from t cross join lateral (");
        sql.push("select w.word, word_similarity(t.word, w.word) as likeness, w.lines from ").push(words);
        sql.push(" w where w.word %> t.word order by likeness desc, w.word limit 8) n");
        sql.push(" where not t.is_short and t.place not in (select place from k)");
        sql.push(" order by place, likeness desc, word");
        let rows = sql.build().persistent(false).fetch_all(conn).await?;
        let mut meanings: Vec<(i64, Meaning)> = Vec::new();
        let mut least = LEAST_LIKENESS;
        for row in rows {
            let (place, known, likeness): (i64, bool, f32) = (row.try_get(0)?, row.try_get(1)?, row.try_get(3)?);
            if meanings.last().is_none_or(|(last, _)| *last != place) {
                // The best one comes first.
                least = (likeness * NEAR_BEST).max(LEAST_LIKENESS);
                meanings.push((place, Meaning { is_mistyped: !known, words: Vec::new(), lines: 0 }));
            }
            if let (true, Some((_, meaning))) = (likeness >= least, meanings.last_mut()) {
                meaning.words.push(row.try_get(2)?);
                meaning.lines += i64::from(row.try_get::<i32, _>(4)?);
            }
        }
        Ok(meanings.into_iter().map(|(_, meaning)| meaning).filter(|meaning| !meaning.words.is_empty()).collect())
    }
}

/// How rows are come by.
#[derive(Debug, Clone, Copy)]
enum Way {
    /// As the planner likes: an index on the condition, or a walk in the order of names that stops early.
    Planned,
    /// All of them by an index on the condition, then sorted.
    Gathered,
    /// Gathered as long as they are few, else met on a walk: for conditions of which the planner cannot tell.
    FewOrMet,
}

impl Condition {
    const fn way(&self) -> Way {
        match self {
            Self::Code(_) | Self::CodePrefix(_) | Self::Prefix(_) => Way::Planned,
            Self::Part(_) | Self::Salt(_) => Way::FewOrMet,
            Self::Pair(..) => Way::Gathered,
            Self::Words(meanings) => match meanings.as_slice() {
                [one] if one.lines > MANY => Way::Planned,
                _ => Way::Gathered,
            },
        }
    }
}

/// The rows under a condition, without those found before: shorter names first, then by the alphabet.
fn statement(sql: &mut QueryBuilder<Postgres>, shelf: &Shelf, condition: &Condition, without: &[Uuid], room: usize) {
    let all = |sql: &mut QueryBuilder<Postgres>, columns: &str| {
        sql.push("select ").push(columns).push(" from ").push(shelf.table).push(" where ");
        push_condition(sql, condition);
        if !without.is_empty() {
            sql.push(" and id <> all(").push_bind(without.to_vec()).push(")");
        }
    };
    let first = |sql: &mut QueryBuilder<Postgres>| {
        sql.push(" order by name_length, name_key, id limit ").push_bind(i64::try_from(room).unwrap_or(i64::MAX));
    };
    match condition.way() {
        Way::Planned => {
            sql.push("with o as (");
            all(sql, "id");
            first(sql);
        }
        Way::Gathered => {
            sql.push("with f as materialized (");
            all(sql, "id, name_length, name_key");
            sql.push("), o as (select id from f");
            first(sql);
        }
        Way::FewOrMet => {
            sql.push("with f as materialized (");
            all(sql, "id, name_length, name_key");
            sql.push(" limit ").push_bind(FEW);
            sql.push("), n as materialized (select count(*) < ").push_bind(FEW).push(" as few from f), o as (");
            sql.push("(select id from f where (select few from n)");
            first(sql);
            sql.push(") union all (");
            all(sql, "id");
            sql.push(" and not (select few from n)");
            first(sql);
            sql.push(")");
        }
    }
    sql.push(") select ").push(shelf.columns).push(" from o join ").push(shelf.table);
    sql.push(" t using (id) order by t.name_length, t.name_key, t.id");
}

fn push_condition(sql: &mut QueryBuilder<Postgres>, condition: &Condition) {
    match condition {
        Condition::Code(code) => drop(sql.push("code_key = ").push_bind(code.clone())),
        Condition::CodePrefix(prefix) => range(sql, "code_key", prefix),
        Condition::Prefix(prefix) => range(sql, "name_key", prefix),
        Condition::Part(text) => drop(sql.push("name_key like ").push_bind(part(text))),
        Condition::Pair(pairs, letters) => {
            sql.push("id in (select id from ").push(pairs).push(" where pair = ").push_bind(letters.clone()).push(")");
        }
        Condition::Salt(text) => drop(sql.push("salt_key like ").push_bind(part(text))),
        Condition::Words(meanings) => {
            for (place, meaning) in meanings.iter().enumerate() {
                sql.push(if place == 0 { "words && " } else { " and words && " }).push_bind(meaning.words.clone());
            }
        }
    }
}

/// Everything that begins with a prefix lies between it and the prefix with the last of all characters.
fn range(sql: &mut QueryBuilder<Postgres>, column: &str, prefix: &str) {
    sql.push(column).push(" >= ").push_bind(prefix.to_owned());
    sql.push(" and ").push(column).push(" < ").push_bind(end(prefix));
}

fn end(prefix: &str) -> String {
    format!("{prefix}{}", char::MAX)
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

/// How Postgres goes about each phase of a search, with what it took: for the benchmark and the docs made from it.
///
/// # Errors
/// When Postgres cannot be asked.
#[cfg(feature = "testing")]
pub(super) async fn plans<T: Hit>(
    conn: &mut PgConnection,
    shelf: &Shelf,
    typed: &str,
) -> Result<Vec<(&'static str, Vec<String>)>> {
    let search = Search::<T>::new(shelf, typed, 10);
    let mut phases = vec![("prefix", Condition::Prefix(search.key.clone())), ("part", search.part())];
    if shelf.salts && search.has_trigram() {
        phases.push(("salt", Condition::Salt(search.key.clone())));
    }
    if search.has_trigram() {
        phases.push(("words", Condition::Words(search.understand(conn).await?)));
    }
    let mut plans = Vec::new();
    for (phase, condition) in phases {
        if matches!(&condition, Condition::Words(meanings) if meanings.is_empty()) {
            continue;
        }
        let mut sql = QueryBuilder::new("explain (analyze, costs off, timing off) ");
        statement(&mut sql, shelf, &condition, &[], 10);
        plans.push((phase, sql.build_query_scalar().persistent(false).fetch_all(&mut *conn).await?));
    }
    Ok(plans)
}
