//! `/health`, `/ready` and `/metrics` (running.md): no personal data in any of them.

use aide::axum::ApiRouter;
use aide::axum::routing::get_with;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, SubsecRound, Utc};
use schemars::JsonSchema;
use serde::Serialize;

use super::reply::{Answer, json};
use crate::app::App;

/// The routes.
pub fn router() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route(
            "/health",
            get_with(health, |op| op.id("G44").tag("Operations").summary("Whether the process is alive")),
        )
        .api_route(
            "/ready",
            get_with(ready, |op| op.id("X1").tag("Operations").summary("Whether it can serve, with reasons")),
        )
        .route("/metrics", axum::routing::get(metrics))
}

/// The process is alive.
#[derive(Debug, Serialize, JsonSchema)]
struct Health {
    status: &'static str,
    version: &'static str,
    timestamp: DateTime<Utc>,
}

async fn health(State(app): State<App>) -> Answer<Health> {
    let timestamp = app.now().trunc_subsecs(0);
    Answer(Health { status: "healthy", version: env!("CARGO_PKG_VERSION"), timestamp })
}

/// What the node needs and how it stands.
#[derive(Debug, Serialize, JsonSchema)]
struct Readiness {
    status: &'static str,
    checks: Checks,
    node: String,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Checks {
    postgres: Check,
    bus: Check,
    files: Check,
    media: Check,
}

/// `up`, `degraded` or `down`, and why.
#[derive(Debug, Serialize, JsonSchema)]
struct Check {
    status: &'static str,
    reason: Option<String>,
}

impl Check {
    fn of(trouble: Option<String>, otherwise: &'static str) -> Self {
        let status = if trouble.is_some() { otherwise } else { "up" };
        Self { status, reason: trouble }
    }
}

impl Readiness {
    /// Whether the node should get traffic.
    fn is_ready(&self) -> bool {
        self.status != "unready"
    }
}

async fn ready(State(app): State<App>) -> ReadyAnswer {
    ReadyAnswer(readiness(&app).await)
}

async fn readiness(app: &App) -> Readiness {
    let limit = std::time::Duration::from_secs(2);
    let asked = tokio::time::timeout(limit, async {
        let mut conn = app.pool.acquire().await?;
        consilium_storage::settings::epoch(&mut conn).await
    });
    let (postgres, files) = tokio::join!(asked, app.files.check());
    let postgres = match postgres {
        Ok(Ok(_)) => None,
        Ok(Err(_)) => Some("not reachable".to_owned()),
        Err(_) => Some("no answer within 2 s".to_owned()),
    };
    let draining = app.shutdown.is_cancelled().then(|| "draining".to_owned());
    let files = files.err().map(|_| "files cannot be kept".to_owned());
    let media = app.media.is_away().then(|| "not reachable".to_owned());
    let checks = Checks {
        postgres: Check::of(postgres, "down"),
        bus: Check::of(draining.or_else(|| app.engine.bus_trouble().map(str::to_owned)), "degraded"),
        files: Check::of(files, "degraded"),
        media: Check::of(media, "degraded"),
    };
    let down = checks.postgres.status == "down" || app.shutdown.is_cancelled();
    let degraded = [&checks.bus, &checks.files].iter().any(|check| check.status != "up");
    let status = if down {
        "unready"
    } else if degraded {
        "degraded"
    } else {
        "ready"
    };
    Readiness { status, checks, node: app.engine.node() }
}

/// 200, or 503 where the node should get no traffic.
struct ReadyAnswer(Readiness);

impl IntoResponse for ReadyAnswer {
    fn into_response(self) -> Response {
        let status = if self.0.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        json(status, &self.0)
    }
}

impl aide::OperationOutput for ReadyAnswer {
    type Inner = Readiness;

    fn inferred_responses(
        ctx: &mut aide::generate::GenContext,
        operation: &mut aide::openapi::Operation,
    ) -> Vec<(Option<aide::openapi::StatusCode>, aide::openapi::Response)> {
        let mut answers = <Answer<Readiness> as aide::OperationOutput>::inferred_responses(ctx, operation);
        if let Some((_, response)) = answers.first().cloned() {
            answers.push((Some(aide::openapi::StatusCode::Code(503)), response));
        }
        answers
    }
}

/// Figures that nothing counts as it happens are looked at here.
async fn metrics(State(app): State<App>) -> Response {
    let found = readiness(&app).await;
    metrics::gauge!("consilium_ready").set(u32::from(found.is_ready()));
    let Checks { postgres, bus, files, media } = &found.checks;
    for (name, check) in [("postgres", postgres), ("bus", bus), ("files", files), ("media", media)] {
        metrics::gauge!("consilium_check_up", "check" => name).set(u32::from(check.status == "up"));
    }
    metrics::gauge!("consilium_media_reachable").set(u32::from(!app.media.is_away()));
    metrics::gauge!("consilium_live_sessions").set(app.engine.sessions().len() as f64);
    metrics::gauge!("consilium_connections_limit").set(app.config.max_connections as f64);
    metrics::gauge!("consilium_database_connections").set(app.pool.size());
    metrics::gauge!("consilium_database_connections_idle").set(app.pool.num_idle() as f64);
    metrics::gauge!("consilium_database_connections_limit").set(app.config.database_connections);
    crate::telemetry::process::record();
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], app.metrics.render()).into_response()
}
