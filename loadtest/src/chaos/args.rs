//! Which faults a run has.

use std::time::Duration;

use clap::Args;

use super::Kind;
use super::plan::{Planned, Shape, plan};
use crate::args::seconds;

/// The faults of a run.
#[derive(Clone, Debug, Args)]
pub(crate) struct ChaosArgs {
    /// Kinds of faults, parted by commas, or `all`; each comes equally often.
    #[arg(long = "faults", value_parser = kinds, value_name = "KINDS")]
    pub(crate) kinds: Option<Kinds>,
    /// How many; the load then lasts until the last one is over. The default is as many as the duration allows.
    #[arg(long, requires = "kinds", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) fault_count: Option<u32>,
    /// Mean time from a recovery to the next fault.
    #[arg(long, value_parser = seconds, default_value = "2s", requires = "kinds")]
    pub(crate) fault_gap: Duration,
    /// The longest that anything stands still or stays away.
    #[arg(long, value_parser = seconds, default_value = "10s", requires = "kinds")]
    pub(crate) fault_length: Duration,
    /// Chance that while Redis or Postgres fails something happens to a node or to the clients too.
    #[arg(long, default_value_t = 0.0, requires = "kinds")]
    pub(crate) overlap: f64,
    /// Chance that the next fault comes as soon as all nodes serve, before everything is as it was.
    #[arg(long, default_value_t = 0.0, requires = "kinds")]
    pub(crate) hasty: f64,
    /// How long the nodes may take to be ready again, and the clients to be back.
    #[arg(long, value_parser = seconds, default_value = "60s", requires = "kinds")]
    pub(crate) recovery: Duration,
    /// Every gap is the mean and every pause the longest.
    #[arg(skip)]
    pub(crate) exact: bool,
}

/// Kinds, once each, in the order of their table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Kinds(pub(crate) Vec<Kind>);

fn kinds(text: &str) -> Result<Kinds, String> {
    use clap::ValueEnum;
    let mut kinds = Vec::new();
    for word in text.split(',').map(str::trim).filter(|word| !word.is_empty()) {
        if word == "all" {
            kinds.extend(Kind::ALL);
        } else {
            let known = Kind::ALL.map(Kind::word).join(", ");
            kinds.push(Kind::from_str(word, false).map_err(|_| format!("{word}: no such fault, there are {known}"))?);
        }
    }
    kinds.sort_unstable();
    kinds.dedup();
    if kinds.is_empty() { Err("no fault named".to_owned()) } else { Ok(Kinds(kinds)) }
}

impl ChaosArgs {
    pub(crate) fn kinds(&self) -> &[Kind] {
        self.kinds.as_ref().map_or(&[], |kinds| &kinds.0)
    }

    /// The faults of a run: as many as were asked for, else more than fit into its time.
    pub(crate) fn plan(&self, seed: u64, duration: Duration, nodes: usize) -> Vec<Planned> {
        let gap_s = self.fault_gap.as_secs_f64().max(0.05);
        let fit = (duration.as_secs_f64() / gap_s).ceil().clamp(1.0, 10_000.0);
        let shape = Shape {
            kinds: self.kinds().to_vec(),
            count: self.fault_count.map_or(fit as usize, |count| count as usize),
            nodes,
            gap_s,
            length_s: self.fault_length.as_secs_f64(),
            overlap: self.overlap,
            hasty: self.hasty,
            exact: self.exact,
        };
        plan(seed, &shape)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn kinds_are_read_whatever_their_order() {
        assert_eq!(kinds("all").unwrap().0, Kind::ALL);
        assert_eq!(kinds("pause-node, kill-node,kill-node").unwrap().0, [Kind::KillNode, Kind::PauseNode]);
        assert!(kinds("unplug").unwrap_err().contains("cut-redis-clients"));
        assert!(kinds(" ,").is_err());
    }
}
