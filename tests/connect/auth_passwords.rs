//! Signing in with a password (connect-v2 3, 120, 121).

use std::time::Duration;

use axum::http::Method;
use chrono::TimeDelta;
use consilium::accounts::passwords;
use consilium_realtime::shared::counters::Limit;
use consilium_storage::accounts;
use consilium_storage::connect::doctors::profile;
use consilium_storage::tx::Tx;
use futures_util::future::join_all;
use serde_json::json;
use tokio::time::sleep;

use crate::support::app::{PASSWORD, TestApp};
use crate::support::client::{Answer, Client, keys, send};

const EMAIL: &str = "ankit@test.example";

async fn doctor_login(nobody: &Client, email: &str, password: &str) -> Answer {
    nobody.post("auth/doctor/login", json!({"email": email, "password": password})).await
}

async fn admin_login(nobody: &Client, username: &str, password: &str) -> Answer {
    nobody.post("admin/auth/login", json!({"username": username, "password": password})).await
}

#[tokio::test]
async fn a_doctor_signs_in_by_mail_address_in_any_case() {
    let app = TestApp::start().await;
    let mut nobody = app.nobody();
    app.doctor_like(|new| new.email = EMAIL.to_owned()).await;
    let pair = doctor_login(&nobody, "Ankit@TEST.example", PASSWORD).await.expect(200);
    assert_eq!(keys(&pair), ["access_token", "refresh_token", "token_type"]);
    nobody.signed_in(&pair);
    nobody.get("users/me").await.refused(403, "WRONG_ROLE");
    nobody.get("admin/auth/me").await.refused(403, "WRONG_ROLE");
    nobody.act("auth/logout").await.expect(200);
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_name_are_told_the_same() {
    let app = TestApp::start().await;
    let nobody = app.nobody();
    app.doctor_like(|new| new.email = EMAIL.to_owned()).await;
    app.admin().await;
    let wrong = doctor_login(&nobody, EMAIL, "not it").await;
    wrong.refused(401, "INVALID_CREDENTIALS");
    assert_eq!(wrong.headers["www-authenticate"], "Bearer");
    let unknown = doctor_login(&nobody, "nobody@test.example", "not it").await;
    assert_eq!(unknown.expect(401), wrong.body);
    admin_login(&nobody, "nobody", "not it").await.refused(401, "INVALID_CREDENTIALS");
    // A doctor is no admin, and the other way round.
    admin_login(&nobody, EMAIL, PASSWORD).await.refused(401, "INVALID_CREDENTIALS");
}

#[tokio::test]
async fn bad_input_is_refused_with_every_failure() {
    let app = TestApp::start().await;
    let nobody = app.nobody();
    nobody.post("auth/doctor/login", json!({})).await.invalid(&["body.email missing", "body.password missing"]);
    doctor_login(&nobody, "no address", "")
        .await
        .invalid(&["body.email value_error", "body.password string_too_short"]);
    let expected = ["body.username missing", "body.password string_type"];
    nobody.post("admin/auth/login", json!({"password": 1})).await.invalid(&expected);
}

/// A server that believes what is said of addresses.
async fn behind_a_proxy() -> TestApp {
    TestApp::start_with(|config| config.trusted_proxies = vec!["127.0.0.1".parse().unwrap()]).await
}

/// A sign-in from the address that ends so.
async fn login_from(nobody: &Client, last: u32, email: &str, password: &str) -> Answer {
    let request = nobody.request(Method::POST, "auth/doctor/login");
    let request = request.header("x-forwarded-for", format!("198.51.100.{last}"));
    send(request.json(&json!({"email": email, "password": password}))).await
}

#[tokio::test]
async fn ten_failures_close_the_door_for_a_name() {
    let app = behind_a_proxy().await;
    let nobody = app.nobody();
    app.doctor_like(|new| new.email = EMAIL.to_owned()).await;
    let from = async |last: u32, email: &str, password: &str| login_from(&nobody, last, email, password).await;
    for last in 0..10 {
        from(last, EMAIL, "not it").await.refused(401, "INVALID_CREDENTIALS");
        // What fits is no failure, nor does it open the door again.
        let fits = from(last, EMAIL, PASSWORD).await;
        assert_eq!(fits.status, if last < 9 { 200 } else { 429 });
    }
    let refused = from(11, "ANKIT@test.example", PASSWORD).await;
    refused.refused(429, "LOGIN_RATE_LIMITED");
    // From the first of them on, less the time that twenty passwords take.
    assert!((800..=900).contains(&refused.retry_after()), "{}", refused.retry_after());
    from(11, "other@test.example", "not it").await.refused(401, "INVALID_CREDENTIALS");
    app.advance(TimeDelta::minutes(15));
    from(11, EMAIL, PASSWORD).await.expect(200);
}

#[tokio::test]
async fn ten_failures_close_the_door_for_an_address() {
    let app = TestApp::start().await;
    let nobody = app.nobody();
    app.doctor_like(|new| new.email = EMAIL.to_owned()).await;
    for number in 0..10 {
        doctor_login(&nobody, &format!("guess-{number}@test.example"), "x").await.refused(401, "INVALID_CREDENTIALS");
    }
    doctor_login(&nobody, EMAIL, PASSWORD).await.refused(429, "LOGIN_RATE_LIMITED");
    admin_login(&nobody, "admin", "x").await.refused(429, "LOGIN_RATE_LIMITED");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_sign_ins_at_once_are_no_failures() {
    let app = TestApp::start().await;
    let nobody = app.nobody();
    app.doctor_like(|new| new.email = EMAIL.to_owned()).await;
    for answer in join_all((0..20).map(|_| doctor_login(&nobody, EMAIL, PASSWORD))).await {
        answer.expect(200);
    }
    // And none of them was counted.
    for _ in 0..9 {
        doctor_login(&nobody, EMAIL, "not it").await.refused(401, "INVALID_CREDENTIALS");
    }
    doctor_login(&nobody, EMAIL, PASSWORD).await.expect(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guessing_in_parallel_is_told_no_more_than_ten_times() {
    let app = behind_a_proxy().await;
    let nobody = app.nobody();
    app.doctor_like(|new| new.email = EMAIL.to_owned()).await;
    let answers = join_all((0..30).map(|last| login_from(&nobody, last, EMAIL, "not it"))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 401).count(), 10);
    for answer in answers.iter().filter(|answer| answer.status != 401) {
        answer.refused(429, "LOGIN_RATE_LIMITED");
    }
    login_from(&nobody, 31, EMAIL, PASSWORD).await.refused(429, "LOGIN_RATE_LIMITED");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_stands_in_line_while_others_fail_is_refused() {
    let app = TestApp::start().await;
    let nobody = app.nobody();
    app.doctor_like(|new| new.email = EMAIL.to_owned()).await;
    let turns = join_all((0..8).map(|_| passwords::turn())).await;
    let (answer, ()) = tokio::join!(doctor_login(&nobody, EMAIL, PASSWORD), async {
        // Nothing shows that it stands in line; where it is late, it is refused at the door.
        sleep(Duration::from_millis(500)).await;
        let failures = Limit { count: 10, window: TimeDelta::minutes(15) };
        for _ in 0..10 {
            app.app.limits.hit(&format!("login:doctor:{EMAIL}"), failures, app.app.now()).await.unwrap();
        }
        drop(turns);
    });
    answer.refused(429, "LOGIN_RATE_LIMITED");
}

#[tokio::test]
async fn a_disabled_doctor_is_told_so_only_with_the_right_password() {
    let app = TestApp::start().await;
    let nobody = app.nobody();
    let doctor = app.doctor_like(|new| new.email = EMAIL.to_owned()).await;
    accounts::set_active(&mut app.app.conn().await.unwrap(), doctor.id, false).await.unwrap();
    doctor_login(&nobody, EMAIL, "not it").await.refused(401, "INVALID_CREDENTIALS");
    doctor_login(&nobody, EMAIL, PASSWORD).await.refused(403, "ACCOUNT_DISABLED");
}

#[tokio::test]
async fn a_disabled_admin_is_told_so_only_with_the_right_password() {
    let app = TestApp::start().await;
    let nobody = app.nobody();
    let admin = app.admin().await;
    let me = admin.get("admin/auth/me").await.expect(200);
    let username = me["username"].as_str().unwrap();
    accounts::set_active(&mut app.app.conn().await.unwrap(), admin.id, false).await.unwrap();
    admin_login(&nobody, username, "not it").await.refused(401, "INVALID_CREDENTIALS");
    admin_login(&nobody, username, PASSWORD).await.refused(403, "ACCOUNT_DISABLED");
}

/// What a sign-in with the password that was right so far answers, when it waits for this transaction.
async fn login_meanwhile(app: &TestApp, tx: Tx) -> Answer {
    let nobody = app.nobody();
    let (answer, ()) = tokio::join!(doctor_login(&nobody, EMAIL, PASSWORD), async {
        app.somebody_waits().await;
        app.app.commit(tx).await.unwrap();
    });
    answer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_that_is_being_replaced_starts_no_login() {
    let app = TestApp::start().await;
    let doctor = app.doctor_like(|new| new.email = EMAIL.to_owned()).await;
    let mut tx = app.app.begin().await.unwrap();
    profile::find_for_update(tx.conn(), doctor.id).await.unwrap().unwrap();
    profile::set_password(tx.conn(), doctor.id, "another").await.unwrap();
    login_meanwhile(&app, tx).await.refused(401, "INVALID_CREDENTIALS");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_that_is_being_switched_off_starts_no_login() {
    let app = TestApp::start().await;
    let doctor = app.doctor_like(|new| new.email = EMAIL.to_owned()).await;
    let mut tx = app.app.begin().await.unwrap();
    assert!(accounts::set_active(tx.conn(), doctor.id, false).await.unwrap());
    login_meanwhile(&app, tx).await.refused(403, "ACCOUNT_DISABLED");
}

#[tokio::test]
async fn an_admin_signs_in_and_sees_the_own_account() {
    let app = TestApp::start().await;
    let mut nobody = app.nobody();
    let made = app.admin().await;
    let me = made.get("admin/auth/me").await.expect(200);
    assert_eq!(keys(&me), ["created_at", "email", "full_name", "id", "is_active", "username"]);
    assert_eq!((&me["id"], &me["is_active"]), (&json!(made.id), &json!(true)));
    nobody.get("admin/auth/me").await.refused_plainly(401);
    nobody.signed_in(&admin_login(&nobody, me["username"].as_str().unwrap(), PASSWORD).await.expect(200));
    assert_eq!(nobody.get("admin/auth/me").await.expect(200), me);
    app.patient().await.get("admin/auth/me").await.refused(403, "WRONG_ROLE");
    let mut conn = app.app.conn().await.unwrap();
    accounts::set_email(&mut conn, made.id, Some("Boss@test.example")).await.unwrap();
    admin_login(&app.nobody(), "boss@TEST.example", PASSWORD).await.expect(200);
}
