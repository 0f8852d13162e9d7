//! What `consilium config` prints.

use super::{Config, Flag, Raw};
use crate::gateways::files::place::FilesPlace;

impl Config {
    /// The effective settings as TOML, secrets hidden.
    #[must_use]
    pub fn printed(&self) -> String {
        let mut raw = self.raw.clone();
        hide_secrets(&mut raw);
        self.fill_in(&mut raw);
        let value = serde_json::to_value(raw).unwrap_or_default();
        let lines = value.as_object().into_iter().flatten().map(|(name, value)| format!("{name} = {value}\n"));
        lines.collect()
    }

    /// What was left open, and is decided now.
    fn fill_in(&self, raw: &mut Raw) {
        raw.production = Flag::Bool(self.production);
        raw.environment.clone_from(&self.environment);
        raw.public_url = self.public_url.clone().unwrap_or_else(|| format!("http://{}", self.listen));
        raw.log_format = if self.log_json { "json" } else { "text" }.to_owned();
        raw.max_connections = u32::try_from(self.max_connections).unwrap_or(u32::MAX);
        raw.database_connections = self.database_connections;
        if let Some(account) = &self.cashfree {
            raw.cashfree_url.clone_from(&account.url);
        }
        if let FilesPlace::Disk(folder) = &self.files {
            let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.clone());
            raw.files_url = format!("file://{}", folder.display());
        }
    }
}

/// Whatever is a secret, or an address that may carry one.
fn hide_secrets(raw: &mut Raw) {
    for secret in [
        &mut raw.livekit_api_secret,
        &mut raw.signing_keys,
        &mut raw.smtp_url,
        &mut raw.sms_url,
        &mut raw.assistant_url,
        &mut raw.fcm_credentials,
        &mut raw.cashfree_client_secret,
        &mut raw.database_url,
        &mut raw.redis_url,
        &mut raw.azure_account_key,
        &mut raw.s3_secret_access_key,
        &mut raw.s3_session_token,
    ] {
        if !secret.is_empty() {
            "(hidden)".clone_into(secret);
        }
    }
}
