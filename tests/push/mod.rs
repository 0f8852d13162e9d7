//! Push messages and the outbox that carries them (connect-v2 §3.15, §5).

mod announcements;
mod causes;
mod devices;
mod events;
mod fcm;
mod outbox;

use std::time::Duration;

use chrono::TimeDelta;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::support::app::TestApp;
use crate::support::client::Client;
use crate::support::meeting::{Meeting, text};

const DOCTOR: &str = "doctor-phone";
const PATIENT: &str = "patient-phone";

/// A patient and a doctor with a device each.
async fn meeting() -> Meeting {
    with_devices(Meeting::start().await).await
}

async fn with_devices(m: Meeting) -> Meeting {
    device(&m.patient, PATIENT).await;
    device(&m.doctor, DOCTOR).await;
    m
}

/// Registers a device.
async fn device(client: &Client, token: &str) -> Value {
    let answer = client.post("device-tokens", json!({"token": token, "platform": "android"})).await;
    assert!(matches!(answer.status, 200 | 201), "{}", answer.text);
    answer.body
}

/// What rang a device so far, from the development inbox.
async fn rung(app: &TestApp, token: &str) -> Vec<Value> {
    let inbox = app.nobody().get(&format!("/dev/inbox.json?channel=push&to={token}&limit=1000")).await.expect(200);
    inbox["items"].as_array().unwrap().clone()
}

/// The newest push of a device.
async fn last(app: &TestApp, token: &str) -> Value {
    rung(app, token).await.pop().unwrap()
}

/// The events that rang a device so far, sorted.
async fn events(app: &TestApp, token: &str) -> Vec<String> {
    let mut events: Vec<String> =
        rung(app, token).await.iter().map(|item| text(&item["data"]["event"]).to_owned()).collect();
    events.sort();
    events
}

/// Waits until these events, in any order and nothing else, have rung a device.
async fn expect(app: &TestApp, token: &str, expected: &[&str]) {
    let mut sorted = expected.to_vec();
    sorted.sort_unstable();
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let found = events(app, token).await;
        if found == sorted {
            return;
        }
        let is_late = Instant::now() > deadline || found.len() > sorted.len();
        assert!(!is_late, "{token}: {found:?} instead of {sorted:?}");
        sleep(Duration::from_millis(20)).await;
    }
}

/// Waits until nothing waits in the outbox: all that is due has been carried.
async fn settled(app: &TestApp) {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let waiting = waiting(app).await;
        if waiting.is_empty() {
            return;
        }
        assert!(Instant::now() < deadline, "{waiting:?}");
        sleep(Duration::from_millis(20)).await;
    }
}

/// Moves the clock, once nobody is at work on a job nor about to be: a job whose lease is over is taken a second time.
/// Small steps are well within a lease.
async fn pass(app: &TestApp, time: TimeDelta) {
    let deadline = Instant::now() + Duration::from_secs(30);
    let soon = TimeDelta::seconds(1);
    let soon = if time < soon { TimeDelta::zero() } else { soon };
    loop {
        let (waiting, now) = (waiting(app).await, app.app.now());
        if waiting.iter().all(|job| job.leased_until.is_none() && job.due_at > now + soon) {
            return app.advance(time);
        }
        assert!(Instant::now() < deadline, "{waiting:?}");
        sleep(Duration::from_millis(20)).await;
    }
}

/// The jobs that wait.
async fn waiting(app: &TestApp) -> Vec<consilium_storage::outbox::Entry> {
    let mut conn = app.app.conn().await.unwrap();
    consilium_storage::outbox::list(&mut conn, false, None, 1000).await.unwrap()
}

/// The dead letters.
async fn dead(app: &TestApp) -> Vec<consilium_storage::outbox::Entry> {
    let mut conn = app.app.conn().await.unwrap();
    consilium_storage::outbox::list(&mut conn, true, None, 1000).await.unwrap()
}

/// Waits for so many dead letters.
async fn wait_for_dead(app: &TestApp, count: usize) -> Vec<consilium_storage::outbox::Entry> {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let found = dead(app).await;
        if found.len() == count {
            return found;
        }
        assert!(Instant::now() < deadline && found.len() < count, "{found:?}, waiting {:?}", waiting(app).await);
        sleep(Duration::from_millis(20)).await;
    }
}
