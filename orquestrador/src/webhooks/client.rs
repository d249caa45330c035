//! One attempt to tell a receiver. Follows no redirect, keeps no cookie, knows no proxy.

use std::time::Duration;

use bytes::Bytes;
use common::lang::Lang;
use common::messages::webhook_failures::WebhookFailure;
use http::header::{CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use orquestrador_core::webhook::Posted;

use super::failure::failure_of;
use crate::https;

/// For the whole attempt, the connection included.
const TIMEOUT: Duration = Duration::from_secs(15);
/// Of an answer's body, which says nothing to us.
const MAX_ANSWER_BYTES: usize = 64 << 10;
const ANSWER_TIMEOUT: Duration = Duration::from_secs(1);

/// Keeps connections.
#[derive(Clone)]
pub struct Client {
    http: https::Client<Full<Bytes>>,
    lang: Lang,
}

/// What is sent.
pub struct Message {
    pub url: String,
    pub id: String,
    /// Seconds since the Unix epoch.
    pub timestamp: u64,
    pub signature: String,
    pub body: Bytes,
}

impl Client {
    /// # Errors
    /// This machine has no root certificates, by which receivers could be known.
    pub fn new(lang: Lang) -> std::io::Result<Self> {
        Ok(Self { http: https::client()?, lang })
    }

    pub async fn post(&self, message: Message) -> Posted {
        match tokio::time::timeout(TIMEOUT, self.try_post(message)).await {
            Ok(Ok((status, headers))) => meaning(status, &headers, self.lang),
            Ok(Err(failure)) => failed(&failure, self.lang),
            Err(_) => failed(&WebhookFailure::NoAnswer { seconds: TIMEOUT.as_secs() }, self.lang),
        }
    }

    async fn try_post(&self, message: Message) -> Result<(StatusCode, HeaderMap), WebhookFailure> {
        let Message { url, id, timestamp, signature, body } = message;
        let request = Request::builder()
            .method(Method::POST)
            .uri(url)
            .header(CONTENT_TYPE, "application/json")
            .header(USER_AGENT, concat!("mutirao/", env!("CARGO_PKG_VERSION")))
            .header("webhook-id", id)
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", signature)
            .body(Full::new(body))
            .map_err(|error| WebhookFailure::Other { why: error.to_string() })?;
        let answer = self.http.request(request).await.map_err(|error| failure_of(&error))?;
        let (head, body) = answer.into_parts();
        // Only so that the connection can be used again: the head has said all.
        let rest = Limited::new(body, MAX_ANSWER_BYTES).collect();
        match tokio::time::timeout(ANSWER_TIMEOUT, rest).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::trace!(%error, "the body of an answer broke off"),
            Err(_) => tracing::trace!("the body of an answer is slow"),
        }
        Ok((head.status, head.headers))
    }
}

pub fn failed(failure: &WebhookFailure, lang: Lang) -> Posted {
    Posted::Failed { error: failure.text(lang), after_ms: None }
}

fn meaning(status: StatusCode, headers: &HeaderMap, lang: Lang) -> Posted {
    if status.is_success() {
        return Posted::Accepted;
    }
    let answer = status.to_string();
    if status.is_redirection() {
        return failed(&WebhookFailure::Redirect { status: answer }, lang);
    }
    let error = WebhookFailure::Answer { status: answer }.text(lang);
    if status == StatusCode::GONE {
        return Posted::Gone { error };
    }
    let after = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let after = after.and_then(|seconds| seconds.trim().parse::<u64>().ok());
    let after_ms = after.map(|seconds| seconds.saturating_mul(1_000));
    Posted::Failed { error, after_ms }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn an_answer_means_what_its_status_says() {
        let of = |status: u16, after: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            if let Some(after) = after {
                headers.insert(RETRY_AFTER, HeaderValue::from_static(after));
            }
            meaning(StatusCode::from_u16(status).expect("is a status"), &headers, Lang::Pt)
        };
        for status in [200, 201, 202, 204, 299] {
            assert_eq!(of(status, None), Posted::Accepted);
        }
        assert_eq!(of(410, None), Posted::Gone { error: "a resposta foi 410 Gone".into() });
        for status in [301, 302, 400, 401, 404, 429, 500, 503] {
            assert!(matches!(of(status, None), Posted::Failed { after_ms: None, .. }), "{status}");
        }
        assert!(matches!(of(503, Some("7")), Posted::Failed { after_ms: Some(7_000), .. }));
        assert!(matches!(of(503, Some("soon")), Posted::Failed { after_ms: None, .. }));
    }
}
