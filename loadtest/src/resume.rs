//! `loadtest resume`: everybody is away, misses some messages, and comes back at once.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt, stream};
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
/// In a storm every so manieth session gets one more message while everybody comes back.
const MEANWHILE: usize = 50;
/// Between two messages of a doctor, well under the command limit.
const PAUSE: Duration = Duration::from_millis(100);
/// Sessions per doctor.
const PER_DOCTOR: usize = 500;
const PATIENCE: Duration = Duration::from_secs(120);

#[derive(Debug, Serialize)]
struct ResumeReport {
    clients: usize,
    live_sessions: usize,
    /// From the kill to `/ready`, if this program started the server.
    ready_after_s: Option<f64>,
    /// From the first handshake to the last client that had everything; in a storm from the cut.
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
    /// How many messages it will find.
    missed: u64,
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
    let sessions = sessions(&http, &doctors, &patients).await.map_err(say("sessions"))?;
    let mut open = connect(&http, &patients, args.clients).await?;
    let some = sessions.get(..args.clients).unwrap_or_default();
    if !args.storm {
        // All were connected at the same time; now none is.
        open.iter_mut().for_each(|(_, socket)| *socket = None);
    }
    write(&http, &doctors, some).await.map_err(say("messages"))?;
    let ready = match &mut process {
        Some(process) => Some(process.kill_and_restart(&http).await?),
        None => None,
    };
    let desks = if args.storm { desks(&http, &doctors, some, &mut open).await? } else { Vec::new() };
    let before = Looks::of(&http).await?;
    let began = Instant::now();
    let back = cut_and_come_back(open, desks).await;
    let all = began.elapsed();
    let looks = Looks::of(&http).await?.since(before);
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

/// One ongoing session for each patient: the session and the number of its doctor.
async fn sessions(http: &Http, doctors: &[Account], patients: &[Account]) -> Result<Vec<(Uuid, usize)>, Trouble> {
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
    let mut making = stream::iter(making).buffered(AT_ONCE);
    let mut made = Vec::new();
    while let Some(session) = making.next().await {
        made.push(session?);
        progress.inc(1);
    }
    progress.finish();
    Ok(made)
}

/// Everybody connects and learns a cursor.
async fn connect(http: &Http, patients: &[Account], clients: usize) -> Result<Vec<(Away, Option<Socket>)>, String> {
    let opening = patients.iter().take(clients).enumerate().map(|(number, patient)| {
        let authority = http.authority(number).to_owned();
        async move {
            let (socket, greeting) = socket::open(&authority, &patient.access, None)
                .await
                .map_err(|refused| format!("client {number}: {refused:?}"))?;
            let cursor = greeting.cursor.ok_or("a greeting without a cursor")?;
            let away = Away { authority, token: patient.access.clone(), cursor, missed: MISSED };
            Ok::<_, String>((away, Some(socket)))
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
    Ok(open)
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

/// A doctor at work during a storm.
struct Desk {
    socket: Socket,
    sessions: Vec<Uuid>,
}

/// The doctors' connections, each with the sessions it writes into while everybody comes back.
async fn desks(
    http: &Http,
    doctors: &[Account],
    sessions: &[(Uuid, usize)],
    open: &mut [(Away, Option<Socket>)],
) -> Result<Vec<Desk>, String> {
    let mut chosen: HashMap<usize, Vec<Uuid>> = HashMap::new();
    for ((session, of), (away, _)) in sessions.iter().zip(open).step_by(MEANWHILE) {
        chosen.entry(*of).or_default().push(*session);
        away.missed += 1;
    }
    let mut desks = Vec::new();
    for (of, sessions) in chosen {
        let doctor = doctors.get(of).ok_or("no doctors")?;
        let (socket, _) = socket::open(http.authority(of), &doctor.access, None)
            .await
            .map_err(|refused| format!("doctor {of}: {refused:?}"))?;
        desks.push(Desk { socket, sessions });
    }
    Ok(desks)
}

impl Desk {
    /// Writes one message into each session; answers whether all were acknowledged.
    async fn work(mut self) -> bool {
        for session in std::mem::take(&mut self.sessions) {
            let id = Uuid::new_v4();
            let command = json!({"type": "message.send", "ref": "1", "session_id": session, "client_message_id": id,
                                 "content_type": "text", "content": frame::content(id, 80)});
            if self.socket.send(Message::text(command.to_string())).await.is_err() || !self.acknowledged().await {
                return false;
            }
            sleep(PAUSE).await;
        }
        true
    }

    async fn acknowledged(&mut self) -> bool {
        while let Ok(Some(Ok(message))) = timeout(PATIENCE, self.socket.next()).await {
            if let Message::Text(text) = message
                && let Ok(frame) = Frame::parse(text.as_str())
                && frame.reference.is_some()
            {
                return frame.name == "ack";
            }
        }
        false
    }
}

/// Cuts who is still connected, by a reset, and lets all come back at once while the doctors write.
async fn cut_and_come_back(open: Vec<(Away, Option<Socket>)>, desks: Vec<Desk>) -> Vec<Option<Back>> {
    let mut away = Vec::with_capacity(open.len());
    for (client, socket) in open {
        if let Some(socket) = socket {
            drop(socket.get_ref().set_zero_linger());
        }
        away.push(client);
    }
    let mut writing = JoinSet::new();
    for desk in desks {
        writing.spawn(Box::pin(desk.work()));
    }
    let mut coming = JoinSet::new();
    for client in away {
        coming.spawn(Box::pin(come_back(client)));
    }
    let back = coming.join_all().await;
    if writing.join_all().await.contains(&false) {
        println!("a doctor's message was not acknowledged: the clients that wait for it count as broken");
    }
    back
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
    while got < client.missed {
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
    let Looks { standing_asks, standing_queries, inbox_reads, inbox_queries } = report.looks;
    println!(
        "{:.2} queries per 100 resumes: {standing_queries} for {standing_asks} looks at credentials, {inbox_queries} for \
         {inbox_reads} looks at inboxes",
        report.queries_per_100_resumes
    );
}
