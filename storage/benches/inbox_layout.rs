//! Which layout of a message's inbox places costs less (docs/decisions/006): in the message row itself, or as an event
//! with two thin inbox rows. Same Postgres, same run, batches of the writer's size; run with
//! `cargo bench -p consilium-storage --bench inbox_layout`.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::indexing_slicing, reason = "a program that measures")]

use std::time::{Duration, Instant};

use consilium_storage::embedded::{self, Options};
use sqlx::postgres::PgPoolOptions;
use sqlx::{Executor, PgPool};
use uuid::Uuid;

const ROUND: Duration = Duration::from_secs(4);

const TABLES: &str = "
    create table heads (user_id uuid primary key, head bigint not null) with (fillfactor = 50);
    create table merged (id uuid primary key, session_id uuid, client_id uuid, patient_id uuid, doctor_id uuid,
        patient_seq bigint, doctor_seq bigint, content text, at timestamptz);
    create unique index on merged (session_id, client_id);
    create unique index on merged (session_id, at, id);
    create unique index on merged (patient_id, patient_seq);
    create unique index on merged (doctor_id, doctor_seq);
    create table plain (id uuid primary key, session_id uuid, client_id uuid, content text, at timestamptz);
    create unique index on plain (session_id, client_id);
    create unique index on plain (session_id, at, id);
    create table event (at timestamptz, id uuid, kind text, session_id uuid, data json, primary key (at, id));
    create table thin (user_id uuid, seq bigint, event_id uuid, at timestamptz, primary key (user_id, seq, at));";

const MERGED: &str = "
    with taken as (select user_id from heads where user_id = any($3) order by user_id for update),
    up as (update heads set head = head + $4 where user_id in (select user_id from taken) returning user_id, head)
    insert into merged select gen_random_uuid(), s, c, u[1], u[2], n, n, $5, clock_timestamp()
    from unnest($1::uuid[], $2::uuid[]) with ordinality as x(s, c, o),
         lateral (select $3::uuid[] as u, $6::bigint + o as n) y, (select count(*) from up) z";

const PLAIN: &str = "
    with taken as (select user_id from heads where user_id = any($3) order by user_id for update),
    up as (update heads set head = head + $4 where user_id in (select user_id from taken) returning user_id, head),
    rows as (select s, c, $6::bigint + o as n, gen_random_uuid() as id, clock_timestamp() as at
             from unnest($1::uuid[], $2::uuid[]) with ordinality as x(s, c, o), (select count(*) from up) z),
    m as (insert into plain select id, s, c, $5, at from rows),
    e as (insert into event select at, id, 'message.new', s, json_build_object('content', $5) from rows)
    insert into thin select u, n, id, at from rows, unnest($3::uuid[]) as u";

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let dir = std::env::temp_dir().join(format!("consilium-bench-{}", std::process::id()));
    let cluster = embedded::start(&Options::new(dir.clone())).await.unwrap();
    let pool =
        PgPoolOptions::new().max_connections(4).connect_with(cluster.connect_options("consilium")).await.unwrap();
    pool.execute(TABLES).await.unwrap();
    println!("{:>6} {:>14} {:>14} {:>7}", "batch", "in the row/s", "inbox rows/s", "ratio");
    for batch in [1, 8, 64, 256] {
        let (mut merged, mut plain) = (0.0, 0.0);
        for _ in 0..2 {
            merged += measure(&pool, MERGED, batch).await;
            plain += measure(&pool, PLAIN, batch).await;
        }
        println!("{batch:>6} {:>14.0} {:>14.0} {:>7.2}", merged / 2.0, plain / 2.0, merged / plain);
    }
    for table in ["merged", "plain", "event", "thin"] {
        let sql = format!("select pg_total_relation_size('{table}')::float8 / greatest(count(*), 1) from {table}");
        let bytes: f64 = sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_one(&pool).await.unwrap();
        println!("{table:>7}: {bytes:.0} bytes a row with its indexes");
    }
    pool.close().await;
    cluster.stop().await;
    std::fs::remove_dir_all(dir).ok();
}

/// Messages a second with four writers, each with a patient and doctor of its own.
async fn measure(pool: &PgPool, sql: &'static str, batch: usize) -> f64 {
    let started = Instant::now();
    let writers = (0..4).map(|_| async {
        let users = vec![Uuid::new_v4(), Uuid::new_v4()];
        sqlx::query("insert into heads select unnest($1::uuid[]), 0").bind(&users).execute(pool).await.unwrap();
        let sessions = vec![Uuid::new_v4(); batch];
        let text = "x".repeat(120);
        let mut written = 0_i64;
        while started.elapsed() < ROUND {
            let clients: Vec<Uuid> = (0..batch).map(|_| Uuid::new_v4()).collect();
            let count = i64::try_from(batch).unwrap();
            let query = sqlx::query(sql).bind(&sessions).bind(&clients).bind(&users).bind(count).bind(&text);
            query.bind(written).execute(pool).await.unwrap();
            written += count;
        }
        written
    });
    let written: i64 = futures_join(writers.collect()).await.into_iter().sum();
    written as f64 / started.elapsed().as_secs_f64()
}

/// Runs futures at once on this thread; a bench needs no more of a futures library.
async fn futures_join<F: Future<Output = i64>>(list: Vec<F>) -> Vec<i64> {
    let mut list: Vec<_> = list.into_iter().map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|cx| {
        let mut all = true;
        for (future, done) in &mut list {
            if done.is_none() {
                match future.as_mut().poll(cx) {
                    std::task::Poll::Ready(value) => *done = Some(value),
                    std::task::Poll::Pending => all = false,
                }
            }
        }
        if all { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    list.into_iter().filter_map(|(_, done)| done).collect()
}
