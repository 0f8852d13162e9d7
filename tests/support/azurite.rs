//! Azurite, the emulator of Azure Blob Storage, as a process of the test.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use consilium_storage::clock::Clock;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

use super::ports::free_port;
use super::process::http_client;

/// The version that `scripts/ensure.sh azurite` installs.
const VERSION: &str = "3.35.0";
const INSTALL: &str = "the file tests need Azurite 3.35.0: run scripts/ensure.sh azurite (it takes node and npm)";
pub(crate) const ACCOUNT: &str = "devstoreaccount1";
pub(crate) const KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// A running Azurite with nothing in it; it ends with this value.
pub(crate) struct Azurite {
    /// `http://127.0.0.1:port/devstoreaccount1`.
    pub(crate) endpoint: String,
    process: Child,
}

impl Azurite {
    pub(crate) async fn start() -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let port = address.port().to_string();
        let process = Command::new("node")
            .arg(program().expect(INSTALL))
            .args(["--blobHost", "127.0.0.1", "--blobPort", &port, "--inMemoryPersistence", "--skipApiVersionCheck"])
            .args(["--disableTelemetry", "--silent"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect(INSTALL);
        let mut azurite = Self { endpoint: format!("http://{address}/{ACCOUNT}"), process };
        let deadline = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect(address).await.is_err() {
            let ended = azurite.process.try_wait().unwrap();
            assert!(ended.is_none() && Instant::now() < deadline, "Azurite does not listen ({ended:?}). {INSTALL}");
            sleep(Duration::from_millis(30)).await;
        }
        azurite
    }

    /// Makes a container, as an operator does once.
    pub(crate) async fn create(&self, container: &str) {
        let date = Clock::system().now().format("%a, %d %b %Y %H:%M:%S GMT").to_string();
        let resource = format!("/{ACCOUNT}/{ACCOUNT}/{container}\nrestype:container");
        let signed = format!("PUT\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:{date}\nx-ms-version:2023-11-03\n{resource}");
        let mut mac = Hmac::<Sha256>::new_from_slice(&BASE64_STANDARD.decode(KEY).unwrap()).unwrap();
        mac.update(signed.as_bytes());
        let signature = BASE64_STANDARD.encode(mac.finalize().into_bytes());
        let answer = http_client()
            .put(format!("{}/{container}?restype=container", self.endpoint))
            .header("x-ms-date", date)
            .header("x-ms-version", "2023-11-03")
            .header("content-length", "0")
            .header("authorization", format!("SharedKey {ACCOUNT}:{signature}"))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 201, "{}", answer.text().await.unwrap());
    }

    pub(crate) async fn stop(&mut self) {
        self.process.kill().await.unwrap();
    }
}

/// Where `scripts/ensure.sh azurite` puts it.
fn program() -> Option<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")))?;
    let folder = cache.join(format!("consilium/azurite-{VERSION}/node_modules/azurite"));
    let program = folder.join("dist/src/blob/main.js");
    program.is_file().then_some(program)
}
