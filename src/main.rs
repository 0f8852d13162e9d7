//! The command line (running.md).

mod catalogue_command;
mod payments_command;

use std::io::Write;
use std::process::ExitCode;

use catalogue_command::CatalogueCommand;
use chrono::{DateTime, Utc};
use clap::{Args, Parser, Subcommand};
use consilium::config::{Config, Flags};
use consilium::serve::{self, Database, Server, StartError};
use consilium::{demo_data, telemetry};
use consilium_storage::clock::Clock;
use consilium_storage::database::Conn;
use consilium_storage::ids::UserId;
use consilium_storage::outbox::{self, Which};
use consilium_storage::{audit, ledger, settings};
use metrics_exporter_prometheus::PrometheusHandle;
use payments_command::PaymentsCommand;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

#[derive(Parser)]
#[command(name = "consilium", version, about = "A real-time medical consultation engine")]
struct Cli {
    #[command(flatten)]
    flags: Flags,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Start the server; the command meant when none is given, then with --demo.
    Serve {
        /// Put demo data into the database first.
        #[arg(long)]
        demo: bool,
    },
    /// Bring the database's tables up to date and stop.
    Migrate,
    /// Put demo data into the database and stop.
    Seed {
        /// The only seed there is.
        #[arg(long, required = true)]
        demo: bool,
    },
    /// Print the OpenAPI document.
    Openapi,
    /// Print the AsyncAPI document.
    Asyncapi,
    /// Print the effective settings, secrets hidden.
    Config,
    /// Admin accounts.
    #[command(subcommand)]
    Admin(AdminCommand),
    /// Doctor accounts.
    #[command(subcommand)]
    Doctor(DoctorCommand),
    /// Medicines and lab tests.
    #[command(subcommand)]
    Catalogue(CatalogueCommand),
    /// The audit log.
    #[command(subcommand)]
    Audit(AuditCommand),
    /// The ledger of all money.
    #[command(subcommand)]
    Ledger(LedgerCommand),
    /// Payments.
    #[command(subcommand)]
    Payments(PaymentsCommand),
    /// The epoch of all cursors.
    #[command(subcommand)]
    Epoch(EpochCommand),
    /// Work for services outside: pushes and the like.
    #[command(subcommand)]
    Outbox(OutboxCommand),
}

#[derive(Subcommand)]
enum AdminCommand {
    /// Make an admin; the password is read from standard input.
    Create {
        /// The user name.
        username: String,
    },
}

#[derive(Subcommand)]
enum DoctorCommand {
    /// Make a verified doctor; the password is read from standard input.
    Create(NewDoctor),
}

#[derive(Args)]
struct NewDoctor {
    /// E-mail address, the sign-in name.
    email: String,
    /// Full name.
    name: String,
    /// Speciality.
    #[arg(default_value = "General Medicine")]
    speciality: String,
}

#[derive(Subcommand)]
enum AuditCommand {
    /// Recompute every sealed block; exit 1 if one does not stand.
    Verify,
}

#[derive(Subcommand)]
enum LedgerCommand {
    /// Add everything up again; exit 1 if it does not come out.
    Verify,
}

#[derive(Subcommand)]
enum EpochCommand {
    /// Start a new epoch, after a restore from a backup.
    Rotate,
}

#[derive(Subcommand)]
enum OutboxCommand {
    /// Show dead letters and what waits: id, kind, state, attempts, times, the last error.
    List {
        /// Only what waits.
        #[arg(long)]
        waiting: bool,
        /// Only this kind.
        #[arg(long)]
        kind: Option<String>,
        /// At most so many of each.
        #[arg(long, default_value_t = 100)]
        limit: u32,
    },
    /// Try dead letters again; exit 1 if there is none.
    Retry {
        /// This one; all of them where none is named.
        id: Option<i64>,
        /// All of them, said aloud.
        #[arg(long, conflicts_with = "id")]
        all: bool,
        /// Only this kind.
        #[arg(long, conflicts_with = "id")]
        kind: Option<String>,
    },
}

fn main() -> ExitCode {
    // reqwest and rustls are built without a default provider.
    rustls::crypto::ring::default_provider().install_default().ok();
    let cli = Cli::parse();
    let command = cli.command.unwrap_or(Command::Serve { demo: true });
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&StartError(error.to_string())),
    };
    let code = runtime.block_on(run(command, &cli.flags)).unwrap_or_else(|error| fail(&error));
    // What is still under way on a thread that blocks (a fresh cluster, a password) was told to end and is not waited for.
    runtime.shutdown_background();
    code
}

/// What is wrong with the configuration or the surroundings: one line, exit 2.
#[allow(clippy::print_stderr, reason = "the program's last word")]
fn fail(error: &StartError) -> ExitCode {
    eprintln!("consilium: {error}");
    ExitCode::from(2)
}

/// What these commands are for. A reader that went away (`| head`) is no reason to panic.
fn say(text: impl std::fmt::Display) {
    writeln!(std::io::stdout(), "{text}").ok();
}

async fn run(command: Command, flags: &Flags) -> Result<ExitCode, StartError> {
    let demo = matches!(command, Command::Serve { demo: true } | Command::Seed { .. });
    let config = Config::load(flags, demo).map_err(|error| StartError(error.to_string()))?;
    match command {
        Command::Config => say(config.printed().trim_end()),
        Command::Openapi => say(consilium::http::openapi::document()?),
        Command::Asyncapi => say(consilium::live::asyncapi::document()),
        Command::Serve { .. } => return Box::pin(serve(config)).await,
        Command::Catalogue(command @ (CatalogueCommand::Sample { .. } | CatalogueCommand::Generate { .. })) => {
            catalogue_command::print(&command)?;
        }
        command => {
            telemetry::start_logs("warn", config.log_json);
            let database = Database::open(&config).await?;
            let done = administer(command, &config, &database).await;
            database.close().await;
            return done;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn administer(command: Command, config: &Config, database: &Database) -> Result<ExitCode, StartError> {
    let pool = consilium_storage::database::connect(&database.owner, 2).await.map_err(start_error)?;
    let clock = Clock::system();
    let mut conn = pool.acquire().await.map_err(start_error)?;
    match command {
        Command::Migrate => say("the database is up to date"),
        Command::Seed { .. } => demo_data::seed(&pool, &clock).await.map_err(start_error)?,
        Command::Admin(AdminCommand::Create { username }) => {
            let id = demo_data::create_admin(&pool, &clock, &username, &username, read_password()?).await;
            say(format!("admin {username} is {}", id.map_err(start_error)?));
        }
        Command::Doctor(DoctorCommand::Create(new)) => {
            let id: UserId =
                demo_data::create_doctor(&pool, &clock, &new.email, &new.name, &new.speciality, read_password()?)
                    .await
                    .map_err(start_error)?;
            say(format!("doctor {} is {id}", new.email));
        }
        Command::Catalogue(CatalogueCommand::Import { file }) => {
            drop(conn);
            let done = catalogue_command::import(&file, &pool, &clock, database).await;
            pool.close().await;
            return done;
        }
        Command::Audit(AuditCommand::Verify) => match audit::verify(&mut conn).await.map_err(start_error)? {
            audit::Verdict::Whole { blocks, rows } => say(format!("whole: {rows} rows in {blocks} blocks")),
            audit::Verdict::Broken { block } => {
                say(format!("broken: block {block} does not stand"));
                return Ok(ExitCode::FAILURE);
            }
        },
        Command::Ledger(LedgerCommand::Verify) => return verify_ledger(&mut conn).await,
        Command::Payments(command) => {
            drop(conn);
            let done = payments_command::run(&command, &pool, &clock).await;
            pool.close().await;
            return done;
        }
        Command::Epoch(EpochCommand::Rotate) => {
            let epoch = settings::rotate_epoch(&mut conn).await.map_err(start_error)?;
            say(format!("the epoch is {epoch}; restart the nodes"));
        }
        Command::Outbox(command) => return work_off(command, &mut conn, clock.now()).await,
        Command::Serve { .. }
        | Command::Openapi
        | Command::Asyncapi
        | Command::Config
        | Command::Catalogue(CatalogueCommand::Sample { .. } | CatalogueCommand::Generate { .. }) => {}
    }
    drop(conn);
    pool.close().await;
    let _ = config;
    Ok(ExitCode::SUCCESS)
}

/// `consilium outbox list|retry`. Payloads are not shown: they may name people.
async fn work_off(
    command: OutboxCommand,
    conn: &mut consilium_storage::database::Conn,
    now: DateTime<Utc>,
) -> Result<ExitCode, StartError> {
    match command {
        OutboxCommand::List { waiting, kind, limit } => {
            for dead in if waiting { vec![false] } else { vec![true, false] } {
                let entries = outbox::list(conn, dead, kind.as_deref(), limit.into()).await.map_err(start_error)?;
                for entry in entries {
                    let (state, at) = match (entry.dead_at, entry.leased_until.filter(|until| *until > now)) {
                        (Some(at), _) => ("dead", at),
                        (None, Some(until)) => ("under way", until),
                        (None, None) => ("waiting", entry.due_at),
                    };
                    let error = entry.last_error.as_deref().unwrap_or("-");
                    let (id, kind, attempts) = (entry.id, entry.kind, entry.attempts);
                    let (created, at) = (entry.created_at.to_rfc3339(), at.to_rfc3339());
                    say(format!("{id}  {kind}  {state}  attempts {attempts}  since {created}  at {at}  {error}"));
                }
            }
        }
        OutboxCommand::Retry { id, all: _, kind } => {
            let which = id.map_or(Which::All(kind.as_deref()), Which::One);
            let count = outbox::retry(conn, which, now).await.map_err(start_error)?;
            if count == 0 {
                say("nothing to retry");
                return Ok(ExitCode::FAILURE);
            }
            say(format!("{count} to be tried again"));
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn verify_ledger(conn: &mut Conn) -> Result<ExitCode, StartError> {
    let found = ledger::verify(conn).await.map_err(start_error)?;
    if found.add_up() {
        say(format!("it adds up: {} postings", found.postings));
        return Ok(ExitCode::SUCCESS);
    }
    say(format!(
        "it does not add up: the sum of all entries is {}, {} postings do not balance, {} wallets are not what moved them, \
         {} orders and {} sessions are not what was posted for them",
        found.total, found.unbalanced, found.wallets, found.orders, found.sessions
    ));
    Ok(ExitCode::FAILURE)
}

fn start_error(error: impl std::fmt::Display) -> StartError {
    StartError(error.to_string())
}

fn read_password() -> Result<String, StartError> {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).map_err(start_error)?;
    let password = line.trim_end_matches(['\r', '\n']).to_owned();
    if (8..=128).contains(&password.chars().count()) {
        Ok(password)
    } else {
        Err(StartError("the password on standard input must have 8 to 128 characters".to_owned()))
    }
}

async fn serve(config: Config) -> Result<ExitCode, StartError> {
    telemetry::start_logs(&config.log, config.log_json);
    let metrics = telemetry::start_metrics().map_err(StartError)?;
    // First of all: whoever sees the server listen may send one at once.
    let mut signals = Signals::listen()?;
    let database = tokio::select! {
        database = Database::open(&config) => database?,
        () = signals.next() => return Ok(ExitCode::SUCCESS),
    };
    let started = tokio::select! {
        started = start(config, &database, metrics) => Some(started?),
        () = signals.next() => None,
    };
    if let Some(server) = started {
        say(format!("listening on http://{}", server.address));
        let shutdown = server.app.shutdown.clone();
        tokio::select! {
            () = server.run() => {}
            () = end(&mut signals, &shutdown) => tracing::warn!("second signal: not waiting"),
        }
    }
    tokio::select! {
        () = database.close() => {}
        () = signals.next() => {}
    }
    Ok(ExitCode::SUCCESS)
}

/// Everything but the accepting, with the demo where it is wanted.
async fn start(config: Config, database: &Database, metrics: PrometheusHandle) -> Result<Server, StartError> {
    let (clock, demo) = (Clock::system(), config.demo);
    let server = serve::start(config, database, clock.clone(), metrics).await?;
    if demo {
        demo_data::seed(&server.app.pool, &clock).await.map_err(start_error)?;
        demo_data::load_presence(&server.app).await.map_err(start_error)?;
        say(demo_data::banner(&server.app.public_url));
    }
    Ok(server)
}

/// The first signal begins the drain; this ends with the second one.
async fn end(signals: &mut Signals, shutdown: &CancellationToken) {
    signals.next().await;
    tracing::info!("draining; a second signal ends at once");
    shutdown.cancel();
    signals.next().await;
}

/// SIGTERM and SIGINT, each of which is kept until it was asked for.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> Result<Self, StartError> {
        let terminate = signal(SignalKind::terminate()).map_err(start_error)?;
        let interrupt = signal(SignalKind::interrupt()).map_err(start_error)?;
        Ok(Self { terminate, interrupt })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
