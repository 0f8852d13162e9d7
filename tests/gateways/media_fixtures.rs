//! Tokens and webhooks that LiveKit's own JavaScript and Python SDKs have agreed to
//! (`tests/fixtures/livekit/README.md`).

use std::time::Duration;

use consilium::gateways::media::{EgressStatus, Media, MediaEvent, MediaEventKind, Party, WebhookError};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::twirp::{self, API_KEY, API_SECRET, sign, sign_webhook};

const TOKENS: &str = include_str!("../fixtures/livekit/tokens.json");
const WEBHOOKS: &str = include_str!("../fixtures/livekit/webhooks.json");

#[derive(Serialize, Deserialize)]
struct Token {
    name: String,
    display_name: String,
    room: String,
    ttl: u64,
    token: String,
    claims: Value,
}

#[derive(Deserialize)]
struct Webhook {
    name: String,
    body: String,
    authorization: String,
}

fn gateway(ttl: u64) -> Media {
    let (url, ttl) = ("ws://127.0.0.1:7880", Duration::from_secs(ttl));
    Media::new(url, API_KEY, API_SECRET.into(), ttl).unwrap()
}

fn cases() -> Vec<(&'static str, Party, &'static str)> {
    let (patient, doctor) = (Uuid::from_u128(0x6444_52ac), Uuid::from_u128(0xd3af));
    vec![
        ("patient", Party::Patient(patient), "Test Patient"),
        ("doctor", Party::Doctor(doctor), "Dr. Ankit Shah"),
        ("hindi", Party::Patient(patient), "अंकित शाह ₹"),
    ]
}

fn make(media: &Media, (name, party, display_name): (&str, Party, &str), ttl: u64) -> Token {
    let room = "cn-9e814c52-7e3f-4b8e-9c1a-1f0a4c6f2b11";
    let token = media.grant(room, party, display_name).unwrap().token;
    Token {
        name: name.to_owned(),
        display_name: display_name.to_owned(),
        room: room.to_owned(),
        ttl,
        claims: twirp::verify(&token).unwrap(),
        token,
    }
}

/// Splits the times off: they are the only part of a token that changes from one to the next.
fn timeless(mut claims: Value) -> (Value, u64) {
    let map = claims.as_object_mut().unwrap();
    let time = |value: Option<Value>| value.unwrap().as_u64().unwrap();
    let life = time(map.remove("exp")) - time(map.remove("nbf"));
    (claims, life)
}

#[test]
#[ignore = "writes the fixture anew; the SDKs must then look at it again"]
fn write_token_fixtures() {
    let media = gateway(600);
    let tokens: Vec<_> = cases().into_iter().map(|c| make(&media, c, 600)).collect();
    let text = serde_json::to_string_pretty(&tokens).unwrap();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/livekit/tokens.json");
    std::fs::write(path, text + "\n").unwrap();
}

#[test]
fn tokens_still_say_what_the_sdks_agreed_to() {
    let agreed: Vec<Token> = serde_json::from_str(TOKENS).unwrap();
    assert_eq!(agreed.len(), cases().len());
    for (agreed, case) in agreed.into_iter().zip(cases()) {
        let signed = twirp::verify_signature(&agreed.token, API_SECRET).unwrap();
        assert_eq!(signed, agreed.claims, "the fixture fits its own token");
        let fresh = make(&gateway(agreed.ttl), case, agreed.ttl);
        let head = |token: &str| token.split('.').next().unwrap().to_owned();
        assert_eq!(head(&fresh.token), head(&agreed.token));
        let ((fresh, life), (agreed, _)) = (timeless(fresh.claims), timeless(agreed.claims));
        assert_eq!(fresh, agreed);
        // The two times are read one after the other and may straddle a second.
        assert!((600..=601).contains(&life), "{life}");
        assert!(!fresh["video"].to_string().contains("Admin"));
    }
}

#[test]
fn our_own_jwt_crate_lives_beside_the_one_livekit_brings() {
    #[derive(Serialize, Deserialize)]
    struct Ours {
        exp: u64,
    }
    use jsonwebtoken::{DecodingKey, EncodingKey, Header, Validation, decode, encode};
    let ours = Ours { exp: 4_102_444_800 };
    for _ in 0..2 {
        let token = make(&gateway(60), cases().remove(0), 60).token;
        assert!(twirp::verify(&token).is_ok());
        let key = EncodingKey::from_secret(b"ours");
        let token = encode(&Header::default(), &ours, &key).unwrap();
        let key = DecodingKey::from_secret(b"ours");
        assert!(decode::<Ours>(&token, &key, &Validation::default()).is_ok());
    }
}

fn webhooks() -> Vec<Webhook> {
    let all: Vec<Webhook> = serde_json::from_str(WEBHOOKS).unwrap();
    assert!(all.len() >= 8);
    all
}

fn read(name: &str) -> MediaEvent {
    let hook = webhooks().into_iter().find(|hook| hook.name == name);
    let hook = hook.unwrap_or_else(|| panic!("no fixture {name}"));
    let event = gateway(600).webhook(&hook.authorization, hook.body.as_bytes());
    event.unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn webhooks_of_the_official_sdk_are_read() {
    let room = Some("cn-9e814c52-7e3f-4b8e-9c1a-1f0a4c6f2b11".to_owned());
    let identity = cases().remove(0).1.identity();
    for (name, kind) in [
        ("room_started", MediaEventKind::RoomStarted),
        ("room_finished", MediaEventKind::RoomFinished),
        ("participant_joined", MediaEventKind::ParticipantJoined { identity: identity.clone() }),
        ("participant_left", MediaEventKind::ParticipantLeft { identity: identity.clone() }),
        ("track_published", MediaEventKind::TrackPublished { identity, camera: true }),
        ("unknown_event", MediaEventKind::Other),
        ("unknown_names", MediaEventKind::RoomFinished),
    ] {
        let event = read(name);
        assert_eq!(event.kind, kind, "{name}");
        assert_eq!(event.room, room, "{name}");
        assert_eq!(event.created_at, 1_793_232_000, "{name}");
        assert_eq!(event.id, format!("EV_{name}"));
    }
    let egress = |name| match read(name).kind {
        MediaEventKind::Egress(report) => report,
        other => panic!("{name}: {other:?}"),
    };
    let done = egress("egress_ended");
    assert_eq!(read("egress_ended").room, room);
    assert_eq!(done.egress_id, "EG_1");
    assert_eq!(done.status, EgressStatus::Complete);
    let file = done.file.unwrap();
    assert_eq!(file.filename, "recordings/1.mp4");
    assert_eq!(file.size_bytes, 5_000_000_000);
    assert_eq!(file.duration, Duration::from_secs(61));
    let aborted = egress("egress_aborted");
    assert_eq!(aborted.status, EgressStatus::Failed);
    assert_eq!(aborted.error.as_deref(), Some("Start signal not received"));
    assert_eq!(egress("egress_started").status, EgressStatus::Running);
}

#[test]
fn one_changed_byte_anywhere_is_a_bad_signature() {
    let media = gateway(600);
    let refused =
        |authorization: &str, body: &[u8]| media.webhook(authorization, body) == Err(WebhookError::BadSignature);
    for hook in webhooks() {
        let body = hook.body.as_bytes();
        for at in 0..body.len() {
            let mut changed = body.to_vec();
            changed[at] ^= 1;
            assert!(refused(&hook.authorization, &changed), "{} {at}", hook.name);
        }
        for at in 0..hook.authorization.len() {
            let mut changed = hook.authorization.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert!(refused(&changed, body), "{} token {at}", hook.name);
        }
        assert!(refused(&hook.authorization, b""));
        assert!(refused(&hook.authorization, &[body, b"\n"].concat()));
    }
}

#[test]
fn only_livekits_own_fresh_signature_over_the_body_counts() {
    let media = gateway(600);
    let body = br#"{"event":"room_finished","room":{"name":"cn-1"},"id":"EV_1"}"#;
    let good = sign_webhook(body);
    assert!(media.webhook(&good, body).is_ok());
    assert!(media.webhook(&format!("Bearer {good}"), body).is_ok());

    let claims = twirp::verify(&good).unwrap();
    let with = |key: &str, value: Value| {
        let mut changed = claims.clone();
        changed[key] = value;
        sign(&changed)
    };
    let without = |key: &str| {
        let mut changed = claims.clone();
        changed.as_object_mut().unwrap().remove(key);
        sign(&changed)
    };
    // A stranger may hold a join token, which the same secret signs.
    let join = media.grant("cn-1", cases().remove(0).1, "x").unwrap().token;
    let (_, rest) = good.split_once('.').unwrap();
    let unsigned = format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{rest}");
    for (what, token) in [
        ("a join token", join),
        ("no hash", without("sha256")),
        ("an empty hash", with("sha256", json!(""))),
        ("a hash of something else", with("sha256", json!("AAAA"))),
        ("no expiry", without("exp")),
        ("expired", with("exp", json!(1_700_000_000))),
        ("not valid yet", with("nbf", json!(4_102_444_800_u64))),
        ("another key", with("iss", json!("otherkey"))),
        ("no key", without("iss")),
        ("alg none", unsigned),
        ("nothing", String::new()),
        ("noise", "a.b.c".to_owned()),
    ] {
        let answer = media.webhook(&token, body);
        assert_eq!(answer, Err(WebhookError::BadSignature), "{what}");
    }
    for body in [&b"not json"[..], b"[]", b"{}", b"\xff\xfe"] {
        let answer = media.webhook(&sign_webhook(body), body);
        assert_eq!(answer, Err(WebhookError::Unreadable));
    }
}
