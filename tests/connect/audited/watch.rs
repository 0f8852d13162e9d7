//! Calls routes and looks at the audit rows that each call leaves.

use std::collections::{BTreeMap, BTreeSet};

use axum::http::Method;
use consilium_storage::ids::UserId;
use consilium_storage::testing::AuditRow;
use serde_json::Value;

use crate::support::client::{Answer, Client, send};
use crate::support::media::meeting;
use crate::support::meeting::Meeting;
use crate::support::twirp::TwirpPeer;

/// Routes that find somebody's thing by their body or query; the others that do so name it in their path.
const NAMED_ELSEWHERE: [&str; 5] = ["C80", "C85", "C86", "C103", "C107"];

/// Who calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    Patient,
    Doctor,
    Admin,
}

/// A meeting, an admin, two strangers, and what was seen so far.
pub(super) struct Watch {
    pub(super) m: Meeting,
    pub(super) peer: TwirpPeer,
    /// The document's routes below `/api/v2/`, by their id.
    pub(super) routes: BTreeMap<String, (Method, String)>,
    /// The ids of the routes that were called.
    pub(super) seen: BTreeSet<&'static str>,
    admin: Client,
    strangers: [Client; 2],
    /// The newest audit row that was looked at.
    last: i64,
}

impl Watch {
    pub(super) async fn start() -> Self {
        let (m, peer) = meeting().await;
        let (admin, strangers) = (m.app.admin().await, m.strangers().await);
        let document = m.app.nobody().get("/openapi.json").await.expect(200);
        Self { routes: routes(&document), seen: BTreeSet::new(), last: 0, m, peer, admin, strangers }
    }

    pub(super) fn client(&self, who: Who) -> Client {
        match who {
            Who::Patient => self.m.patient.clone(),
            Who::Doctor => self.m.doctor.clone(),
            Who::Admin => self.admin.clone(),
        }
    }

    /// Somebody of the same role who has no part in what these do; to an admin nobody is a stranger.
    pub(super) fn stranger(&self, who: Who) -> Client {
        match who {
            Who::Patient => self.strangers[0].clone(),
            Who::Doctor => self.strangers[1].clone(),
            Who::Admin => self.admin.clone(),
        }
    }

    /// Calls a route that reads or changes the patient's data.
    pub(super) async fn call(&mut self, id: &'static str, who: Who, path: &str, body: Value, action: &str) -> Value {
        let answer = self.ask(id, who, path, body).await;
        self.noted(id, Some(self.client(who).id), action, Some(self.m.patient.id), answer).await
    }

    /// Calls an admin's route that changes what is nobody's data.
    pub(super) async fn act(&mut self, id: &'static str, path: &str, body: Value, action: &str) -> Value {
        let answer = self.ask(id, Who::Admin, path, body).await;
        self.noted(id, Some(self.admin.id), action, None, answer).await
    }

    /// Calls a route; what names a thing is asked for by a stranger before, or, by an admin, for a thing that is not there.
    pub(super) async fn ask(&mut self, id: &str, who: Who, path: &str, body: Value) -> Answer {
        let (method, route) = self.routes[id].clone();
        assert!(is_of(&route, path), "{id} is {route}, not {path}");
        let request = |by: &Client, path: &str| {
            let request = by.request(method.clone(), path);
            if body.is_null() { request } else { request.json(&body) }
        };
        self.pass().await;
        if route.contains('{') || NAMED_ELSEWHERE.contains(&id) {
            let elsewhere = if who == Who::Admin { nowhere(&route) } else { path.to_owned() };
            let answer = send(request(&self.stranger(who), &elsewhere)).await;
            self.refused(id, &answer).await;
        }
        send(request(&self.client(who), path)).await
    }

    /// The call succeeded, and its one row says this.
    pub(super) async fn noted(
        &mut self,
        id: &'static str,
        actor: Option<UserId>,
        action: &str,
        subject: Option<UserId>,
        answer: Answer,
    ) -> Value {
        assert!((200..300).contains(&answer.status), "{id}: {} {}", answer.status, answer.text);
        self.left(id, actor, action, subject).await;
        answer.body
    }

    /// As [`Watch::noted`], for an answer that does not end.
    pub(super) async fn left(
        &mut self,
        id: &'static str,
        actor: Option<UserId>,
        action: &str,
        subject: Option<UserId>,
    ) {
        let rows = self.rows(actor.is_none()).await;
        let found: Vec<_> = rows.iter().map(|row| (row.actor, row.action.as_str(), row.subject)).collect();
        assert_eq!(found, [(actor, action, subject)], "{id}");
        assert!(self.seen.insert(id), "{id} was called before");
    }

    /// The call found nothing, and no row claims that it did.
    pub(super) async fn refused(&mut self, id: &str, answer: &Answer) {
        assert_eq!(answer.status, 404, "{id}: {}", answer.text);
        let rows = self.rows(false).await;
        assert!(rows.is_empty(), "{id} was refused: {rows:?}");
    }

    /// Reads with a route that leaves no row.
    pub(super) async fn leaves_none(&mut self, id: &str, who: Who, path: &str) {
        let (method, route) = self.routes[id].clone();
        assert!(is_of(&route, path), "{id} is {route}, not {path}");
        self.pass().await;
        let answer = send(self.client(who).request(method, path)).await;
        assert_eq!(answer.status, 200, "{id}: {}", answer.text);
        let rows = self.rows(false).await;
        assert!(rows.is_empty(), "{id} is said to leave none: {rows:?}");
    }

    /// Passes over what was done on the way.
    pub(super) async fn pass(&mut self) {
        self.rows(false).await;
    }

    /// The rows that were not looked at yet. What the system does unasked is none of a caller's doing.
    async fn rows(&mut self, of_the_system: bool) -> Vec<AuditRow> {
        let mut rows = self.m.app.audit_after(self.last).await;
        self.last = rows.last().map_or(self.last, |row| row.id);
        rows.retain(|row| of_the_system || row.actor.is_some());
        rows
    }
}

fn routes(document: &Value) -> BTreeMap<String, (Method, String)> {
    let mut routes = BTreeMap::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        let Some(route) = path.strip_prefix("/api/v2/") else { continue };
        for (method, operation) in methods.as_object().unwrap() {
            let id = operation["operationId"].as_str().unwrap().to_owned();
            routes.insert(id, (method.to_uppercase().parse().unwrap(), route.to_owned()));
        }
    }
    routes
}

/// Whether a path, without what is asked of it, is one of this route.
fn is_of(route: &str, path: &str) -> bool {
    let path = path.split('?').next().unwrap();
    let (named, given): (Vec<_>, Vec<_>) = (route.split('/').collect(), path.split('/').collect());
    let fits = |(name, part): (&&str, &&str)| name.starts_with('{') || name == part;
    named.len() == given.len() && named.iter().zip(&given).all(fits)
}

/// The route with an id of nothing in each place.
fn nowhere(route: &str) -> String {
    let id = "00000000-0000-4000-8000-000000000000";
    let parts: Vec<_> = route.split('/').map(|part| if part.starts_with('{') { id } else { part }).collect();
    parts.join("/")
}
