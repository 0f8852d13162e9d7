//! The server as users start it: the built binary in a process of its own, which a test may kill and start
//! again at the same address.

use std::fs::File;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use consilium_storage::testing::Scratch;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

use super::ports::free_port;

const START: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(30);

/// A client for plain HTTP; reqwest insists on a provider for TLS even so.
pub(crate) fn http_client() -> reqwest::Client {
    rustls::crypto::ring::default_provider().install_default().ok();
    reqwest::Client::new()
}

/// A running `consilium serve --demo`; killed with this value.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    address: SocketAddr,
    database_url: String,
    files: Scratch,
    log: PathBuf,
}

impl Server {
    /// Starts one on a free port with the demo data. Its log is kept at `log`.
    pub(crate) async fn start(database_url: &str, log: PathBuf) -> Self {
        // It stays the server's over a restart.
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let files = Scratch::new("server").unwrap();
        std::fs::remove_file(&log).ok();
        let child = spawn(database_url, address, &files, &log);
        let mut server = Self { child, address, database_url: database_url.to_owned(), files, log };
        server.ready().await;
        server
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// `kill -9`: no drain, no goodbye.
    pub(crate) async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }

    /// Starts it again after [`Server::kill`].
    pub(crate) async fn restart(&mut self) {
        self.child = spawn(&self.database_url, self.address, &self.files, &self.log);
        self.ready().await;
    }

    async fn ready(&mut self) {
        let deadline = Instant::now() + START;
        let url = format!("{}/ready", self.url());
        let client = http_client();
        loop {
            if client.get(&url).send().await.is_ok_and(|answer| answer.status().is_success()) {
                return;
            }
            let ended = self.child.try_wait().unwrap();
            if ended.is_some() || Instant::now() > deadline {
                let log = std::fs::read_to_string(&self.log).unwrap_or_default();
                panic!("the server is not ready ({ended:?}); its log:\n{log}");
            }
            sleep(POLL).await;
        }
    }
}

fn spawn(database_url: &str, address: SocketAddr, files: &Scratch, log: &PathBuf) -> Child {
    let log = File::options().create(true).append(true).open(log).unwrap();
    Command::new(env!("CARGO_BIN_EXE_consilium"))
        .args(["serve", "--demo", "--listen", &address.to_string(), "--database-url", database_url])
        .arg("--data-dir")
        .arg(files.path())
        .env("CONSILIUM_LOG", "info")
        .env_remove("CONSILIUM_REDIS_URL")
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}
