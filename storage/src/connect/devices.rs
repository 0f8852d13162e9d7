//! Devices that can be rung (connect-v2 §3.15).

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use sqlx::PgConnection;

use super::Party;
use crate::error::Result;
use crate::ids::{DeviceId, UserId};

/// How many devices of an account are rung; above it the one that was longest silent is let go.
pub const DEVICES_PER_USER: i64 = 20;
/// How many former ones of an account are remembered, so that a token that comes back is known.
const FORMER_DEVICES: i64 = 80;

/// What the device runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
#[sqlx(type_name = "text", rename_all = "lowercase")]
#[schemars(rename = "DevicePlatform")]
pub enum Platform {
    /// Android.
    Android,
    /// iOS.
    Ios,
}

/// A token about to be registered.
#[derive(Clone)]
pub struct NewDevice {
    /// Whose.
    pub user_id: UserId,
    /// As which party.
    pub role: Party,
    /// The provider's registration token.
    pub token: String,
    /// What the device runs.
    pub platform: Platform,
    /// Of the app.
    pub app_version: Option<String>,
}

// A token rings somebody's phone: it stays out of logs.
impl std::fmt::Debug for NewDevice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewDevice").field("user_id", &self.user_id).finish_non_exhaustive()
    }
}

/// A registered device, and whether this call made it the user's.
#[derive(Debug, Clone, Copy)]
pub struct Registered {
    /// The device.
    pub id: DeviceId,
    /// Whether the user did not have it before.
    pub is_new: bool,
    /// The doctor who had it before, if that was another account.
    pub from: Option<UserId>,
}

fn hash_of(token: &str) -> Vec<u8> {
    Sha256::digest(token.as_bytes()).to_vec()
}

/// Registers a token for its user. One that another account had moves, under a new id, so that what was meant for the
/// other account does not reach it.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn register(conn: &mut PgConnection, new: &NewDevice, now: DateTime<Utc>) -> Result<Registered> {
    let hash = hash_of(&new.token);
    let from = sqlx::query_scalar!(
        "select user_id from device_tokens
         where token_hash = $1 and user_id <> $2 and role = 'doctor' and is_active for update",
        hash,
        new.user_id as _
    )
    .fetch_optional(&mut *conn)
    .await?;
    let fresh = DeviceId::new();
    let id = sqlx::query_scalar!(
        "insert into device_tokens as d
             (id, user_id, role, token, token_hash, platform, app_version, created_at, updated_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $8)
         on conflict (token_hash) do update
         set id = case when d.user_id = excluded.user_id then d.id else excluded.id end,
             created_at = case when d.user_id = excluded.user_id then d.created_at else excluded.created_at end,
             user_id = excluded.user_id, role = excluded.role, platform = excluded.platform,
             app_version = excluded.app_version, is_active = true, updated_at = excluded.updated_at
         returning id",
        fresh as _,
        new.user_id as _,
        new.role as _,
        new.token,
        hash,
        new.platform as _,
        new.app_version,
        now
    )
    .fetch_one(&mut *conn)
    .await?;
    sqlx::query!(
        "update device_tokens set is_active = false
         where id in (select id from device_tokens where user_id = $1 and is_active
                      order by updated_at desc, id desc offset $2)",
        new.user_id as _,
        DEVICES_PER_USER
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "delete from device_tokens
         where id in (select id from device_tokens where user_id = $1 and not is_active
                      order by updated_at desc, id desc offset $2)",
        new.user_id as _,
        FORMER_DEVICES
    )
    .execute(conn)
    .await?;
    Ok(Registered { id, is_new: id == fresh, from })
}

/// Lets a user's own token go.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn deactivate(conn: &mut PgConnection, user: UserId, token: &str, now: DateTime<Utc>) -> Result<()> {
    sqlx::query!(
        "update device_tokens set is_active = false, updated_at = $3
         where user_id = $1 and token_hash = $2 and is_active",
        user as _,
        hash_of(token),
        now
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Lets a device go that the provider does not know any more, unless it was registered again since.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn prune(conn: &mut PgConnection, device: &Device, now: DateTime<Utc>) -> Result<bool> {
    let gone = sqlx::query!(
        "update device_tokens set is_active = false, updated_at = $3 where id = $1 and updated_at = $2 and is_active",
        device.id as _,
        device.updated_at,
        now
    );
    Ok(gone.execute(conn).await?.rows_affected() == 1)
}

/// A device that may be rung.
#[derive(Clone)]
pub struct Device {
    /// Its id.
    pub id: DeviceId,
    /// Whose.
    pub user_id: UserId,
    /// As which party.
    pub role: Party,
    /// The provider's registration token.
    pub token: String,
    /// When it was last registered.
    pub updated_at: DateTime<Utc>,
}

// A token rings somebody's phone: it stays out of logs.
impl std::fmt::Debug for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Device").field("id", &self.id).field("user_id", &self.user_id).finish_non_exhaustive()
    }
}

/// The device, if it is still to be rung: active, and its account too.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn find_active(conn: &mut PgConnection, id: DeviceId) -> Result<Option<Device>> {
    Ok(sqlx::query_as!(
        Device,
        "select d.id, d.user_id, d.role, d.token, d.updated_at
         from device_tokens d join accounts a on a.id = d.user_id
         where d.id = $1 and d.is_active and a.is_active",
        id as _
    )
    .fetch_optional(conn)
    .await?)
}

/// The doctors who have a device that can be rung.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn list_doctors_with_devices(conn: &mut PgConnection) -> Result<Vec<UserId>> {
    Ok(sqlx::query_scalar!("select distinct user_id from device_tokens where is_active and role = 'doctor'")
        .fetch_all(conn)
        .await?)
}

/// Whether the user has a device that is to be rung.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn exists_active(conn: &mut PgConnection, user: UserId) -> Result<bool> {
    Ok(sqlx::query_scalar!(
        "select exists (select from device_tokens where user_id = $1 and is_active) as \"some!\"",
        user as _
    )
    .fetch_one(conn)
    .await?)
}
