//! Access tokens (JWT, HS256, `kid` in the header) and refresh tokens (opaque, hashed) (v1-common A4).

use chrono::{DateTime, Utc};
use consilium_storage::accounts::Role;
use consilium_storage::ids::{LoginId, UserId};
use hmac::{Hmac, KeyInit, Mac};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use rand::RngCore;
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};

const ISSUER: &str = "consilium";

/// What an access token says.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Claims {
    /// Who made it.
    pub iss: String,
    /// The account.
    pub sub: UserId,
    /// Its role.
    pub role: Role,
    /// The login.
    pub sid: LoginId,
    /// The token's own id.
    pub jti: String,
    /// Issued, in Unix seconds.
    pub iat: i64,
    /// Ends, in Unix seconds.
    pub exp: i64,
    /// The family it was obtained in.
    pub fam: String,
}

/// The signing keys; the first one signs, all of them verify.
#[derive(Clone)]
pub struct Tokens {
    keys: Vec<Key>,
    pepper: SecretString,
}

#[derive(Clone)]
struct Key {
    kid: String,
    encoding: EncodingKey,
    decoding: DecodingKey,
}

impl Tokens {
    /// From `kid:secret` pairs.
    ///
    /// # Errors
    /// [`Error::Internal`] without any key.
    pub fn new(keys: &[(String, SecretString)]) -> Result<Self> {
        let pepper = keys.first().map(|(_, secret)| secret.clone()).ok_or_else(|| Error::internal("no signing key"))?;
        let keys = keys
            .iter()
            .map(|(kid, secret)| {
                let bytes = secret.expose_secret().as_bytes();
                Key {
                    kid: kid.clone(),
                    encoding: EncodingKey::from_secret(bytes),
                    decoding: DecodingKey::from_secret(bytes),
                }
            })
            .collect();
        Ok(Self { keys, pepper })
    }

    /// An access token for a login.
    ///
    /// # Errors
    /// [`Error::Internal`] when signing fails.
    pub fn access(
        &self,
        account: UserId,
        role: Role,
        login: LoginId,
        now: DateTime<Utc>,
        life: chrono::TimeDelta,
    ) -> Result<String> {
        let claims = Claims {
            iss: ISSUER.to_owned(),
            sub: account,
            role,
            sid: login,
            jti: uuid::Uuid::new_v4().simple().to_string(),
            iat: now.timestamp(),
            exp: (now + life).timestamp(),
            fam: "connect".to_owned(),
        };
        self.sign(&claims)
    }

    /// What a good access token says; none for one that is malformed, forged, expired or of an unknown key.
    #[must_use]
    pub fn verify(&self, token: &str, now: DateTime<Utc>) -> Option<Claims> {
        let claims: Claims = self.open(token, ISSUER)?;
        (claims.exp > now.timestamp()).then_some(claims)
    }

    /// Signs with the first key.
    pub(super) fn sign(&self, claims: &impl Serialize) -> Result<String> {
        let key = self.keys.first().ok_or_else(|| Error::internal("no signing key"))?;
        let header = Header { kid: Some(key.kid.clone()), ..Header::new(Algorithm::HS256) };
        jsonwebtoken::encode(&header, claims, &key.encoding).map_err(Error::internal)
    }

    /// The claims of something that one of the keys signed for this issuer. The caller looks at its end: the clock is
    /// injected, so the library's own look at it is switched off.
    pub(super) fn open<C: DeserializeOwned + Clone>(&self, token: &str, issuer: &str) -> Option<C> {
        let kid = jsonwebtoken::decode_header(token).ok()?.kid?;
        let key = self.keys.iter().find(|key| key.kid == kid)?;
        let mut rules = Validation::new(Algorithm::HS256);
        rules.set_issuer(&[issuer]);
        rules.set_required_spec_claims(&["exp", "iss", "sub"]);
        rules.validate_exp = false;
        jsonwebtoken::decode::<C>(token, &key.decoding, &rules).ok().map(|token| token.claims)
    }

    /// A keyed hash for things that are too short to be hashed alone: one-time codes.
    #[must_use]
    pub fn keyed_hash(&self, parts: &[&str]) -> Vec<u8> {
        let Ok(mut mac) = <Hmac<Sha256> as KeyInit>::new_from_slice(self.pepper.expose_secret().as_bytes()) else {
            return Vec::new();
        };
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part.as_bytes());
        }
        mac.finalize().into_bytes().to_vec()
    }

    /// A fresh refresh token.
    #[must_use]
    pub fn refresh() -> String {
        let mut secret = [0; 32];
        rand::rng().fill_bytes(&mut secret);
        format!("rt_{}", hex::encode(secret))
    }

    /// The successor of a refresh token: always the same one, so that a lost answer can be given once more without
    /// keeping the token itself (settled 33).
    #[must_use]
    pub fn successor(&self, token: &str) -> String {
        format!("rt_{}", hex::encode(self.keyed_hash(&["refresh-successor", token])))
    }
}

/// What is stored of a refresh token.
#[must_use]
pub fn token_hash(token: &str) -> Vec<u8> {
    Sha256::digest(token.as_bytes()).to_vec()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use chrono::TimeDelta;

    use super::*;

    fn tokens(keys: &[(&str, &str)]) -> Tokens {
        let keys: Vec<_> = keys.iter().map(|(kid, secret)| ((*kid).to_owned(), SecretString::from(*secret))).collect();
        Tokens::new(&keys).unwrap()
    }

    #[test]
    fn tokens_verify_until_they_expire_and_keys_rotate() {
        let now = DateTime::<Utc>::UNIX_EPOCH + TimeDelta::days(20000);
        let old = tokens(&[("a", "secret-a")]);
        let token = old.access(UserId::new(), Role::Doctor, LoginId::new(), now, TimeDelta::minutes(15)).unwrap();
        assert_eq!(old.verify(&token, now).unwrap().role, Role::Doctor);
        assert!(old.verify(&token, now + TimeDelta::minutes(15)).is_none());
        let rotated = tokens(&[("b", "secret-b"), ("a", "secret-a")]);
        assert!(rotated.verify(&token, now).is_some());
        assert!(tokens(&[("b", "secret-b")]).verify(&token, now).is_none());
        assert!(tokens(&[("a", "other")]).verify(&token, now).is_none());
        assert!(old.verify("no token", now).is_none());
    }

    #[test]
    fn a_successor_is_always_the_same() {
        let tokens = tokens(&[("a", "secret-a")]);
        assert_eq!(tokens.successor("rt_1"), tokens.successor("rt_1"));
        assert_ne!(tokens.successor("rt_1"), tokens.successor("rt_2"));
    }
}
