#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]
//! The ledger's promises, kept by the database: it adds up whatever is done, dropped or cut off.

use std::collections::HashMap;
use std::time::Duration;

use chrono::TimeDelta;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use sqlx::{AssertSqlSafe, Connection, PgPool, Postgres, Transaction};

use super::*;
use crate::testing::{TestDb, database};

mod found;

struct World {
    pool: PgPool,
    database: TestDb,
}

const AT: DateTime<Utc> = DateTime::UNIX_EPOCH;

impl World {
    async fn new() -> Self {
        let database = database().await;
        Self { pool: crate::database::connect(&database.options, 12).await.unwrap(), database }
    }

    async fn balance(&self, owner: UserId) -> Paise {
        let mut tx = self.pool.begin().await.unwrap();
        lock_wallet(&mut tx, owner).await.unwrap()
    }

    async fn adds_up(&self) -> Findings {
        let found = verify(&mut self.pool.acquire().await.unwrap()).await.unwrap();
        assert!(found.add_up(), "{found:?}");
        found
    }
}

fn recharge(to: UserId, amount: i64) -> Posting<'static> {
    Posting {
        kind: Kind::Recharge,
        reference: Reference::Order(OrderId::random()),
        from: Account::Provider,
        to: Account::Wallet(to),
        amount: Paise(amount),
        description: "top-up",
        at: AT,
    }
}

fn debit(from: UserId, amount: i64) -> Posting<'static> {
    Posting {
        kind: Kind::SessionDebit,
        reference: Reference::Session(SessionId::new()),
        from: Account::Wallet(from),
        to: Account::Doctor(UserId::new()),
        amount: Paise(amount),
        description: "session",
        at: AT,
    }
}

async fn post_alone(pool: &PgPool, posting: &Posting<'_>) -> Result<Option<Posted>> {
    let mut tx = pool.begin().await?;
    let posted = post(&mut tx, posting).await?;
    tx.commit().await?;
    Ok(posted)
}

/// The constraint that refuses these statements, run as the server's role.
async fn refused(world: &World, statements: &str) -> String {
    let mut conn = world.pool.acquire().await.unwrap();
    let error = match sqlx::raw_sql(AssertSqlSafe(format!("begin; {statements}; commit"))).execute(&mut *conn).await {
        Ok(_) => panic!("taken: {statements}"),
        Err(sqlx::Error::Database(error)) => error,
        Err(other) => panic!("{other}"),
    };
    sqlx::raw_sql("rollback").execute(&mut *conn).await.unwrap();
    error.constraint().map_or_else(|| error.message().to_owned(), str::to_owned)
}

#[tokio::test]
async fn money_moves_and_the_same_thing_is_posted_once() {
    let world = World::new().await;
    let patient = UserId::new();
    assert_eq!(world.balance(patient).await, Paise::ZERO);
    let top_up = recharge(patient, 50_000);
    let posted = post_alone(&world.pool, &top_up).await.unwrap().unwrap();
    assert_eq!(posted.balance, Some(Paise(50_000)));
    assert_eq!(post_alone(&world.pool, &top_up).await.unwrap(), None, "again");
    let bonus = Posting { kind: Kind::Bonus, from: Account::Bonus, amount: Paise(5_000), ..top_up.clone() };
    assert_eq!(post_alone(&world.pool, &bonus).await.unwrap().unwrap().balance, Some(Paise(55_000)));
    let charge = debit(patient, 19_000);
    assert_eq!(post_alone(&world.pool, &charge).await.unwrap().unwrap().balance, Some(Paise(36_000)));
    assert_eq!(post_alone(&world.pool, &charge).await.unwrap(), None);
    let refund = Posting {
        kind: Kind::Refund,
        from: charge.to,
        to: charge.from,
        reference: charge.reference.clone(),
        ..recharge(patient, 19_000)
    };
    assert_eq!(post_alone(&world.pool, &refund).await.unwrap().unwrap().balance, Some(Paise(55_000)));
    assert_eq!(post_alone(&world.pool, &refund).await.unwrap(), None, "a refund is linked to one debit and made once");
    assert_eq!(world.adds_up().await.postings, 4);
}

#[tokio::test]
async fn a_wallet_is_never_negative() {
    let world = World::new().await;
    let patient = UserId::new();
    post_alone(&world.pool, &recharge(patient, 100)).await.unwrap();
    let error = post_alone(&world.pool, &debit(patient, 101)).await.unwrap_err();
    assert!(error.to_string().contains("ledger_accounts_never_negative"), "{error}");
    let error = post_alone(&world.pool, &debit(UserId::new(), 1)).await.unwrap_err();
    assert!(error.to_string().contains("ledger_accounts_never_negative"), "{error}");
    let error = post_alone(&world.pool, &debit(patient, 0)).await.unwrap_err();
    assert!(error.to_string().contains("ledger_entries_amount_counts"), "{error}");
    assert_eq!(world.balance(patient).await, Paise(100));
    world.adds_up().await;
}

#[tokio::test]
async fn what_does_not_balance_is_refused_by_the_database() {
    let world = World::new().await;
    let patient = UserId::new();
    let first = post_alone(&world.pool, &recharge(patient, 100)).await.unwrap().unwrap();
    let (a, house) = (uuid::Uuid::new_v4(), Account::Provider.id());
    let posting = format!(
        "insert into ledger_postings (id, kind, reference_type, reference_id, description, at)
         values ('{a}', 'ADJUSTMENT', 'adjustment', '{a}', 'x', 'epoch')"
    );
    let entry = |posting: &str, account: &str, amount: i64| {
        format!(
            "insert into ledger_entries (posting_id, account_id, amount) values ('{posting}', '{account}', {amount})"
        )
    };
    let (at, patient_text, house) = (a.to_string(), patient.to_string(), house.to_string());
    let cases = [
        (posting.clone(), "ledger_postings_balanced"),
        (format!("{posting}; {}", entry(&at, &patient_text, 50)), "ledger_postings_balanced"),
        (
            format!("{posting}; {}; {}", entry(&at, &patient_text, 50), entry(&at, &house, -49)),
            "ledger_postings_balanced",
        ),
        // Also after the check was asked for early.
        (
            format!(
                "{posting}; {}; {}; set constraints all immediate; set constraints all deferred; {}",
                entry(&at, &patient_text, 50),
                entry(&at, &house, -50),
                entry(&at, &Account::Bonus.id().to_string(), 1)
            ),
            "ledger_postings_balanced",
        ),
        (format!("{posting}; {}", entry(&at, &uuid::Uuid::new_v4().to_string(), 1)), "ledger_entries_account_known"),
        (entry(&first.id.to_string(), &Account::Bonus.id().to_string(), 5), "ledger_entries_posting_open"),
        (format!("{posting}; {}", entry(&at, &patient_text, 0)), "ledger_entries_amount_counts"),
    ];
    for (statements, constraint) in cases {
        assert_eq!(refused(&world, &statements).await, constraint, "{statements}");
    }
    world.adds_up().await;
}

#[tokio::test]
async fn the_server_may_change_nothing_that_stands() {
    let world = World::new().await;
    let patient = UserId::new();
    post_alone(&world.pool, &recharge(patient, 100)).await.unwrap();
    let another = uuid::Uuid::new_v4();
    for statement in [
        "update ledger_entries set amount = amount + 1".to_owned(),
        "delete from ledger_entries".to_owned(),
        "truncate ledger_entries".to_owned(),
        "update ledger_postings set description = ''".to_owned(),
        "delete from ledger_postings".to_owned(),
        "update ledger_accounts set balance = 1000000".to_owned(),
        "delete from ledger_accounts".to_owned(),
        format!("insert into ledger_accounts (id, kind, balance) values ('{another}', 'WALLET', 1000000)"),
    ] {
        let reason = refused(&world, &statement).await;
        assert!(reason.starts_with("permission denied"), "{statement}: {reason}");
    }
    world.adds_up().await;
}

#[tokio::test]
async fn what_was_changed_behind_its_back_is_found() {
    let world = World::new().await;
    let (patient, other) = (UserId::new(), UserId::new());
    post_alone(&world.pool, &recharge(patient, 100)).await.unwrap();
    post_alone(&world.pool, &recharge(patient, 50)).await.unwrap();
    post_alone(&world.pool, &recharge(other, 70)).await.unwrap();
    world.adds_up().await;
    let mut owner = PgConnection::connect_with(&world.database.options).await.unwrap();
    for (change, undo) in [
        ("set balance = balance + 1 where id = $1", "set balance = balance - 1 where id = $1"),
        ("set entries = 7 where id = $1", "set entries = 2 where id = $1"),
    ] {
        for (statement, fits) in [(change, false), (undo, true)] {
            let statement = format!("update ledger_accounts {statement}");
            sqlx::query(AssertSqlSafe(statement)).bind(patient).execute(&mut owner).await.unwrap();
            assert_eq!(verify(&mut owner).await.unwrap().add_up(), fits, "{change}");
        }
    }
    sqlx::query("update ledger_entries set amount = amount + 1 where account_id = $1 and seq = 2")
        .bind(patient)
        .execute(&mut owner)
        .await
        .unwrap();
    let found = verify(&mut owner).await.unwrap();
    assert_eq!((found.total, found.unbalanced, found.wallets), (1, 1, 1));
}

#[tokio::test]
async fn the_time_of_a_wallet_never_goes_back() {
    let world = World::new().await;
    let patient = UserId::new();
    for (seconds, latest) in [(10, 10), (5, 10), (20, 20)] {
        let posting = Posting { at: AT + TimeDelta::seconds(seconds), ..recharge(patient, 100) };
        post_alone(&world.pool, &posting).await.unwrap().unwrap();
        let moved: DateTime<Utc> = sqlx::query_scalar("select updated_at from ledger_accounts where id = $1")
            .bind(patient)
            .fetch_one(&world.pool)
            .await
            .unwrap();
        assert_eq!(moved, AT + TimeDelta::seconds(latest));
    }
}

/// A step of somebody's money.
#[derive(Debug, Clone)]
enum Step {
    Recharge {
        patient: usize,
        amount: i64,
    },
    /// At most what the wallet holds, as at the end of a session.
    Debit {
        patient: usize,
        amount: i64,
    },
    /// As it comes: refused where the wallet does not hold it.
    Overdraw {
        patient: usize,
        amount: i64,
    },
    Refund {
        which: usize,
    },
    Repeat {
        which: usize,
    },
}

/// How its transaction ends.
#[derive(Debug, Clone, Copy)]
enum End {
    Commit,
    Rollback,
    /// The connection is gone before the commit.
    Cut,
    /// It is committed, the answer is lost, and the caller asks for the same again.
    Lost,
}

const PATIENTS: usize = 3;

fn step() -> impl Strategy<Value = (Step, End)> {
    let (patient, amount) = (0..PATIENTS, 1..5_000_i64);
    let step = prop_oneof![
        4 => (patient.clone(), amount.clone()).prop_map(|(patient, amount)| Step::Recharge { patient, amount }),
        4 => (patient.clone(), amount.clone()).prop_map(|(patient, amount)| Step::Debit { patient, amount }),
        2 => (patient, amount).prop_map(|(patient, amount)| Step::Overdraw { patient, amount }),
        2 => (0..20_usize).prop_map(|which| Step::Refund { which }),
        2 => (0..20_usize).prop_map(|which| Step::Repeat { which }),
    ];
    (step, prop_oneof![6 => Just(End::Commit), 2 => Just(End::Rollback), 1 => Just(End::Cut), 2 => Just(End::Lost)])
}

/// What should be in the wallets, kept beside the database.
#[derive(Default)]
struct Model {
    wallets: HashMap<UserId, i64>,
    posted: Vec<Posting<'static>>,
    refunded: Vec<Reference>,
}

impl Model {
    fn held(&self, patient: UserId) -> i64 {
        self.wallets.get(&patient).copied().unwrap_or_default()
    }

    fn refund(&self, which: usize) -> Option<Posting<'static>> {
        let debits: Vec<_> = self.posted.iter().filter(|posting| posting.kind == Kind::SessionDebit).collect();
        let debit = debits.get(which % debits.len().max(1))?;
        Some(Posting { kind: Kind::Refund, from: debit.to, to: debit.from, ..(*debit).clone() })
    }

    fn take(&mut self, posting: Posting<'static>) {
        for (account, amount) in [(posting.from, -posting.amount.0), (posting.to, posting.amount.0)] {
            if let Account::Wallet(patient) = account {
                *self.wallets.entry(patient).or_default() += amount;
            }
        }
        if posting.kind == Kind::Refund {
            self.refunded.push(posting.reference.clone());
        }
        self.posted.push(posting);
    }
}

/// Runs one step and its end; the model learns of it only where it was committed, and once.
async fn run(world: &World, model: &mut Model, patients: &[UserId], step: &Step, end: End) {
    let mut tx = world.pool.begin().await.unwrap();
    let (posting, expected) = match step {
        Step::Recharge { patient, amount } => (recharge(patients[*patient], *amount), true),
        Step::Debit { patient, amount } => {
            let held = lock_wallet(&mut tx, patients[*patient]).await.unwrap();
            assert_eq!(held.0, model.held(patients[*patient]));
            let amount = (*amount).min(held.0);
            if amount == 0 {
                return;
            }
            (debit(patients[*patient], amount), true)
        }
        Step::Overdraw { patient, amount } => {
            (debit(patients[*patient], *amount), *amount <= model.held(patients[*patient]))
        }
        Step::Refund { which } => match model.refund(*which) {
            Some(posting) => {
                let fresh = !model.refunded.contains(&posting.reference);
                (posting, fresh)
            }
            None => return,
        },
        Step::Repeat { which } => match model.posted.get(which % model.posted.len().max(1)) {
            Some(posting) => (posting.clone(), false),
            None => return,
        },
    };
    let outcome = post(&mut tx, &posting).await;
    assert_eq!(matches!(outcome, Ok(Some(_))), expected, "{step:?}: {outcome:?}");
    match end {
        End::Commit | End::Lost if outcome.is_ok() => {
            tx.commit().await.unwrap();
            if matches!(end, End::Lost) {
                let again = post_alone(&world.pool, &posting).await;
                assert!(matches!(again, Ok(None)), "{step:?}: {again:?}");
            }
            if expected {
                model.take(posting);
            }
        }
        End::Cut => cut(world, tx).await,
        End::Commit | End::Lost | End::Rollback => tx.rollback().await.unwrap(),
    }
}

/// Cuts the transaction's connection; after a refusal it is only dropped.
async fn cut(world: &World, mut tx: Transaction<'static, Postgres>) {
    let pid: Option<i32> = sqlx::query_scalar("select pg_backend_pid()").fetch_optional(&mut *tx).await.ok().flatten();
    if let Some(pid) = pid {
        let mut owner = PgConnection::connect_with(&world.database.options).await.unwrap();
        sqlx::query("select pg_terminate_backend($1, 5000)").bind(pid).execute(&mut owner).await.unwrap();
        assert!(tx.commit().await.is_err());
    }
}

#[test]
fn it_adds_up_whatever_is_done_dropped_or_cut_off() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let world = runtime.block_on(World::new());
    let mut runner = TestRunner::new(Config { cases: 24, ..Config::default() });
    let steps = prop::collection::vec(step(), 1..40);
    runner
        .run(&steps, |steps| {
            runtime.block_on(async {
                let patients: Vec<UserId> = (0..PATIENTS).map(|_| UserId::new()).collect();
                let mut model = Model::default();
                for (step, end) in &steps {
                    run(&world, &mut model, &patients, step, *end).await;
                    for patient in &patients {
                        assert_eq!(world.balance(*patient).await.0, model.held(*patient), "after {step:?} {end:?}");
                    }
                }
                world.adds_up().await;
            });
            Ok(())
        })
        .unwrap();
}

/// Whoever asks again does not know whether the first commit stands, is under way, or was never made.
#[tokio::test]
async fn a_commit_that_nobody_waits_for_is_not_made_twice() {
    let world = World::new().await;
    let patient = UserId::new();
    for round in 1..=20 {
        let top_up = recharge(patient, 100);
        let mut tx = world.pool.begin().await.unwrap();
        post(&mut tx, &top_up).await.unwrap().unwrap();
        // It is sent, and the caller is gone before the answer.
        tokio::time::timeout(Duration::ZERO, tx.commit()).await.ok();
        post_alone(&world.pool, &top_up).await.unwrap();
        assert_eq!(post_alone(&world.pool, &top_up).await.unwrap(), None);
        assert_eq!(world.balance(patient).await, Paise(100 * round));
    }
    assert_eq!(world.adds_up().await.postings, 20);
}

#[tokio::test]
async fn many_at_once_never_overdraw_and_lose_nothing() {
    let world = World::new().await;
    let patient = UserId::new();
    post_alone(&world.pool, &recharge(patient, 1_000)).await.unwrap();
    let started = tokio::time::Instant::now();
    // 40 debits of 100 race 10 top-ups of 100: whatever the order, each one is taken whole or not at all.
    let debits = (0..40).map(|_| post_owned(world.pool.clone(), debit(patient, 100)));
    let top_ups = (0..10).map(|_| post_owned(world.pool.clone(), recharge(patient, 100)));
    let (debits, top_ups) = tokio::join!(all(debits), all(top_ups));
    let taken = debits.iter().filter(|outcome| outcome.is_ok()).count() as i64;
    assert!(top_ups.iter().all(Result::is_ok));
    assert!((10..=20).contains(&taken), "{taken}");
    assert_eq!(world.balance(patient).await, Paise(2_000 - 100 * taken));
    assert!(started.elapsed() < Duration::from_secs(60));
    world.adds_up().await;
}

/// Asks again where the connections were all in use for too long, as a busy machine makes it: what was posted stands once.
async fn post_owned(pool: PgPool, posting: Posting<'static>) -> Result<Option<Posted>> {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    loop {
        match post_alone(&pool, &posting).await {
            Err(error) if error.is_unavailable() && tokio::time::Instant::now() < deadline => {}
            posted => return posted,
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn all<T: Send + 'static>(work: impl Iterator<Item = impl Future<Output = T> + Send + 'static>) -> Vec<T> {
    let mut set = tokio::task::JoinSet::new();
    for work in work {
        set.spawn(work);
    }
    set.join_all().await
}
