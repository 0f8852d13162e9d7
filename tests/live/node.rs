//! A server as a process of its own with everything of its own: data dir, private Postgres, log. For tests that break it.

use std::fs::File;
use std::process::Stdio;
use std::time::Duration;

use consilium_storage::testing::Scratch;
use serde_json::{Value, json};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

use crate::support::client::Client;
use crate::support::ports::free_port;
use crate::support::process::http_client;

/// Making a cluster and the demo data takes seconds on a busy machine.
const START: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(30);
/// What a node logs that was not done in time, though it ends as if it were.
pub(crate) const WORK_LEFT: &str = "drained with work left";

/// A running `consilium serve --demo`; it and its Postgres end with this value.
pub(crate) struct Node {
    child: Child,
    address: String,
    data: Scratch,
    log_filter: &'static str,
    /// More flags.
    flags: Vec<String>,
    /// More variables.
    variables: Vec<(&'static str, String)>,
}

/// `consilium` with nothing of our own settings.
pub(crate) fn consilium() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_consilium"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("CONSILIUM_") || name == "DATABASE_URL" {
            command.env_remove(name);
        }
    }
    command.stdin(Stdio::null()).kill_on_drop(true);
    command
}

impl Node {
    pub(crate) async fn start(log_filter: &'static str) -> Self {
        Self::start_with(log_filter, Vec::new(), Vec::new()).await
    }

    /// With more flags and variables: one of several nodes.
    pub(crate) async fn start_with(
        log_filter: &'static str,
        flags: Vec<String>,
        variables: Vec<(&'static str, String)>,
    ) -> Self {
        let data = Scratch::new("node").unwrap();
        let address = format!("127.0.0.1:{}", free_port());
        let child = spawn(&data, &address, log_filter, &flags, &variables);
        let mut node = Self { child, address, data, log_filter, flags, variables };
        node.ready().await;
        node
    }

    /// `kill -9`, and again from the same data dir, at once.
    pub(crate) async fn kill_and_restart(&mut self) {
        self.kill().await;
        self.restart().await;
    }

    /// `kill -9`.
    pub(crate) async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }

    /// Starts it again at its address.
    pub(crate) async fn restart(&mut self) {
        self.child = spawn(&self.data, &self.address, self.log_filter, &self.flags, &self.variables);
        self.ready().await;
    }

    /// Sends it a signal.
    pub(crate) async fn signal(&self, name: &str) {
        signal(name, self.child.id().unwrap()).await;
    }

    /// SIGTERM; the exit code.
    pub(crate) async fn terminate(&mut self, within: Duration) -> Option<i32> {
        signal("TERM", self.child.id().unwrap()).await;
        timeout(within, self.child.wait()).await.expect("it did not end in time").unwrap().code()
    }

    /// The process id of its Postgres.
    pub(crate) fn postgres(&self) -> Option<u32> {
        let text = std::fs::read_to_string(self.data.path().join("postgres/cluster/postmaster.pid")).ok()?;
        text.lines().next()?.trim().parse().ok()
    }

    /// What it and its Postgres have logged.
    pub(crate) fn log(&self) -> String {
        let read = |path| std::fs::read_to_string(self.data.path().join(path)).unwrap_or_default();
        read("server.log") + &read("postgres/postgres.log")
    }

    pub(crate) fn nobody(&self) -> Client {
        Client::new(http_client(), format!("http://{}", self.address))
    }

    /// A demo patient, signed in by the code from the development inbox; the code too.
    pub(crate) async fn patient(&self, phone: &str) -> (Client, String) {
        let mut client = self.nobody();
        client.post("auth/request-otp", json!({"phone": phone})).await.expect(202);
        let inbox = client.get(&format!("/dev/inbox.json?to={}", phone.replace('+', "%2B"))).await.expect(200);
        let code = inbox["items"].as_array().unwrap().last().unwrap()["code"].as_str().unwrap().to_owned();
        let pair = client.post("auth/verify-otp", json!({"phone": phone, "code": code})).await.expect(200);
        signed_in(&mut client, &pair).await;
        (client, code)
    }

    /// A demo doctor, signed in.
    pub(crate) async fn doctor(&self, email: &str) -> Client {
        let mut client = self.nobody();
        let body = json!({"email": email, "password": "demo-pass-1"});
        let pair = client.post("auth/doctor/login", body).await.expect(200);
        signed_in(&mut client, &pair).await;
        client
    }

    async fn ready(&mut self) {
        let deadline = Instant::now() + START;
        let nobody = self.nobody();
        while !is_up(&nobody, "/ready").await {
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none() && Instant::now() < deadline, "not ready ({ended:?}):\n{}", self.log());
            sleep(POLL).await;
        }
    }
}

/// Whether this page answers 200.
pub(crate) async fn is_up(client: &Client, page: &str) -> bool {
    client.request(axum::http::Method::GET, page).send().await.is_ok_and(|answer| answer.status().is_success())
}

/// Takes the tokens, and whose they are from the first frame of a socket.
async fn signed_in(client: &mut Client, pair: &Value) {
    client.signed_in(pair);
    let first = client.socket(None).await.next().await;
    client.id = serde_json::from_value(first["user_id"].clone()).unwrap();
}

/// Sends a signal, as an operator would.
pub(crate) async fn signal(name: &str, pid: u32) {
    let sent = Command::new("kill").args([format!("-{name}"), pid.to_string()]).status().await.unwrap();
    assert!(sent.success(), "kill -{name} {pid}");
}

fn spawn(
    data: &Scratch,
    address: &str,
    log_filter: &str,
    flags: &[String],
    variables: &[(&'static str, String)],
) -> Child {
    let open = |name| File::options().create(true).append(true).open(data.path().join(name)).unwrap();
    consilium()
        .args(["serve", "--demo", "--listen", address, "--data-dir"])
        .arg(data.path())
        .args(flags)
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .env("CONSILIUM_LOG", log_filter)
        // What it says to whoever started it names the demo accounts, and is no log.
        .stdout(open("server.out"))
        .stderr(open("server.log"))
        .spawn()
        .unwrap()
}
