//! Where the private Postgres keeps its files, its socket and its log.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::Error;
use super::account::Account;

/// A socket's path may have 103 bytes on macOS and 107 on Linux, 14 of them for its name.
const LONGEST_SOCKET_DIR: usize = 85;
/// How much of the log's end is read to find the reason of a failure.
const LOG_TAIL: u64 = 8 * 1024;

/// Paths below `<data dir>/postgres`, which belongs to the account alone.
#[derive(Debug)]
pub(super) struct Layout {
    root: PathBuf,
    /// The cluster itself, `PGDATA`.
    pub(super) cluster: PathBuf,
    /// Standard output and error of Postgres.
    pub(super) log: PathBuf,
    /// The 0700 directory of the socket.
    pub(super) socket_dir: PathBuf,
}

impl Layout {
    /// Makes the directories and gives them to the account.
    pub(super) fn prepare(data_dir: &Path, account: &Account) -> Result<Self, Error> {
        let data_dir = std::path::absolute(data_dir).map_err(Error::io(format!("finding {}", data_dir.display())))?;
        if !account.reaches(&data_dir) {
            return Err(Error::Unreachable { dir: data_dir, user: account.name.clone() });
        }
        std::fs::create_dir_all(&data_dir).map_err(Error::io(format!("making {}", data_dir.display())))?;
        let data_dir = data_dir.canonicalize().map_err(Error::io(format!("finding {}", data_dir.display())))?;
        // Again: what a link points to, or a strict umask made, may be out of reach.
        if !account.reaches(&data_dir) {
            return Err(Error::Unreachable { dir: data_dir, user: account.name.clone() });
        }
        let root = data_dir.join("postgres");
        private_dir(&root, account)?;
        let socket_dir = socket_dir(&root, account);
        private_dir(&socket_dir, account)?;
        Ok(Self { cluster: root.join("cluster"), log: root.join("postgres.log"), socket_dir, root })
    }

    /// Takes the data dir for this process. The system lets go of the lock when the process ends,
    /// however it ends.
    pub(super) fn lock(&self) -> Result<File, Error> {
        let path = self.root.join("lock");
        let what = || format!("locking {}", path.display());
        let file =
            OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(Error::io(what()))?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => Err(Error::InUse(self.root.clone())),
            Err(TryLockError::Error(source)) => Err(Error::Io { what: what(), source }),
        }
    }

    /// The cluster and the major version that made it, `None` before the first start.
    pub(super) fn made_by(&self) -> Result<Option<(PathBuf, u32)>, Error> {
        let path = self.cluster.join("PG_VERSION");
        match std::fs::read_to_string(&path) {
            Ok(text) => match text.trim().parse() {
                Ok(major) => Ok(Some((self.cluster.clone(), major))),
                Err(_) => Err(Error::Io {
                    what: format!("reading {}", path.display()),
                    source: std::io::ErrorKind::InvalidData.into(),
                }),
            },
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io(format!("reading {}", path.display()))(error)),
        }
    }

    /// Where `initdb` works; renamed to `cluster` when it is complete.
    pub(super) fn draft(&self) -> PathBuf {
        self.root.join("cluster.new")
    }

    /// The last complaint in the log, one line.
    pub(super) fn log_reason(&self) -> String {
        let tail = tail(&self.log).unwrap_or_default();
        let lines = || tail.lines().rev();
        lines()
            .find_map(|line| {
                let at = line.find("FATAL:").or_else(|| line.find("PANIC:"))?;
                line.get(at + "FATAL:".len()..).map(str::trim)
            })
            .or_else(|| lines().find(|line| !line.trim().is_empty()))
            .unwrap_or("it wrote nothing to its log")
            .to_owned()
    }
}

fn tail(path: &Path) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(LOG_TAIL)))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Beside the cluster where its path is short and plain, else a short one of our own.
fn socket_dir(root: &Path, account: &Account) -> PathBuf {
    let beside = root.join("run");
    if fits(&beside) {
        return beside;
    }
    let key = short_hash(root);
    std::env::var_os("XDG_RUNTIME_DIR")
        .map(|dir| PathBuf::from(dir).join(format!("consilium-{key}")))
        .filter(|dir| fits(dir) && dir.parent().is_some_and(Path::is_dir) && account.reaches(dir))
        .unwrap_or_else(|| PathBuf::from(format!("/tmp/consilium-{}-{key}", account.uid)))
}

/// Short enough, and without what Postgres reads as a list or a URL would have to escape.
fn fits(dir: &Path) -> bool {
    dir.to_str().is_some_and(|dir| {
        dir.len() <= LONGEST_SOCKET_DIR
            && dir.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte))
    })
}

/// A 0700 directory of the account. One that somebody else has put there is refused.
fn private_dir(dir: &Path, account: &Account) -> Result<(), Error> {
    let what = || format!("making {}", dir.display());
    match DirBuilder::new().mode(0o700).create(dir) {
        Ok(()) => account.own(dir),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            let found = std::fs::symlink_metadata(dir).map_err(Error::io(what()))?;
            if !found.is_dir() || ![account.uid, own_uid()].contains(&found.uid()) {
                return Err(Error::Foreign(dir.to_path_buf()));
            }
            account.own(dir)?;
            std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o700)).map_err(Error::io(what()))
        }
        Err(error) => Err(Error::io(what())(error)),
    }
}

fn own_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

fn short_hash(path: &Path) -> String {
    let digest = Sha256::digest(path.as_os_str().as_encoded_bytes());
    let mut hash = hex::encode(digest);
    hash.truncate(12);
    hash
}

/// The data dir of the private Postgres.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataDir {
    /// Where its files go.
    pub path: PathBuf,
    /// Whether it is not the one that was wanted; the server says so at start.
    pub moved: bool,
}

/// `wanted`, or as root, where the database user cannot reach it (a 0700 home), a folder that stands in for it alone
/// (running.md `--data-dir`).
///
/// # Errors
/// When there is no user to run Postgres as, or no current directory.
pub async fn reachable_data_dir(wanted: &Path) -> Result<DataDir, Error> {
    let account = Account::find().await?;
    let path = std::path::absolute(wanted).map_err(Error::io(format!("finding {}", wanted.display())))?;
    if account.reaches(&path) {
        return Ok(DataDir { path, moved: false });
    }
    Ok(DataDir { path: stand_in(&path), moved: true })
}

/// `/var/lib/consilium/<hash of the current directory>` for `./data`, from wherever it is named; for a folder of another
/// name one that goes by its own path.
fn stand_in(path: &Path) -> PathBuf {
    let home = Path::new("/var/lib/consilium");
    let path = plain(path);
    match path.parent() {
        Some(parent) if path.ends_with("data") => home.join(short_hash(parent)),
        _ => home.join(format!("dir-{}", short_hash(&path))),
    }
}

/// One path for all ways to write it: what is there of the way to the folder without dots and links, and no slash at
/// the end.
fn plain(path: &Path) -> PathBuf {
    let mut ways = path.ancestors().skip(usize::from(path.file_name().is_some()));
    let known = ways.find_map(|way| Some((way.canonicalize().ok()?, path.strip_prefix(way).ok()?)));
    match known {
        Some((way, rest)) => way.components().chain(rest.components()).collect(),
        None => path.to_path_buf(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn only_short_plain_paths_hold_a_socket() {
        assert!(fits(Path::new("/home/user/consilium/data/postgres/run")));
        assert!(!fits(Path::new("/home/a user/data/postgres/run")));
        assert!(!fits(Path::new("/home/a,b/data/postgres/run")));
        assert!(!fits(&PathBuf::from(format!("/{}", "a".repeat(LONGEST_SOCKET_DIR)))));
    }

    #[test]
    fn each_folder_has_one_stand_in() {
        let here = std::env::current_dir().unwrap().canonicalize().unwrap();
        let of_default = Path::new("/var/lib/consilium").join(short_hash(&here));
        assert_eq!(stand_in(&here.join("data")), of_default);
        assert_eq!(stand_in(&here.join("data/")), of_default);
        let [one, another] = ["one", "another"].map(|name| here.join(name));
        for way in ["one/", "src/../one", "src/./../one"] {
            assert_eq!(stand_in(&here.join(way)), stand_in(&one), "{way}");
        }
        let all = [stand_in(&one), stand_in(&another), stand_in(&here), stand_in(&one.join("data")), of_default];
        assert_eq!(all.iter().collect::<HashSet<_>>().len(), all.len(), "{all:?}");
    }
}
