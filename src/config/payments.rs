//! The account at the payment provider (running.md, `CONSILIUM_CASHFREE_*`).

use secrecy::SecretString;

use super::checks::some;
use super::{ConfigError, Raw, bad};

/// Credentials of Cashfree PG, and where it is.
#[derive(Debug, Clone)]
pub struct Cashfree {
    /// `x-client-id`.
    pub client_id: String,
    /// `x-client-secret`; also signs the webhooks.
    pub client_secret: SecretString,
    /// Without a slash at the end.
    pub url: String,
    /// `x-api-version`.
    pub api_version: String,
}

/// The real provider where both credentials are set; none for the sandbox, which production does not have.
pub(super) fn cashfree(raw: &Raw, production: bool) -> Result<Option<Cashfree>, ConfigError> {
    let (id, secret) = (some(&raw.cashfree_client_id), some(&raw.cashfree_client_secret));
    let (client_id, client_secret) = match (id, secret) {
        (Some(id), Some(secret)) => (id, secret.into()),
        (Some(_), None) => return Err(bad("cashfree_client_secret", "must be set with CONSILIUM_CASHFREE_CLIENT_ID")),
        (None, Some(_)) => return Err(bad("cashfree_client_id", "must be set with CONSILIUM_CASHFREE_CLIENT_SECRET")),
        (None, None) => return Ok(None),
    };
    let home = if production { "https://api.cashfree.com/pg" } else { "https://sandbox.cashfree.com/pg" };
    let url = some(raw.cashfree_url.trim_end_matches('/')).unwrap_or_else(|| home.to_owned());
    if production && !url.starts_with("https://") {
        return Err(bad("cashfree_url", "is https:// in production"));
    }
    Ok(Some(Cashfree { client_id, client_secret, url, api_version: raw.cashfree_api_version.clone() }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use secrecy::ExposeSecret;

    use super::*;

    fn raw(id: &str, secret: &str, url: &str) -> Raw {
        Raw {
            cashfree_client_id: id.to_owned(),
            cashfree_client_secret: secret.to_owned(),
            cashfree_url: url.to_owned(),
            ..Raw::default()
        }
    }

    #[test]
    fn credentials_come_in_pairs_and_choose_the_provider() {
        assert!(cashfree(&raw("", "", ""), false).unwrap().is_none(), "the sandbox");
        for (id, secret, named) in [("id", "", "CLIENT_SECRET"), ("", "secret", "CLIENT_ID")] {
            let error = cashfree(&raw(id, secret, ""), false).unwrap_err().to_string();
            assert!(error.starts_with(&format!("CONSILIUM_CASHFREE_{named}:")), "{error}");
        }
        let found = cashfree(&raw("id", "secret", ""), false).unwrap().unwrap();
        assert_eq!((found.url.as_str(), found.api_version.as_str()), ("https://sandbox.cashfree.com/pg", "2023-08-01"));
        assert_eq!((found.client_id.as_str(), found.client_secret.expose_secret()), ("id", "secret"));
        let found = cashfree(&raw("id", "secret", ""), true).unwrap().unwrap();
        assert_eq!(found.url, "https://api.cashfree.com/pg");
        let error = cashfree(&raw("id", "secret", "http://peer"), true).unwrap_err().to_string();
        assert!(error.starts_with("CONSILIUM_CASHFREE_URL:"), "{error}");
        assert_eq!(cashfree(&raw("id", "secret", "http://peer/pg/"), false).unwrap().unwrap().url, "http://peer/pg");
    }
}
