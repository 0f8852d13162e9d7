//! Azure Blob Storage. Addresses are service SAS signed here with the account's key: unlike the signer of `object_store`
//! they say how a file is shown, and hold at once whatever the clocks say.

use std::collections::HashMap;
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use chrono::{DateTime, SecondsFormat, Utc};
use consilium_storage::files::{Area, Object};
use hmac::{Hmac, KeyInit, Mac};
use object_store::ObjectStore;
use object_store::azure::MicrosoftAzureBuilder;
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

use super::cloud::{Cloud, Provider, client, retries};
use super::place::AzurePlace;
use super::{Answer, Download, Place, StoreError, Upload, names};

/// The version of the signature's form.
const VERSION: &str = "2023-11-03";

/// An account, or one container of it.
#[derive(Debug)]
pub(super) struct Azure {
    account: String,
    key: SecretString,
    endpoint: String,
    container: Option<String>,
    stores: HashMap<Area, Arc<dyn ObjectStore>>,
    areas: Vec<Area>,
}

/// A store in this account. Nothing is connected yet.
pub(super) fn store(place: AzurePlace) -> Result<Cloud<Azure>, StoreError> {
    let mut stores: HashMap<Area, Arc<dyn ObjectStore>> = HashMap::new();
    for area in Area::ALL {
        let container = place.container.as_deref().unwrap_or(area.as_str());
        let builder = MicrosoftAzureBuilder::new()
            .with_account(&place.account)
            .with_access_key(place.key.expose_secret())
            .with_endpoint(place.endpoint.clone())
            .with_container_name(container)
            .with_retry(retries())
            .with_client_options(client(place.endpoint.starts_with("http://")));
        stores.insert(area, Arc::new(builder.build()?));
    }
    let areas = if place.container.is_some() { vec![Area::Sessions] } else { Area::ALL.to_vec() };
    let AzurePlace { account, key, container, endpoint } = place;
    Ok(Cloud(Azure { account, key, endpoint, container, stores, areas }))
}

impl Provider for Azure {
    fn store(&self, area: Area) -> Result<&Arc<dyn ObjectStore>, StoreError> {
        self.stores.get(&area).ok_or_else(|| StoreError::new("an area without a container"))
    }

    fn areas(&self) -> &[Area] {
        &self.areas
    }

    fn place(&self, object: &Object) -> Place {
        match &self.container {
            Some(container) => {
                Place { container: container.clone(), name: format!("{}/{}", object.area.as_str(), object.key) }
            }
            None => Place { container: object.area.as_str().to_owned(), name: object.key.clone() },
        }
    }

    fn upload_headers(&self, content_type: &str) -> Vec<(&'static str, String)> {
        vec![("x-ms-blob-type", "BlockBlob".to_owned()), ("Content-Type", content_type.to_owned())]
    }

    fn upload_link<'a>(&'a self, object: &'a Object, upload: &'a Upload, _now: DateTime<Utc>) -> Answer<'a, String> {
        let link = self.sas(&self.place(object), "w", upload.expires_at, ["", "", ""]);
        Box::pin(std::future::ready(link))
    }

    fn download_link<'a>(&'a self, object: &'a Object, shown: &'a Download, _now: DateTime<Utc>) -> Answer<'a, String> {
        let disposition = names::disposition(&shown.filename, shown.is_inline);
        let answers = ["no-store", disposition.as_str(), shown.content_type.as_str()];
        Box::pin(std::future::ready(self.sas(&self.place(object), "r", shown.expires_at, answers)))
    }
}

impl Azure {
    /// The address of a blob with a signature that grants this permission; `answers` are the answer's `Cache-Control`,
    /// `Content-Disposition` and `Content-Type`.
    fn sas(
        &self,
        place: &Place,
        permission: &str,
        expires_at: DateTime<Utc>,
        answers: [&str; 3],
    ) -> Result<String, StoreError> {
        let ends = expires_at.to_rfc3339_opts(SecondsFormat::Secs, true);
        let protocol = if self.endpoint.starts_with("https://") { "https" } else { "https,http" };
        let resource = format!("/blob/{}/{}/{}", self.account, place.container, place.name);
        let [caching, disposition, content_type] = answers;
        // Permission, start, end, resource, policy, addresses, protocol, version, kind, snapshot, encryption scope; then
        // Cache-Control, Content-Disposition, -Encoding, -Language and -Type of the answer.
        let signed = [
            permission,
            "",
            &ends,
            &resource,
            "",
            "",
            protocol,
            VERSION,
            "b",
            "",
            "",
            caching,
            disposition,
            "",
            "",
            content_type,
        ]
        .join("\n");
        let key =
            BASE64_STANDARD.decode(self.key.expose_secret()).map_err(|_| StoreError::new("a key that is none"))?;
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).map_err(|_| StoreError::new("a key that is none"))?;
        mac.update(signed.as_bytes());
        let signature = BASE64_STANDARD.encode(mac.finalize().into_bytes());
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs([("sv", VERSION), ("spr", protocol), ("se", &ends), ("sr", "b"), ("sp", permission)]);
        for (name, value) in [("rscc", caching), ("rscd", disposition), ("rsct", content_type)] {
            if !value.is_empty() {
                query.append_pair(name, value);
            }
        }
        query.append_pair("sig", &signature);
        Ok(format!("{}/{}/{}?{}", self.endpoint, place.container, place.name, query.finish()))
    }
}
