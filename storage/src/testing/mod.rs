//! Databases for tests (feature `testing`, HOUSE §6): one cluster per test process, started when the first
//! test asks, and one database per test, copied from a template that was migrated once.
//!
//! The cluster belongs to a thread of its own, because every `#[tokio::test]` brings and ends its own runtime.
//! Test binaries may run one after the other or at once: each has its own cluster in its own directory. It ends
//! with the process, however that ends, and its directory with it ([`Scratch`]).
#![allow(clippy::panic, reason = "a test without its database has nothing to go on with")]

mod scratch;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tokio::sync::{mpsc, oneshot};

use crate::embedded::{self, Cluster, OWNER, Options};
use crate::{database, migrations};

pub use scratch::Scratch;

/// Requests waiting for the cluster's thread; more than any test process has tests at once.
const QUEUE: usize = 1024;

/// A migrated, empty database of one test; dropped with this value.
#[derive(Debug)]
pub struct TestDb {
    /// Its name.
    pub name: String,
    /// Options for connections as the owner role.
    pub options: PgConnectOptions,
    /// The same as an address, for a server started as a process of its own.
    pub url: String,
}

impl Drop for TestDb {
    fn drop(&mut self) {
        // Best effort: the whole cluster goes with the process.
        if let Some(thread) = THREAD.get() {
            thread.try_send(Request::Drop(self.name.clone())).ok();
        }
    }
}

enum Request {
    Create(oneshot::Sender<Result<TestDb, String>>),
    Drop(String),
}

static THREAD: OnceLock<mpsc::Sender<Request>> = OnceLock::new();

/// A fresh database with all migrations.
///
/// # Panics
/// When Postgres cannot be started; the message says what to install.
pub async fn database() -> TestDb {
    let (reply, answer) = oneshot::channel();
    let thread = THREAD.get_or_init(start_thread);
    if thread.send(Request::Create(reply)).await.is_err() {
        panic!("the thread of the test cluster is gone");
    }
    match answer.await {
        Ok(Ok(database)) => database,
        Ok(Err(reason)) => panic!("no test database: {reason}"),
        Err(_) => panic!("the thread of the test cluster is gone"),
    }
}

fn start_thread() -> mpsc::Sender<Request> {
    let (sender, receiver) = mpsc::channel(QUEUE);
    let thread = std::thread::Builder::new().name("test-cluster".to_owned()).spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        match runtime {
            Ok(runtime) => runtime.block_on(serve(receiver)),
            Err(error) => panic!("no runtime for the test cluster: {error}"),
        }
    });
    if let Err(error) = thread {
        panic!("no thread for the test cluster: {error}");
    }
    sender
}

/// Everything the thread needs to make databases.
struct Workshop {
    cluster: Cluster,
    superuser: PgConnection,
    template: String,
    _files: Scratch,
}

static NUMBER: AtomicU32 = AtomicU32::new(1);

async fn serve(mut requests: mpsc::Receiver<Request>) {
    let mut workshop = Workshop::open().await;
    while let Some(request) = requests.recv().await {
        match (request, &mut workshop) {
            (Request::Create(reply), Ok(workshop)) => {
                let made = workshop.create().await.map_err(|error| error.to_string());
                reply.send(made).ok();
            }
            (Request::Create(reply), Err(reason)) => {
                reply.send(Err(reason.clone())).ok();
            }
            (Request::Drop(name), Ok(workshop)) => workshop.remove(&name).await,
            (Request::Drop(_), Err(_)) => {}
        }
    }
}

impl Workshop {
    async fn open() -> Result<Self, String> {
        let files = Scratch::in_memory("cluster").map_err(|error| error.to_string())?;
        let cluster = embedded::start(&Options::for_tests(files.path())).await.map_err(|error| error.to_string())?;
        let mut workshop = Self {
            superuser: PgConnection::connect_with(&cluster.superuser_options("postgres"))
                .await
                .map_err(|error| error.to_string())?,
            cluster,
            template: format!("template_{}", migrations::fingerprint()),
            _files: files,
        };
        workshop.migrate_template().await.map_err(|error| format!("migrating: {error}"))?;
        Ok(workshop)
    }

    async fn migrate_template(&mut self) -> Result<(), sqlx::migrate::MigrateError> {
        let create = format!("create database {} owner {OWNER}", self.template);
        sqlx::raw_sql(AssertSqlSafe(create)).execute(&mut self.superuser).await?;
        // It closes its connection: a template with one cannot be copied.
        database::migrate(&self.cluster.connect_options(&self.template)).await
    }

    async fn create(&mut self) -> sqlx::Result<TestDb> {
        let name = format!("test_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let mut create = format!("create database {name} owner {OWNER} template {}", self.template);
        // 15 and later: through the log, without a checkpoint of the whole cluster for each copy.
        if self.superuser.server_version_num().is_some_and(|version| version >= 150_000) {
            create.push_str(" strategy wal_log");
        }
        sqlx::raw_sql(AssertSqlSafe(create)).execute(&mut self.superuser).await?;
        Ok(TestDb { options: self.cluster.connect_options(&name), url: self.cluster.url_of(&name), name })
    }

    async fn remove(&mut self, name: &str) {
        let drop = format!("drop database if exists {name} with (force)");
        if let Err(error) = sqlx::raw_sql(AssertSqlSafe(drop)).execute(&mut self.superuser).await {
            tracing::debug!(%error, "a test database was not dropped");
        }
    }
}

/// A doctor with little more than a name, for tests and benches below the server.
///
/// # Panics
/// When the row cannot be written.
pub async fn insert_doctor(
    conn: &mut sqlx::PgConnection,
    id: crate::ids::UserId,
    name: &str,
    at: chrono::DateTime<chrono::Utc>,
) {
    let email = format!("{name}@example.org");
    let account = crate::accounts::NewAccount { email: Some(&email), ..Default::default() };
    if let Err(error) = crate::accounts::insert(conn, id, crate::accounts::Role::Doctor, account, at).await {
        panic!("no account for {name}: {error}");
    }
    let row = sqlx::query!(
        "insert into doctors (id, full_name, slug, speciality_category, search_text) values ($1, $2, $2, 'General Medicine', $2)",
        id as _,
        name
    );
    if let Err(error) = row.execute(conn).await {
        panic!("no doctor {name}: {error}");
    }
}

/// How many rows a table has.
///
/// # Panics
/// When the database cannot be asked.
pub async fn count_rows(database: &TestDb, table: &str) -> i64 {
    let counted = async {
        let mut connection = PgConnection::connect_with(&database.options).await?;
        sqlx::query_scalar(AssertSqlSafe(format!("select count(*) from {table}"))).fetch_one(&mut connection).await
    };
    match counted.await {
        Ok(count) => count,
        Err::<i64, sqlx::Error>(error) => panic!("no count of {table}: {error}"),
    }
}

/// How many audit rows there are of this action by this account.
///
/// # Panics
/// When the database cannot be asked.
pub async fn count_acts(database: &TestDb, action: &str, actor: crate::ids::UserId) -> i64 {
    let counted = async {
        let mut connection = PgConnection::connect_with(&database.options).await?;
        sqlx::query_scalar("select count(*) from audit_log where action = $1 and actor_id = $2")
            .bind(action)
            .bind(actor)
            .fetch_one(&mut connection)
            .await
    };
    match counted.await {
        Ok(count) => count,
        Err::<i64, sqlx::Error>(error) => panic!("no count of {action}: {error}"),
    }
}

/// A row of the audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRow {
    /// Its place.
    pub id: i64,
    /// Who; none for the system.
    pub actor: Option<crate::ids::UserId>,
    /// What.
    pub action: String,
    /// Whose data.
    pub subject: Option<crate::ids::UserId>,
}

/// The audit rows after this one, the oldest first.
///
/// # Errors
/// When the database cannot be asked.
pub async fn list_audit(conn: &mut PgConnection, after: i64) -> crate::Result<Vec<AuditRow>> {
    type Columns = (i64, Option<crate::ids::UserId>, String, Option<crate::ids::UserId>);
    let sql = "select id, actor_id, action, subject_id from audit_log where id > $1 order by id";
    let rows: Vec<Columns> = sqlx::query_as(sql).bind(after).fetch_all(conn).await?;
    Ok(rows.into_iter().map(|(id, actor, action, subject)| AuditRow { id, actor, action, subject }).collect())
}

/// Cuts every connection to this database that waits for a row, as a crash of its client would. Answers how many.
///
/// # Panics
/// When the database cannot be asked.
pub async fn cut_waiting(database: &TestDb) -> i64 {
    let cut = async {
        let mut connection = PgConnection::connect_with(&database.options).await?;
        sqlx::query_scalar(
            "select count(*) filter (where pg_terminate_backend(pid, 5000)) from pg_stat_activity
             where datname = current_database() and wait_event_type = 'Lock'",
        )
        .fetch_one(&mut connection)
        .await
    };
    match cut.await {
        Ok(count) => count,
        Err::<i64, sqlx::Error>(error) => panic!("nothing was cut: {error}"),
    }
}

/// How many transactions of this database wait for what another one holds.
///
/// # Panics
/// When the database cannot be asked.
pub async fn count_waiting(database: &TestDb) -> i64 {
    let waiting = "pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
    count_rows(database, waiting).await
}

/// The newest session of a patient or doctor.
///
/// # Errors
/// When there is none or the database cannot be asked.
pub async fn latest_session(conn: &mut PgConnection, user: crate::ids::UserId) -> crate::Result<crate::ids::SessionId> {
    let id = sqlx::query_scalar(
        "select id from sessions where patient_id = $1 or doctor_id = $1 order by created_at desc limit 1",
    )
    .bind(user)
    .fetch_one(conn)
    .await?;
    Ok(id)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    async fn tables(database: &TestDb) -> i64 {
        let mut connection = PgConnection::connect_with(&database.options).await.unwrap();
        sqlx::query_scalar("select count(*) from pg_tables where tableowner = 'consilium'")
            .fetch_one(&mut connection)
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn a_database_is_migrated_and_alone() {
        let (one, two) = (database().await, database().await);
        assert_ne!(one.name, two.name);
        let mut connection = PgConnection::connect_with(&one.options).await.unwrap();
        sqlx::raw_sql("create table only_here (id int)").execute(&mut connection).await.unwrap();
        assert_eq!(tables(&one).await, tables(&two).await + 1);
    }

    #[tokio::test]
    async fn the_cluster_outlives_a_test_and_its_address_works() {
        let database = database().await;
        let mut connection = PgConnection::connect(&database.url).await.unwrap();
        let (role, here): (String, String) = sqlx::query_as("select current_user::text, current_database()::text")
            .fetch_one(&mut connection)
            .await
            .unwrap();
        assert_eq!((role.as_str(), here), (OWNER, database.name.clone()));
        crate::database::check(&mut connection).await.unwrap();
        sqlx::raw_sql("set role consilium_app").execute(&mut connection).await.unwrap();
        assert!(sqlx::raw_sql("create table mine (id int)").execute(&mut connection).await.is_err());
    }
}
