//! Processes that end with this program, however it ends: when they are dropped, by Ctrl-C, and where the system
//! has a death signal for it, by a kill -9 of this program too.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tokio::sync::oneshot;
use tokio::time::sleep;

const POLL: Duration = Duration::from_millis(5);
/// How long a dropped process may take to leave by itself.
const FAREWELL: Duration = Duration::from_secs(5);

/// A user to run as.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct User {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// What to start.
#[derive(Clone, Debug)]
pub(crate) struct Launch {
    /// For people: `node 1`, `redis`.
    pub(crate) name: String,
    pub(crate) program: PathBuf,
    pub(crate) args: Vec<OsString>,
    /// Beside what this program has, minus the server's own settings.
    pub(crate) env: Vec<(&'static str, OsString)>,
    pub(crate) log: PathBuf,
    pub(crate) user: Option<User>,
    /// What ends it at once without harm.
    pub(crate) farewell: Signal,
}

impl Launch {
    pub(crate) fn new(name: &str, program: &Path, log: PathBuf) -> Self {
        Self {
            name: name.to_owned(),
            program: program.to_owned(),
            args: Vec::new(),
            env: Vec::new(),
            log,
            user: None,
            farewell: Signal::KILL,
        }
    }

    /// A command line split at blanks, without a shell, so that signals reach the program itself.
    pub(crate) fn of_words(name: &str, command: &str, log: PathBuf) -> Result<Self, String> {
        let mut words = command.split_whitespace();
        let program = words.next().ok_or_else(|| format!("{name}: an empty command"))?;
        let mut launch = Self::new(name, Path::new(program), log);
        launch.args = words.map(OsString::from).collect();
        Ok(launch)
    }

    fn command(&self, setpriv: Option<&Path>) -> io::Result<Command> {
        let mut command = match setpriv {
            Some(setpriv) => {
                let mut command = Command::new(setpriv);
                let signal = if self.farewell == Signal::QUIT { "QUIT" } else { "KILL" };
                command.args(["--pdeathsig", signal, "--"]).arg(&self.program);
                command
            }
            None => Command::new(&self.program),
        };
        let log = File::options().create(true).append(true).open(&self.log)?;
        // Settings of somebody's shell must not reach the servers.
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(|name| name.starts_with("CONSILIUM_") || name == "DATABASE_URL") {
                command.env_remove(name);
            }
        }
        command.args(&self.args).envs(self.env.iter().map(|(name, value)| (name, value)));
        if let Some(user) = self.user {
            command.uid(user.uid).gid(user.gid).current_dir("/");
        }
        // Ctrl-C in a terminal goes to the whole group: it is this program that ends them.
        command.process_group(0).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        Ok(command)
    }
}

struct Order {
    command: Command,
    answer: oneshot::Sender<io::Result<Child>>,
}

/// The one thread that starts processes: the death signal follows the thread, not the program.
#[derive(Clone, Debug)]
pub(crate) struct Launcher {
    orders: SyncSender<Order>,
    setpriv: Option<Arc<Path>>,
}

impl Launcher {
    pub(crate) fn new() -> Result<Self, String> {
        let (orders, incoming) = sync_channel::<Order>(8);
        thread::Builder::new()
            .name("launcher".into())
            .spawn(move || {
                for mut order in incoming {
                    if let Err(Ok(mut unwanted)) = order.answer.send(order.command.spawn()) {
                        drop(unwanted.kill());
                        drop(unwanted.wait());
                    }
                }
            })
            .map_err(|error| format!("a thread to start processes: {error}"))?;
        Ok(Self { orders, setpriv: usable_setpriv().map(Arc::from) })
    }

    async fn spawn(&self, launch: &Launch) -> Result<Child, String> {
        let failed = |error: io::Error| format!("{}: {}: {error}", launch.name, launch.program.display());
        let command = launch.command(self.setpriv.as_deref()).map_err(failed)?;
        let (answer, child) = oneshot::channel();
        let order = Order { command, answer };
        self.orders.send(order).map_err(|_| "the launcher is gone".to_owned())?;
        child.await.map_err(|_| "the launcher is gone".to_owned())?.map_err(failed)
    }
}

/// util-linux has the death signal, the `setpriv` of small systems does not.
fn usable_setpriv() -> Option<PathBuf> {
    let setpriv = super::programs::on_path("setpriv")?;
    let tried = Command::new(&setpriv).args(["--pdeathsig", "KILL", "--", "true"]).output();
    tried.is_ok_and(|output| output.status.success()).then_some(setpriv)
}

/// A process that is started as often as it takes.
#[derive(Debug)]
pub(crate) struct Kept {
    launch: Launch,
    launcher: Launcher,
    child: Option<Child>,
}

impl Kept {
    pub(crate) async fn start(launch: Launch, launcher: &Launcher) -> Result<Self, String> {
        let mut kept = Self { launch, launcher: launcher.clone(), child: None };
        kept.start_again().await?;
        Ok(kept)
    }

    pub(crate) async fn start_again(&mut self) -> Result<(), String> {
        self.child = Some(self.launcher.spawn(&self.launch).await?);
        Ok(())
    }

    pub(crate) fn launch(&self) -> &Launch {
        &self.launch
    }

    pub(crate) fn pid(&self) -> Option<i32> {
        self.child.as_ref().and_then(|child| i32::try_from(child.id()).ok())
    }

    /// How it ended, if it has since it was last asked.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        let status = self.child.as_mut()?.try_wait().ok()??;
        self.child = None;
        Some(status)
    }

    pub(crate) fn signal(&self, signal: Signal) -> Result<(), String> {
        let pid = self.pid().ok_or_else(|| format!("{} does not run", self.launch.name))?;
        send(pid, signal).map_err(|error| format!("{}: {error}", self.launch.name))
    }

    /// Sends a signal and waits for the end.
    pub(crate) async fn end(&mut self, signal: Signal, limit: Duration) -> Result<ExitStatus, String> {
        self.signal(signal)?;
        let until = Instant::now() + limit;
        loop {
            if let Some(status) = self.ended() {
                return Ok(status);
            }
            if Instant::now() > until {
                return Err(format!("{} did not end within {} s of {signal:?}", self.launch.name, limit.as_secs()));
            }
            sleep(POLL).await;
        }
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let Some(child) = &mut self.child else {
            return;
        };
        if let Ok(pid) = i32::try_from(child.id()) {
            drop(send(pid, self.launch.farewell));
            drop(send(pid, Signal::CONT));
        }
        let until = Instant::now() + FAREWELL;
        while Instant::now() < until {
            if !matches!(child.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(POLL);
        }
        drop(child.kill());
        drop(child.wait());
    }
}

/// A process that was told to stop where it stands, until this is dropped, even if this program is killed before.
#[derive(Debug)]
pub(crate) struct Paused {
    pid: i32,
    /// Waits for the end of its input, which comes with this program's end at the latest, and wakes the process.
    guard: Child,
    input: Option<ChildStdin>,
}

impl Paused {
    pub(crate) fn new(pid: i32) -> Result<Self, String> {
        let mut guard = Command::new("sh")
            .args(["-c", "trap '' INT TERM HUP; read -r _; kill -CONT \"$0\"", &pid.to_string()])
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("sh: {error}"))?;
        let input = guard.stdin.take();
        let paused = Self { pid, guard, input };
        send(pid, Signal::STOP).map_err(|error| format!("stopping process {pid}: {error}"))?;
        Ok(paused)
    }
}

impl Drop for Paused {
    fn drop(&mut self) {
        drop(send(self.pid, Signal::CONT));
        drop(self.input.take());
        drop(self.guard.wait());
    }
}

/// Signals a process; never ourselves, all or the first one.
pub(crate) fn send(pid: i32, signal: Signal) -> Result<(), String> {
    let pid = Some(pid)
        .filter(|pid| *pid > 1)
        .and_then(Pid::from_raw)
        .ok_or_else(|| format!("{pid} is no process to signal"))?;
    kill_process(pid, signal).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn state(pid: i32) -> Option<char> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        stat.rsplit_once(") ")?.1.chars().next()
    }

    async fn until(what: &str, condition: impl Fn() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !condition() {
            assert!(Instant::now() < deadline, "waited in vain for: {what}");
            sleep(POLL).await;
        }
    }

    async fn sleeper(launcher: &Launcher) -> Kept {
        let launch = Launch::of_words("sleeper", "sleep 600", "/dev/null".into()).unwrap();
        Kept::start(launch, launcher).await.unwrap()
    }

    #[tokio::test]
    async fn a_dropped_process_is_gone() {
        let launcher = Launcher::new().unwrap();
        let kept = sleeper(&launcher).await;
        let pid = kept.pid().unwrap();
        assert!(send(pid, Signal::CONT).is_ok());
        drop(kept);
        assert!(send(pid, Signal::CONT).is_err());
    }

    #[tokio::test]
    async fn an_ended_one_starts_again() {
        let launcher = Launcher::new().unwrap();
        let mut kept = sleeper(&launcher).await;
        let first = kept.pid();
        assert!(kept.ended().is_none());
        let status = kept.end(Signal::TERM, Duration::from_secs(30)).await.unwrap();
        assert!(!status.success() && kept.pid().is_none());
        kept.start_again().await.unwrap();
        assert!(kept.pid().is_some() && kept.pid() != first);
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_is_named() {
        let launcher = Launcher::new().unwrap();
        let launch = Launch::of_words("node 3", "/no/such/program", "/dev/null".into()).unwrap();
        // With setpriv it is setpriv that does not find it: then the process ends at once.
        match Kept::start(launch, &launcher).await {
            Err(why) => assert!(why.contains("node 3") && why.contains("/no/such/program"), "{why}"),
            Ok(mut kept) => {
                let deadline = Instant::now() + Duration::from_secs(30);
                while kept.ended().is_none() {
                    assert!(Instant::now() < deadline);
                    sleep(POLL).await;
                }
            }
        }
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_paused_process_goes_on_when_the_pause_is_dropped() {
        let launcher = Launcher::new().unwrap();
        let kept = sleeper(&launcher).await;
        let pid = kept.pid().unwrap();
        let paused = Paused::new(pid).unwrap();
        until("the stop", || state(pid) == Some('T')).await;
        drop(paused);
        until("going on", || state(pid) != Some('T')).await;
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_paused_process_goes_on_when_nobody_holds_the_guard_any_more() {
        let launcher = Launcher::new().unwrap();
        let kept = sleeper(&launcher).await;
        let pid = kept.pid().unwrap();
        let mut paused = Paused::new(pid).unwrap();
        until("the stop", || state(pid) == Some('T')).await;
        // What the system does with our end of the pipe when this program is killed.
        drop(paused.input.take());
        until("going on", || state(pid) != Some('T')).await;
        drop(paused);
    }

    #[test]
    fn nobody_signals_init_or_everybody() {
        for pid in [-1, 0, 1] {
            assert!(send(pid, Signal::CONT).is_err());
        }
    }
}
