//! Which receivers may be told: what the operator allows, compared part by part and never as text.

use std::str::FromStr;

use url::{Host, Url};

/// Of a webhook's URL.
const MAX_URL_BYTES: usize = 2_048;

/// What the operator allows; nothing by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowList(Vec<Allowed>);

/// One receiver, or a part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowed {
    /// `None`: either.
    scheme: Option<String>,
    host: Host<String>,
    /// `None`: the scheme's own.
    port: Option<u16>,
    /// Of segments, all of which must be there; empty: any.
    path: Vec<String>,
}

/// Why something is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoUrl {
    #[error("is not a URL")]
    Unreadable,
    #[error("must begin with http:// or https://")]
    Scheme,
    #[error("must not contain a user or a password")]
    User,
    #[error("must not contain a fragment (#)")]
    Fragment,
    #[error("must not contain a query (?)")]
    Query,
    #[error("must be a host, a host with a port, or a whole URL")]
    NoHost,
    #[error("has more than 2048 bytes")]
    TooLong,
}

impl FromIterator<Allowed> for AllowList {
    fn from_iter<T: IntoIterator<Item = Allowed>>(all: T) -> Self {
        Self(all.into_iter().collect())
    }
}

impl AllowList {
    pub fn allows(&self, url: &Url) -> bool {
        self.0.iter().any(|allowed| allowed.allows(url))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether any of them can be reached by TLS.
    pub fn has_https(&self) -> bool {
        self.0.iter().any(|allowed| allowed.scheme.as_deref() != Some("http"))
    }
}

impl Allowed {
    fn allows(&self, url: &Url) -> bool {
        let is_scheme = self.scheme.as_deref().is_none_or(|scheme| scheme == url.scheme());
        let is_host = url.host().map(|host| host.to_owned()) == Some(self.host.clone());
        let is_port = match self.port {
            Some(port) => url.port_or_known_default() == Some(port),
            None => url.port().is_none(),
        };
        is_scheme && is_host && is_port && self.has_path(url)
    }

    fn has_path(&self, url: &Url) -> bool {
        if self.path.is_empty() {
            return true;
        }
        let path = url.path().to_ascii_lowercase();
        // Receivers differ in what an encoded slash means: a path could leave the allowed one by it.
        let is_plain = !["%2f", "%5c"].iter().any(|slash| path.contains(slash));
        let mut segments = url.path_segments().into_iter().flatten();
        is_plain && self.path.iter().all(|allowed| segments.next() == Some(allowed))
    }
}

impl FromStr for Allowed {
    type Err = NoUrl;

    /// `HOST`, `HOST:PORT` or a URL, whose path is the beginning of what is allowed.
    fn from_str(text: &str) -> Result<Self, NoUrl> {
        if !text.contains("://") {
            return of_host(text);
        }
        let url = parse(text)?;
        if url.query().is_some() {
            return Err(NoUrl::Query);
        }
        let segments = url.path_segments().into_iter().flatten();
        let mut path: Vec<_> = segments.map(str::to_owned).collect();
        // A slash at the end adds nothing.
        while path.last().is_some_and(String::is_empty) {
            path.pop();
        }
        Ok(Self {
            host: url.host().ok_or(NoUrl::NoHost)?.to_owned(),
            port: url.port_or_known_default(),
            scheme: Some(url.scheme().to_owned()),
            path,
        })
    }
}

fn of_host(text: &str) -> Result<Allowed, NoUrl> {
    let [http, https] = ["http", "https"].map(|scheme| parse(&format!("{scheme}://{text}")));
    let (http, https) = (http?, https?);
    if http.path() != "/" || http.query().is_some() {
        return Err(NoUrl::NoHost);
    }
    // Each of them leaves out its own.
    let port = http.port().or(https.port());
    let host = http.host().ok_or(NoUrl::NoHost)?.to_owned();
    Ok(Allowed { scheme: None, host, port, path: Vec::new() })
}

/// A receiver's URL in its normal form.
///
/// # Errors
/// It is none that could be used.
pub fn parse(text: &str) -> Result<Url, NoUrl> {
    if text.len() > MAX_URL_BYTES {
        return Err(NoUrl::TooLong);
    }
    let url = Url::parse(text).map_err(|_| NoUrl::Unreadable)?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(NoUrl::Scheme);
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(NoUrl::User);
    }
    if url.fragment().is_some() {
        return Err(NoUrl::Fragment);
    }
    // Its normal form may be longer.
    if url.as_str().len() > MAX_URL_BYTES { Err(NoUrl::TooLong) } else { Ok(url) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(allowed: &str, url: &str) -> bool {
        let list: AllowList =
            [allowed.parse::<Allowed>().expect("can be allowed")].into_iter().collect();
        parse(url).is_ok_and(|url| list.allows(&url))
    }

    #[test]
    fn scheme_host_port_and_path_are_compared_and_not_their_text() {
        for (allowed, url, is_allowed) in [
            ("http://good.example", "http://good.example/any?x=1", true),
            ("http://good.example", "http://good.example.evil.com/", false),
            ("http://good.example", "http://good.example@evil.com/", false),
            ("http://good.example", "http://evil.com/http://good.example", false),
            ("http://good.example", "http://GOOD.example/", true),
            ("http://good.example", "https://good.example/", false),
            ("http://good.example", "http://good.example:8080/", false),
            ("http://good.example:80", "http://good.example/", true),
            ("good.example", "http://good.example/a", true),
            ("good.example", "https://good.example:443/a", true),
            ("good.example", "https://good.example:8443/a", false),
            ("good.example:80", "http://good.example/", true),
            ("good.example:80", "https://good.example/", false),
            ("good.example:8443", "https://good.example:8443/a", true),
            ("good.example", "https://sub.good.example/", false),
            ("https://good.example/hooks", "https://good.example/hooks", true),
            ("https://good.example/hooks", "https://good.example/hooks/a", true),
            ("https://good.example/hooks/", "https://good.example/hooks/a", true),
            ("https://good.example/hooks", "https://good.example/hooks-evil", false),
            ("https://good.example/hooks", "https://good.example/hooks/../admin", false),
            ("https://good.example/hooks", "https://good.example/hooks/%2e%2e/admin", false),
            ("https://good.example/hooks", "https://good.example/hooks/..%2fadmin", false),
            ("https://good.example/hooks", "https://good.example/", false),
            ("[::1]:9000", "http://[::1]:9000/a", true),
            ("127.0.0.1:9000", "http://127.1:9000/a", true),
            ("127.0.0.1:9000", "http://127.0.0.2:9000/a", false),
        ] {
            assert_eq!(allows(allowed, url), is_allowed, "{allowed} and {url}");
        }
        assert!(!AllowList::default().allows(&parse("http://a/").expect("is a URL")));
    }

    #[test]
    fn what_cannot_be_allowed_is_named() {
        for (text, why) in [
            ("ftp://a", NoUrl::Scheme),
            ("http://u:p@a", NoUrl::User),
            ("http://a/?q", NoUrl::Query),
            ("http://a/#f", NoUrl::Fragment),
            ("a/path", NoUrl::NoHost),
            ("", NoUrl::Unreadable),
            ("a b", NoUrl::Unreadable),
        ] {
            assert_eq!(text.parse::<Allowed>(), Err(why), "{text}");
        }
        let long = format!("http://a/{}", "x".repeat(MAX_URL_BYTES));
        assert_eq!(parse(&long).err(), Some(NoUrl::TooLong));
    }
}
