//! The addresses of files on local disk, signed by the server itself: an HMAC over method, object, end and what goes
//! with it. Any node with the same signing keys honours them (settled 29).

use chrono::{DateTime, Utc};
use consilium_storage::files::{Area, Object};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

use super::{Download, Upload};

/// The path of every signed address; the object follows.
pub const PATH: &str = "/files/signed/";

type Signer = Hmac<Sha256>;

/// The keys; the first one signs, all of them verify.
#[derive(Clone)]
pub struct LinkKeys(Vec<(String, Signer)>);

impl std::fmt::Debug for LinkKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LinkKeys")
    }
}

/// Why an address is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It was good once.
    Expired,
    /// It never was.
    Forged,
}

/// What an address is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Purpose {
    /// A PUT.
    Upload(Upload),
    /// A GET or HEAD.
    Download(Download),
}

impl Purpose {
    const fn method(&self) -> &'static str {
        match self {
            Self::Upload(_) => "PUT",
            Self::Download(_) => "GET",
        }
    }

    const fn expires_at(&self) -> DateTime<Utc> {
        match self {
            Self::Upload(upload) => upload.expires_at,
            Self::Download(download) => download.expires_at,
        }
    }

    /// The names and values that stand in the query, and under the signature, in this order.
    fn fields(&self) -> Vec<(&'static str, String)> {
        let expires = ("expires", self.expires_at().timestamp().to_string());
        match self {
            Self::Upload(upload) => {
                vec![expires, ("type", upload.content_type.clone()), ("size", upload.size.to_string())]
            }
            Self::Download(download) => {
                let inline = if download.is_inline { "1" } else { "0" };
                let name = ("name", download.filename.clone());
                vec![expires, ("type", download.content_type.clone()), name, ("inline", inline.to_owned())]
            }
        }
    }
}

impl LinkKeys {
    /// Keys of their own, derived from the server's signing keys.
    #[must_use]
    pub fn new(keys: &[(String, SecretString)]) -> Self {
        let derive = |secret: &SecretString| {
            let mut mac = keyed(secret.expose_secret().as_bytes());
            mac.update(b"consilium file links 1");
            keyed(&mac.finalize().into_bytes())
        };
        Self(keys.iter().map(|(kid, secret)| (kid.clone(), derive(secret))).collect())
    }

    /// Path and query of an address.
    #[must_use]
    pub fn address(&self, object: &Object, purpose: &Purpose) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(purpose.fields());
        if let Some((kid, key)) = self.0.first() {
            let mac = digest(key, object, purpose).finalize().into_bytes();
            query.append_pair("kid", kid).append_pair("sig", &hex::encode(mac));
        }
        format!("{PATH}{}/{}?{}", object.area.as_str(), object.key, query.finish())
    }

    /// What an address is for, if it was made here and has not ended.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn verify(&self, method: &str, path: &str, query: &str, now: DateTime<Utc>) -> Result<Verified, Refusal> {
        let object = object_of(path).ok_or(Refusal::Forged)?;
        let fields: Vec<(String, String)> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let field = |name: &str| fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        let purpose = purpose_of(method, field).ok_or(Refusal::Forged)?;
        let key = field("kid").and_then(|kid| self.0.iter().find(|(known, _)| known == kid));
        let signature = field("sig").and_then(|text| hex::decode(text).ok());
        let (Some((_, key)), Some(signature)) = (key, signature) else { return Err(Refusal::Forged) };
        digest(key, &object, &purpose).verify_slice(&signature).map_err(|_| Refusal::Forged)?;
        if purpose.expires_at() <= now {
            return Err(Refusal::Expired);
        }
        Ok(Verified { object, purpose })
    }
}

/// A good address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Of what.
    pub object: Object,
    /// For what.
    pub purpose: Purpose,
}

fn keyed(key: &[u8]) -> Signer {
    // HMAC takes keys of any length, so the fallback is never used.
    Signer::new_from_slice(key).unwrap_or_else(|_| Signer::new(&Default::default()))
}

/// Each part goes in with its length, so that none can slide into its neighbour.
fn digest(key: &Signer, object: &Object, purpose: &Purpose) -> Signer {
    let mut mac = key.clone();
    let mut part = |text: &str| {
        mac.update(&(text.len() as u64).to_be_bytes());
        mac.update(text.as_bytes());
    };
    part(purpose.method());
    part(object.area.as_str());
    part(&object.key);
    purpose.fields().iter().for_each(|(name, value)| {
        part(name);
        part(value);
    });
    mac
}

/// The object behind a path, which must look like one that was made here.
fn object_of(path: &str) -> Option<Object> {
    let (area, key) = path.strip_prefix(PATH).unwrap_or(path).split_once('/')?;
    let object = Object::new(Area::of(area)?, key);
    is_sound(&object.key).then_some(object)
}

/// Whether a key can be a path below the store's folder: plain letters, no segment that is empty or begins with a dot.
#[must_use]
pub fn is_sound(key: &str) -> bool {
    let segment = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    key.len() <= 512 && key.split('/').all(segment)
}

fn purpose_of<'a>(method: &str, field: impl Fn(&str) -> Option<&'a str>) -> Option<Purpose> {
    let expires_at = DateTime::from_timestamp(field("expires")?.parse().ok()?, 0)?;
    let content_type = field("type")?.to_owned();
    match method {
        "PUT" => Some(Purpose::Upload(Upload { expires_at, content_type, size: field("size")?.parse().ok()? })),
        "GET" | "HEAD" => {
            let (filename, is_inline) = (field("name")?.to_owned(), field("inline")? == "1");
            Some(Purpose::Download(Download { expires_at, content_type, filename, is_inline }))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use chrono::TimeDelta;

    use super::*;

    fn keys(secrets: &[&str]) -> LinkKeys {
        LinkKeys::new(
            &secrets.iter().map(|s| ((*s).to_owned(), SecretString::from((*s).to_owned()))).collect::<Vec<_>>(),
        )
    }

    fn purposes(expires_at: DateTime<Utc>) -> [Purpose; 2] {
        let content_type = "application/pdf".to_owned();
        [
            Purpose::Upload(Upload { expires_at, content_type: content_type.clone(), size: 7 }),
            Purpose::Download(Download {
                expires_at, content_type, filename: "é &=/.pdf".to_owned(), is_inline: true
            }),
        ]
    }

    #[test]
    fn an_address_holds_until_its_end_and_for_its_purpose_alone() {
        let start = DateTime::UNIX_EPOCH;
        let object = Object::new(Area::Reports, "a/b-c_d.pdf");
        for (purpose, method, other) in
            purposes(start + TimeDelta::seconds(10)).into_iter().zip(["PUT", "GET"]).zip(["GET", "PUT"]).map(flat)
        {
            let address = keys(&["one"]).address(&object, &purpose);
            let (path, query) = address.split_once('?').unwrap();
            let verify =
                |keys: &LinkKeys, method: &str, at| keys.verify(method, path, query, start + TimeDelta::seconds(at));
            let good = Ok(Verified { object: object.clone(), purpose: purpose.clone() });
            assert_eq!(verify(&keys(&["one"]), method, 9), good);
            assert_eq!(verify(&keys(&["two", "one"]), method, 9), good, "a rotated key still verifies");
            assert_eq!(verify(&keys(&["one"]), method, 10), Err(Refusal::Expired));
            assert_eq!(verify(&keys(&["one"]), other, 9), Err(Refusal::Forged));
            assert_eq!(verify(&keys(&["two"]), method, 9), Err(Refusal::Forged));
        }
    }

    fn flat<A, B, C>(((a, b), c): ((A, B), C)) -> (A, B, C) {
        (a, b, c)
    }

    #[test]
    fn every_changed_byte_is_noticed() {
        let now = DateTime::UNIX_EPOCH;
        let keys = keys(&["one"]);
        let object = Object::new(Area::Sessions, "x/y.pdf");
        for (purpose, method) in purposes(now + TimeDelta::seconds(10)).into_iter().zip(["PUT", "GET"]) {
            let address = keys.address(&object, &purpose);
            for index in PATH.len()..address.len() {
                let mut bytes = address.clone().into_bytes();
                bytes[index] = if bytes[index] == b'7' { b'8' } else { b'7' };
                let changed = String::from_utf8(bytes).unwrap();
                let (path, query) = changed.split_once('?').unwrap_or((&changed, ""));
                assert_eq!(keys.verify(method, path, query, now).ok(), None, "{changed}");
            }
        }
    }

    #[test]
    fn keys_that_leave_the_folder_are_none() {
        for key in ["a", "a/b.c", "development/sessions/x/2026/a_b-c.PDF"] {
            assert!(is_sound(key), "{key}");
        }
        for key in ["", "/", "a//b", "../a", "a/../b", ".a", "a/.b", "a b", "ä", "a%2fb", "a/", "a\\b"] {
            assert!(!is_sound(key), "{key}");
        }
    }
}
