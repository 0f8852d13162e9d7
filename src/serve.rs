//! Starting, serving and draining (running.md, DESIGN §9).

mod accept;
mod lean;

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use consilium_realtime::bus::redis::RedisBus;
use consilium_realtime::close::Close;
use consilium_realtime::engine::{Nodes, Trackers};
use consilium_realtime::presence::Leases;
use consilium_realtime::redis::Redis;
use consilium_realtime::shared::{counters::Limits, once::Once};
use consilium_realtime::{Engine, Settings};
use consilium_storage as storage;
use consilium_storage::clock::Clock;
use consilium_storage::database::Options;
use consilium_storage::database::Pool;
use consilium_storage::embedded::{self, Cluster};
use metrics_exporter_prometheus::PrometheusHandle;
use secrecy::{ExposeSecret, SecretString};
use tokio::net::{TcpListener, TcpSocket};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use accept::Door;
pub use accept::{Peer, Socket};

use crate::accounts::standings::Standings;
use crate::accounts::tokens::Tokens;
use crate::app::{App, Parts};
use crate::config::Config;
use crate::gateways::codes::Codes;
use crate::gateways::files::Files;
use crate::gateways::files::links::LinkKeys;
use crate::gateways::media::Media;
use crate::gateways::media::recorder::Target;
use crate::gateways::payments::{Cashfree, PaymentError, Payments, Policy, Sandbox, cashfree};
use crate::gateways::push::Push;
use crate::http::{layers, openapi};

/// Between two looks whether the last connections are gone.
const POLL: Duration = Duration::from_millis(20);
/// How long the end of the connections to Postgres may take.
const CLOSE_PATIENCE: Duration = Duration::from_secs(1);

/// How many connections may wait to be taken, as far as the system allows.
const BACKLOG: u32 = 16_384;

/// How long connections that a proxy keeps for later may still bring a request, once nobody can connect any more. A request
/// that meets the close of its connection is lost to whoever may not repeat it. Answers have said `connection: close` since
/// the drain began, so that whatever is left after this time is not in use.
const LAST_USE: Duration = Duration::from_secs(2);

/// How much the system keeps for a client that does not read, in bytes; it takes twice as much for its own needs. Left to
/// itself it grows to megabytes for each, and a slow client is noticed that much later.
const SEND_BUFFER: u32 = 128 * 1024;

/// Why the server does not start: one line, for a person.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct StartError(pub String);

impl StartError {
    fn because(what: &str, error: impl std::fmt::Display) -> Self {
        Self(format!("{what}: {error}"))
    }
}

/// The database: the operator's, or a private one that ends with this value.
#[derive(Debug)]
pub struct Database {
    /// Connections as the role that owns the database.
    pub owner: Options,
    cluster: Option<Cluster>,
}

impl Database {
    /// Connects to the configured database or starts the private one, and brings its tables up to date.
    ///
    /// # Errors
    /// One line that says what is wrong or missing.
    pub async fn open(config: &Config) -> Result<Self, StartError> {
        let (owner, cluster) = match &config.database_url {
            Some(url) => (operators_database(url.expose_secret()).await?, None),
            None => {
                let cluster = private_database(&config.data_dir).await;
                let cluster = cluster.map_err(|error| StartError::because("CONSILIUM_DATA_DIR", error))?;
                (cluster.connect_options(embedded::DATABASE), Some(cluster))
            }
        };
        storage::database::migrate(&owner).await.map_err(|error| explain_migration(&error))?;
        Ok(Self { owner, cluster })
    }

    /// Stops the private Postgres, if this is one.
    pub async fn close(self) {
        if let Some(cluster) = self.cluster {
            cluster.stop().await;
        }
    }
}

/// The private Postgres of this data dir, or of the one that stands in for it: then it is said at any log level, as who
/// looks for the data must know.
async fn private_database(data_dir: &Path) -> Result<Cluster, embedded::Error> {
    let dir = embedded::reachable_data_dir(data_dir).await?;
    if dir.moved {
        let (wanted, path) = (data_dir.display(), dir.path.display());
        let line = format!("the database user cannot reach the data dir {wanted}: the private Postgres is in {path}");
        writeln!(std::io::stderr(), "consilium: {line}").ok();
    }
    embedded::start(&embedded::Options::new(dir.path)).await
}

/// The operator's database, once it answers.
async fn operators_database(url: &str) -> Result<Options, StartError> {
    // The driver takes any scheme.
    let known = url.starts_with("postgres://") || url.starts_with("postgresql://");
    let options = Options::from_str(url).ok().filter(|_| known);
    let options = options.ok_or_else(|| StartError("CONSILIUM_DATABASE_URL: is not a postgres:// address".into()))?;
    let answer = storage::database::connect_once(&options).await;
    answer.map_err(|error| StartError::because("CONSILIUM_DATABASE_URL", error))?;
    Ok(options)
}

/// A role that may not create extensions or roles needs a DBA once (settled 29).
fn explain_migration(error: &storage::database::MigrateError) -> StartError {
    let text = error.to_string();
    if text.contains("permission denied") || text.contains("must be") {
        return StartError(format!(
            "CONSILIUM_DATABASE_URL: the role may not prepare the database ({text}). Let a DBA run: create extension if \
             not exists pg_trgm; create extension if not exists btree_gist; create role consilium_app nologin; grant \
             consilium_app to <your role>;"
        ));
    }
    StartError::because("migrations", text)
}

/// A server that listens.
pub struct Server {
    /// Its state.
    pub app: App,
    /// Where it listens.
    pub address: SocketAddr,
    listener: TcpListener,
    router: Router,
    background: TaskTracker,
}

/// Starts everything but the accepting.
///
/// # Errors
/// One line that says what is wrong or missing.
pub async fn start(
    config: Config,
    database: &Database,
    clock: Clock,
    metrics: PrometheusHandle,
) -> Result<Server, StartError> {
    let listener = listen(config.listen).map_err(|error| StartError::because("CONSILIUM_LISTEN", error))?;
    let address = listener.local_addr().map_err(|error| StartError::because("CONSILIUM_LISTEN", error))?;
    let pool = storage::database::connect(&database.owner, config.database_connections)
        .await
        .map_err(|error| StartError::because("database", error))?;
    let background = TaskTracker::new();
    let app = assemble(config, pool, clock, metrics, address, &background).await?;
    crate::jobs::start(&app, database.owner.clone());
    let router = router(&app);
    Ok(Server { app, address, listener, router, background })
}

/// Listens with a queue that takes a whole fleet coming back at once: a connection that finds it full tries again only
/// a second later.
fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    // Whatever is accepted has it too.
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

async fn assemble(
    config: Config,
    pool: Pool,
    clock: Clock,
    metrics: PrometheusHandle,
    address: SocketAddr,
    background: &TaskTracker,
) -> Result<App, StartError> {
    let trouble = |error: storage::Error| StartError::because("database", error);
    let mut conn = pool.acquire().await.map_err(|error| StartError::because("database", error))?;
    storage::database::check(&mut conn).await.map_err(StartError)?;
    let epoch = storage::settings::epoch(&mut conn).await.map_err(trouble)?;
    let keys = signing_keys(&config, &mut conn).await.map_err(trouble)?;
    let leases = Leases { sign_of_life: config.ttl.presence_lease, push: config.ttl.presence_push_lease };
    let settings = Settings { epoch, retention: config.ttl.inbox_retention, leases, lanes: 4, batch: 256 };
    let trackers = Trackers { tasks: TaskTracker::new(), background: background.clone() };
    let tracker = trackers.tasks.clone();
    let nodes = nodes(&config, &mut conn, background).await?;
    let redis = nodes.redis.clone();
    let (engine, changes) = Engine::start(&settings, pool.clone(), clock.clone(), nodes, trackers);
    // Nobody is connected yet who could be told of it.
    let _untold = crate::jobs::presence::load(&engine, &mut conn, clock.now()).await.map_err(trouble)?;
    let push = push(&config, &pool, &clock)?;
    if push.rings() {
        crate::jobs::ringing::load(&engine, &mut conn).await.map_err(trouble)?;
    }
    drop(conn);
    let media = media(&config)?;
    let codes = codes(&config, &pool, &clock)?;
    let public_url = config.public_url.clone().unwrap_or_else(|| format!("http://{address}"));
    let payments = take_payments(&config, &pool, &clock, address)?;
    let files = Files::open(&config.files, &public_url, LinkKeys::new(&keys));
    let files = files.map_err(|error| StartError::because("CONSILIUM_FILES_URL", error))?;
    let recorder = config.recordings.then(|| Target::new(config.files.clone(), config.recordings_dir.clone()));
    let app = App::new(Parts {
        files,
        recorder,
        public_url,
        tokens: Tokens::new(&keys).map_err(|error| StartError::because("CONSILIUM_SIGNING_KEYS", error))?,
        standings: Standings::start(pool.clone(), background),
        shutdown: CancellationToken::new(),
        limits: Limits::new(redis.clone()),
        tickets: Once::new(redis),
        sockets: TaskTracker::new(),
        config,
        pool,
        clock,
        engine,
        codes,
        media,
        push,
        outbox: Default::default(),
        payments,
        metrics,
        tracker,
    });
    crate::jobs::presence::announce(&app, changes);
    Ok(app)
}

/// LiveKit, which is not asked yet.
fn media(config: &Config) -> Result<Media, StartError> {
    let secret = config.livekit_api_secret.clone();
    Media::new(&config.livekit_url, &config.livekit_api_key, secret, config.ttl.livekit_token)
        .map_err(|error| StartError::because("CONSILIUM_LIVEKIT_URL", error))
}

/// The gateway for text messages where there is one, else the development inbox.
fn codes(config: &Config, pool: &Pool, clock: &Clock) -> Result<Codes, StartError> {
    let Some(url) = &config.sms_url else { return Ok(Codes::DevInbox(pool.clone(), clock.clone())) };
    Codes::http(url.clone()).map_err(|error| StartError::because("CONSILIUM_SMS_URL", error))
}

/// This node alone, or among others over Redis, whose signals are sealed with a key that stands in the database.
async fn nodes(
    config: &Config,
    conn: &mut storage::database::Conn,
    background: &TaskTracker,
) -> Result<Nodes, StartError> {
    let Some(address) = config.redis.clone() else { return Ok(Nodes::one()) };
    let key = storage::settings::get_or_set(conn, "bus_key", &Tokens::refresh()).await;
    let key = key.map_err(|error| StartError::because("database", error))?;
    let redis = Redis::start(address, &config.redis_prefix, background);
    let bus = RedisBus::new(redis.clone(), key.as_bytes(), background.clone());
    let bus = bus.ok_or_else(|| StartError("the key of the bus in the database is unusable".into()))?;
    Ok(Nodes { bus: Arc::new(bus), redis: Some(redis) })
}

/// FCM where there are credentials, else the development inbox; in production nothing rings without them.
fn push(config: &Config, pool: &Pool, clock: &Clock) -> Result<Push, StartError> {
    let Some(credentials) = &config.fcm_credentials else {
        if config.production {
            tracing::warn!("no push messages: CONSILIUM_FCM_CREDENTIALS is not set");
            return Ok(Push::Off);
        }
        return Ok(Push::DevInbox(pool.clone(), clock.clone()));
    };
    Push::fcm(credentials, &config.fcm_url, clock.clone())
        .map_err(|error| StartError::because("CONSILIUM_FCM_CREDENTIALS", error))
}

/// The configured provider, or the sandbox, whose webhooks come to this very node.
fn take_payments(config: &Config, pool: &Pool, clock: &Clock, address: SocketAddr) -> Result<Payments, StartError> {
    const WEBHOOK: &str = "/api/v2/payments/cashfree/webhook";
    let wrong = |error: PaymentError| StartError::because("CONSILIUM_CASHFREE_URL", error);
    let Some(account) = &config.cashfree else {
        let ip = match address.ip() {
            ip if !ip.is_unspecified() => ip,
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        };
        let url = format!("http://{}{WEBHOOK}", SocketAddr::new(ip, address.port()));
        return Ok(Payments::Sandbox(Sandbox::new(pool.clone(), clock.clone(), url).map_err(wrong)?));
    };
    // The provider takes nothing but https for its webhooks; without it they are set on its dashboard.
    let reachable = config.public_url.as_ref().filter(|url| url.starts_with("https://"));
    let account = cashfree::Account {
        url: account.url.clone(),
        client_id: account.client_id.clone(),
        client_secret: account.client_secret.clone(),
        version: account.api_version.clone(),
        notify_url: reachable.map(|url| format!("{url}{WEBHOOK}")),
    };
    Ok(Payments::Cashfree(Cashfree::new(account, Policy::default()).map_err(wrong)?))
}

/// The configured keys, or the development key that all nodes of one database share (settled 29).
async fn signing_keys(
    config: &Config,
    conn: &mut storage::database::Conn,
) -> storage::Result<Vec<(String, SecretString)>> {
    if !config.signing_keys.is_empty() {
        return Ok(config.signing_keys.clone());
    }
    let fresh = Tokens::refresh();
    let key = storage::settings::get_or_set(conn, "development_signing_key", &fresh).await?;
    Ok(vec![("dev".to_owned(), key.into())])
}

/// Every route.
fn router(app: &App) -> Router {
    let documented = Router::from(routes());
    // What the routes told of their types is for the document alone.
    aide::generate::reset_context();
    let mut routes =
        documented.merge(openapi::pages()).merge(crate::live::pages()).merge(crate::http::pictures::router());
    routes = routes.merge(crate::http::file_door::router()).merge(crate::connect::operations::router());
    if !app.config.production {
        routes = routes
            .merge(crate::demo::router())
            .merge(crate::dev::router())
            .merge(crate::connect::payments::dev::router());
    }
    layers::surround(routes, app)
}

/// The documented routes.
pub fn routes() -> aide::axum::ApiRouter<App> {
    aide::axum::ApiRouter::new()
        .merge(crate::http::health::router())
        .merge(crate::connect::router())
        .merge(crate::live::router())
}

impl Server {
    /// Serves until the shutdown token is cancelled, then drains.
    pub async fn run(self) {
        let Self { app, listener, router, background, address: _ } = self;
        let connections = TaskTracker::new();
        let stop = CancellationToken::new();
        let door = Door { app: &app, router: &router, connections: &connections, stop: &stop };
        let deadline = tokio::select! {
            () = door.accept(&listener) => Instant::now(),
            deadline = drain(&app) => deadline,
        };
        door.close(listener);
        finish(&app, [&connections, &app.sockets, &app.tracker], &stop, deadline).await;
        // What other nodes must know of this one's end, they are told here: nobody is connected any more.
        app.engine.leave().await;
        background.close();
        if tokio::time::timeout(CLOSE_PATIENCE, app.pool.close()).await.is_err() {
            tracing::warn!("connections to Postgres were still in use at the end");
        }
    }
}

/// Waits for the shutdown, then lets go of every connection while calls are served as before: `/ready` and the doors of
/// the inbox answer 503 from the first moment. Answers until when the rest may take.
async fn drain(app: &App) -> Instant {
    app.shutdown.cancelled().await;
    let whole = app.config.ttl.drain;
    // A tenth is left for what comes after the work: other nodes, Postgres.
    let deadline = Instant::now() + whole - whole / 10;
    let told = app.engine.drain(whole / 2).await;
    // They end by themselves, after their last command.
    let patience = Instant::now() + whole / 4;
    while !app.engine.hub().is_empty() && Instant::now() < patience {
        tokio::time::sleep(POLL).await;
    }
    // Whoever was being opened meanwhile, and whoever takes nothing.
    app.engine.hub().each(|connection| connection.close(Close::GoingAway));
    tracing::info!(connections = told, "connections were told to come back");
    deadline
}

/// Waits for all work to end, tells kept connections after their last use, and cuts the sockets of clients that take
/// nothing.
async fn finish(app: &App, work: [&TaskTracker; 3], stop: &CancellationToken, deadline: Instant) {
    let ended = async {
        for tracker in work {
            tracker.close();
            tracker.wait().await;
        }
    };
    let last_use = Instant::now() + LAST_USE.min(app.config.ttl.drain / 10);
    let cutting = async {
        loop {
            if Instant::now() >= last_use {
                stop.cancel();
            }
            app.engine.cut_overdue();
            tokio::time::sleep(POLL).await;
        }
    };
    tokio::select! {
        () = ended => {}
        () = cutting => {}
        () = tokio::time::sleep_until(deadline) => {
            let left: usize = work.iter().map(|tracker| tracker.len()).sum();
            tracing::warn!(left, "drained with work left");
        }
    }
}
