//! A node: started by this program, or given.

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;
use tokio::time::{Instant, sleep};

use super::place::Place;
use super::process::{Kept, Launch, Launcher};
use crate::http::Target;

/// A drain may take 20 s (running.md), and the machine may be busy: as long as systemd waits.
const DRAIN: Duration = Duration::from_secs(40);
/// A process is gone at once after SIGKILL, unless the machine stands still.
const KILL: Duration = Duration::from_secs(30);

/// One node.
#[derive(Debug)]
pub(crate) struct Node {
    number: usize,
    pub(crate) target: Target,
    kept: Option<Kept>,
    pid: Option<i32>,
    pub(crate) starts: u32,
}

/// Where a node of our own listens.
pub(super) fn target(port: u16) -> Target {
    Target { authority: format!("127.0.0.1:{port}") }
}

/// The command of a node of our own (running.md).
pub(super) fn launch(
    server: &Path,
    place: &Place,
    number: usize,
    port: u16,
    database: &str,
    redis: Option<u16>,
) -> Launch {
    let name = format!("node {number}");
    let mut launch = Launch::new(&name, server, place.join(&format!("node-{number}.log")));
    let listen = format!("127.0.0.1:{port}");
    let mut args: Vec<OsString> = vec!["serve".into()];
    if number == 0 {
        args.push("--demo".into());
    }
    args.extend(["--listen".into(), listen.into(), "--database-url".into(), database.into()]);
    args.extend(["--data-dir".into(), place.join(&format!("node-{number}")).into()]);
    if let Some(port) = redis {
        args.extend(["--redis-url".into(), format!("redis://127.0.0.1:{port}/0").into()]);
    }
    launch.args = args;
    launch.env = vec![("CONSILIUM_FILES_URL", format!("file://{}", place.join("files").display()).into())];
    launch
}

impl Node {
    pub(super) async fn started(
        number: usize,
        target: &Target,
        launch: Launch,
        launcher: &Launcher,
    ) -> Result<Self, String> {
        let kept = Kept::start(launch, launcher).await?;
        Ok(Self { number, target: target.clone(), kept: Some(kept), pid: None, starts: 1 })
    }

    pub(super) fn given(number: usize, target: &Target, pid: Option<i32>) -> Self {
        Self { number, target: target.clone(), kept: None, pid, starts: 0 }
    }

    pub(crate) fn name(&self) -> String {
        format!("node {}", self.number)
    }

    pub(crate) fn is_ours(&self) -> bool {
        self.kept.is_some()
    }

    pub(crate) fn pid(&self) -> Option<i32> {
        self.kept.as_ref().map_or(self.pid, Kept::pid)
    }

    fn ours(&mut self) -> Result<&mut Kept, String> {
        let name = self.name();
        self.kept.as_mut().ok_or_else(|| format!("{name} was not started by this program"))
    }

    /// A crash, and a start after a while.
    pub(crate) async fn kill(&mut self, pause: Duration) -> Result<String, String> {
        self.ours()?.end(Signal::KILL, KILL).await?;
        self.start_again(pause).await?;
        Ok(String::new())
    }

    /// A crash; it stays away until it is started again.
    pub(crate) async fn crash(&mut self) -> Result<(), String> {
        self.ours()?.end(Signal::KILL, KILL).await.map(drop)
    }

    /// SIGTERM, which has to lead to exit 0 in time (running.md).
    pub(crate) async fn drain(&mut self) -> Result<String, String> {
        let name = self.name();
        let (began, before) = (Instant::now(), self.left_work());
        let status = self.ours()?.end(Signal::TERM, DRAIN).await?;
        if self.left_work() > before {
            Err(format!("{name} ended its drain with work left"))
        } else if status.success() {
            Ok(format!("exit 0 after {:.1} s", began.elapsed().as_secs_f64()))
        } else {
            Err(format!("{name} ended its drain with {status}"))
        }
    }

    /// How many of its drains ended with work left, which leads to exit 0 as well.
    fn left_work(&self) -> usize {
        let log = self.kept.as_ref().map(|kept| &kept.launch().log);
        log.map_or(0, |log| lines(log).filter(|line| line.contains("drained with work left")).count())
    }

    pub(crate) async fn start_again(&mut self, pause: Duration) -> Result<(), String> {
        sleep(pause).await;
        self.ours()?.start_again().await?;
        self.starts += 1;
        Ok(())
    }

    /// Whether it ended by itself, as the log tells.
    pub(crate) fn ended(&mut self) -> Option<String> {
        let name = self.name();
        let kept = self.kept.as_mut()?;
        let status = kept.ended()?;
        let last = last_line(&kept.launch().log);
        Some(format!("{name} ended by itself with {status}: {last}"))
    }

    /// The first panic in its log.
    pub(super) fn panic(&self) -> Option<String> {
        let log = &self.kept.as_ref()?.launch().log;
        let line = lines(log).find(|line| line.contains("panicked at"))?;
        Some(format!("{}: {line}", self.name()))
    }
}

fn lines(log: &Path) -> impl Iterator<Item = String> + use<> {
    std::fs::File::open(log).ok().into_iter().flat_map(|file| BufReader::new(file).lines().map_while(Result::ok))
}

fn last_line(log: &Path) -> String {
    lines(log).last().unwrap_or_else(|| "its log is empty".to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn the_first_node_alone_brings_the_demo_data() {
        let place = Place::new(None, false).unwrap();
        let words = |number, redis| {
            let launch = launch(Path::new("/bin/server"), &place, number, 1234, "postgres://x/y", redis);
            let words: Vec<String> = launch.args.iter().map(|word| word.to_str().unwrap().to_owned()).collect();
            words.join(" ")
        };
        assert!(words(0, None).starts_with("serve --demo --listen 127.0.0.1:1234 --database-url postgres://x/y"));
        let second = words(1, Some(77));
        assert!(!second.contains("--demo") && second.ends_with("--redis-url redis://127.0.0.1:77/0"), "{second}");
    }

    #[test]
    fn a_panic_in_the_log_is_found() {
        let place = Place::new(None, false).unwrap();
        let log = place.join("log");
        std::fs::write(&log, "all is well\nthread 'main' panicked at src/x.rs:1:1:\nindex\n").unwrap();
        assert!(lines(&log).any(|line| line.contains("panicked at")));
        assert_eq!(last_line(&log), "index");
        assert_eq!(last_line(&place.join("none")), "its log is empty");
    }
}
