//! The outbox's own rules, without a carrier: leases, order, death.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use sqlx::{PgConnection, PgPool};

use crate::accounts::patients;
use crate::connect::Party;
use crate::connect::devices::{self, NewDevice, Platform};
use crate::ids::UserId;
use crate::outbox::{self, Job, NewJob, Which};
use crate::testing::{self, TestDb};
use crate::{database, push};

const KIND: &str = "test";
const LEASE: TimeDelta = TimeDelta::seconds(60);

struct World {
    pool: PgPool,
    _database: TestDb,
}

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
}

impl World {
    async fn new() -> Self {
        let database = testing::database().await;
        Self { pool: database::connect(&database.options, 8).await.unwrap(), _database: database }
    }

    async fn write(&self, name: &str, topic: Option<&str>, due: i64) {
        let job = NewJob {
            kind: KIND,
            topic: topic.map(str::to_owned),
            payload: json!(name),
            due_at: at(due),
            expires_at: None,
        };
        let mut conn = self.pool.acquire().await.unwrap();
        outbox::insert_many(&mut conn, &[job], at(due)).await.unwrap();
    }

    async fn take(&self, now: i64, limit: i64) -> Vec<Job> {
        let mut conn = self.pool.acquire().await.unwrap();
        let mut jobs = outbox::take(&mut conn, KIND, at(now), LEASE, limit).await.unwrap();
        jobs.sort_by_key(|job| job.id);
        jobs
    }

    async fn finish(&self, job: &Job) -> bool {
        outbox::finish(&mut self.pool.acquire().await.unwrap(), job).await.unwrap()
    }

    async fn fail(&self, job: &Job, again: i64) {
        outbox::put_off(&mut self.pool.acquire().await.unwrap(), job, at(again), "no answer").await.unwrap();
    }

    async fn bury(&self, job: &Job, now: i64) {
        outbox::bury(&mut self.pool.acquire().await.unwrap(), job, at(now), Some("refused")).await.unwrap();
    }

    async fn left(&self, dead: bool) -> Vec<outbox::Entry> {
        outbox::list(&mut self.pool.acquire().await.unwrap(), dead, None, 100).await.unwrap()
    }

    /// The ids of so many patients' devices, sorted.
    async fn devices(&self, count: usize) -> Vec<String> {
        let mut conn = self.pool.acquire().await.unwrap();
        let mut ids = Vec::new();
        for number in 0..count {
            let user_id = UserId::new();
            patients::insert(&mut conn, user_id, &format!("+9198765400{number:02}"), None, "av_01", at(0))
                .await
                .unwrap();
            let (role, token, platform) = (Party::Client, format!("phone-{number}"), Platform::Android);
            let new = NewDevice { user_id, role, token, platform, app_version: None };
            ids.push(devices::register(&mut conn, &new, at(0)).await.unwrap().id.to_string());
        }
        ids.sort();
        ids
    }

    /// The announcement that is due, if one is.
    async fn announcement(&self, now: i64) -> Option<Job> {
        let mut conn = self.pool.acquire().await.unwrap();
        outbox::take(&mut conn, push::BROADCAST, at(now), LEASE, 1).await.unwrap().pop()
    }

    async fn retry(&self, which: Which<'_>, now: i64) -> u64 {
        outbox::retry(&mut self.pool.acquire().await.unwrap(), which, at(now)).await.unwrap()
    }
}

fn names(jobs: &[Job]) -> Vec<&str> {
    jobs.iter().map(|job| job.payload.as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_job_is_taken_by_one_and_again_when_its_lease_ran_out() {
    let world = World::new().await;
    world.write("a", None, 0).await;
    world.write("later", None, 500).await;
    let (one, two) = tokio::join!(world.take(1, 10), world.take(1, 10));
    assert_eq!(one.len() + two.len(), 1);
    let first = one.into_iter().chain(two).next().unwrap();
    assert_eq!((first.attempts, world.take(60, 10).await.len()), (1, 0));
    // The node that had it is gone: another one takes it, and a late word of the first one counts for nothing.
    let second = world.take(61, 10).await.pop().unwrap();
    assert_eq!((second.id, second.attempts), (first.id, 2));
    assert!(!world.finish(&first).await);
    world.fail(&first, 900).await;
    world.bury(&first, 62).await;
    assert!(world.finish(&second).await);
    assert_eq!(names(&world.take(499, 10).await), Vec::<&str>::new());
    assert_eq!(names(&world.take(500, 10).await), ["later"]);
}

#[tokio::test]
async fn what_failed_waits_and_what_was_put_off_does_not_count() {
    let world = World::new().await;
    world.write("a", None, 0).await;
    let job = world.take(1, 10).await.pop().unwrap();
    world.fail(&job, 10).await;
    assert_eq!(world.take(9, 10).await.len(), 0);
    let job = world.take(10, 10).await.pop().unwrap();
    assert_eq!(job.attempts, 2);
    let left = world.left(false).await;
    assert_eq!((left[0].last_error.as_deref(), left[0].dead_at), (Some("no answer"), None));
    let mut conn = world.pool.acquire().await.unwrap();
    outbox::postpone(&mut conn, &job, at(20), Some(&json!("b")), None).await.unwrap();
    drop(conn);
    let job = world.take(20, 10).await.pop().unwrap();
    assert_eq!((job.attempts, names(std::slice::from_ref(&job))), (2, vec!["b"]));
}

#[tokio::test]
async fn whoever_was_too_slow_has_no_say_also_after_somebody_else_put_it_off() {
    let world = World::new().await;
    world.write("a", None, 0).await;
    let slow = world.take(1, 10).await.pop().unwrap();
    let next = world.take(61, 10).await.pop().unwrap();
    let mut conn = world.pool.acquire().await.unwrap();
    assert!(outbox::postpone(&mut conn, &next, at(62), None, None).await.unwrap());
    // The attempt did not count: the row has the number of the slow one's again.
    assert!(!outbox::postpone(&mut conn, &slow, at(900), Some(&json!("b")), None).await.unwrap());
    assert!(!outbox::finish(&mut conn, &slow).await.unwrap());
    drop(conn);
    assert_eq!(names(&world.take(62, 10).await), ["a"]);
}

#[tokio::test]
async fn a_topic_goes_in_order_and_a_failure_is_overtaken() {
    let world = World::new().await;
    for (name, topic) in [("ask", "1"), ("cancel", "1"), ("other", "2"), ("free", ""), ("free too", "")] {
        world.write(name, Some(topic).filter(|topic| !topic.is_empty()), 0).await;
    }
    let first = world.take(1, 10).await;
    assert_eq!(names(&first), ["ask", "other", "free", "free too"]);
    assert_eq!(world.take(2, 10).await.len(), 0, "not beside the one under way");
    world.fail(&first[0], 30).await;
    // The ask failed: its cancel goes, and the ask never does.
    let second = world.take(3, 10).await;
    assert_eq!(names(&second), ["cancel"]);
    assert_eq!(world.left(false).await.iter().filter(|job| job.attempts > 0).count(), 4);
    world.fail(&second[0], 5).await;
    assert_eq!(names(&world.take(5, 10).await), ["cancel"]);
    assert_eq!(names(&world.take(64, 10).await), ["other", "free", "free too"], "by their leases");
    let cancel = world.take(66, 10).await;
    assert_eq!(names(&cancel), ["cancel"]);
    world.finish(&cancel[0]).await;
    assert!(world.left(false).await.iter().all(|job| job.attempts == 2));
}

#[tokio::test]
async fn a_failure_that_was_overtaken_is_not_tried_again() {
    let world = World::new().await;
    world.write("ask", Some("1"), 0).await;
    let ask = world.take(0, 10).await;
    world.write("cancel", Some("1"), 1).await;
    world.fail(&ask[0], 2).await;
    // Both are due; one of them is the truth.
    assert_eq!(names(&world.take(3, 10).await), ["cancel"]);
    assert_eq!(world.left(false).await.len(), 1);
    // A dead one holds up nobody.
    world.write("again", Some("2"), 4).await;
    let again = world.take(4, 10).await;
    world.bury(&again[0], 4).await;
    world.write("next", Some("2"), 5).await;
    assert_eq!(names(&world.take(5, 10).await), ["next"]);
    assert_eq!(world.left(true).await.len(), 1);
}

#[tokio::test]
async fn dead_letters_are_seen_revived_and_forgotten() {
    let world = World::new().await;
    for name in ["a", "b", "c"] {
        world.write(name, None, 0).await;
    }
    let jobs = world.take(0, 10).await;
    for job in &jobs {
        world.bury(job, 7).await;
    }
    assert_eq!(world.take(1000, 10).await.len(), 0);
    let dead = world.left(true).await;
    assert_eq!(dead.iter().map(|entry| entry.last_error.as_deref()).collect::<Vec<_>>(), [Some("refused"); 3]);
    assert_eq!(dead[0].dead_at, Some(at(7)));
    let mut conn = world.pool.acquire().await.unwrap();
    let figures = outbox::figures(&mut conn).await.unwrap();
    assert_eq!((figures[0].kind.as_str(), figures[0].waiting, figures[0].dead), (KIND, 0, 3));
    drop(conn);
    assert_eq!(world.retry(Which::One(999), 10).await, 0);
    assert_eq!(world.retry(Which::One(jobs[1].id), 10).await, 1);
    assert_eq!(world.retry(Which::One(jobs[1].id), 10).await, 0, "it is not dead");
    let again = world.take(10, 10).await;
    assert_eq!((names(&again), again[0].attempts), (vec!["b"], 1));
    assert_eq!(world.retry(Which::All(Some("other")), 10).await, 0);
    assert_eq!(world.retry(Which::All(Some(KIND)), 10).await, 2);
    let mut conn = world.pool.acquire().await.unwrap();
    for job in outbox::take(&mut conn, KIND, at(10), LEASE, 10).await.unwrap() {
        outbox::bury(&mut conn, &job, at(10), None).await.unwrap();
    }
    outbox::sweep(&mut conn, at(10 + 30 * 86_400)).await.unwrap();
    assert_eq!(outbox::list(&mut conn, true, None, 10).await.unwrap().len(), 2);
    outbox::sweep(&mut conn, at(11 + 30 * 86_400)).await.unwrap();
    assert_eq!(outbox::list(&mut conn, true, None, 10).await.unwrap().len(), 0);
}

#[tokio::test]
async fn what_is_of_no_use_any_more_is_not_revived() {
    let world = World::new().await;
    let mut conn = world.pool.acquire().await.unwrap();
    let job = NewJob { kind: KIND, topic: None, payload: json!("a"), due_at: at(0), expires_at: Some(at(45)) };
    outbox::insert_many(&mut conn, &[job], at(0)).await.unwrap();
    drop(conn);
    let job = world.take(0, 1).await.pop().unwrap();
    assert_eq!(job.expires_at, Some(at(45)));
    world.bury(&job, 1).await;
    assert_eq!(world.retry(Which::All(None), 45).await, 0);
    assert_eq!(world.retry(Which::All(None), 44).await, 1);
}

#[tokio::test]
async fn a_dead_letter_that_was_overtaken_is_not_revived() {
    let world = World::new().await;
    world.write("ask", Some("1"), 0).await;
    world.write("other", Some("2"), 0).await;
    for job in world.take(0, 10).await {
        world.bury(&job, 1).await;
    }
    world.write("cancel", Some("1"), 2).await;
    // The ask's cancel waits …
    assert_eq!(world.retry(Which::All(None), 2).await, 1);
    let jobs = world.take(3, 10).await;
    assert_eq!(names(&jobs), ["other", "cancel"]);
    for job in &jobs {
        assert!(world.finish(job).await);
    }
    // … and has gone.
    assert_eq!(world.retry(Which::All(None), 4).await, 0);
    let dead = world.left(true).await;
    assert_eq!((dead.len(), dead[0].expires_at), (1, Some(at(3))));
}

/// A step of the worker that spreads an announcement, as far as its commit. Answers whether the job is still its own.
async fn spread(conn: &mut PgConnection, job: &Job, now: i64) -> bool {
    match push::spread(conn, &job.payload, job.expires_at, 3, at(now)).await.unwrap() {
        Some(payload) => outbox::postpone(conn, job, at(now), Some(&payload), None).await.unwrap(),
        None => outbox::finish(conn, job).await.unwrap(),
    }
}

#[tokio::test]
async fn an_announcement_reaches_each_device_once_whatever_breaks_off() {
    let world = World::new().await;
    let devices = world.devices(10).await;
    let job = push::broadcast("community.article", &[], at(0)).unwrap();
    outbox::insert_many(&mut world.pool.acquire().await.unwrap(), &[job], at(0)).await.unwrap();
    let (mut now, mut pages) = (1, 0);
    while let Some(slow) = world.announcement(now).await {
        // Whoever has it dies before the commit …
        let mut lost = world.pool.begin().await.unwrap();
        assert!(spread(&mut lost, &slow, now).await);
        lost.rollback().await.unwrap();
        now += 61;
        let job = world.announcement(now).await.unwrap();
        // … or was only slow, and comes back while another one is at it.
        let (mut late, mut good) = (world.pool.begin().await.unwrap(), world.pool.begin().await.unwrap());
        assert!(!spread(&mut late, &slow, now).await);
        assert!(spread(&mut good, &job, now).await);
        late.rollback().await.unwrap();
        good.commit().await.unwrap();
        pages += 1;
    }
    // The last one finds nobody left.
    assert_eq!(pages, 5);
    let mut conn = world.pool.acquire().await.unwrap();
    let jobs = outbox::take(&mut conn, push::BULK, at(now), LEASE, 100).await.unwrap();
    let mut reached: Vec<&str> = jobs.iter().map(|job| job.payload["device_id"].as_str().unwrap()).collect();
    reached.sort_unstable();
    assert_eq!(reached, devices);
}

/// Many workers at once: each job is done exactly once, and each topic in its order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_workers_do_each_job_once() {
    let world = std::sync::Arc::new(World::new().await);
    for number in 0..120 {
        let topic = format!("{}", number % 7);
        world.write(&format!("{number}"), (number % 3 > 0).then_some(topic.as_str()), 0).await;
    }
    let done: std::sync::Arc<std::sync::Mutex<Vec<i64>>> = std::sync::Arc::default();
    let workers = (0..6).map(|_| {
        let (world, done) = (std::sync::Arc::clone(&world), std::sync::Arc::clone(&done));
        #[allow(clippy::disallowed_methods, reason = "the test itself waits for them")]
        tokio::spawn(async move {
            while !world.left(false).await.is_empty() {
                for job in world.take(1, 5).await {
                    done.lock().unwrap().push(job.payload.as_str().unwrap().parse().unwrap());
                    assert!(world.finish(&job).await);
                }
            }
        })
    });
    for worker in workers.collect::<Vec<_>>() {
        worker.await.unwrap();
    }
    let done = done.lock().unwrap().clone();
    let mut sorted = done.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, (0..120).collect::<Vec<_>>());
    for topic in 0..7 {
        let order: Vec<i64> = done.iter().copied().filter(|number| number % 7 == topic && number % 3 > 0).collect();
        assert!(order.is_sorted(), "{order:?}");
    }
}
