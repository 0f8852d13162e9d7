//! The kinds of faults.

use clap::ValueEnum;
use serde::Serialize;

/// What is done to whom.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// SIGKILL to a node; it starts again at once or after a while.
    KillNode,
    /// SIGKILL to Redis; all it held is gone.
    RestartRedis,
    /// FLUSHALL.
    FlushRedis,
    /// Redis stands still for a while.
    PauseRedis,
    /// The subscribers' connections to Redis break, all others stay.
    CutRedisClients,
    /// An immediate stop of Postgres; it recovers from its log.
    RestartPostgres,
    /// A node stands still for a while.
    PauseNode,
    /// Many clients lose their connections at once.
    CutClient,
    /// SIGTERM to a node, and a start: one step of a rolling restart.
    DrainNode,
}

/// What a kind of fault touches.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Part {
    Node,
    Redis,
    Postgres,
    Clients,
}

impl Kind {
    pub(crate) const ALL: [Self; 9] = [
        Self::KillNode,
        Self::RestartRedis,
        Self::FlushRedis,
        Self::PauseRedis,
        Self::CutRedisClients,
        Self::RestartPostgres,
        Self::PauseNode,
        Self::CutClient,
        Self::DrainNode,
    ];

    pub(crate) fn part(self) -> Part {
        match self {
            Self::KillNode | Self::PauseNode | Self::DrainNode => Part::Node,
            Self::RestartRedis | Self::FlushRedis | Self::PauseRedis | Self::CutRedisClients => Part::Redis,
            Self::RestartPostgres => Part::Postgres,
            Self::CutClient => Part::Clients,
        }
    }

    /// Whether a living server may refuse commands for it, or lose them half done.
    pub(crate) fn makes_refuse(self) -> bool {
        !matches!(self, Self::KillNode | Self::DrainNode | Self::CutClient | Self::CutRedisClients)
    }

    /// The word of the command line.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::KillNode => "kill-node",
            Self::RestartRedis => "restart-redis",
            Self::FlushRedis => "flush-redis",
            Self::PauseRedis => "pause-redis",
            Self::CutRedisClients => "cut-redis-clients",
            Self::RestartPostgres => "restart-postgres",
            Self::PauseNode => "pause-node",
            Self::CutClient => "cut-client",
            Self::DrainNode => "drain-node",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_the_command_line() {
        for kind in Kind::ALL {
            assert_eq!(Kind::from_str(kind.word(), false), Ok(kind));
        }
        assert_eq!(Kind::value_variants(), Kind::ALL);
    }
}
