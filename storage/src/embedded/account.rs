//! Who Postgres runs as. It refuses root: then it runs as `postgres` or `nobody`, else as ourselves.

use std::ffi::OsStr;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::Error;
use super::binaries::on_path;

/// The user that owns the cluster and runs its processes.
#[derive(Debug, Clone)]
pub(super) struct Account {
    pub(super) name: String,
    pub(super) uid: u32,
    pub(super) gid: u32,
    /// Whether we are root and have to step down to this account.
    pub(super) step_down: bool,
    /// A `setpriv` that can tie a process to its parent's life.
    setpriv: Option<PathBuf>,
}

impl Account {
    pub(super) async fn find() -> Result<Self, Error> {
        let setpriv = tokio::task::spawn_blocking(usable_setpriv);
        let own = rustix::process::geteuid();
        let mut account = if own.is_root() {
            tokio::task::spawn_blocking(unprivileged).await.ok().flatten().ok_or(Error::NoAccount)?
        } else {
            Self {
                name: "this user".to_owned(),
                uid: own.as_raw(),
                gid: rustix::process::getegid().as_raw(),
                step_down: false,
                setpriv: None,
            }
        };
        account.setpriv = setpriv.await.ok().flatten();
        Ok(account)
    }

    /// A command that runs as this account, with nothing of our environment but the search path.
    /// With `tied`, it gets SIGINT when the *thread* that spawned it ends.
    pub(super) fn command(&self, program: &Path, tied: bool) -> Command {
        let mut command = match (&self.setpriv, tied) {
            (Some(setpriv), true) => {
                let mut command = Command::new(setpriv);
                command.args(["--pdeathsig", "INT", "--"]).arg(program);
                command
            }
            _ => Command::new(program),
        };
        command.env_clear().current_dir("/");
        if let Some(path) = std::env::var_os("PATH") {
            command.env("PATH", path);
        }
        command.env("LC_ALL", locale()).env("TZ", "UTC");
        // Ctrl-C in a terminal goes to the whole group: Postgres must outlive the server's drain.
        command.process_group(0);
        if self.step_down {
            command.uid(self.uid).gid(self.gid);
        }
        command
    }

    /// Gives a file or directory to this account.
    pub(super) fn own(&self, path: &Path) -> Result<(), Error> {
        if !self.step_down {
            return Ok(());
        }
        std::os::unix::fs::chown(path, Some(self.uid), Some(self.gid)).map_err(Error::io(format!(
            "giving {} to {}",
            path.display(),
            self.name
        )))
    }

    /// Whether this account can get to what lies in `dir`; what does not exist yet will be ours to make.
    pub(super) fn reaches(&self, dir: &Path) -> bool {
        !self.step_down || dir.ancestors().filter_map(|dir| dir.metadata().ok()).all(|dir| self.may_enter(&dir))
    }

    fn may_enter(&self, dir: &Metadata) -> bool {
        let execute = if dir.uid() == self.uid {
            0o100
        } else if dir.gid() == self.gid {
            0o010
        } else {
            0o001
        };
        dir.mode() & execute != 0
    }
}

/// The locale of cluster and processes: never plain C, with which pg_trgm finds nothing in Hindi.
pub(super) fn locale() -> &'static str {
    if cfg!(target_os = "macos") { "en_US.UTF-8" } else { "C.UTF-8" }
}

fn unprivileged() -> Option<Account> {
    ["postgres", "nobody"].into_iter().find_map(|name| {
        Some(Account {
            name: name.to_owned(),
            uid: id("-u", name)?,
            gid: id("-g", name)?,
            step_down: true,
            setpriv: None,
        })
    })
}

/// Asks `id`, which knows every source of users that this machine has.
fn id(flag: &str, name: &str) -> Option<u32> {
    let output = Command::new("id").args([flag, name]).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.trim().parse().ok().filter(|id| *id != 0)
}

/// util-linux has the death signal, the `setpriv` of small systems does not.
fn usable_setpriv() -> Option<PathBuf> {
    let setpriv = on_path(OsStr::new("setpriv"))?;
    Command::new(&setpriv)
        .args(["--pdeathsig", "INT", "--", "true"])
        .output()
        .is_ok_and(|output| output.status.success())
        .then_some(setpriv)
}
