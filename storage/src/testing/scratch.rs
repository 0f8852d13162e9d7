//! Directories of a test process that vanish with it, also when it is killed.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// Waits for the end of its standard input, which comes when our process ends, however it ends; then stops
/// the Postgres in the directory, if one is left, and removes the directory.
const JANITOR: &str = r#"
cat >/dev/null
pid=$(head -n 1 "$1/postgres/cluster/postmaster.pid" 2>/dev/null)
tries=0
while [ -n "$pid" ] && [ -f "$1/postgres/cluster/postmaster.pid" ] && [ $tries -lt 50 ]; do
  kill -QUIT "$pid" 2>/dev/null || break
  tries=$((tries + 1))
  sleep 0.1
done
rm -rf "$1"
"#;

static NUMBER: AtomicU32 = AtomicU32::new(1);

/// Where files are memory, on Linux.
const MEMORY: &str = "/dev/shm";
/// What has to be free there: a cluster with its log and some hundred databases on their way.
const ROOM: u64 = 4 << 30;

/// A directory of files that nobody keeps, removed when dropped and when the process ends.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
    janitor: Child,
}

impl Scratch {
    /// Makes one under the system's temporary directory; the label only helps who looks.
    ///
    /// # Errors
    /// When the directory or its janitor cannot be made.
    pub fn new(label: &str) -> io::Result<Self> {
        Self::under(&std::env::temp_dir(), label)
    }

    /// Makes one in memory where there is room, for many files that come and go: on a disk, most of the time of a
    /// database per test goes into making and removing its 350 files.
    ///
    /// # Errors
    /// As [`Scratch::new`].
    pub fn in_memory(label: &str) -> io::Result<Self> {
        let room = rustix::fs::statvfs(MEMORY).map(|found| found.f_bavail.saturating_mul(found.f_frsize));
        if room.is_ok_and(|room| room >= ROOM)
            && let Ok(made) = Self::under(Path::new(MEMORY), label)
        {
            return Ok(made);
        }
        Self::new(label)
    }

    fn under(folder: &Path, label: &str) -> io::Result<Self> {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("consilium-test-{}-{:08x}-{label}-{number}", std::process::id(), rand::random::<u32>());
        let path = folder.join(name);
        std::fs::create_dir(&path)?;
        // The user that Postgres runs as has to get through.
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o711))?;
        let janitor = Command::new("sh")
            .args(["-c", JANITOR, "janitor"])
            .arg(&path)
            .stdin(Stdio::piped())
            // Whoever reads the output of the tests must not wait for the janitor.
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .current_dir("/")
            .process_group(0)
            .spawn()?;
        Ok(Self { path, janitor })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(self.janitor.stdin.take());
        self.janitor.wait().ok();
    }
}
