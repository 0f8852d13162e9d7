//! `loadtest resume`: everybody is away, misses some messages, and comes back at once.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use hdrhistogram::Histogram;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_tungstenite::tungstenite::Message;
use uuid::Uuid;

use crate::account::Account;
use crate::args::Resume;
use crate::figures::Looks;
use crate::frame::{self, Frame};
use crate::history::Cursor;
use crate::http::{Call, Http, Trouble};
use crate::setup::{self, bar};
use crate::socket::{self, Refused, Socket};
use crate::{faults, run};

const AT_ONCE: usize = 16;
/// Messages that each client misses.
const MISSED: u64 = 3;
/// Sessions per doctor.
const PER_DOCTOR: usize = 500;
const PATIENCE: Duration = Duration::from_secs(120);

#[derive(Debug, Serialize)]
struct ResumeReport {
    clients: usize,
    live_sessions: usize,
    /// From the kill to `/ready`, if this program started the server.
    ready_after_s: Option<f64>,
    /// From the first handshake to the last client that had everything.
    all_resumed_s: f64,
    p50_ms: f64,
    p99_ms: f64,
    tries: u64,
    /// Clients that missed something, saw something twice, or did not come back.
    broken: usize,
    /// What the nodes counted meanwhile.
    looks: Looks,
    queries_per_100_resumes: f64,
}

struct Away {
    authority: String,
    token: String,
    cursor: String,
}

struct Back {
    took: Duration,
    tries: u64,
    /// It stays until all are back: their leaving is no part of this.
    _socket: Box<Socket>,
}

/// Whether all came back without a gap.
pub(crate) async fn resume(args: Resume) -> Result<bool, String> {
    let files = faults::raise_open_files();
    if files < args.clients as u64 + 200 {
        return Err(format!("{} clients need more open files than {files}; raise `ulimit -n`", args.clients));
    }
    let say = |what: &'static str| move |trouble: Trouble| format!("{what}: {trouble}");
    let http = Http::new(args.server.targets.clone(), args.server.http_connections);
    let mut process = run::begin(&args.server, &http).await?;
    let count = args.live_sessions.max(args.clients);
    let doctors = setup::doctors(&http, count.div_ceil(PER_DOCTOR)).await.map_err(say("doctors"))?;
    let patients = setup::patients(&http, count).await.map_err(say("patients"))?;
    let sessions = setup::sessions(&http, &doctors, &patients).await.map_err(say("sessions"))?;
    let away = leave(&http, &patients, args.clients).await?;
    let some = sessions.get(..args.clients).unwrap_or_default();
    write(&http, &doctors, some).await.map_err(say("messages"))?;
    let ready = match &mut process {
        Some(process) => Some(process.kill_and_restart(&http).await?),
        None => None,
    };
    let nodes: Vec<usize> = (0..http.targets.len()).collect();
    let before = Looks::of(&http, &nodes).await?;
    let began = Instant::now();
    let mut coming = JoinSet::new();
    for client in away {
        coming.spawn(Box::pin(come_back(client)));
    }
    let back = coming.join_all().await;
    let all = began.elapsed();
    let looks = Looks::of(&http, &nodes).await?.since(before);
    let report = summary(&args, count, ready, all, &back, looks)?;
    print(&report);
    if let Some(path) = &args.json {
        let json = serde_json::to_vec_pretty(&report).map_err(|error| error.to_string())?;
        std::fs::write(path, json).map_err(|error| error.to_string())?;
    }
    if let Some(process) = process {
        process.stop().await;
    }
    Ok(report.broken == 0)
}

/// Everybody connects, learns a cursor, and loses the connection when all were connected.
async fn leave(http: &Http, patients: &[Account], clients: usize) -> Result<Vec<Away>, String> {
    let opening = patients.iter().take(clients).enumerate().map(|(number, patient)| {
        let authority = http.authority(number).to_owned();
        async move {
            let (socket, greeting) = socket::open(&authority, &patient.access, None)
                .await
                .map_err(|refused| format!("client {number}: {refused:?}"))?;
            let cursor = greeting.cursor.ok_or("a greeting without a cursor")?;
            Ok::<_, String>((Away { authority, token: patient.access.clone(), cursor }, socket))
        }
    });
    let progress = bar(clients as u64, "connections");
    let mut opening = stream::iter(opening).buffered(AT_ONCE);
    let mut open = Vec::new();
    while let Some(client) = opening.next().await {
        open.push(client?);
        progress.inc(1);
    }
    progress.finish();
    Ok(open.into_iter().map(|(away, _)| away).collect())
}

/// What they miss.
async fn write(http: &Http, doctors: &[Account], sessions: &[(Uuid, usize)]) -> Result<(), Trouble> {
    let writing = sessions.iter().map(|(session, of)| {
        let doctor = doctors.get(*of);
        async move {
            let doctor = doctor.ok_or_else(|| Trouble::Transport("no doctors".into()))?;
            let path = format!("/api/v2/connect/sessions/{session}/messages");
            for _ in 0..MISSED {
                let id = Uuid::new_v4();
                let body = json!({"client_message_id": id, "content_type": "text",
                                  "content": frame::content(id, 80)});
                let call = Call::post(&path, Some(&doctor.access), body);
                http.call(0, &call).await?.expect::<Value>()?;
            }
            Ok::<_, Trouble>(())
        }
    });
    let mut writing = stream::iter(writing).buffer_unordered(AT_ONCE);
    while let Some(written) = writing.next().await {
        written?;
    }
    Ok(())
}

/// Connects until it is let in, then waits for what was missed; `None` if something is amiss.
async fn come_back(client: Away) -> Option<Back> {
    let began = Instant::now();
    let mut tries = 0;
    let mut pause = Duration::from_millis(20);
    while began.elapsed() < PATIENCE {
        tries += 1;
        let opened = socket::open(&client.authority, &client.token, Some(&client.cursor)).await;
        match opened {
            Ok((mut socket, greeting)) => {
                let caught_up = timeout(PATIENCE, catch_up(&mut socket, &client)).await;
                let took = began.elapsed();
                let whole = greeting.resumed && matches!(caught_up, Ok(Some(())));
                return whole.then(|| Back { took, tries, _socket: Box::new(socket) });
            }
            Err(Refused::Status(status)) if status != 429 && status != 503 => return None,
            Err(Refused::Unauthenticated) => return None,
            Err(Refused::Status(_) | Refused::Transport) => {}
        }
        sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(1));
    }
    None
}

async fn catch_up(socket: &mut Socket, client: &Away) -> Option<()> {
    let from = Cursor::parse(&client.cursor)?;
    let mut got = 0;
    while got < MISSED {
        let Message::Text(text) = socket.next().await?.ok()? else {
            continue;
        };
        let frame = Frame::parse(text.as_str()).ok()?;
        if frame.name == "resync" {
            return None;
        }
        if let Some(at) = frame.cursor.as_deref().and_then(Cursor::parse) {
            got += 1;
            if at.epoch != from.epoch || at.seq != from.seq + got {
                return None;
            }
        }
    }
    Some(())
}

fn summary(
    args: &Resume,
    live_sessions: usize,
    ready: Option<Duration>,
    all: Duration,
    back: &[Option<Back>],
    looks: Looks,
) -> Result<ResumeReport, String> {
    let mut times = Histogram::<u64>::new_with_bounds(1, 600_000_000, 3).map_err(|error| error.to_string())?;
    let mut tries = 0;
    for back in back.iter().flatten() {
        times.saturating_record(u64::try_from(back.took.as_micros()).unwrap_or(u64::MAX));
        tries += back.tries;
    }
    Ok(ResumeReport {
        clients: args.clients,
        live_sessions,
        ready_after_s: ready.map(|ready| ready.as_secs_f64()),
        all_resumed_s: all.as_secs_f64(),
        p50_ms: times.value_at_quantile(0.5) as f64 / 1e3,
        p99_ms: times.value_at_quantile(0.99) as f64 / 1e3,
        tries,
        broken: back.iter().filter(|back| back.is_none()).count(),
        looks,
        queries_per_100_resumes: looks.queries_per_100(args.clients),
    })
}

fn print(report: &ResumeReport) {
    println!();
    if let Some(ready) = report.ready_after_s {
        println!("ready {ready:.2} s after the kill");
    }
    println!(
        "{} clients ({} live sessions) resumed in {:.2} s: p50 {:.1} ms, p99 {:.1} ms, {} tries, {} broken",
        report.clients,
        report.live_sessions,
        report.all_resumed_s,
        report.p50_ms,
        report.p99_ms,
        report.tries,
        report.broken
    );
    println!("{}", report.looks.told(report.clients));
}
