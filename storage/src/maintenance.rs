//! Housekeeping of the inbox: a partition a day, whole days dropped after the retention time (DESIGN §2).

use chrono::{DateTime, Days, NaiveDate, Utc};
use sqlx::{AssertSqlSafe, PgConnection};

use crate::error::Result;

const TABLES: [&str; 2] = ["events", "inbox"];

/// Takes the turn of housekeeping for as long as the connection lives, if no other node has it. Its statements wait
/// briefly for locks, as whoever wants the table after them waits for them.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn take_turn(conn: &mut PgConnection) -> Result<bool> {
    sqlx::query!("set lock_timeout = '2s'").execute(&mut *conn).await?;
    Ok(sqlx::query_scalar!("select pg_try_advisory_lock(4711, 2) as \"free!\"").fetch_one(conn).await?)
}

/// Makes the partitions of today and the next three days. Runs as the owner of the tables.
///
/// # Errors
/// When Postgres refuses, for instance to the role that owns nothing.
pub async fn make_partitions(conn: &mut PgConnection, now: DateTime<Utc>) -> Result<()> {
    for ahead in 0..4 {
        let Some(day) = now.date_naive().checked_add_days(Days::new(ahead)) else { continue };
        for table in TABLES {
            make_partition(conn, table, day).await?;
        }
    }
    Ok(())
}

async fn make_partition(conn: &mut PgConnection, table: &str, day: NaiveDate) -> Result<()> {
    let Some(next) = day.succ_opt() else { return Ok(()) };
    let name = partition_name(table, day);
    let exists =
        sqlx::query_scalar!("select to_regclass($1) is not null as \"exists!\"", name).fetch_one(&mut *conn).await?;
    if exists {
        return Ok(());
    }
    // Names and dates are made here, never from input.
    let sql =
        format!("create table {name} partition of {table} for values from ('{day} 00:00+00') to ('{next} 00:00+00')");
    match sqlx::query(AssertSqlSafe(sql)).execute(conn).await {
        Ok(_) => Ok(()),
        // Rows of that day are in the default partition already (a clock that was wrong): they stay there.
        Err(sqlx::Error::Database(refusal)) if matches!(refusal.code().as_deref(), Some("23514" | "42P07")) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Drops the partitions whose last moment is older than `floor`, and old rows of the default partitions. Answers how
/// many partitions went.
///
/// # Errors
/// When Postgres refuses.
pub async fn drop_partitions(conn: &mut PgConnection, floor: DateTime<Utc>) -> Result<usize> {
    let names = sqlx::query_scalar!(
        "select c.relname::text as \"name!\" from pg_inherits i
         join pg_class c on c.oid = i.inhrelid join pg_class p on p.oid = i.inhparent
         where p.relname in ('events', 'inbox') and c.relname ~ '_[0-9]{8}$'"
    )
    .fetch_all(&mut *conn)
    .await?;
    let mut dropped = 0;
    for name in names {
        let Some(day) = name.rsplit('_').next().and_then(|day| NaiveDate::parse_from_str(day, "%Y%m%d").ok()) else {
            continue;
        };
        let Some(end) = day.succ_opt().and_then(|next| next.and_hms_opt(0, 0, 0)) else { continue };
        if end.and_utc() <= floor {
            sqlx::query(AssertSqlSafe(format!("drop table {name}"))).execute(&mut *conn).await?;
            dropped += 1;
        }
    }
    sqlx::query!("delete from inbox_default where at < $1", floor).execute(&mut *conn).await?;
    sqlx::query!("delete from events_default where at < $1", floor).execute(&mut *conn).await?;
    Ok(dropped)
}

/// Drops what has outlived its use: idempotency keys after a day, webhook ids and starts of
/// recordings that came to nothing after a week, spent refresh tokens.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn sweep(conn: &mut PgConnection, now: DateTime<Utc>) -> Result<()> {
    let day = now - crate::idempotency::LIFE;
    sqlx::query!("delete from idempotency_keys where created_at < $1", day).execute(&mut *conn).await?;
    let week = now - chrono::TimeDelta::days(7);
    sqlx::query!("delete from media_webhooks where received_at < $1", week).execute(&mut *conn).await?;
    sqlx::query!("delete from refresh_tokens where expires_at < $1", week).execute(&mut *conn).await?;
    sqlx::query!("delete from recordings where status = 'DROPPED' and settled_at < $1", week)
        .execute(&mut *conn)
        .await?;
    crate::outbox::sweep(conn, now).await?;
    sqlx::query!("delete from otp_codes where expires_at < $1", day).execute(&mut *conn).await?;
    Ok(())
}

fn partition_name(table: &str, day: NaiveDate) -> String {
    format!("{table}_{}", day.format("%Y%m%d"))
}
