#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
use chrono::DateTime;
use sqlx::{AssertSqlSafe, PgPool};

use super::*;
use crate::accounts::patients;
use crate::connect::doctors::{self, NewDoctor, favourites};
use crate::testing::{TestDb, database};

struct World {
    pool: PgPool,
    _database: TestDb,
}

impl World {
    async fn new() -> Self {
        let database = database().await;
        Self { pool: crate::database::connect(&database.options, 2).await.unwrap(), _database: database }
    }

    async fn doctor(&self, name: &str, speciality: &str, change: impl FnOnce(&mut NewDoctor)) -> UserId {
        let id = UserId::new();
        let mut new = NewDoctor {
            email: format!("{id}@test.example"),
            password_hash: "x".to_owned(),
            phone: None,
            full_name: name.to_owned(),
            speciality_category: speciality.to_owned(),
            degrees: vec!["MBBS".to_owned()],
            years_experience: 1,
            about_short: None,
            languages: Vec::new(),
            registration_number: None,
            rate_per_minute: 0,
            chat_enabled: true,
            call_enabled: true,
            is_featured: false,
            is_verified: true,
            is_reviewer: false,
        };
        change(&mut new);
        let mut conn = self.pool.acquire().await.unwrap();
        doctors::insert(&mut conn, id, &new, DateTime::UNIX_EPOCH).await.unwrap();
        id
    }

    async fn found(&self, words: &str) -> Vec<String> {
        let mut conn = self.pool.acquire().await.unwrap();
        names(search(&mut conn, None, words, 25, 0).await.unwrap())
    }

    async fn listed(&self, query: Query, present: &Present) -> Vec<String> {
        let mut conn = self.pool.acquire().await.unwrap();
        names(list(&mut conn, &Query { limit: 100, ..query }, present).await.unwrap())
    }
}

fn names(cards: Vec<Card>) -> Vec<String> {
    cards.into_iter().map(|card| card.full_name).collect()
}

#[tokio::test]
async fn search_tolerates_typos_and_gives_the_best_first() {
    let world = World::new().await;
    for (name, speciality) in [
        ("Dr. Ankit Shah", "Urology"),
        ("Dr. Meera Iyer", "Cardiology"),
        ("Dr. Ankita Rao", "Dermatology"),
        ("डॉ. अंकित शाह", "Neurology"),
    ] {
        world.doctor(name, speciality, |_| {}).await;
    }
    world.doctor("Dr. Hidden Shah", "Urology", |new| new.is_verified = false).await;
    assert_eq!(world.found("ankit").await, ["Dr. Ankit Shah", "Dr. Ankita Rao"]);
    assert_eq!(world.found("Anikt").await, ["Dr. Ankit Shah", "Dr. Ankita Rao"]);
    assert_eq!(world.found("urolgy").await[0], "Dr. Ankit Shah");
    assert_eq!(world.found("UROLOGY").await[0], "Dr. Ankit Shah");
    assert_eq!(world.found("cardiolgist").await, ["Dr. Meera Iyer"]);
    assert_eq!(world.found("meera cardiology").await, ["Dr. Meera Iyer"]);
    assert_eq!(world.found("अंकित").await, ["डॉ. अंकित शाह"]);
    assert_eq!(world.found("mbbs").await.len(), 4);
    for nothing in ["zzqqxx", "hidden", "...", "%_\\", "'"] {
        assert_eq!(world.found(nothing).await, Vec::<String>::new(), "{nothing}");
    }
}

#[tokio::test]
async fn search_is_answered_by_the_trigram_index() {
    let world = World::new().await;
    world.doctor("Dr. Ankit Shah", "Urology", |_| {}).await;
    let mut conn = world.pool.acquire().await.unwrap();
    sqlx::raw_sql("set enable_seqscan = off").execute(&mut *conn).await.unwrap();
    let sql = include_str!("search.sql").replace("$1", "null").replace("$2", "'ankit'");
    let sql = sql.replace("$3", "10").replace("$4", "0");
    let plan: Vec<String> =
        sqlx::query_scalar(AssertSqlSafe(format!("explain {sql}"))).fetch_all(&mut *conn).await.unwrap();
    assert!(plan.iter().any(|line| line.contains("Bitmap Index Scan on doctors_by_search_text")), "{plan:#?}");
}

#[tokio::test]
async fn lists_filter_and_sort() {
    let world = World::new().await;
    let rated = |sum: i32| format!("update doctors set rating_sum = {sum}, review_count = 1 where full_name = ");
    world.doctor("Asha", "Urology", |new| new.rate_per_minute = 300).await;
    let bela = world.doctor("Bela", "Cardiology", |new| new.call_enabled = false).await;
    let chand = world.doctor("Chand", "Urology", |new| (new.is_featured, new.years_experience) = (true, 9)).await;
    world.doctor("Dev", "Urology", |new| new.is_verified = false).await;
    let gone = world.doctor("Esha", "Urology", |_| {}).await;
    let mut conn = world.pool.acquire().await.unwrap();
    crate::accounts::set_active(&mut conn, gone, false).await.unwrap();
    for (sum, name) in [(3, "'Asha'"), (5, "'Bela'")] {
        sqlx::raw_sql(AssertSqlSafe(rated(sum) + name)).execute(&mut *conn).await.unwrap();
    }
    let patient = UserId::new();
    patients::insert(&mut conn, patient, "+911234567890", None, "av_01", crate::clock::Clock::system().now())
        .await
        .unwrap();
    favourites::insert(&mut conn, patient, chand, crate::clock::Clock::system().now()).await.unwrap();
    favourites::insert(&mut conn, patient, gone, crate::clock::Clock::system().now()).await.unwrap();
    assert_eq!(names(favourites::list(&mut conn, patient, 0, 10).await.unwrap()), ["Chand"]);
    drop(conn);

    let nobody = Present::default();
    let present = Present { online: vec![chand], busy: vec![bela] };
    let all = Query::default();
    assert_eq!(world.listed(all.clone(), &nobody).await, ["Bela", "Asha", "Chand"]);
    assert_eq!(world.listed(all.clone(), &present).await, ["Chand", "Bela", "Asha"]);
    let with = |change: fn(&mut Query)| {
        let mut query = all.clone();
        change(&mut query);
        query
    };
    for (query, expected) in [
        (with(|query| query.rank = Some(Rank::Offline)), vec!["Asha"]),
        (with(|query| query.rank = Some(Rank::Busy)), vec!["Bela"]),
        (with(|query| query.category = Some("uroLOGY".to_owned())), vec!["Chand", "Asha"]),
        (with(|query| query.call = true), vec!["Chand", "Asha"]),
        (with(|query| (query.chat, query.featured) = (true, true)), vec!["Chand"]),
        (with(|query| query.order = Order::Down(SortBy::Rate)), vec!["Asha", "Bela", "Chand"]),
        (with(|query| query.order = Order::Up(SortBy::Rating)), vec!["Chand", "Asha", "Bela"]),
        (with(|query| query.order = Order::Down(SortBy::Experience)), vec!["Chand", "Asha", "Bela"]),
        (with(|query| query.skip = 2), vec!["Asha"]),
        (with(|query| query.favourites = true), vec![]),
    ] {
        assert_eq!(world.listed(query.clone(), &present).await, expected, "{query:?}");
    }
    let mine = Query { viewer: Some(patient), ..all };
    let favourites_first = Query { order: Order::FavouritesFirst, ..mine.clone() };
    assert_eq!(world.listed(favourites_first, &nobody).await, ["Chand", "Bela", "Asha"]);
    assert_eq!(world.listed(Query { favourites: true, ..mine }, &present).await, ["Chand"]);
}
