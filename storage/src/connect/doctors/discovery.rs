//! Finding doctors (connect-v2 12–14): only those who are active and verified. Presence is not a column: whoever asks
//! says who is there.

use sqlx::{PgConnection, Postgres, QueryBuilder};

use crate::error::Result;
use crate::ids::UserId;

/// A doctor in a list, without presence.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Card {
    /// The doctor.
    pub id: UserId,
    /// With the title.
    pub full_name: String,
    /// In addresses.
    pub slug: String,
    /// Speciality.
    pub speciality_category: String,
    /// Mean of all reviews, one decimal.
    pub rating: f64,
    /// Years.
    pub years_experience: i32,
    /// Paise a minute.
    pub rate_per_minute: i32,
    /// Uploaded picture.
    pub avatar_file: Option<String>,
    /// Takes chats.
    pub chat_enabled: bool,
    /// Takes calls.
    pub call_enabled: bool,
    /// Shown first.
    pub is_featured: bool,
    /// Whether the patient who looks keeps the doctor.
    pub is_favourite: bool,
}

/// Who is there right now; everybody else is offline.
#[derive(Debug, Clone, Default)]
pub struct Present {
    /// Free.
    pub online: Vec<UserId>,
    /// In a consultation.
    pub busy: Vec<UserId>,
}

/// The order of lists: free doctors first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rank {
    /// Free.
    Online = 0,
    /// In a consultation.
    Busy = 1,
    /// Not there.
    Offline = 2,
}

/// What a list is sorted by; ties by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SortBy {
    /// Price.
    Rate,
    /// Reviews.
    Rating,
    /// Years.
    Experience,
}

/// The order of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// Presence, then rating down, then name.
    #[default]
    Presence,
    /// The patient's favourites, then as [`Order::Presence`].
    FavouritesFirst,
    /// Ascending.
    Up(SortBy),
    /// Descending.
    Down(SortBy),
}

/// What is asked for; filters combine with AND.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// The patient who looks.
    pub viewer: Option<UserId>,
    /// Only those with this presence.
    pub rank: Option<Rank>,
    /// Only this speciality, whatever the case of its letters.
    pub category: Option<String>,
    /// Only those who take chats.
    pub chat: bool,
    /// Only those who take calls.
    pub call: bool,
    /// Only the featured.
    pub featured: bool,
    /// Only the patient's favourites.
    pub favourites: bool,
    /// How they are sorted.
    pub order: Order,
    /// How many are left out.
    pub skip: i64,
    /// How many at most.
    pub limit: i64,
}

/// The visible doctors that match.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn list(conn: &mut PgConnection, query: &Query, present: &Present) -> Result<Vec<Card>> {
    let mut sql = QueryBuilder::<Postgres>::new(
        "select * from (
             select d.id, d.full_name, d.slug, d.speciality_category, d.rating, d.years_experience, d.rate_per_minute,
                    d.avatar_file, d.chat_enabled, d.call_enabled, d.is_featured,
                    exists (select from favourites f where f.doctor_id = d.id and f.patient_id = ",
    );
    sql.push_bind(query.viewer).push(") as is_favourite, case when d.id = any(");
    sql.push_bind(&present.online).push(") then 0 when d.id = any(");
    sql.push_bind(&present.busy).push(
        ") then 1 else 2 end as rank
             from doctors d join accounts a on a.id = d.id
             where a.is_active and d.is_verified
         ) d where true",
    );
    if let Some(rank) = query.rank {
        sql.push(" and rank = ").push_bind(rank as i32);
    }
    if let Some(category) = &query.category {
        sql.push(" and lower(speciality_category) = lower(").push_bind(category).push(")");
    }
    for (wanted, condition) in [
        (query.chat, " and chat_enabled"),
        (query.call, " and call_enabled"),
        (query.featured, " and is_featured"),
        (query.favourites, " and is_favourite"),
    ] {
        if wanted {
            sql.push(condition);
        }
    }
    sql.push(order_by(query.order)).push(" limit ").push_bind(query.limit).push(" offset ").push_bind(query.skip);
    Ok(sql.build_query_as().fetch_all(conn).await?)
}

const fn order_by(order: Order) -> &'static str {
    match order {
        Order::Presence => " order by rank, rating desc, lower(full_name), id",
        Order::FavouritesFirst => " order by is_favourite desc, rank, rating desc, lower(full_name), id",
        Order::Up(SortBy::Rate) => " order by rate_per_minute, lower(full_name), id",
        Order::Down(SortBy::Rate) => " order by rate_per_minute desc, lower(full_name), id",
        Order::Up(SortBy::Rating) => " order by rating, lower(full_name), id",
        Order::Down(SortBy::Rating) => " order by rating desc, lower(full_name), id",
        Order::Up(SortBy::Experience) => " order by years_experience, lower(full_name), id",
        Order::Down(SortBy::Experience) => " order by years_experience desc, lower(full_name), id",
    }
}

/// The visible doctors whose name, speciality or degrees resemble the words, best match first; typos are tolerated.
/// The candidates come from the trigram index.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn search(
    conn: &mut PgConnection,
    viewer: Option<UserId>,
    words: &str,
    limit: i64,
    offset: i64,
) -> Result<Vec<Card>> {
    Ok(sqlx::query_file_as!(Card, "src/connect/doctors/search.sql", viewer as _, words, limit, offset)
        .fetch_all(conn)
        .await?)
}

#[cfg(test)]
#[path = "discovery_tests.rs"]
mod tests;
