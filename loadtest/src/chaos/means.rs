//! Whether a run has what its faults need, said before it begins.

use super::kind::{Kind, Part};
use crate::fleet::{FleetArgs, WithRedis};

/// One line for the first kind that cannot be done.
pub(crate) fn check(kinds: &[Kind], fleet: &FleetArgs, targets: usize) -> Result<(), String> {
    for (given, option) in [(fleet.node_cmd.len(), "--node-cmd"), (fleet.node_pid.len(), "--node-pid")] {
        if given > 0 && given != targets {
            return Err(format!("{option}: given {given} times for {targets} targets"));
        }
    }
    let lacking = kinds.iter().find_map(|kind| Some((*kind, lacks(*kind, fleet)?)));
    match lacking {
        Some((kind, needs)) => Err(format!("--faults {}: needs {needs}", kind.word())),
        None => Ok(()),
    }
}

/// What is missing for a kind, if anything.
fn lacks(kind: Kind, fleet: &FleetArgs) -> Option<&'static str> {
    if fleet.fleet.is_some() {
        let no_redis = fleet.with_redis == WithRedis::No && kind.part() == Part::Redis;
        return no_redis.then_some("a Redis, which --with-redis no forbids");
    }
    let (has, needs) = match kind {
        Kind::KillNode | Kind::DrainNode => (!fleet.node_cmd.is_empty(), "--fleet, or a --node-cmd for each --target"),
        Kind::PauseNode => (
            !fleet.node_cmd.is_empty() || !fleet.node_pid.is_empty(),
            "--fleet, or a --node-cmd or --node-pid for each --target",
        ),
        Kind::RestartRedis => (fleet.redis_cmd.is_some(), "--fleet, or --redis-url and --redis-cmd"),
        Kind::PauseRedis => (
            fleet.redis_cmd.is_some() || fleet.redis_pid.is_some(),
            "--fleet, or --redis-url with --redis-pid or --redis-cmd",
        ),
        Kind::FlushRedis | Kind::CutRedisClients => (fleet.redis_url.is_some(), "--fleet, or --redis-url"),
        Kind::RestartPostgres => (fleet.postgres_cmd.is_some(), "--fleet, or --postgres-cmd"),
        Kind::CutClient => (true, ""),
    };
    (!has).then_some(needs)
}

/// Whether a private fleet has a Redis.
pub(crate) fn with_redis(kinds: &[Kind], fleet: &FleetArgs) -> bool {
    match fleet.with_redis {
        WithRedis::Yes => true,
        WithRedis::No => false,
        WithRedis::Auto => {
            fleet.fleet.is_some_and(|count| count > 1) || kinds.iter().any(|kind| kind.part() == Part::Redis)
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use clap::Parser;

    use super::*;
    use crate::args::{Cli, Command};

    fn fleet(words: &str) -> FleetArgs {
        let words = format!("loadtest run {words}");
        let parsed = Cli::try_parse_from(words.split(' ').filter(|word| !word.is_empty())).unwrap();
        match parsed.command {
            Command::Run(run) => run.fleet,
            _ => unreachable!(),
        }
    }

    #[test]
    fn a_private_fleet_can_do_everything() {
        assert_eq!(check(&Kind::ALL, &fleet("--fleet 3"), 3), Ok(()));
        let refused = check(&Kind::ALL, &fleet("--fleet 3 --with-redis no"), 3).unwrap_err();
        assert!(refused.contains("restart-redis"), "{refused}");
    }

    #[test]
    fn a_given_one_can_do_what_its_means_allow() {
        assert_eq!(check(&[Kind::CutClient], &fleet(""), 1), Ok(()));
        for kind in Kind::ALL.into_iter().filter(|kind| *kind != Kind::CutClient) {
            let refused = check(&[kind], &fleet(""), 1).unwrap_err();
            assert!(refused.contains(kind.word()) && refused.contains("needs --fleet") && !refused.contains('\n'));
        }
        for (kind, means) in [
            (Kind::KillNode, "--node-cmd x"),
            (Kind::PauseNode, "--node-pid 12"),
            (Kind::FlushRedis, "--redis-url redis://127.0.0.1"),
            (Kind::PauseRedis, "--redis-url redis://127.0.0.1 --redis-pid 12"),
            (Kind::RestartRedis, "--redis-url redis://127.0.0.1 --redis-cmd x"),
            (Kind::RestartPostgres, "--postgres-cmd x"),
        ] {
            assert_eq!(check(&[kind], &fleet(means), 1), Ok(()), "{kind:?}");
        }
        assert!(check(&[Kind::KillNode], &fleet("--node-pid 12"), 1).is_err());
        assert!(check(&[], &fleet("--node-cmd x"), 2).unwrap_err().contains("2 targets"));
    }

    #[test]
    fn redis_is_there_where_it_is_needed() {
        assert!(!with_redis(&[Kind::KillNode], &fleet("--fleet 1")));
        assert!(with_redis(&[Kind::FlushRedis], &fleet("--fleet 1")));
        assert!(with_redis(&[], &fleet("--fleet 2")) && !with_redis(&[], &fleet("--fleet 2 --with-redis no")));
        assert!(with_redis(&[], &fleet("--fleet 1 --with-redis yes")));
    }
}
