//! The check of each setting that has one of its own: from what was written to what it means.

use chrono::TimeDelta;
use consilium_realtime::redis::Address;
use consilium_storage::connect::doctors::dashboard::LONGEST_WAIT;
use secrecy::SecretString;
use url::Url;

use super::{ConfigError, Raw, Ttl, bad};
use crate::gateways::files::place::{self, FilesPlace};
use crate::telemetry;

/// The address of Redis, with the authority it is trusted by.
pub(super) fn redis(raw: &Raw) -> Result<Option<Address>, ConfigError> {
    let ca = some(&raw.redis_ca_file).map(std::fs::read).transpose();
    let ca = ca.map_err(|error| bad("redis_ca_file", &error.to_string()))?;
    let address = some(&raw.redis_url).map(|url| Address::parse(&url, ca)).transpose();
    address.map_err(|error| bad("redis_url", &error.to_string()))
}

/// Braces and colons mean something in keys.
pub(super) fn redis_prefix(raw: &Raw) -> Result<String, ConfigError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if raw.redis_prefix.is_empty() || raw.redis_prefix.len() > 64 || !raw.redis_prefix.chars().all(plain) {
        return Err(bad("redis_prefix", "is 1 to 64 letters, digits, - or _"));
    }
    Ok(raw.redis_prefix.clone())
}

pub(super) fn files(raw: &Raw, production: bool) -> Result<FilesPlace, ConfigError> {
    let settings = place::Settings {
        files_url: &raw.files_url,
        azure_account_key: &raw.azure_account_key,
        s3_access_key_id: &raw.s3_access_key_id,
        s3_secret_access_key: &raw.s3_secret_access_key,
        s3_session_token: &raw.s3_session_token,
    };
    FilesPlace::of(settings, &raw.data_dir, production).map_err(|(setting, what)| bad(setting, what))
}

/// Without the slash at its end: paths are put behind it.
pub(super) fn public_url(text: &str) -> Result<Option<String>, ConfigError> {
    let Some(text) = some(text.trim_end_matches('/')) else { return Ok(None) };
    let is_sound = |url: Url| url.query().is_none() && url.fragment().is_none();
    if address(&text, &["http", "https"]).is_some_and(is_sound) {
        Ok(Some(text))
    } else {
        Err(bad("public_url", "is an address like https://consilium.example.org, without ? and #"))
    }
}

/// An address of one of these schemes, with a host. The parser alone is too kind: it takes `http:///host` and blanks.
fn address(text: &str, schemes: &[&str]) -> Option<Url> {
    let (scheme, rest) = text.split_once("://")?;
    let is_plain = schemes.contains(&scheme) && !rest.starts_with('/') && !text.contains(char::is_whitespace);
    let has_host = |url: &Url| url.host_str().is_some_and(|host| !host.is_empty());
    Url::parse(text).ok().filter(|url| is_plain && has_host(url))
}

/// Settings of parts that are not in this version. They are taken, so that one set of settings serves both, and a
/// mistake in them is not kept until then.
pub(super) fn not_yet(raw: &Raw) -> Result<(), ConfigError> {
    if !raw.smtp_url.is_empty() && address(&raw.smtp_url, &["smtp", "smtps"]).is_none() {
        return Err(bad("smtp_url", "is an address that begins with smtp:// or smtps://"));
    }
    if !raw.assistant_url.is_empty() && address(&raw.assistant_url, &["http", "https"]).is_none() {
        return Err(bad("assistant_url", "is an address that begins with http:// or https://"));
    }
    for (name, value) in [("encounter_ttl", raw.encounter_ttl), ("encounter_followup_ttl", raw.encounter_followup_ttl)]
    {
        seconds(name, value)?;
    }
    Ok(())
}

/// Part of the names of objects, so of plain letters.
pub(super) fn environment(text: &str, production: bool) -> Result<String, ConfigError> {
    let default = if production { "production" } else { "development" };
    let name = if text.is_empty() { default } else { text };
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if name.len() <= 40 && name.bytes().all(is_plain) {
        Ok(name.to_owned())
    } else {
        Err(bad("environment", "is a short name of lower-case letters, digits and -"))
    }
}

pub(super) fn switch(name: &str, text: &str) -> Result<bool, ConfigError> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err(bad(name, "is on or off")),
    }
}

pub(super) fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

pub(super) fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty())
}

/// The file of a service account, or what stands in it.
pub(super) fn fcm_credentials(text: &str) -> Result<Option<SecretString>, ConfigError> {
    if text.is_empty() || text.trim_start().starts_with('{') {
        return Ok(some(text).map(SecretString::from));
    }
    let read = std::fs::read_to_string(text);
    read.map(|json| Some(json.into())).map_err(|_| bad("fcm_credentials", "is no file that can be read, and no JSON"))
}

pub(super) fn signing_keys(text: &str) -> Result<Vec<(String, SecretString)>, ConfigError> {
    list(text)
        .map(|pair| match pair.split_once(':') {
            Some((kid, secret)) if !kid.is_empty() && secret.len() >= 32 => Ok((kid.to_owned(), secret.into())),
            _ => Err(bad("signing_keys", "is a list of kid:secret pairs, each secret of 32 characters or more")),
        })
        .collect()
}

pub(super) fn log(text: &str) -> Result<String, ConfigError> {
    let read = telemetry::filter(text);
    read.map(|_| text.to_owned()).map_err(|_| bad("log", "is a tracing filter like info or info,consilium=debug"))
}

/// Logs go to standard error.
pub(super) fn log_json(format: &str) -> Result<bool, ConfigError> {
    use std::io::IsTerminal;
    match format {
        "" => Ok(!std::io::stderr().is_terminal()),
        "text" => Ok(false),
        "json" => Ok(true),
        _ => Err(bad("log_format", "is text or json")),
    }
}

fn seconds(name: &str, value: u32) -> Result<TimeDelta, ConfigError> {
    if value == 0 { Err(bad(name, "is a number of seconds above 0")) } else { Ok(TimeDelta::seconds(value.into())) }
}

pub(super) fn ttl(raw: &Raw) -> Result<Ttl, ConfigError> {
    let request = seconds("request_ttl", raw.request_ttl)?;
    if request > LONGEST_WAIT {
        return Err(bad("request_ttl", &format!("is 1 to {} seconds", LONGEST_WAIT.num_seconds())));
    }
    if raw.livekit_token_ttl == 0 || raw.livekit_token_ttl > 3600 {
        return Err(bad("livekit_token_ttl", "is 1 to 3600 seconds"));
    }
    Ok(Ttl {
        access_token: seconds("access_token_ttl", raw.access_token_ttl)?,
        refresh_token: seconds("refresh_token_ttl", raw.refresh_token_ttl)?,
        otp: seconds("otp_ttl", raw.otp_ttl)?,
        request,
        ticket: seconds("ticket_ttl", raw.ticket_ttl)?,
        livekit_token: std::time::Duration::from_secs(raw.livekit_token_ttl.into()),
        signed_url: seconds("signed_url_ttl", raw.signed_url_ttl)?,
        presence_lease: seconds("presence_lease", raw.presence_lease)?,
        presence_push_lease: seconds("presence_push_lease", raw.presence_push_lease)?,
        session_idle: seconds("session_idle_ttl", raw.session_idle_ttl)?,
        inbox_retention: seconds("inbox_retention", raw.inbox_retention)?,
        drain: std::time::Duration::from_secs(raw.drain_seconds.into()),
    })
}
