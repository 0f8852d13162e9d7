//! One-time codes (connect-v2 1, 2; settled 14).

use std::time::Duration;

use axum::http::Method;
use chrono::TimeDelta;
use consilium_storage::accounts::{self, patients};
use consilium_storage::ids::UserId;
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::support::app::TestApp;
use crate::support::client::{Answer, Client, keys, send};
use crate::support::sms::{Fault, SmsPeer};

const PHONE: &str = "+919900112233";

async fn request(nobody: &Client, phone: &str) -> Answer {
    nobody.post("auth/request-otp", json!({"phone": phone})).await
}

async fn verify(nobody: &Client, phone: &str, code: &str) -> Answer {
    nobody.post("auth/verify-otp", json!({"phone": phone, "code": code})).await
}

/// The newest code of a phone, from the development inbox.
async fn code_of(nobody: &Client, phone: &str) -> String {
    let path = format!("/dev/inbox.json?channel=sms&to={}", phone.replace('+', "%2B"));
    let inbox = nobody.get(&path).await.expect(200);
    inbox["items"].as_array().unwrap().last().unwrap()["code"].as_str().unwrap().to_owned()
}

fn another(code: &str) -> String {
    format!("{:06}", (code.parse::<u32>().unwrap() + 1) % 1_000_000)
}

/// Requests a code where the clock allows one at once.
async fn fresh_code(app: &TestApp, nobody: &Client, phone: &str) -> String {
    app.advance(TimeDelta::seconds(31));
    request(nobody, phone).await.expect(202);
    code_of(nobody, phone).await
}

/// The patient of [`PHONE`], once they have signed in.
async fn signed_up(app: &TestApp, nobody: &Client) -> UserId {
    let code = fresh_code(app, nobody, PHONE).await;
    let mut patient = nobody.clone();
    patient.signed_in(&verify(nobody, PHONE, &code).await.expect(200));
    patient.get("users/me").await.expect(200)["id"].as_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_new_phone_becomes_a_patient() {
    let app = TestApp::start().await;
    let mut nobody = app.nobody();
    let answer = nobody.post("auth/request-otp", json!({"phone": PHONE, "platform": "ios", "extra": 1})).await;
    assert_eq!(answer.expect(202), json!({"message": "OTP sent if phone is valid"}));
    let code = code_of(&nobody, PHONE).await;
    assert!(code.len() == 6 && code.bytes().all(|byte| byte.is_ascii_digit()), "{code}");
    let body = json!({"phone": PHONE, "code": code, "name": " Rahul Sharma "});
    let pair = nobody.post("auth/verify-otp", body.clone()).await.expect(200);
    assert_eq!(keys(&pair), ["access_token", "refresh_token", "token_type"]);
    assert_eq!(pair["token_type"], "bearer");
    nobody.post("auth/verify-otp", body).await.refused(400, "OTP_INVALID");
    nobody.signed_in(&pair);
    let me = nobody.get("users/me").await.expect(200);
    assert_eq!((&me["full_name"], &me["phone"]), (&json!("Rahul Sharma"), &json!(PHONE)));
    assert_eq!((&me["is_phone_verified"], &me["avatar_source"]), (&json!(true), &json!("system")));
}

#[tokio::test]
async fn a_name_is_taken_once_and_the_account_stays_the_same() {
    let app = TestApp::start().await;
    let nobody = app.nobody();
    let mut ids = Vec::new();
    for name in [Value::Null, json!("First"), json!("Second")] {
        let code = fresh_code(&app, &nobody, PHONE).await;
        let body = json!({"phone": PHONE, "code": code, "name": name});
        let mut client = nobody.clone();
        client.signed_in(&nobody.post("auth/verify-otp", body).await.expect(200));
        let me = client.get("users/me").await.expect(200);
        ids.push((me["id"].clone(), me["full_name"].clone()));
    }
    assert!(ids.iter().all(|(id, _)| *id == ids[0].0));
    let id = serde_json::from_value(ids[0].0.clone()).unwrap();
    for action in ["user.create", "user.update"] {
        assert_eq!(app.audited(action, id).await, 1, "{action}");
    }
    assert_eq!(
        ids.into_iter().map(|(_, name)| name).collect::<Vec<_>>(),
        [json!(null), json!("First"), json!("First")]
    );
}

#[tokio::test]
async fn bad_input_is_refused_with_every_failure() {
    let app = TestApp::start().await;
    let nobody = app.nobody();
    nobody.post("auth/request-otp", json!({})).await.invalid(&["body.phone missing"]);
    for phone in ["9900112233", "+0123456789", "+91 99001", "+9199001122334455", "+91१२३४५६७८९०", "+919900112233\n"]
    {
        request(&nobody, phone).await.invalid(&["body.phone string_pattern_mismatch"]);
    }
    let body = json!({"phone": 5, "platform": "windows"});
    nobody.post("auth/request-otp", body).await.invalid(&["body.phone string_type", "body.platform enum"]);
    let body = json!({"phone": PHONE, "code": "12345", "name": ""});
    let expected = ["body.code string_pattern_mismatch", "body.name string_too_short"];
    nobody.post("auth/verify-otp", body).await.invalid(&expected);
    let body = json!({"phone": PHONE, "code": 123_456});
    nobody.post("auth/verify-otp", body).await.invalid(&["body.code string_type"]);
    nobody.act("auth/verify-otp").await.invalid(&["body missing"]);
    send(nobody.request(Method::POST, "auth/verify-otp").body("{")).await.invalid(&["body json_invalid"]);
}

#[tokio::test]
async fn a_phone_gets_one_code_in_half_a_minute_and_five_an_hour() {
    let app = TestApp::start().await;
    let nobody = app.nobody();
    request(&nobody, PHONE).await.expect(202);
    let refused = request(&nobody, PHONE).await;
    refused.refused(429, "OTP_RATE_LIMITED");
    assert!((15..=30).contains(&refused.retry_after()), "{}", refused.retry_after());
    request(&nobody, "+919900112234").await.expect(202);
    // The refused one counted: three more make five.
    for _ in 0..3 {
        fresh_code(&app, &nobody, PHONE).await;
    }
    app.advance(TimeDelta::seconds(31));
    let refused = request(&nobody, PHONE).await;
    refused.refused(429, "OTP_RATE_LIMITED");
    assert!((3400..3500).contains(&refused.retry_after()), "{}", refused.retry_after());
    app.advance(TimeDelta::hours(1));
    request(&nobody, PHONE).await.expect(202);
}

#[tokio::test]
async fn an_address_gets_twenty_codes_an_hour_behind_a_trusted_proxy() {
    let app = TestApp::start_with(|config| config.trusted_proxies = vec!["127.0.0.1".parse().unwrap()]).await;
    let nobody = app.nobody();
    let from = async |address: &str, number: usize| {
        let body = json!({"phone": format!("+9199000000{number:02}")});
        let request = nobody.request(Method::POST, "auth/request-otp").header("x-forwarded-for", address);
        send(request.json(&body)).await
    };
    for number in 0..20 {
        from("198.51.100.7", number).await.expect(202);
    }
    from("198.51.100.7", 20).await.refused(429, "OTP_RATE_LIMITED");
    from("198.51.100.8", 21).await.expect(202);
    // Loopback itself is free of this limit in development.
    from("127.0.0.1", 22).await.expect(202);
    request(&nobody, "+919900000099").await.expect(202);
}

#[tokio::test]
async fn an_untrusted_forwarded_address_counts_for_nothing() {
    let app = TestApp::start().await;
    let nobody = app.nobody();
    for number in 0..21 {
        let body = json!({"phone": format!("+9199000000{number:02}")});
        let request = nobody.request(Method::POST, "auth/request-otp").header("x-forwarded-for", "198.51.100.7");
        send(request.json(&body)).await.expect(202);
    }
}

#[tokio::test]
async fn the_fifth_wrong_code_drops_the_code() {
    let app = TestApp::start().await;
    let nobody = app.nobody();
    verify(&nobody, PHONE, "000000").await.refused(400, "OTP_INVALID");
    let code = fresh_code(&app, &nobody, PHONE).await;
    for _ in 0..5 {
        verify(&nobody, PHONE, &another(&code)).await.refused(400, "OTP_INVALID");
    }
    let refused = verify(&nobody, PHONE, &code).await;
    refused.refused(429, "OTP_ATTEMPTS_EXCEEDED");
    assert!((1..=30).contains(&refused.retry_after()));
    let code = fresh_code(&app, &nobody, PHONE).await;
    verify(&nobody, PHONE, &code).await.expect(200);
}

#[tokio::test]
async fn tries_at_once_are_counted_one_by_one() {
    let app = TestApp::start().await;
    let nobody = app.nobody();
    let code = fresh_code(&app, &nobody, PHONE).await;
    let wrong = another(&code);
    let tries = (0..12).map(|_| verify(&nobody, PHONE, &wrong));
    let answers = join_all(tries).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 400).count(), 5);
    assert_eq!(answers.iter().filter(|answer| answer.status == 429).count(), 7);
}

#[tokio::test]
async fn a_code_is_good_for_five_minutes_and_a_newer_one_replaces_it() {
    let app = TestApp::start().await;
    let nobody = app.nobody();
    let code = fresh_code(&app, &nobody, PHONE).await;
    app.advance(TimeDelta::minutes(5));
    verify(&nobody, PHONE, &code).await.refused(400, "OTP_EXPIRED");
    let older = fresh_code(&app, &nobody, PHONE).await;
    let newer = fresh_code(&app, &nobody, PHONE).await;
    if older != newer {
        verify(&nobody, PHONE, &older).await.refused(400, "OTP_INVALID");
    }
    verify(&nobody, "+919900112234", &newer).await.refused(400, "OTP_INVALID");
    verify(&nobody, PHONE, &newer).await.expect(200);
}

#[tokio::test]
async fn a_disabled_patient_is_told_so_only_with_the_right_code() {
    let app = TestApp::start().await;
    let nobody = app.nobody();
    let id = signed_up(&app, &nobody).await;
    accounts::set_active(&mut app.app.conn().await.unwrap(), id, false).await.unwrap();
    let code = fresh_code(&app, &nobody, PHONE).await;
    verify(&nobody, PHONE, &another(&code)).await.refused(400, "OTP_INVALID");
    verify(&nobody, PHONE, &code).await.refused(403, "ACCOUNT_DISABLED");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_patient_who_is_being_switched_off_starts_no_login() {
    let app = TestApp::start().await;
    let nobody = app.nobody();
    let id = signed_up(&app, &nobody).await;
    let code = fresh_code(&app, &nobody, PHONE).await;
    let mut tx = app.app.begin().await.unwrap();
    patients::find_for_update(tx.conn(), id).await.unwrap().unwrap();
    assert!(accounts::set_active(tx.conn(), id, false).await.unwrap());
    let (answer, ()) = tokio::join!(verify(&nobody, PHONE, &code), async {
        app.somebody_waits().await;
        app.app.commit(tx).await.unwrap();
    });
    answer.refused(403, "ACCOUNT_DISABLED");
}

#[tokio::test]
async fn a_doctors_phone_signs_no_doctor_in() {
    let app = TestApp::start().await;
    let nobody = app.nobody();
    let doctor = app.doctor_like(|new| new.phone = Some(PHONE.to_owned())).await;
    assert_ne!(signed_up(&app, &nobody).await, doctor.id);
}

/// A server whose codes go out by this gateway, whose address carries credentials.
async fn with_gateway(peer: &SmsPeer) -> TestApp {
    let url = format!("{}/sms?key=k", peer.url.replacen("//", "//user:secret@", 1));
    TestApp::start_with(|config| config.sms_url = Some(url.into())).await
}

fn phone(number: usize) -> String {
    format!("+9199000000{number:02}")
}

/// The code in the newest message to a phone.
fn sent_code(peer: &SmsPeer, phone: &str) -> String {
    let sent = peer.sent_to(phone).pop().unwrap();
    sent.body["body"].as_str().unwrap()[..6].to_owned()
}

/// The refusal of a code that could not be sent.
#[track_caller]
fn unsent(answer: &Answer) {
    answer.refused(503, "SMS_UNAVAILABLE");
    assert_eq!(answer.retry_after(), 1);
}

#[tokio::test]
async fn a_gateway_that_is_away_is_said() {
    // Nobody listens on the discard port.
    let app = TestApp::start_with(|config| config.sms_url = Some("http://127.0.0.1:9/sms".into())).await;
    unsent(&request(&app.nobody(), PHONE).await);
}

#[tokio::test]
async fn a_code_goes_out_as_one_message_and_signs_in() {
    let peer = SmsPeer::start().await;
    let app = with_gateway(&peer).await;
    let nobody = app.nobody();
    for (number, platform) in [json!("ios"), json!("android"), Value::Null].into_iter().enumerate() {
        let phone = phone(number);
        let body = json!({"phone": phone, "platform": platform});
        let answer = nobody.post("auth/request-otp", body).await.expect(202);
        assert_eq!(answer, json!({"message": "OTP sent if phone is valid"}));
        let [sent] = peer.sent_to(&phone).try_into().unwrap();
        assert_eq!((sent.method.as_str(), sent.path.as_str()), ("POST", "/sms?key=k"));
        assert_eq!(sent.headers["content-type"], "application/json");
        assert_eq!(sent.headers["authorization"], "Basic dXNlcjpzZWNyZXQ=");
        let code = sent_code(&peer, &phone);
        let words = format!("{code} is your sign-in code. It is valid for 5 minutes.");
        assert_eq!(sent.body, json!({"to": phone, "body": words, "platform": platform}));
        verify(&nobody, &phone, &code).await.expect(200);
    }
    let inbox = nobody.get("/dev/inbox.json?channel=sms").await.expect(200);
    assert_eq!(inbox["items"], json!([]), "codes go nowhere else");
}

#[tokio::test]
async fn a_gateway_in_trouble_is_asked_once_more_and_one_that_refuses_is_not() {
    let peer = SmsPeer::start().await;
    let app = with_gateway(&peer).await;
    let nobody = app.nobody();
    let cases = [
        (vec![Fault::Status(500)], 202, 2),
        (vec![Fault::CutOff], 202, 2),
        (vec![Fault::Status(503), Fault::Status(502)], 503, 2),
        (vec![Fault::Status(403)], 503, 1),
        // The status is what counts: every gateway has words of its own.
        (vec![Fault::Page], 202, 1),
    ];
    for (number, (faults, status, tries)) in cases.into_iter().enumerate() {
        let phone = phone(number);
        peer.fail(&phone, faults.clone());
        let answer = request(&nobody, &phone).await;
        assert_eq!(answer.status, status, "{faults:?}: {}", answer.text);
        if status == 503 {
            unsent(&answer);
        }
        let sent = peer.sent_to(&phone);
        assert_eq!(sent.len(), tries, "{faults:?}");
        assert!(sent.iter().all(|one| one.body == sent[0].body), "the same code");
    }
}

#[tokio::test]
async fn whatever_becomes_of_the_gateway_is_said_in_time() {
    let peer = SmsPeer::start().await;
    let app = with_gateway(&peer).await;
    let nobody = app.nobody();
    let faults = [Fault::Garbage, Fault::CutOff, Fault::Hang, Fault::Trickle];
    let phones: Vec<String> = (0..faults.len()).map(phone).collect();
    for (phone, fault) in phones.iter().zip(faults) {
        peer.fail(phone, [fault.clone(), fault]);
    }
    let started = Instant::now();
    let answers = join_all(phones.iter().map(|phone| request(&nobody, phone))).await;
    let spent = started.elapsed();
    assert!(spent < Duration::from_secs(20), "{spent:?}");
    for (phone, answer) in phones.iter().zip(&answers) {
        unsent(answer);
        assert_eq!(peer.sent_to(phone).len(), 2);
        // What was not sent was asked for all the same.
        request(&nobody, phone).await.refused(429, "OTP_RATE_LIMITED");
    }
    // When it is back, so are the codes.
    app.advance(TimeDelta::seconds(31));
    for phone in &phones {
        request(&nobody, phone).await.expect(202);
        verify(&nobody, phone, &sent_code(&peer, phone)).await.expect(200);
    }
}

#[tokio::test]
async fn a_code_is_never_carried_to_where_a_redirect_leads() {
    let (peer, other) = tokio::join!(SmsPeer::start(), SmsPeer::start());
    let app = with_gateway(&peer).await;
    let nobody = app.nobody();
    for (number, status) in [301, 302, 303, 307, 308].into_iter().enumerate() {
        let phone = phone(number);
        // To another host; then to a page that would answer 202.
        let away = Fault::Redirect(status, format!("{}/sms", other.url));
        let aside = Fault::Redirect(status, format!("{}/login", peer.url));
        peer.fail(&phone, [away, aside]);
        unsent(&request(&nobody, &phone).await);
        assert_eq!(peer.sent_to(&phone).len(), 2, "{status}");
    }
    assert!(other.all().is_empty(), "{:?}", other.all());
    assert!(peer.all().iter().all(|sent| sent.path == "/sms?key=k"), "{:?}", peer.all());
}

#[tokio::test]
async fn a_gateway_that_stays_away_is_left_alone_for_a_while() {
    let peer = SmsPeer::start().await;
    let app = with_gateway(&peer).await;
    let nobody = app.nobody();
    let deadline = Instant::now() + Duration::from_secs(30);
    let mut asked = 0;
    loop {
        peer.fail(&phone(asked), [Fault::CutOff, Fault::Status(500)]);
        unsent(&request(&nobody, &phone(asked)).await);
        if peer.sent_to(&phone(asked)).is_empty() {
            break;
        }
        // Where the while is over before the next request, that one is asked for once more, and it begins anew.
        asked += 1;
        assert!(Instant::now() < deadline, "it is asked for ever");
    }
    assert!(asked >= 5, "given up after {asked}");
    let deadline = Instant::now() + Duration::from_secs(30);
    for number in asked + 1.. {
        let answer = request(&nobody, &phone(number)).await;
        if answer.status == 202 {
            break;
        }
        unsent(&answer);
        assert!(Instant::now() < deadline, "it is not asked again");
        sleep(Duration::from_millis(500)).await;
    }
    request(&nobody, &phone(99)).await.expect(202);
}
