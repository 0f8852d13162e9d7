//! Settings: flags, then `CONSILIUM_*` variables, then a TOML file, into one checked struct (running.md, settled 29, 31).

mod checks;
mod payments;
mod printed;
mod variables;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use chrono::TimeDelta;
use consilium_realtime::redis::Address;
use figment::Figment;
use figment::error::Kind;
use figment::providers::{Format, Serialized, Toml};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use crate::gateways::files::place::FilesPlace;

use checks::{
    environment, fcm_credentials, files, list, log, log_json, not_yet, public_url, redis, redis_prefix, signing_keys,
    some, switch, ttl,
};
use variables::variables;

pub use payments::Cashfree;

/// What flags, variables and the file may say; the names are those of running.md, in lower case.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    listen: String,
    data_dir: PathBuf,
    database_url: String,
    redis_url: String,
    redis_prefix: String,
    redis_ca_file: String,
    production: Flag,
    demo: bool,
    public_url: String,
    livekit_url: String,
    livekit_api_key: String,
    livekit_api_secret: String,
    recordings: String,
    recordings_dir: String,
    files_url: String,
    azure_account_key: String,
    s3_access_key_id: String,
    s3_secret_access_key: String,
    s3_session_token: String,
    smtp_url: String,
    sms_url: String,
    assistant_url: String,
    fcm_credentials: String,
    fcm_url: String,
    cashfree_client_id: String,
    cashfree_client_secret: String,
    cashfree_url: String,
    cashfree_api_version: String,
    signing_keys: String,
    trusted_proxies: String,
    cors_origins: String,
    log: String,
    log_format: String,
    environment: String,
    charging: String,
    access_token_ttl: u32,
    refresh_token_ttl: u32,
    otp_ttl: u32,
    request_ttl: u32,
    ticket_ttl: u32,
    livekit_token_ttl: u32,
    signed_url_ttl: u32,
    presence_lease: u32,
    presence_push_lease: u32,
    session_idle_ttl: u32,
    inbox_retention: u32,
    encounter_ttl: u32,
    encounter_followup_ttl: u32,
    drain_seconds: u32,
    max_connections: u32,
    database_connections: u32,
}

/// A switch that a variable may write as `1`, `true` or `on`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(untagged)]
enum Flag {
    Bool(bool),
    Number(u8),
    Word(String),
}

impl Flag {
    /// Nothing for what is no word for on or off: a slip of the pen must not leave production mode.
    fn read(&self) -> Option<bool> {
        match self {
            Self::Bool(on) => Some(*on),
            Self::Number(number) => (*number < 2).then_some(*number == 1),
            Self::Word(word) => match word.as_str() {
                "1" | "true" | "on" | "yes" => Some(true),
                "0" | "false" | "off" | "no" | "" => Some(false),
                _ => None,
            },
        }
    }
}

impl Default for Raw {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8080".to_owned(),
            data_dir: PathBuf::from("./data"),
            database_url: String::new(),
            redis_url: String::new(),
            redis_prefix: "consilium".to_owned(),
            redis_ca_file: String::new(),
            production: Flag::Bool(false),
            demo: false,
            public_url: String::new(),
            livekit_url: "ws://127.0.0.1:7880".to_owned(),
            livekit_api_key: "devkey".to_owned(),
            livekit_api_secret: "secret".to_owned(),
            recordings: "on".to_owned(),
            recordings_dir: String::new(),
            files_url: String::new(),
            azure_account_key: String::new(),
            s3_access_key_id: String::new(),
            s3_secret_access_key: String::new(),
            s3_session_token: String::new(),
            smtp_url: String::new(),
            sms_url: String::new(),
            assistant_url: String::new(),
            fcm_credentials: String::new(),
            fcm_url: "https://fcm.googleapis.com".to_owned(),
            cashfree_client_id: String::new(),
            cashfree_client_secret: String::new(),
            cashfree_url: String::new(),
            cashfree_api_version: "2023-08-01".to_owned(),
            signing_keys: String::new(),
            trusted_proxies: String::new(),
            cors_origins: String::new(),
            log: "info".to_owned(),
            log_format: String::new(),
            environment: String::new(),
            charging: "on".to_owned(),
            access_token_ttl: 900,
            refresh_token_ttl: 2_592_000,
            otp_ttl: 300,
            request_ttl: 1800,
            ticket_ttl: 30,
            livekit_token_ttl: 3600,
            signed_url_ttl: 600,
            presence_lease: 90,
            presence_push_lease: 900,
            session_idle_ttl: 7200,
            inbox_retention: 259_200,
            encounter_ttl: 259_200,
            encounter_followup_ttl: 259_200,
            drain_seconds: 20,
            max_connections: 100_000,
            database_connections: 24,
        }
    }
}

/// What the command line may say; absent flags leave the variables and the file their say.
#[derive(Debug, Clone, Default, Serialize, clap::Args)]
pub struct Flags {
    /// Address to listen on; port 0 picks a free one.
    #[arg(long, global = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub listen: Option<String>,
    /// Folder of the private Postgres and local files.
    #[arg(long, global = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_dir: Option<PathBuf>,
    /// A Postgres of yours instead of the private one.
    #[arg(long, global = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database_url: Option<String>,
    /// A Redis between nodes.
    #[arg(long, global = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redis_url: Option<String>,
    /// Production mode: refuses development secrets, has no development inbox.
    #[arg(long, global = true)]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub production: bool,
    /// A TOML file of settings.
    #[arg(long, global = true)]
    #[serde(skip)]
    pub config: Option<PathBuf>,
}

/// The checked settings.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Folder of the private Postgres and local files.
    pub data_dir: PathBuf,
    /// A Postgres of the operator's; none for the private one.
    pub database_url: Option<SecretString>,
    /// The Redis between nodes; none for one node.
    pub redis: Option<Address>,
    /// What all its keys and channels begin with.
    pub redis_prefix: String,
    /// Production mode.
    pub production: bool,
    /// Whether demo data is wanted.
    pub demo: bool,
    /// How clients reach this server; none until the listen address is known.
    pub public_url: Option<String>,
    /// The media server.
    pub livekit_url: String,
    /// Its key.
    pub livekit_api_key: String,
    /// Its secret.
    pub livekit_api_secret: SecretString,
    /// Whether consultations may be recorded.
    pub recordings: bool,
    /// The folder of local files as the recorder sees it, where that is another path.
    pub recordings_dir: Option<PathBuf>,
    /// Where files are kept.
    pub files: FilesPlace,
    /// An HTTP SMS gateway; none for the development inbox.
    pub sms_url: Option<SecretString>,
    /// A Google service account, as JSON; none for the development inbox.
    pub fcm_credentials: Option<SecretString>,
    /// Where FCM answers.
    pub fcm_url: String,
    /// The account at the payment provider; none for the sandbox.
    pub cashfree: Option<Cashfree>,
    /// `kid:secret` pairs, the first one signs; empty for the development keys in the database.
    pub signing_keys: Vec<(String, SecretString)>,
    /// Addresses whose `X-Forwarded-For` counts.
    pub trusted_proxies: Vec<std::net::IpAddr>,
    /// Origins that browsers may call from; empty for the same origin alone.
    pub cors_origins: Vec<String>,
    /// What this deployment is called in a store that several share: `development`, `staging` …
    pub environment: String,
    /// A tracing filter.
    pub log: String,
    /// `text` or `json`.
    pub log_json: bool,
    /// Whether a session is charged at its end.
    pub charging: bool,
    /// How long things live.
    pub ttl: Ttl,
    /// How often connections are looked after.
    pub pace: Pace,
    /// How many connections this node holds at most.
    pub max_connections: usize,
    /// How many connections to Postgres.
    pub database_connections: u32,
    /// How many devices of an announcement are written at a time. No setting: no test has as many.
    pub announcement_page: i64,
    raw: Raw,
}

/// Durations (settled 31).
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs, reason = "the names are those of settled.md 31")]
pub struct Ttl {
    pub access_token: TimeDelta,
    pub refresh_token: TimeDelta,
    pub otp: TimeDelta,
    pub request: TimeDelta,
    pub ticket: TimeDelta,
    pub livekit_token: std::time::Duration,
    pub signed_url: TimeDelta,
    pub presence_lease: TimeDelta,
    pub presence_push_lease: TimeDelta,
    pub session_idle: TimeDelta,
    pub inbox_retention: TimeDelta,
    pub drain: std::time::Duration,
}

/// How often connections are looked after. No settings: clients rely on the times (realtime.md §4, §5), tests cannot wait
/// for them.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// How often a WebSocket is pinged; two pings that go unanswered end the connection.
    pub heartbeat: std::time::Duration,
    /// How often a stream sends a comment, with the place reached.
    pub comment: std::time::Duration,
    /// How long the command under way may take when the server goes away.
    pub last_command: std::time::Duration,
}

impl Default for Pace {
    fn default() -> Self {
        let [heartbeat, comment, last_command] = [25, 15, 5].map(std::time::Duration::from_secs);
        Self { heartbeat, comment, last_command }
    }
}

/// One line that names the setting.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(String);

impl Config {
    /// Reads flags, then variables, then the file.
    ///
    /// # Errors
    /// One line that names the setting.
    pub fn load(flags: &Flags, demo: bool) -> Result<Self, ConfigError> {
        let mut figment = Figment::from(Serialized::defaults(Raw::default()));
        if let Some(file) = &flags.config {
            if !file.is_file() {
                return Err(ConfigError(format!("--config: no such file: {}", file.display())));
            }
            figment = figment.merge(Toml::file(file));
        }
        figment = figment.merge(variables(std::env::vars_os())).merge(Serialized::defaults(flags));
        let mut raw: Raw = figment.extract().map_err(|error| ConfigError(one_line(&error)))?;
        raw.demo |= demo;
        Self::check(raw)
    }

    /// Settings of a test server: a free port, an own folder, an external database.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn for_tests(data_dir: &Path, database_url: &str) -> Result<Self, ConfigError> {
        Self::check(Raw {
            listen: "127.0.0.1:0".to_owned(),
            data_dir: data_dir.to_owned(),
            database_url: database_url.to_owned(),
            database_connections: 6,
            ..Raw::default()
        })
    }

    fn check(raw: Raw) -> Result<Self, ConfigError> {
        not_yet(&raw)?;
        let listen = raw.listen.parse().map_err(|_| bad("listen", "is not an address like 127.0.0.1:8080"))?;
        let production = raw.production.read().ok_or_else(|| bad("production", "is on or off (1 or 0)"))?;
        let config = Self {
            listen,
            data_dir: raw.data_dir.clone(),
            database_url: some(&raw.database_url).map(SecretString::from),
            redis: redis(&raw)?,
            redis_prefix: redis_prefix(&raw)?,
            production,
            demo: raw.demo,
            public_url: public_url(&raw.public_url)?,
            livekit_url: raw.livekit_url.clone(),
            livekit_api_key: raw.livekit_api_key.clone(),
            livekit_api_secret: raw.livekit_api_secret.clone().into(),
            recordings: switch("recordings", &raw.recordings)?,
            recordings_dir: some(&raw.recordings_dir).map(PathBuf::from),
            files: files(&raw, production)?,
            sms_url: some(&raw.sms_url).map(SecretString::from),
            fcm_credentials: fcm_credentials(&raw.fcm_credentials)?,
            fcm_url: raw.fcm_url.clone(),
            cashfree: payments::cashfree(&raw, production)?,
            signing_keys: signing_keys(&raw.signing_keys)?,
            trusted_proxies: list(&raw.trusted_proxies)
                .map(|text| text.parse().map_err(|_| bad("trusted_proxies", "is a list of IP addresses")))
                .collect::<Result<_, _>>()?,
            cors_origins: list(&raw.cors_origins).map(str::to_owned).collect(),
            environment: environment(&raw.environment, production)?,
            log: log(&raw.log)?,
            log_json: log_json(&raw.log_format)?,
            charging: switch("charging", &raw.charging)?,
            ttl: ttl(&raw)?,
            pace: Pace::default(),
            max_connections: raw.max_connections.max(1) as usize,
            database_connections: raw.database_connections.clamp(2, 1000),
            announcement_page: 500,
            raw,
        };
        config.refuse_development_secrets()?;
        Ok(config)
    }

    /// Production takes no secret that stands in the source (DESIGN §8).
    fn refuse_development_secrets(&self) -> Result<(), ConfigError> {
        if !self.production {
            return Ok(());
        }
        if self.demo {
            return Err(bad("demo", "is refused in production"));
        }
        if self.signing_keys.is_empty() {
            return Err(bad("signing_keys", "must be set in production (kid:secret,…)"));
        }
        if self.livekit_api_secret.expose_secret().len() < 32 {
            return Err(bad("livekit_api_secret", "must be set in production, to 32 characters or more"));
        }
        if self.sms_url.is_none() {
            return Err(bad("sms_url", "must be set in production: there is no development inbox"));
        }
        if self.cashfree.is_none() {
            return Err(bad("cashfree_client_id", "must be set in production, with its secret: there is no sandbox"));
        }
        if self.public_url.is_none() {
            return Err(bad("public_url", "must be set in production"));
        }
        Ok(())
    }

    /// Where local files are kept; where they are not, nowhere.
    #[must_use]
    pub fn files_dir(&self) -> PathBuf {
        if let FilesPlace::Disk(folder) = &self.files { folder.clone() } else { PathBuf::new() }
    }
}

fn bad(setting: &str, what: &str) -> ConfigError {
    ConfigError(format!("CONSILIUM_{}: {what}", setting.to_uppercase()))
}

fn one_line(error: &figment::Error) -> String {
    let setting = error.path.join(".");
    let what = match &error.kind {
        // The value may be a secret.
        Kind::InvalidType(_, expected) | Kind::InvalidValue(_, expected) => format!("should be {expected}"),
        kind => kind.to_string(),
    };
    format!("CONSILIUM_{}: {what}", setting.to_uppercase()).replace('\n', " ")
}

#[cfg(test)]
mod tests;
