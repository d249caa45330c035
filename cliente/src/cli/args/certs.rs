//! `cliente certs`

use std::path::PathBuf;

use common::tls::Role;

/// Longer than that nothing is issued.
const MAX_DAYS: i64 = 3_650;

#[derive(Debug, clap::Subcommand)]
pub enum CertsAction {
    Init {
        #[arg(long, value_name = "DIR", default_value = "certs")]
        dir: PathBuf,
        #[arg(long, value_name = "N", default_value_t = MAX_DAYS, value_parser = clap::value_parser!(i64).range(1..=MAX_DAYS))]
        days: i64,
    },
    Issue(Issue),
    Renew {
        #[arg(value_name = "NAME")]
        name: String,
        #[arg(long, value_name = "N", default_value_t = 365, value_parser = clap::value_parser!(i64).range(1..=MAX_DAYS))]
        days: i64,
        #[arg(long, value_name = "DIR", default_value = "certs")]
        dir: PathBuf,
    },
    Revoke {
        #[arg(value_name = "CERT|SERIAL")]
        which: Vec<String>,
        #[arg(long, value_name = "DIR", default_value = "certs")]
        dir: PathBuf,
    },
    Show {
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

#[derive(Debug, clap::Args)]
pub struct Issue {
    #[arg(value_name = "NAME")]
    pub name: String,
    #[arg(long, value_name = "H")]
    pub host: Vec<String>,
    #[arg(long, value_enum, default_value = "client")]
    pub role: Role,
    #[arg(long, value_name = "N", default_value_t = 365, value_parser = clap::value_parser!(i64).range(1..=MAX_DAYS))]
    pub days: i64,
    #[arg(long, value_name = "DIR", default_value = "certs")]
    pub dir: PathBuf,
}
