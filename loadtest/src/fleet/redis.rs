//! A Redis to break: one of our own, or one that was given.

use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;
use tokio::time::{Instant, sleep};

use super::process::{Kept, Launch, Launcher};
use super::resp::Address;
use super::{place::Place, programs};

const START: Duration = Duration::from_secs(20);

/// A Redis, and what may be done to it.
#[derive(Debug)]
pub(crate) struct Redis {
    address: Address,
    /// Started by this program.
    kept: Option<Kept>,
    /// Somebody else's process.
    pid: Option<i32>,
}

impl Redis {
    /// Starts a private one that keeps nothing on disk, so that a restart loses everything.
    pub(crate) async fn private(place: &Place, launcher: &Launcher, port: u16) -> Result<Self, String> {
        let folder = place.join("redis");
        std::fs::create_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let mut launch = Launch::new("redis", &programs::redis()?, place.join("redis.log"));
        let port_text = port.to_string();
        let args = ["--bind", "127.0.0.1", "--port", &port_text, "--save", "", "--appendonly", "no", "--dir"];
        launch.args = args.iter().map(Into::into).collect();
        launch.args.push(folder.into());
        let kept = Kept::start(launch, launcher).await?;
        let mut redis = Self { address: Address::local(port), kept: Some(kept), pid: None };
        redis.await_answer().await?;
        Ok(redis)
    }

    /// Takes the one at `url`; starts it first if a command is given.
    pub(crate) async fn given(
        url: &str,
        pid: Option<i32>,
        command: Option<&str>,
        launcher: &Launcher,
        log: &Path,
    ) -> Result<Self, String> {
        let address = Address::parse(url)?;
        let kept = match command {
            Some(command) => {
                let launch = Launch::of_words("redis", command, log.to_owned())?;
                Some(Kept::start(launch, launcher).await?)
            }
            None => None,
        };
        let mut redis = Self { address, kept, pid };
        redis.await_answer().await?;
        Ok(redis)
    }

    pub(crate) fn pid(&self) -> Option<i32> {
        self.kept.as_ref().map_or(self.pid, Kept::pid)
    }

    /// Everything in it is gone, connections stay.
    pub(crate) async fn flush(&self) -> Result<String, String> {
        let keys = self.address.ask(&["DBSIZE"]).await?;
        self.address.ask(&["FLUSHALL"]).await?;
        Ok(format!("{keys} keys gone"))
    }

    /// The subscribers' connections break, all others stay.
    pub(crate) async fn cut_subscribers(&self) -> Result<String, String> {
        let killed = self.address.ask(&["CLIENT", "KILL", "TYPE", "pubsub"]).await?;
        Ok(format!("{killed} subscribers cut"))
    }

    /// Bytes received and sent since its start.
    pub(crate) async fn traffic(&self) -> Result<(f64, f64), String> {
        let info = self.address.ask(&["INFO", "stats"]).await?;
        let of = |name: &str| {
            let value = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            value.and_then(|value| value.trim().parse().ok()).unwrap_or_default()
        };
        Ok((of("total_net_input_bytes"), of("total_net_output_bytes")))
    }

    /// A crash, and a start after a while.
    pub(crate) async fn restart(&mut self, pause: Duration) -> Result<String, String> {
        let kept = self.kept.as_mut().ok_or("no command to start Redis again")?;
        kept.end(Signal::KILL, Duration::from_secs(30)).await?;
        sleep(pause).await;
        let began = Instant::now();
        kept.start_again().await?;
        self.await_answer().await?;
        Ok(format!("answers {:.2} s after its start", began.elapsed().as_secs_f64()))
    }

    async fn await_answer(&mut self) -> Result<(), String> {
        let until = Instant::now() + START;
        loop {
            let asked = self.address.ask(&["PING"]).await;
            match asked {
                Ok(_) => return Ok(()),
                Err(why) if Instant::now() > until => return Err(why),
                Err(_) => {}
            }
            if let Some(kept) = &mut self.kept
                && let Some(status) = kept.ended()
            {
                return Err(format!("redis ended with {status}, see {}", kept.launch().log.display()));
            }
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// Whether it ended by itself.
    pub(crate) fn ended(&mut self) -> Option<String> {
        let status = self.kept.as_mut()?.ended()?;
        Some(format!("redis ended by itself with {status}"))
    }
}
