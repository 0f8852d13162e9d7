//! The table of figures is what the sources count, what `/metrics` shows, and what docs/operations.md says.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use axum::http::Method;
use consilium::telemetry::metrics::{METRICS, Metric, find};
use consilium_storage::testing::{self, Scratch};
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::text::{files_under, read};
use crate::support::client::{Client, send};
use crate::support::process::{Server, http_client};

/// One place in the sources that counts.
#[derive(Debug)]
struct Use {
    place: String,
    kind: &'static str,
    name: String,
    /// Label and, where it is written out, its value; none where the labels are a variable.
    labels: Option<Vec<(String, Option<String>)>>,
}

fn uses() -> Vec<Use> {
    let mut found = Vec::new();
    for (place, path) in ["src", "realtime/src", "storage/src"].into_iter().flat_map(files_under) {
        if path.extension().is_some_and(|kind| kind == "rs") {
            uses_in(&place, &std::fs::read_to_string(path).unwrap(), &mut found);
        }
    }
    found
}

fn uses_in(place: &str, source: &str, found: &mut Vec<Use>) {
    for kind in ["counter", "gauge", "histogram"] {
        let call = format!("{kind}!(");
        for (at, _) in source.match_indices(&call) {
            let arguments = arguments(&source[at + call.len()..]);
            if arguments.starts_with("metric.name") {
                // The table itself, which registers them all.
                continue;
            }
            let mut quoted = arguments.split('"');
            assert_eq!(
                quoted.next().map(str::trim),
                Some(""),
                "{place}: the name of a figure is written out: {arguments}"
            );
            let name = quoted.next().unwrap().to_owned();
            let labels = labels_of(&arguments[arguments.find(&name).unwrap() + name.len() + 1..]);
            found.push(Use { place: place.to_owned(), kind, name, labels });
        }
    }
}

/// Up to the bracket that closes the macro.
fn arguments(rest: &str) -> &str {
    let mut depth = 1;
    let mut quoted = false;
    for (at, c) in rest.char_indices() {
        match c {
            '"' => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return &rest[..at];
        }
    }
    panic!("a macro without an end: {rest}");
}

fn labels_of(rest: &str) -> Option<Vec<(String, Option<String>)>> {
    let rest = rest.trim().trim_start_matches(',').trim();
    if rest.is_empty() {
        return Some(Vec::new());
    }
    let pairs = rest.split(',').filter(|pair| !pair.trim().is_empty());
    pairs
        .map(|pair| {
            let (label, value) = pair.split_once("=>")?;
            let quoted = |text: &str| Some(text.trim().strip_prefix('"')?.strip_suffix('"')?.to_owned());
            Some((quoted(label)?, quoted(value)))
        })
        .collect()
}

#[test]
fn the_table_is_what_the_sources_count() {
    let uses = uses();
    for Use { place, kind, name, labels } in &uses {
        let metric = METRICS.iter().find(|metric| metric.name == name);
        let metric = metric.unwrap_or_else(|| panic!("{place}: {name} is not in src/telemetry/metrics.rs"));
        assert_eq!(metric.kind.as_str(), *kind, "{place}: {name}");
        let Some(labels) = labels else { continue };
        let named: BTreeSet<&str> = labels.iter().map(|(label, _)| label.as_str()).collect();
        let known: BTreeSet<&str> = metric.labels.iter().map(|label| label.name).collect();
        assert_eq!(named, known, "{place}: the labels of {name}");
        for (label, value) in labels {
            let label = metric.label(label).unwrap();
            let fits = |value: &String| label.is_open || label.values.contains(&value.as_str());
            assert!(value.as_ref().is_none_or(fits), "{place}: {name} does not know {}={value:?}", label.name);
        }
    }
    let used: BTreeSet<&str> = uses.iter().map(|found| found.name.as_str()).collect();
    for Metric { name, .. } in METRICS {
        assert!(used.contains(name), "nothing counts {name}");
    }
}

#[test]
fn the_walk_reads_every_way_of_counting() {
    let mut found = Vec::new();
    let source = "metrics::counter!(\n  \"a_total\",\n \"role\" => role.as_str(), \"outcome\" => \"done\",\n).increment(1);\n\
                  metrics::gauge!(\"b\").set(f(1)); histogram!(\"c\", &labels)";
    uses_in("x.rs", source, &mut found);
    let [a, b, c] = found.try_into().unwrap();
    assert_eq!(a.labels.unwrap(), [("role".to_owned(), None), ("outcome".to_owned(), Some("done".to_owned()))]);
    assert_eq!((a.name.as_str(), b.name.as_str(), b.labels), ("a_total", "b", Some(Vec::new())));
    assert_eq!((c.name.as_str(), c.labels), ("c", None));
}

/// When the audit's sealer last succeeded.
const SUCCESS: &str = "consilium_job_success_timestamp_seconds";
const SEALER: [(&str, &str); 1] = [("name", "audit sealer")];

/// What a scrape says: help and kind by name, and the series with their labels and values.
#[derive(Default)]
struct Scrape {
    help: BTreeMap<String, String>,
    kind: BTreeMap<String, String>,
    series: Vec<(String, BTreeMap<String, String>, f64)>,
}

impl Scrape {
    async fn of(client: &Client) -> Self {
        let answer = send(client.request(Method::GET, "/metrics")).await;
        assert_eq!(answer.status, 200);
        let mut scrape = Self::default();
        for line in answer.text.lines().filter(|line| !line.is_empty()) {
            let mut said = line.splitn(4, ' ');
            match (said.next(), said.next(), said.next(), said.next()) {
                (Some("#"), Some("HELP"), Some(name), help) => {
                    scrape.help.insert(name.to_owned(), help.unwrap_or_default().to_owned());
                }
                (Some("#"), Some("TYPE"), Some(name), Some(kind)) => {
                    scrape.kind.insert(name.to_owned(), kind.to_owned());
                }
                _ => scrape.series.push(series(line)),
            }
        }
        scrape
    }

    /// The first scrape of a server that is well: a look that takes longer than 2 s fails, and the sealer has its first
    /// turn soon after the start.
    async fn of_well(client: &Client) -> Self {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let scrape = Self::of(client).await;
            let is_up = |check| scrape.value("consilium_check_up", &[("check", check)]) == 1.0;
            let checks = ["postgres", "bus", "files", "media"].map(is_up);
            let (ready, sealed) = (scrape.value("consilium_ready", &[]), scrape.value(SUCCESS, &SEALER));
            if checks == [true; 4] && ready == 1.0 && sealed > 0.0 {
                return scrape;
            }
            assert!(Instant::now() < deadline, "up: {checks:?}, ready: {ready}, sealed: {sealed}");
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// The value of a series, by its labels.
    #[track_caller]
    fn value(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let wanted: BTreeMap<String, String> = labels.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        let found = self.series.iter().find(|(found, of, _)| found == name && *of == wanted);
        found.unwrap_or_else(|| panic!("no {name} {labels:?}")).2
    }
}

fn series(line: &str) -> (String, BTreeMap<String, String>, f64) {
    let (head, value) = line.rsplit_once(' ').unwrap();
    let (name, labels) = head.split_once('{').unwrap_or((head, "}"));
    let labels = labels.strip_suffix('}').unwrap();
    // No value of ours holds a comma or a quotation mark.
    let pair = |pair: &str| {
        let (label, value) = pair.split_once('=').unwrap();
        (label.to_owned(), value.trim_matches('"').to_owned())
    };
    let labels = labels.split(',').filter(|text| !text.is_empty()).map(pair).collect();
    (name.to_owned(), labels, value.parse().unwrap())
}

async fn server(name: &str) -> (Server, Scratch, Client, testing::TestDb) {
    let (database, scratch) = (testing::database().await, Scratch::new(name).unwrap());
    let server = Server::start(&database.url, scratch.path().join("server.log")).await;
    let client = Client::new(http_client(), server.url());
    (server, scratch, client, database)
}

#[tokio::test]
async fn a_running_server_shows_the_whole_table_and_nothing_else() {
    let (_server, _scratch, client, _database) = server("metrics").await;
    let first = Scrape::of(&client).await;
    for metric in METRICS {
        assert_eq!(first.help.get(metric.name).map(String::as_str), Some(metric.help), "{}", metric.name);
        assert_eq!(first.kind.get(metric.name).map(String::as_str), Some(metric.kind.as_str()), "{}", metric.name);
        let shown = first.series.iter().any(|(name, ..)| find(name).is_some_and(|found| found.name == metric.name));
        assert!(shown, "{} has no series", metric.name);
    }
    for (name, labels, _) in &first.series {
        let metric = find(name).unwrap_or_else(|| panic!("{name} is not in the table"));
        for (label, value) in labels.iter().filter(|(label, _)| *label != "le") {
            let known = metric.label(label).unwrap_or_else(|| panic!("{name} has a label {label}"));
            assert!(known.is_open || known.values.contains(&value.as_str()), "{name} {label}={value}");
        }
    }
}

#[tokio::test]
async fn figures_say_what_happened() {
    let (_server, _scratch, client, _database) = server("figures").await;
    let before = Scrape::of(&client).await;
    client.get("/nowhere").await;
    let wrong = json!({"email": "doctor1@demo.example", "password": "not-the-password"});
    client.post("auth/doctor/login", wrong).await.refused(401, "INVALID_CREDENTIALS");
    let mut doctor = client.clone();
    let right = json!({"email": "doctor1@demo.example", "password": "demo-pass-1"});
    doctor.signed_in(&client.post("auth/doctor/login", right).await.expect(200));
    let mut socket = doctor.socket(None).await;
    socket.next_of("connected").await;
    let after = Scrape::of_well(&client).await;
    let grown = |name: &str, labels: &[(&str, &str)]| after.value(name, labels) - before.value(name, labels);
    assert_eq!(grown("consilium_http_answers_total", &[("class", "4xx")]), 2.0);
    assert_eq!(grown("consilium_http_answers_total", &[("class", "5xx")]), 0.0);
    assert_eq!(grown("consilium_sign_ins_total", &[("role", "doctor"), ("outcome", "refused")]), 1.0);
    assert_eq!(grown("consilium_sign_ins_total", &[("role", "doctor"), ("outcome", "done")]), 1.0);
    assert_eq!(grown("consilium_connections", &[]), 1.0);
    let unknown = [("method", "GET"), ("route", "unmatched"), ("status", "404")];
    assert_eq!(grown("consilium_http_requests_total", &unknown), 1.0);
    let idle = after.value("consilium_database_connections_idle", &[]);
    let all = after.value("consilium_database_connections", &[]);
    assert!(0.0 < all && idle <= all && all <= after.value("consilium_database_connections_limit", &[]));
    if cfg!(target_os = "linux") {
        for name in ["process_resident_memory_bytes", "process_open_fds", "process_max_fds"] {
            assert!(after.value(name, &[]) > 1.0, "{name}");
        }
        let (started, sealed) = (after.value("process_start_time_seconds", &[]), after.value(SUCCESS, &SEALER));
        assert!((sealed - started).abs() < 120.0, "started {started}, sealed {sealed}");
    }
}

/// A row of the table in docs/operations.md.
fn row(metric: &Metric) -> String {
    let label = |label: &consilium::telemetry::metrics::Label| {
        let (name, values) = (label.name, label.values.join(", "));
        if label.is_open { format!("`{name}`") } else { format!("`{name}`: {values}") }
    };
    let labels: Vec<String> = metric.labels.iter().map(label).collect();
    let labels = if metric.name == "consilium_build_info" { "`version`".to_owned() } else { labels.join("; ") };
    format!("| `{}` | {} | {labels} | {} |", metric.name, metric.kind.as_str(), metric.help)
}

#[test]
fn the_manual_has_the_table() {
    let manual = read("docs/operations.md");
    let is_row = |line: &&str| line.starts_with("| `consilium_") || line.starts_with("| `process_");
    let written: Vec<&str> = manual.lines().filter(is_row).collect();
    let rows: Vec<String> = METRICS.iter().map(row).collect();
    assert!(written == rows, "docs/operations.md should have these rows:\n{}", rows.join("\n"));
}
