//! A redis-server of one test: started here, broken here, gone with the test however that ends.

use std::process::Stdio;
use std::time::Duration;

use consilium::config::Config;
use consilium_realtime::redis::Address;
use consilium_storage::testing::Scratch;
use tokio::process::{Child, ChildStdin, Command};
use tokio::time::{Instant, sleep};

use super::ports::free_port;

/// Waits for the end of its standard input, which comes when our process ends, and then stops the server.
const WATCHED: &str = r#"
program=$1; shift
"$program" "$@" >/dev/null 2>&1 &
server=$!
echo $server
cat >/dev/null
kill -CONT $server 2>/dev/null
kill -KILL $server 2>/dev/null
"#;

/// A running Redis or Valkey.
pub(crate) struct RedisServer {
    pub(crate) port: u16,
    arguments: Vec<String>,
    dir: Scratch,
    running: Option<Running>,
}

struct Running {
    pid: u32,
    watcher: Child,
    _open: ChildStdin,
}

impl RedisServer {
    pub(crate) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// With more arguments.
    pub(crate) async fn start_with(arguments: &[&str]) -> Self {
        let dir = Scratch::new("redis").unwrap();
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let mut server = Self { port: free_port(), arguments, dir, running: None };
        server.restart().await;
        server
    }

    /// A sentinel that writes what it learns into this file.
    pub(crate) async fn start_sentinel(file: &std::path::Path) -> Self {
        Self::start_with(&[file.to_str().unwrap(), "--sentinel"]).await
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Points a server at it.
    pub(crate) fn serve(&self, config: &mut Config) {
        config.redis = Some(Address::parse(&self.url(), None).unwrap());
    }

    /// Where its files are.
    pub(crate) fn dir(&self) -> &std::path::Path {
        self.dir.path()
    }

    /// `kill -9`.
    pub(crate) async fn kill(&mut self) {
        let Some(mut running) = self.running.take() else { return };
        signal("KILL", running.pid).await;
        running.watcher.kill().await.ok();
        while std::net::TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// Starts it, empty.
    pub(crate) async fn restart(&mut self) {
        self.kill().await;
        let program = program();
        // Not killed when it is dropped: it ends by itself, and takes the server with it.
        let mut watcher = Command::new("sh")
            .args(["-c", WATCHED, "watched", &program])
            .args(self.command_line())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let open = watcher.stdin.take().unwrap();
        let mut line = String::new();
        let stdout = watcher.stdout.take().unwrap();
        tokio::io::AsyncBufReadExt::read_line(&mut tokio::io::BufReader::new(stdout), &mut line).await.unwrap();
        self.running = Some(Running { pid: line.trim().parse().unwrap(), watcher, _open: open });
        let deadline = Instant::now() + Duration::from_secs(20);
        while std::net::TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(Instant::now() < deadline, "redis-server does not listen");
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// A sentinel's file comes first and it takes no settings of persistence.
    fn command_line(&self) -> Vec<String> {
        let dir = self.dir.path().to_str().unwrap().to_owned();
        let own =
            ["--port".to_owned(), self.port.to_string(), "--bind".into(), "127.0.0.1".into(), "--dir".into(), dir];
        if self.arguments.iter().any(|argument| argument == "--sentinel") {
            return self.arguments.iter().cloned().chain(own).collect();
        }
        let nothing_kept = ["--save", "", "--appendonly", "no"].map(str::to_owned);
        own.into_iter().chain(nothing_kept).chain(self.arguments.iter().cloned()).collect()
    }

    /// Stops it in its tracks: connections stay, nothing answers.
    pub(crate) async fn pause(&self) {
        signal("STOP", self.running.as_ref().unwrap().pid).await;
    }

    pub(crate) async fn go_on(&self) {
        signal("CONT", self.running.as_ref().unwrap().pid).await;
    }

    /// Runs a command in it.
    pub(crate) async fn cli(&self, arguments: &[&str]) -> String {
        cli(self.port, arguments).await
    }
}

/// Runs a command in the server at this port.
pub(crate) async fn cli(port: u16, arguments: &[&str]) -> String {
    let done = Command::new("redis-cli").args(["-p", &port.to_string()]).args(arguments).output().await.unwrap();
    String::from_utf8_lossy(&done.stdout).into_owned()
}

async fn signal(name: &str, pid: u32) {
    Command::new("kill").args([format!("-{name}"), pid.to_string()]).status().await.unwrap();
}

/// The server on the path, or the one that `TEST_REDIS_SERVER` names: the same tests show that a Valkey does as well.
fn program() -> String {
    if let Ok(named) = std::env::var("TEST_REDIS_SERVER") {
        return named;
    }
    let found = ["redis-server", "valkey-server"].into_iter().find(|program| which(program));
    found.expect("no redis-server: run scripts/ensure.sh redis").to_owned()
}

fn which(program: &str) -> bool {
    std::env::var_os("PATH").is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join(program).is_file()))
}
