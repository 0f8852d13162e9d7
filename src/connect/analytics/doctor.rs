//! A doctor's performance (96).

use axum::extract::State;
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use consilium_storage::connect::analytics::{self, Performance};
use consilium_storage::money::Paise;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::one_decimal;
use super::periods::DateRange;
use crate::accounts::caller::{Caller, Doctor};
use crate::app::App;
use crate::error::Result;
use crate::http::calendar::Zone;
use crate::http::input::{Input, QueryOnly};
use crate::http::reply::Answer;

/// Which time (96).
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct PerformanceQuery {
    /// IANA name of the zone of the periods; UTC unless said otherwise.
    timezone: Option<Zone>,
    /// A calendar period up to now; weeks begin on Monday.
    #[serde(default)]
    date_range: DateRange,
}

/// A doctor's performance. Requests count by when they were made, sessions by when they ended, the rest by when it was
/// written.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "DoctorPerformance")]
pub(super) struct PerformanceView {
    /// As asked.
    date_range: DateRange,
    /// The zone of the periods.
    timezone: Zone,
    /// When the period began; null for `all_time`.
    from: Option<DateTime<Utc>>,
    /// Now.
    to: DateTime<Utc>,
    /// Requests.
    total_requests: i64,
    /// Those that were accepted.
    accepted: i64,
    /// Those that were refused.
    rejected: i64,
    /// Those that lapsed.
    missed: i64,
    /// Sessions that ended.
    completed_sessions: i64,
    /// 0 to 1: accepted of those accepted, rejected or missed, two decimals; null where there are none.
    acceptance_rate: Option<f64>,
    /// How long the ended sessions took together.
    total_duration_seconds: i64,
    /// Their mean, in whole seconds; null where there are none.
    average_duration_seconds: Option<i64>,
    /// How many patients they were with.
    unique_patients: i64,
    /// Follow-ups proposed.
    followups_scheduled: i64,
    /// Prescriptions written; changes of one count once.
    prescriptions_issued: i64,
    /// Mean of the reviews, one decimal; null where there are none.
    average_rating: Option<f64>,
    /// Reviews.
    total_reviews: i64,
    /// What the ended sessions cost, in paise, whether the wallets covered it yet or not.
    earnings: Paise,
}

/// 96.
pub(super) async fn performance(
    State(app): State<App>,
    caller: Caller<Doctor>,
    Input { query, .. }: QueryOnly<PerformanceQuery>,
) -> Result<Answer<PerformanceView>> {
    let Zone(zone) = query.timezone.unwrap_or(Zone(Tz::UTC));
    let now = app.now();
    let from = query.date_range.start(now, zone);
    let mut conn = app.conn().await?;
    let found = analytics::performance(&mut conn, caller.id, from.unwrap_or(DateTime::UNIX_EPOCH), now).await?;
    let Performance { accepted, rejected, missed, completed, seconds, .. } = found;
    let decided = accepted + rejected + missed;
    Ok(Answer(PerformanceView {
        date_range: query.date_range,
        timezone: Zone(zone),
        from,
        to: now,
        total_requests: found.requests,
        accepted,
        rejected,
        missed,
        completed_sessions: completed,
        acceptance_rate: (decided > 0).then(|| share(accepted, decided)),
        total_duration_seconds: seconds,
        average_duration_seconds: (completed > 0).then(|| (seconds + completed / 2) / completed),
        unique_patients: found.patients,
        followups_scheduled: found.followups,
        prescriptions_issued: found.prescriptions,
        average_rating: found.rating.map(one_decimal),
        total_reviews: found.reviews,
        earnings: found.billed,
    }))
}

/// A part of a whole, two decimals.
pub(super) fn share(part: i64, whole: i64) -> f64 {
    (part as f64 / whole as f64 * 100.0).round() / 100.0
}
