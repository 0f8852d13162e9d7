//! What the ledger follows from is compared with it.

use super::*;
use crate::accounts::patients;
use crate::connect::payments::{self, NewOrder};

async fn paid_order(world: &World, patient: UserId) -> OrderId {
    let mut tx = world.pool.begin().await.unwrap();
    let id = OrderId::random();
    patients::insert(&mut tx, patient, "+919800000001", None, "av_01", AT).await.unwrap();
    let new = NewOrder {
        id: &id,
        patient_id: patient,
        provider: "sandbox",
        amount: Paise(100),
        bonus_amount: Paise(10),
        offer_id: None,
        payment_session_id: "session_x",
        created_at: AT,
        expires_at: AT,
        next_check_at: AT,
    };
    payments::insert(&mut tx, &new).await.unwrap();
    let order = payments::find(&mut tx, &id).await.unwrap().unwrap();
    assert_eq!(payments::credit(&mut tx, &order, None, AT).await.unwrap(), Some(Paise(110)));
    tx.commit().await.unwrap();
    id
}

#[tokio::test]
async fn an_order_or_session_that_is_not_what_was_posted_for_it_is_found() {
    let world = World::new().await;
    let patient = UserId::new();
    let order = paid_order(&world, patient).await;
    let taken = debit(patient, 60);
    post_alone(&world.pool, &taken).await.unwrap().unwrap();
    let Reference::Session(session) = taken.reference else { panic!("a debit is of a session") };
    let mut owner = PgConnection::connect_with(&world.database.options).await.unwrap();
    // A session without all that comes before it.
    let stranger = "alter table sessions drop constraint sessions_patient_fkey, drop constraint sessions_doctor_fkey";
    sqlx::query(stranger).execute(&mut owner).await.unwrap();
    sqlx::query(
        "insert into sessions (id, patient_id, doctor_id, status, created_at, expires_at, last_activity_at, amount, amount_due)
         values ($1, $2, $2, 'ENDED', $3, $3, $3, 100, 40)",
    )
    .bind(session)
    .bind(patient)
    .bind(AT)
    .execute(&mut owner)
    .await
    .unwrap();
    world.adds_up().await;
    for (change, orders, sessions) in [
        ("update payment_orders set amount = 101", 1, 0),
        ("update payment_orders set amount = 100, bonus_amount = 0", 1, 0),
        ("update payment_orders set bonus_amount = 10, status = 'FAILED', paid_at = null", 1, 0),
        ("update payment_orders set status = 'SUCCESS', paid_at = created_at", 0, 0),
        ("update sessions set amount_due = 0", 0, 1),
        ("update sessions set amount_due = null", 0, 1),
        ("update sessions set amount_due = 40, patient_id = gen_random_uuid()", 0, 1),
    ] {
        sqlx::query(change).execute(&mut owner).await.unwrap();
        let found = verify(&mut owner).await.unwrap();
        assert_eq!((found.orders, found.sessions), (orders, sessions), "{change}");
        assert_eq!(found.add_up(), orders + sessions == 0, "{change}");
    }
    let uncredited = OrderId::random();
    sqlx::query(
        "insert into payment_orders (id, patient_id, provider, status, amount, bonus_amount, payment_session_id,
                                     created_at, expires_at, paid_at)
         select $2, patient_id, provider, 'SUCCESS', 1, 0, 'session_y', created_at, expires_at, created_at
         from payment_orders where id = $1",
    )
    .bind(&order)
    .bind(&uncredited)
    .execute(&mut owner)
    .await
    .unwrap();
    assert_eq!(verify(&mut owner).await.unwrap().orders, 1);
}
