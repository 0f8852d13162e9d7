//! The real server in this process: the real router on a free port, a database of its own, a clock that tests move.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use chrono::TimeDelta;
use consilium::accounts::passwords;
use consilium::accounts::sign_in;
use consilium::app::App;
use consilium::config::Config;
use consilium::serve::{self, Database};
use consilium::telemetry;
use consilium_storage::accounts::patients::{self, Profile, Sex};
use consilium_storage::accounts::{Role, admins};
use consilium_storage::audit;
use consilium_storage::clock::Clock;
use consilium_storage::connect::doctors::{self, NewDoctor};
use consilium_storage::connect::payments;
use consilium_storage::database::Options;
use consilium_storage::ids::{OrderId, SessionId, UserId};
use consilium_storage::ledger::{self, Kind, Posting, Reference};
use consilium_storage::money::Paise;
use consilium_storage::testing::{self, Scratch, TestDb};
use serde_json::json;
use tokio::sync::OnceCell;
use tokio::task::JoinHandle;

use super::client::Client;
use super::process::http_client;

/// The password of every doctor and admin made here.
pub(crate) const PASSWORD: &str = "test-pass-1";

/// A server of one test; it ends with this value.
pub(crate) struct TestApp {
    /// Its state, for what has no public door.
    pub(crate) app: App,
    /// Its clock.
    pub(crate) clock: Clock,
    /// `http://127.0.0.1:port`.
    pub(crate) url: String,
    http: reqwest::Client,
    serving: JoinHandle<()>,
    config: Config,
    database: Arc<TestDb>,
    files: Arc<Scratch>,
}

impl Drop for TestApp {
    fn drop(&mut self) {
        self.app.shutdown.cancel();
        self.serving.abort();
    }
}

impl TestApp {
    /// A server with the settings of tests.
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// A server with some settings changed.
    pub(crate) async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let database = Arc::new(testing::database().await);
        let files = Arc::new(Scratch::new("files").unwrap());
        let mut config = Config::for_tests(files.path(), &database.url).unwrap();
        config.ttl.drain = std::time::Duration::from_secs(2);
        change(&mut config);
        let http = http_client();
        let clock = Clock::shifted();
        let (app, url, serving) = serve(config.clone(), &clock).await;
        Self { app, clock, url, http, serving, config, database, files }
    }

    /// A second node: another server with the same settings over the same database and files, by the same clock. Its
    /// port and its memory are its own. Clients of the one call the other with [`Client::at`].
    pub(crate) async fn beside(&self) -> Self {
        self.beside_with(|_| {}).await
    }

    /// As [`TestApp::beside`], with some settings changed.
    pub(crate) async fn beside_with(&self, change: impl FnOnce(&mut Config)) -> Self {
        let (mut config, clock) = (self.config.clone(), self.clock.clone());
        change(&mut config);
        let (database, files) = (Arc::clone(&self.database), Arc::clone(&self.files));
        let (app, url, serving) = serve(config.clone(), &clock).await;
        Self { app, clock, url, http: self.http.clone(), serving, config, database, files }
    }

    /// Drains the server and starts it again over the same database and files, on another port. Clients made before
    /// keep their tokens but know the old address: see [`Client::at`].
    pub(crate) async fn restart(&mut self) {
        self.app.shutdown.cancel();
        tokio::time::timeout(std::time::Duration::from_secs(20), &mut self.serving).await.unwrap().unwrap();
        (self.app, self.url, self.serving) = serve(self.config.clone(), &self.clock).await;
    }

    /// How to connect to its database as the role that owns it.
    pub(crate) fn owner(&self) -> Options {
        self.database.options.clone()
    }

    /// The database, for a process beside this one.
    pub(crate) fn database_url(&self) -> String {
        self.database.url.clone()
    }

    /// Waits until some transaction waits for a row that another holds.
    pub(crate) async fn somebody_waits(&self) {
        self.so_many_wait(1).await;
    }

    /// Waits until so many transactions wait for rows that others hold.
    pub(crate) async fn so_many_wait(&self, count: i64) {
        let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(30);
        while testing::count_waiting(&self.database).await < count {
            assert!(tokio::time::Instant::now() < deadline, "not so many wait");
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }

    /// Drains the server.
    pub(crate) async fn stop(&mut self) {
        self.app.shutdown.cancel();
        tokio::time::timeout(std::time::Duration::from_secs(20), &mut self.serving).await.unwrap().unwrap();
    }

    /// Moves the server's clock.
    pub(crate) fn advance(&self, by: TimeDelta) {
        self.clock.advance(by);
    }

    /// Somebody without a token.
    pub(crate) fn nobody(&self) -> Client {
        Client::new(self.http.clone(), self.url.clone())
    }

    /// A signed-in patient with a complete profile.
    pub(crate) async fn patient(&self) -> Client {
        let client = self.new_patient().await;
        let mut tx = self.app.begin().await.unwrap();
        let profile = Profile {
            full_name: Some("Test Patient".to_owned()),
            age: Some(28),
            sex: Some(Sex::Male),
            height_cm: Some(175.0),
            weight_kg: Some(72.5),
        };
        patients::set_profile(tx.conn(), client.id, &profile).await.unwrap();
        self.app.commit(tx).await.unwrap();
        client
    }

    /// A signed-in patient who has said nothing about themself yet.
    pub(crate) async fn new_patient(&self) -> Client {
        let (id, number) = (UserId::new(), number());
        let mut tx = self.app.begin().await.unwrap();
        let now = tx.now();
        patients::insert(tx.conn(), id, &phone(number), None, "av_01", now).await.unwrap();
        self.app.commit(tx).await.unwrap();
        self.sign_in(id, Role::Client).await
    }

    /// A signed-in doctor whose switch is on: visible, and ONLINE as soon as there is a sign of life.
    pub(crate) async fn doctor(&self) -> Client {
        let number = number();
        self.doctor_like(|new| new.email = doctor_email(number)).await
    }

    /// As [`TestApp::doctor`], with something different.
    pub(crate) async fn doctor_like(&self, change: impl FnOnce(&mut NewDoctor)) -> Client {
        let (id, number) = (UserId::new(), number());
        let mut new = NewDoctor {
            email: doctor_email(number),
            password_hash: password_hash().await,
            phone: None,
            full_name: format!("Dr. Test {number}"),
            speciality_category: "Urology".to_owned(),
            degrees: vec!["MBBS".to_owned(), "MD".to_owned()],
            years_experience: 12,
            about_short: None,
            languages: vec!["English".to_owned()],
            registration_number: Some(format!("REG-{number:06}")),
            rate_per_minute: 500,
            chat_enabled: true,
            call_enabled: true,
            is_featured: false,
            is_verified: true,
            is_reviewer: false,
        };
        change(&mut new);
        let mut tx = self.app.begin().await.unwrap();
        let now = tx.now();
        doctors::insert(tx.conn(), id, &new, now).await.unwrap();
        self.app.commit(tx).await.unwrap();
        self.sign_in(id, Role::Doctor).await
    }

    /// A signed-in admin.
    pub(crate) async fn admin(&self) -> Client {
        let (id, number) = (UserId::new(), number());
        let hash = password_hash().await;
        let mut tx = self.app.begin().await.unwrap();
        let now = tx.now();
        admins::insert(tx.conn(), id, &format!("admin{number}"), "Test Admin", &hash, now).await.unwrap();
        self.app.commit(tx).await.unwrap();
        self.sign_in(id, Role::Admin).await
    }

    /// Puts money into a patient's wallet, in paise, as a paid order would.
    pub(crate) async fn fund(&self, patient: UserId, paise: i64) {
        let mut tx = self.app.begin().await.unwrap();
        let posting = Posting {
            kind: Kind::Recharge,
            reference: Reference::Order(OrderId::random()),
            from: ledger::Account::Provider,
            to: ledger::Account::Wallet(patient),
            amount: Paise(paise),
            description: "Wallet top-up",
            at: tx.now(),
        };
        ledger::post(tx.conn(), &posting).await.unwrap().unwrap();
        self.app.commit(tx).await.unwrap();
    }

    /// Fails unless the whole ledger adds up; answers how many postings it has.
    pub(crate) async fn ledger_adds_up(&self) -> i64 {
        let found = ledger::verify(&mut self.app.conn().await.unwrap()).await.unwrap();
        assert!(found.add_up(), "{found:?}");
        found.postings
    }

    /// The orders that an admin has to look at.
    pub(crate) async fn flagged_payments(&self) -> Vec<payments::Flagged> {
        payments::list_flagged(&mut self.app.conn().await.unwrap()).await.unwrap()
    }

    /// Cuts every connection of the server that waits for a lock, as a crash would; answers how many.
    pub(crate) async fn cut_waiting(&self) -> i64 {
        testing::cut_waiting(&self.database).await
    }

    /// How many audit rows there are of this action by this account.
    pub(crate) async fn acts(&self, action: &str, actor: UserId) -> i64 {
        testing::count_acts(&self.database, action, actor).await
    }

    /// How many audit rows there are of this action on this account.
    pub(crate) async fn audited(&self, action: &str, subject: UserId) -> i64 {
        let mut conn = self.app.conn().await.unwrap();
        audit::count(&mut conn, action, subject).await.unwrap()
    }

    /// The audit rows after this one, the oldest first.
    pub(crate) async fn audit_after(&self, id: i64) -> Vec<testing::AuditRow> {
        let mut conn = self.app.conn().await.unwrap();
        testing::list_audit(&mut conn, id).await.unwrap()
    }

    /// How many rows a table has.
    pub(crate) async fn count(&self, table: &str) -> i64 {
        testing::count_rows(&self.database, table).await
    }

    /// How many rows some tables have.
    pub(crate) async fn counts(&self) -> [(&'static str, i64); 7] {
        let tables =
            ["sessions", "messages", "reviews", "health_categories", "accounts", "articles", "community_events"];
        let mut counts = tables.map(|table| (table, 0));
        for (table, count) in &mut counts {
            *count = self.count(table).await;
        }
        counts
    }

    /// The newest session of a patient or doctor.
    pub(crate) async fn latest_session(&self, user: UserId) -> SessionId {
        let mut conn = self.app.conn().await.unwrap();
        testing::latest_session(&mut conn, user).await.unwrap()
    }

    /// One more login of an account.
    pub(crate) async fn sign_in(&self, id: UserId, role: Role) -> Client {
        let mut tx = self.app.begin().await.unwrap();
        let pair = sign_in::start(&self.app, &mut tx, id, role).await.unwrap();
        self.app.commit(tx).await.unwrap();
        let mut client = self.nobody();
        client.id = id;
        client.signed_in(&json!(pair));
        client
    }
}

async fn serve(config: Config, clock: &Clock) -> (App, String, JoinHandle<()>) {
    let database = Database::open(&config).await.unwrap();
    let server =
        Box::pin(serve::start(config, &database, clock.clone(), telemetry::metrics_for_tests())).await.unwrap();
    let (app, url) = (server.app.clone(), format!("http://{}", server.address));
    #[allow(clippy::disallowed_methods, reason = "the test itself waits for the server's end")]
    let serving = tokio::spawn(server.run());
    (app, url, serving)
}

static NUMBER: AtomicU32 = AtomicU32::new(1);

fn number() -> u32 {
    NUMBER.fetch_add(1, Ordering::Relaxed)
}

/// A phone that no demo patient has.
fn phone(number: u32) -> String {
    format!("+9188{number:08}")
}

fn doctor_email(number: u32) -> String {
    format!("doctor-{number}@test.example")
}

/// Hashing takes long in debug builds: once a process.
async fn password_hash() -> String {
    static HASH: OnceCell<String> = OnceCell::const_new();
    HASH.get_or_init(|| async { passwords::hash(PASSWORD.to_owned()).await.unwrap() }).await.clone()
}
