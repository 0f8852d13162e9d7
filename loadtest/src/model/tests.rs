//! The arithmetic against numbers worked out by hand.
#![allow(clippy::unwrap_used, reason = "tests")]

use clap::Parser;

use super::args::Model;
use super::figures::Figures;
use super::needs::{Needs, lines, needs};
use crate::args::{Cli, Command};

fn load(words: &str) -> Model {
    let words = format!("loadtest model {words}");
    match Cli::try_parse_from(words.split_whitespace()).unwrap().command {
        Command::Model(model) => model,
        _ => unreachable!(),
    }
}

/// Round figures, so that a person can check the sums.
fn round() -> Figures {
    let mut figures = Figures::load(None).unwrap();
    for (name, value) in [
        ("ws_connection_bytes", 6000.0),
        ("sse_connection_bytes", 4000.0),
        ("kernel_socket_bytes", 4000.0),
        ("session_bytes", 1000.0),
        ("node_base_bytes", 100e6),
        ("commands_per_core_s", 1000.0),
        ("idle_connection_core_us_per_s", 2.0),
        ("bus_hint_core_us", 5.0),
        ("bus_slots", 64.0),
        ("bus_message_bytes", 500.0),
        ("bus_receipt_bytes", 200.0),
        ("bus_heartbeat_bytes", 50.0),
        ("bus_heartbeat_s", 1.0),
        ("redis_deliveries_per_s", 500_000.0),
        ("redis_bytes_per_s", 100e6),
        ("postgres_messages_per_core_s", 10_000.0),
        ("postgres_commit_ms", 2.0),
        ("postgres_commits_per_s", 5_000.0),
        ("lanes_per_node", 4.0),
        ("message_disk_bytes", 600.0),
        ("event_disk_bytes", 400.0),
        ("wal_factor", 2.0),
    ] {
        figures = figures.with(name, value);
    }
    figures
}

fn near(value: f64, expected: f64) {
    assert!((value - expected).abs() <= expected.abs() * 1e-6 + 1e-9, "{value} instead of {expected}");
}

fn of(words: &str) -> Needs {
    needs(&load(words), &round()).unwrap()
}

#[test]
fn one_small_node_needs_no_redis() {
    let small = of("--users 10000 --online 0.1 --sse 0.5 --sessions 100 --message-rate 1 --headroom 0 --spare-nodes 0");
    assert_eq!((small.nodes, small.redis_shards, small.postgres_primaries), (1, 0, 1));
    near(small.connections, 1000.0);
    near(small.commands_per_s, 300.0);
    near(small.memory_per_node_bytes, 100e6 + 1000.0 * 9000.0 + 100.0 * 1000.0);
    // 300 / 1,000, and 1,000 idle connections at 2 µs.
    near(small.cores_per_node, 0.3 + 0.002);
    near(small.published_per_s, 0.0);
}

#[test]
fn connections_decide_where_they_are_many() {
    let many =
        of("--users 10000000 --online 0.1 --sessions 10 --node-connections 100000 --headroom 0.5 --node-memory 64");
    // 1,000,000 on nodes that take 50,000 each, and a spare one.
    assert_eq!((many.nodes, many.bound), (21, "connections"));
    near(many.connections_per_node, 50_000.0);
}

#[test]
fn memory_decides_where_it_is_small() {
    let words = "--users 1000000 --online 0.5 --sse 0 --sessions 0 --node-memory 1 --headroom 0 --spare-nodes 0";
    let tight = of(words);
    // 100 MB and 10,000 bytes a connection into 1,073.7 MB: 97,374 connections.
    assert_eq!((tight.nodes, tight.bound), (6, "memory"));
    near(tight.memory_per_node_bytes, 100e6 + 500_000.0 / 6.0 * 10_000.0);
}

#[test]
fn what_is_published_reaches_every_node_with_somebody_of_the_slot() {
    let words = "--users 1000000 --online 0.1 --sse 0 --sessions 10000 --message-rate 1 --receipts 2 --node-cores 16 \
                 --headroom 0 --spare-nodes 0";
    let busy = of(words);
    assert_eq!(busy.bound, "cores");
    let nodes = busy.nodes as f64;
    // 1,563 users a slot: every node hears every slot.
    assert!(busy.slot_share > 0.999_999);
    let beats = nodes;
    near(busy.published_per_s, 20_000.0 + 20_000.0 + beats);
    near(busy.delivered_per_s, busy.published_per_s * nodes);
    near(busy.redis_in_bytes_per_s, 20_000.0 * 500.0 + 20_000.0 * 200.0 + beats * 50.0);
    near(busy.redis_out_bytes_per_s, busy.redis_in_bytes_per_s * nodes);
    assert_eq!(busy.redis_shards, (busy.redis_out_bytes_per_s / 100e6).ceil() as u64);
    // The same with one node less would not do.
    let heard = |nodes: f64| (40_000.0 + nodes) * 5.0 / 1e6;
    let cores = |nodes: f64| 30_000.0 / nodes / 1000.0 + 100_000.0 / nodes * 2.0 / 1e6 + heard(nodes);
    near(busy.cores_per_node, cores(nodes));
    assert!(cores(nodes) <= 16.0 && cores(nodes - 1.0) > 16.0);
}

#[test]
fn a_lane_commits_what_has_gathered() {
    let words = "--users 1000 --online 1 --sessions 4000 --message-rate 1 --receipts 2 --node-cores 64 --headroom 0 --spare-nodes 0";
    let one = of(words);
    assert_eq!(one.nodes, 1);
    // 12,000 commands on four lanes, 2 ms a commit: 2,000 commits, six commands in each.
    near(one.commands_per_commit, 6.0);
    near(one.commits_per_s, 2000.0);
    near(one.postgres_cores, 1.2);
    // Where Postgres commits less than the lanes could, more gathers.
    let slow = needs(&load(words), &round().with("postgres_commits_per_s", 1_000.0)).unwrap();
    near(slow.commits_per_s, 1000.0);
    near(slow.commands_per_commit, 12.0);
    let idle = of("--users 1000 --online 1 --sessions 10 --message-rate 1");
    near(idle.commands_per_commit, 1.0);
    near(idle.commits_per_s, idle.commands_per_s);
}

#[test]
fn growth_is_what_a_day_writes() {
    let day = of("--users 1000 --sessions 1000 --message-rate 0.5 --receipts 2 --peak-hours 8");
    near(day.messages_per_day, 500.0 * 8.0 * 3600.0);
    near(day.growth_bytes_per_day, day.messages_per_day * 600.0);
    near(day.kept_events_bytes, day.messages_per_day * 2.0 * 400.0 * 3.0);
    near(day.wal_bytes_per_day, 2.0 * day.messages_per_day * (600.0 + 2.0 * 400.0));
}

#[test]
fn headroom_and_spare_nodes_only_ever_add() {
    let words = "--users 10000000 --sessions 50000";
    let tight = of(&format!("{words} --headroom 0 --spare-nodes 0"));
    let roomy = of(&format!("{words} --headroom 0.5 --spare-nodes 2"));
    assert!(roomy.nodes >= tight.nodes * 2 && roomy.postgres_cores > tight.postgres_cores);
    assert!(roomy.redis_shards > tight.redis_shards);
}

#[test]
fn what_no_number_of_nodes_can_do_is_said() {
    // Each node hears everything: more nodes do not help.
    let words = "--users 10000000 --online 1 --sessions 10000000 --message-rate 10 --node-cores 1";
    let refused = needs(&load(words), &round()).unwrap_err();
    assert!(refused.contains("cores"), "{refused}");
}

#[test]
fn the_built_in_figures_answer_the_standing_question() {
    let load = load("--users 10000000 --online 0.1 --sessions 50000");
    let figures = Figures::load(None).unwrap();
    let needs = needs(&load, &figures).unwrap();
    assert!(needs.nodes > 2 && needs.redis_shards > 0 && needs.postgres_primaries > 0);
    let lines = lines(&load, &figures, &needs);
    assert!(lines.len() > 20);
    for line in lines {
        assert!(!line.value.contains("NaN") && !line.formula.contains("NaN"), "{line:?}");
        assert!(!line.formula.is_empty());
    }
}
