//! The arithmetic: pure, from the load and the figures to what it takes.

use serde::Serialize;

use super::args::Model;
use super::figures::Figures;

/// No more nodes than this are tried.
const MOST_NODES: u64 = 1_000_000;
const GIB: f64 = 1024.0 * 1024.0 * 1024.0;
const DAY: f64 = 86_400.0;

/// What it takes, in plain units.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub(crate) struct Needs {
    pub(crate) connections: f64,
    pub(crate) messages_per_s: f64,
    /// Messages and receipts.
    pub(crate) commands_per_s: f64,
    /// Nodes, the spare ones included.
    pub(crate) nodes: u64,
    /// What decided it: connections, memory or cores.
    pub(crate) bound: &'static str,
    pub(crate) connections_per_node: f64,
    pub(crate) memory_per_node_bytes: f64,
    pub(crate) memory_bytes: f64,
    pub(crate) cores_per_node: f64,
    /// Share of the nodes that hear a slot.
    pub(crate) slot_share: f64,
    pub(crate) published_per_s: f64,
    pub(crate) delivered_per_s: f64,
    pub(crate) redis_in_bytes_per_s: f64,
    pub(crate) redis_out_bytes_per_s: f64,
    pub(crate) redis_shards: u64,
    pub(crate) commits_per_s: f64,
    pub(crate) commands_per_commit: f64,
    pub(crate) postgres_cores: f64,
    pub(crate) postgres_primaries: u64,
    pub(crate) postgres_connections: f64,
    pub(crate) messages_per_day: f64,
    pub(crate) growth_bytes_per_day: f64,
    pub(crate) kept_events_bytes: f64,
    pub(crate) wal_bytes_per_day: f64,
}

/// What the load needs; an error if no number of nodes would do.
pub(crate) fn needs(load: &Model, figures: &Figures) -> Result<Needs, String> {
    let usable = 1.0 - load.headroom;
    let bounds = |nodes: u64| {
        let node = node(load, figures, nodes);
        [
            (node.connections <= load.node_connections as f64 * usable, "connections"),
            (node.memory <= load.node_memory * GIB * usable, "memory"),
            (node.cores <= load.node_cores * usable, "cores"),
        ]
    };
    let mut working = 1_u64;
    let mut bound = "one is enough";
    while let Some((_, what)) = bounds(working).into_iter().find(|(fits, _)| !fits) {
        bound = what;
        // What one more node changes is small where there are many.
        working += (working / 256).max(1);
        if working > MOST_NODES {
            return Err(format!(
                "no number of nodes is enough: {what} of a node do not suffice for what each has to do"
            ));
        }
    }
    let nodes = working + load.spare_nodes;
    // At the peak with the spare ones away, as it must also work.
    let node = node(load, figures, working);
    let bus = bus(load, figures, nodes);
    let postgres = postgres(load, figures, nodes);
    let days = figures.get("inbox_retention_days");
    let receipts_per_day = postgres.messages_per_day * load.receipts;
    Ok(Needs {
        connections: connections(load),
        messages_per_s: messages(load),
        commands_per_s: commands(load),
        nodes,
        bound,
        connections_per_node: node.connections,
        memory_per_node_bytes: node.memory,
        memory_bytes: node.memory * working as f64 + figures.get("node_base_bytes") * load.spare_nodes as f64,
        cores_per_node: node.cores,
        slot_share: bus.slot_share,
        published_per_s: bus.published,
        delivered_per_s: bus.delivered,
        redis_in_bytes_per_s: bus.bytes_in,
        redis_out_bytes_per_s: bus.bytes_out,
        redis_shards: shards(&bus, figures, usable),
        commits_per_s: postgres.commits,
        commands_per_commit: postgres.per_commit,
        postgres_cores: postgres.cores / usable,
        postgres_primaries: up(postgres.cores / usable / figures.get("postgres_cores")),
        postgres_connections: nodes as f64 * figures.get("database_connections_per_node"),
        messages_per_day: postgres.messages_per_day,
        growth_bytes_per_day: postgres.messages_per_day * figures.get("message_disk_bytes"),
        kept_events_bytes: receipts_per_day * figures.get("event_disk_bytes") * days,
        wal_bytes_per_day: figures.get("wal_factor")
            * (postgres.messages_per_day * figures.get("message_disk_bytes")
                + receipts_per_day * figures.get("event_disk_bytes")),
    })
}

fn connections(load: &Model) -> f64 {
    load.users as f64 * load.online * load.devices
}

fn messages(load: &Model) -> f64 {
    load.sessions as f64 * load.message_rate
}

fn commands(load: &Model) -> f64 {
    messages(load) * (1.0 + load.receipts)
}

struct Node {
    connections: f64,
    memory: f64,
    cores: f64,
}

/// What one of so many nodes has to bear.
fn node(load: &Model, figures: &Figures, nodes: u64) -> Node {
    let count = nodes as f64;
    let connections = connections(load) / count;
    let bytes = figures.get("sse_connection_bytes") * load.sse
        + figures.get("ws_connection_bytes") * (1.0 - load.sse)
        + figures.get("kernel_socket_bytes");
    // A session lives where its parties are connected: on two nodes, if there are two.
    let sessions = load.sessions as f64 * count.min(2.0) / count;
    let memory = figures.get("node_base_bytes") + connections * bytes + sessions * figures.get("session_bytes");
    let heard = bus(load, figures, nodes).delivered / count;
    let cores = commands(load) / count / figures.get("commands_per_core_s")
        + connections * figures.get("idle_connection_core_us_per_s") / 1e6
        + heard * figures.get("bus_hint_core_us") / 1e6;
    Node { connections, memory, cores }
}

struct Bus {
    slot_share: f64,
    published: f64,
    delivered: f64,
    bytes_in: f64,
    bytes_out: f64,
}

/// What goes through Redis: an event is published once for the slot of each recipient, and reaches every node that
/// has somebody of that slot; a node's heartbeat reaches all.
fn bus(load: &Model, figures: &Figures, nodes: u64) -> Bus {
    if nodes < 2 {
        return Bus { slot_share: 0.0, published: 0.0, delivered: 0.0, bytes_in: 0.0, bytes_out: 0.0 };
    }
    let count = nodes as f64;
    let in_slot = load.users as f64 * load.online / figures.get("bus_slots");
    let slot_share = 1.0 - (1.0 - 1.0 / count).powf(in_slot);
    // A message goes to both parties, a receipt to the sender.
    let messages = messages(load) * 2.0;
    let receipts = messages_of_receipts(load);
    let event_bytes = messages * figures.get("bus_message_bytes") + receipts * figures.get("bus_receipt_bytes");
    let beats = count / figures.get("bus_heartbeat_s");
    let beat_bytes = beats * figures.get("bus_heartbeat_bytes");
    let copies = count * slot_share;
    Bus {
        slot_share,
        published: messages + receipts + beats,
        delivered: (messages + receipts) * copies + beats * count,
        bytes_in: event_bytes + beat_bytes,
        bytes_out: event_bytes * copies + beat_bytes * count,
    }
}

fn messages_of_receipts(load: &Model) -> f64 {
    messages(load) * load.receipts
}

fn shards(bus: &Bus, figures: &Figures, usable: f64) -> u64 {
    let deliveries = bus.delivered / (figures.get("redis_deliveries_per_s") * usable);
    let bytes = bus.bytes_out / (figures.get("redis_bytes_per_s") * usable);
    up(deliveries.max(bytes))
}

struct Postgres {
    commits: f64,
    per_commit: f64,
    cores: f64,
    messages_per_day: f64,
}

/// A lane commits when the commit before is done, with whatever has gathered; so what Postgres cannot commit one by
/// one gathers into larger commits.
fn postgres(load: &Model, figures: &Figures, nodes: u64) -> Postgres {
    let commands = commands(load);
    let lanes = nodes as f64 * figures.get("lanes_per_node");
    let cores = commands / figures.get("postgres_messages_per_core_s");
    let usable = 1.0 - load.headroom;
    let primaries = up(cores / usable / figures.get("postgres_cores")).max(1) as f64;
    let commits = commands
        .min(lanes * 1e3 / figures.get("postgres_commit_ms"))
        .min(primaries * figures.get("postgres_commits_per_s") * usable);
    Postgres {
        commits,
        per_commit: if commits > 0.0 { commands / commits } else { 1.0 },
        cores,
        messages_per_day: messages(load) * load.peak_hours.min(24.0) * DAY / 24.0,
    }
}

fn up(value: f64) -> u64 {
    if value > 0.0 { (value - 1e-9).ceil().max(1.0) as u64 } else { 0 }
}

/// A line of the answer.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub(crate) struct Line {
    pub(crate) part: &'static str,
    pub(crate) what: &'static str,
    pub(crate) value: String,
    /// How it follows, in the names of the figures.
    pub(crate) formula: String,
}

/// The answer, line by line.
pub(crate) fn lines(load: &Model, figures: &Figures, needs: &Needs) -> Vec<Line> {
    let mut lines = of_nodes(load, needs);
    lines.extend(of_redis(load, figures, needs));
    lines.extend(of_postgres(load, figures, needs));
    lines
}

fn of_nodes(load: &Model, needs: &Needs) -> Vec<Line> {
    let line = |what, value, formula| Line { part: "nodes", what, value, formula };
    let working = needs.nodes - load.spare_nodes;
    let free = load.headroom * 100.0;
    vec![
        line(
            "connections",
            count(needs.connections),
            format!("users {} × online {} × devices {}", count(load.users as f64), load.online, load.devices),
        ),
        line(
            "messages/s",
            count(needs.messages_per_s),
            format!("sessions {} × message_rate {}", count(load.sessions as f64), load.message_rate),
        ),
        line("commands/s", count(needs.commands_per_s), format!("messages/s × (1 + receipts {})", load.receipts)),
        line(
            "nodes",
            needs.nodes.to_string(),
            format!(
                "{working} so that connections, memory and cores of each fit with {free:.0} % free ({} decide) + {} spare",
                needs.bound, load.spare_nodes
            ),
        ),
        line(
            "connections a node",
            count(needs.connections_per_node),
            format!("connections / {working}, at most {}", count(load.node_connections as f64)),
        ),
        line(
            "memory a node",
            bytes(needs.memory_per_node_bytes),
            format!(
                "node_base + connections a node × ({} % sse, else ws, + kernel_socket) + sessions here × session_bytes; of {} GiB",
                load.sse * 100.0,
                load.node_memory
            ),
        ),
        line(
            "cores a node",
            format!("{:.2}", needs.cores_per_node),
            format!(
                "commands / commands_per_core + connections × idle_connection_core + deliveries × bus_hint_core; of {}",
                load.node_cores
            ),
        ),
        line("memory in all", bytes(needs.memory_bytes), format!("{working} × memory a node + spare × node_base")),
    ]
}

fn of_redis(load: &Model, figures: &Figures, needs: &Needs) -> Vec<Line> {
    let line = |what, value, formula| Line { part: "redis", what, value, formula };
    vec![
        line(
            "nodes that hear a slot",
            format!("{:.1} of {}", needs.slot_share * needs.nodes as f64, needs.nodes),
            format!("nodes × (1 - (1 - 1/nodes)^(online users / bus_slots {}))", count(figures.get("bus_slots"))),
        ),
        line(
            "published/s",
            count(needs.published_per_s),
            format!("messages × 2 parties + messages × receipts {} + nodes / bus_heartbeat_s", load.receipts),
        ),
        line(
            "delivered/s",
            count(needs.delivered_per_s),
            "published × nodes that hear a slot; heartbeats × nodes".to_owned(),
        ),
        line(
            "bandwidth in",
            format!("{}/s", bytes(needs.redis_in_bytes_per_s)),
            "published × bytes of each kind".to_owned(),
        ),
        line(
            "bandwidth out",
            format!("{}/s", bytes(needs.redis_out_bytes_per_s)),
            "delivered × bytes of each kind".to_owned(),
        ),
        line(
            "shards",
            needs.redis_shards.to_string(),
            format!(
                "the larger of delivered / redis_deliveries and out / redis_bytes, {:.0} % free",
                load.headroom * 100.0
            ),
        ),
    ]
}

fn of_postgres(load: &Model, figures: &Figures, needs: &Needs) -> Vec<Line> {
    let line = |what, value, formula| Line { part: "postgres", what, value, formula };
    vec![
        line(
            "commits/s",
            count(needs.commits_per_s),
            format!(
                "the least of commands, nodes × lanes_per_node / postgres_commit_ms, and primaries × postgres_commits_per_s {}, {:.0} % free",
                count(figures.get("postgres_commits_per_s")),
                load.headroom * 100.0
            ),
        ),
        line("commands a commit", format!("{:.1}", needs.commands_per_commit), "commands / commits".to_owned()),
        line(
            "cores",
            format!("{:.1}", needs.postgres_cores),
            format!("commands / postgres_messages_per_core, {:.0} % free", load.headroom * 100.0),
        ),
        line(
            "primaries",
            needs.postgres_primaries.to_string(),
            format!("cores / {}; more than one means a distributed Postgres", count(figures.get("postgres_cores"))),
        ),
        line("connections", count(needs.postgres_connections), "nodes × database_connections_per_node".to_owned()),
        line(
            "messages a day",
            count(needs.messages_per_day),
            format!("messages/s × peak_hours {} × 3,600", load.peak_hours),
        ),
        line(
            "growth a day",
            bytes(needs.growth_bytes_per_day),
            format!("messages a day × message_disk_bytes {}", count(figures.get("message_disk_bytes"))),
        ),
        line(
            "events kept",
            bytes(needs.kept_events_bytes),
            format!(
                "messages a day × receipts × event_disk_bytes {} × {} days, then dropped",
                count(figures.get("event_disk_bytes")),
                figures.get("inbox_retention_days")
            ),
        ),
        line(
            "log a day",
            bytes(needs.wal_bytes_per_day),
            format!("(messages + receipts) × their bytes × wal_factor {}", figures.get("wal_factor")),
        ),
    ]
}

/// `12,345,678`, with a decimal where the number is small.
fn count(value: f64) -> String {
    if value.abs() < 10.0 && value.fract().abs() > 1e-9 {
        return format!("{value:.2}");
    }
    let digits = format!("{value:.0}");
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

fn bytes(value: f64) -> String {
    let mut value = value;
    for unit in ["B", "KiB", "MiB", "GiB", "TiB"] {
        if value < 1024.0 {
            return format!("{value:.1} {unit}");
        }
        value /= 1024.0;
    }
    format!("{value:.1} PiB")
}
