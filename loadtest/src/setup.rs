//! Making the accounts of a run, a bounded number at a time.

use std::future::Future;

use futures_util::{StreamExt, stream};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::account::Account;
use crate::frame;
use crate::http::{Call, Http, Trouble};

/// Password hashing costs the server a core each.
const DOCTORS_AT_ONCE: usize = 4;
const PATIENTS_AT_ONCE: usize = 16;

/// A bar for a known number of things.
pub(crate) fn bar(length: u64, what: &str) -> ProgressBar {
    let bar = ProgressBar::new(length);
    if let Ok(style) = ProgressStyle::with_template("{prefix:>12} {bar:40} {pos}/{len} {msg}") {
        bar.set_style(style);
    }
    bar.set_prefix(what.to_owned());
    bar
}

/// New doctors.
pub(crate) async fn doctors(http: &Http, count: usize) -> Result<Vec<Account>, Trouble> {
    let admin = Account::admin(http).await?;
    let run = rand::random::<u32>();
    let making = (0..count).map(|number| {
        let admin = &admin;
        async move {
            let email = format!("load-{run:08x}-{number}@load.example");
            let name = format!("Dr. Load {number}");
            Account::doctor(http, admin, email, name).await
        }
    });
    all(making, count, DOCTORS_AT_ONCE, "doctors").await
}

/// New patients, with phones of a range that no other run has.
pub(crate) async fn patients(http: &Http, count: usize) -> Result<Vec<Account>, Trouble> {
    let room = 100_000_000_u32.saturating_sub(u32::try_from(count).unwrap_or(u32::MAX));
    let first = rand::random_range(0..room.max(1)) as usize;
    let making = (0..count).map(|number| {
        let phone = format!("+9177{:08}", first + number);
        Account::patient(http, phone, number)
    });
    all(making, count, PATIENTS_AT_ONCE, "patients").await
}

/// One ongoing session for each patient: the session and the number of its doctor.
pub(crate) async fn sessions(
    http: &Http,
    doctors: &[Account],
    patients: &[Account],
) -> Result<Vec<(Uuid, usize)>, Trouble> {
    let progress = bar(patients.len() as u64, "sessions");
    let making = patients.iter().enumerate().map(|(number, patient)| {
        let of = number % doctors.len().max(1);
        let doctor = doctors.get(of);
        async move {
            let doctor = doctor.ok_or_else(|| Trouble::Transport("no doctors".into()))?;
            let body = json!({"target_doctor_id": doctor.id});
            let call = Call::post("/api/v2/connect/sessions", Some(&patient.access), body);
            let made: Value = http.call(number, &call).await?.expect()?;
            let session =
                frame::session_of(&made.to_string()).ok_or_else(|| Trouble::Transport("no session_id".into()))?;
            let path = format!("/api/v2/connect/sessions/{session}/accept");
            let call = Call::post(&path, Some(&doctor.access), json!({}));
            http.call(number, &call).await?.expect::<Value>()?;
            Ok((session, of))
        }
    });
    let mut making = stream::iter(making).buffered(PATIENTS_AT_ONCE);
    let mut made = Vec::new();
    while let Some(session) = making.next().await {
        made.push(session?);
        progress.inc(1);
    }
    progress.finish();
    Ok(made)
}

async fn all<F>(
    making: impl Iterator<Item = F>,
    count: usize,
    at_once: usize,
    what: &str,
) -> Result<Vec<Account>, Trouble>
where
    F: Future<Output = Result<Account, Trouble>>,
{
    let bar = bar(count as u64, what);
    let mut made = Vec::with_capacity(count);
    let mut making = stream::iter(making).buffered(at_once);
    while let Some(account) = making.next().await {
        made.push(account?);
        bar.inc(1);
    }
    bar.finish();
    Ok(made)
}
