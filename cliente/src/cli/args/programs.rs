//! What is said of a program beside its command line.

use super::super::folder;
use super::values::{memory, variable};

/// Where a program runs, and what it may take there.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "program")]
pub struct Surroundings {
    #[arg(long, value_name = "DIR", value_parser = folder::absolute)]
    pub cwd: Option<String>,
    #[arg(long, conflicts_with = "cwd")]
    pub own_dir: bool,
    #[arg(long, value_name = "BYTES", value_parser = memory)]
    pub memory_limit: Option<u64>,
    #[arg(long, value_name = "NAME[=VALUE]", value_parser = variable)]
    pub env: Vec<(String, String)>,
}

impl Surroundings {
    /// A flag that was given.
    pub fn given(&self) -> Option<&'static str> {
        [
            (self.cwd.is_some(), "--cwd"),
            (self.own_dir, "--own-dir"),
            (self.memory_limit.is_some(), "--memory-limit"),
            (!self.env.is_empty(), "--env"),
        ]
        .into_iter()
        .find_map(|(is_given, flag)| is_given.then_some(flag))
    }
}

/// What a program takes with it, and what of its files comes back.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "files")]
pub struct Files {
    #[arg(long, value_name = "FILE[=NAME]", conflicts_with = "cwd")]
    pub input: Vec<String>,
    #[arg(long, value_name = "ID[:FILES][=NAME]", conflicts_with = "cwd")]
    pub input_from: Vec<String>,
    #[arg(long, value_name = "NAME[=FILE]", conflicts_with = "cwd")]
    pub output_file: Vec<String>,
}

impl Files {
    /// Some of its files come back.
    pub fn makes_any(&self) -> bool {
        !self.output_file.is_empty()
    }

    /// A flag that was given.
    pub fn given(&self) -> Option<&'static str> {
        [
            (&self.input, "--input"),
            (&self.input_from, "--input-from"),
            (&self.output_file, "--output-file"),
        ]
        .into_iter()
        .find_map(|(values, flag)| (!values.is_empty()).then_some(flag))
    }
}
