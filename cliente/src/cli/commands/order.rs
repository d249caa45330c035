//! What the handler `command` is told.

use std::collections::BTreeMap;

use common::blobs::StagedFile;
use serde::Serialize;

use super::super::args::Surroundings;

/// The payload of a program; what is not said is left out.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Order {
    pub argv: Vec<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub stdin: String,
    #[serde(flatten)]
    pub place: Place,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_limit: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<StagedFile>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub outputs: Vec<String>,
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
