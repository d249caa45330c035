//! The way to an S3-compatible store. Credentials come from the environment, as every program of AWS takes them.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http_body_util::BodyExt as _;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpRequestBody,
    HttpResponse, HttpResponseBody, HttpService,
};
use object_store::{BackoffConfig, ClientOptions, ObjectStore, RetryConfig};
use url::Url;

use crate::https;

/// For the head of an answer, and more for what is sent before it.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);
/// Bytes in a second, of one of several parts that are on their way.
const SLOWEST: u64 = 64 << 10;
/// Together with the caller's patience: a store that is away for longer is told about.
const RETRY_TIMEOUT: Duration = Duration::from_secs(5);
const RETRIES: usize = 4;

/// Where blobs are kept besides the own disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct S3 {
    pub bucket: String,
    /// Before the names of all objects; empty for none.
    pub prefix: String,
    /// Of a store that is not AWS.
    pub endpoint: Option<Url>,
    pub region: Option<String>,
}

/// Not `s3://BUCKET[/PREFIX]`.
#[derive(Debug, PartialEq, Eq)]
pub struct NoBucket;

impl S3 {
    /// # Errors
    /// It is not `s3://BUCKET[/PREFIX]`.
    pub fn parse(text: &str) -> Result<Self, NoBucket> {
        let rest = text.strip_prefix("s3://").ok_or(NoBucket)?;
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
        let is_name = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
        let is_part = |part: &str| {
            !part.is_empty() && part != "." && part != ".." && part.chars().all(is_name)
        };
        if !is_part(bucket) || !(prefix.is_empty() || prefix.split('/').all(is_part)) {
            return Err(NoBucket);
        }
        Ok(Self { bucket: bucket.into(), prefix: prefix.into(), endpoint: None, region: None })
    }

    /// `s3://BUCKET[/PREFIX]`.
    pub fn name(&self) -> String {
        let slash = if self.prefix.is_empty() { "" } else { "/" };
        format!("s3://{}{slash}{}", self.bucket, self.prefix)
    }

    /// Nobody is asked anything yet.
    ///
    /// # Errors
    /// What the environment says makes no sense, or this machine knows no root certificates.
    pub fn connect(&self) -> std::io::Result<Arc<dyn ObjectStore>> {
        let client = https::client().map(Connector)?;
        let mut builder = AmazonS3Builder::from_env()
            .with_bucket_name(&self.bucket)
            .with_http_connector(client)
            .with_retry(RetryConfig {
                backoff: BackoffConfig::default(),
                max_retries: RETRIES,
                retry_timeout: RETRY_TIMEOUT,
            });
        if let Some(endpoint) = &self.endpoint {
            builder = builder
                .with_endpoint(endpoint.as_str().trim_end_matches('/'))
                .with_allow_http(endpoint.scheme() == "http");
        }
        match &self.region {
            Some(region) => builder = builder.with_region(region),
            // Those that are not AWS have one region, or do not look at its name.
            None if builder.get_config_value(&AmazonS3ConfigKey::Region).is_none() => {
                builder = builder.with_region("us-east-1");
            }
            None => {}
        }
        let store = builder.build().map_err(std::io::Error::other)?;
        Ok(Arc::new(store))
    }
}

#[derive(Clone, Debug)]
struct Connector(https::Client<HttpRequestBody>);

impl HttpConnector for Connector {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

#[async_trait]
impl HttpService for Connector {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let sending = Duration::from_secs(request.body().content_length() as u64 / SLOWEST);
        let patience = ANSWER_TIMEOUT + sending;
        let answer = tokio::time::timeout(patience, self.0.request(request)).await;
        let answer = answer.map_err(|late| HttpError::new(HttpErrorKind::Timeout, late))?;
        let answer = answer.map_err(|error| {
            let kind = match error.is_connect() {
                true => HttpErrorKind::Connect,
                // Also where an idle connection was closed by the other side: all requests of ours can be repeated.
                false => HttpErrorKind::Interrupted,
            };
            HttpError::new(kind, error)
        })?;
        let broken = |error| HttpError::new(HttpErrorKind::Interrupted, error);
        Ok(answer.map(|body| HttpResponseBody::new(body.map_err(broken))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_and_what_comes_before_its_names() {
        let parts =
            |text| S3::parse(text).map(|s3| (s3.bucket.clone(), s3.prefix.clone(), s3.name()));
        let named = |bucket: &str, prefix: &str, name: &str| {
            Ok((bucket.to_owned(), prefix.to_owned(), name.to_owned()))
        };
        assert_eq!(parts("s3://tasks"), named("tasks", "", "s3://tasks"));
        assert_eq!(parts("s3://tasks/a/b/"), named("tasks", "a/b", "s3://tasks/a/b"));
        for wrong in
            ["tasks", "s3:/tasks", "s3://", "s3:///a", "s3://a//b", "s3://a/../b", "s3://a b"]
        {
            assert_eq!(parts(wrong), Err(NoBucket), "{wrong}");
        }
    }
}
