//! Real nginx with the files of deploy/nginx: only addresses, the listening port and the places of its own files are
//! others.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use consilium_storage::testing::Scratch;
use tokio::time::{Instant, sleep};

use super::text::read;
use crate::support::app::TestApp;
use crate::support::client::Client;
use crate::support::ports::free_port;
use crate::support::process::http_client;

/// The header by which a test plays a client of another address: nginx' realip module believes it.
pub(super) const PLAYED_ADDRESS: &str = "x-test-client";

/// Ends nginx when its standard input does: with the value that holds it, and with the test process, however that ends.
const KEEPER: &str = r#"nginx "$@" & pid=$!; cat >/dev/null; kill -TERM $pid; wait $pid"#;

/// Debian keeps nginx where not every user looks.
fn with_sbin(command: &str) -> Command {
    let mut command = Command::new(command);
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{path}:/usr/sbin:/usr/local/sbin"));
    command
}

/// A running nginx.
pub(super) struct Proxy {
    keeper: Child,
    files: Scratch,
    url: String,
    stock_url: String,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        self.keeper.wait().ok();
    }
}

impl Proxy {
    /// In front of these nodes.
    pub(super) async fn before(nodes: &[&TestApp]) -> Self {
        let addresses: Vec<&str> = nodes.iter().map(|node| node.url.strip_prefix("http://").unwrap()).collect();
        Self::start(&addresses).await
    }

    /// In front of whatever is, or is not, at these addresses.
    pub(super) async fn start(nodes: &[&str]) -> Self {
        let files = Scratch::new("nginx").unwrap();
        let [own, stock] = [free_port(), free_port()].map(|port| format!("127.0.0.1:{port}"));
        write_configuration(&files, nodes, &own, &stock);
        let log = std::fs::File::create(files.path().join("output")).unwrap();
        let keeper = with_sbin("sh")
            .args(["-c", KEEPER, "nginx"])
            .args(["-p", &path(&files, ""), "-c", &path(&files, "nginx.conf"), "-e", &path(&files, "start.log")])
            .args(["-g", &format!("daemon off; pid {};", path(&files, "pid"))])
            .stdin(Stdio::piped())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let proxy = Self { keeper, files, url: format!("http://{own}"), stock_url: format!("http://{stock}") };
        let deadline = Instant::now() + Duration::from_secs(20);
        while http_client().get(proxy.url.clone() + "/metrics").send().await.is_err() {
            assert!(
                Instant::now() < deadline,
                "nginx does not answer:\n{}{}",
                proxy.log("start.log"),
                proxy.log("output")
            );
            sleep(Duration::from_millis(20)).await;
        }
        proxy
    }

    /// Where it listens.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// The same client, through nginx.
    pub(super) fn client(&self, client: &Client) -> Client {
        client.at(&self.url)
    }

    /// The same client, through an nginx that knows nothing of us: `proxy_pass` and all defaults.
    pub(super) fn stock_client(&self, client: &Client) -> Client {
        client.at(&self.stock_url)
    }

    /// One of its files: `access.log`, `error.log`.
    pub(super) fn log(&self, name: &str) -> String {
        std::fs::read_to_string(self.files.path().join(name)).unwrap_or_default()
    }

    /// The lines of the access log, once there are so many for this path.
    pub(super) async fn lines(&self, path: &str, count: usize) -> Vec<serde_json::Value> {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let log = self.log("access.log");
            let whole = log.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
            let found: Vec<_> = whole.filter(|line| line["path"] == path).collect();
            if found.len() >= count {
                return found;
            }
            assert!(Instant::now() < deadline, "{path} stands {} times in\n{log}", found.len());
            sleep(Duration::from_millis(20)).await;
        }
    }
}

fn path(files: &Scratch, name: &str) -> String {
    files.path().join(name).to_string_lossy().into_owned()
}

/// The text with one thing replaced, which has to be there.
#[track_caller]
fn replaced(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "{from} is not in\n{text}");
    text.replace(from, to)
}

fn write_configuration(files: &Scratch, nodes: &[&str], own: &str, stock: &str) {
    let write = |name: &str, text: String| std::fs::write(files.path().join(name), text).unwrap();
    write("nginx.conf", replaced(&read("deploy/nginx/nginx.conf"), "/var/log/nginx/", &path(files, "")));
    write("consilium.conf", read("deploy/nginx/consilium.conf"));
    // Every node with what stands behind the first address of the shipped list.
    let shipped = read("deploy/nginx/nodes.conf");
    let line = shipped.lines().find(|line| line.starts_with("server ")).unwrap();
    let address = line.split_whitespace().nth(1).unwrap();
    let servers: Vec<String> = nodes.iter().map(|node| replaced(line, address, node)).collect();
    write("nodes.conf", servers.join("\n") + "\n");
    let front = read("deploy/nginx/front-plain.conf");
    let front = replaced(&front, "listen 80 ", &format!("listen {own} "));
    let front = replaced(&front, "include consilium.conf;", &format!("{}include consilium.conf;", additions(files)));
    let plain = format!(
        "\nserver {{ listen {stock}; {} location / {{ proxy_pass http://consilium_live; }} }}\n",
        places(files)
    );
    write("front.conf", front + &plain);
}

/// What only a test needs: nginx' own files where any user may write, and clients of other addresses.
fn additions(files: &Scratch) -> String {
    format!("{}set_real_ip_from 127.0.0.1; real_ip_header {PLAYED_ADDRESS};\n", places(files))
}

fn places(files: &Scratch) -> String {
    ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {};\n", path(files, kind)))
        .concat()
}

/// Whether nginx takes the shipped files with the front that ends TLS; else what it says.
pub(super) fn check_tls_front() -> Result<(), String> {
    let files = Scratch::new("nginx-tls").unwrap();
    write_configuration(&files, &["127.0.0.1:9"], "127.0.0.1:9", "127.0.0.1:9");
    let front = replaced(&read("deploy/nginx/front.conf"), "/etc/nginx/tls/", &path(&files, ""));
    let front = replaced(&front, "include consilium.conf;", &format!("{}include consilium.conf;", additions(&files)));
    std::fs::write(files.path().join("front.conf"), front).unwrap();
    certificate(&files.path().join("privkey.pem"), &files.path().join("fullchain.pem"));
    let checked = with_sbin("nginx")
        .args(["-t", "-p", &path(&files, ""), "-c", &path(&files, "nginx.conf"), "-e", &path(&files, "start.log")])
        .args(["-g", &format!("pid {};", path(&files, "pid"))])
        .output()
        .unwrap();
    if checked.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&checked.stderr).into_owned()) }
}

/// A self-signed certificate of a day.
fn certificate(key: &PathBuf, certificate: &PathBuf) {
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1"])
        .args(["-subj", "/CN=localhost", "-keyout"])
        .arg(key)
        .arg("-out")
        .arg(certificate)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}
