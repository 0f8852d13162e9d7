//! Turns of jobs that one node does for all: no leader, no lock that outlives a node, whoever comes first.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;

use crate::error::Result;

/// Takes the turn of a job for so long, if nobody has it. A node that dies with it gives it back when its time is up.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn take(conn: &mut PgConnection, name: &str, now: DateTime<Utc>, length: TimeDelta) -> Result<bool> {
    let taken = sqlx::query!(
        "insert into job_turns (name, until) values ($1, $3)
         on conflict (name) do update set until = excluded.until where job_turns.until <= $2",
        name,
        now,
        now + length
    )
    .execute(conn)
    .await?;
    Ok(taken.rows_affected() == 1)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::testing;

    #[tokio::test]
    async fn a_turn_is_one_nodes_until_its_time_is_up() {
        let database = testing::database().await;
        let pool = crate::database::connect(&database.options, 8).await.unwrap();
        let (now, length) = (crate::clock::Clock::system().now(), TimeDelta::seconds(4));
        let mut nodes: Vec<_> = Vec::new();
        for _ in 0..8 {
            nodes.push(pool.acquire().await.unwrap());
        }
        for round in 0..5 {
            let now = now + length * round;
            let takes = nodes.iter_mut().map(|node| take(node, "rooms", now, length));
            let taken = futures_util::future::join_all(takes).await;
            assert_eq!(taken.into_iter().filter(|taken| *taken.as_ref().unwrap()).count(), 1);
        }
        let (first, later) = (&mut nodes[0], now + length * 5 - TimeDelta::milliseconds(1));
        assert!(!take(first, "rooms", later, length).await.unwrap());
        assert!(take(first, "something else", later, length).await.unwrap());
    }
}
