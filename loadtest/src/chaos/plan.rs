//! The plan of all faults: a pure function of the seed and the shape of the run.

use std::fmt;

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use serde::Serialize;

use super::kind::{Kind, Part};

/// What a plan depends on.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    pub(crate) kinds: Vec<Kind>,
    pub(crate) count: usize,
    pub(crate) nodes: usize,
    /// Mean seconds between two faults.
    pub(crate) gap_s: f64,
    /// Longest pause in seconds.
    pub(crate) length_s: f64,
    /// Chance of a second fault while Redis or Postgres fails.
    pub(crate) overlap: f64,
    /// Chance that nobody waits for the whole recovery.
    pub(crate) hasty: f64,
    /// Every gap is the mean and every pause the longest.
    pub(crate) exact: bool,
}

/// One fault to come.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub(crate) struct Planned {
    pub(crate) number: usize,
    pub(crate) kind: Kind,
    /// Seconds from the recovery before to its begin; of one that comes while another lasts, from that one's begin.
    pub(crate) after_s: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) node: Option<usize>,
    /// Seconds that it stands still, or stays away before it is started again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pause_s: Option<f64>,
    /// Share of the clients.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) share: Option<f64>,
    /// Whether the next one comes as soon as all nodes serve again, however they stand otherwise.
    pub(crate) hasty: bool,
    /// What happens to a node or to the clients meanwhile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) meanwhile: Option<Box<Self>>,
}

/// All faults of a run, in their order.
pub(crate) fn plan(seed: u64, shape: &Shape) -> Vec<Planned> {
    // Not the clients' chances, which start from the same seed.
    let mut rng = StdRng::seed_from_u64(seed ^ 0x6661_756c_7473);
    let mut planned = Vec::new();
    let mut bag: Vec<Kind> = Vec::new();
    let others: Vec<Kind> =
        shape.kinds.iter().copied().filter(|kind| matches!(kind.part(), Part::Node | Part::Clients)).collect();
    while planned.len() < shape.count {
        // From a bag of one of each kind, so that even a short run has them all.
        let Some(kind) = bag.pop() else {
            if shape.kinds.is_empty() {
                break;
            }
            bag.clone_from(&shape.kinds);
            bag.shuffle(&mut rng);
            continue;
        };
        let gap = shape.gap_s * rng.random_range(0.25..1.75);
        let mut fault = one(planned.len() + 1, kind, gap, shape, &mut rng);
        let store = matches!(kind.part(), Part::Redis | Part::Postgres);
        if store && !others.is_empty() && rng.random_bool(shape.overlap.clamp(0.0, 1.0)) {
            let other = others.get(rng.random_range(0..others.len())).copied().unwrap_or(Kind::CutClient);
            let after = rng.random_range(0.0..0.5);
            fault.meanwhile = Some(Box::new(one(fault.number, other, after, shape, &mut rng)));
        }
        fault.hasty = rng.random_bool(shape.hasty.clamp(0.0, 1.0));
        if shape.exact {
            fault.after_s = rounded(shape.gap_s);
            fault.pause_s = fault.pause_s.map(|_| rounded(shape.length_s));
        }
        planned.push(fault);
    }
    planned
}

fn one(number: usize, kind: Kind, after_s: f64, shape: &Shape, rng: &mut StdRng) -> Planned {
    let longest = shape.length_s.max(0.01);
    let away = |rng: &mut StdRng, most: f64| {
        // Half of all come back at once.
        if rng.random_bool(0.5) { 0.0 } else { rng.random_range(0.0..most.min(longest)) }
    };
    let pause_s = match kind {
        Kind::KillNode | Kind::RestartRedis => Some(away(rng, 5.0)),
        Kind::RestartPostgres | Kind::DrainNode => Some(away(rng, 3.0)),
        Kind::PauseRedis | Kind::PauseNode => Some(rng.random_range(longest.min(1.0) * 0.99..longest)),
        Kind::FlushRedis | Kind::CutRedisClients | Kind::CutClient => None,
    };
    let node = (kind.part() == Part::Node).then(|| rng.random_range(0..shape.nodes.max(1)));
    let share = (kind == Kind::CutClient).then(|| rng.random_range(0.3..1.0));
    Planned {
        number,
        kind,
        after_s: rounded(after_s),
        node,
        pause_s: pause_s.map(rounded),
        share: share.map(rounded),
        hasty: false,
        meanwhile: None,
    }
}

/// To the millisecond, so that what is printed is what is done.
fn rounded(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

impl fmt::Display for Planned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.word())?;
        if let Some(node) = self.node {
            write!(f, " {node}")?;
        }
        if let Some(share) = self.share {
            write!(f, " {:.0} %", share * 100.0)?;
        }
        if let Some(pause) = self.pause_s {
            write!(f, " for {pause:.1} s")?;
        }
        if let Some(other) = &self.meanwhile {
            write!(f, " and {other}")?;
        }
        if self.hasty {
            f.write_str(", hasty")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::collections::HashMap;

    use super::*;

    fn shape() -> Shape {
        Shape {
            kinds: Kind::ALL.to_vec(),
            count: 200,
            nodes: 3,
            gap_s: 2.0,
            length_s: 10.0,
            overlap: 0.3,
            hasty: 0.2,
            exact: false,
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_plan() {
        assert_eq!(plan(7, &shape()), plan(7, &shape()));
        assert_ne!(plan(7, &shape()), plan(8, &shape()));
        // A longer run begins like a shorter one.
        let short = plan(7, &Shape { count: 20, ..shape() });
        assert_eq!(plan(7, &shape()).get(..20), Some(short.as_slice()));
    }

    #[test]
    fn each_kind_comes_equally_often_and_nothing_is_out_of_bounds() {
        let planned = plan(11, &shape());
        let mut counts: HashMap<Kind, usize> = HashMap::new();
        for fault in &planned {
            *counts.entry(fault.kind).or_default() += 1;
            assert!((0.5..=3.5).contains(&fault.after_s), "{fault:?}");
            assert!(fault.node.is_none_or(|node| node < 3));
            assert!(fault.pause_s.is_none_or(|pause| (0.0..=10.0).contains(&pause)));
            if matches!(fault.kind, Kind::PauseNode | Kind::PauseRedis) {
                assert!(fault.pause_s.unwrap() >= 0.99);
            }
        }
        assert_eq!(planned.len(), 200);
        assert!(counts.len() == 9 && counts.values().all(|count| (22..=23).contains(count)), "{counts:?}");
        assert!((0..3).all(|node| planned.iter().any(|fault| fault.node == Some(node))));
    }

    #[test]
    fn never_two_stores_at_once() {
        let planned = plan(5, &shape());
        let pairs: Vec<&Planned> = planned.iter().filter(|fault| fault.meanwhile.is_some()).collect();
        assert!(pairs.len() > 10);
        for fault in pairs {
            let other = fault.meanwhile.as_ref().unwrap();
            assert!(matches!(fault.kind.part(), Part::Redis | Part::Postgres));
            assert!(matches!(other.kind.part(), Part::Node | Part::Clients));
        }
        assert!(plan(5, &Shape { overlap: 0.0, ..shape() }).iter().all(|fault| fault.meanwhile.is_none()));
    }

    #[test]
    fn some_are_hasty_and_none_where_nobody_asks_for_it() {
        let hasty = |share| plan(9, &Shape { hasty: share, ..shape() }).iter().filter(|fault| fault.hasty).count();
        assert_eq!((hasty(0.0), hasty(1.0)), (0, 200));
        assert!((20..70).contains(&hasty(0.2)));
    }

    #[test]
    fn short_pauses_stay_short() {
        let planned = plan(3, &Shape { length_s: 0.5, ..shape() });
        assert!(planned.iter().filter_map(|fault| fault.pause_s).all(|pause| pause <= 0.5));
    }

    #[test]
    fn a_measurement_leaves_nothing_to_chance() {
        let planned = plan(3, &Shape { exact: true, length_s: 60.0, ..shape() });
        assert!(planned.iter().all(|fault| (fault.after_s - 2.0).abs() < 1e-9));
        assert!(planned.iter().filter_map(|fault| fault.pause_s).all(|pause| (pause - 60.0).abs() < 1e-9));
        assert!(planned.iter().any(|fault| fault.kind == Kind::FlushRedis && fault.pause_s.is_none()));
    }

    #[test]
    fn without_kinds_there_is_no_plan() {
        assert!(plan(3, &Shape { kinds: Vec::new(), ..shape() }).is_empty());
    }
}
