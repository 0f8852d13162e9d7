//! Pushes: to one device, and to all patients.

use std::collections::BTreeMap;

use chrono::{SecondsFormat, TimeDelta};
use consilium_storage::connect::devices::{self, Device};
use consilium_storage::connect::{Party, messages};
use consilium_storage::ids::{DeviceId, MessageId};
use consilium_storage::outbox::{self, Job};
use consilium_storage::push::{self, Push, Urgency};
use serde::Deserialize;
use serde_json::Value;

use super::Outcome;
use crate::app::App;
use crate::error::Result;
use crate::gateways::push::{Message, NotSent};

/// A connection may be dead without anybody knowing: whoever seemed to be there is looked at once more, when two heartbeats
/// have had time to fail (realtime.md §4).
const LOOK_AGAIN: TimeDelta = TimeDelta::seconds(60);

/// While the provider is away.
const TURNED_AWAY: TimeDelta = TimeDelta::seconds(5);

/// What stands in the outbox.
#[derive(Debug, Deserialize)]
struct Stored {
    device_id: DeviceId,
    event: String,
    group: Option<String>,
    message_id: Option<MessageId>,
    #[serde(flatten)]
    ids: BTreeMap<String, Value>,
}

/// Rings a device.
pub(super) async fn carry(app: &App, job: &Job) -> Result<Outcome> {
    let Ok(stored) = Stored::deserialize(&job.payload) else {
        return Ok(Outcome::Dead("a payload that is none".to_owned()));
    };
    let Some(line) = push::find(&stored.event) else {
        return Ok(Outcome::Dead("an event without a push".to_owned()));
    };
    // Let go, moved to another account, or its account switched off: nobody is to be rung any more.
    let device = devices::find_active(&mut *app.conn().await?, stored.device_id).await?;
    let Some(device) = device.filter(|_| app.push.rings()) else { return Ok(Outcome::Done) };
    if line.only_away
        && let Some(outcome) = leave_to_inbox(app, job, &device, stored.message_id).await?
    {
        return Ok(outcome);
    }
    match app.push.send(&message(app, job, line, stored, &device)).await {
        Ok(()) => Ok(Outcome::Done),
        Err(NotSent::Unregistered) => {
            if devices::prune(&mut *app.conn().await?, &device, app.now()).await? {
                metrics::counter!("consilium_push_devices_pruned_total").increment(1);
                if device.role == Party::Doctor {
                    crate::connect::devices::settle_ringing(app, device.user_id).await?;
                }
            }
            Ok(Outcome::Done)
        }
        Err(NotSent::TurnedAway) => Ok(Outcome::TurnedAway(app.now() + TURNED_AWAY)),
        Err(NotSent::Away { why, after }) => Ok(Outcome::Failed(why, after)),
        Err(refused @ NotSent::Refused(_)) => Ok(Outcome::Dead(refused.to_string())),
    }
}

/// Whether the inbox brings it: to whoever is connected, and is still so when a dead connection would have been noticed, or
/// has got it meanwhile.
async fn leave_to_inbox(app: &App, job: &Job, device: &Device, message: Option<MessageId>) -> Result<Option<Outcome>> {
    let is_second_look = app.now() - job.created_at >= LOOK_AGAIN;
    let is_connected = app.engine.is_connected(device.user_id).await;
    if is_connected {
        let again = Outcome::Later(job.created_at + LOOK_AGAIN);
        return Ok(Some(if is_second_look { Outcome::Done } else { again }));
    }
    if is_second_look
        && let Some(message) = message
        && messages::is_delivered(&mut *app.conn().await?, message).await?
    {
        return Ok(Some(Outcome::Done));
    }
    Ok(None)
}

/// The message as its device gets it: constants and ids.
fn message(app: &App, job: &Job, line: &'static Push, stored: Stored, device: &Device) -> Message {
    let now = app.now();
    let expires_at = job.expires_at.unwrap_or(now + line.life);
    let text = |(name, value): (String, Value)| Some((name, value.as_str()?.to_owned()));
    let mut data: BTreeMap<String, String> = stored.ids.into_iter().filter_map(text).collect();
    data.insert("event".to_owned(), stored.event);
    if let Some(message) = stored.message_id {
        data.insert("message_id".to_owned(), message.to_string());
    }
    data.insert("sent_at".to_owned(), now.to_rfc3339_opts(SecondsFormat::Micros, true));
    if line.urgency == Urgency::Ring {
        data.insert("expires_at".to_owned(), expires_at.to_rfc3339_opts(SecondsFormat::Micros, true));
    }
    Message {
        token: device.token.clone(),
        title: line.title,
        body: line.body,
        data,
        group: stored.group,
        is_urgent: line.urgency != Urgency::Calm,
        expires_at,
    }
}

/// Writes the rows of the next page of all patients' devices; the job's payload remembers how far it came, in the same
/// transaction.
pub(super) async fn spread(app: &App, job: &Job) -> Result<Outcome> {
    let mut tx = app.begin().await?;
    let now = tx.now();
    let next = push::spread(tx.conn(), &job.payload, job.expires_at, app.config.announcement_page, now).await?;
    let is_ours = match next {
        Some(payload) => outbox::postpone(tx.conn(), job, now, Some(&payload), None).await?,
        None => outbox::finish(tx.conn(), job).await?,
    };
    // Whoever was too slow must not write a page that somebody else has written meanwhile.
    if is_ours {
        app.commit(tx).await?;
    }
    Ok(Outcome::Settled)
}
