//! What the handler `command` is told.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use common::blobs::StagedFile;
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
    pub outputs: Vec<String>,
}

/// For its standard input: text as it is, anything else in base64.
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
            Ok(text) => text.serialize(serializer),
            Err(_) => BTreeMap::from([("base64", BASE64.encode(&self.0))]).serialize(serializer),
        }
    }
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
