//! People's own accounts and money; what admins see and change of people, and what they publish.

use chrono::TimeDelta;
use consilium_storage::accounts;
use consilium_storage::ids::UserId;
use serde_json::{Value, json};

use super::watch::{Watch, Who};
use crate::connect::payments::{ORDERS, SUCCESS, deliver, notice};
use crate::support::files::{PNG, form, post_form};
use crate::support::meeting::text;

const PHONE: &str = "+919900112277";

/// 2, 6 to 11, and what is counted of a patient.
pub(super) async fn of_themselves(w: &mut Watch) {
    let nobody = w.m.app.nobody();
    nobody.post("auth/request-otp", json!({"phone": PHONE})).await.expect(202);
    let inbox = nobody.get(&format!("/dev/inbox.json?channel=sms&to=%2B{}", &PHONE[1..])).await.expect(200);
    w.pass().await;
    let body = json!({"phone": PHONE, "code": inbox["items"][0]["code"]});
    let answer = nobody.post("auth/verify-otp", body).await;
    let made = accounts::find_by_phone(&mut w.m.app.app.conn().await.unwrap(), PHONE).await.unwrap();
    let made = made.map(|account| account.id);
    assert!(made.is_some());
    w.noted("C2", made, "user.create", made, answer).await;

    w.call("C6", Who::Patient, "users/me", Value::Null, "user.read").await;
    w.call("C7", Who::Patient, "users/me", json!({"full_name": "Asha Rao"}), "user.update").await;
    w.call("C9", Who::Patient, "users/me/avatar", json!({"avatar_id": "av_07"}), "user.avatar").await;
    let patient = w.client(Who::Patient);
    w.pass().await;
    let answer = post_form(&patient, "users/me/avatar", form(&[], "a.png", Some("image/png"), PNG)).await;
    w.noted("C10", Some(patient.id), "user.avatar", Some(patient.id), answer).await;
    w.call("C11", Who::Patient, "users/me/avatar", Value::Null, "user.avatar").await;
    w.call("C92", Who::Patient, "analytics/user/overview", Value::Null, "analytics.overview").await;
    w.call("C93", Who::Patient, "analytics/user/sessions", Value::Null, "analytics.sessions").await;
}

/// 114 to 118, and the lists of what was paid.
pub(super) async fn of_money(w: &mut Watch) {
    let order = w.call("C114", Who::Patient, ORDERS, json!({"amount": 50_000}), "payment.order").await;
    let id = text(&order["order_id"]);
    w.call("C115", Who::Patient, &format!("{ORDERS}/{id}/verify"), Value::Null, "payment.read").await;
    w.pass().await;
    let answer = deliver(&w.m.app, &notice(SUCCESS, id)).await;
    w.noted("C116", None, "payment.credit", Some(w.m.patient.id), answer).await;
    w.call("C117", Who::Patient, "wallet/balance", Value::Null, "wallet.balance").await;
    w.call("C118", Who::Patient, "wallet/transactions", Value::Null, "wallet.transactions").await;
    w.call("C94", Who::Patient, "analytics/user/orders", Value::Null, "analytics.orders").await;
    w.call("C95", Who::Patient, "analytics/user/recharges", Value::Null, "analytics.recharges").await;
}

/// 128 to 143: each kind is made, changed and deleted.
pub(super) async fn of_what_is_published(w: &mut Watch) {
    let now = w.m.app.app.now();
    let (today, later) = (now.date_naive(), now + TimeDelta::days(3));
    let offer = json!({"title": "Starter Pack", "amount": 500, "valid_from": today, "valid_until": today});
    let article = json!({"title": "Sleep", "excerpt": "", "content": "Sleep well."});
    let event = json!({"title": "Webinar", "description": "Join us", "event_date": later});
    for (path, kind, ids, body, change) in [
        ("categories", "category", ["C128", "C130", "C131"], json!({"name": "Heart"}), json!({"is_active": false})),
        ("wallet/offers", "offer", ["C132", "C134", "C135"], offer, json!({"title": "Pack"})),
        ("articles", "article", ["C136", "C138", "C139"], article, json!({"title": "Rest"})),
        ("events", "event", ["C140", "C142", "C143"], event, json!({"title": "Talk"})),
    ] {
        let all = format!("admin/{path}");
        let made = w.act(ids[0], &all, body, &format!("admin.{kind}.create")).await;
        let one = format!("{all}/{}", text(&made["id"]));
        w.act(ids[1], &one, change, &format!("admin.{kind}.update")).await;
        w.act(ids[2], &one, Value::Null, &format!("admin.{kind}.delete")).await;
    }
}

/// 35, 36, 122 to 127. At last the patient is switched off.
pub(super) async fn of_people(w: &mut Watch) {
    let admin = w.client(Who::Admin);
    let body = json!({"email": "a@example.org", "password": "first-pass-1", "full_name": "Dr. Ankit Shah",
        "speciality_category": "Urology"});
    let answer = w.ask("C35", Who::Admin, "doctors", body).await;
    let doctor: UserId = text(&answer.body["id"]).parse().unwrap();
    w.noted("C35", Some(admin.id), "admin.doctor.create", Some(doctor), answer).await;
    let answer = w.ask("C36", Who::Admin, &format!("doctors/{doctor}"), json!({"years_experience": 7})).await;
    w.noted("C36", Some(admin.id), "admin.doctor.update", Some(doctor), answer).await;

    // The only one of this name.
    w.call("C122", Who::Admin, "admin/users?search=Asha", Value::Null, "admin.user.list").await;
    let one = format!("admin/users/{}", w.m.patient.id);
    w.call("C123", Who::Admin, &one, Value::Null, "admin.user.read").await;
    w.call("C124", Who::Admin, &one, json!({"age": 31}), "admin.user.update").await;
    w.call("C126", Who::Admin, &format!("{one}/analytics/overview"), Value::Null, "analytics.overview").await;
    w.call("C127", Who::Admin, &format!("{one}/analytics/sessions"), Value::Null, "analytics.sessions").await;
    w.call("C125", Who::Admin, &format!("{one}/status"), json!({"is_active": false}), "admin.user.disable").await;
}
