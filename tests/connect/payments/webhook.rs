//! 116: who is believed, and about what.

use axum::http::Method;
use serde_json::json;

use super::{SECRET, SUCCESS, WEBHOOK, balance, deliver, deliver_with, money_events, notice, order, start, status};
use crate::support::cashfree::{sign, webhook};
use crate::support::client::send;

const AT: &str = "1746427759733";

#[tokio::test]
async fn only_the_provider_is_believed() {
    let (app, patient) = start().await;
    let id = order(&patient, 50_000).await;
    let body = notice(SUCCESS, &id);
    let good = sign(SECRET, AT, body.as_bytes());
    let refuse = async |timestamp: &str, signature: &str, body: &str| {
        let answer = deliver_with(&app, timestamp, signature, body).await;
        answer.refused(401, "BAD_SIGNATURE");
        assert_eq!(answer.headers["www-authenticate"], "Bearer");
    };
    refuse(AT, "", &body).await;
    refuse(AT, "nonsense", &body).await;
    refuse(AT, &format!("{good}="), &body).await;
    refuse("1746427759734", &good, &body).await;
    refuse("", &good, &body).await;
    refuse("", &sign(SECRET, "", body.as_bytes()), &body).await;
    refuse(AT, &sign("another-secret", AT, body.as_bytes()), &body).await;
    // Tampered: another order, another amount, a blank more.
    refuse(AT, &good, &body.replace(&id, "cf_order_other")).await;
    refuse(AT, &good, &body.replace("500.00", "5000.00")).await;
    refuse(AT, &good, &format!("{body} ")).await;
    refuse(AT, &good, "").await;
    // A patient's token says nothing here.
    let request = patient.request(Method::POST, WEBHOOK).header("content-type", "application/json").body(body.clone());
    send(request).await.refused(401, "BAD_SIGNATURE");
    send(app.nobody().request(Method::POST, WEBHOOK)).await.refused(401, "BAD_SIGNATURE");
    assert_eq!((status(&patient, &id).await.as_str(), balance(&patient).await), ("PENDING", 0));
    assert!(money_events(&patient).await.is_empty());

    // Age is not checked: a repeat from long ago is harmless.
    let old = "1000000000000";
    let answer = deliver_with(&app, old, &sign(SECRET, old, body.as_bytes()), &body).await;
    assert_eq!(answer.expect(200), json!({"status": "ok"}));
    deliver_with(&app, AT, &good, &body).await.expect(200);
    assert_eq!(balance(&patient).await, 50_000);
}

#[tokio::test]
async fn what_is_unknown_is_taken_so_that_it_is_not_sent_again() {
    let (app, patient) = start().await;
    let id = order(&patient, 50_000).await;
    for body in [
        notice(SUCCESS, "cf_order_00000000000040008000000000000000"),
        notice(SUCCESS, "x'; drop table payment_orders; --"),
        notice("REFUND_STATUS_WEBHOOK", &id),
        notice("PAYMENT_CHARGES_WEBHOOK", &id),
        notice(SUCCESS, &id).replace("\"payment_status\":\"SUCCESS\"", "\"payment_status\":\"PENDING\""),
        "{}".to_owned(),
        "[]".to_owned(),
        "not json".to_owned(),
        String::new(),
        r#"{"type":"PAYMENT_SUCCESS_WEBHOOK","data":{"order":{"order_id":5}}}"#.to_owned(),
        r#"{"type":"PAYMENT_SUCCESS_WEBHOOK","data":{"order":{"order_id":"\u0000"}}}"#.to_owned(),
    ] {
        assert_eq!(deliver(&app, &body).await.expect(200), json!({"status": "ok"}), "{body}");
    }
    assert_eq!((status(&patient, &id).await.as_str(), balance(&patient).await), ("PENDING", 0));
    let long = format!("{{\"a\":\"{}\"}}", "x".repeat(1024 * 1024));
    deliver(&app, &long).await.refused(400, "BODY_TOO_LARGE");
}

#[tokio::test]
async fn another_amount_is_not_credited_but_left_to_an_admin() {
    let (app, patient) = start().await;
    for (ordered, paid) in
        [("500", "499.99"), ("500", "500.01"), ("50000", "50000"), ("500", "\"a lot\""), ("5e2", "5e3")]
    {
        let id = order(&patient, 50_000).await;
        deliver(&app, &webhook(SUCCESS, &id, ordered, paid)).await.expect(200);
        deliver(&app, &webhook(SUCCESS, &id, ordered, paid)).await.expect(200);
        assert_eq!(status(&patient, &id).await, "PENDING", "{ordered} {paid}");
    }
    let id = order(&patient, 50_000).await;
    deliver(&app, &notice(SUCCESS, &id).replace("\"payment_currency\":\"INR\"", "\"payment_currency\":\"USD\"")).await;
    assert_eq!(balance(&patient).await, 0);
    assert!(money_events(&patient).await.is_empty());
    let flagged = app.flagged_payments().await;
    assert_eq!(flagged.len(), 6);
    assert_eq!((flagged[0].flag.as_str(), flagged[0].paid.unwrap().0), ("AMOUNT_DIFFERS", 49_999));
    assert_eq!(app.audited("payment.flag", patient.id).await, 6);
    // The right amount, when it comes, is credited all the same; written in whatever way.
    deliver(&app, &webhook(SUCCESS, &id, "5e2", "500.000")).await.expect(200);
    assert_eq!((status(&patient, &id).await.as_str(), balance(&patient).await), ("SUCCESS", 50_000));
    assert_eq!(app.ledger_adds_up().await, 1);
}
