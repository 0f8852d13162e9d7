//! A doctor's reviews in figures (97 to 99). Days of the query are days of its zone.

use std::collections::HashMap;

use axum::extract::State;
use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;
use consilium_storage::connect::analytics::{self, Span};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::doctor::share;
use super::one_decimal;
use super::periods::{MOST, Period};
use crate::accounts::caller::{Caller, Doctor};
use crate::app::App;
use crate::error::{Error, Issue, Result};
use crate::http::calendar::{Moment, Zone, range_in, start_of_day};
use crate::http::input::{Input, QueryOnly};
use crate::http::reply::Answer;

/// How many days are looked at where nobody says, the last one among them.
const DAYS: u64 = 30;

/// Which reviews (97, 99).
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct SpanQuery {
    /// The first day or time; not after `date_to`.
    #[schemars(extend("x-not-after" = "date_to"))]
    date_from: Option<Moment>,
    /// The last day or time.
    date_to: Option<Moment>,
    /// IANA name of the zone of the days; UTC unless said otherwise.
    timezone: Option<Zone>,
}

/// Which reviews, and how they are put together (98).
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct TrendQuery {
    /// How long a bucket is.
    #[serde(default)]
    period: Period,
    /// The first day or time, not after the last; 29 days before it unless said otherwise.
    #[schemars(extend("x-not-after" = "date_to"))]
    date_from: Option<Moment>,
    /// The last day or time; today unless said otherwise.
    date_to: Option<Moment>,
    /// IANA name of the zone of the days; UTC unless said otherwise.
    timezone: Option<Zone>,
}

/// Totals (97).
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ReviewMetrics")]
pub(super) struct MetricsView {
    /// How many.
    total_reviews: i64,
    /// Their mean, one decimal; null where there are none.
    average_rating: Option<f64>,
    /// How many were replied to.
    replied_count: i64,
    /// 0 to 1, two decimals; null where there are none.
    reply_rate: Option<f64>,
    /// How many say something.
    with_comment_count: i64,
    /// As asked.
    date_from: Option<Moment>,
    /// As asked.
    date_to: Option<Moment>,
}

/// A series (98).
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ReviewTrends")]
pub(super) struct TrendsView {
    /// How long a bucket is.
    period: Period,
    /// Ascending, empty ones included.
    items: Vec<BucketView>,
}

/// A bucket (98).
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ReviewBucket")]
pub(super) struct BucketView {
    /// Its first day.
    period_start: NaiveDate,
    /// How many.
    reviews_count: i64,
    /// Their mean, one decimal; null where there are none.
    average_rating: Option<f64>,
}

/// By stars (99).
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "RatingDistribution")]
pub(super) struct DistributionView {
    /// How many.
    total_reviews: i64,
    /// Their mean, one decimal; null where there are none.
    average_rating: Option<f64>,
    /// From five stars down to one.
    distribution: Vec<StarsView>,
}

/// How many have these stars (99).
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "RatingCount")]
pub(super) struct StarsView {
    /// The whole part of the rating.
    rating: i32,
    /// How many.
    count: i64,
    /// 0 to 100, one decimal.
    percentage: f64,
}

/// The whole time, where the query leaves a side open.
fn span(query: &SpanQuery) -> Result<Span> {
    let (from, until) = range_in(zone_of(query.timezone), query.date_from, query.date_to)?;
    Ok((from.unwrap_or(DateTime::UNIX_EPOCH), until.unwrap_or(DateTime::<Utc>::MAX_UTC)))
}

fn zone_of(zone: Option<Zone>) -> Tz {
    zone.map_or(Tz::UTC, |Zone(zone)| zone)
}

/// 97.
pub(super) async fn metrics(
    State(app): State<App>,
    caller: Caller<Doctor>,
    Input { query, .. }: QueryOnly<SpanQuery>,
) -> Result<Answer<MetricsView>> {
    let span = span(&query)?;
    let found = analytics::review_totals(&mut *app.conn().await?, caller.id, span).await?;
    Ok(Answer(MetricsView {
        total_reviews: found.reviews,
        average_rating: found.rating.map(one_decimal),
        replied_count: found.replied,
        reply_rate: (found.reviews > 0).then(|| share(found.replied, found.reviews)),
        with_comment_count: found.commented,
        date_from: query.date_from,
        date_to: query.date_to,
    }))
}

/// 98.
pub(super) async fn trends(
    State(app): State<App>,
    caller: Caller<Doctor>,
    Input { query, .. }: QueryOnly<TrendQuery>,
) -> Result<Answer<TrendsView>> {
    let (period, zone) = (query.period, zone_of(query.timezone));
    let (span, days) = series(&query, app.now().with_timezone(&zone).date_naive())?;
    let starts: Vec<_> = days.iter().map(|day| start_of_day(*day, zone)).collect();
    let found = analytics::review_trend(&mut *app.conn().await?, caller.id, span, &starts).await?;
    let found: HashMap<usize, _> =
        found.into_iter().filter_map(|one| Some((usize::try_from(one.number).ok()?, one))).collect();
    let items = days.into_iter().zip(1..).map(|(period_start, number)| {
        let bucket = found.get(&number);
        BucketView {
            period_start,
            reviews_count: bucket.map_or(0, |bucket| bucket.reviews),
            average_rating: bucket.and_then(|bucket| bucket.rating).map(one_decimal),
        }
    });
    Ok(Answer(TrendsView { period, items: items.collect() }))
}

/// The time of a series, and the first days of its buckets.
fn series(query: &TrendQuery, today: NaiveDate) -> Result<(Span, Vec<NaiveDate>)> {
    let zone = zone_of(query.timezone);
    let last = query.date_to.unwrap_or(Moment::Day(today));
    let back = || last.day(zone).checked_sub_days(Days::new(DAYS - 1));
    let first = query.date_from.or_else(|| back().map(Moment::Day)).unwrap_or(last);
    let (from, until) = range_in(zone, Some(first), Some(last))?;
    let (from, until) = (from.unwrap_or_default(), until.unwrap_or_default());
    let end = Moment::At(until - TimeDelta::microseconds(1)).day(zone);
    let days = query.period.buckets(first.day(zone), end);
    let many = || Issue::query("date_from", "value_error", format!("The range should have at most {MOST} buckets"));
    Ok(((from, until), days.ok_or_else(|| Error::invalid(many()))?))
}

/// 99.
pub(super) async fn distribution(
    State(app): State<App>,
    caller: Caller<Doctor>,
    Input { query, .. }: QueryOnly<SpanQuery>,
) -> Result<Answer<DistributionView>> {
    let span = span(&query)?;
    let found = analytics::review_stars(&mut *app.conn().await?, caller.id, span).await?;
    let total: i64 = found.iter().map(|stars| stars.reviews).sum();
    let sum: f64 = found.iter().map(|stars| stars.sum).sum();
    let line = |rating| {
        let count = found.iter().find(|stars| stars.stars == rating).map_or(0, |stars| stars.reviews);
        let percentage = if total > 0 { one_decimal(count as f64 / total as f64 * 100.0) } else { 0.0 };
        StarsView { rating, count, percentage }
    };
    Ok(Answer(DistributionView {
        total_reviews: total,
        average_rating: (total > 0).then(|| one_decimal(sum / total as f64)),
        distribution: (1..=5).rev().map(line).collect(),
    }))
}
