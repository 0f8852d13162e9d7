//! Where files are kept, as `CONSILIUM_FILES_URL` and its credentials say (running.md, docs/decisions/020).

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::links::is_sound;

/// The account key that every emulator of Azure has.
const EMULATOR_KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// Where files are kept.
#[derive(Debug, Clone)]
pub enum FilesPlace {
    /// In a folder of this machine, or of a network share.
    Disk(PathBuf),
    /// In Azure Blob Storage.
    Azure(AzurePlace),
    /// In S3, or in what speaks its language.
    S3(S3Place),
}

/// An account of Azure Blob Storage.
#[derive(Debug, Clone)]
pub struct AzurePlace {
    /// The account.
    pub account: String,
    /// Its key.
    pub key: SecretString,
    /// One container for everything; none for a container for each area.
    pub container: Option<String>,
    /// Where it answers, without a slash at the end.
    pub endpoint: String,
}

/// A bucket of S3.
#[derive(Debug, Clone)]
pub struct S3Place {
    /// The bucket.
    pub bucket: String,
    /// What stands before every key, if anything.
    pub prefix: Option<String>,
    /// Its region.
    pub region: String,
    /// Another server than Amazon's, addressed by path.
    pub endpoint: Option<String>,
    /// Key id and secret; none to ask the machine's own role.
    pub keys: Option<(String, SecretString)>,
    /// The token that goes with temporary keys.
    pub token: Option<SecretString>,
}

/// What the settings say, as it stands there.
#[derive(Debug, Clone, Copy)]
pub struct Settings<'a> {
    /// `CONSILIUM_FILES_URL`.
    pub files_url: &'a str,
    /// `CONSILIUM_AZURE_ACCOUNT_KEY`.
    pub azure_account_key: &'a str,
    /// `CONSILIUM_S3_ACCESS_KEY_ID`.
    pub s3_access_key_id: &'a str,
    /// `CONSILIUM_S3_SECRET_ACCESS_KEY`.
    pub s3_secret_access_key: &'a str,
    /// `CONSILIUM_S3_SESSION_TOKEN`.
    pub s3_session_token: &'a str,
}

/// A setting and what is wrong with it.
pub type Wrong = (&'static str, &'static str);

const FILES_URL: &str = "files_url";

impl FilesPlace {
    /// Reads the settings; without an address files are kept under the data dir.
    ///
    /// # Errors
    /// The setting that is wrong, and why.
    pub fn of(settings: Settings<'_>, data_dir: &Path, is_production: bool) -> Result<Self, Wrong> {
        if settings.files_url.is_empty() {
            return Ok(Self::Disk(data_dir.join("files")));
        }
        if let Some(path) = settings.files_url.strip_prefix("file://") {
            let wrong = (FILES_URL, "should name a folder by its whole path, as in file:///srv/files");
            return if path.starts_with('/') { Ok(Self::Disk(path.into())) } else { Err(wrong) };
        }
        let scheme = (FILES_URL, "is an address that begins with file://, azure:// or s3://");
        let url = Url::parse(settings.files_url).map_err(|_| scheme)?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err((FILES_URL, "carries no credentials: they have settings of their own"));
        }
        let place = match url.scheme() {
            "azure" => Self::Azure(azure(&url, &settings)?),
            "s3" => Self::S3(s3(&url, &settings)?),
            _ => return Err(scheme),
        };
        if is_production {
            place.refuse_development()?;
        }
        Ok(place)
    }

    /// Production takes no key that stands in the source, and no line that anybody can read (DESIGN §8).
    fn refuse_development(&self) -> Result<(), Wrong> {
        let endpoint = match self {
            Self::Disk(_) => None,
            Self::Azure(place) => {
                if place.key.expose_secret() == EMULATOR_KEY {
                    return Err(("azure_account_key", "must not be the emulator's in production"));
                }
                Some(&place.endpoint)
            }
            Self::S3(place) => place.endpoint.as_ref(),
        };
        match endpoint {
            Some(endpoint) if !endpoint.starts_with("https://") => {
                Err((FILES_URL, "must have an https endpoint in production"))
            }
            _ => Ok(()),
        }
    }
}

fn azure(url: &Url, settings: &Settings<'_>) -> Result<AzurePlace, Wrong> {
    let account = host(url, 3..=24, |byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        .ok_or((FILES_URL, "should be azure://ACCOUNT or azure://ACCOUNT/CONTAINER"))?;
    let container = Some(url.path().trim_matches('/')).filter(|path| !path.is_empty());
    if container.is_some_and(|name| !is_name(name, 3..=63, |byte| is_plain(byte) || byte == b'-')) {
        return Err((FILES_URL, "names a container that Azure does not allow"));
    }
    let [endpoint] = parameters(url, ["endpoint"])?;
    let endpoint = endpoint.unwrap_or_else(|| format!("https://{account}.blob.core.windows.net"));
    let key = settings.azure_account_key;
    if key.is_empty() || BASE64_STANDARD.decode(key).is_err() {
        return Err(("azure_account_key", "must be set to the account's key, in base64, for files in Azure"));
    }
    let endpoint = checked_endpoint(&endpoint)?;
    Ok(AzurePlace { account, key: key.to_owned().into(), container: container.map(str::to_owned), endpoint })
}

fn s3(url: &Url, settings: &Settings<'_>) -> Result<S3Place, Wrong> {
    let bucket = host(url, 3..=63, |byte| is_plain(byte) || byte == b'-' || byte == b'.')
        .ok_or((FILES_URL, "should be s3://BUCKET or s3://BUCKET/PREFIX"))?;
    let prefix = Some(url.path().trim_matches('/')).filter(|path| !path.is_empty());
    if prefix.is_some_and(|prefix| !is_sound(prefix)) {
        return Err((FILES_URL, "should have a prefix of plain letters"));
    }
    let [endpoint, region] = parameters(url, ["endpoint", "region"])?;
    let keys = match (settings.s3_access_key_id, settings.s3_secret_access_key) {
        ("", "") => None,
        ("", _) => return Err(("s3_access_key_id", "must be set together with the secret")),
        (_, "") => return Err(("s3_secret_access_key", "must be set together with the key's id")),
        (id, secret) => Some((id.to_owned(), secret.to_owned().into())),
    };
    Ok(S3Place {
        bucket,
        prefix: prefix.map(str::to_owned),
        region: region.unwrap_or_else(|| "us-east-1".to_owned()),
        endpoint: endpoint.as_deref().map(checked_endpoint).transpose()?,
        keys,
        token: Some(settings.s3_session_token).filter(|token| !token.is_empty()).map(|token| token.to_owned().into()),
    })
}

const fn is_plain(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

fn is_name(name: &str, length: std::ops::RangeInclusive<usize>, takes: impl Fn(u8) -> bool) -> bool {
    length.contains(&name.len()) && name.bytes().all(takes)
}

fn host(url: &Url, length: std::ops::RangeInclusive<usize>, takes: impl Fn(u8) -> bool) -> Option<String> {
    url.host_str().filter(|name| url.port().is_none() && is_name(name, length, takes)).map(str::to_owned)
}

/// The values of these parameters; any other is refused.
fn parameters<const N: usize>(url: &Url, names: [&str; N]) -> Result<[Option<String>; N], Wrong> {
    let mut values = [const { None }; N];
    for (name, value) in url.query_pairs() {
        let found = names.iter().position(|known| *known == name).and_then(|index| values.get_mut(index));
        *found.ok_or((FILES_URL, "has a parameter that is not known"))? = Some(value.into_owned());
    }
    Ok(values)
}

fn checked_endpoint(text: &str) -> Result<String, Wrong> {
    let wrong = (FILES_URL, "has an endpoint that is no http or https address");
    let url = Url::parse(text).map_err(|_| wrong)?;
    let is_good = matches!(url.scheme(), "http" | "https") && url.host().is_some() && url.query().is_none();
    if is_good { Ok(text.trim_end_matches('/').to_owned()) } else { Err(wrong) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
    use super::*;

    fn settings(files_url: &str) -> Settings<'_> {
        Settings {
            files_url,
            azure_account_key: "c2VjcmV0",
            s3_access_key_id: "id",
            s3_secret_access_key: "secret",
            s3_session_token: "",
        }
    }

    fn of(url: &str) -> Result<FilesPlace, Wrong> {
        FilesPlace::of(settings(url), Path::new("/data"), false)
    }

    #[test]
    fn folders_accounts_and_buckets() {
        assert!(matches!(of("").unwrap(), FilesPlace::Disk(path) if path == Path::new("/data/files")));
        assert!(matches!(of("file:///srv/x").unwrap(), FilesPlace::Disk(path) if path == Path::new("/srv/x")));
        let FilesPlace::Azure(azure) = of("azure://acme").unwrap() else { panic!() };
        assert_eq!(azure.endpoint, "https://acme.blob.core.windows.net");
        assert_eq!((azure.account.as_str(), azure.container), ("acme", None));
        let FilesPlace::Azure(azure) = of("azure://acme/files?endpoint=http://127.0.0.1:1/acme/").unwrap() else {
            panic!()
        };
        assert_eq!((azure.endpoint.as_str(), azure.container.as_deref()), ("http://127.0.0.1:1/acme", Some("files")));
        let FilesPlace::S3(s3) = of("s3://my-bucket/pre/fix?region=ap-south-1").unwrap() else { panic!() };
        assert_eq!((s3.bucket.as_str(), s3.prefix.as_deref()), ("my-bucket", Some("pre/fix")));
        assert_eq!((s3.region.as_str(), s3.endpoint, s3.keys.unwrap().0), ("ap-south-1", None, "id".to_owned()));
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for url in [
            "ftp://x",
            "nonsense",
            "file://relative",
            "azure://",
            "azure://UPPER_CASE",
            "azure://acme/a/b",
            "azure://acme?color=green",
            "azure://acme:key@acme",
            "azure://acme?endpoint=ftp://x",
            "s3://a",
            "s3://my-bucket/../x y",
            "s3://my-bucket?endpoint=nowhere",
        ] {
            assert_eq!(of(url).unwrap_err().0, FILES_URL, "{url}");
        }
        let wrong = |settings| FilesPlace::of(settings, Path::new("/data"), false).unwrap_err().0;
        assert_eq!(wrong(Settings { azure_account_key: "", ..settings("azure://acme") }), "azure_account_key");
        assert_eq!(
            wrong(Settings { azure_account_key: "no base64!", ..settings("azure://acme") }),
            "azure_account_key"
        );
        assert_eq!(wrong(Settings { s3_access_key_id: "", ..settings("s3://bucket") }), "s3_access_key_id");
        assert_eq!(wrong(Settings { s3_secret_access_key: "", ..settings("s3://bucket") }), "s3_secret_access_key");
    }

    #[test]
    fn production_wants_https_and_a_key_of_its_own() {
        let refused = |settings| FilesPlace::of(settings, Path::new("/data"), true).err().map(|wrong| wrong.0);
        assert_eq!(refused(settings("azure://acme")), None);
        assert_eq!(refused(settings("")), None);
        assert_eq!(refused(settings("azure://acme?endpoint=http://x/acme")), Some(FILES_URL));
        assert_eq!(refused(settings("s3://bucket?endpoint=http://x")), Some(FILES_URL));
        assert_eq!(refused(settings("s3://bucket?endpoint=https://x")), None);
        let emulator = Settings { azure_account_key: EMULATOR_KEY, ..settings("azure://acme") };
        assert_eq!(refused(emulator), Some("azure_account_key"));
    }
}
