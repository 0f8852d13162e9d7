//! Finds installed Postgres programs: those on PATH, then the newest where distributions keep them.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::Error;

/// Older ones lack what the migrations use.
const OLDEST: u32 = 14;

const HINT: &str =
    if cfg!(target_os = "macos") { "brew install postgresql@17" } else { "apt-get install postgresql, or make run" };

/// Where versions lie side by side: what stands before and after the version.
const SIDE_BY_SIDE: [(&str, &str, &str); 5] = [
    ("/usr/lib/postgresql", "", "bin"),
    ("/usr", "pgsql-", "bin"),
    ("/opt/homebrew/opt", "postgresql@", "bin"),
    ("/usr/local/opt", "postgresql@", "bin"),
    ("/Applications/Postgres.app/Contents/Versions", "", "bin"),
];

/// The programs of one installed version.
#[derive(Debug, Clone)]
pub(super) struct Installed {
    pub(super) major: u32,
    pub(super) initdb: PathBuf,
    pub(super) postgres: PathBuf,
}

/// The version that made the files, or without files the first that is found.
pub(super) async fn find(made_by: Option<(PathBuf, u32)>) -> Result<Installed, Error> {
    tokio::task::spawn_blocking(move || choose(candidates(), made_by))
        .await
        .unwrap_or(Err(Error::NotInstalled { hint: HINT }))
}

fn choose(candidates: impl Iterator<Item = Installed>, made_by: Option<(PathBuf, u32)>) -> Result<Installed, Error> {
    let mut majors = Vec::new();
    for installed in candidates {
        match &made_by {
            Some((_, major)) if installed.major != *major => majors.push(installed.major.to_string()),
            _ => return Ok(installed),
        }
    }
    match made_by {
        Some((dir, made_by)) if !majors.is_empty() => {
            Err(Error::Version { dir: dir.display().to_string(), made_by, installed: majors.join(", ") })
        }
        _ => Err(Error::NotInstalled { hint: HINT }),
    }
}

/// Lazily: asking a program for its version costs a few milliseconds of the start.
fn candidates() -> impl Iterator<Item = Installed> {
    let on_path = on_path(OsStr::new("initdb"))
        .and_then(|initdb| initdb.canonicalize().ok())
        .and_then(|initdb| initdb.parent().map(Path::to_path_buf));
    on_path
        .into_iter()
        .chain(SIDE_BY_SIDE.into_iter().flat_map(|(base, prefix, bin)| versions(base, prefix, bin)))
        .filter_map(|dir| inspect(&dir))
        .filter(|installed| installed.major >= OLDEST)
}

/// The folders of all versions under `base`, newest first.
fn versions(base: &str, prefix: &str, bin: &str) -> Vec<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = std::fs::read_dir(base)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name();
            let version = name.to_str()?.strip_prefix(prefix)?.parse().ok()?;
            Some((version, entry.path().join(bin)))
        })
        .collect();
    found.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    found.into_iter().map(|(_, dir)| dir).collect()
}

fn inspect(dir: &Path) -> Option<Installed> {
    let (initdb, postgres) = (dir.join("initdb"), dir.join("postgres"));
    if !initdb.is_file() {
        return None;
    }
    let output = Command::new(&postgres).arg("--version").output().ok()?;
    let major = major(&String::from_utf8(output.stdout).ok()?)?;
    Some(Installed { major, initdb, postgres })
}

/// `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)` and `postgres (PostgreSQL) 19beta1`.
fn major(version: &str) -> Option<u32> {
    let number = version.split_once("(PostgreSQL) ")?.1;
    let digits: String = number.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// The first program of that name on PATH.
pub(super) fn on_path(program: &OsStr) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(program)).find(|program| program.is_file())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn installed(major: u32) -> Installed {
        Installed { major, initdb: PathBuf::new(), postgres: PathBuf::new() }
    }

    #[test]
    fn versions_are_read_from_what_postgres_says() {
        assert_eq!(major("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)"), Some(15));
        assert_eq!(major("postgres (PostgreSQL) 19beta1\n"), Some(19));
        assert_eq!(major("something else"), None);
    }

    #[test]
    fn files_decide_the_version() {
        let both = || [installed(17), installed(15)].into_iter();
        assert_eq!(choose(both(), None).unwrap().major, 17);
        let made_by = |major| Some((PathBuf::from("/d/postgres"), major));
        assert_eq!(choose(both(), made_by(15)).unwrap().major, 15);
        let refused = choose(both(), made_by(14)).unwrap_err().to_string();
        assert!(refused.contains("made by PostgreSQL 14, installed is 17, 15"), "{refused}");
    }

    #[test]
    fn nothing_installed_says_what_to_install() {
        let refused = choose(std::iter::empty(), None).unwrap_err().to_string();
        assert!(refused.contains("install"), "{refused}");
        assert!(!refused.contains('\n'));
    }
}
