//! What browsers are told and asked: which origins may read answers, what a page may load, and by which name it was called.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_MAX_AGE, CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, ORIGIN, REFERRER_POLICY,
    VARY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use common::auth::{AS_KEY, TOKEN_KEY, USER_KEY};
use common::endpoint::Endpoint;

use super::Panel;
use crate::users::FirstUser;

/// A page may ask the other orchestrator so long before it asks again whether it may.
const PREFLIGHT_S: &str = "600";

/// Passes a request on, or answers it.
pub async fn keep(State(panel): State<Panel>, request: Request, next: Next) -> Response {
    let peer = panel.peer.current();
    let host = called(&request);
    if panel.users.first() == Some(&FirstUser::Demo) && !is_here(host.as_ref()) {
        let why = "the demo's credentials are known to everybody: only for localhost\n";
        return (StatusCode::FORBIDDEN, why).into_response();
    }
    let origin = request.headers().get(ORIGIN).cloned();
    let origin = origin.filter(|origin| is_ours(origin, host.as_ref(), &peer));
    let is_asked = request.uri().path().starts_with("/panel/api/");
    let mut response = match request.method() == Method::OPTIONS {
        true => StatusCode::NO_CONTENT.into_response(),
        false => next.run(request).await,
    };
    let headers = response.headers_mut();
    if is_asked {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        admit(headers, origin);
    }
    restrict(headers, &peer);
    response
}

/// By which name the caller knows this node.
fn called(request: &Request<Body>) -> Option<Endpoint> {
    let authority = request.uri().authority().map(|authority| authority.as_str());
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    authority.or(host)?.parse().ok()
}

/// Another site may have had its name resolved to this machine.
fn is_here(host: Option<&Endpoint>) -> bool {
    host.is_some_and(|host| {
        let name = host.host();
        name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
    })
}

/// A page of this node, by whichever name, or of the other one.
fn is_ours(origin: &HeaderValue, host: Option<&Endpoint>, peer: &Endpoint) -> bool {
    let origin = origin.to_str().ok().and_then(|origin| origin.parse::<Endpoint>().ok());
    origin.is_some_and(|origin| {
        origin.is_secure() == peer.is_secure()
            && (origin.is_same_place(peer) || host.is_some_and(|host| origin.is_same_place(host)))
    })
}

fn admit(headers: &mut HeaderMap, origin: Option<HeaderValue>) {
    headers.append(VARY, HeaderValue::from_static("origin"));
    let Some(origin) = origin else { return };
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST"));
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(PREFLIGHT_S));
    let names = format!("{USER_KEY}, {TOKEN_KEY}, {AS_KEY}, content-type");
    if let Ok(names) = names.parse() {
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, names);
    }
}

/// Nothing but our own files and the two orchestrators; in nobody's frame.
fn restrict(headers: &mut HeaderMap, peer: &Endpoint) {
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self' {peer}; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    // An address that fits no header leaves the page without everything, rather than without a policy.
    let nothing = HeaderValue::from_static("default-src 'none'");
    headers.insert(CONTENT_SECURITY_POLICY, policy.parse().unwrap_or(nothing));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(address: &str) -> Endpoint {
        address.parse().expect("is an address")
    }

    #[test]
    fn only_pages_of_the_two_orchestrators_read_answers() {
        let (host, peer) = (at("http://10.0.0.1:50051"), at("http://10.0.0.2:50052"));
        let judged =
            |origin: &'static str| is_ours(&HeaderValue::from_static(origin), Some(&host), &peer);
        assert!(judged("http://10.0.0.1:50051") && judged("http://10.0.0.2:50052"));
        for other in ["http://10.0.0.2:80", "https://10.0.0.2:50052", "http://evil:50052", "null"] {
            assert!(!judged(other), "{other}");
        }
    }

    #[test]
    fn one_machine_has_several_names() {
        let (host, peer) = (at("http://127.0.0.1:50051"), at("http://localhost:50052"));
        for origin in ["http://127.0.0.1:50052", "http://localhost:50051", "http://[::1]:50052"] {
            assert!(is_ours(&HeaderValue::from_static(origin), Some(&host), &peer), "{origin}");
        }
    }

    #[test]
    fn a_name_that_leads_here_is_not_this_machine() {
        assert!(is_here(Some(&at("localhost:1"))) && is_here(Some(&at("127.0.0.1:1"))));
        assert!(!is_here(Some(&at("evil.example:1"))) && !is_here(None));
    }
}
