//! The quiet end of a run: every inbox read to its head, every session's history read back.

use std::collections::{HashMap, HashSet};

use futures_util::{StreamExt, stream};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::account::Account;
use crate::client::Departed;
use crate::frame::{self, Frame};
use crate::history::record::{Channel, Stored};
use crate::history::{Cursor, Entry, Evidence, Parties, What};
use crate::http::{Answer, Call, Http, Trouble};
use crate::setup::bar;
use crate::world::World;

const AT_ONCE: usize = 8;
/// Far more pages than any run fills.
const PAGES: usize = 10_000;

#[derive(Debug, Deserialize)]
struct Polled<'a> {
    #[serde(borrow)]
    events: Vec<&'a RawValue>,
    cursor: String,
    #[serde(default)]
    resync: bool,
    #[serde(default)]
    has_more: bool,
}

/// Reads everything back.
pub(crate) async fn settle(world: &World, departed: Vec<Departed>, allow_resync: bool) -> Result<Evidence, Trouble> {
    let progress = bar(departed.len() as u64, "inboxes");
    let mut accounts: HashMap<Uuid, Account> = HashMap::new();
    let mut evidence = Evidence { allow_resync, parties: world.sessions(), ..Evidence::default() };
    let polls = departed.into_iter().map(|client| poll(world, client));
    let mut polls = stream::iter(polls).buffer_unordered(AT_ONCE);
    while let Some(client) = polls.next().await {
        progress.inc(1);
        accounts.insert(client.account.id, client.account);
        evidence.requests.extend(client.requests);
        evidence.inboxes.push(client.log);
    }
    progress.finish();
    strangers(world, &accounts, &mut evidence).await;
    let progress = bar(evidence.parties.len() as u64, "histories");
    let reading = evidence.parties.iter().map(|(session, parties)| {
        let account = accounts.get(&parties.patient).cloned();
        async move {
            let list = match account {
                Some(account) => history(&world.http, *session, account).await?,
                None => Vec::new(),
            };
            Ok::<_, Trouble>((*session, list))
        }
    });
    let mut reading = stream::iter(reading).buffer_unordered(AT_ONCE);
    let mut histories = HashMap::new();
    while let Some(read) = reading.next().await {
        progress.inc(1);
        let (session, list) = read?;
        histories.insert(session, list);
    }
    drop(reading);
    progress.finish();
    evidence.histories = histories;
    Ok(evidence)
}

/// Reads on from where the client stood until there is nothing more.
async fn poll(world: &World, mut client: Departed) -> Departed {
    let Some(mut position) = client.position.clone() else {
        return client;
    };
    let conn = client.conn + 1;
    let opened = What::Opened { channel: Channel::Poll, asked: Cursor::parse(&position), cursor: None };
    client.log.entries.push(Entry { at_us: world.now_us(), conn, what: opened });
    for _ in 0..PAGES {
        match page(world, &mut client, &position, conn).await {
            Ok(Some(next)) => position = next,
            Ok(None) => {
                client.log.settled = true;
                break;
            }
            Err(why) => {
                world.stats.error(format!("final poll: {why}"));
                break;
            }
        }
    }
    client
}

/// Notes one page and gives the next position; `None` at the head.
async fn page(world: &World, client: &mut Departed, position: &str, conn: u32) -> Result<Option<String>, String> {
    let path = format!("/api/v2/connect/events/poll?since={position}&limit=500&wait=0");
    let answer = authorized(&world.http, &path, &mut client.account).await.map_err(|trouble| trouble.to_string())?;
    if answer.status != 200 {
        return Err(answer.status.to_string());
    }
    let page: Polled<'_> = serde_json::from_slice(&answer.body).map_err(|_| "unreadable answer".to_owned())?;
    let at_us = world.now_us();
    if page.resync
        && let Some(cursor) = Cursor::parse(&page.cursor)
    {
        client.log.entries.push(Entry { at_us, conn, what: What::Resync { cursor } });
    }
    for raw in &page.events {
        match read(raw.get()) {
            Some(what) => client.log.entries.push(Entry { at_us, conn, what }),
            None => world.stats.error("final poll: unreadable event".into()),
        }
    }
    let at_head = page.events.is_empty() && !page.has_more && !page.resync;
    Ok((!at_head).then_some(page.cursor))
}

fn read(text: &str) -> Option<What> {
    let frame = Frame::parse(text).ok()?;
    let cursor = Cursor::parse(frame.cursor.as_deref()?)?;
    if frame.name == "redacted" {
        return Some(What::Redacted { cursor });
    }
    let event = frame.event()?;
    Some(What::Event { cursor: Some(cursor), event })
}

/// A GET that renews the token once if it has expired, and bears a server that is just coming back.
async fn authorized(http: &Http, path: &str, account: &mut Account) -> Result<Answer, Trouble> {
    let mut last = Trouble::Transport("not tried".into());
    let start = rand::random_range(0..http.targets.len().max(1));
    for attempt in 0..20_u64 {
        let call = Call::get(path, Some(&account.access));
        // From one node after the other: whoever was written to, all must tell the same.
        let node = start + attempt as usize;
        match http.call(node, &call).await {
            Ok(answer) if answer.status == 401 => account.renew(http, node).await?,
            Ok(answer) if answer.status != 503 => return Ok(answer),
            Ok(answer) => last = Trouble::Transport(format!("status {}", answer.status)),
            Err(trouble) => last = trouble,
        }
        tokio::time::sleep(std::time::Duration::from_millis(50 * attempt)).await;
    }
    Err(last)
}

/// Sessions that events named and no request of ours is known for: the server says whose they are.
async fn strangers(world: &World, accounts: &HashMap<Uuid, Account>, evidence: &mut Evidence) {
    let mut unknown: HashSet<(Uuid, Uuid)> = HashSet::new();
    for log in evidence.inboxes.iter().chain(&evidence.requests) {
        for entry in &log.entries {
            let (What::Event { event, .. } | What::Ack { event, .. }) = &entry.what else {
                continue;
            };
            if let Some(session) = event.session
                && !evidence.parties.contains_key(&session)
            {
                unknown.insert((session, log.user));
            }
        }
    }
    for (session, user) in unknown {
        let Some(mut account) = accounts.get(&user).cloned() else {
            continue;
        };
        let path = format!("/api/v2/connect/sessions/{session}");
        let Ok(answer) = authorized(&world.http, &path, &mut account).await else {
            continue;
        };
        let Ok(detail) = answer.expect::<Value>() else {
            continue;
        };
        let id = |key: &str| detail.get(key)?.as_str()?.parse().ok();
        if let (Some(patient), Some(doctor)) = (id("patient_id"), id("doctor_id")) {
            evidence.parties.insert(session, Parties { patient, doctor });
        }
    }
}

/// All messages of a session, oldest first, page by page.
async fn history(http: &Http, session: Uuid, mut account: Account) -> Result<Vec<Stored>, Trouble> {
    let mut list = Vec::new();
    let mut after = "2000-01-01T00:00:00Z".to_owned();
    for _ in 0..PAGES {
        let path = format!("/api/v2/connect/sessions/{session}/messages?limit=100&after={}", after.replace('+', "%2B"));
        let page: Value = authorized(http, &path, &mut account).await?.expect()?;
        let items = page.get("items").and_then(Value::as_array);
        let Some(items) = items else {
            return Err(Trouble::Transport("a history without items".into()));
        };
        for item in items {
            let (_, message) = frame::message(&item.to_string())
                .ok_or_else(|| Trouble::Transport("an unreadable stored message".into()))?;
            list.push(Stored { message });
        }
        let last = items.last().and_then(|item| item.get("created_at")?.as_str());
        match last {
            Some(created) if page.get("has_more") == Some(&Value::Bool(true)) => {
                after = created.to_owned();
            }
            _ => return Ok(list),
        }
    }
    Ok(list)
}
