//! How a client shows who it is.

use tonic::metadata::{AsciiMetadataValue, MetadataMap};

/// Metadata key of the user.
pub const USER_KEY: &str = "mutirao-user";
/// Metadata key of the token.
pub const TOKEN_KEY: &str = "mutirao-token";
/// Metadata key of another user, in whose place an administrator acts.
pub const AS_KEY: &str = "mutirao-as";
/// The seed's user, only in demo mode.
pub const DEMO_USER: &str = "user1";
/// The seed's token, only in demo mode.
pub const DEMO_TOKEN: &str = "token_valido_123";
/// The administrator of a cluster that has no user yet, with the token of `--admin-token-file`.
pub const FIRST_ADMIN: &str = "admin";

/// How a token that has a name begins: `mutirao.NAME.SECRET`.
const TOKEN_PREFIX: &str = "mutirao.";

/// The name of a token that was made by [`named_token`]; `None` of one that a user chose.
pub fn token_name(token: &str) -> Option<&str> {
    let (name, _) = token.strip_prefix(TOKEN_PREFIX)?.rsplit_once('.')?;
    Some(name)
}

/// A token that says its name, so that no other one of the user has to be tried. `secret`: chance, without dots.
pub fn named_token(name: &str, secret: &str) -> String {
    format!("{TOKEN_PREFIX}{name}.{secret}")
}

/// A token; not shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps it.
    pub fn new(token: &str) -> Self {
        Self(token.to_owned())
    }

    /// To be compared, never to be shown.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

/// User and token. The token is not shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    user: AsciiMetadataValue,
    token: AsciiMetadataValue,
    acting_as: Option<AsciiMetadataValue>,
}

/// User or token holds a character that cannot travel in a header.
#[derive(Debug, thiserror::Error)]
#[error("user and token must be visible ASCII characters")]
pub struct UnusableCredentials;

impl Credentials {
    /// # Errors
    /// Not visible ASCII.
    pub fn new(user: &str, token: &str) -> Result<Self, UnusableCredentials> {
        let parse = |text: &str| text.parse().map_err(|_| UnusableCredentials);
        let mut token: AsciiMetadataValue = parse(token)?;
        token.set_sensitive(true);
        Ok(Self { user: parse(user)?, token, acting_as: None })
    }

    /// In the place of another user, as administrators may: that one's tasks are meant.
    ///
    /// # Errors
    /// Not visible ASCII.
    pub fn acting_as(self, user: &str) -> Result<Self, UnusableCredentials> {
        Ok(Self { acting_as: Some(user.parse().map_err(|_| UnusableCredentials)?), ..self })
    }

    /// Puts them on a request.
    pub fn attach(&self, metadata: &mut MetadataMap) {
        metadata.insert(USER_KEY, self.user.clone());
        metadata.insert(TOKEN_KEY, self.token.clone());
        if let Some(user) = &self.acting_as {
            metadata.insert(AS_KEY, user.clone());
        }
    }
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("user", &self.user).finish_non_exhaustive()
    }
}
