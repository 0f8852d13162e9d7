//! What batching is worth: acknowledged messages a second of the writer, against the same rows written one message per
//! transaction, with the same clients and the same database, in turns in one run. `cargo bench -p consilium-realtime`.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::disallowed_methods, reason = "a program that measures")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use consilium_realtime::engine::{Nodes, Trackers};
use consilium_realtime::presence::Leases;
use consilium_realtime::writer::Command;
use consilium_realtime::{Engine, Settings};
use consilium_storage::clock::Clock;
use consilium_storage::connect::Party;
use consilium_storage::connect::messages::{ContentType, NewMessage};
use consilium_storage::connect::sessions::{self, NewSession};
use consilium_storage::database::{self, Pool};
use consilium_storage::embedded::{self, Options};
use consilium_storage::ids::{SessionId, UserId};
use uuid::Uuid;

const SESSIONS: usize = 256;
const ROUND: Duration = Duration::from_secs(4);
const ROUNDS: usize = 3;

#[tokio::main]
async fn main() {
    let dir = std::env::temp_dir().join(format!("consilium-bench-{}", std::process::id()));
    let cluster = embedded::start(&Options::new(dir.clone())).await.unwrap();
    let owner = cluster.connect_options(embedded::DATABASE);
    database::migrate(&owner).await.unwrap();
    let pool = database::connect(&owner, 30).await.unwrap();
    let sessions = prepare(&pool).await;
    let batching = engine(&pool, 4, 256);
    // One message a transaction, on as many connections as do it good.
    let single = engine(&pool, 24, 1);
    println!("{SESSIONS} clients, each waits for its acknowledgement; synchronous_commit on, fsync on");
    let mut ratios = Vec::new();
    for round in 1..=ROUNDS {
        let (many, many_ms) = measure(&batching, &sessions).await;
        let (one, one_ms) = measure(&single, &sessions).await;
        ratios.push(many / one);
        println!(
            "round {round}: batching {many:.0}/s (mean {many_ms:.1} ms), one a transaction {one:.0}/s (mean {one_ms:.1} ms), ratio {:.2}",
            many / one
        );
    }
    ratios.sort_by(f64::total_cmp);
    println!("median ratio {:.2}", ratios.get(ratios.len() / 2).unwrap());
    pool.close().await;
    cluster.stop().await;
    std::fs::remove_dir_all(dir).ok();
}

fn engine(pool: &Pool, lanes: usize, batch: usize) -> Engine {
    let leases = Leases { sign_of_life: TimeDelta::seconds(90), push: TimeDelta::seconds(900) };
    let settings = Settings { epoch: "k1".to_owned(), retention: TimeDelta::hours(72), leases, lanes, batch };
    Engine::start(&settings, pool.clone(), Clock::system(), Nodes::one(), Trackers::default()).0
}

/// A patient and doctor for every session, all ONGOING.
async fn prepare(pool: &Pool) -> Vec<NewSession> {
    let now = Clock::system().now();
    let mut conn = pool.acquire().await.unwrap();
    let mut list = Vec::new();
    for index in 0..SESSIONS {
        let (patient, doctor) = (UserId::new(), UserId::new());
        let phone = format!("+91{index:010}");
        consilium_storage::accounts::patients::insert(&mut conn, patient, &phone, None, "av_01", now).await.unwrap();
        consilium_storage::testing::insert_doctor(&mut conn, doctor, &format!("doctor-{index}"), now).await;
        let session = NewSession {
            id: SessionId::new(),
            patient_id: patient,
            doctor_id: doctor,
            category: None,
            symptoms: Vec::new(),
            active_treatment: None,
            medical_history: None,
            rate_per_minute: 0,
            created_at: now,
            expires_at: now + TimeDelta::hours(1),
        };
        sessions::insert(&mut conn, &session).await.unwrap();
        sessions::set_accepted(&mut conn, session.id, now).await.unwrap();
        list.push(session);
    }
    list
}

/// Acknowledged messages a second, and how long one took on average.
async fn measure(engine: &Engine, sessions: &[NewSession]) -> (f64, f64) {
    let sent = Arc::new(AtomicU64::new(0));
    let started = Instant::now();
    let clients: Vec<_> = sessions
        .iter()
        .map(|session| {
            let (engine, sent, session) = (engine.clone(), Arc::clone(&sent), session.clone());
            tokio::task::spawn(async move {
                while started.elapsed() < ROUND {
                    let message = NewMessage {
                        session_id: session.id,
                        patient_id: session.patient_id,
                        doctor_id: session.doctor_id,
                        client_message_id: Uuid::new_v4(),
                        sender: Party::Client,
                        content_type: ContentType::Text,
                        content: "x".repeat(120),
                    };
                    engine.writer().write(Command::Send(message), None).await.unwrap();
                    sent.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for client in clients {
        client.await.unwrap();
    }
    let seconds = started.elapsed().as_secs_f64();
    let count = sent.load(Ordering::Relaxed) as f64;
    (count / seconds, seconds * 1000.0 * sessions.len() as f64 / count)
}
