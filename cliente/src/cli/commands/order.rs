//! What the handler `command` is told.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use common::blobs::{InputFrom, StagedFile};
use serde::Serialize;

use super::super::args::Surroundings;

/// The payload of a program; what is not said is left out.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Order {
    pub argv: Vec<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Input::is_empty")]
    pub stdin: Input,
    #[serde(flatten)]
    pub place: Place,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_limit: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<StagedFile>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub inputs_from: Vec<InputFrom>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub outputs: Vec<String>,
}

/// For its standard input: text as it is, and in base64 what is none, or would be longer as text in JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Input(Vec<u8>);

impl Input {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<Vec<u8>> for Input {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl Serialize for Input {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(&self.0) {
            Ok(text) if length_in_json(text) <= self.0.len() / 3 * 4 + 16 => {
                text.serialize(serializer)
            }
            Ok(_) | Err(_) => {
                BTreeMap::from([("base64", BASE64.encode(&self.0))]).serialize(serializer)
            }
        }
    }
}

/// As far as it is more than the text: a control character takes up to six bytes.
fn length_in_json(text: &str) -> usize {
    let length = |byte: u8| match byte {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 8 | 12 => 2,
        0..0x20 => 6,
        _ => 1,
    };
    text.bytes().map(length).sum()
}

/// Where it runs.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Place {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub own_dir: bool,
}

impl Order {
    pub fn payload(&self) -> Vec<u8> {
        serde_json::json!(self).to_string().into_bytes()
    }
}

impl From<&Surroundings> for Place {
    fn from(flags: &Surroundings) -> Self {
        Self { cwd: flags.cwd.clone(), own_dir: flags.own_dir }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(input: &[u8]) -> String {
        serde_json::json!(Input(input.to_vec())).to_string()
    }

    #[test]
    fn what_would_grow_as_text_is_encoded() {
        assert_eq!(written(b"a\nb"), r#""a\nb""#);
        assert_eq!(written(b"\xff"), r#"{"base64":"/w=="}"#);
        for input in [vec![0; 3_000], vec![0xff; 3_000], vec![b'x'; 3_000]] {
            assert!(written(&input).len() < 3_000 / 3 * 4 + 100, "{}", input[0]);
        }
        let lines = "linha\n".repeat(1_000);
        assert!(written(lines.as_bytes()).starts_with("\"linha"), "it can be read");
    }
}
