//! The heads of inboxes: taken under row locks in user-id order, so that no two writers deadlock (DESIGN §2).

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;

use crate::error::Result;
use crate::ids::UserId;

/// The locked heads of one transaction.
#[derive(Debug, Default)]
pub(crate) struct Heads(BTreeMap<UserId, Head>);

#[derive(Debug)]
struct Head {
    seq: i64,
    last_at: DateTime<Utc>,
}

impl Heads {
    /// Locks the heads of these users, in user-id order. A user without an inbox gets an empty one.
    pub(crate) async fn lock(conn: &mut PgConnection, mut users: Vec<UserId>, now: DateTime<Utc>) -> Result<Self> {
        users.sort_unstable();
        users.dedup();
        let mut heads = Self::read_locked(conn, &users).await?;
        if heads.0.len() < users.len() {
            sqlx::query!(
                "insert into inboxes (user_id, head, last_at)
                 select u, 0, $2 from unnest($1::uuid[]) as u order by u on conflict do nothing",
                &users as _,
                now
            )
            .execute(&mut *conn)
            .await?;
            heads = Self::read_locked(conn, &users).await?;
        }
        Ok(heads)
    }

    async fn read_locked(conn: &mut PgConnection, users: &[UserId]) -> Result<Self> {
        let rows = sqlx::query!(
            "select user_id, head, last_at from inboxes where user_id = any($1) order by user_id for update",
            users as _
        )
        .fetch_all(conn)
        .await?;
        Ok(Self(rows.into_iter().map(|row| (row.user_id, Head { seq: row.head, last_at: row.last_at })).collect()))
    }

    /// The next place in every one of these inboxes, and one time for all of them: not before `now`, and later than
    /// anything that stands in any of them, so that the messages of a session strictly increase (settled 13).
    pub(crate) fn next(&mut self, users: &[UserId], now: DateTime<Utc>) -> (DateTime<Utc>, Vec<(UserId, i64)>) {
        let after = users.iter().filter_map(|user| self.0.get(user)).map(|head| head.last_at).max();
        let at = after.map_or(now, |last| now.max(last + TimeDelta::microseconds(1)));
        let mut places = Vec::with_capacity(users.len());
        for user in users {
            if let Some(head) = self.0.get_mut(user) {
                head.seq += 1;
                head.last_at = at;
                places.push((*user, head.seq));
            }
        }
        (at, places)
    }

    /// The columns of `inboxes` to write back.
    pub(crate) fn columns(&self) -> (Vec<UserId>, Vec<i64>, Vec<DateTime<Utc>>) {
        let mut columns = (Vec::new(), Vec::new(), Vec::new());
        for (user, head) in &self.0 {
            columns.0.push(*user);
            columns.1.push(head.seq);
            columns.2.push(head.last_at);
        }
        columns
    }
}
