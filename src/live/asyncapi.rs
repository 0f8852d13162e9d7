//! The AsyncAPI 3.0 document, made from the event and command types themselves.

use consilium_realtime::close::Close;
use consilium_storage::events;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::commands;
use crate::jobs::presence::PresenceChanged;

/// The document, indented.
#[must_use]
pub fn document() -> String {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
    });
    let mut generator = settings.into_generator();
    let received = received(&mut generator);
    let sent = sent(&mut generator);
    let schemas: Map<String, Value> = generator.take_definitions(true);
    let names = |messages: &Map<String, Value>| -> Map<String, Value> {
        messages.keys().map(|name| (name.clone(), reference(&format!("#/components/messages/{name}")))).collect()
    };
    let inbox = names(&received);
    let mut socket = inbox.clone();
    socket.extend(names(&sent));
    let of_channel = |channel: &str, messages: &Map<String, Value>| -> Vec<Value> {
        messages.keys().map(|name| reference(&format!("#/channels/{channel}/messages/{name}"))).collect()
    };
    let mut messages = received.clone();
    messages.extend(sent.clone());
    let document = json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Consilium real time",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "One ordered, resumable inbox per user over WebSocket (subprotocol consilium.v1), SSE or long \
                poll. Clients keep the cursor of the last frame and resume with it; `resync` tells them to refetch.",
        },
        "channels": {
            "socket": {"address": "/api/v2/connect/ws", "description": "WebSocket", "messages": socket},
            "events": {"address": "/api/v2/connect/events", "description": "SSE of the whole inbox", "messages": inbox},
            "requests": {
                "address": "/api/v2/connect/sessions/requests/stream",
                "description": "SSE of a doctor's requests: session_requested, session_accepted, session_rejected, \
                    session_cancelled, session_expired",
                "messages": {"session.requested": reference("#/components/messages/session.requested")},
            },
        },
        "operations": {
            "receive": {"action": "send", "channel": reference("#/channels/socket"), "messages": of_channel("socket", &received)},
            "command": {"action": "receive", "channel": reference("#/channels/socket"), "messages": of_channel("socket", &sent)},
            "stream": {"action": "send", "channel": reference("#/channels/events"), "messages": of_channel("events", &received)},
        },
        "components": {"messages": messages, "schemas": schemas},
        "x-close-codes": close_codes(),
    });
    serde_json::to_string_pretty(&document).unwrap_or_default()
}

fn reference(to: &str) -> Value {
    json!({"$ref": to})
}

/// Data of `typing`.
#[derive(JsonSchema)]
#[allow(dead_code, reason = "only its schema is used")]
struct Typing {
    user_id: uuid::Uuid,
    is_typing: bool,
}

/// What the server sends.
fn received(generator: &mut SchemaGenerator) -> Map<String, Value> {
    let mut messages = Map::new();
    for (name, to, data) in events::catalogue(generator) {
        let payload = json!({
            "type": "object",
            "required": ["type", "cursor", "at", "data"],
            "properties": {
                "type": {"const": name},
                "cursor": {"type": "string", "description": "the receiver's place; SSE carries it as the event's id"},
                "at": {"type": "string", "format": "date-time"},
                "session_id": {"type": "string", "format": "uuid"},
                "data": data,
            },
        });
        messages.insert(name.to_owned(), message(name, &format!("Durable event to {to}"), &payload));
    }
    for (name, data) in [
        ("typing", generator.subschema_for::<Typing>()),
        ("presence.changed", generator.subschema_for::<PresenceChanged>()),
    ] {
        let payload = json!({
            "type": "object",
            "required": ["type", "at", "data"],
            "properties": {"type": {"const": name}, "at": {"type": "string", "format": "date-time"}, "data": data},
        });
        messages.insert(name.to_owned(), message(name, "Ephemeral: no cursor, never replayed", &payload));
    }
    for (name, summary, properties) in control() {
        let payload = json!({"type": "object", "properties": properties});
        messages.insert(name.to_owned(), message(name, summary, &payload));
    }
    messages
}

/// Frames about the connection itself.
fn control() -> [(&'static str, &'static str, Value); 6] {
    let text = || json!({"type": "string"});
    [
        (
            "connected",
            "First frame",
            json!({"type": {"const": "connected"}, "connection_id": text(), "user_id": text(), "role": text(),
                "cursor": text(), "resumed": {"type": "boolean"}, "replay": {"type": "integer"},
                "heartbeat_seconds": {"type": "integer"}}),
        ),
        (
            "resync",
            "The cursor cannot be served: refetch over REST",
            json!({"type": {"const": "resync"}, "cursor": text()}),
        ),
        (
            "ack",
            "The command is committed; `cursor` stands for the event of the sender's own inbox",
            json!({"type": {"const": "ack"}, "ref": true, "cursor": text(), "data": true}),
        ),
        (
            "error",
            "The command is refused, in the words of its REST call",
            json!({"type": {"const": "error"}, "ref": true, "error": {"type": "object"}}),
        ),
        (
            "token.expiring",
            "Send auth.refresh",
            json!({"type": {"const": "token.expiring"}, "data": {"type": "object"}}),
        ),
        (
            "going_away",
            "The server drains: come back after reconnect_after_ms",
            json!({"type": {"const": "going_away"}, "data": {"type": "object"}}),
        ),
    ]
}

/// What clients send, under names of their own: `typing` is an event too.
fn sent(generator: &mut SchemaGenerator) -> Map<String, Value> {
    let mut messages = Map::new();
    for (name, fields) in commands::catalogue(generator) {
        let payload = json!({"allOf": [
            {"type": "object", "required": ["type", "ref"], "properties": {"type": {"const": name}, "ref": true}},
            fields,
        ]});
        let summary = "Command; answered by one ack or error with its ref";
        messages.insert(format!("command.{name}"), message(name, summary, &payload));
    }
    let payload = json!({"type": "object", "properties": {"type": {"const": "ping"}, "ref": true}});
    messages.insert("command.ping".to_owned(), message("ping", "Answered by an ack", &payload));
    messages
}

fn message(name: &str, summary: &str, payload: &Value) -> Value {
    json!({"name": name, "summary": summary, "payload": payload})
}

fn close_codes() -> Vec<Value> {
    let line = |close: Close| json!({"code": close.code(), "reason": close.reason(), "come_back": close.come_back()});
    Close::ALL.into_iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn every_reference_of_the_document_leads_somewhere() {
        let document: Value = serde_json::from_str(&document()).unwrap();
        let mut references = Vec::new();
        collect(&document, &mut references);
        assert!(references.len() > 40);
        for reference in references {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
    }

    fn collect(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(members) => {
                if let Some(Value::String(reference)) = members.get("$ref") {
                    found.push(reference.clone());
                }
                members.values().for_each(|member| collect(member, found));
            }
            Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
            _ => {}
        }
    }
}
