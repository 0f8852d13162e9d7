//! A folder of its own for everything a run starts, and ports that nobody else takes.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rand::seq::SliceRandom;

/// Holds the files of a run; removed with it unless somebody wants to look.
#[derive(Debug)]
pub(crate) struct Place {
    root: PathBuf,
    keep: bool,
}

impl Place {
    /// Makes a new folder, below `parent` or where the system keeps such things.
    pub(crate) fn new(parent: Option<&Path>, keep: bool) -> Result<Self, String> {
        let parent = parent.map_or_else(std::env::temp_dir, Path::to_path_buf);
        let parent = std::path::absolute(&parent).map_err(|error| format!("{}: {error}", parent.display()))?;
        let root = parent.join(format!("loadtest-{:08x}", rand::random::<u32>()));
        let failed = |error: std::io::Error| format!("{}: {error}", root.display());
        std::fs::create_dir_all(&root).map_err(failed)?;
        // The user of Postgres has to get through, and to read nothing.
        std::fs::set_permissions(&root, PermissionsExt::from_mode(0o711)).map_err(failed)?;
        Ok(Self { root, keep })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.root
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Leaves the files there.
    pub(crate) fn keep(&mut self) {
        self.keep = true;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.keep
            && let Err(error) = std::fs::remove_dir_all(&self.root)
        {
            eprintln!("loadtest: {}: {error}", self.root.display());
        }
    }
}

/// Free ports of the loopback, below those that the system gives to outgoing connections: a node that is down must
/// find its port free again, though thousands of clients connect meanwhile.
pub(crate) fn ports(count: usize) -> Result<Vec<u16>, String> {
    let floor = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range")
        .ok()
        .and_then(|range| range.split_whitespace().next()?.parse().ok())
        .filter(|floor| *floor > 12_000_u16)
        .unwrap_or(32_768);
    let mut candidates: Vec<u16> = (10_000..floor).collect();
    candidates.shuffle(&mut rand::rng());
    let free: Vec<u16> =
        candidates.into_iter().filter(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).take(count).collect();
    if free.len() < count { Err("no free ports on the loopback".to_owned()) } else { Ok(free) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_place_goes_with_the_run_unless_it_is_kept() {
        let place = Place::new(None, false).unwrap();
        let path = place.path().to_owned();
        std::fs::write(place.join("file"), "x").unwrap();
        drop(place);
        assert!(!path.exists());
        let mut place = Place::new(None, false).unwrap();
        place.keep();
        let path = place.path().to_owned();
        drop(place);
        assert!(path.exists());
        std::fs::remove_dir(path).unwrap();
    }

    #[test]
    fn ports_are_free_and_different() {
        let mut ports = ports(5).unwrap();
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), 5);
    }
}
