//! What the HTTP client's errors mean: it says it in words for developers, several layers deep.

use std::error::Error;
use std::io::{self, ErrorKind};

use common::console::chain;
use common::messages::webhook_failures::WebhookFailure;
use hyper_util::client::legacy;
use rustls::CertificateError;

/// How the resolver's error begins, which has no type that could be asked for.
const NO_SUCH_HOST: &str = "dns error";

pub fn failure_of(error: &legacy::Error) -> WebhookFailure {
    let mut cause: Option<&(dyn Error + 'static)> = error.source();
    while let Some(one) = cause {
        let found = one.downcast_ref::<io::Error>().and_then(of_io);
        if let Some(found) = found.or_else(|| one.downcast_ref::<hyper::Error>().and_then(of_http))
        {
            return found;
        }
        if one.to_string().starts_with(NO_SUCH_HOST) {
            return WebhookFailure::NoSuchHost;
        }
        cause = one.source();
    }
    let why = chain(error);
    match error.is_connect() {
        true => WebhookFailure::NoConnection { why },
        false => WebhookFailure::Other { why },
    }
}

fn of_io(error: &io::Error) -> Option<WebhookFailure> {
    // Some are wrapped once more on their way.
    if let Some(inner) = error.get_ref() {
        let of_inner = || inner.downcast_ref::<io::Error>().and_then(of_io);
        let found = inner.downcast_ref::<rustls::Error>().map(of_tls).or_else(of_inner);
        if found.is_some() {
            return found;
        }
    }
    match error.kind() {
        ErrorKind::ConnectionRefused => Some(WebhookFailure::Refused),
        ErrorKind::TimedOut => Some(WebhookFailure::ConnectTimeout),
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::UnexpectedEof => {
            Some(WebhookFailure::BrokenOff)
        }
        _ => None,
    }
}

fn of_http(error: &hyper::Error) -> Option<WebhookFailure> {
    if error.is_parse() {
        return Some(WebhookFailure::NotHttp);
    }
    error.is_incomplete_message().then_some(WebhookFailure::BrokenOff)
}

fn of_tls(error: &rustls::Error) -> WebhookFailure {
    let rustls::Error::InvalidCertificate(certificate) = error else {
        return WebhookFailure::Tls { why: error.to_string() };
    };
    match certificate {
        CertificateError::UnknownIssuer => WebhookFailure::UnknownIssuer,
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            WebhookFailure::OtherName
        }
        CertificateError::Expired
        | CertificateError::ExpiredContext { .. }
        | CertificateError::NotValidYet
        | CertificateError::NotValidYetContext { .. } => WebhookFailure::OutOfTime,
        other => WebhookFailure::Certificate { why: other.to_string() },
    }
}
