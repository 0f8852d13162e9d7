//! What Linux tells of the process, under the names that every Prometheus dashboard knows. Elsewhere the figures stay 0.

use std::fs;

/// Ticks of `/proc/self/stat` in a second: the same on every architecture that we build for.
const TICKS: f64 = 100.0;

/// Reads and records all of it. It reads files that the kernel makes up: nothing waits for a disk.
pub fn record() {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    if let Some(kib) = line_of(&status, "VmRSS:").and_then(first_number) {
        metrics::gauge!("process_resident_memory_bytes").set(kib * 1024.0);
    }
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    if let Some(Times { used, started }) = times(&stat) {
        metrics::counter!("process_cpu_seconds_total").absolute(used as u64);
        let system = fs::read_to_string("/proc/stat").unwrap_or_default();
        if let Some(boot) = line_of(&system, "btime").and_then(first_number) {
            metrics::gauge!("process_start_time_seconds").set(boot + started);
        }
    }
    if let Some(open) = open_files() {
        metrics::gauge!("process_open_fds").set(open as f64);
    }
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    if let Some(limit) = line_of(&limits, "Max open files").and_then(first_number) {
        metrics::gauge!("process_max_fds").set(limit);
    }
}

/// The kernel says how many there are as the folder's size; older ones (before 6.2) want them counted.
fn open_files() -> Option<u64> {
    match fs::metadata("/proc/self/fd").ok()?.len() {
        0 => Some(fs::read_dir("/proc/self/fd").ok()?.count() as u64),
        count => Some(count),
    }
}

/// Seconds on a processor, and seconds from the machine's start to the process'.
struct Times {
    used: f64,
    started: f64,
}

/// The name of the program, in brackets, may hold anything: the fields are counted from its end.
fn times(stat: &str) -> Option<Times> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let fields: Vec<&str> = fields.split_ascii_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<f64>().ok();
    Some(Times { used: (number(11)? + number(12)?) / TICKS, started: number(19)? / TICKS })
}

fn line_of<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(name))
}

fn first_number(text: &str) -> Option<f64> {
    text.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_name_with_spaces_and_brackets_moves_no_field() {
        let stat = "7 (a (b) c) S 1 7 7 0 -1 4194304 100 0 0 0 250 50 0 0 20 0 3 0 123456 1000 200";
        let Times { used, started } = times(stat).unwrap();
        assert_eq!((used, started), (3.0, 1234.56));
        assert!(times("nonsense").is_none());
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_has_memory_and_files() {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        assert!(line_of(&status, "VmRSS:").and_then(first_number).unwrap() > 0.0);
        assert!(open_files().unwrap() > 0);
        assert!(times(&fs::read_to_string("/proc/self/stat").unwrap()).is_some());
    }
}
