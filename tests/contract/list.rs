//! `endpoints.tsv`, the contract's endpoint table, and which of its rows this version serves.

use std::collections::HashSet;

use axum::http::Method;
use consilium_storage::accounts::Role;

/// The rows that are served, besides the root pages `G44-47`.
const SERVED: &str = "C1-143,G44-47,R1-4,X1-3";

/// Served, but no part of an OpenAPI document: pages, the document itself, the WebSocket upgrade.
const OUTSIDE: [&str; 6] = ["/docs", "/redoc", "/openapi.json", "/asyncapi.json", "/metrics", "/api/v2/connect/ws"];

/// One row of the table.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) family: &'static str,
    pub(crate) id: &'static str,
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    pub(crate) who: &'static str,
    /// The statuses of success.
    pub(crate) ok: Vec<u16>,
}

/// All rows.
pub(crate) fn rows() -> Vec<Row> {
    include_str!("endpoints.tsv").lines().skip(1).map(row).collect()
}

fn row(line: &'static str) -> Row {
    let cells: Vec<&str> = line.split('\t').collect();
    Row {
        family: cells[0],
        id: cells[1],
        method: cells[2].parse().unwrap(),
        path: cells[3],
        who: cells[4],
        ok: cells[5].split('/').map(|status| status.parse().unwrap()).collect(),
    }
}

/// The rows that this version serves.
pub(crate) fn served() -> Vec<Row> {
    let ids = served_ids();
    let rows: Vec<Row> = rows().into_iter().filter(|row| ids.contains(row.id)).collect();
    assert_eq!(rows.len(), ids.len());
    rows
}

/// The rows that it does not.
pub(crate) fn absent() -> Vec<Row> {
    let ids = served_ids();
    rows().into_iter().filter(|row| !ids.contains(row.id)).collect()
}

fn served_ids() -> HashSet<String> {
    SERVED.split(',').flat_map(range).collect()
}

fn range(text: &str) -> Vec<String> {
    let (family, numbers) = text.split_at(1);
    let (from, to) = numbers.split_once('-').unwrap_or((numbers, numbers));
    (from.parse().unwrap()..=to.parse::<u32>().unwrap()).map(|number| format!("{family}{number}")).collect()
}

impl Row {
    /// Whether it has a place in the OpenAPI document.
    pub(crate) fn is_documented(&self) -> bool {
        !OUTSIDE.contains(&self.path)
    }

    /// The path with an id that names nothing in each place.
    pub(crate) fn path_to_nothing(&self) -> String {
        fill(self.path, "00000000-0000-4000-8000-000000000000")
    }

    /// The path with something in place of its ids that is no id; none where it takes no id.
    pub(crate) fn path_of_nonsense(&self) -> Option<String> {
        // An order's id is no UUID: one that is not ours names nothing.
        (self.path.contains("_id}") && self.id != "C115").then(|| fill(self.path, "no-id"))
    }

    /// Whom it serves; none where no token is needed.
    pub(crate) fn roles(&self) -> Option<Vec<Role>> {
        let first = self.who.split(" (").next().unwrap();
        match first {
            "client" => Some(vec![Role::Client]),
            "doctor" => Some(vec![Role::Doctor]),
            "admin" => Some(vec![Role::Admin]),
            "participant" | "client, doctor" | "uploader" => Some(vec![Role::Client, Role::Doctor]),
            "any" => Some(vec![Role::Client, Role::Doctor, Role::Admin]),
            "public" | "optional auth" | "media server" | "provider" | "—" => None,
            other => panic!("{}: whom does {other:?} mean?", self.id),
        }
    }
}

/// The path with this in place of each parameter.
pub(crate) fn fill(path: &str, with: &str) -> String {
    let segments = path.split('/').map(|segment| if segment.starts_with('{') { with } else { segment });
    segments.collect::<Vec<_>>().join("/")
}
