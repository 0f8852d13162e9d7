//! The report as one page that needs nothing else: tables and inline SVG.

use std::collections::BTreeMap;
use std::fmt::{self, Write};

use super::{Report, StepReport};
use crate::stats::{Second, Step};

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 260.0;
const LEFT: f64 = 64.0;
const BOTTOM: f64 = 28.0;
const COLOURS: [&str; 6] = ["#2563eb", "#dc2626", "#059669", "#d97706", "#7c3aed", "#475569"];

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:900px;margin:2rem auto;padding:0 1rem;color:#1e293b}\
table{border-collapse:collapse;margin:1rem 0}td,th{padding:.25rem .75rem;border-bottom:1px solid #e2e8f0;text-align:right}\
td:first-child,th:first-child{text-align:left}svg{width:100%;height:auto;background:#f8fafc;border-radius:8px}\
pre{background:#fef2f2;padding:1rem;overflow:auto;border-radius:8px}.ok{color:#059669}.bad{color:#dc2626}\
text{font:11px system-ui,sans-serif;fill:#475569}h2{margin-top:2.5rem}";

struct Series<'a> {
    name: &'a str,
    points: Vec<(f64, f64)>,
}

/// How values become heights.
#[derive(Clone, Copy, PartialEq)]
enum Scale {
    Linear,
    Log,
}

/// The page.
pub(super) fn page(report: &Report) -> Result<String, fmt::Error> {
    let mut out = String::new();
    let load = &report.load;
    write!(
        out,
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>loadtest</title><style>{STYLE}</style><h1>{} sessions, {} messages/s each</h1>\
         <p>{} doctors, {} new consultations/s, {:.0} s, reconnect chance {}/s, seed {}; finished {}.</p>",
        load.sessions,
        load.message_rate_per_session,
        load.doctors,
        load.arrival_per_s,
        load.duration_s,
        load.reconnect_chance_per_s,
        load.seed,
        escape(&report.finished_at)
    )?;
    verdict(&mut out, report)?;
    steps(&mut out, report)?;
    faults(&mut out, report)?;
    let kills = report.moments();
    out.push_str("<h2>Latency over time</h2>");
    let latency = [Step::SendAck, Step::SendSeen].map(|step| over_time(&report.seconds, step));
    let lines: Vec<Series<'_>> = latency.into_iter().flatten().collect();
    Plot::new(&lines, "s", "ms", Scale::Log).marked(&kills).svg(&mut out)?;
    out.push_str("<h2>Percentiles</h2><p>1 nine is p90, 2 nines are p99, 3 nines are p99.9.</p>");
    let curves: Vec<Series<'_>> = report.steps.iter().filter_map(curve).collect();
    Plot::new(&curves, "nines", "ms", Scale::Log).svg(&mut out)?;
    out.push_str("<h2>Throughput</h2>");
    let of = |value: fn(&Second) -> i64| {
        let seconds = report.seconds.iter();
        seconds.map(|s| (s.at_s, value(s) as f64)).collect()
    };
    let lines = [
        counts(&report.seconds, Step::SendAck, "messages acknowledged/s"),
        counts(&report.seconds, Step::SendSeen, "messages seen/s"),
        Series { name: "live sessions", points: of(|second| second.live_sessions) },
        Series { name: "sockets", points: of(|second| second.connections) },
    ];
    Plot::new(&lines, "s", "", Scale::Linear).marked(&kills).svg(&mut out)?;
    list(&mut out, "Errors", &report.errors)?;
    list(&mut out, "Errors that a fault explains", &report.strains)?;
    let title = "Refusals that the scenario's own races explain";
    list(&mut out, title, &report.refusals)?;
    out.push_str("</html>\n");
    Ok(out)
}

fn verdict(out: &mut String, report: &Report) -> fmt::Result {
    let check = &report.check;
    let clean = check.violations == 0 && check.undecided.is_empty() && report.failures.is_empty();
    let class = if clean { "ok" } else { "bad" };
    write!(
        out,
        "<p class=\"{class}\"><b>{} violations</b> in {} events and {} acknowledgements over {} connections, \
         {} messages in {} sessions; {} undecided.</p>",
        check.violations,
        check.events,
        check.acks,
        check.connections,
        check.messages,
        check.sessions,
        check.undecided.len()
    )?;
    for restart in &report.restarts {
        write!(
            out,
            "<p>Server killed at {:.1} s, ready again {:.2} s later.</p>",
            restart.killed_at_s, restart.ready_after_s
        )?;
    }
    for failure in &report.failures {
        write!(out, "<p class=\"bad\">Failed: {}</p>", escape(failure))?;
    }
    for account in &check.accounts {
        write!(out, "<pre>{}</pre>", escape(account))?;
    }
    Ok(())
}

/// What was broken, and what came of it.
fn faults(out: &mut String, report: &Report) -> fmt::Result {
    if report.nodes.len() > 1 {
        out.push_str("<h2>Nodes</h2><table><tr><th>address<th>starts</tr>");
        for node in &report.nodes {
            write!(out, "<tr><td>{}<td>{}</tr>", escape(&node.target), node.starts)?;
        }
        out.push_str("</table>");
    }
    if report.faults.is_empty() {
        return Ok(());
    }
    let seconds = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.2}"));
    out.push_str(
        "<h2>Faults</h2><table><tr><th>fault<th>at s<th>over at s<th>all ready after s<th>clients back after s<th></tr>",
    );
    for done in &report.faults {
        write!(
            out,
            "<tr><td>{} {}<td>{:.1}<td>{:.1}<td>{}<td>{}<td>{} {}</tr>",
            done.planned.number,
            escape(&done.planned.to_string()),
            done.began_s,
            done.over_s,
            seconds(done.ready_after_s),
            seconds(done.back_after_s),
            escape(&done.observed),
            escape(done.failed.as_deref().unwrap_or_default())
        )?;
    }
    out.push_str("</table>");
    Ok(())
}

fn steps(out: &mut String, report: &Report) -> fmt::Result {
    out.push_str("<table><tr><th>step, in ms<th>count<th>mean<th>p50<th>p90<th>p99<th>p99.9<th>max</tr>");
    for step in &report.steps {
        write!(out, "<tr><td>{}<td>{}", escape(step.label), step.count)?;
        let values = [step.p50_us, step.p90_us, step.p99_us, step.p999_us, step.max_us];
        write!(out, "<td>{:.2}", step.mean_us / 1e3)?;
        for us in values {
            write!(out, "<td>{:.2}", us as f64 / 1e3)?;
        }
        out.push_str("</tr>");
    }
    let through = &report.throughput;
    write!(
        out,
        "</table><p>{} messages acknowledged ({}/s in the median second), {} frames received ({:.0}/s), \
         {} consultations, {} cuts.</p>",
        through.messages_acked,
        through.median_messages_acked_per_s,
        through.frames_received,
        through.frames_received_per_s,
        through.consultations,
        through.reconnects
    )?;
    Ok(())
}

fn over_time(seconds: &[Second], step: Step) -> [Series<'static>; 2] {
    let (p50, p99) = match step {
        Step::SendSeen => ("send → frame p50", "send → frame p99"),
        _ => ("send → ack p50", "send → ack p99"),
    };
    let mut median = Vec::new();
    let mut tail = Vec::new();
    for second in seconds {
        if let Some(sample) = second.steps.get(step.key()) {
            median.push((second.at_s, sample.p50_us as f64 / 1e3));
            tail.push((second.at_s, sample.p99_us as f64 / 1e3));
        }
    }
    [Series { name: p50, points: median }, Series { name: p99, points: tail }]
}

fn counts<'a>(seconds: &[Second], step: Step, name: &'a str) -> Series<'a> {
    let count = |second: &Second| {
        let sample = second.steps.get(step.key());
        (second.at_s, sample.map_or(0.0, |sample| sample.count as f64))
    };
    Series { name, points: seconds.iter().map(count).collect() }
}

/// A percentile curve; its x counts nines, so that the tail has room.
fn curve(step: &StepReport) -> Option<Series<'_>> {
    let wanted = ["send_ack", "send_seen", "delivered_seen", "read_seen", "request_shown", "resume"];
    wanted.contains(&step.key).then(|| Series {
        name: step.label,
        points: step.curve.iter().map(|(quantile, us)| (-(1.0 - quantile).log10(), *us as f64 / 1e3)).collect(),
    })
}

/// One plot: lines over a common x, and vertical marks.
struct Plot<'a> {
    lines: &'a [Series<'a>],
    x_unit: &'a str,
    y_unit: &'a str,
    scale: Scale,
    marks: &'a [f64],
    x_max: f64,
    y_max: f64,
    y_min: f64,
}

impl<'a> Plot<'a> {
    fn new(lines: &'a [Series<'a>], x_unit: &'a str, y_unit: &'a str, scale: Scale) -> Self {
        let all = || lines.iter().flat_map(|line| &line.points);
        let y_max = all().map(|(_, y)| *y).fold(0.001, f64::max);
        Self {
            lines,
            x_unit,
            y_unit,
            scale,
            marks: &[],
            x_max: all().map(|(x, _)| *x).fold(0.001, f64::max),
            y_max,
            y_min: all().map(|(_, y)| *y).fold(y_max, f64::min).max(0.01),
        }
    }

    fn marked(mut self, marks: &'a [f64]) -> Self {
        self.marks = marks;
        self
    }

    fn x(&self, x: f64) -> f64 {
        LEFT + x / self.x_max * (WIDTH - LEFT - 12.0)
    }

    fn y(&self, y: f64) -> f64 {
        let share = match self.scale {
            Scale::Linear => y / self.y_max,
            Scale::Log => {
                let range = (self.y_max / self.y_min).ln().max(0.001);
                (y.max(self.y_min) / self.y_min).ln() / range
            }
        };
        HEIGHT - BOTTOM - share * (HEIGHT - BOTTOM - 12.0)
    }

    fn svg(&self, out: &mut String) -> fmt::Result {
        let height = HEIGHT + 18.0 * self.lines.len() as f64;
        write!(out, "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\">")?;
        self.grid(out)?;
        for mark in self.marks {
            write!(
                out,
                "<line x1=\"{0:.1}\" x2=\"{0:.1}\" y1=\"8\" y2=\"{1}\" stroke=\"#dc2626\" stroke-dasharray=\"4\"/>",
                self.x(*mark),
                HEIGHT - BOTTOM
            )?;
        }
        for (number, (line, colour)) in self.lines.iter().zip(COLOURS.iter().cycle()).enumerate() {
            write!(out, "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\" points=\"")?;
            for (x, y) in &line.points {
                write!(out, "{:.1},{:.1} ", self.x(*x), self.y(*y))?;
            }
            let y = HEIGHT + 12.0 + 18.0 * number as f64;
            write!(
                out,
                "\"/><rect x=\"{LEFT}\" y=\"{}\" width=\"12\" height=\"4\" fill=\"{colour}\"/><text x=\"{}\" y=\"{y}\">{}</text>",
                y - 6.0,
                LEFT + 20.0,
                escape(line.name)
            )?;
        }
        out.push_str("</svg>");
        Ok(())
    }

    fn grid(&self, out: &mut String) -> fmt::Result {
        for step in 0..=5 {
            let part = f64::from(step) / 5.0;
            let y = match self.scale {
                Scale::Linear => self.y_max * part,
                Scale::Log => self.y_min * (self.y_max / self.y_min).powf(part),
            };
            write!(
                out,
                "<line x1=\"{LEFT}\" x2=\"{WIDTH}\" y1=\"{0:.1}\" y2=\"{0:.1}\" stroke=\"#e2e8f0\"/>\
                 <text x=\"4\" y=\"{0:.1}\">{1} {2}</text>\
                 <text x=\"{3:.1}\" y=\"{4}\" text-anchor=\"middle\">{5} {6}</text>",
                self.y(y),
                short(y),
                self.y_unit,
                self.x(self.x_max * part),
                HEIGHT - 8.0,
                short(self.x_max * part),
                self.x_unit
            )?;
        }
        Ok(())
    }
}

fn short(value: f64) -> String {
    if value >= 100.0 {
        format!("{value:.0}")
    } else if value >= 1.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    }
}

fn list(out: &mut String, title: &str, counts: &BTreeMap<String, u64>) -> fmt::Result {
    if counts.is_empty() {
        return Ok(());
    }
    write!(out, "<h2>{title}</h2><table>")?;
    for (kind, count) in counts {
        write!(out, "<tr><td>{}<td>{count}</tr>", escape(kind))?;
    }
    out.push_str("</table>");
    Ok(())
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_plot_stays_within_its_box() {
        let lines = [
            Series { name: "a < b", points: vec![(0.0, 0.5), (10.0, 800.0)] },
            Series { name: "nothing", points: Vec::new() },
        ];
        for scale in [Scale::Linear, Scale::Log] {
            let plot = Plot::new(&lines, "s", "ms", scale).marked(&[5.0]);
            for (x, y) in [(0.0, 0.5), (10.0, 800.0), (5.0, 1.0)] {
                assert!((LEFT..=WIDTH).contains(&plot.x(x)));
                assert!((0.0..=HEIGHT - BOTTOM).contains(&plot.y(y)));
            }
            let mut out = String::new();
            plot.svg(&mut out).unwrap();
            assert!(out.contains("a &lt; b") && !out.contains("NaN"));
        }
    }
}
