//! Firebase Cloud Messaging over HTTP v1, against a peer that checks what comes.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use consilium::config::Config;
use consilium::serve::{self, Database};
use consilium::telemetry;
use consilium_storage::clock::Clock;
use consilium_storage::connect::devices;
use consilium_storage::push::{PUSHES, Push, Urgency};
use consilium_storage::testing::{self, Scratch};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::{dead, settled, waiting};
use crate::support::client::keys;
use crate::support::fcm::{Fcm, Reply, error, no_token, unregistered};
use crate::support::meeting::{Meeting, of, text, time};

/// A meeting whose pushes go to an FCM of the test.
async fn with_fcm() -> (Meeting, Fcm) {
    let fcm = Fcm::start().await;
    let (credentials, url) = (fcm.credentials(), fcm.url.clone());
    let m = Meeting::start_with(|config| {
        config.fcm_credentials = Some(credentials.into());
        config.fcm_url = url;
    })
    .await;
    (super::with_devices(m).await, fcm)
}

/// Waits until a device has got so many messages.
async fn got(fcm: &Fcm, token: &str, count: usize) -> Vec<Value> {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let messages = fcm.messages(token);
        if messages.len() >= count {
            assert_eq!(messages.len(), count, "{messages:#?}");
            return messages;
        }
        assert!(Instant::now() < deadline, "{token} got {messages:?}");
        sleep(Duration::from_millis(20)).await;
    }
}

fn seconds(ttl: &Value) -> i64 {
    text(ttl).strip_suffix('s').unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_message_as_fcm_takes_it() {
    let (m, fcm) = with_fcm().await;
    let before = m.app.app.now();
    let session = m.requested().await;
    let message = got(&fcm, "doctor-phone", 1).await.remove(0);
    let expires_at = time(&m.doctor.get("connect/sessions/requests").await.expect(200)["items"][0]["expires_at"]);
    assert_eq!(keys(&message), ["android", "apns", "data", "notification", "token"]);
    assert_eq!(message["notification"], json!({"title": "A patient asks for you", "body": "Open the app to answer."}));
    assert!(message["data"].as_object().unwrap().values().all(Value::is_string));
    assert_eq!(
        (&message["data"]["event"], &message["data"]["session_id"]),
        (&json!("session.requested"), &json!(session))
    );
    let group = format!("session-{session}");
    let android = &message["android"];
    assert_eq!((&android["priority"], &android["collapse_key"]), (&json!("HIGH"), &json!(group)));
    assert_eq!(android["notification"]["tag"], group);
    // Never longer than the request is open.
    let ttl = TimeDelta::seconds(seconds(&android["ttl"]));
    assert!(ttl <= expires_at - before && ttl > TimeDelta::minutes(28), "{ttl}");
    let headers = &message["apns"]["headers"];
    assert_eq!(headers["apns-expiration"], expires_at.timestamp().to_string());
    assert_eq!((&headers["apns-collapse-id"], &headers["apns-priority"]), (&json!(group), &json!("10")));
    assert!(group.len() <= 64, "as long as Apple takes");

    // What the service account signed, and for how long.
    let claims = fcm.assertions();
    assert_eq!(claims.len(), 1);
    assert_eq!(keys(&claims[0]), ["aud", "exp", "iat", "iss", "scope"]);
    assert_eq!(claims[0]["iss"], "push@consilium-tests.example");
    assert_eq!(claims[0]["scope"], "https://www.googleapis.com/auth/firebase.messaging");
    assert_eq!(claims[0]["aud"], format!("{}/token", fcm.url));
    let (issued, until) = (claims[0]["iat"].as_i64().unwrap(), claims[0]["exp"].as_i64().unwrap());
    assert!((before.timestamp()..=m.app.app.now().timestamp()).contains(&issued) && until - issued == 3600);
}

/// All 29, each about something and about nothing in particular.
#[tokio::test]
async fn every_push_lives_as_long_and_stands_in_the_same_place_on_both_kinds_of_phones() {
    let (m, fcm) = with_fcm().await;
    let earliest = m.app.app.now();
    let users = [m.patient.id, m.doctor.id];
    let mut tx = m.app.app.begin().await.unwrap();
    for push in &PUSHES {
        tx.push(push.event, &users, &[(push.group.1, Uuid::now_v7())]);
        tx.push(push.event, &users, &[]);
    }
    m.app.app.commit(tx).await.unwrap();
    settled(&m.app).await;
    let latest = m.app.app.now();
    let mut seen = BTreeSet::new();
    for message in fcm.all() {
        let line = PUSHES.iter().find(|push| message["data"]["event"] == push.event).unwrap();
        let group = message["data"][line.group.1].as_str().map(|id| format!("{}-{id}", line.group.0));
        lives(&message, line, (earliest, latest));
        stands(&message, group.as_deref());
        says_nothing_else(&message, line, group.as_deref());
        seen.insert((line.event, group.is_some()));
    }
    assert_eq!(seen.len(), 2 * PUSHES.len());
}

/// Both kinds of phones keep it until the same second, and never longer than it is of use.
#[track_caller]
fn lives(message: &Value, line: &Push, (earliest, latest): (DateTime<Utc>, DateTime<Utc>)) {
    let (android, headers, data) = (&message["android"], &message["apns"]["headers"], &message["data"]);
    let ttl = TimeDelta::seconds(seconds(&android["ttl"]));
    assert!(ttl > TimeDelta::zero() && ttl <= line.life, "{message}");
    let until: i64 = text(&headers["apns-expiration"]).parse().unwrap();
    assert!(((earliest + line.life).timestamp()..=(latest + line.life).timestamp()).contains(&until), "{message}");
    // Each is in whole seconds, and that of Android counts from when FCM was asked: some time between these two.
    let (soonest, latest) = (time(&data["sent_at"]) + ttl, latest + ttl);
    assert!((soonest.timestamp()..=latest.timestamp() + 1).contains(&until), "{message}");
    if line.urgency == Urgency::Ring {
        assert_eq!(time(&data["expires_at"]).timestamp(), until, "{message}");
    } else {
        assert!(data["expires_at"].is_null(), "{message}");
    }
    let priorities = if line.urgency == Urgency::Calm { ("NORMAL", "5") } else { ("HIGH", "10") };
    assert_eq!((text(&android["priority"]), text(&headers["apns-priority"])), priorities, "{message}");
}

/// A later one of its group takes its place, before delivery and on the screen; without a group it stands alone.
#[track_caller]
fn stands(message: &Value, group: Option<&str>) {
    let (android, headers) = (&message["android"], &message["apns"]["headers"]);
    for place in [&android["collapse_key"], &android["notification"]["tag"], &headers["apns-collapse-id"]] {
        assert_eq!(place.as_str(), group, "{message}");
    }
    assert!(group.is_none_or(|group| group.len() <= 64), "longer than Apple takes: {message}");
}

/// Its words are those of the table; all else are ids, times and numbers.
#[track_caller]
fn says_nothing_else(message: &Value, line: &Push, group: Option<&str>) {
    assert_eq!(message["notification"], json!({"title": line.title, "body": line.body}));
    let words = [line.title, line.body, line.event, "HIGH", "NORMAL", "default", "patient-phone", "doctor-phone"];
    for word in texts(message) {
        let is_word = words.contains(&word) || Some(word) == group;
        let is_id_or_time = Uuid::parse_str(word).is_ok() || word.parse::<DateTime<Utc>>().is_ok();
        let is_number = word.trim_end_matches('s').parse::<i64>().is_ok();
        assert!(is_word || is_id_or_time || is_number, "{word} in {message}");
    }
}

/// Every text in it, wherever it stands.
fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::Object(members) => members.values().flat_map(texts).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => Vec::new(),
    }
}

#[tokio::test]
async fn calls_ring_for_seconds_and_news_wait_for_a_day() {
    let (m, fcm) = with_fcm().await;
    let session = m.ongoing().await;
    got(&fcm, "patient-phone", 1).await;
    m.doctor.post("connect/call-sessions", json!({"connect_session_id": session})).await.expect(201);
    let call = got(&fcm, "patient-phone", 2).await.pop().unwrap();
    assert_eq!(call["data"]["event"], "call.started");
    assert!((1..=45).contains(&seconds(&call["android"]["ttl"])), "{call}");
    assert_eq!(call["android"]["priority"], "HIGH");
    m.doctor.act(&of(&session, "end")).await.expect(200);
    let ended = got(&fcm, "patient-phone", 3).await.pop().unwrap();
    assert_eq!(
        (&ended["android"]["priority"], &ended["apns"]["headers"]["apns-priority"]),
        (&json!("NORMAL"), &json!("5"))
    );
    assert!((86_000..=86_400).contains(&seconds(&ended["android"]["ttl"])), "{ended}");
    assert_eq!(fcm.assertions().len(), 1, "one token serves them all");
}

#[tokio::test]
async fn a_token_is_kept_until_its_end_and_replaced_when_it_is_refused() {
    let (m, fcm) = with_fcm().await;
    let ring = async |count: usize| {
        let mut tx = m.app.app.begin().await.unwrap();
        tx.push("review.reply", &[m.patient.id], &[]);
        m.app.app.commit(tx).await.unwrap();
        got(&fcm, "patient-phone", count).await;
    };
    ring(1).await;
    super::pass(&m.app, TimeDelta::seconds(3500)).await;
    ring(2).await;
    assert_eq!(fcm.assertions().len(), 1);
    super::pass(&m.app, TimeDelta::seconds(60)).await;
    ring(3).await;
    assert_eq!(fcm.assertions().len(), 2, "a minute before its end");
    fcm.revoke();
    ring(4).await;
    assert_eq!(fcm.assertions().len(), 3);
    settled(&m.app).await;
    assert_eq!(fcm.all().len(), 4, "no message twice");
}

#[tokio::test]
async fn a_key_that_apple_does_not_take_costs_others_nothing() {
    let (m, fcm) = with_fcm().await;
    // Six in a row: five refusals of ours would have turned all phones away.
    for number in 0..6 {
        let patient = m.app.patient().await;
        let token = format!("iphone-{number}");
        super::device(&patient, &token).await;
        fcm.answer(&token, [Reply::Error(401, error("UNAUTHENTICATED", "THIRD_PARTY_AUTH_ERROR"))]);
        let mut tx = m.app.app.begin().await.unwrap();
        tx.push("review.reply", &[patient.id], &[]);
        m.app.app.commit(tx).await.unwrap();
        got(&fcm, &token, 1).await;
    }
    let mut tx = m.app.app.begin().await.unwrap();
    tx.push("review.reply", &[m.patient.id], &[]);
    m.app.app.commit(tx).await.unwrap();
    got(&fcm, "patient-phone", 1).await;
    assert_eq!(fcm.assertions().len(), 1, "our own token is good");
    super::pass(&m.app, TimeDelta::seconds(61)).await;
    for number in 0..6 {
        got(&fcm, &format!("iphone-{number}"), 2).await;
    }
    settled(&m.app).await;
}

#[tokio::test]
async fn a_device_that_is_gone_is_let_go() {
    let (m, fcm) = with_fcm().await;
    let active = async |who| devices::exists_active(&mut m.app.app.conn().await.unwrap(), who).await.unwrap();
    fcm.answer("doctor-phone", [unregistered()]);
    m.requested().await;
    got(&fcm, "doctor-phone", 1).await;
    settled(&m.app).await;
    assert!(!active(m.doctor.id).await && active(m.patient.id).await);
    assert_eq!(dead(&m.app).await.len(), 0);
    // Nothing rings the doctor any more: the shorter lease counts.
    super::pass(&m.app, TimeDelta::seconds(91)).await;
    let card = m.patient.get(&format!("doctors/{}", m.doctor.id)).await.expect(200);
    assert_eq!(card["presence_status"], "OFFLINE");

    // A token that never was one, by FCM's word about the field.
    let violation = json!({"error": {"code": 400, "status": "INVALID_ARGUMENT", "details": [
        {"@type": "type.googleapis.com/google.rpc.BadRequest",
         "fieldViolations": [{"field": "message.token", "description": "Invalid registration token"}]}]}});
    fcm.answer("patient-phone", [Reply::Error(400, violation)]);
    let mut tx = m.app.app.begin().await.unwrap();
    tx.push("review.reply", &[m.patient.id], &[]);
    m.app.app.commit(tx).await.unwrap();
    got(&fcm, "patient-phone", 1).await;
    settled(&m.app).await;
    assert!(!active(m.patient.id).await);
    // Registered again, it is rung again.
    super::device(&m.patient, "patient-phone").await;
    assert!(active(m.patient.id).await);

    // The same as FCM documents it: no field, but a sentence.
    fcm.answer("patient-phone", [Reply::Error(400, no_token())]);
    let mut tx = m.app.app.begin().await.unwrap();
    tx.push("review.reply", &[m.patient.id], &[]);
    m.app.app.commit(tx).await.unwrap();
    got(&fcm, "patient-phone", 2).await;
    settled(&m.app).await;
    assert!(!active(m.patient.id).await);
    assert_eq!(dead(&m.app).await.len(), 0);
}

#[tokio::test]
async fn a_ring_lives_no_longer_for_a_token_that_was_long_in_coming() {
    let (m, fcm) = with_fcm().await;
    let call = async || {
        let mut tx = m.app.app.begin().await.unwrap();
        tx.push("call.started", &[m.patient.id], &[]);
        m.app.app.commit(tx).await.unwrap();
    };
    let asked = async |count: usize| {
        let deadline = Instant::now() + Duration::from_secs(20);
        while fcm.assertions().len() < count {
            assert!(Instant::now() < deadline, "no token is asked for");
            sleep(Duration::from_millis(10)).await;
        }
    };
    fcm.hold_tokens(true);
    call().await;
    asked(1).await;
    m.app.advance(TimeDelta::seconds(30));
    fcm.hold_tokens(false);
    let message = got(&fcm, "patient-phone", 1).await.remove(0);
    let left = seconds(&message["android"]["ttl"]);
    assert!((1..=15).contains(&left), "{message}");
    settled(&m.app).await;

    // Nobody rings any more when the token is there.
    fcm.revoke();
    fcm.hold_tokens(true);
    call().await;
    asked(2).await;
    m.app.advance(TimeDelta::seconds(46));
    fcm.hold_tokens(false);
    let letters = super::wait_for_dead(&m.app, 1).await;
    assert_eq!(letters[0].last_error.as_deref(), Some("of no use any more when a token was there"));
    assert_eq!(fcm.messages("patient-phone").len(), 1);
}

#[tokio::test]
async fn an_unknown_project_costs_nobody_their_device() {
    let (m, fcm) = with_fcm().await;
    fcm.answer("patient-phone", [Reply::Error(404, error("NOT_FOUND", "")), Reply::Bare(404, vec![])]);
    let session = m.ongoing().await;
    super::wait_for_dead(&m.app, 1).await;
    m.doctor.act(&of(&session, "end")).await.expect(200);
    let letters = super::wait_for_dead(&m.app, 2).await;
    assert!(letters.iter().all(|letter| letter.last_error.as_deref().unwrap().starts_with("refused: status 404")));
    assert!(devices::exists_active(&mut m.app.app.conn().await.unwrap(), m.patient.id).await.unwrap());
}

#[tokio::test]
async fn garbage_and_silence_are_no_answer() {
    let (m, fcm) = with_fcm().await;
    // Silent for so long that its reason can be read at any pace. Garbage that comes late is silence: there is more.
    for _ in 0..2 {
        let garbage = Reply::Garbage("<html>welcome to the hotel</html>");
        fcm.answer("patient-phone", [garbage, Reply::Silence, Reply::Silence]);
    }
    m.ongoing().await;
    let deadline = Instant::now() + Duration::from_secs(120);
    let mut reasons = Vec::new();
    while reasons.len() < 2 {
        for job in waiting(&m.app).await {
            reasons.extend(job.last_error.filter(|reason| !reasons.contains(reason)));
        }
        super::pass(&m.app, TimeDelta::milliseconds(200)).await;
        assert!(Instant::now() < deadline, "{reasons:?}");
        sleep(Duration::from_millis(50)).await;
    }
    fcm.answer_well("patient-phone");
    // Well within the lease of whoever is at the third attempt already.
    m.app.advance(TimeDelta::seconds(3));
    settled(&m.app).await;
    assert!(fcm.messages("patient-phone").len() >= 3);
    reasons.sort_unstable();
    assert_eq!(reasons, ["an answer that is none", "no answer in time"]);
    assert_eq!(dead(&m.app).await.len(), 0);
}

#[tokio::test]
async fn a_provider_that_says_when_is_asked_then() {
    let (m, fcm) = with_fcm().await;
    fcm.answer("patient-phone", [Reply::Bare(429, vec![("retry-after", "120")]), Reply::Bare(429, vec![])]);
    m.ongoing().await;
    got(&fcm, "patient-phone", 1).await;
    // When it is due after so many attempts, once the last of them has been settled.
    let due = async |attempts| {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let waiting = waiting(&m.app).await;
            if let Some(job) = waiting.iter().find(|job| job.attempts == attempts && job.leased_until.is_none()) {
                return job.due_at - m.app.app.now();
            }
            assert!(Instant::now() < deadline, "{waiting:?}");
            sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(due(1).await > TimeDelta::seconds(110));
    m.app.advance(TimeDelta::seconds(121));
    got(&fcm, "patient-phone", 2).await;
    assert!(due(2).await > TimeDelta::seconds(50), "a minute where it does not say");
    super::pass(&m.app, TimeDelta::seconds(61)).await;
    got(&fcm, "patient-phone", 3).await;
}

#[tokio::test]
async fn a_token_endpoint_in_trouble_is_waited_for() {
    let (m, fcm) = with_fcm().await;
    fcm.answer_token(500, "");
    fcm.answer_token(200, "garbage");
    fcm.answer_token(400, "{\"error\":\"invalid_grant\"}");
    let mut tx = m.app.app.begin().await.unwrap();
    tx.push("review.reply", &[m.patient.id], &[]);
    m.app.app.commit(tx).await.unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while fcm.messages("patient-phone").is_empty() {
        assert!(Instant::now() < deadline, "{:?}", waiting(&m.app).await);
        super::pass(&m.app, TimeDelta::seconds(1)).await;
        sleep(Duration::from_millis(50)).await;
    }
    settled(&m.app).await;
    assert_eq!((fcm.assertions().len(), fcm.messages("patient-phone").len()), (4, 1));
}

#[tokio::test]
async fn a_provider_that_is_gone_is_left_alone_for_a_while() {
    let (m, fcm) = with_fcm().await;
    let tokens: Vec<String> = (0..12).map(|number| format!("phone-{number}")).collect();
    // One after the other, so that the breaker sees five in a row; those after it are turned away and lose no attempt.
    for (token, count) in tokens.iter().zip(1..) {
        let patient = m.app.patient().await;
        super::device(&patient, token).await;
        // In vain however often it is tried.
        fcm.answer(token, (0..50).map(|_| Reply::Bare(500, vec![])));
        let mut tx = m.app.app.begin().await.unwrap();
        tx.push("review.reply", &[patient.id], &[]);
        m.app.app.commit(tx).await.unwrap();
        let deadline = Instant::now() + Duration::from_secs(30);
        while waiting(&m.app).await.iter().filter(|job| job.last_error.is_some()).count() < count {
            assert!(Instant::now() < deadline, "{:?}", waiting(&m.app).await);
            sleep(Duration::from_millis(10)).await;
        }
    }
    assert!(tokens.iter().any(|token| fcm.messages(token).is_empty()), "all got through");
    let turned_away = Some("turned away while the provider is away");
    let left = waiting(&m.app).await;
    assert!(left.iter().any(|job| job.attempts == 0 && job.last_error.as_deref() == turned_away), "{left:?}");
}

#[tokio::test]
async fn credentials_that_are_none_are_said_at_the_start() {
    let database = testing::database().await;
    let files = Scratch::new("files").unwrap();
    for (credentials, what) in [
        ("{}", "is not the JSON file of a service account"),
        ("{\"project_id\":\"p\",\"client_email\":\"e\",\"private_key\":\"none\"}", "no PEM of a private key"),
        (
            "{\"project_id\":\"p\",\"client_email\":\"e\",\"private_key\":\"-----BEGIN PRIVATE KEY-----\\nAAAA\\n-----END PRIVATE KEY-----\"}",
            "no RSA key in PKCS#8",
        ),
    ] {
        let mut config = Config::for_tests(files.path(), &database.url).unwrap();
        config.fcm_credentials = Some(credentials.to_owned().into());
        let open = Database::open(&config).await.unwrap();
        let started = serve::start(config, &open, Clock::shifted(), telemetry::metrics_for_tests()).await;
        let error = started.err().unwrap().to_string();
        assert!(error.starts_with("CONSILIUM_FCM_CREDENTIALS: ") && error.contains(what), "{error}");
    }
}
