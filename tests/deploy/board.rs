//! The dashboard and the alert rules: what they name exists, and says enough to whoever is woken by it.

use std::collections::BTreeSet;

use consilium::telemetry::metrics::{Kind, METRICS, Metric, find};
use serde_json::Value;

use super::text::{read, words};

const BOARD: &str = "deploy/grafana/consilium.json";
const RULES: &str = "deploy/prometheus/alerts.yml";
const RULE_TESTS: &str = "deploy/prometheus/alerts_test.yml";

/// What Prometheus itself adds to every series.
const TARGET: [&str; 2] = ["instance", "job"];

/// The figures of a query, each with the rest of the text behind its name.
fn figures(query: &str) -> Vec<(&'static Metric, &str, &str)> {
    let mut found = Vec::new();
    let mut rest = query;
    while let Some(start) = rest.find(|c: char| c.is_ascii_alphabetic() || c == '_') {
        let text = &rest[start..];
        let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
        let (word, behind) = text.split_at(end);
        if word.starts_with("consilium_") || word.starts_with("process_") {
            let metric = find(word).unwrap_or_else(|| panic!("{word} is not in src/telemetry/metrics.rs: {query}"));
            found.push((metric, word, behind));
        }
        rest = behind;
    }
    found
}

/// Every figure exists, as do the labels and values it is picked by; labels that are grouped by belong to some figure.
#[track_caller]
fn check_query(query: &str) {
    let figures = figures(query);
    let mut known: BTreeSet<&str> = TARGET.into_iter().collect();
    for (metric, word, behind) in &figures {
        known.extend(metric.labels.iter().map(|label| label.name));
        if word.ends_with("_bucket") {
            known.insert("le");
        }
        if matches!(metric.kind, Kind::Histogram(_)) {
            assert_ne!(*word, metric.name, "a histogram has _bucket, _sum and _count: {query}");
        }
        let Some(matchers) = behind.strip_prefix('{') else { continue };
        let (matchers, _) = matchers.split_once('}').unwrap();
        for matcher in matchers.split("\",").filter(|text| !text.is_empty()) {
            check_matcher(metric, matcher, query);
        }
    }
    for group in ["by (", "on ("].into_iter().flat_map(|by| query.split(by).skip(1)) {
        for label in group.split_once(')').unwrap().0.split(',').map(str::trim) {
            assert!(known.contains(label), "nothing has a label {label}: {query}");
        }
    }
}

#[track_caller]
fn check_matcher(metric: &Metric, matcher: &str, query: &str) {
    let (label, value) = matcher.split_once('"').unwrap();
    let (label, operator) = label.split_at(label.find(['=', '!']).unwrap());
    let label = label.trim();
    if TARGET.contains(&label) {
        return;
    }
    let known = metric.label(label).unwrap_or_else(|| panic!("{} has no label {label}: {query}", metric.name));
    let values = value.trim_end_matches('"').split('|');
    if operator.contains('~') && value.contains(['.', '*']) {
        assert!(known.is_open, "{label} has few values, name them: {query}");
        return;
    }
    for value in values {
        assert!(known.is_open || known.values.contains(&value), "{label} is never {value}: {query}");
    }
}

fn panels() -> Vec<Value> {
    let board: Value = serde_json::from_str(&read(BOARD)).unwrap();
    board["panels"].as_array().unwrap().clone()
}

#[test]
fn every_panel_says_what_it_shows_and_in_what() {
    let mut ids = BTreeSet::new();
    let mut places: Vec<[i64; 4]> = Vec::new();
    for panel in panels() {
        let title = panel["title"].as_str().unwrap();
        assert!(!title.is_empty() && ids.insert(panel["id"].as_i64().unwrap()), "{title}");
        let place = ["x", "y", "w", "h"].map(|side| panel["gridPos"][side].as_i64().unwrap());
        let [x, y, w, h] = place;
        assert!(x >= 0 && w > 0 && h > 0 && x + w <= 24, "{title}: {place:?}");
        let apart = |[ox, oy, ow, oh]: &[i64; 4]| x + w <= *ox || ox + ow <= x || y + h <= *oy || oy + oh <= y;
        assert!(places.iter().all(apart), "{title} covers another panel");
        places.push(place);
        if panel["type"] == "row" {
            continue;
        }
        let unit = panel["fieldConfig"]["defaults"]["unit"].as_str();
        assert!(unit.is_some_and(|unit| !unit.is_empty()), "{title} has no unit");
        assert!(panel["description"].as_str().is_some_and(|text| !text.is_empty()), "{title} has no description");
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{title}");
        let targets = panel["targets"].as_array().unwrap();
        assert!(!targets.is_empty(), "{title}");
        for target in targets {
            assert!(target["legendFormat"].as_str().is_some_and(|text| !text.is_empty()), "{title} has no legend");
        }
    }
}

#[test]
fn the_board_shows_every_figure_and_no_other() {
    let mut shown = BTreeSet::new();
    for panel in panels() {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let query = target["expr"].as_str().unwrap();
            check_query(query);
            shown.extend(figures(query).into_iter().map(|(metric, ..)| metric.name));
            let legend = target["legendFormat"].as_str().unwrap();
            for label in legend.split("{{").skip(1).map(|rest| rest.split_once("}}").unwrap().0) {
                let grouped = query.contains(&format!("{label})")) || query.contains(&format!("{label},"));
                let own =
                    !query.contains("sum") && figures(query).iter().any(|(metric, ..)| metric.label(label).is_some());
                let target = !query.contains("sum") && TARGET.contains(&label);
                assert!(grouped || own || target, "the legend {legend} has nothing to show of {query}");
            }
        }
    }
    let all: BTreeSet<&str> = METRICS.iter().map(|metric| metric.name).collect();
    assert_eq!(shown, all, "on the board and in the table");
}

/// One alert of the rules, as text.
struct Alert<'a> {
    name: &'a str,
    text: &'a str,
}

impl<'a> Alert<'a> {
    /// What stands behind `key:` on its line.
    #[track_caller]
    fn of(&self, key: &str) -> &'a str {
        let line = self.text.lines().find_map(|line| line.trim_start().strip_prefix(key)?.strip_prefix(':'));
        line.unwrap_or_else(|| panic!("{} has no {key}", self.name)).trim()
    }

    /// The query, which may have lines of its own.
    fn query(&self) -> String {
        let (_, rest) = self.text.split_once("expr:").unwrap();
        let until = rest.find("\n        for:").unwrap_or_else(|| panic!("{} has no for", self.name));
        rest[..until].trim().trim_start_matches('|').split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

fn alerts(rules: &str) -> Vec<Alert<'_>> {
    let alert = |text| Alert { name: str::lines(text).next().unwrap().trim(), text };
    rules.split("- alert:").skip(1).map(alert).collect()
}

#[test]
fn every_alert_asks_for_what_exists_and_says_what_to_do() {
    let (rules, manual, tests) = (read(RULES), read("docs/operations.md"), read(RULE_TESTS));
    let anchors: Vec<String> = manual.lines().filter(|line| line.starts_with('#')).map(anchor).collect();
    let mut rows = Vec::new();
    for alert in alerts(&rules) {
        let query = alert.query();
        check_query(&query);
        assert!(query.contains("up{") || !figures(&query).is_empty(), "{} asks for nothing", alert.name);
        let severity = alert.of("labels").trim_start_matches("{severity: ").trim_end_matches('}');
        assert!(["page", "ticket"].contains(&severity), "{}: {severity}", alert.name);
        assert!(alert.of("for").ends_with(['s', 'm', 'h']), "{}", alert.name);
        for text in ["summary", "action"] {
            assert!(alert.of(text).len() > 20, "{}: {text}", alert.name);
        }
        for label in alert.text.split("$labels.").skip(1) {
            let label = words(label.split_once(' ').unwrap().0, "")[0];
            let is_there =
                TARGET.contains(&label) || figures(&query).iter().any(|(metric, ..)| metric.label(label).is_some());
            assert!(is_there, "{} speaks of {label}", alert.name);
        }
        let (page, place) = alert.of("runbook").split_once('#').unwrap();
        assert!(
            page == "docs/operations.md" && anchors.iter().any(|anchor| anchor == place),
            "{}: {place}",
            alert.name
        );
        assert!(tests.contains(alert.name), "{} is not tried by {RULE_TESTS}", alert.name);
        rows.push(format!("| {} | {severity} |", alert.name));
    }
    let (_, table) = manual.split_once("| alert | | when |\n| --- | --- | --- |\n").unwrap();
    let (table, _) = table.split_once("\n\n").unwrap();
    let written: Vec<&str> = table.lines().collect();
    assert_eq!(written.len(), rows.len(), "docs/operations.md and {RULES}");
    for (written, row) in written.iter().zip(&rows) {
        assert!(written.starts_with(row.as_str()), "{written}\n{row}");
    }
}

/// As GitHub makes it of a heading.
fn anchor(heading: &str) -> String {
    let plain = |c: &char| c.is_alphanumeric() || *c == ' ' || *c == '-';
    heading.trim_start_matches('#').trim().to_lowercase().chars().filter(plain).collect::<String>().replace(' ', "-")
}

#[test]
fn whatever_else_names_a_figure_names_one_that_exists() {
    for file in [RULE_TESTS, "deploy/prometheus/prometheus.yml", "deploy/README.md"] {
        for word in ["consilium_", "process_"]
            .iter()
            .flat_map(|start| words(&read(file), start).into_iter().map(str::to_owned).collect::<Vec<_>>())
        {
            assert!(find(&word).is_some(), "{file}: {word}");
        }
    }
    // The application's role is no figure.
    for word in words(&read("docs/operations.md"), "consilium_").into_iter().filter(|word| *word != "consilium_app") {
        assert!(find(word).is_some(), "docs/operations.md: {word}");
    }
}
