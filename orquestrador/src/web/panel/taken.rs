//! What a page sends, taken apart. What is wrong with it is told as every other refusal is.

use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::request::Parts;
use axum::response::Response;
use bytes::Bytes;
use common::grpc_status;
use serde_json::Value;
use tonic::Status;

use super::answer::respond;

/// A body of JSON.
pub struct Posted(pub Value);

/// What the path names.
pub struct Named(pub String);

impl<S: Send + Sync> FromRequest<S> for Posted {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let body = Bytes::from_request(request, state).await.map_err(|why| unread(&why))?;
        let parsed = serde_json::from_slice(&body);
        parsed.map(Self).map_err(|error| respond(Err(refused("body", error.to_string()))))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        let named = Path::<String>::from_request_parts(parts, state).await;
        named
            .map(|Path(name)| Self(name))
            .map_err(|why| respond(Err(refused("path", why.body_text()))))
    }
}

/// One field is wrong.
pub fn refused(field: &str, why: impl Into<String>) -> Status {
    grpc_status::invalid([(field.to_owned(), why.into())])
}

/// It is too long, or broke off: the status of HTTP tells which.
fn unread(why: &BytesRejection) -> Response {
    let mut response = respond(Err(refused("body", why.body_text())));
    *response.status_mut() = why.status();
    response
}
