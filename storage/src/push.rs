//! Push messages (connect-v2 §5): which events ring whose devices, in one table. They are written to the outbox by the
//! commit of the event itself (realtime.md §6: one source, several carriers), a row for each active device.
//!
//! A push says that something happened and where to look, never what: its texts are the constants below, its data are ids.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value, json};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::connect::messages::Message;
use crate::connect::{Actor, Party};
use crate::error::Result;
use crate::ids::UserId;
use crate::outbox::NewJob;

/// The outbox's word for a push to one device.
pub const KIND: &str = "push";
/// The outbox's word for a push to all patients.
pub const BROADCAST: &str = "push.broadcast";
/// The outbox's word for one device's part of a broadcast: so many that they must not stand before what rings.
pub const BULK: &str = "push.bulk";

/// How long a call rings; a push about it is of no use afterwards (docs/decisions/021).
pub const RING: TimeDelta = TimeDelta::seconds(45);

/// To whom of those in whose inbox the event stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum To {
    /// All of them.
    All,
    /// The patient among them.
    Patient,
    /// The doctor among them.
    Doctor,
    /// The one who did not cause it; all, where neither did.
    Other,
    /// No inbox has it: every patient.
    AllPatients,
    /// No inbox has it: the patients who asked to be told.
    Watchers,
}

/// How it wants to be brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Urgency {
    /// At once, and never late: the phone rings.
    Ring,
    /// At once: somebody waits.
    Prompt,
    /// When it suits the device.
    Calm,
}

/// One line of the table.
#[derive(Debug, Clone, Copy)]
pub struct Push {
    /// The event's name.
    pub event: &'static str,
    /// To whom.
    pub to: To,
    /// How.
    pub urgency: Urgency,
    /// What stands in its place: a later push of the same word and id replaces it on the device.
    pub group: (&'static str, &'static str),
    /// The name of the event data's own `id` in the payload.
    pub id_as: Option<&'static str>,
    /// How long it is of use; less, where the event's data say until when.
    pub life: TimeDelta,
    /// Where they say so.
    pub until: &'static str,
    /// Whether a later one of its group makes it untrue.
    pub is_ordered: bool,
    /// Only to those without a live connection.
    pub only_away: bool,
    /// What the phone shows.
    pub title: &'static str,
    /// And below it.
    pub body: &'static str,
}

const DAY: TimeDelta = TimeDelta::hours(24);
const SESSION: (&str, &str) = ("session", "session_id");
const FOLLOWUP: (&str, &str) = ("followup", "followup_id");
const OPEN: &str = "Open the app to see it.";

const fn push(event: &'static str, to: To, group: (&'static str, &'static str), title: &'static str) -> Push {
    Push {
        event,
        to,
        urgency: Urgency::Calm,
        group,
        id_as: None,
        life: DAY,
        until: "expires_at",
        is_ordered: false,
        only_away: false,
        title,
        body: OPEN,
    }
}

impl Push {
    const fn ring(self, life: TimeDelta) -> Self {
        Self { urgency: Urgency::Ring, life, is_ordered: true, body: "Open the app to answer.", ..self }
    }

    const fn prompt(self) -> Self {
        Self { urgency: Urgency::Prompt, ..self }
    }

    const fn ordered(self) -> Self {
        Self { is_ordered: true, ..self }
    }

    const fn id_as(self, name: &'static str) -> Self {
        Self { id_as: Some(name), ..self }
    }

    const fn until(self, name: &'static str) -> Self {
        Self { until: name, ..self }
    }

    const fn only_away(self) -> Self {
        Self { only_away: true, ..self }
    }
}

/// Every push there is. An event that another slice emits gets its push by its line here.
#[rustfmt::skip]
pub const PUSHES: [Push; 29] = [
    push("session.requested", To::Doctor, SESSION, "A patient asks for you").ring(DAY),
    push("session.accepted", To::Patient, SESSION, "Your doctor is there").prompt().ordered(),
    push("session.rejected", To::Patient, SESSION, "Your request was not accepted").ordered(),
    push("session.ended", To::Other, SESSION, "The consultation is over").ordered(),
    push("session.expired", To::All, SESSION, "A request was not answered in time").ordered(),
    push("message.new", To::Other, ("chat", "session_id"), "New message").prompt().only_away(),
    push("message.attachment", To::Other, ("chat", "session_id"), "New file").id_as("attachment_id").prompt(),
    push("prescription.ready", To::Patient, ("prescription", "session_id"), "New from your consultation"),
    push("labtests.recommended", To::Patient, ("labtests", "session_id"), "New from your consultation"),
    push("followup.scheduled", To::Patient, FOLLOWUP, "Your doctor proposes a follow-up").id_as("followup_id").ordered(),
    push("followup.reminder", To::All, FOLLOWUP, "A follow-up is near").id_as("followup_id").ordered().until("scheduled_at"),
    push("report.uploaded", To::Doctor, ("report", "session_id"), "Your patient has sent a file").id_as("report_id"),
    push("review.submitted", To::Doctor, ("review", "session_id"), "You were reviewed"),
    push("review.reply", To::Patient, ("review", "session_id"), "Your doctor has replied to your review"),
    push("review.reminder", To::Patient, ("review", "session_id"), "How was your consultation?"),
    push("payment.success", To::Patient, ("order", "order_id"), "Payment received").ordered(),
    push("payment.failed", To::Patient, ("order", "order_id"), "Payment not completed").ordered(),
    push("video.permission", To::Other, ("video", "session_id"), "Video in your consultation").ring(RING),
    push("community.article", To::AllPatients, ("article", "article_id"), "A new article"),
    push("community.event", To::AllPatients, ("event", "community_event_id"), "A new event"),
    push("session.cancelled", To::Doctor, SESSION, "A request was withdrawn").prompt().ordered(),
    push("call.started", To::Other, ("call", "session_id"), "You are being called").id_as("call_session_id").ring(RING),
    push("prescription.updated", To::Patient, ("prescription", "session_id"), "Changed in your consultation"),
    push("labtests.updated", To::Patient, ("labtests", "session_id"), "Changed in your consultation"),
    push("followup.accepted", To::All, FOLLOWUP, "Your follow-up is agreed").id_as("followup_id").ordered(),
    push("followup.rejected", To::All, FOLLOWUP, "A follow-up was refused").id_as("followup_id").ordered(),
    push("followup.rescheduled", To::Doctor, FOLLOWUP, "A patient proposes another date").id_as("followup_id").ordered(),
    push("followup.cancelled", To::All, FOLLOWUP, "A follow-up was cancelled").id_as("followup_id").ordered(),
    push("doctor.available", To::Watchers, ("doctor", "doctor_id"), "The doctor you asked for is online").prompt(),
];

/// The ids that a payload may carry, by their name in an event's data; what is none of them stays with us.
const IDS: [(&str, &str); 15] = [
    ("session_id", "session_id"),
    ("connect_session_id", "session_id"),
    ("doctor_id", "doctor_id"),
    ("message_id", "message_id"),
    ("attachment_id", "attachment_id"),
    ("report_id", "report_id"),
    ("prescription_id", "prescription_id"),
    ("lab_tests_id", "lab_tests_id"),
    ("review_id", "review_id"),
    ("followup_id", "followup_id"),
    ("order_id", "order_id"),
    ("call_session_id", "call_session_id"),
    ("article_id", "article_id"),
    ("community_event_id", "community_event_id"),
    ("recording_id", "recording_id"),
];

/// The line of an event.
#[must_use]
pub fn find(event: &str) -> Option<&'static Push> {
    PUSHES.iter().find(|push| push.event == event)
}

/// What goes into the outbox, but for the device: to be written with its cause.
#[derive(Debug, Clone)]
pub struct Pending {
    push: &'static Push,
    users: Vec<UserId>,
    role: Option<Party>,
    payload: Map<String, Value>,
    expires_at: DateTime<Utc>,
}

/// An event as the commit knows it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source<'a> {
    pub(crate) kind: &'static str,
    pub(crate) id: Uuid,
    pub(crate) at: DateTime<Utc>,
    pub(crate) session: Option<Uuid>,
    pub(crate) by: Option<Actor>,
    /// The frame's `data`, as JSON.
    pub(crate) data: &'a str,
}

impl Pending {
    /// The push of an event, if it has one.
    pub(crate) fn of_event(source: Source<'_>, recipients: Vec<UserId>) -> Option<Self> {
        let push = find(source.kind)?;
        let data: Value = serde_json::from_str(source.data).unwrap_or_default();
        let mut ids = ids_of(&data);
        if let Some(session) = source.session {
            ids.insert("session_id", session.to_string());
        }
        if let (Some(name), Some(id)) = (push.id_as, data.get("id").and_then(id_text)) {
            ids.insert(name, id);
        }
        let by = source.by.or_else(|| actor_of(&data));
        let until = data.get(push.until).and_then(Value::as_str).and_then(|until| until.parse().ok());
        Some(Self::new(push, (source.id, source.at), ids, until, (recipients, by)))
    }

    /// The push of a message: without reading its words once more.
    pub(crate) fn of_message(message: &Message, recipients: Vec<UserId>) -> Option<Self> {
        let push = find("message.new")?;
        let ids =
            BTreeMap::from([("session_id", message.session_id.to_string()), ("message_id", message.id.to_string())]);
        let by = Some(message.sender_role.into());
        Some(Self::new(push, (message.id.0, message.created_at), ids, None, (recipients, by)))
    }

    /// A push that stands in no inbox.
    pub(crate) fn alone(
        event: &str,
        users: &[UserId],
        ids: &[(&'static str, Uuid)],
        at: DateTime<Utc>,
    ) -> Option<Self> {
        let push = find(event)?;
        let ids = ids.iter().map(|(name, id)| (*name, id.to_string())).collect();
        Some(Self::new(push, (Uuid::now_v7(), at), ids, None, (users.to_vec(), None)))
    }

    fn new(
        push: &'static Push,
        (event_id, at): (Uuid, DateTime<Utc>),
        ids: BTreeMap<&'static str, String>,
        until: Option<DateTime<Utc>>,
        (users, by): (Vec<UserId>, Option<Actor>),
    ) -> Self {
        let role = match (push.to, by) {
            (To::Patient | To::AllPatients | To::Watchers, _) | (To::Other, Some(Actor::Doctor)) => Some(Party::Client),
            (To::Doctor, _) | (To::Other, Some(Actor::Patient)) => Some(Party::Doctor),
            (To::All, _) | (To::Other, Some(Actor::Admin | Actor::System) | None) => None,
        };
        let longest = at + push.life;
        // A date that has begun ends nothing: its day is meant.
        let expires_at = until.filter(|until| *until > at).map_or(longest, |until| until.min(longest));
        let mut payload = Map::new();
        payload.insert("event".to_owned(), push.event.into());
        payload.insert("event_id".to_owned(), event_id.to_string().into());
        payload.extend(ids.into_iter().map(|(name, id)| (name.to_owned(), id.into())));
        Self { push, users, role, payload, expires_at }
    }

    /// What a later one of the same thing replaces.
    fn group(&self) -> Option<String> {
        let (word, name) = self.push.group;
        Some(format!("{word}-{}", self.payload.get(name)?.as_str()?))
    }

    fn stored(&self) -> Value {
        let mut payload = self.payload.clone();
        if let Some(group) = self.group() {
            payload.insert("group".to_owned(), group.into());
        }
        Value::Object(payload)
    }
}

/// The ids among an event's data.
fn ids_of(data: &Value) -> BTreeMap<&'static str, String> {
    IDS.iter().filter_map(|(from, name)| Some((*name, id_text(data.get(from)?)?))).collect()
}

/// A text that can be nothing but an id: no words of anybody.
fn id_text(value: &Value) -> Option<String> {
    let text = value.as_str()?;
    let is_order = text
        .strip_prefix("cf_order_")
        .is_some_and(|rest| rest.len() <= 40 && rest.chars().all(|letter| letter.is_ascii_alphanumeric()));
    (is_order || Uuid::parse_str(text).is_ok()).then(|| text.to_owned())
}

/// Who caused an event, by the words of settled 11 or the role of a sender or uploader.
fn actor_of(data: &Value) -> Option<Actor> {
    let word = ["by", "ended_by", "started_by", "sender_role", "uploader_role"]
        .iter()
        .find_map(|name| data.get(name)?.as_str());
    match word? {
        "patient" | "client" => Some(Actor::Patient),
        "doctor" => Some(Actor::Doctor),
        "admin" => Some(Actor::Admin),
        _ => Some(Actor::System),
    }
}

/// Writes a row for each active device of those who are meant. Answers how many there were.
///
/// # Errors
/// When Postgres cannot be asked.
pub(crate) async fn enqueue(conn: &mut PgConnection, pending: &[Pending], now: DateTime<Utc>) -> Result<u64> {
    let mut rows = Rows::default();
    for one in pending {
        for user in &one.users {
            rows.users.push(*user);
            rows.roles.push(one.role.map(|role| role.as_str().to_owned()));
            rows.topics.push(one.push.is_ordered.then(|| one.group()).flatten());
            rows.payloads.push(one.stored());
            rows.expiries.push(one.expires_at);
        }
    }
    let written = sqlx::query!(
        "insert into outbox (kind, topic, payload, created_at, due_at, expires_at)
         select 'push', d.id::text || ' ' || p.topic, p.payload || jsonb_build_object('device_id', d.id), $6, $6,
                p.expires_at
         from unnest($1::uuid[], $2::text[], $3::text[], $4::jsonb[], $5::timestamptz[])
              with ordinality as p(user_id, role, topic, payload, expires_at, place)
         join device_tokens d on d.user_id = p.user_id and d.is_active and (p.role is null or d.role = p.role)
         order by p.place, d.id",
        &rows.users as _,
        &rows.roles as _,
        &rows.topics as _,
        &rows.payloads,
        &rows.expiries,
        now
    );
    Ok(written.execute(conn).await?.rows_affected())
}

#[derive(Default)]
struct Rows {
    users: Vec<UserId>,
    roles: Vec<Option<String>>,
    topics: Vec<Option<String>>,
    payloads: Vec<Value>,
    expiries: Vec<DateTime<Utc>>,
}

/// A push to every patient: one job, which [`spread`] works off a page at a time.
pub(crate) fn broadcast(event: &str, ids: &[(&'static str, Uuid)], at: DateTime<Utc>) -> Option<NewJob> {
    let pending = Pending::alone(event, &[], ids, at)?;
    Some(NewJob {
        kind: BROADCAST,
        topic: None,
        payload: pending.stored(),
        due_at: at,
        expires_at: Some(pending.expires_at),
    })
}

/// Writes the rows of the next `page` patients' devices after the one that the payload names. Answers the payload for
/// the page after it; none when everybody has been reached.
///
/// # Errors
/// When Postgres cannot be asked.
pub async fn spread(
    conn: &mut PgConnection,
    payload: &Value,
    expires_at: Option<DateTime<Utc>>,
    page: i64,
    now: DateTime<Utc>,
) -> Result<Option<Value>> {
    let mut next = payload.clone();
    let after = next.as_object_mut().and_then(|members| members.remove("after"));
    let after = after.as_ref().and_then(Value::as_str).and_then(|text| Uuid::parse_str(text).ok());
    let reached = sqlx::query_scalar!(
        "with page as (
             select id from device_tokens where is_active and role = 'client' and id > $1 order by id limit $2
         ), written as (
             insert into outbox (kind, payload, created_at, due_at, expires_at)
             select 'push.bulk', $3::jsonb || jsonb_build_object('device_id', id), $4, $4, $5 from page
         )
         select id as \"id!: Uuid\" from page order by id desc limit 1",
        after.unwrap_or_default(),
        page,
        next,
        now,
        expires_at
    )
    .fetch_optional(conn)
    .await?;
    Ok(reached.map(|last| {
        if let Some(members) = next.as_object_mut() {
            members.insert("after".to_owned(), json!(last));
        }
        next
    }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    fn pending(kind: &'static str, data: &Value) -> Pending {
        let data = data.to_string();
        let source = Source { kind, id: Uuid::nil(), at: at(1000), session: None, by: None, data: &data };
        Pending::of_event(source, vec![UserId::new(), UserId::new()]).unwrap()
    }

    #[test]
    fn the_table_has_each_event_once_and_says_nothing_of_medicine() {
        let mut events: Vec<&str> = PUSHES.iter().map(|push| push.event).collect();
        events.sort_unstable();
        events.dedup();
        assert_eq!(events.len(), 29);
        for push in &PUSHES {
            let shown = format!("{} {}", push.title, push.body).to_lowercase();
            for word in ["prescription", "medicine", "drug", "test", "symptom", "diagnos", "report", "{"] {
                assert!(!shown.contains(word), "{}: {shown}", push.event);
            }
            assert!(IDS.iter().any(|(_, name)| *name == push.group.1), "{}", push.event);
            assert!(push.life <= DAY && (push.urgency != Urgency::Ring || push.is_ordered), "{}", push.event);
        }
    }

    #[test]
    fn only_ids_get_into_a_payload() {
        let id = Uuid::now_v7().to_string();
        let data = json!({
            "id": id, "connect_session_id": id, "doctor_id": id, "patient_id": id, "patient_name": "Test Patient",
            "cancel_reason": "fever", "order_id": "back pain", "review_id": "5 mg daily", "scheduled_at": at(5000),
            "symptoms": ["cough"], "amount": 500,
        });
        let pending = pending("followup.cancelled", &data);
        let mut expected = json!({
            "event": "followup.cancelled", "event_id": Uuid::nil(), "session_id": id, "followup_id": id, "doctor_id": id,
        });
        assert_eq!(Value::Object(pending.payload.clone()), expected);
        expected["group"] = json!(format!("followup-{id}"));
        assert_eq!(pending.stored(), expected);
        assert_eq!(id_text(&json!("cf_order_0123abc")).as_deref(), Some("cf_order_0123abc"));
        assert_eq!(id_text(&json!("cf_order_take two")), None);
    }

    #[test]
    fn the_other_party_is_meant_and_nobody_late() {
        for (by, role) in [("patient", Some(Party::Doctor)), ("doctor", Some(Party::Client)), ("system", None)] {
            assert_eq!(pending("session.ended", &json!({"ended_by": by})).role, role);
            assert_eq!(pending("video.permission", &json!({"by": by})).role, role);
        }
        assert_eq!(pending("message.attachment", &json!({"uploader_role": "client"})).role, Some(Party::Doctor));
        assert_eq!(pending("session.expired", &json!({})).role, None);
        assert_eq!(pending("report.uploaded", &json!({})).role, Some(Party::Doctor));
        assert_eq!(pending("call.started", &json!({})).expires_at, at(1000) + RING);
        assert_eq!(pending("session.requested", &json!({"expires_at": at(2800)})).expires_at, at(2800));
        assert_eq!(pending("followup.reminder", &json!({"scheduled_at": at(4600)})).expires_at, at(4600));
        assert_eq!(pending("followup.reminder", &json!({"scheduled_at": at(900)})).expires_at, at(1000) + DAY);
        // What became of a date is of use after it too.
        for event in ["followup.scheduled", "followup.accepted", "followup.cancelled"] {
            assert_eq!(pending(event, &json!({"scheduled_at": at(4600)})).expires_at, at(1000) + DAY, "{event}");
        }
    }
}
