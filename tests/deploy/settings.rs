//! Every setting is in the manual, every setting named in deploy/ and in the manual exists, and the defaults are those of
//! the program.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use consilium_storage::testing::Scratch;
use tokio::process::Command;
use tokio::time::{Instant, timeout};

use super::text::{files_under, read, root, words};
use crate::live::node::consilium;
use crate::support::app::TestApp;

/// `consilium config` with these settings: exit code, standard output, standard error.
async fn config(settings: &[(String, String)]) -> (Option<i32>, String, String) {
    let folder = Scratch::new("config").unwrap();
    let mut command = consilium();
    command.arg("config").envs(settings.iter().cloned()).current_dir(folder.path());
    let ended = timeout(Duration::from_secs(60), command.output()).await.unwrap().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (ended.status.code(), text(ended.stdout), text(ended.stderr))
}

/// Name in capitals and default value of every setting.
async fn defaults() -> BTreeMap<String, String> {
    let (code, settings, _) = config(&[]).await;
    assert_eq!(code, Some(0));
    let setting = |line: &str| {
        let (name, value) = line.split_once(" = ").unwrap();
        (name.to_uppercase(), value.trim_matches('"').to_owned())
    };
    settings.lines().map(setting).collect()
}

/// The rows of the manual's table: the names of a row, and its default.
fn manual() -> Vec<(Vec<String>, String)> {
    let manual = read("docs/operations.md");
    let (_, table) = manual.split_once("\n## Settings\n").unwrap();
    let (table, _) = table.split_once("\n## ").unwrap();
    let rows = table.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let cells: Vec<&str> = row.split(" | ").collect();
        let quoted = cells[0].split('`').skip(1).step_by(2);
        let names =
            quoted.filter(|text| text.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'));
        let names: BTreeSet<String> = names.map(str::to_owned).collect();
        (names.into_iter().collect(), cells[1].to_owned())
    })
    .collect()
}

#[tokio::test]
async fn the_manual_has_every_setting_with_its_default() {
    let (defaults, rows) = (defaults().await, manual());
    let written: BTreeSet<&str> = rows.iter().flat_map(|(names, _)| names).map(String::as_str).collect();
    let real: BTreeSet<&str> = defaults.keys().map(String::as_str).collect();
    assert_eq!(written, real, "the table of settings in docs/operations.md, and `consilium config`");
    for (names, written) in &rows {
        for (name, default) in names.iter().filter_map(|name| defaults.get_key_value(name)) {
            // What is empty, a switch, a secret or made from other settings is put into words.
            let in_words = default.is_empty()
                || ["true", "false", "(hidden)"].contains(&default.as_str())
                || ["FILES_URL", "PUBLIC_URL"].contains(&name.as_str());
            assert!(in_words || written.contains(default), "{names:?} should have the default {default}: {written}");
        }
    }
}

#[tokio::test]
async fn whatever_names_a_setting_names_one_that_exists() {
    let defaults = defaults().await;
    let mut found = 0;
    let files = files_under("deploy").into_iter().map(|(name, path)| (name, std::fs::read_to_string(path).unwrap()));
    let pages = ["docs/operations.md", "README.md"].map(|name| (name.to_owned(), read(name)));
    for (name, text) in files.chain(pages) {
        for word in words(&text, "CONSILIUM_") {
            let setting = word.strip_prefix("CONSILIUM_").unwrap();
            assert!(defaults.contains_key(setting), "{name}: {word} is no setting");
            found += 1;
        }
    }
    assert!(found > 30, "{found}");
}

/// Names and values.
type Pairs = Vec<(String, String)>;

/// The settings of the example, those that are commented out apart.
fn example() -> (Pairs, Pairs) {
    let text = read("deploy/consilium.env.example");
    let pair = |line: &str| line.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
    let set = text.lines().filter(|line| line.starts_with("CONSILIUM_")).filter_map(pair).collect();
    let commented =
        text.lines().filter_map(|line| line.strip_prefix('#').filter(|line| line.starts_with("CONSILIUM_")));
    (set, commented.filter_map(pair).collect())
}

#[tokio::test]
async fn the_example_is_refused_until_it_is_filled_in() {
    let (mut set, commented) = example();
    let mut missing = Vec::new();
    loop {
        let (code, _, line) = config(&set).await;
        if code == Some(0) {
            break;
        }
        assert_eq!(code, Some(2), "{line}");
        let (name, value) =
            set.iter_mut().find(|(name, _)| line.contains(&format!("{name}:"))).unwrap_or_else(|| panic!("{line}"));
        assert!(value.is_empty(), "{name}={value} is refused: {line}");
        *value = match name.as_str() {
            "CONSILIUM_SIGNING_KEYS" => format!("k1:{}", "0".repeat(64)),
            "CONSILIUM_SMS_URL" => "https://sms.example/send".to_owned(),
            _ => "0".repeat(64),
        };
        missing.push(name.clone());
    }
    let all = ["SIGNING_KEYS", "LIVEKIT_API_SECRET", "SMS_URL", "CASHFREE_CLIENT_ID", "CASHFREE_CLIENT_SECRET"];
    assert_eq!(missing, all.map(|name| format!("CONSILIUM_{name}")));
    // With what belongs to the place it is taken too.
    set.extend(commented.iter().cloned());
    let (code, _, line) = config(&set).await;
    assert_eq!(code, Some(0), "{line}");
    let defaults = defaults().await;
    for name in ["MAX_CONNECTIONS", "DATABASE_CONNECTIONS", "DRAIN_SECONDS"] {
        let written = commented.iter().find(|(setting, _)| *setting == format!("CONSILIUM_{name}")).unwrap();
        assert_eq!(written.1, defaults[name], "{name}");
    }
}

/// The number behind `key` in a file.
#[track_caller]
fn number(text: &str, key: &str) -> u64 {
    let (_, rest) = text.split_once(key).unwrap_or_else(|| panic!("no {key}"));
    let digits: String = rest.trim_start().chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap()
}

#[tokio::test]
async fn whoever_stops_a_node_waits_longer_than_its_drain_and_gives_it_enough_files() {
    let defaults = defaults().await;
    let drain: u64 = defaults["DRAIN_SECONDS"].parse().unwrap();
    let connections: u64 = defaults["MAX_CONNECTIONS"].parse().unwrap();
    let (unit, compose) = (read("deploy/consilium.service"), read("deploy/compose.yaml"));
    assert!(number(&unit, "TimeoutStopSec=") > drain && number(&compose, "stop_grace_period:") > drain);
    assert!(number(&unit, "LimitNOFILE=") > connections && number(&compose, "nofile:") > connections);
    // nginx holds two for each client.
    let nginx = read("deploy/nginx/nginx.conf");
    assert!(number(&nginx, "worker_rlimit_nofile") > 2 * number(&nginx, "worker_connections"));
    // A node's own patience ends after nginx', so that no request meets a connection that is being closed.
    assert!(number(&nginx, "keepalive_timeout") < 30);
}

#[test]
fn the_image_is_built_with_the_pinned_toolchain_as_nobody() {
    let (image, toolchain) = (read("deploy/Dockerfile"), read("rust-toolchain.toml"));
    let pinned = toolchain.split('"').nth(1).unwrap();
    assert!(image.contains(&format!("ARG RUST_VERSION={pinned}\n")), "rust-toolchain.toml says {pinned}");
    let (_, last) = image.rsplit_once("\nFROM ").unwrap();
    assert!(last.contains("\nUSER 10001\n"));
    // What the build needs is let into it, and nothing else.
    let let_in = read("deploy/Dockerfile.dockerignore");
    let manifest = read("Cargo.toml");
    let members = manifest.split_once("members = [").unwrap().1.split_once(']').unwrap().0;
    for folder in members.split('"').skip(1).step_by(2).chain(["src", "migrations", "web"]) {
        assert!(let_in.contains(&format!("!{folder}\n")), "{folder} is not let in");
    }
    for name in let_in.lines().filter_map(|line| line.strip_prefix('!')) {
        assert!(root().join(name).exists(), "{name}");
    }
}

#[tokio::test]
async fn the_health_check_follows_readiness() {
    let app = TestApp::start().await;
    let address = app.url.strip_prefix("http://").unwrap().to_owned();
    let healthy = || async {
        let script = root().join("deploy/healthy.sh");
        let check = Command::new("bash").arg(script).env("CONSILIUM_LISTEN", &address).output();
        timeout(Duration::from_secs(30), check).await.unwrap().unwrap().status.success()
    };
    // The server waits no longer than 2 s for Postgres, and the check 5 s for the server.
    let deadline = Instant::now() + Duration::from_secs(30);
    while !healthy().await {
        assert!(Instant::now() < deadline, "never healthy");
    }
    app.app.pool.close().await;
    assert!(!healthy().await, "no Postgres");
    app.app.shutdown.cancel();
    while tokio::net::TcpStream::connect(&address).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(!healthy().await, "nobody listens");
}
