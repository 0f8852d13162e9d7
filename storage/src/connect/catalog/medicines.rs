//! Medicines (connect-v2 100, 101). One is known by its provider and name; an import writes it anew in its place.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::search::{Hit, Search, Shelf};
use super::{MOST_FOUND, Written, key, length, tidy, words};
use crate::error::Result;
use crate::ids::MedicineId;

/// A medicine in a list.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Line {
    /// Its id.
    pub id: MedicineId,
    /// As the source writes it.
    pub name: String,
    /// `tablet`, `syrup` …
    pub form: Option<String>,
    /// Where it comes from.
    pub provider: String,
}

impl Hit for Line {
    fn id(&self) -> Uuid {
        self.id.0
    }
}

/// One medicine in full.
#[derive(Debug, Clone)]
pub struct Medicine {
    /// Its id.
    pub id: MedicineId,
    /// As the source writes it.
    pub name: String,
    /// `tablet`, `syrup` …
    pub form: Option<String>,
    /// Where it comes from.
    pub provider: String,
    /// What it is.
    pub product_introduction: Option<String>,
    /// What it is for.
    pub uses: Vec<String>,
    /// How it works.
    pub how_it_works: Option<String>,
    /// What to look out for.
    pub safety_advice: Option<String>,
    /// Where more is said.
    pub source_url: Option<String>,
    /// When it was first imported.
    pub created_at: DateTime<Utc>,
}

/// A medicine about to be written.
#[derive(Debug, Clone, Default)]
pub struct NewMedicine {
    /// As the source writes it.
    pub name: String,
    /// `tablet`, `syrup` …
    pub form: Option<String>,
    /// Where it comes from.
    pub provider: String,
    /// Its salts.
    pub composition: Option<String>,
    /// What it is.
    pub product_introduction: Option<String>,
    /// What it is for.
    pub uses: Vec<String>,
    /// How it works.
    pub how_it_works: Option<String>,
    /// What to look out for.
    pub safety_advice: Option<String>,
    /// Where more is said.
    pub source_url: Option<String>,
}

const SHELF: Shelf = Shelf {
    table: "medicines",
    words: "medicine_words",
    pairs: Some("medicine_pairs"),
    columns: "t.id, t.name, t.form, t.provider",
    salts: true,
};

/// The medicines that fit what was typed, by the phases of connect-v2 100.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn search(conn: &mut PgConnection, typed: &str, limit: i64) -> Result<Vec<Line>> {
    Search::new(&SHELF, typed, limit).finish(conn).await
}

/// How Postgres goes about each phase of a search; see `search`.
///
/// # Errors
/// When Postgres cannot be asked.
#[cfg(feature = "testing")]
pub async fn plans(conn: &mut PgConnection, typed: &str) -> Result<Vec<(&'static str, Vec<String>)>> {
    super::search::plans::<Line>(conn, &SHELF, typed).await
}

/// One medicine.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn find(conn: &mut PgConnection, id: MedicineId) -> Result<Option<Medicine>> {
    Ok(sqlx::query_as!(
        Medicine,
        "select m.id, m.name, m.form, m.provider, t.product_introduction, t.uses, t.how_it_works, t.safety_advice,
                t.source_url, m.created_at
         from medicines m join medicine_texts t on t.medicine_id = m.id
         where m.id = $1",
        id as _
    )
    .fetch_optional(conn)
    .await?)
}

/// Whether there is any.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn any(conn: &mut PgConnection) -> Result<bool> {
    Ok(sqlx::query_scalar!("select exists (select from medicines) as \"some!\"").fetch_one(conn).await?)
}

/// The columns of a batch.
#[derive(Debug, Default)]
struct Columns {
    ids: Vec<MedicineId>,
    providers: Vec<String>,
    names: Vec<String>,
    name_keys: Vec<String>,
    lengths: Vec<i32>,
    forms: Vec<Option<String>>,
    compositions: Vec<Option<String>>,
    salt_keys: Vec<Option<String>>,
    words: Vec<String>,
}

impl Columns {
    fn of(batch: &[NewMedicine]) -> Self {
        let mut columns = Self::default();
        for new in batch {
            let name_key = key(&new.name);
            let salt_key = new.composition.as_deref().map(key);
            columns.ids.push(MedicineId(super::id("medicine", &new.provider, &name_key)));
            columns.providers.push(new.provider.clone());
            columns.names.push(tidy(&new.name));
            columns.lengths.push(length(&name_key));
            columns.words.push(words(&[&name_key, salt_key.as_deref().unwrap_or_default()]).join(" "));
            columns.name_keys.push(name_key);
            columns.forms.push(new.form.clone());
            columns.compositions.push(new.composition.clone());
            columns.salt_keys.push(salt_key);
        }
        columns
    }
}

/// Writes a batch: what is not there is added, what says something else is changed, the rest stays untouched. No two of
/// a batch may have the same provider and name.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn write(conn: &mut PgConnection, batch: &[NewMedicine], at: DateTime<Utc>) -> Result<Written> {
    let columns = Columns::of(batch);
    let named = sqlx::query_file!(
        "src/connect/catalog/medicines_write.sql",
        &columns.ids as _,
        &columns.providers,
        &columns.names,
        &columns.name_keys,
        &columns.lengths,
        &columns.forms as _,
        &columns.compositions as _,
        &columns.salt_keys as _,
        &columns.words,
        at
    )
    .fetch_all(&mut *conn)
    .await?;
    let told = write_texts(conn, batch, &columns).await?;
    let new: Vec<MedicineId> = named.iter().filter(|row| row.is_new).map(|row| row.id).collect();
    let mut changed: Vec<MedicineId> = named.into_iter().map(|row| row.id).chain(told).collect();
    changed.sort_unstable();
    changed.dedup();
    Ok(Written { new: new.len(), changed: changed.len() - new.len() })
}

async fn write_texts(conn: &mut PgConnection, batch: &[NewMedicine], columns: &Columns) -> Result<Vec<MedicineId>> {
    let text = |of: fn(&NewMedicine) -> &Option<String>| batch.iter().map(|new| of(new).clone()).collect::<Vec<_>>();
    let uses: Vec<serde_json::Value> = batch.iter().map(|new| new.uses.clone().into()).collect();
    Ok(sqlx::query_file_scalar!(
        "src/connect/catalog/medicine_texts_write.sql",
        &columns.ids as _,
        &text(|new| &new.product_introduction) as _,
        &uses,
        &text(|new| &new.how_it_works) as _,
        &text(|new| &new.safety_advice) as _,
        &text(|new| &new.source_url) as _
    )
    .fetch_all(conn)
    .await?)
}

/// Counts the words and finds the first names of each pair of letters anew, once all lines are written: searches rest on
/// them.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn recount(conn: &mut PgConnection) -> Result<()> {
    sqlx::query!("delete from medicine_words").execute(&mut *conn).await?;
    sqlx::query!(
        "insert into medicine_words (word, lines)
         select word, count(*) from medicines, unnest(words) as word group by word"
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!("delete from medicine_pairs").execute(&mut *conn).await?;
    sqlx::query_file!("src/connect/catalog/medicine_pairs_write.sql", MOST_FOUND).execute(conn).await?;
    Ok(())
}
