//! What is known of a request before it is known who sends it.

use std::net::IpAddr;

use axum::http::Uri;
use common::auth::{AS_KEY, TOKEN_KEY, USER_KEY};
use common::tls::Connected;
use tonic::metadata::MetadataMap;
use tonic::{Extensions, Request};

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    Look,
    Change,
    /// To change more than tasks, or to look at what is for administrators; the call's name.
    Administer(&'static str),
}

/// Where a call went.
#[derive(Clone, Debug)]
struct Path(Uri);

/// Keeps of a request what the log of actions needs and services are not given.
pub async fn note_path(mut request: axum::extract::Request) -> axum::extract::Request {
    let path = Path(request.uri().clone());
    request.extensions_mut().insert(path);
    request
}

/// Credentials, from where they come, and what for.
#[derive(Clone, Copy)]
pub struct Asking<'a> {
    metadata: &'a MetadataMap,
    extensions: &'a Extensions,
    pub access: Access,
}

impl<'a> Asking<'a> {
    pub fn of<T>(request: &'a Request<T>, access: Access) -> Self {
        Self { metadata: request.metadata(), extensions: request.extensions(), access }
    }

    /// The same, as if for less.
    pub fn only_looking(self) -> Self {
        Self { access: Access::Look, ..self }
    }

    pub fn metadata(&self) -> &'a MetadataMap {
        self.metadata
    }

    pub fn user(&self) -> Option<&'a str> {
        self.text(USER_KEY)
    }

    pub fn token(&self) -> Option<&'a str> {
        self.text(TOKEN_KEY)
    }

    /// In whose place.
    pub fn acting_as(&self) -> Option<&'a str> {
        self.text(AS_KEY)
    }

    /// Which call this is, as far as it is to be logged.
    pub fn call(&self) -> &'a str {
        match self.access {
            Access::Administer(name) => name,
            Access::Look | Access::Change => {
                let path = self.extensions.get::<Path>().map_or("", |path| path.0.path());
                path.rsplit('/').next().unwrap_or_default()
            }
        }
    }

    pub fn address(&self) -> Option<IpAddr> {
        self.extensions.get::<Connected>()?.address
    }

    fn text(&self, key: &str) -> Option<&'a str> {
        self.metadata.get(key)?.to_str().ok()
    }
}
