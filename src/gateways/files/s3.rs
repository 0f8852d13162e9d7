//! S3 and what speaks its language. Addresses are presigned by `object_store`; those for fetching say how a file is shown.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use consilium_storage::files::{Area, Object};
use object_store::ObjectStore;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path;
use object_store::signer::{Method, SignedUrlOptions, Signer};
use secrecy::ExposeSecret;

use super::cloud::{Cloud, Provider, client, retries};
use super::place::S3Place;
use super::{Answer, Download, Place, StoreError, Upload, names};

/// A bucket, or a part of one.
#[derive(Debug)]
pub(super) struct S3 {
    bucket: String,
    prefix: Option<String>,
    signer: AmazonS3,
    store: Arc<dyn ObjectStore>,
}

/// A store in this bucket. Nothing is connected yet.
pub(super) fn store(place: S3Place) -> Result<Cloud<S3>, StoreError> {
    // Without keys the machine's own role is asked, by the variables that Amazon's tools know.
    let mut builder = match &place.keys {
        Some((id, secret)) => {
            AmazonS3Builder::new().with_access_key_id(id).with_secret_access_key(secret.expose_secret())
        }
        None => AmazonS3Builder::from_env(),
    };
    if let Some(token) = &place.token {
        builder = builder.with_token(token.expose_secret());
    }
    builder = match &place.endpoint {
        Some(endpoint) => builder.with_endpoint(endpoint).with_virtual_hosted_style_request(false),
        None => builder.with_virtual_hosted_style_request(true),
    };
    let allow_http = place.endpoint.as_ref().is_some_and(|endpoint| endpoint.starts_with("http://"));
    let signer = builder
        .with_bucket_name(&place.bucket)
        .with_region(&place.region)
        .with_retry(retries())
        .with_client_options(client(allow_http))
        // One by one: a refusal in the answer for many is no refusal to `object_store`, and not every store knows that call.
        .with_disable_bulk_delete(true)
        .build()?;
    let store = Arc::new(signer.clone());
    Ok(Cloud(S3 { bucket: place.bucket, prefix: place.prefix, signer, store }))
}

impl S3 {
    async fn presigned(
        &self,
        method: Method,
        object: &Object,
        life: chrono::TimeDelta,
        options: SignedUrlOptions,
    ) -> Result<String, StoreError> {
        let path = Path::parse(self.place(object).name).map_err(|_| StoreError::new("a key that is none"))?;
        let life = life.to_std().unwrap_or(Duration::from_secs(1));
        Ok(self.signer.signed_url_opts(method, &path, life, &options).await?.into())
    }
}

impl Provider for S3 {
    fn store(&self, _area: Area) -> Result<&Arc<dyn ObjectStore>, StoreError> {
        Ok(&self.store)
    }

    fn areas(&self) -> &[Area] {
        &[Area::Sessions]
    }

    fn place(&self, object: &Object) -> Place {
        let name = format!("{}/{}", object.area.as_str(), object.key);
        let name = self.prefix.as_ref().map_or_else(|| name.clone(), |prefix| format!("{prefix}/{name}"));
        Place { container: self.bucket.clone(), name }
    }

    fn upload_headers(&self, content_type: &str) -> Vec<(&'static str, String)> {
        vec![("Content-Type", content_type.to_owned())]
    }

    fn upload_link<'a>(&'a self, object: &'a Object, upload: &'a Upload, now: DateTime<Utc>) -> Answer<'a, String> {
        Box::pin(self.presigned(Method::PUT, object, upload.expires_at - now, SignedUrlOptions::default()))
    }

    fn download_link<'a>(&'a self, object: &'a Object, shown: &'a Download, now: DateTime<Utc>) -> Answer<'a, String> {
        let options = SignedUrlOptions::default().with_query([
            ("response-cache-control", "no-store".to_owned()),
            ("response-content-disposition", names::disposition(&shown.filename, shown.is_inline)),
            ("response-content-type", shown.content_type.clone()),
        ]);
        Box::pin(self.presigned(Method::GET, object, shown.expires_at - now, options))
    }
}
