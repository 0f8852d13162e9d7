//! A Postgres to break: durable (fsync on), on a socket of its own, with what the server needs in it.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::Signal;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::process::Command;
use tokio::time::{Instant, sleep, timeout};

use super::asking;
use super::place::Place;
use super::process::{Kept, Launch, Launcher, User};
use super::programs;

const START: Duration = Duration::from_secs(60);
const SOCKET: &str = ".s.PGSQL.5432";
/// The socket's path has to fit into 103 bytes, everywhere.
const LONGEST: usize = 103;

/// What the owner of the database may not make himself.
const SETUP: &str = "\
create extension if not exists pg_trgm;
create extension if not exists btree_gist;
create role consilium login nosuperuser nocreatedb nocreaterole;
create role consilium_app nologin nosuperuser nocreatedb nocreaterole;
grant consilium_app to consilium;
create database consilium owner consilium;
";

/// A Postgres that this program started.
#[derive(Debug)]
pub(crate) struct Postgres {
    kept: Kept,
    /// The folder of the private one's socket.
    socket: Option<PathBuf>,
}

impl Postgres {
    /// Makes a private one and starts it.
    pub(crate) async fn private(place: &Place, launcher: &Launcher, connections: usize) -> Result<Self, String> {
        let programs = programs::postgres()?;
        let user = programs::postgres_user()?;
        let folder = place.join("postgres");
        private_folder(&folder, user)?;
        let socket = folder.join(SOCKET);
        if socket.as_os_str().len() > LONGEST {
            return Err(format!("{}: too long for a socket, choose a shorter --dir", socket.display()));
        }
        let cluster = folder.join("cluster");
        fill(&programs, &cluster, user).await?;
        let mut launch = Launch::new("postgres", &programs.join("postgres"), place.join("postgres.log"));
        launch.user = user;
        launch.farewell = Signal::QUIT;
        launch.env = vec![("LC_ALL", locale().into()), ("TZ", "UTC".into())];
        launch.args = vec!["-D".into(), cluster.into()];
        let folder_text = folder.display().to_string();
        let connections = connections.to_string();
        for (setting, value) in [
            ("listen_addresses", ""),
            ("unix_socket_directories", &folder_text),
            ("port", "5432"),
            ("max_connections", &connections),
            ("shared_buffers", "128MB"),
            ("timezone", "UTC"),
            ("jit", "off"),
            ("log_error_verbosity", "terse"),
            ("log_min_error_statement", "panic"),
        ] {
            launch.args.extend(["-c".into(), format!("{setting}={value}").into()]);
        }
        let kept = Kept::start(launch, launcher).await?;
        let mut postgres = Self { kept, socket: Some(folder) };
        postgres.await_answer().await?;
        Ok(postgres)
    }

    /// Starts the one of a command; whether it answers, the nodes' readiness tells.
    pub(crate) async fn given(command: &str, launcher: &Launcher, log: &Path) -> Result<Self, String> {
        let mut launch = Launch::of_words("postgres", command, log.to_owned())?;
        launch.farewell = Signal::QUIT;
        launch.user = programs::postgres_user()?;
        let kept = Kept::start(launch, launcher).await?;
        Ok(Self { kept, socket: None })
    }

    pub(crate) fn pid(&self) -> Option<i32> {
        self.kept.pid()
    }

    /// What the server takes as `--database-url`.
    pub(crate) fn url(&self) -> Option<String> {
        let socket = self.socket.as_ref()?;
        Some(format!("postgres://consilium@localhost/consilium?host={}", socket.display()))
    }

    /// How many transactions it has committed for the nodes, as far as their connections have reported: one that falls
    /// idle does so within ten seconds. Nothing for one that somebody else made.
    pub(crate) async fn commits(&self) -> Result<Option<u64>, String> {
        let Some(folder) = &self.socket else { return Ok(None) };
        let query = "select xact_commit from pg_stat_database where datname = 'consilium'";
        asking::number(&folder.join(SOCKET), query).await.map(Some)
    }

    /// An immediate stop, as if the machine had failed, and a start after a while, with recovery from the log.
    pub(crate) async fn restart(&mut self, pause: Duration) -> Result<String, String> {
        self.kept.end(Signal::QUIT, Duration::from_secs(30)).await?;
        sleep(pause).await;
        let began = Instant::now();
        self.kept.start_again().await?;
        if self.socket.is_none() {
            return Ok("started again".to_owned());
        }
        self.await_answer().await?;
        Ok(format!("recovered {:.2} s after its start", began.elapsed().as_secs_f64()))
    }

    async fn await_answer(&mut self) -> Result<(), String> {
        let Some(folder) = self.socket.clone() else {
            return Ok(());
        };
        let until = Instant::now() + START;
        loop {
            if accepts(&folder.join(SOCKET)).await {
                return Ok(());
            }
            if let Some(status) = self.kept.ended() {
                return Err(format!("postgres ended with {status}, see {}", self.kept.launch().log.display()));
            }
            if Instant::now() > until {
                return Err(format!("postgres did not answer in time, see {}", self.kept.launch().log.display()));
            }
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// Whether it ended by itself.
    pub(crate) fn ended(&mut self) -> Option<String> {
        let status = self.kept.ended()?;
        Some(format!("postgres ended by itself with {status}"))
    }
}

/// Whether it lets the owner in: a start-up message is answered by `AuthenticationOk`, and by an error for as long
/// as it recovers.
async fn accepts(socket: &Path) -> bool {
    let asking = async {
        let mut stream = UnixStream::connect(socket).await.ok()?;
        stream.write_all(&asking::greeting()).await.ok()?;
        let mut kind = [0_u8; 1];
        tokio::io::AsyncReadExt::read_exact(&mut stream, &mut kind).await.ok()?;
        // A polite farewell, so that the log has no complaint.
        drop(stream.write_all(b"X\0\0\0\x04").await);
        Some(kind == *b"R")
    };
    timeout(Duration::from_secs(10), asking).await.is_ok_and(|answer| answer == Some(true))
}

fn locale() -> &'static str {
    if cfg!(target_os = "macos") { "en_US.UTF-8" } else { "C.UTF-8" }
}

fn private_folder(folder: &Path, user: Option<User>) -> Result<(), String> {
    use std::os::unix::fs::DirBuilderExt;
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    std::fs::DirBuilder::new().mode(0o700).create(folder).map_err(failed)?;
    if let Some(user) = user {
        std::os::unix::fs::chown(folder, Some(user.uid), Some(user.gid)).map_err(failed)?;
    }
    Ok(())
}

/// `initdb`, then roles, extensions and the database through Postgres' single-user mode, which needs no client.
async fn fill(programs: &Path, cluster: &Path, user: Option<User>) -> Result<(), String> {
    let mut initdb = command(&programs.join("initdb"), user);
    initdb.arg("-D").arg(cluster).args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-sync"]);
    initdb.arg(format!("--locale={}", locale()));
    run(initdb, "").await.map_err(|why| format!("initdb: {why}"))?;
    let mut single = command(&programs.join("postgres"), user);
    single.arg("--single").arg("-D").arg(cluster).arg("template1");
    run(single, SETUP).await.map_err(|why| format!("setting up the database: {why}"))
}

fn command(program: &Path, user: Option<User>) -> Command {
    let mut command = Command::new(program);
    command.current_dir("/").env("LC_ALL", locale()).env("TZ", "UTC").kill_on_drop(true);
    if let Some(user) = user {
        command.uid(user.uid).gid(user.gid);
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs to the end; what it complains about is the error.
async fn run(mut command: Command, input: &str) -> Result<(), String> {
    let mut child = command.spawn().map_err(|error| error.to_string())?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input.as_bytes()).await.map_err(|error| error.to_string())?;
    }
    let output = timeout(START, child.wait_with_output()).await.map_err(|_| "it took too long".to_owned())?;
    let output = output.map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&output.stderr);
    let complaint = text.lines().find(|line| ["ERROR", "FATAL", "PANIC", "error:"].iter().any(|w| line.contains(w)));
    match complaint {
        Some(line) => Err(line.trim().to_owned()),
        None if output.status.success() => Ok(()),
        None => Err(text.lines().next_back().unwrap_or("it said nothing").trim().to_owned()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[tokio::test]
    async fn a_private_one_is_made_killed_and_back() {
        let place = Place::new(None, false).unwrap();
        let launcher = Launcher::new().unwrap();
        let mut postgres = Postgres::private(&place, &launcher, 20).await.unwrap();
        let socket = postgres.socket.clone().unwrap().join(SOCKET);
        assert!(accepts(&socket).await);
        let commits = postgres.commits().await.unwrap().unwrap();
        assert!(commits > 0);
        let refused = asking::number(&socket, "select nothing").await.unwrap_err();
        assert!(refused.contains("does not exist"), "{refused}");
        assert!(postgres.url().unwrap().starts_with("postgres://consilium@localhost/consilium?host=/"));
        let told = postgres.restart(Duration::ZERO).await.unwrap();
        assert!(told.starts_with("recovered"), "{told}");
        assert!(postgres.ended().is_none());
        drop(postgres);
        assert!(!accepts(&socket).await);
    }
}
