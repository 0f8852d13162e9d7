//! Real clusters, started, killed, left behind and adopted.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "tests")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use rustix::process::{Signal, kill_process};

use super::*;
use crate::testing::Scratch;

/// Set for a process of this test binary that plays the server which gets killed.
const HELPER: &str = "CONSILIUM_TEST_HELPER_DIR";
const UNTIED: &str = "CONSILIUM_TEST_HELPER_UNTIED";

fn options(scratch: &Scratch) -> Options {
    Options { max_connections: 20, shared_buffers_mb: 16, ..Options::for_tests(scratch.path().join("data")) }
}

async fn execute(cluster: &Cluster, sql: &'static str) -> sqlx::Result<()> {
    let mut connection = PgConnection::connect_with(&cluster.connect_options(DATABASE)).await?;
    sqlx::raw_sql(sql).execute(&mut connection).await.map(|_| ())
}

async fn count(cluster: &Cluster) -> sqlx::Result<i64> {
    let mut connection = PgConnection::connect_with(&cluster.connect_options(DATABASE)).await?;
    sqlx::query_scalar("select count(*) from kept").fetch_one(&mut connection).await
}

/// Waits for a condition, with a deadline.
async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + READY_LIMIT;
    while !condition().await {
        assert!(Instant::now() < deadline, "waited in vain for: {what}");
        tokio::time::sleep(READY_POLL).await;
    }
}

fn pid_of(cluster: &Cluster) -> rustix::process::Pid {
    let pid = cluster.pid().expect("running");
    rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap()
}

#[tokio::test]
async fn starts_stops_and_keeps_what_was_committed() {
    let scratch = Scratch::new("keeps").unwrap();
    let options = options(&scratch);
    let cluster = start(&options).await.unwrap();
    execute(&cluster, "create table kept (id int); insert into kept values (1)").await.unwrap();
    let mut owner = PgConnection::connect(&cluster.url()).await.unwrap();
    let (superuser, trigrams): (bool, bool) = sqlx::query_as(
        "select rolsuper or rolcreaterole or rolcreatedb,
                (select count(*) = 2 from pg_extension where extname in ('pg_trgm', 'btree_gist'))
           from pg_roles where rolname = current_user",
    )
    .fetch_one(&mut owner)
    .await
    .unwrap();
    assert!(!superuser && trigrams);
    crate::database::check(&mut owner).await.unwrap();
    execute(&cluster, "set role consilium_app").await.unwrap();

    let pid = pid_of(&cluster);
    cluster.stop().await;
    assert!(rustix::process::test_kill_process(pid).is_err(), "it is gone");
    // A server that was killed while it made its first cluster.
    fs::create_dir(options.data_dir.join("postgres/cluster.new")).unwrap();
    let cluster = start(&options).await.unwrap();
    assert_eq!(count(&cluster).await.unwrap(), 1);
    cluster.stop().await;
}

#[tokio::test]
async fn a_killed_postgres_comes_back() {
    let scratch = Scratch::new("respawn").unwrap();
    let cluster = start(&options(&scratch)).await.unwrap();
    execute(&cluster, "create table kept (id int)").await.unwrap();
    for round in 1..=2 {
        execute(&cluster, "insert into kept values (1)").await.unwrap();
        let pid = pid_of(&cluster);
        kill_process(pid, Signal::KILL).unwrap();
        until("another process", async || cluster.pid().is_some_and(|new| new != pid_number(pid))).await;
        until("its answer", async || count(&cluster).await.is_ok()).await;
        assert_eq!(count(&cluster).await.unwrap(), round);
    }
    assert!(cluster.is_running());
    cluster.stop().await;
}

fn pid_number(pid: rustix::process::Pid) -> u32 {
    u32::try_from(pid.as_raw_nonzero().get()).unwrap()
}

#[tokio::test]
async fn a_stale_pid_file_does_not_block() {
    let scratch = Scratch::new("stale").unwrap();
    let options = options(&scratch);
    let cluster = start(&options).await.unwrap();
    let file = options.data_dir.join("postgres/cluster/postmaster.pid");
    let text = fs::read_to_string(&file).unwrap();
    let (_, rest) = text.split_once('\n').unwrap();
    cluster.stop().await;
    // The id of a living stranger, of nobody, and a file that was cut off.
    for stale in [format!("{}\n{rest}", std::process::id()), format!("4194000\n{rest}"), String::new()] {
        fs::write(&file, stale).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).unwrap();
        start(&options).await.unwrap().stop().await;
    }
}

#[tokio::test]
async fn a_data_dir_has_one_server() {
    let scratch = Scratch::new("one").unwrap();
    let cluster = start(&options(&scratch)).await.unwrap();
    let refused = start(&options(&scratch)).await.unwrap_err();
    assert!(matches!(refused, Error::InUse(_)), "{refused}");
    assert!(cluster.is_running());
    cluster.stop().await;
}

#[tokio::test]
async fn a_long_path_gets_a_short_socket() {
    let scratch = Scratch::new("long").unwrap();
    let mut options = options(&scratch);
    options.data_dir = scratch.path().join("with a space").join("x".repeat(90));
    let cluster = start(&options).await.unwrap();
    assert!(fs::symlink_metadata(cluster.socket_dir()).unwrap().permissions().mode() & 0o077 == 0);
    let socket = cluster.socket_dir().to_owned();
    execute(&cluster, "select 1").await.unwrap();
    PgConnection::connect(&cluster.url()).await.unwrap();
    cluster.stop().await;
    fs::remove_dir_all(socket).unwrap();
}

#[tokio::test]
async fn failures_are_early_single_lines() {
    let scratch = Scratch::new("broken").unwrap();
    let options = options(&scratch);
    start(&options).await.unwrap().stop().await;
    let cluster = options.data_dir.join("postgres/cluster");
    let (config, version) = (cluster.join("postgresql.conf"), cluster.join("PG_VERSION"));
    let (old_config, old_version) = (fs::read(&config).unwrap(), fs::read(&version).unwrap());

    fs::write(&config, "no_such_setting = 1\n").unwrap();
    let started = Instant::now();
    let refused = start(&options).await.unwrap_err();
    assert!(matches!(refused, Error::Exited { .. }) && !refused.to_string().contains('\n'), "{refused}");
    assert!(started.elapsed() < READY_LIMIT, "it was not waited for");
    fs::write(&config, old_config).unwrap();

    fs::write(&version, "9\n").unwrap();
    let refused = start(&options).await.unwrap_err().to_string();
    assert!(refused.contains("made by PostgreSQL 9"), "{refused}");
    fs::write(&version, old_version).unwrap();
    start(&options).await.unwrap().stop().await;
}

#[tokio::test]
async fn root_is_told_where_postgres_cannot_reach() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let scratch = Scratch::new("closed").unwrap();
    let closed = scratch.path().join("home");
    fs::create_dir(&closed).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
    let wanted = closed.join("data");
    let refused = start(&Options::for_tests(&wanted)).await.unwrap_err();
    assert!(matches!(refused, Error::Unreachable { .. }), "{refused}");
    assert!(!wanted.exists());
    let elsewhere = reachable_data_dir(&wanted).await.unwrap();
    assert!(elsewhere.moved && elsewhere.path.starts_with("/var/lib/consilium"));
    let another = reachable_data_dir(&closed.join("other")).await.unwrap();
    assert!(another.moved && another.path != elsewhere.path, "each has its own");

    fs::set_permissions(&closed, fs::Permissions::from_mode(0o711)).unwrap();
    let there = reachable_data_dir(&wanted).await.unwrap();
    assert_eq!(there, DataDir { path: wanted, moved: false });
}

/// Not a test of its own: the server that others kill.
#[tokio::test]
async fn helper_process() {
    let Some(dir) = std::env::var_os(HELPER) else {
        return;
    };
    let options = Options {
        ends_with_process: std::env::var_os(UNTIED).is_none(),
        max_connections: 20,
        shared_buffers_mb: 16,
        ..Options::for_tests(dir)
    };
    let cluster = start(&options).await.unwrap();
    execute(&cluster, "create table if not exists kept (id int)").await.unwrap();
    execute(&cluster, "insert into kept values (1)").await.unwrap();
    println!("\nready {}", cluster.pid().unwrap());
    std::future::pending::<()>().await;
}

/// Starts the helper and waits until its cluster is ready; gives the postmaster's id too.
fn helper(options: &Options, untied: bool, user: Option<u32>) -> (Child, u32) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "embedded::tests::helper_process", "--nocapture"])
        .env(HELPER, &options.data_dir)
        .stdout(Stdio::piped())
        .current_dir("/");
    if untied {
        command.env(UNTIED, "1");
    }
    if let Some(user) = user {
        command.uid(user).gid(user);
    }
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let ready = lines.find_map(|line| line.strip_prefix("ready ").map(str::to_owned));
    let pid = ready.expect("the helper is ready").parse().unwrap();
    (child, pid)
}

fn kill(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

#[tokio::test]
async fn a_killed_server_leaves_nothing_that_blocks_the_next() {
    let scratch = Scratch::new("tied").unwrap();
    let options = options(&scratch);
    for rows in 1..=3 {
        let (child, pid) = helper(&options, false, None);
        kill(child);
        let cluster = start(&options).await.unwrap();
        until("rows", async || count(&cluster).await.is_ok_and(|count| count == rows)).await;
        if cfg!(target_os = "linux") {
            until("a process of its own", async || cluster.pid().is_some_and(|new| new != pid)).await;
        }
        cluster.stop().await;
    }
}

#[tokio::test]
async fn a_postgres_that_still_runs_is_adopted() {
    let scratch = Scratch::new("adopt").unwrap();
    let options = options(&scratch);
    let (child, pid) = helper(&options, true, None);
    kill(child);
    let cluster = start(&options).await.unwrap();
    assert_eq!(cluster.pid(), Some(pid));
    assert_eq!(count(&cluster).await.unwrap(), 1);
    // It is looked after like one of our own.
    kill_process(pid_of(&cluster), Signal::KILL).unwrap();
    until("another process", async || cluster.pid().is_some_and(|new| new != pid)).await;
    until("its answer", async || count(&cluster).await.is_ok()).await;
    cluster.stop().await;

    let (child, pid) = helper(&options, true, None);
    kill(child);
    let cluster = start(&options).await.unwrap();
    assert_eq!(cluster.pid(), Some(pid));
    cluster.stop().await;
    let file = options.data_dir.join("postgres/cluster/postmaster.pid");
    assert!(!file.exists(), "an adopted one is stopped too");
}

/// As an ordinary user, where this binary is within a stranger's reach.
#[tokio::test]
async fn an_ordinary_user_can_start_it() {
    let exe = std::env::current_exe().unwrap();
    let nobody = 65_534;
    let open = exe.ancestors().all(|path| path.metadata().is_ok_and(|path| path.permissions().mode() & 0o001 != 0));
    if !rustix::process::geteuid().is_root() || !open {
        return;
    }
    let scratch = Scratch::new("nobody").unwrap();
    let options = options(&scratch);
    fs::create_dir(&options.data_dir).unwrap();
    std::os::unix::fs::chown(&options.data_dir, Some(nobody), Some(nobody)).unwrap();
    let (child, pid) = helper(&options, false, Some(nobody));
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    kill(child);
    until("its Postgres to end with it", async || {
        rustix::process::test_kill_process(pid).is_err()
            || pidfile::living(&options.data_dir.join("postgres/cluster")).is_none()
    })
    .await;
}
