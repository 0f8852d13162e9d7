//! `loadtest run`: set up, load, settle, check, report.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until, timeout_at};

use crate::account::Account;
use crate::args::{Run, Server};
use crate::client::Departed;
use crate::faults::{self, Process, Restart};
use crate::history::{self, Evidence};
use crate::http::Http;
use crate::report::{self, Report};
use crate::scenario::{doctor, patient};
use crate::settle;
use crate::setup;
use crate::stats::{Stats, Step};
use crate::world::{Phase, Plan, World};

/// Whether everything was as promised.
pub(crate) async fn run(args: Run) -> Result<bool, String> {
    faults::raise_open_files();
    let http = Http::new(args.server.targets.clone(), args.server.http_connections);
    let process = begin(&args.server, &http).await?;
    let doctors = setup::doctors(&http, args.doctors()).await.map_err(|trouble| format!("doctors: {trouble}"))?;
    let patients = setup::patients(&http, args.sessions).await.map_err(|trouble| format!("patients: {trouble}"))?;
    let (phase, watcher) = watch::channel(Phase::Running);
    let stats = Stats::new().map_err(|error| error.to_string())?;
    let seed = args.seed.unwrap_or_else(rand::random);
    let ids = doctors.iter().map(|doctor| doctor.id).collect();
    let world = Arc::new(World::new(http, stats, plan(&args), watcher, seed, ids));
    let load = load(&args, &world, &phase, doctors, patients, process);
    let (departed, restarts, process) = Box::pin(load).await?;
    let loaded = world.began.elapsed();
    let evidence =
        settle::settle(&world, departed, args.allow_resync).await.map_err(|trouble| format!("reading back: {trouble}"));
    if let Some(process) = process {
        process.stop().await;
    }
    let evidence: Evidence = evidence?;
    let verdict = history::check(&evidence);
    let report = Report::new(&args, &world, loaded, restarts, &verdict);
    report::table::print(&report, &verdict);
    report::write(&report, args.json.as_deref(), args.html.as_deref()).map_err(|error| format!("report: {error}"))?;
    let errors = world.stats.error_count();
    if args.strict && errors > 0 {
        println!("strict: {errors} errors are as bad as a violation");
    }
    Ok(verdict.is_clean() && !(args.strict && errors > 0))
}

/// Starts the server if that is asked for, and sees that one is there.
pub(crate) async fn begin(server: &Server, http: &Http) -> Result<Option<Process>, String> {
    if let Some(command) = &server.server_cmd {
        let process = Process::start(command, &server.server_log, http).await?;
        return Ok(Some(process));
    }
    for _ in 0..50 {
        if faults::is_ready(http).await {
            return Ok(None);
        }
        sleep(Duration::from_millis(100)).await;
    }
    Err("no server is ready at the target".into())
}

fn plan(args: &Run) -> Plan {
    let cut_gap = if args.reconnects > 0.0 {
        Duration::from_secs_f64((1.0 / args.reconnects).clamp(0.05, 86_400.0))
    } else {
        Duration::ZERO
    };
    let gap = (2.0 / args.message_rate.max(0.0001)).clamp(0.01, 86_400.0);
    Plan {
        length: args.length(),
        message_gap: Duration::from_secs_f64(gap),
        message_bytes: args.message_bytes,
        cut_gap,
        arrival: args.arrival(),
        receipts: !args.no_receipts,
        video: !args.no_video,
    }
}

type Loaded = (Vec<Departed>, Vec<Restart>, Option<Process>);

async fn load(
    args: &Run,
    world: &Arc<World>,
    phase: &watch::Sender<Phase>,
    doctors: Vec<Account>,
    patients: Vec<Account>,
    process: Option<Process>,
) -> Result<Loaded, String> {
    let all = i64::try_from(doctors.len()).unwrap_or(i64::MAX);
    let mut theirs = JoinSet::new();
    for (number, account) in doctors.into_iter().enumerate() {
        theirs.spawn(Box::pin(doctor::live(Arc::clone(world), account, number)));
    }
    // A doctor's history must begin before the first request.
    let until = Instant::now() + Duration::from_secs(30);
    while world.stats.connections.load(Ordering::Relaxed) < all {
        if Instant::now() > until {
            return Err("the doctors could not connect".into());
        }
        sleep(Duration::from_millis(20)).await;
    }
    let mut ours = JoinSet::new();
    for (number, account) in patients.into_iter().enumerate() {
        ours.spawn(Box::pin(patient::live(Arc::clone(world), account, number)));
    }
    let mut ticker = JoinSet::new();
    ticker.spawn(watch_over(Arc::clone(world), args.duration));
    let kills = kill_on_time(args, world, process);
    let end = world.began + args.duration;
    let (killed, ()) = tokio::join!(kills, async {
        sleep_until(end).await;
        phase.send_replace(Phase::Ending);
    });
    let (restarts, process) = killed?;
    let mut departed = Vec::new();
    let patience = Instant::now() + args.patience;
    gather(&mut ours, patience, &mut departed).await;
    phase.send_replace(Phase::Leaving);
    gather(&mut theirs, patience, &mut departed).await;
    phase.send_replace(Phase::Over);
    let last = Instant::now() + Duration::from_secs(20);
    gather(&mut ours, last, &mut departed).await;
    gather(&mut theirs, last, &mut departed).await;
    ticker.shutdown().await;
    if !(ours.is_empty() && theirs.is_empty()) {
        return Err("some clients did not come to an end".into());
    }
    Ok((departed, restarts, process))
}

async fn gather(from: &mut JoinSet<Departed>, until: Instant, to: &mut Vec<Departed>) {
    while let Ok(Some(done)) = timeout_at(until, from.join_next()).await {
        match done {
            Ok(departed) => to.push(departed),
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
}

async fn kill_on_time(
    args: &Run,
    world: &World,
    mut process: Option<Process>,
) -> Result<(Vec<Restart>, Option<Process>), String> {
    let mut restarts = Vec::new();
    let mut times = args.kill_after.clone();
    times.sort();
    for time in times {
        sleep_until(world.began + time).await;
        let killed_at_s = world.began.elapsed().as_secs_f64();
        let ready_after = match (&mut process, args.kill_pid) {
            (Some(process), _) => process.kill_and_restart(&world.http).await?,
            (None, Some(pid)) => {
                let killed = Instant::now();
                faults::kill_dash_nine(pid)?;
                while !faults::is_ready(&world.http).await {
                    if killed.elapsed() > Duration::from_secs(120) {
                        return Err("nobody restarted the server".into());
                    }
                    sleep(Duration::from_millis(10)).await;
                }
                killed.elapsed()
            }
            (None, None) => return Err("--kill-after needs --server-cmd or --kill-pid".into()),
        };
        restarts.push(Restart { killed_at_s, ready_after_s: ready_after.as_secs_f64() });
    }
    Ok((restarts, process))
}

/// One sample a second, and the progress bar.
async fn watch_over(world: Arc<World>, duration: Duration) {
    let bar = ProgressBar::new(duration.as_secs().max(1));
    if let Ok(style) = ProgressStyle::with_template("{prefix:>12} {bar:30} {pos}/{len} s  {wide_msg}") {
        bar.set_style(style);
    }
    bar.set_prefix("load");
    let mut seconds = interval(Duration::from_secs(1));
    seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    seconds.tick().await;
    loop {
        seconds.tick().await;
        let stats = &world.stats;
        stats.tick(world.began.elapsed());
        bar.set_position(world.began.elapsed().as_secs());
        let last = stats.seconds().pop().unwrap_or_default();
        let sent = last.steps.get(Step::SendAck.key()).cloned();
        let sent = sent.unwrap_or_default();
        let ending = if world.phase() == Phase::Running { "" } else { "ending, " };
        bar.set_message(format!(
            "{ending}{} live, {} sockets, {} msg/s, ack p50 {:.1} p99 {:.1} ms, {} cuts, {} errors",
            last.live_sessions,
            last.connections,
            sent.count,
            sent.p50_us as f64 / 1e3,
            sent.p99_us as f64 / 1e3,
            stats.reconnects.load(Ordering::Relaxed),
            stats.error_count(),
        ));
    }
}
