//! Fills a fresh cluster: `initdb`, then roles, database and extensions. Every step may be repeated, so a
//! server that was killed in the middle leaves nothing to repair.

use std::fs;
use std::process::{Command, Output};

use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::account::{Account, locale};
use super::binaries::Installed;
use super::layout::Layout;
use super::{Cluster, DATABASE, Error, OWNER, WORKER};

/// Makes the cluster in a draft directory and renames it when it is complete.
pub(super) async fn initdb(installed: &Installed, layout: &Layout, account: &Account) -> Result<(), Error> {
    let draft = layout.draft();
    if draft.exists() {
        fs::remove_dir_all(&draft).map_err(Error::io(format!("removing {}", draft.display())))?;
    }
    let mut command = account.command(&installed.initdb, true);
    command.arg("-D").arg(&draft).args([
        "--username=postgres",
        "--auth=trust",
        "--encoding=UTF8",
        // Only the fresh files; the cluster itself runs with fsync on.
        "--no-sync",
    ]);
    command.arg(format!("--locale={}", locale()));
    let output = run(command).await?;
    if !output.status.success() {
        return Err(Error::Initdb(last_line(&output)));
    }
    fs::rename(&draft, &layout.cluster).map_err(Error::io(format!("making {}", layout.cluster.display())))
}

async fn run(mut command: Command) -> Result<Output, Error> {
    tokio::task::spawn_blocking(move || command.output())
        .await
        .unwrap_or_else(|error| Err(std::io::Error::other(error)))
        .map_err(Error::io("running initdb"))
}

fn last_line(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    let line = |line: &&str| line.contains("error:") || line.contains("FATAL");
    let found = text.lines().find(line).or_else(|| text.lines().next_back());
    found.unwrap_or("it said nothing").trim().to_owned()
}

/// Only the superuser makes roles and the database; everything else is the owner's. The database comes
/// last: where it exists, the rest does.
pub(super) async fn roles_and_database(superuser: &mut PgConnection, cluster: &Cluster) -> Result<(), Error> {
    let complete: bool = sqlx::query_scalar("select exists (select from pg_database where datname = $1)")
        .bind(DATABASE)
        .fetch_one(&mut *superuser)
        .await?;
    if complete {
        return Ok(());
    }
    // Every database is a copy of template1.
    let mut template = PgConnection::connect_with(&cluster.superuser_options("template1")).await?;
    sqlx::raw_sql(
        "create extension if not exists pg_trgm;
         create extension if not exists btree_gist;",
    )
    .execute(&mut template)
    .await?;
    template.close().await?;
    for role in [format!("{OWNER} login"), format!("{WORKER} nologin")] {
        let name = role.split(' ').next();
        let exists: bool = sqlx::query_scalar("select exists (select from pg_roles where rolname = $1)")
            .bind(name)
            .fetch_one(&mut *superuser)
            .await?;
        if !exists {
            let create = format!("create role {role} nosuperuser nocreatedb nocreaterole");
            sqlx::raw_sql(AssertSqlSafe(create)).execute(&mut *superuser).await?;
        }
    }
    let grant = format!("grant {WORKER} to {OWNER}");
    sqlx::raw_sql(AssertSqlSafe(grant)).execute(&mut *superuser).await?;
    let create = format!("create database {DATABASE} owner {OWNER}");
    sqlx::raw_sql(AssertSqlSafe(create)).execute(&mut *superuser).await?;
    Ok(())
}
