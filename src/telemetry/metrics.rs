//! Every figure of `/metrics` in one table. Each is described and stands at zero from the first scrape, so that an alert
//! never meets an absent series, and `rate()` sees the first increment. A test compares the table with the sources, with
//! docs/operations.md, and with what the dashboard and the alert rules in deploy/ name.

use metrics::Unit;

/// What a figure is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// Only grows, until the process ends.
    Counter,
    /// Goes up and down.
    Gauge,
    /// A distribution, with the upper bounds of its buckets.
    Histogram(&'static [f64]),
}

impl Kind {
    /// As `/metrics` says it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram(_) => "histogram",
        }
    }
}

/// A label of a figure.
#[derive(Debug, Clone, Copy)]
pub struct Label {
    /// Its name.
    pub name: &'static str,
    /// The values that stand at zero from the start.
    pub values: &'static [&'static str],
    /// Whether it may have others too: routes, statuses, jobs.
    pub is_open: bool,
}

/// One figure.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// Its name, with its unit (`_seconds`, `_bytes`, `_total`).
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// Its labels; never personal data.
    pub labels: &'static [Label],
    /// What it counts in.
    pub unit: Unit,
    /// What it says, without a full stop.
    pub help: &'static str,
}

/// Times of requests and of ways through Redis.
const SECONDS: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// Sizes of batches.
const COUNTS: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

const fn one_of(name: &'static str, values: &'static [&'static str]) -> Label {
    Label { name, values, is_open: false }
}

const fn open(name: &'static str, values: &'static [&'static str]) -> Label {
    Label { name, values, is_open: true }
}

const fn counter(name: &'static str, labels: &'static [Label], unit: Unit, help: &'static str) -> Metric {
    Metric { name, kind: Kind::Counter, labels, unit, help }
}

const fn gauge(name: &'static str, labels: &'static [Label], unit: Unit, help: &'static str) -> Metric {
    Metric { name, kind: Kind::Gauge, labels, unit, help }
}

const fn histogram(
    name: &'static str,
    labels: &'static [Label],
    (unit, bounds): (Unit, &'static [f64]),
    help: &'static str,
) -> Metric {
    Metric { name, kind: Kind::Histogram(bounds), labels, unit, help }
}

const ROUTE: Label = open("route", &["unmatched"]);

/// All of them.
#[rustfmt::skip]
pub static METRICS: &[Metric] = &[
    // The node
    gauge("consilium_build_info", &[one_of("version", &[env!("CARGO_PKG_VERSION")])], Unit::Count, "Always 1; the label is the version"),
    gauge("consilium_ready", &[], Unit::Count, "1 while /ready answers 200, 0 while unready or draining; looked at when scraped"),
    gauge("consilium_check_up", &[one_of("check", &["postgres", "bus", "files", "media"])], Unit::Count, "1 while this check of /ready is up, 0 while it is degraded or down"),

    // REST
    counter("consilium_http_requests_total", &[open("method", &["GET"]), ROUTE, open("status", &["404"])], Unit::Count, "Answers; streams count when they begin"),
    counter("consilium_http_answers_total", &[one_of("class", &["1xx", "2xx", "3xx", "4xx", "5xx"])], Unit::Count, "The same answers by class of status alone: 5xx is always ours"),
    histogram("consilium_http_request_seconds", &[ROUTE], (Unit::Seconds, SECONDS), "From a request's head to its answer's; a poll's wait is in it"),
    counter("consilium_sign_ins_total", &[one_of("role", &["client", "doctor", "admin"]), one_of("outcome", &["done", "refused"])], Unit::Count, "Sign-ins by code and by password"),

    // Connections and delivery
    gauge("consilium_connections", &[], Unit::Count, "Live WebSockets, streams and waiting polls"),
    gauge("consilium_connections_limit", &[], Unit::Count, "MAX_CONNECTIONS of this node"),
    counter("consilium_connections_refused_total", &[], Unit::Count, "Sockets above MAX_CONNECTIONS, dropped at once"),
    counter("consilium_accept_failures_total", &[], Unit::Count, "Sockets the system would not give us: out of file descriptors, mostly"),
    counter("consilium_slow_consumers_total", &[], Unit::Count, "Connections closed with 4409; they resume from their cursor"),
    counter("consilium_events_delivered_total", &[], Unit::Count, "Committed events handed to the hub"),
    gauge("consilium_live_sessions", &[], Unit::Count, "Consultations in memory"),
    counter("consilium_presence_changes_lost_total", &[], Unit::Count, "Announcements of presence dropped under load; lists stay right"),
    counter("consilium_standing_asks_total", &[], Unit::Count, "Questions whether a login still holds"),
    counter("consilium_standing_queries_total", &[], Unit::Count, "Queries those questions shared"),

    // Writer and inbox
    histogram("consilium_writer_batch_commands", &[], (Unit::Count, COUNTS), "Commands in a commit; a rising average is load"),
    counter("consilium_inbox_reads_total", &[], Unit::Count, "Reads of an inbox: resumes, and gaps that were filled"),
    counter("consilium_inbox_queries_total", &[], Unit::Count, "Queries those reads shared"),
    counter("consilium_inbox_head_checks_total", &[one_of("cause", &["suspect", "outage", "routine"])], Unit::Count, "Comparisons of connected users' inboxes with Postgres, up to 5,000 at a time: after a hole in the bus, without a bus, or as a matter of routine"),

    // Bus between nodes
    gauge("consilium_bus_up", &[], Unit::Count, "1 while this node's own heartbeat comes back through Redis; 0 also where no Redis is set"),
    gauge("consilium_bus_peers", &[], Unit::Count, "Other nodes heard lately"),
    counter("consilium_bus_published_total", &[], Unit::Count, "Bus messages sent"),
    counter("consilium_bus_published_bytes_total", &[], Unit::Bytes, "Bytes of bus messages sent"),
    counter("consilium_bus_received_total", &[], Unit::Count, "Bus messages received"),
    counter("consilium_bus_received_bytes_total", &[], Unit::Bytes, "Bytes of bus messages received"),
    counter("consilium_bus_lost_total", &[one_of("at", &["queue", "send", "reader", "seal"])], Unit::Count, "Bus messages this node could not send (queue, send) or hand on (reader), which the inbox repairs, and such as were not sealed by one of us (seal)"),
    counter("consilium_bus_holes_total", &[], Unit::Count, "Holes found in another node's numbering; the inbox repairs them"),
    counter("consilium_bus_reconnects_total", &[], Unit::Count, "New connections to Redis after one was lost"),
    histogram("consilium_bus_probe_seconds", &[], (Unit::Seconds, SECONDS), "This node's own heartbeat's way through Redis and back"),
    counter("consilium_shared_fallbacks_total", &[one_of("what", &["limits", "tickets", "connections"])], Unit::Count, "Answers from this node's memory because Redis could not be asked"),

    // Postgres and jobs
    gauge("consilium_database_connections", &[], Unit::Count, "Connections to Postgres"),
    gauge("consilium_database_connections_idle", &[], Unit::Count, "Those that nobody uses at the moment"),
    gauge("consilium_database_connections_limit", &[], Unit::Count, "DATABASE_CONNECTIONS of this node"),
    counter("consilium_sessions_expired_total", &[], Unit::Count, "Requests that nobody answered in time"),
    counter("consilium_reminders_sent_total", &[one_of("kind", &["followup.day", "followup.hour", "review"])], Unit::Count, "Reminders of follow-ups and of reviews that are missing"),
    counter("consilium_outbox_jobs_total", &[
        one_of("kind", &["push", "push.bulk", "push.broadcast"]),
        one_of("outcome", &["done", "expired", "later", "failed", "dead"]),
    ], Unit::Count, "What became of jobs of the outbox; dead ones wait for an admin"),
    gauge("consilium_outbox_waiting", &[one_of("kind", &["push", "push.bulk", "push.broadcast"])], Unit::Count, "Jobs that wait in the outbox"),
    gauge("consilium_outbox_dead", &[one_of("kind", &["push", "push.bulk", "push.broadcast"])], Unit::Count, "Dead letters in the outbox: see consilium outbox list"),
    gauge("consilium_outbox_overdue_seconds", &[one_of("kind", &["push", "push.bulk", "push.broadcast"])], Unit::Seconds, "For how long the job has been due that waits longest"),
    counter("consilium_push_devices_pruned_total", &[], Unit::Count, "Devices let go because the provider does not know them any more"),
    // `job` is what Prometheus calls its targets by.
    gauge("consilium_job_period_seconds", &[open("name", &[])], Unit::Seconds, "How often a job runs"),
    counter("consilium_job_failures_total", &[open("name", &[])], Unit::Count, "Runs of a job that failed; it tries again"),
    gauge("consilium_job_success_timestamp_seconds", &[open("name", &[])], Unit::Seconds, "When a job last ran to its end, in seconds since 1970; 0 before it first did"),

    // Files
    counter("consilium_file_calls_total", &[
        one_of("call", &["upload_link", "download_link", "write", "put", "size", "read", "promote", "remove", "check", "sweep"]),
        one_of("outcome", &["done", "failed"]),
    ], Unit::Count, "Calls to the file store"),
    counter("consilium_files_removed_total", &[], Unit::Count, "Objects removed because nothing keeps them"),
    gauge("consilium_file_removals_refused", &[], Unit::Count, "Objects that should be gone and are not after three attempts: the store refuses, mostly"),

    // LiveKit
    gauge("consilium_media_reachable", &[], Unit::Count, "0 while calls about rooms are turned away because LiveKit did not answer; its recorder is judged by itself"),
    counter("consilium_media_calls_total", &[
        one_of("call", &["ListRooms", "ListParticipants", "UpdateParticipant", "DeleteRoom", "StartRoomCompositeEgress", "StopEgress", "ListEgress"]),
        one_of("outcome", &["ok", "missing", "refused", "invalid", "troubled", "unreachable", "turned_away"]),
    ], Unit::Count, "Calls to LiveKit"),
    counter("consilium_recordings_total", &[one_of("outcome", &["begun", "refused", "ready", "failed", "file_missing"])], Unit::Count, "What became of recordings; file_missing is among the ready ones: the recorder says it wrote a file that is not in the store"),

    // Payments
    counter("consilium_payments_total", &[one_of("outcome", &["success", "failed", "expired"])], Unit::Count, "Top-up orders that were settled"),
    counter("consilium_payments_reconciled_total", &[], Unit::Count, "Paid orders that were found by asking unasked: their webhooks were lost"),
    counter("consilium_payments_flagged_total", &[one_of("reason", &["AMOUNT_DIFFERS", "UNRESOLVED", "PAID_AFTER_ALL"])], Unit::Count, "Payments left to an admin: consilium payments flagged"),
    counter("consilium_payment_calls_total", &[
        one_of("call", &["create_order", "get_order", "get_payments"]),
        one_of("outcome", &["ok", "refused", "unreachable", "turned_away"]),
    ], Unit::Count, "Calls to the payment provider"),

    // The process, where the system tells (Linux)
    gauge("process_resident_memory_bytes", &[], Unit::Bytes, "Resident memory"),
    counter("process_cpu_seconds_total", &[], Unit::Seconds, "Processor time, in whole seconds"),
    gauge("process_open_fds", &[], Unit::Count, "Open file descriptors: a connection holds one"),
    gauge("process_max_fds", &[], Unit::Count, "Their limit"),
    gauge("process_start_time_seconds", &[], Unit::Seconds, "When the process started, in seconds since 1970"),
];

/// Describes every figure to the recorder in force and sets all its known series to zero.
pub fn register() {
    for metric in METRICS {
        describe(metric);
        for labels in metric.series() {
            match metric.kind {
                Kind::Counter => metrics::counter!(metric.name, &labels).increment(0),
                Kind::Gauge => metrics::gauge!(metric.name, &labels).increment(0.0),
                Kind::Histogram(_) => drop(metrics::histogram!(metric.name, &labels)),
            }
        }
    }
    metrics::gauge!("consilium_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
}

fn describe(metric: &Metric) {
    match metric.kind {
        Kind::Counter => metrics::describe_counter!(metric.name, metric.unit, metric.help),
        Kind::Gauge => metrics::describe_gauge!(metric.name, metric.unit, metric.help),
        Kind::Histogram(_) => metrics::describe_histogram!(metric.name, metric.unit, metric.help),
    }
}

impl Metric {
    /// The label sets that stand at zero from the start: every combination of the known values. A label without any is
    /// set by whoever knows them.
    fn series(&self) -> Vec<Vec<(&'static str, &'static str)>> {
        self.labels.iter().fold(vec![Vec::new()], |sets, label| {
            let longer = |set: &Vec<_>| {
                let set = set.clone();
                label.values.iter().map(move |value| set.iter().copied().chain([(label.name, *value)]).collect())
            };
            sets.iter().flat_map(longer).collect()
        })
    }

    /// The label of this name.
    #[must_use]
    pub fn label(&self, name: &str) -> Option<&'static Label> {
        self.labels.iter().find(|label| label.name == name)
    }
}

/// The figure of this name; a histogram also by the names of its series.
#[must_use]
pub fn find(name: &str) -> Option<&'static Metric> {
    let exact = METRICS.iter().find(|metric| metric.name == name);
    exact.or_else(|| {
        let base = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix))?;
        METRICS.iter().find(|metric| metric.name == base && matches!(metric.kind, Kind::Histogram(_)))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn names_are_unique_and_say_kind_and_unit() {
        let mut names: Vec<&str> = METRICS.iter().map(|metric| metric.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), METRICS.len());
        for Metric { name, kind, unit, help, .. } in METRICS {
            assert!(name.starts_with("consilium_") || name.starts_with("process_"), "{name}");
            assert_eq!(name.ends_with("_total"), *kind == Kind::Counter, "{name}");
            let measured = name.trim_end_matches("_total");
            assert_eq!(measured.ends_with("_seconds"), *unit == Unit::Seconds, "{name}");
            assert_eq!(measured.ends_with("_bytes"), *unit == Unit::Bytes, "{name}");
            assert!(!help.is_empty() && !help.ends_with('.'), "{name}: {help}");
        }
    }

    #[test]
    fn all_known_series_stand_at_zero_and_are_described() {
        let text = crate::telemetry::metrics_for_tests().render();
        for metric in METRICS.iter().filter(|metric| metric.labels.iter().all(|label| !label.values.is_empty())) {
            let (name, kind) = (metric.name, metric.kind.as_str());
            assert!(text.contains(&format!("# HELP {name} {}\n# TYPE {name} {kind}\n", metric.help)), "{name}");
        }
        for line in [
            "consilium_connections 0",
            "consilium_bus_lost_total{at=\"reader\"} 0",
            "consilium_media_calls_total{call=\"DeleteRoom\",outcome=\"turned_away\"} 0",
            "consilium_http_request_seconds_count{route=\"unmatched\"} 0",
            "consilium_writer_batch_commands_bucket{le=\"256\"} 0",
            concat!("consilium_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"),
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
    }

    #[test]
    fn a_histogram_is_found_by_its_series() {
        assert_eq!(find("consilium_bus_probe_seconds_bucket").unwrap().name, "consilium_bus_probe_seconds");
        assert!(find("consilium_connections_bucket").is_none());
    }
}
