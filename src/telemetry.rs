//! Logs and figures. Log lines carry ids and patterns, never patient data, tokens, codes or texts (settled 32).

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;

/// Starts logging; a second call in one process changes nothing (tests start many servers).
pub fn start_logs(filter: &str, json: bool) {
    // sqlx and hyper print statements and headers below `info`: they stay out whatever the filter says.
    let filter = EnvFilter::try_new(format!("{filter},sqlx=warn,hyper=warn,rustls=warn"))
        .unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    let started = if json { builder.json().flatten_event(true).try_init() } else { builder.try_init() };
    if started.is_err() {
        tracing::debug!("logging was started before");
    }
}

/// The recorder of figures; one a process.
///
/// # Errors
/// When another recorder is installed already.
pub fn start_metrics() -> Result<PrometheusHandle, String> {
    let seconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
    let counts = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];
    let builder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &seconds)
        .and_then(|builder| builder.set_buckets_for_metric(Matcher::Suffix("_commands".to_owned()), &counts))
        .map_err(|error| error.to_string())?;
    builder.install_recorder().map_err(|error| error.to_string())
}

/// A handle that renders nothing global: for tests, which run many servers in one process.
#[must_use]
pub fn metrics_for_tests() -> PrometheusHandle {
    PrometheusBuilder::new().build_recorder().handle()
}
