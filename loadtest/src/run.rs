//! `loadtest run`: set up, load, break, settle, check, report.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until, timeout_at};

use crate::account::Account;
use crate::args::{Run, Server};
use crate::chaos::{self, Done, Injector, Planned};
use crate::client::Departed;
use crate::faults::{self, Process, Restart};
use crate::fleet::{Fleet, Used};
use crate::history::{self, Verdict};
use crate::http::Http;
use crate::report::{self, Report};
use crate::scenario::{doctor, patient};
use crate::settle;
use crate::setup;
use crate::stats::{Stats, Step};
use crate::trace::Trace;
use crate::world::{Cut, Phase, Plan, World};

/// An unanswered command is an error after so long.
const UNANSWERED: Duration = Duration::from_secs(20);
/// Where nodes may stand still, nobody waits so long before trying another.
const IMPATIENT: Duration = Duration::from_secs(5);
/// The same for a request over HTTP, which may mean a password to check on a busy machine.
const IMPATIENT_HTTP: Duration = Duration::from_secs(12);
/// After the last fault, some quiet load.
const CALM: Duration = Duration::from_secs(3);

/// A run, and whether everything was as promised.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) report: Report,
    pub(crate) verdict: Verdict,
    /// Every latency, where it was asked for.
    pub(crate) trace: Trace,
    pub(crate) clean: bool,
}

/// Whether everything was as promised, with every seed.
pub(crate) async fn run(args: &Run) -> Result<bool, String> {
    faults::raise_open_files();
    let seeds = match (args.seeds.as_slice(), args.seed) {
        ([], seed) => vec![seed.unwrap_or_else(rand::random)],
        (seeds, _) => seeds.to_vec(),
    };
    let mut outcomes = Vec::new();
    for &seed in &seeds {
        let outcome = Box::pin(once(args, seed)).await?;
        report::table::print(&outcome.report, &outcome.verdict);
        let several = seeds.len() > 1;
        let named = |path: &Option<PathBuf>| path.as_deref().map(|path| of_seed(path, several.then_some(seed)));
        report::write(&outcome.report, named(&args.json).as_deref(), named(&args.html).as_deref())
            .map_err(|error| format!("report: {error}"))?;
        let errors = outcome.report.error_count();
        if args.strict && errors > 0 {
            println!("strict: {errors} errors are as bad as a violation");
        }
        outcomes.push(outcome);
    }
    if outcomes.len() > 1 {
        report::table::summary(&outcomes);
    }
    Ok(outcomes.iter().all(|outcome| outcome.clean))
}

/// `faults.json` of seed 7 is `faults-7.json`.
fn of_seed(path: &Path, seed: Option<u64>) -> PathBuf {
    let Some(seed) = seed else {
        return path.to_owned();
    };
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let end = path.extension().map(|end| format!(".{}", end.to_string_lossy())).unwrap_or_default();
    path.with_file_name(format!("{stem}-{seed}{end}"))
}

/// One run with one seed.
pub(crate) async fn once(args: &Run, seed: u64) -> Result<Outcome, String> {
    let kinds = args.chaos.kinds();
    chaos::check_means(kinds, &args.fleet, args.server.targets.len())?;
    let redis = chaos::with_redis(kinds, &args.fleet);
    let mut fleet = Fleet::begin(&args.fleet, &args.server, redis).await?;
    let done = Box::pin(with_fleet(args, seed, &mut fleet)).await;
    let wrong = !done.as_ref().is_ok_and(|outcome| outcome.clean);
    if let Some(path) = wrong.then(|| fleet.keep()).flatten() {
        println!("the logs of all processes are in {}", path.display());
    }
    let stopped = fleet.stop().await;
    let mut outcome = done?;
    if let Err(why) = stopped {
        outcome.report.failures.push(why);
        outcome.clean = false;
    }
    Ok(outcome)
}

async fn with_fleet(args: &Run, seed: u64, fleet: &mut Fleet) -> Result<Outcome, String> {
    let mut http = Http::new(fleet.targets(), args.server.http_connections);
    let process = begin(&args.server, &http).await?;
    let doctors = setup::doctors(&http, args.doctors()).await.map_err(|trouble| format!("doctors: {trouble}"))?;
    let patients = setup::patients(&http, args.sessions).await.map_err(|trouble| format!("patients: {trouble}"))?;
    // Only from here on is anything broken: all accounts were waited for, however busy the machine.
    if !args.chaos.kinds().is_empty() {
        http = http.with_patience(IMPATIENT_HTTP);
    }
    let planned = args.chaos.plan(seed, args.duration, fleet.nodes.len());
    chaos::print_plan(seed, &planned);
    let (phase, phases) = watch::channel(Phase::Running);
    let (cuts, orders) = watch::channel(Cut::default());
    let mut stats = Stats::new().map_err(|error| error.to_string())?;
    if args.trace {
        stats = stats.traced(Instant::now());
    }
    let ids = doctors.iter().map(|doctor| doctor.id).collect();
    let world = Arc::new(World::new(http, stats, plan(args), (phases, orders), seed, ids));
    let mut load = Load { args, world: Arc::clone(&world), phase, cuts, fleet: &mut *fleet, used: None };
    let loaded = Box::pin(load.run(doctors, patients, process, planned.clone())).await?;
    let used = load.used;
    let wall = world.began.elapsed();
    let evidence = settle::settle(&world, loaded.departed, args.allow_resync)
        .await
        .map_err(|trouble| format!("reading back: {trouble}"));
    if let Some(process) = loaded.process {
        process.stop().await;
    }
    let verdict = history::check(&evidence?);
    let mut report = Report::new(args, &world, wall, loaded.lasted, &verdict);
    report.restarts = loaded.restarts;
    report.nodes = fleet.report();
    report.used = used;
    report.failures.extend(loaded.faults.iter().filter_map(|done| done.failed.clone()));
    report.failures.extend(fleet.panics());
    report.planned = planned;
    report.faults = loaded.faults;
    let clean = verdict.is_clean() && report.failures.is_empty() && !(args.strict && report.error_count() > 0);
    let trace = world.stats.take_trace().unwrap_or_default();
    Ok(Outcome { report, verdict, trace, clean })
}

/// Starts the server if that is asked for, and sees that one is there.
pub(crate) async fn begin(server: &Server, http: &Http) -> Result<Option<Process>, String> {
    if let Some(command) = &server.server_cmd {
        let process = Process::start(command, &server.server_log, http).await?;
        return Ok(Some(process));
    }
    for _ in 0..200 {
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
        patience: if args.chaos.kinds().is_empty() { UNANSWERED } else { IMPATIENT },
    }
}

/// What the load leaves behind.
struct Loaded {
    departed: Vec<Departed>,
    /// How long new consultations began.
    lasted: Duration,
    restarts: Vec<Restart>,
    faults: Vec<Done>,
    process: Option<Process>,
}

/// Everything that happens while the clients live.
struct Load<'a> {
    args: &'a Run,
    world: Arc<World>,
    phase: watch::Sender<Phase>,
    cuts: watch::Sender<Cut>,
    fleet: &'a mut Fleet,
    used: Option<Used>,
}

impl Load<'_> {
    async fn run(
        &mut self,
        doctors: Vec<Account>,
        patients: Vec<Account>,
        process: Option<Process>,
        planned: Vec<Planned>,
    ) -> Result<Loaded, String> {
        let clients = i64::try_from(doctors.len() + patients.len()).unwrap_or(i64::MAX);
        let mut theirs = self.doctors(doctors).await?;
        let mut ours = JoinSet::new();
        for (number, account) in patients.into_iter().enumerate() {
            ours.spawn(Box::pin(patient::live(Arc::clone(&self.world), account, number)));
        }
        let mut ticker = JoinSet::new();
        ticker.spawn(watch_over(Arc::clone(&self.world), self.args.duration));
        let world = Arc::clone(&self.world);
        let kills = kill_on_time(self.args, &world, process);
        let (killed, (faults, lasted)) = tokio::join!(kills, self.work(planned, clients));
        let (restarts, process) = killed?;
        let departed = self.bring_in(&mut ours, &mut theirs).await?;
        ticker.shutdown().await;
        Ok(Loaded { departed, lasted, restarts, faults, process })
    }

    /// A doctor's history must begin before the first request.
    async fn doctors(&self, doctors: Vec<Account>) -> Result<JoinSet<Departed>, String> {
        let all = i64::try_from(doctors.len()).unwrap_or(i64::MAX);
        let mut theirs = JoinSet::new();
        for (number, account) in doctors.into_iter().enumerate() {
            theirs.spawn(Box::pin(doctor::live(Arc::clone(&self.world), account, number)));
        }
        let until = Instant::now() + Duration::from_secs(30);
        while self.world.stats.connections.load(Ordering::Relaxed) < all {
            if Instant::now() > until {
                return Err("the doctors could not connect".into());
            }
            sleep(Duration::from_millis(20)).await;
        }
        Ok(theirs)
    }

    /// The time in which new consultations begin, with its faults.
    async fn work(&mut self, planned: Vec<Planned>, clients: i64) -> (Vec<Done>, Duration) {
        let end = self.world.began + self.args.duration;
        let mut done = Vec::new();
        let before = self.fleet.snapshot().await;
        let broken = !planned.is_empty() || !self.args.kill_after.is_empty();
        if !planned.is_empty() {
            let injector = Injector {
                world: &self.world,
                fleet: &mut *self.fleet,
                cuts: &self.cuts,
                seed: self.world.seed,
                recovery: self.args.chaos.recovery,
                clients,
                until: self.args.chaos.fault_count.is_none().then_some(end),
            };
            done = Box::pin(injector.run(planned)).await;
            sleep(CALM).await;
        }
        sleep_until(end).await;
        if !broken {
            self.used = Some(Used::between(&before, &self.fleet.snapshot().await));
        }
        let lasted = self.world.began.elapsed();
        self.phase.send_replace(Phase::Ending);
        (done, lasted)
    }

    async fn bring_in(
        &self,
        ours: &mut JoinSet<Departed>,
        theirs: &mut JoinSet<Departed>,
    ) -> Result<Vec<Departed>, String> {
        let mut departed = Vec::new();
        let patience = Instant::now() + self.args.patience;
        gather(ours, patience, &mut departed).await;
        self.phase.send_replace(Phase::Leaving);
        gather(theirs, patience, &mut departed).await;
        self.phase.send_replace(Phase::Over);
        let last = Instant::now() + Duration::from_secs(20);
        gather(ours, last, &mut departed).await;
        gather(theirs, last, &mut departed).await;
        if ours.is_empty() && theirs.is_empty() {
            Ok(departed)
        } else {
            Err("some clients did not come to an end".into())
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_seed_has_its_own_report() {
        assert_eq!(of_seed(Path::new("out/faults.json"), Some(7)), Path::new("out/faults-7.json"));
        assert_eq!(of_seed(Path::new("faults"), Some(7)), Path::new("faults-7"));
        assert_eq!(of_seed(Path::new("faults.json"), None), Path::new("faults.json"));
    }
}
