//! The wallet (117, 118) and what a consultation takes from it (45).

use chrono::TimeDelta;
use consilium::connect::sessions::ops;
use serde_json::{Value, json};

use crate::support::app::TestApp;
use crate::support::client::{Client, keys};
use crate::support::meeting::{Meeting, events_of, inbox, kinds, of, say, text, time};

async fn balance(client: &Client) -> i64 {
    client.get("wallet/balance").await.expect(200)["balance"].as_i64().unwrap()
}

async fn transactions(client: &Client) -> Vec<Value> {
    let page = client.get("wallet/transactions?limit=100").await.expect(200);
    page["items"].as_array().unwrap().clone()
}

/// A consultation of a little more than this time at 500 paise a minute; its id and the values of its end.
async fn consulted(m: &Meeting, time: TimeDelta) -> (String, Value) {
    let id = m.ongoing().await;
    m.app.advance(time);
    let values = m.doctor.act(&of(&id, "end")).await.expect(200);
    (id, values)
}

async fn detail(client: &Client, id: &str) -> Value {
    client.get(&format!("connect/sessions/{id}")).await.expect(200)
}

#[tokio::test]
async fn a_fresh_wallet_is_empty_and_a_wallet_is_its_owners() {
    let app = TestApp::start().await;
    let (patient, other) = (app.patient().await, app.patient().await);
    let wallet = patient.get("wallet/balance").await.expect(200);
    assert_eq!(keys(&wallet), ["balance", "currency", "updated_at"]);
    assert_eq!((&wallet["balance"], &wallet["currency"]), (&json!(0), &json!("INR")));
    let made = time(&wallet["updated_at"]);
    assert!(made <= app.app.now() && made > app.app.now() - TimeDelta::minutes(1));
    let empty = json!({"items": [], "total": 0, "limit": 20, "offset": 0, "has_more": false});
    assert_eq!(patient.get("wallet/transactions").await.expect(200), empty);

    app.advance(TimeDelta::hours(1));
    let patient = app.sign_in(patient.id, consilium_storage::accounts::Role::Client).await;
    let other = app.sign_in(other.id, consilium_storage::accounts::Role::Client).await;
    app.fund(patient.id, 50_000).await;
    let wallet = patient.get("wallet/balance").await.expect(200);
    assert_eq!(wallet["balance"], 50_000);
    assert!(time(&wallet["updated_at"]) >= made + TimeDelta::hours(1));
    assert_eq!(balance(&other).await, 0);
    assert_eq!(transactions(&other).await, [] as [Value; 0]);
    assert_eq!(transactions(&patient).await.len(), 1);
}

#[tokio::test]
async fn transactions_are_pages_of_what_moved_the_newest_first() {
    let m = Meeting::start().await;
    for paise in [1_000, 2_000, 3_000] {
        m.app.fund(m.patient.id, paise).await;
    }
    let (id, _) = consulted(&m, TimeDelta::seconds(65)).await;
    let all = transactions(&m.patient).await;
    let first = &all[0];
    assert_eq!(
        keys(first),
        [
            "amount",
            "balance_after",
            "created_at",
            "description",
            "direction",
            "id",
            "reference_id",
            "reference_type",
            "type"
        ]
    );
    assert_eq!((&first["type"], &first["direction"]), (&json!("SESSION_DEBIT"), &json!("DEBIT")));
    assert_eq!((&first["amount"], &first["balance_after"]), (&json!(1_000), &json!(5_000)));
    assert_eq!((&first["reference_type"], &first["reference_id"]), (&json!("session"), &json!(id)));
    assert_eq!(first["description"], "Consultation, 2 min");
    let row = |row: &Value| (text(&row["direction"]).to_owned(), row["amount"].as_i64(), row["balance_after"].as_i64());
    let credit = |amount, after| ("CREDIT".to_owned(), Some(amount), Some(after));
    assert_eq!(
        all[1..].iter().map(row).collect::<Vec<_>>(),
        [credit(3_000, 6_000), credit(2_000, 3_000), credit(1_000, 1_000)]
    );
    assert!(text(&all[1]["reference_id"]).starts_with("cf_order_"));
    assert!(all.windows(2).all(|pair| time(&pair[0]["created_at"]) >= time(&pair[1]["created_at"])));

    let page = m.patient.get("wallet/transactions?limit=2&offset=1").await.expect(200);
    assert_eq!(page["items"], json!(&all[1..3]));
    assert_eq!((&page["total"], &page["limit"], &page["offset"]), (&json!(4), &json!(2), &json!(1)));
    assert_eq!(page["has_more"], true);
    let page = m.patient.get("wallet/transactions?type=RECHARGE&limit=2&offset=2").await.expect(200);
    assert_eq!((&page["items"], &page["total"]), (&json!(&all[3..]), &json!(3)));
    assert_eq!(page["has_more"], false);
    for (query, failure) in [
        ("limit=0", "query.limit greater_than_equal"),
        ("limit=101", "query.limit less_than_equal"),
        ("offset=-1", "query.offset greater_than_equal"),
        ("limit=x", "query.limit int_parsing"),
        ("type=GIFT", "query.type enum"),
    ] {
        m.patient.get(&format!("wallet/transactions?{query}")).await.invalid(&[failure]);
    }
    for kind in ["BONUS", "REFUND", "ADJUSTMENT"] {
        let page = m.patient.get(&format!("wallet/transactions?type={kind}")).await.expect(200);
        assert_eq!(page["total"], 0);
    }
}

#[tokio::test]
async fn a_consultation_takes_what_it_costs_and_says_so_in_its_place() {
    let m = Meeting::start().await;
    m.app.fund(m.patient.id, 20_000).await;
    let id = m.ongoing().await;
    m.doctor.act(&of(&id, "video-permission/allow")).await.expect(200);
    m.patient.post("connect/call-sessions", json!({"connect_session_id": id})).await.expect(201);
    let before = inbox(&m.patient).await.len();
    m.app.advance(TimeDelta::seconds(2223));
    let values = m.patient.act(&of(&id, "end")).await.expect(200);
    assert_eq!(values["amount"], 19_000);
    assert_eq!(balance(&m.patient).await, 1_000);
    assert_eq!(detail(&m.patient, &id).await["amount_due"], 0);
    let events = inbox(&m.patient).await.split_off(before);
    let order: Vec<&str> = events.iter().map(|event| text(&event["type"])).collect();
    assert_eq!(order, ["video.permission", "call.ended", "wallet.updated", "session.ended"]);
    assert_eq!(events[2]["data"], json!({"order_id": null, "session_id": id, "balance": 1_000}));
    assert_eq!(events[2]["session_id"], json!(id));
    // The doctor is not told what the patient has.
    assert!(events_of(&m.doctor, "wallet.updated").await.is_empty());

    // Whoever ends again takes nothing more.
    m.doctor.act(&of(&id, "end")).await.expect(200);
    assert_eq!(balance(&m.patient).await, 1_000);
    assert_eq!(events_of(&m.patient, "wallet.updated").await.len(), 1);
    assert_eq!(m.app.ledger_adds_up().await, 2);
}

#[tokio::test]
async fn a_wallet_gives_no_more_than_it_holds_and_the_rest_stays_due() {
    let m = Meeting::start().await;
    m.app.fund(m.patient.id, 700).await;
    let (id, values) = consulted(&m, TimeDelta::seconds(65)).await;
    assert_eq!(values["amount"], 1_000);
    assert_eq!(detail(&m.patient, &id).await["amount_due"], 300);
    assert_eq!(balance(&m.patient).await, 0);
    let row = &transactions(&m.patient).await[0];
    assert_eq!((&row["amount"], &row["balance_after"]), (&json!(700), &json!(0)));
    assert_eq!(events_of(&m.patient, "wallet.updated").await[0]["data"]["balance"], 0);

    // Nothing there: nothing is debited, nothing blocks, nobody is told of a change.
    let (id, values) = consulted(&m, TimeDelta::seconds(65)).await;
    assert_eq!((&values["amount"], &values["status"]), (&json!(1_000), &json!("ENDED")));
    assert_eq!(detail(&m.doctor, &id).await["amount_due"], 1_000);
    assert_eq!(events_of(&m.patient, "wallet.updated").await.len(), 1);
    // What is due is kept, not taken from later money.
    m.app.fund(m.patient.id, 5_000).await;
    assert_eq!(balance(&m.patient).await, 5_000);
    assert_eq!(m.app.ledger_adds_up().await, 3);
}

#[tokio::test]
async fn nothing_is_taken_where_nothing_is_charged() {
    let m = Meeting::start_with(|config| config.charging = false).await;
    m.app.fund(m.patient.id, 5_000).await;
    let (id, values) = consulted(&m, TimeDelta::seconds(125)).await;
    assert_eq!((&values["billed_minutes"], &values["amount"]), (&json!(3), &json!(0)));
    assert_eq!(detail(&m.patient, &id).await["amount_due"], 0);
    assert_eq!(balance(&m.patient).await, 5_000);

    let mut m = Meeting::start().await;
    m.doctor = m.app.doctor_like(|new| new.rate_per_minute = 0).await;
    m.app.fund(m.patient.id, 5_000).await;
    consulted(&m, TimeDelta::seconds(125)).await;
    // A request that never became a consultation costs nothing.
    for status in ["REJECTED", "CANCELLED", "EXPIRED"] {
        m.closed(status).await;
    }
    assert_eq!(balance(&m.patient).await, 5_000);
    assert!(!kinds(&m.patient).await.contains(&"wallet.updated".to_owned()));
    assert_eq!(m.app.ledger_adds_up().await, 1);
}

#[tokio::test]
async fn ends_that_race_and_the_idle_timer_take_it_once() {
    let m = Meeting::start().await;
    m.app.fund(m.patient.id, 5_000).await;
    let id = m.ongoing().await;
    m.app.advance(TimeDelta::seconds(5));
    let path = of(&id, "end");
    let ends = (0..10).map(|round| if round % 2 == 0 { m.patient.act(&path) } else { m.doctor.act(&path) });
    let answers = futures_util::future::join_all(ends).await;
    assert!(answers.iter().all(|answer| answer.status == 200 && answer.body == answers[0].body));
    assert_eq!(balance(&m.patient).await, 4_500);

    let id = m.ongoing().await;
    m.app.advance(TimeDelta::seconds(61));
    say(&m.patient, &id, "still here").await;
    let end = || ops::end_one_idle(&m.app.app, m.app.app.now());
    let path = of(&id, "end");
    let (one, two, three) = tokio::join!(end(), end(), m.patient.act(&path));
    assert!(u8::from(one.unwrap()) + u8::from(two.unwrap()) <= 1, "one of them ends it");
    three.expect(200);
    assert_eq!(balance(&m.patient).await, 3_500);
    assert_eq!(events_of(&m.patient, "wallet.updated").await.len(), 2);
    assert_eq!(m.app.ledger_adds_up().await, 3);
}
