//! What the model is asked.

use std::path::PathBuf;

use clap::Args;

/// The load to plan for, at its peak.
#[derive(Clone, Debug, Args)]
pub(crate) struct Model {
    /// People who have an account.
    #[arg(long, default_value_t = 10_000_000)]
    pub(crate) users: u64,
    /// Share of them connected at the peak.
    #[arg(long, default_value_t = 0.1, value_parser = share)]
    pub(crate) online: f64,
    /// Connections of somebody who is connected.
    #[arg(long, default_value_t = 1.0, value_parser = positive)]
    pub(crate) devices: f64,
    /// Share of the connections that are event streams.
    #[arg(long, default_value_t = 0.2, value_parser = share)]
    pub(crate) sse: f64,
    /// Consultations at once at the peak.
    #[arg(long, default_value_t = 50_000)]
    pub(crate) sessions: u64,
    /// Messages a second in each, both parties together.
    #[arg(long, default_value_t = 0.2, value_parser = positive)]
    pub(crate) message_rate: f64,
    /// Receipt commands for a message: delivered and read.
    #[arg(long, default_value_t = 2.0, value_parser = positive)]
    pub(crate) receipts: f64,
    /// Hours of peak that amount to a day.
    #[arg(long, default_value_t = 8.0, value_parser = positive)]
    pub(crate) peak_hours: f64,
    /// Cores of a node.
    #[arg(long, default_value_t = 8.0, value_parser = positive)]
    pub(crate) node_cores: f64,
    /// Memory of a node in GiB.
    #[arg(long, default_value_t = 16.0, value_parser = positive)]
    pub(crate) node_memory: f64,
    /// Connections a node takes (the server's max_connections).
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) node_connections: u64,
    /// Share of every capacity that stays free for bursts, reconnects and growth.
    #[arg(long, default_value_t = 0.4, value_parser = headroom)]
    pub(crate) headroom: f64,
    /// Nodes that may be away at the peak.
    #[arg(long, default_value_t = 1)]
    pub(crate) spare_nodes: u64,
    /// Measured figures to take instead of the built-in ones: JSON of {"name": {"value": …, "source": "…"}}.
    #[arg(long)]
    pub(crate) figures: Option<PathBuf>,
    /// Write the answer as JSON.
    #[arg(long)]
    pub(crate) json: Option<PathBuf>,
}

fn number(text: &str) -> Result<f64, String> {
    text.parse::<f64>().ok().filter(|value| value.is_finite()).ok_or_else(|| format!("{text}: not a number"))
}

fn share(text: &str) -> Result<f64, String> {
    number(text).and_then(|value| {
        if (0.0..=1.0).contains(&value) { Ok(value) } else { Err(format!("{text}: between 0 and 1")) }
    })
}

fn headroom(text: &str) -> Result<f64, String> {
    share(text).and_then(|value| if value < 1.0 { Ok(value) } else { Err(format!("{text}: less than 1")) })
}

fn positive(text: &str) -> Result<f64, String> {
    number(text).and_then(|value| if value >= 0.0 { Ok(value) } else { Err(format!("{text}: not below 0")) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_no_sense_is_refused() {
        assert_eq!(share("0.1"), Ok(0.1));
        assert!(share("1.5").is_err() && share("NaN").is_err() && share("x").is_err());
        assert!(headroom("1").is_err() && positive("-1").is_err() && positive("inf").is_err());
    }
}
