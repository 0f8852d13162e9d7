//! What the nodes count in `/metrics`.

use serde::Serialize;

use crate::http::{Call, Http};

/// What coming back costs the database: looks at credentials and at inboxes, and the queries they shared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Looks {
    pub(crate) standing_asks: f64,
    pub(crate) standing_queries: f64,
    pub(crate) inbox_reads: f64,
    pub(crate) inbox_queries: f64,
    /// Comparisons of all heads with the database, where the bus may have lost something: these come by time, one for all
    /// connections of a node, and are told apart from what resumes cost.
    pub(crate) head_checks: f64,
    /// Commits of the batching writer, which no resume needs.
    pub(crate) writer_commits: f64,
}

impl Looks {
    /// The sums over these nodes.
    pub(crate) async fn of(http: &Http, nodes: &[usize]) -> Result<Self, String> {
        let mut sum = Self::default();
        for &node in nodes {
            let text = text(http, node).await?;
            let count = |name| metric(&text, name).ok_or_else(|| format!("node {node} does not count {name}"));
            sum.standing_asks += count("consilium_standing_asks_total")?;
            sum.standing_queries += count("consilium_standing_queries_total")?;
            sum.inbox_reads += count("consilium_inbox_reads_total")?;
            sum.inbox_queries += count("consilium_inbox_queries_total")?;
            sum.head_checks += labelled(&text, "consilium_inbox_head_checks_total");
            sum.writer_commits += count("consilium_writer_batch_commands_count")?;
        }
        Ok(sum)
    }

    /// What has been added since then.
    pub(crate) fn since(self, then: Self) -> Self {
        Self {
            standing_asks: self.standing_asks - then.standing_asks,
            standing_queries: self.standing_queries - then.standing_queries,
            inbox_reads: self.inbox_reads - then.inbox_reads,
            inbox_queries: self.inbox_queries - then.inbox_queries,
            head_checks: self.head_checks - then.head_checks,
            writer_commits: self.writer_commits - then.writer_commits,
        }
    }

    /// Queries for every hundred of so many.
    pub(crate) fn queries_per_100(self, resumes: usize) -> f64 {
        (self.standing_queries + self.inbox_queries) * 100.0 / resumes.max(1) as f64
    }

    /// The same in a sentence.
    pub(crate) fn told(self, resumes: usize) -> String {
        let Self { standing_asks, standing_queries, inbox_reads, inbox_queries, head_checks, writer_commits: _ } = self;
        format!(
            "{:.2} database queries per 100 resumes: {standing_queries} for {standing_asks} looks at credentials, \
             {inbox_queries} for {inbox_reads} looks at inboxes; {head_checks} comparisons of all heads",
            self.queries_per_100(resumes)
        )
    }
}

/// A node's `/metrics`.
pub(crate) async fn text(http: &Http, node: usize) -> Result<String, String> {
    let answer = http.call(node, &Call::get("/metrics", None)).await.map_err(|trouble| trouble.to_string())?;
    Ok(String::from_utf8_lossy(&answer.body).into_owned())
}

/// One figure without labels.
pub(crate) fn metric(text: &str, name: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
}

/// The sum of a figure over all its labels.
fn labelled(text: &str, name: &str) -> f64 {
    let with_labels = |line: &str| line.strip_prefix(name)?.strip_prefix('{')?.rsplit_once("} ")?.1.trim().parse().ok();
    let counts: Vec<f64> = text.lines().filter_map(with_labels).collect();
    counts.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_found_by_its_whole_name() {
        let text = "# HELP a_total x\na_total 7\na_total_more 9\nb{x=\"1\"} 3\n";
        assert_eq!(metric(text, "a_total"), Some(7.0));
        assert_eq!(metric(text, "a"), None);
        assert_eq!(metric(text, "b"), None);
        assert_eq!(labelled("c{x=\"1\"} 3\nc{x=\"2\"} 4\nc_d{x=\"1\"} 5\n", "c"), 7.0);
    }

    #[test]
    fn queries_are_counted_for_a_hundred() {
        let then = Looks { standing_queries: 5.0, ..Looks::default() };
        let now = Looks { standing_queries: 25.0, inbox_queries: 10.0, head_checks: 5.0, ..Looks::default() };
        assert!((now.since(then).queries_per_100(5000) - 0.6).abs() < 1e-9);
    }
}
