//! The process as operators see it: how it ends, what it refuses to start with, what it writes into its log (running.md).

use std::time::Duration;

use consilium_storage::testing::Scratch;
use serde_json::json;

use super::kit::{accept, text};
use super::node::{Node, WORK_LEFT, consilium};
use crate::support::client::Client;
use crate::support::socket::Incoming;

#[tokio::test]
async fn a_drain_says_goodbye_and_ends_in_time() {
    let mut node = Node::start("info").await;
    let doctor = node.doctor("doctor1@demo.example").await;
    let mut socket = doctor.socket(None).await;
    let mut idle = doctor.stream("connect/events", None).await;
    let mut requests = doctor.stream("connect/sessions/requests/stream", None).await;
    socket.next_of("connected").await;
    idle.next_of("connected").await;
    requests.next_of("connected").await;
    let postgres = node.postgres().expect("it runs");
    let clients = async {
        let going = socket.next_of("going_away").await;
        let after = going["data"]["reconnect_after_ms"].as_u64().unwrap();
        assert!(after > 0 && after < 60_000);
        match socket.incoming().await {
            Incoming::Closed(code, _) => assert_eq!(code, 1001),
            Incoming::Frame(frame) => panic!("{frame}"),
        }
        for stream in [&mut idle, &mut requests] {
            stream.next_of("going_away").await;
            assert_eq!(stream.next_of("closing").await.data["code"], 1001);
            assert_eq!(stream.try_next().await, None);
        }
    };
    let (code, ()) = tokio::join!(node.terminate(Duration::from_secs(40)), clients);
    assert_eq!(code, Some(0), "{}", node.log());
    assert!(!node.log().contains(WORK_LEFT), "{}", node.log());
    assert_eq!(node.postgres(), None, "its Postgres {postgres} ended with it");
}

/// Arguments, variables, and the setting that is to be named.
type Case<'a> = (&'a [&'a str], &'a [(&'a str, &'a str)], &'a str);

/// Exit code and standard error.
async fn refused(arguments: &[&str], settings: &[(&str, &str)]) -> (Option<i32>, String) {
    let data = Scratch::new("refused").unwrap();
    let mut command = consilium();
    command.args(arguments).arg("--data-dir").arg(data.path()).envs(settings.iter().copied());
    let ended = tokio::time::timeout(Duration::from_secs(20), command.output()).await.expect("it started").unwrap();
    assert!(ended.stdout.is_empty());
    assert!(!data.path().join("postgres").exists(), "nothing was started for it");
    (ended.status.code(), String::from_utf8(ended.stderr).unwrap())
}

#[tokio::test]
async fn a_wrong_setting_is_named_in_one_line() {
    let keys = ("CONSILIUM_SIGNING_KEYS", "k1:0123456789abcdef0123456789abcdef");
    let livekit = ("CONSILIUM_LIVEKIT_API_SECRET", "fedcba9876543210fedcba9876543210");
    let sms = ("CONSILIUM_SMS_URL", "https://sms.example/send");
    let cashfree =
        (("CONSILIUM_CASHFREE_CLIENT_ID", "CF10203040"), ("CONSILIUM_CASHFREE_CLIENT_SECRET", "cfsk_0123456789abcdef"));
    let production: &[&str] = &["serve", "--production"];
    let cases: &[Case] = &[
        (&["serve"], &[("CONSILIUM_LISTEN", "nowhere")], "CONSILIUM_LISTEN"),
        (&["serve", "--listen", "nowhere"], &[], "CONSILIUM_LISTEN"),
        (&["serve"], &[("CONSILIUM_ACCESS_TOKEN_TTL", "0")], "CONSILIUM_ACCESS_TOKEN_TTL"),
        (&["serve"], &[("CONSILIUM_ACCESS_TOKEN_TTL", "soon")], "CONSILIUM_ACCESS_TOKEN_TTL"),
        (&["serve"], &[("CONSILIUM_CHARGING", "maybe")], "CONSILIUM_CHARGING"),
        (&["serve"], &[("CONSILIUM_PRODUCTION", "ture")], "CONSILIUM_PRODUCTION"),
        (&["serve"], &[("CONSILIUM_LOG_FORMAT", "xml")], "CONSILIUM_LOG_FORMAT"),
        (&["serve"], &[("CONSILIUM_TRUSTED_PROXIES", "proxy")], "CONSILIUM_TRUSTED_PROXIES"),
        (&["serve"], &[("CONSILIUM_DATABASE_URL", "mysql://here")], "CONSILIUM_DATABASE_URL"),
        (&["serve", "--database-url", "postgres://127.0.0.1:9/none"], &[], "CONSILIUM_DATABASE_URL"),
        (&["serve", "--config", "/nowhere.toml"], &[], "--config"),
        // Production takes no development secret and no demo data.
        (production, &[], "CONSILIUM_SIGNING_KEYS"),
        (&["serve"], &[("CONSILIUM_PRODUCTION", "1")], "CONSILIUM_SIGNING_KEYS"),
        (&["serve", "--production", "--demo"], &[keys, livekit, sms], "CONSILIUM_DEMO"),
        (production, &[keys], "CONSILIUM_LIVEKIT_API_SECRET"),
        (production, &[("CONSILIUM_SIGNING_KEYS", "k1:short")], "CONSILIUM_SIGNING_KEYS"),
        (production, &[keys, livekit], "CONSILIUM_SMS_URL"),
        (production, &[keys, livekit, sms], "CONSILIUM_CASHFREE_CLIENT_ID"),
        (production, &[keys, livekit, sms, cashfree.0], "CONSILIUM_CASHFREE_CLIENT_SECRET"),
        (production, &[keys, livekit, sms, cashfree.0, cashfree.1], "CONSILIUM_PUBLIC_URL"),
    ];
    for (arguments, settings, named) in cases {
        let (code, line) = refused(arguments, settings).await;
        assert_eq!(code, Some(2), "{arguments:?} {settings:?}: {line}");
        assert_eq!(line.lines().count(), 1, "{line}");
        assert!(line.contains(named), "{line} does not name {named}");
        for (_, value) in settings.iter().filter(|(name, _)| name.contains("KEY") || name.contains("SECRET")) {
            assert!(!line.contains(value), "{line}");
        }
    }
}

#[tokio::test]
async fn no_secret_and_no_patient_data_is_logged() {
    let node = Node::start("debug").await;
    let (mut patient, code) = node.patient("+919900000001").await;
    let doctor = node.doctor("doctor1@demo.example").await;
    let mut secrets = vec![code, "+919900000001".to_owned(), "919900000001".to_owned()];
    secrets.extend(tokens(&patient));
    secrets.extend(tokens(&doctor));
    let old = json!({"refresh_token": patient.refresh_token});
    let pair = patient.post("auth/refresh", old).await.expect(200);
    patient.signed_in(&pair);
    secrets.extend(tokens(&patient));
    for password in ["a-wrong-password-7", "demo-pass-1"] {
        node.nobody().post("auth/doctor/login", json!({"email": "doctor1@demo.example", "password": password})).await;
        secrets.push(password.to_owned());
    }
    secrets.push("doctor1@demo.example".to_owned());
    secrets.extend(consult(&node, &patient, &doctor).await);
    let log = node.log();
    assert!(log.len() > 500 && log.contains("DEBUG"), "a log of a run: {log}");
    for secret in secrets {
        let found = log.lines().find(|line| holds(line, &secret));
        assert!(found.is_none(), "{secret} stands in the log: {found:?}");
    }
}

/// A consultation by every way in; what of it may not be logged.
async fn consult(node: &Node, patient: &Client, doctor: &Client) -> Vec<String> {
    let mut secrets = Vec::new();
    let body = json!({"target_doctor_id": doctor.id, "symptoms": ["xylophobia"], "medical_history": "quinsy in 2019"});
    let asked = patient.post("connect/sessions", body).await.expect(201);
    secrets.push(asked["livekit"]["token"].as_str().unwrap().to_owned());
    let session = asked["session_id"].as_str().unwrap().to_owned();
    accept(doctor, &session).await;
    let ticket = patient.act("connect/tickets").await.expect(201)["ticket"].as_str().unwrap().to_owned();
    let mut socket = node.nobody().try_socket(&format!("?ticket={ticket}")).await.ok().unwrap();
    let mut fields = text("my sciatica is back");
    fields["session_id"] = json!(session);
    assert_eq!(socket.command("message.send", fields).await["type"], "ack");
    // Refusals are logged more readily than successes.
    let mut broken = text("zoonosis\u{0}");
    broken["session_id"] = json!(session);
    socket.command("message.send", broken).await;
    socket.command("auth.refresh", json!({"token": "a-token-of-nobody"})).await;
    socket.send_text("{\"type\":\"message.send\",\"content\":\"torticollis".to_owned()).await;
    assert_eq!(socket.closed().await, 4400);
    let path = format!("connect/sessions/{session}/messages?surprise=hyperhidrosis");
    doctor.post(&path, text("take paracetamol")).await.expect(201);
    let stream_ticket = doctor.act("connect/tickets").await.expect(201)["ticket"].as_str().unwrap().to_owned();
    let mut stream = node.nobody().stream(&format!("connect/events?ticket={stream_ticket}"), None).await;
    stream.next_of("connected").await;
    let end = json!({"reason": "completed", "note": "tonsillectomy advised"});
    doctor.post(&format!("connect/sessions/{session}/end"), end).await.expect(200);
    let words = [
        "xylophobia",
        "quinsy",
        "sciatica",
        "zoonosis",
        "a-token-of-nobody",
        "torticollis",
        "hyperhidrosis",
        "paracetamol",
        "tonsillectomy",
    ];
    secrets.extend(words.map(str::to_owned));
    secrets.extend([ticket, stream_ticket]);
    secrets
}

fn tokens(client: &Client) -> [String; 2] {
    [client.token.clone().unwrap(), client.refresh_token.clone().unwrap()]
}

/// Whether the line has this as a word of its own: six digits also stand in times and ids.
fn holds(line: &str, secret: &str) -> bool {
    line.match_indices(secret).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + secret.len()..].chars().next();
        let joined = |other: Option<char>| other.is_some_and(|other| other.is_ascii_alphanumeric());
        !(joined(before) || joined(after))
    })
}

#[test]
fn words_are_found() {
    assert!(holds("code=123456 sent", "123456"));
    assert!(!holds("12:00:00.123456Z", "123456"));
}
