//! How long the figures of patients and doctors take (connect-v2 92, 93, 96 to 99) among a million sessions:
//!
//! ```text
//! cargo bench -p consilium-storage --bench figures
//! ```
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a bench prints, and stops at the first surprise")]

use std::time::Instant;

use chrono::{DateTime, TimeDelta, Utc};
use consilium_storage::connect::analytics;
use consilium_storage::database::{self, Conn};
use consilium_storage::embedded::{self, Options};
use consilium_storage::ids::UserId;
use sqlx::{ConnectOptions, Connection};
use uuid::Uuid;

/// One caller after the other, each somebody else.
const CALLERS: u128 = 100;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let dir = std::env::temp_dir().join(format!("consilium-bench-{}", std::process::id()));
    let cluster = embedded::start(&Options::new(dir.clone())).await.unwrap();
    let owner = cluster.connect_options(embedded::DATABASE);
    database::migrate(&owner).await.unwrap();
    let pool = database::connect(&owner, 1).await.unwrap();
    let mut conn = pool.acquire().await.unwrap();
    let started = Instant::now();
    let mut writer = owner.connect().await.unwrap();
    // Not in one piece, which would be one transaction: no table can be tidied within one.
    let statements = include_str!("figures.sql").split(";\n\n");
    for statement in statements {
        sqlx::raw_sql(statement).execute(&mut writer).await.unwrap();
    }
    writer.close().await.unwrap();
    println!("a million sessions written in {:.0?}", started.elapsed());
    let end = "2025-11-25T00:00:00Z".parse::<DateTime<Utc>>().unwrap();
    measure(&mut conn, end).await;
    drop(conn);
    pool.close().await;
    cluster.stop().await;
    std::fs::remove_dir_all(dir).ok();
}

async fn measure(conn: &mut Conn, end: DateTime<Utc>) {
    let (month, all) = ((end - TimeDelta::days(30), end), (DateTime::UNIX_EPOCH, end));
    let days: Vec<DateTime<Utc>> = (0..30).map(|day| month.0 + TimeDelta::days(day)).collect();
    println!("{:<44} {:>9} {:>9}", "", "p50", "max");
    time("92 overview", 'a', async |id| {
        assert!(analytics::overview(conn, id).await.unwrap().unwrap().sessions > 0);
    })
    .await;
    time("93 sessions, the first page", 'a', async |id| {
        assert_eq!(analytics::list_visits(conn, id, None, (20, 0), end).await.unwrap().1, 50);
    })
    .await;
    time("96 performance, a month", 'd', async |id| {
        assert!(analytics::performance(conn, id, month.0, end).await.unwrap().requests > 0);
    })
    .await;
    time("96 performance, all of 5,000 sessions", 'd', async |id| {
        assert!(analytics::performance(conn, id, all.0, end).await.unwrap().requests > 4_900);
    })
    .await;
    time("97 metrics, a month", 'd', async |id| {
        assert!(analytics::review_totals(conn, id, month).await.unwrap().reviews > 0);
    })
    .await;
    time("98 trends, 30 days", 'd', async |id| {
        assert!(!analytics::review_trend(conn, id, month, &days).await.unwrap().is_empty());
    })
    .await;
    time("99 distribution, all", 'd', async |id| {
        assert!(!analytics::review_stars(conn, id, all).await.unwrap().is_empty());
    })
    .await;
}

/// Asks once for each of a hundred people, after a round that warms the caches.
async fn time(what: &str, kind: char, mut ask: impl AsyncFnMut(UserId)) {
    let first = Uuid::parse_str(&format!("{kind}0000000-0000-7000-8000-000000000000")).unwrap().as_u128();
    let mut times = Vec::new();
    for round in 0..2 {
        for number in 0..CALLERS {
            let began = Instant::now();
            ask(UserId(Uuid::from_u128(first + number))).await;
            if round == 1 {
                times.push(began.elapsed());
            }
        }
    }
    times.sort_unstable();
    let half = times.get(times.len() / 2).copied().unwrap_or_default();
    let last = times.last().copied().unwrap_or_default();
    println!("{what:<44} {half:>9.2?} {last:>9.2?}");
}
