//! A job that panics is a job that failed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use consilium::jobs;
use tokio::time::{Instant, sleep};

use crate::support::app::TestApp;

#[tokio::test]
async fn a_job_that_panics_is_counted_and_runs_again() {
    // In one process with other tests only what happens on this thread is counted.
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    let _counted = metrics::set_default_local_recorder(&recorder);
    let app = TestApp::start().await;
    let runs = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&runs);
    jobs::every(&app.app, "clumsy", Duration::from_millis(10), move |_| {
        let run = counted.fetch_add(1, Ordering::SeqCst);
        async move {
            assert!(run > 1, "on purpose");
            Ok(())
        }
    });
    let deadline = Instant::now() + Duration::from_secs(20);
    while runs.load(Ordering::SeqCst) < 4 {
        assert!(Instant::now() < deadline, "it ended");
        sleep(Duration::from_millis(10)).await;
    }
    let text = recorder.handle().render();
    assert!(text.lines().any(|line| line == "consilium_job_failures_total{name=\"clumsy\"} 2"), "{text}");
}
