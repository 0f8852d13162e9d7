//! Finding what is installed: Postgres, Redis, the server, a user who may run Postgres.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::process::User;

/// Where distributions keep versions side by side: what stands before and after the version.
const SIDE_BY_SIDE: [(&str, &str); 4] = [
    ("/usr/lib/postgresql", ""),
    ("/usr", "pgsql-"),
    ("/opt/homebrew/opt", "postgresql@"),
    ("/usr/local/opt", "postgresql@"),
];

/// The first program of that name on PATH.
pub(crate) fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(program)).find(|program| program.is_file())
}

/// The folder of `initdb` and `postgres`.
pub(crate) fn postgres() -> Result<PathBuf, String> {
    let whole = |dir: &Path| dir.join("initdb").is_file() && dir.join("postgres").is_file();
    let on_path = on_path("initdb")
        .and_then(|initdb| initdb.canonicalize().ok())
        .and_then(|initdb| initdb.parent().map(Path::to_path_buf));
    on_path
        .into_iter()
        .chain(SIDE_BY_SIDE.iter().flat_map(|(base, prefix)| versions(Path::new(base), prefix)))
        .find(|dir| whole(dir))
        .ok_or_else(|| "no PostgreSQL found: scripts/ensure.sh postgres installs it".to_owned())
}

/// The program folders of all versions under `base`, newest first.
fn versions(base: &Path, prefix: &str) -> Vec<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = std::fs::read_dir(base)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let version = entry.file_name().to_str()?.strip_prefix(prefix)?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .collect();
    found.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    found.into_iter().map(|(_, dir)| dir).collect()
}

/// Redis, or what grew out of it.
pub(crate) fn redis() -> Result<PathBuf, String> {
    let found = on_path("redis-server").or_else(|| on_path("valkey-server"));
    found.ok_or_else(|| "no Redis found: scripts/ensure.sh redis installs it".to_owned())
}

/// The server: the one asked for, or the one that was built beside this program.
pub(crate) fn server(asked: Option<&Path>) -> Result<PathBuf, String> {
    let found = match asked {
        Some(path) => path.to_owned(),
        None => std::env::current_exe()
            .ok()
            .and_then(|own| Some(own.parent()?.join("consilium")))
            .ok_or("no server beside this program: name it with --server-bin")?,
    };
    if !found.is_file() {
        return Err(format!("{}: no such server; build it, or name it with --server-bin", found.display()));
    }
    std::path::absolute(&found).map_err(|error| format!("{}: {error}", found.display()))
}

/// Who Postgres runs as: it refuses root, then it is `postgres` or `nobody`, else ourselves.
pub(crate) fn postgres_user() -> Result<Option<User>, String> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let of = |name: &str| Some(User { uid: id("-u", name)?, gid: id("-g", name)? });
    match ["postgres", "nobody"].into_iter().find_map(of) {
        Some(user) => Ok(Some(user)),
        None => Err("Postgres does not run as root, and there is neither a user postgres nor nobody".to_owned()),
    }
}

fn id(flag: &str, name: &str) -> Option<u32> {
    let output = Command::new("id").args([flag, name]).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok().filter(|id| *id != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_is_not_there_is_named() {
        let refused = server(Some(Path::new("/no/such/consilium"))).unwrap_err();
        assert!(refused.contains("/no/such/consilium") && refused.contains("--server-bin"), "{refused}");
    }

    #[test]
    fn a_program_on_the_path_is_found() {
        assert!(on_path("sh").is_some() && on_path("no-such-program-at-all").is_none());
    }
}
