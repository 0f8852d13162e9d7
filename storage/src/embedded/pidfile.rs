//! `postmaster.pid`: tells a cluster that still runs from the file of one that was killed.

use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Pid;

/// A cluster that an earlier server left running.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) pid: Pid,
    /// Empty while it has only begun to start.
    pub(super) socket_dir: PathBuf,
}

/// The postmaster of this cluster, if it lives.
pub(super) fn living(cluster: &Path) -> Option<Found> {
    let found = parse(&std::fs::read_to_string(cluster.join("postmaster.pid")).ok()?)?;
    is_postmaster(found.pid, cluster).then_some(found)
}

/// Lines: pid, data directory, start time, port, socket directory, ...
fn parse(text: &str) -> Option<Found> {
    let socket_dir = PathBuf::from(text.lines().nth(4).unwrap_or_default().trim());
    Some(Found { pid: pid_in(text)?, socket_dir })
}

/// Negative where a single-user Postgres was at work; nothing of ours starts one.
fn pid_in(text: &str) -> Option<Pid> {
    let number: i32 = text.lines().next()?.trim().parse().ok()?;
    Pid::from_raw(number.max(0))
}

/// Removes a file that would keep Postgres from starting although nothing runs: its process id now
/// belongs to somebody else, or to a process that ended and was never waited for. The file of a pid
/// that does not exist is left to Postgres, which reads in it whether workers of the old one remain.
pub(super) fn heal(cluster: &Path, socket_dir: &Path) {
    let file = cluster.join("postmaster.pid");
    let Ok(text) = std::fs::read_to_string(&file) else {
        return;
    };
    if pid_in(&text).is_some_and(|pid| !exists(pid)) {
        return;
    }
    tracing::warn!("removed a stale postmaster.pid of the private postgres");
    for stale in [file, socket_dir.join(".s.PGSQL.5432"), socket_dir.join(".s.PGSQL.5432.lock")] {
        if let Err(error) = std::fs::remove_file(&stale)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(%error, "could not remove a stale file of the private postgres");
        }
    }
}

/// Whether a process has this id, whosever it is.
fn exists(pid: Pid) -> bool {
    !matches!(rustix::process::test_kill_process(pid), Err(rustix::io::Errno::SRCH))
}

/// Whether this process is a postmaster of that cluster, and not one that ended unnoticed or a
/// stranger that got the same id.
pub(super) fn is_postmaster(pid: Pid, cluster: &Path) -> bool {
    if !exists(pid) {
        return false;
    }
    let proc = PathBuf::from(format!("/proc/{}", pid.as_raw_nonzero()));
    let Ok(stat) = std::fs::read_to_string(proc.join("stat")) else {
        return ps_says_postgres(pid);
    };
    // `123 (postgres) S ...`; Z and X are dead.
    let Some((start, rest)) = stat.rsplit_once(')') else {
        return false;
    };
    let alive = !rest.trim_start().starts_with(['Z', 'X']);
    // Between fork and exec it is still called setpriv or ourselves, but then it has written no file.
    alive && start.ends_with("(postgres") && std::fs::read_link(proc.join("cwd")).map_or(true, |cwd| cwd == cluster)
}

/// Systems without /proc.
fn ps_says_postgres(pid: Pid) -> bool {
    let pid = pid.as_raw_nonzero().to_string();
    Command::new("ps")
        .args(["-p", &pid, "-o", "state=,comm="])
        .output()
        .ok()
        .and_then(|output| String::from_utf8(output.stdout).ok())
        .is_some_and(|line| !line.trim_start().starts_with('Z') && line.contains("postgres"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn the_file_names_process_and_socket() {
        let text = "4242\n/d/postgres/cluster\n1790000000\n5432\n/d/postgres/run\n\n  123 0\nready   \n";
        let found = parse(text).unwrap();
        assert_eq!(found.pid.as_raw_nonzero().get(), 4242);
        assert_eq!(found.socket_dir, Path::new("/d/postgres/run"));
        assert!(parse("").is_none());
        assert!(parse("-5\n/d\n1\n5432\n/r\n").is_none());
        assert_eq!(parse("12\n").unwrap().socket_dir, Path::new(""));
    }

    #[test]
    fn a_stranger_is_no_postmaster() {
        assert!(!is_postmaster(rustix::process::getpid(), Path::new("/")));
    }
}
