//! Running numbers: how a node that only listens finds out that something did not reach it (DESIGN §2).

use std::collections::HashMap;

/// What a number says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    /// The next one, or the first since this channel is heard.
    Next,
    /// Heard before.
    Again,
    /// Some before it never came.
    Hole,
}

/// What a heartbeat says of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missed {
    /// Something was sent before this node began to hear.
    Perhaps,
    /// Something did not come.
    Surely,
}

/// The numbers heard on some channels, by node and channel. A channel that is not heard yet has no numbers.
#[derive(Debug, Default)]
pub(super) struct Numbers(HashMap<u64, HashMap<usize, Seen>>);

#[derive(Debug, Clone, Copy)]
struct Seen {
    last: u64,
    /// What the node's last heartbeat said: by its next one it must have come, on whatever way.
    due: u64,
}

impl Numbers {
    /// Notes a number.
    pub(super) fn hear(&mut self, node: u64, channel: usize, number: u64) -> Heard {
        let channels = self.0.entry(node).or_default();
        let Some(seen) = channels.get_mut(&channel) else {
            // What came before the first one is covered by the look at the inboxes that beginning to hear causes.
            channels.insert(channel, Seen { last: number, due: 0 });
            return Heard::Next;
        };
        if number <= seen.last {
            return Heard::Again;
        }
        let hole = number > seen.last + 1;
        seen.last = number;
        if hole { Heard::Hole } else { Heard::Next }
    }

    /// Compares a heartbeat with what was heard on these channels; answers those that miss something, and those met for
    /// the first time, on which something may have come before. Channels of a cluster come on ways of their own, so a
    /// number has until the next heartbeat to arrive.
    pub(super) fn beat(&mut self, node: u64, said: impl IntoIterator<Item = (usize, u64)>) -> Vec<(usize, Missed)> {
        let channels = self.0.entry(node).or_default();
        let mut missing = Vec::new();
        for (channel, number) in said {
            match channels.get_mut(&channel) {
                None => {
                    channels.insert(channel, Seen { last: number, due: number });
                    if number > 0 {
                        missing.push((channel, Missed::Perhaps));
                    }
                }
                Some(seen) => {
                    if seen.last < seen.due {
                        seen.last = seen.due;
                        missing.push((channel, Missed::Surely));
                    }
                    seen.due = number;
                }
            }
        }
        missing
    }

    /// A channel is going to be heard anew: nothing is known of it.
    pub(super) fn reset(&mut self, channel: usize) {
        for channels in self.0.values_mut() {
            channels.remove(&channel);
        }
    }

    /// A node is gone.
    pub(super) fn forget(&mut self, node: u64) {
        self.0.remove(&node);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NONE: [(usize, Missed); 0] = [];

    #[test]
    fn holes_and_repeats() {
        let mut numbers = Numbers::default();
        assert_eq!(numbers.hear(1, 0, 5), Heard::Next, "the first since it is heard");
        assert_eq!(numbers.hear(1, 0, 6), Heard::Next);
        assert_eq!(numbers.hear(1, 0, 6), Heard::Again);
        assert_eq!(numbers.hear(1, 0, 8), Heard::Hole);
        assert_eq!(numbers.hear(1, 1, 1), Heard::Next, "channels count apart");
        assert_eq!(numbers.hear(2, 0, 1), Heard::Next, "nodes count apart");
    }

    #[test]
    fn a_lost_last_one_is_found_at_the_second_heartbeat() {
        let mut numbers = Numbers::default();
        assert_eq!(numbers.hear(1, 0, 1), Heard::Next);
        assert_eq!(numbers.beat(1, [(0, 2)]), NONE, "it may still be on its way");
        assert_eq!(numbers.beat(1, [(0, 2)]), [(0, Missed::Surely)]);
        assert_eq!(numbers.beat(1, [(0, 2)]), NONE, "found once");
        assert_eq!(numbers.hear(1, 0, 3), Heard::Next);
    }

    #[test]
    fn a_node_met_first_by_its_heartbeat_is_looked_at_once() {
        let mut numbers = Numbers::default();
        assert_eq!(numbers.beat(1, [(0, 4), (1, 0)]), [(0, Missed::Perhaps)]);
        assert_eq!(numbers.beat(1, [(0, 4), (1, 0)]), NONE);
        numbers.reset(0);
        assert_eq!(numbers.beat(1, [(0, 4)]), [(0, Missed::Perhaps)], "heard anew");
        numbers.forget(1);
        assert_eq!(numbers.beat(1, [(0, 4)]), [(0, Missed::Perhaps)]);
    }

    proptest! {
        /// Whatever is lost on the way: two heartbeats after the last message every loss has been pointed at, and
        /// without a loss nothing is, however late messages come within a heartbeat.
        #[test]
        fn a_loss_is_found_and_nothing_else(
            steps in prop::collection::vec((any::<bool>(), any::<bool>()), 1..80),
        ) {
            let mut numbers = Numbers::default();
            let (mut sent, mut lost, mut found) = (0u64, false, false);
            numbers.beat(1, [(0, 0)]);
            for (is_beat, arrives) in steps {
                if is_beat {
                    found |= !numbers.beat(1, [(0, sent)]).is_empty();
                } else {
                    sent += 1;
                    if arrives {
                        found |= numbers.hear(1, 0, sent) == Heard::Hole;
                    } else {
                        lost = true;
                    }
                }
            }
            for _ in 0..2 {
                found |= !numbers.beat(1, [(0, sent)]).is_empty();
            }
            prop_assert_eq!(found, lost);
        }
    }
}
