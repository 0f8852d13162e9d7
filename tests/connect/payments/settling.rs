//! 115 and 116 on one order: whatever arrives, however often, in whatever order, it is credited once.

use std::time::Duration;

use chrono::TimeDelta;
use consilium_storage::connect::sandbox::Outcome;
use consilium_storage::ledger;
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::{
    DROPPED, FAILED, SUCCESS, balance, deliver, money_events, notice, order, pay_silently, play, start, status, verify,
};
use crate::support::meeting::{events_of, inbox};

#[tokio::test]
async fn a_paid_order_is_credited_and_told_once() {
    let (app, patient) = start().await;
    let id = order(&patient, 50_000).await;
    play(&app, &id, "success").await;
    let seen = verify(&patient, &id).await.expect(200);
    assert_eq!(
        seen,
        json!({"order_id": id, "status": "SUCCESS", "amount": 50_000, "bonus_amount": 0, "wallet_credited": true,
               "wallet_balance": 50_000})
    );
    for _ in 0..3 {
        play(&app, &id, "success").await;
        deliver(&app, &notice(SUCCESS, &id)).await.expect(200);
        assert_eq!(verify(&patient, &id).await.expect(200), seen);
    }
    assert_eq!(balance(&patient).await, 50_000);
    let events = inbox(&patient).await;
    let kinds: Vec<&str> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["payment.success", "wallet.updated"]);
    assert_eq!(events[0]["data"], json!({"order_id": id, "balance": 50_000}));
    assert_eq!(events[1]["data"], json!({"order_id": id, "session_id": null, "balance": 50_000}));
    assert_eq!(app.ledger_adds_up().await, 1);
}

#[tokio::test]
async fn twenty_at_once_credit_once() {
    let (app, patient) = start().await;
    for round in 0..5 {
        let id = order(&patient, 50_000).await;
        pay_silently(&app, &id, Outcome::Success).await;
        let body = notice(SUCCESS, &id);
        let verifying = futures_util::future::join_all((0..10).map(|_| verify(&patient, &id)));
        let delivering = futures_util::future::join_all((0..10).map(|_| deliver(&app, &body)));
        let (verified, delivered) = tokio::join!(verifying, delivering);
        for answer in verified {
            let seen = answer.expect(200);
            assert_eq!((&seen["status"], &seen["wallet_balance"]), (&json!("SUCCESS"), &json!(50_000 * (round + 1))));
        }
        for answer in delivered {
            assert_eq!(answer.expect(200), json!({"status": "ok"}));
        }
        assert_eq!(balance(&patient).await, 50_000 * (round + 1));
    }
    assert_eq!(money_events(&patient).await, ["payment.success", "wallet.updated"].repeat(5));
    assert_eq!(app.ledger_adds_up().await, 5);
}

#[tokio::test]
async fn a_failed_attempt_is_told_once_and_the_next_may_succeed() {
    let (app, patient) = start().await;
    let id = order(&patient, 50_000).await;
    play(&app, &id, "failed").await;
    assert_eq!(status(&patient, &id).await, "FAILED");
    play(&app, &id, "dropped").await;
    deliver(&app, &notice(DROPPED, &id)).await.expect(200);
    let failed = events_of(&patient, "payment.failed").await;
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0]["data"], json!({"order_id": id, "balance": 0}));
    let seen = verify(&patient, &id).await.expect(200);
    assert_eq!(
        (&seen["status"], &seen["wallet_credited"], &seen["wallet_balance"]),
        (&json!("FAILED"), &json!(false), &json!(0))
    );
    play(&app, &id, "success").await;
    assert_eq!((status(&patient, &id).await.as_str(), balance(&patient).await), ("SUCCESS", 50_000));
    // A failure that comes late no longer counts.
    play(&app, &id, "failed").await;
    deliver(&app, &notice(FAILED, &id)).await.expect(200);
    assert_eq!((status(&patient, &id).await.as_str(), balance(&patient).await), ("SUCCESS", 50_000));
    assert_eq!(money_events(&patient).await, ["payment.failed", "payment.success", "wallet.updated"]);
    assert_eq!(app.audited("payment.fail", patient.id).await, 1);
}

#[tokio::test]
async fn every_order_of_arrival_ends_in_one_credit() {
    let (app, patient) = start().await;
    let kinds = [SUCCESS, FAILED, DROPPED];
    let mut credited = 0;
    for first in kinds {
        for second in kinds {
            for third in kinds {
                let id = order(&patient, 50_000).await;
                for kind in [first, second, third] {
                    deliver(&app, &notice(kind, &id)).await.expect(200);
                }
                let paid = [first, second, third].contains(&SUCCESS);
                credited += i64::from(paid);
                let seen = patient.get("analytics/user/orders?limit=1").await.expect(200)["items"][0].clone();
                assert_eq!(seen["order_id"], json!(id));
                assert_eq!(seen["status"], if paid { "SUCCESS" } else { "FAILED" }, "{first} {second} {third}");
                assert_eq!(balance(&patient).await, 50_000 * credited);
            }
        }
    }
    assert_eq!((credited, app.ledger_adds_up().await), (19, 19));
}

#[tokio::test]
async fn an_order_expires_and_a_late_payment_still_counts() {
    let (app, patient) = start().await;
    let id = order(&patient, 50_000).await;
    app.advance(TimeDelta::hours(24));
    assert_eq!(status(&patient, &id).await, "EXPIRED");
    assert_eq!(status(&patient, &id).await, "EXPIRED");
    deliver(&app, &notice(FAILED, &id)).await.expect(200);
    assert_eq!(status(&patient, &id).await, "EXPIRED");
    assert!(money_events(&patient).await.is_empty());
    assert_eq!(app.audited("payment.expire", patient.id).await, 1);
    play(&app, &id, "success").await;
    assert_eq!((status(&patient, &id).await.as_str(), balance(&patient).await), ("SUCCESS", 50_000));
    assert_eq!(money_events(&patient).await, ["payment.success", "wallet.updated"]);
}

#[tokio::test]
async fn a_crash_between_the_providers_answer_and_the_commit_loses_nothing() {
    let (app, patient) = start().await;
    for webhook in [false, true] {
        let before = balance(&patient).await;
        let id = order(&patient, 50_000).await;
        pay_silently(&app, &id, Outcome::Success).await;
        // Somebody holds the wallet: whoever settles has the provider's answer, has written the order, and waits.
        let mut holder = app.app.begin().await.unwrap();
        app.fund(patient.id, 1).await;
        ledger::lock_wallet(holder.conn(), patient.id).await.unwrap();
        let settling =
            async { if webhook { deliver(&app, &notice(SUCCESS, &id)).await } else { verify(&patient, &id).await } };
        let crash = async {
            let deadline = Instant::now() + Duration::from_secs(30);
            while app.cut_waiting().await == 0 {
                assert!(Instant::now() < deadline, "nobody waited for the wallet");
                sleep(Duration::from_millis(5)).await;
            }
        };
        let (answer, ()) = tokio::join!(settling, crash);
        assert_eq!(answer.status, 503, "{}", answer.text);
        holder.rollback().await.unwrap();
        // Nothing of it was kept, and the next word about it is taken whole.
        let stored = patient.get("analytics/user/orders?limit=1").await.expect(200)["items"][0].clone();
        assert_eq!((&stored["status"], &stored["paid_at"]), (&json!("PENDING"), &json!(null)));
        assert_eq!(balance(&patient).await, before + 1);
        if webhook {
            deliver(&app, &notice(SUCCESS, &id)).await.expect(200);
        }
        assert_eq!(status(&patient, &id).await, "SUCCESS");
        deliver(&app, &notice(SUCCESS, &id)).await.expect(200);
        assert_eq!(balance(&patient).await, before + 50_001);
    }
    assert_eq!(events_of(&patient, "payment.success").await.len(), 2);
    assert_eq!(app.ledger_adds_up().await, 4);
}
