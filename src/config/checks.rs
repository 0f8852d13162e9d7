//! The check of each setting that has one of its own: from what was written to what it means.

use chrono::TimeDelta;
use consilium_realtime::redis::Address;
use secrecy::SecretString;

use super::{ConfigError, Raw, Ttl, bad};
use crate::gateways::files::place::{self, FilesPlace};

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

pub(super) fn log_json(format: &str) -> Result<bool, ConfigError> {
    use std::io::IsTerminal;
    match format {
        "" => Ok(!std::io::stdout().is_terminal()),
        "text" => Ok(false),
        "json" => Ok(true),
        _ => Err(bad("log_format", "is text or json")),
    }
}

pub(super) fn ttl(raw: &Raw) -> Result<Ttl, ConfigError> {
    let seconds = |name: &str, value: u32| {
        if value == 0 { Err(bad(name, "is a number of seconds above 0")) } else { Ok(TimeDelta::seconds(value.into())) }
    };
    if raw.livekit_token_ttl == 0 || raw.livekit_token_ttl > 3600 {
        return Err(bad("livekit_token_ttl", "is 1 to 3600 seconds"));
    }
    Ok(Ttl {
        access_token: seconds("access_token_ttl", raw.access_token_ttl)?,
        refresh_token: seconds("refresh_token_ttl", raw.refresh_token_ttl)?,
        otp: seconds("otp_ttl", raw.otp_ttl)?,
        request: seconds("request_ttl", raw.request_ttl)?,
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
