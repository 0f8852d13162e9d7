//! The Cashfree gateway against a peer that checks what Cashfree would check.

use std::time::{Duration, Instant};

use axum::http::Method;
use chrono::{DateTime, Utc};
use consilium::gateways::payments::{Cashfree, NewPayment, PaymentError, Payments, Policy, Report, cashfree};
use consilium_storage::ids::{OrderId, UserId};
use consilium_storage::money::Paise;

use crate::support::cashfree::{CLIENT_ID, CLIENT_SECRET, CashfreePeer, Fault};

fn patient() -> Policy {
    Policy {
        attempt_timeout: Duration::from_secs(20),
        budget: Duration::from_secs(60),
        attempts: 3,
        backoff: Duration::from_millis(2),
        open_after: 3,
        open_for: Duration::from_millis(150),
    }
}

/// For a peer that hangs. More attempts than it spoils: a busy machine spoils some too.
fn quick() -> Policy {
    Policy { attempt_timeout: Duration::from_millis(400), attempts: 6, ..patient() }
}

fn gateway_like(peer: &CashfreePeer, policy: Policy, change: impl FnOnce(&mut cashfree::Account)) -> Payments {
    let mut account = cashfree::Account {
        url: peer.url(),
        client_id: CLIENT_ID.to_owned(),
        client_secret: CLIENT_SECRET.into(),
        version: "2023-08-01".to_owned(),
        notify_url: None,
    };
    change(&mut account);
    Payments::Cashfree(Cashfree::new(account, policy).unwrap())
}

fn gateway_with(peer: &CashfreePeer, change: impl FnOnce(&mut cashfree::Account)) -> Payments {
    gateway_like(peer, patient(), change)
}

fn gateway(peer: &CashfreePeer) -> Payments {
    gateway_with(peer, |_| {})
}

fn new(order_id: &OrderId) -> NewPayment<'_> {
    NewPayment {
        order_id,
        amount: Paise(50_010),
        customer: UserId::new(),
        phone: Some("+919900000001"),
        expires_at: DateTime::<Utc>::from_timestamp(1_800_000_000, 0).unwrap(),
    }
}

#[tokio::test]
async fn an_order_is_opened_and_looked_at() {
    let peer = CashfreePeer::start().await;
    let gateway = gateway_with(&peer, |account| account.notify_url = Some("https://care.example/hook".to_owned()));
    let id = OrderId::random();
    assert_eq!(gateway.open(new(&id)).await.unwrap(), format!("session_{id}_Payment"));
    let request = &peer.requests()[0];
    assert_eq!((&request.method, request.path.as_str()), (&Method::POST, "/orders"));
    assert!(request.body.contains("\"order_amount\":500.10,"), "{}", request.body);
    assert!(request.body.contains("\"order_expiry_time\":\"2027-01-15T08:00:00Z\""), "{}", request.body);
    assert!(request.body.contains("\"notify_url\":\"https://care.example/hook\""), "{}", request.body);
    assert_eq!(request.idempotency_key.as_deref(), Some(id.0.trim_start_matches("cf_order_")));

    assert_eq!(gateway.look(&id).await, Ok(Report::Open));
    peer.attempt(&id.0, "FAILED", "500.10");
    assert_eq!(gateway.look(&id).await, Ok(Report::Failed));
    peer.attempt(&id.0, "PENDING", "500.10");
    assert_eq!(gateway.look(&id).await, Ok(Report::Open));
    peer.attempt(&id.0, "SUCCESS", "500.1");
    let Ok(Report::Paid(paid)) = gateway.look(&id).await else { panic!("not paid") };
    assert!(paid.is(Paise(50_010)) && !paid.is(Paise(50_000)));
    assert_eq!(paid.payment_id.as_deref(), Some("2"));
    assert!(peer.refused().is_empty(), "{:?}", peer.refused());
    assert_eq!(gateway.look(&OrderId::random()).await, Err(PaymentError::Unknown));
    // An id that would lead elsewhere stays one segment of the path.
    assert_eq!(gateway.look(&OrderId("../orders".to_owned())).await, Err(PaymentError::Unknown));
}

#[tokio::test]
async fn trouble_is_tried_again_and_an_order_is_opened_once() {
    let peer = CashfreePeer::start().await;
    let gateway = gateway(&peer);
    let id = OrderId::random();
    // Made at the first attempt, whose answer is lost; the second hears that it is there already.
    peer.fail_next(&[Fault::Lost]);
    assert_eq!(gateway.open(new(&id)).await.unwrap(), format!("session_{id}_Payment"));
    let made: Vec<_> = peer.requests().iter().map(|request| request.method.clone()).collect();
    assert_eq!(made, [Method::POST, Method::POST, Method::GET]);
    let keys: Vec<_> = peer.requests().iter().filter_map(|request| request.idempotency_key.clone()).collect();
    assert_eq!(keys[0], keys[1]);
    // Somebody else's order of the same id is not taken for ours.
    assert!(matches!(gateway.open(new(&id)).await, Err(PaymentError::Refused(why)) if why.contains("409")));

    let gateway = gateway_like(&peer, quick(), |_| {});
    for faults in
        [[Fault::Internal, Fault::ProxyPage], [Fault::TooMany, Fault::Hang], [Fault::Endless, Fault::Internal]]
    {
        let id = OrderId::random();
        peer.fail_next(&faults);
        gateway.open(new(&id)).await.unwrap();
    }
}

#[tokio::test]
async fn an_answer_that_makes_no_sense_is_no_answer() {
    let peer = CashfreePeer::start().await;
    let gateway = gateway(&peer);
    let id = OrderId::random();
    gateway.open(new(&id)).await.unwrap();
    for fault in [Fault::Garbage, Fault::OtherShape] {
        peer.fail_always(Some(fault));
        assert!(matches!(gateway.look(&id).await, Err(PaymentError::Unreachable(_))), "{fault:?}");
        assert!(matches!(gateway.open(new(&OrderId::random())).await, Err(PaymentError::Unreachable(_))), "{fault:?}");
    }
    // The secret is never carried to where a redirect leads.
    peer.fail_always(Some(Fault::Redirect));
    assert!(matches!(gateway.look(&id).await, Err(PaymentError::Refused(_))));
    peer.fail_always(None);
    assert_eq!(gateway.look(&id).await, Ok(Report::Open));
}

#[tokio::test]
async fn a_provider_that_is_away_is_left_alone_for_a_while() {
    let peer = CashfreePeer::start().await;
    let gateway = gateway_like(&peer, Policy { attempts: 3, ..quick() }, |_| {});
    let id = OrderId::random();
    gateway.open(new(&id)).await.unwrap();
    peer.fail_always(Some(Fault::Hang));
    let started = Instant::now();
    // Three calls that fail in a row open the breaker.
    for _ in 0..3 {
        assert!(matches!(gateway.look(&id).await, Err(PaymentError::Unreachable(_))));
    }
    assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());
    let mut quick_refusal = false;
    for _ in 0..20 {
        let started = Instant::now();
        assert!(matches!(gateway.look(&id).await, Err(PaymentError::Unreachable(_))));
        quick_refusal |= started.elapsed() < Duration::from_millis(100);
    }
    assert!(quick_refusal, "nobody was turned away at once");
    peer.fail_always(None);
    let deadline = Instant::now() + Duration::from_secs(20);
    while gateway.look(&id).await != Ok(Report::Open) {
        assert!(Instant::now() < deadline, "it stays shut");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn wrong_credentials_are_a_refusal_and_not_asked_again() {
    let peer = CashfreePeer::start().await;
    let gateway = gateway_with(&peer, |account| account.client_secret = "another".into());
    let error = gateway.open(new(&OrderId::random())).await.unwrap_err();
    assert_eq!(error, PaymentError::Refused("401 request_failed".to_owned()));
    assert!(!error.to_string().contains("another"));
    assert_eq!(peer.refused(), ["credentials"]);
    let nobody = Payments::Cashfree(
        Cashfree::new(
            cashfree::Account {
                url: "http://127.0.0.1:1/pg".to_owned(),
                client_id: CLIENT_ID.to_owned(),
                client_secret: CLIENT_SECRET.into(),
                version: "2023-08-01".to_owned(),
                notify_url: None,
            },
            patient(),
        )
        .unwrap(),
    );
    assert!(matches!(nobody.look(&OrderId::random()).await, Err(PaymentError::Unreachable("no connection"))));
    for url in ["nonsense", "ftp://host/pg", "mailto:x"] {
        let account = cashfree::Account {
            url: url.to_owned(),
            client_id: String::new(),
            client_secret: "x".into(),
            version: String::new(),
            notify_url: None,
        };
        assert!(Cashfree::new(account, patient()).is_err(), "{url}");
    }
}
