//! What tells a receiver that a request is ours: the Standard Webhooks specification, version 1, with a shared key.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

const PREFIX: &str = "whsec_";
/// As the specification says.
const LEAST_BYTES: usize = 24;
const MOST_BYTES: usize = 64;

/// What signs, and what receivers verify by.
#[derive(Clone)]
pub struct Key(Vec<u8>);

/// Why a text is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoKey;

impl FromStr for Key {
    type Err = NoKey;

    fn from_str(text: &str) -> Result<Self, NoKey> {
        let encoded = text.strip_prefix(PREFIX).ok_or(NoKey)?;
        let key = STANDARD.decode(encoded).map_err(|_| NoKey)?;
        if (LEAST_BYTES..=MOST_BYTES).contains(&key.len()) { Ok(Self(key)) } else { Err(NoKey) }
    }
}

/// Never the key itself.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

impl Key {
    /// The value of `webhook-signature`. `timestamp`: seconds since the Unix epoch.
    pub fn sign(&self, id: &str, timestamp: u64, body: &[u8]) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("a key may have any length");
        mac.update(format!("{id}.{timestamp}.").as_bytes());
        mac.update(body);
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of the specification's own examples.
    #[test]
    fn the_published_example_has_its_published_signature() {
        let key: Key = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".parse().expect("is a key");
        let body = br#"{"test": 2432232314}"#;
        let signature = key.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn what_is_no_key_is_refused_and_none_is_shown() {
        let of = |bytes: usize| format!("whsec_{}", STANDARD.encode(vec![7; bytes]));
        for text in ["", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", &of(23), &of(65), "whsec_?"]
        {
            assert!(text.parse::<Key>().is_err(), "{text}");
        }
        let key: Key = of(64).parse().expect("is a key");
        assert_eq!(format!("{key:?}"), "Key(…)");
    }
}
