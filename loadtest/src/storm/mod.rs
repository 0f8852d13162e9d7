//! `loadtest storm`: thousands of WebSockets are cut at one instant and come back at one instant. Each has to find what it
//! missed, whole, in order and once; together they may cost the database next to nothing.

mod client;
mod desk;
mod report;
mod stage;

use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::args::{Cutter, Storm};
use crate::figures::Looks;
use crate::fleet::Fleet;
use crate::http::Http;
use crate::setup;
use crate::{chaos, faults, run};
use client::Back;
use report::{Commits, Report, Times};
use stage::Stage;

/// A connection to Postgres that falls idle says within ten seconds what it has done.
const CALM: Duration = Duration::from_secs(11);
/// How many of these one after the other tell what the nodes ask for by themselves.
const CALMS: u32 = 2;

/// Whether all came back as promised.
pub(crate) async fn storm(args: &Storm) -> Result<bool, String> {
    let files = faults::raise_open_files();
    if files < args.clients as u64 + 200 {
        return Err(format!("{} clients need more open files than {files}; raise `ulimit -n`", args.clients));
    }
    let count = args.fleet.fleet.map_or(args.server.targets.len(), usize::from);
    if args.cut == Cutter::Node && (args.fleet.fleet.is_none() || count < 2) {
        return Err("--cut node needs --fleet of two nodes or more".into());
    }
    let redis = chaos::with_redis(&[], &args.fleet);
    let mut fleet = Fleet::begin(&args.fleet, &args.server, redis).await?;
    let done = Box::pin(with_fleet(args, &mut fleet)).await;
    let panics = fleet.panics();
    let wrong = !done.as_ref().is_ok_and(|report| report.is_clean(args)) || !panics.is_empty();
    if let Some(path) = wrong.then(|| fleet.keep()).flatten() {
        println!("the logs of all processes are in {}", path.display());
    }
    fleet.stop().await?;
    let report = done?;
    report.print(args);
    panics.iter().for_each(|panic| println!("{panic}"));
    if let Some(path) = &args.json {
        let json = serde_json::to_vec_pretty(&report).map_err(|error| error.to_string())?;
        std::fs::write(path, json).map_err(|error| error.to_string())?;
    }
    Ok(!wrong)
}

async fn with_fleet(args: &Storm, fleet: &mut Fleet) -> Result<Report, String> {
    let http = Http::new(fleet.targets(), args.server.http_connections);
    let process = run::begin(&args.server, &http).await?;
    let stage = Box::pin(Stage::set(args, http)).await?;
    let report = Box::pin(play(args, stage, fleet)).await?;
    if let Some(process) = process {
        process.stop().await;
    }
    Ok(report)
}

/// The cut, the absence, and the storm.
async fn play(args: &Storm, mut stage: Stage, fleet: &mut Fleet) -> Result<Report, String> {
    stage.write(args.unseen, "unseen").await?;
    let mut cut = None;
    if args.away > 0 {
        cut = Some(cut_off(args, &mut stage, fleet).await?);
        stage.write(args.away, "written").await?;
    }
    let desks = stage.desks().await?;
    let (began, by_themselves) = in_peace(fleet).await?;
    let before = Looks::of(&stage.http, &stage.homes).await?;
    let (go, gone) = watch::channel(false);
    let mut coming = JoinSet::new();
    for client in std::mem::take(&mut stage.clients) {
        coming.spawn(Box::pin(client.come_back(gone.clone())));
    }
    if cut.is_none() {
        cut = Some(cut_off(args, &mut stage, fleet).await?);
    }
    let mut writing = JoinSet::new();
    for desk in desks {
        writing.spawn(Box::pin(desk.work(gone.clone())));
    }
    let start = Instant::now();
    go.send_replace(true);
    let mut back = coming.join_all().await;
    let meanwhile = writing.join_all().await.into_iter().sum::<Result<u64, String>>()?;
    let looks = Looks::of(&stage.http, &stage.homes).await?.since(before);
    again(&mut back).await;
    let after = commits_in_calm(fleet).await?;
    let commits = began.zip(after).map(|(began, after)| Commits::new(began, after, by_themselves, looks));
    bring_back(args, fleet).await?;
    let times = Times { cut_before: start - cut.unwrap_or(start), start };
    Report::new(args, stage.http.targets.len(), &times, meanwhile, &back, looks, commits)
}

/// Everybody loses the connection; answers when.
async fn cut_off(args: &Storm, stage: &mut Stage, fleet: &mut Fleet) -> Result<Instant, String> {
    let early = stage.gone_early();
    if early > 0 {
        return Err(format!("{early} connections ended before they were cut"));
    }
    let now = Instant::now();
    if args.cut == Cutter::Node {
        fleet.nodes.first_mut().ok_or("no node to kill")?.crash().await?;
    }
    stage.cut().await;
    Ok(now)
}

/// A node that was killed runs again, to be stopped in good order.
async fn bring_back(args: &Storm, fleet: &mut Fleet) -> Result<(), String> {
    if args.cut == Cutter::Clients {
        return Ok(());
    }
    fleet.nodes.first_mut().ok_or("no node to start")?.start_again(Duration::ZERO).await?;
    fleet.await_ready(Duration::from_secs(60)).await
}

/// The commits so far and when that was, and how many a second come without anybody doing anything.
async fn in_peace(fleet: &Fleet) -> Result<(Option<(u64, Instant)>, f64), String> {
    let Some((first, then)) = commits_in_calm(fleet).await? else { return Ok((None, 0.0)) };
    let mut last = (first, then);
    for _ in 0..CALMS {
        last = commits_in_calm(fleet).await?.ok_or("Postgres is gone")?;
    }
    let rate = last.0.saturating_sub(first) as f64 / (last.1 - then).as_secs_f64();
    Ok((Some(last), rate))
}

/// What Postgres has committed, once every connection has said so; nothing where it is not ours to ask.
async fn commits_in_calm(fleet: &Fleet) -> Result<Option<(u64, Instant)>, String> {
    let Some(postgres) = fleet.postgres.as_ref() else { return Ok(None) };
    sleep(CALM).await;
    Ok(postgres.commits().await?.map(|commits| (commits, Instant::now())))
}

/// Whoever is back asks for a sign of life: what comes before it, came twice.
async fn again(back: &mut [Result<Back, String>]) {
    let bar = setup::bar(back.len() as u64, "asked again");
    for one in back {
        if let Ok(found) = one
            && let Err(why) = found.has_nothing_more().await
        {
            *one = Err(why);
        }
        bar.inc(1);
    }
    bar.finish();
}
