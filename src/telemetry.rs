//! Logs and figures. Log lines carry ids and patterns, never patient data, tokens, codes or texts (settled 32).

pub mod metrics;
pub mod process;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

/// The filter of `CONSILIUM_LOG`. sqlx and hyper print statements and headers below `info`: they stay out whatever it
/// says.
///
/// # Errors
/// When it is none.
pub fn filter(text: &str) -> Result<EnvFilter, ParseError> {
    EnvFilter::try_new(format!("{text},sqlx=warn,hyper=warn,rustls=warn"))
}

/// Starts logging; a second call in one process changes nothing (tests start many servers).
pub fn start_logs(text: &str, json: bool) {
    // The settings were checked.
    let filter = filter(text).unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    let started = if json { builder.json().flatten_event(true).try_init() } else { builder.try_init() };
    if started.is_err() {
        tracing::debug!("logging was started before");
    }
}

/// The recorder of figures; one a process. Somebody has to call its upkeep, scraped or not: see `jobs`.
///
/// # Errors
/// When another recorder is installed already.
pub fn start_metrics() -> Result<PrometheusHandle, String> {
    let recorder = builder()?.build_recorder();
    let handle = recorder.handle();
    ::metrics::set_global_recorder(recorder).map_err(|error| error.to_string())?;
    metrics::register();
    Ok(handle)
}

/// A handle that renders nothing global: for tests, which run many servers in one process. The table is all there is
/// to see, at zero.
#[must_use]
pub fn metrics_for_tests() -> PrometheusHandle {
    let recorder = builder().unwrap_or_default().build_recorder();
    ::metrics::with_local_recorder(&recorder, metrics::register);
    recorder.handle()
}

/// With the buckets of the table.
fn builder() -> Result<PrometheusBuilder, String> {
    let mut builder = PrometheusBuilder::new();
    for metric in metrics::METRICS {
        if let metrics::Kind::Histogram(bounds) = metric.kind {
            let name = Matcher::Full(metric.name.to_owned());
            builder = builder.set_buckets_for_metric(name, bounds).map_err(|error| error.to_string())?;
        }
    }
    Ok(builder)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn histograms_have_the_buckets_of_the_table() {
        let recorder = builder().unwrap().build_recorder();
        ::metrics::with_local_recorder(&recorder, || {
            for _ in 0..3 {
                ::metrics::histogram!("consilium_writer_batch_commands").record(5.0);
                recorder.handle().run_upkeep();
            }
        });
        let text = recorder.handle().render();
        assert!(text.contains("consilium_writer_batch_commands_bucket{le=\"8\"} 3\n"), "{text}");
        assert!(text.contains("consilium_writer_batch_commands_bucket{le=\"4\"} 0\n"), "{text}");
    }
}
