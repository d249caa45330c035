//! The flags of `cliente users`.

use std::time::SystemTime;

use super::values::{future, most_bytes};

#[derive(Debug, clap::Subcommand)]
pub enum UsersAction {
    Add {
        #[arg(value_name = "NAME")]
        name: String,
        #[arg(long, value_enum, default_value_t = Role::Submitter)]
        role: Role,
        #[arg(long, conflicts_with = "role")]
        admin: bool,
        #[arg(long)]
        replace: bool,
        #[arg(long)]
        generate: bool,
    },
    Remove {
        #[arg(value_name = "NAME")]
        name: String,
    },
    List,
    Me,
    Limit(Limit),
    Tokens {
        #[command(subcommand)]
        action: TokensAction,
    },
}

#[derive(Debug, clap::Subcommand)]
pub enum TokensAction {
    List {
        #[arg(long, value_name = "USER")]
        of: Option<String>,
    },
    Create(NewToken),
    Rotate(NewToken),
    Revoke {
        #[arg(value_name = "NAME")]
        name: String,
        #[arg(long, value_name = "USER")]
        of: Option<String>,
    },
}

/// A token that is made here.
#[derive(Debug, clap::Args)]
pub struct NewToken {
    #[arg(value_name = "NAME")]
    pub name: String,
    #[arg(long, value_name = "WHEN", value_parser = future)]
    pub expires: Option<SystemTime>,
    #[arg(long, value_name = "USER")]
    pub of: Option<String>,
}

/// What a user may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Role {
    Admin,
    Submitter,
    Viewer,
}

impl From<Role> for common::proto::Role {
    fn from(role: Role) -> Self {
        match role {
            Role::Admin => Self::Admin,
            Role::Submitter => Self::Submitter,
            Role::Viewer => Self::Viewer,
        }
    }
}

/// What a user may take.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("limits").required(true).multiple(true))]
pub struct Limit {
    #[arg(value_name = "NAME", required_unless_present = "default")]
    pub name: Option<String>,
    #[arg(long, conflicts_with = "name")]
    pub default: bool,
    #[arg(long, value_name = "N", group = "limits")]
    max_active: Option<u64>,
    #[arg(long, value_name = "SIZE", value_parser = most_bytes, group = "limits")]
    max_bytes: Option<u64>,
    #[arg(long, value_name = "N", group = "limits")]
    max_running: Option<u32>,
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(..=1_000_000), group = "limits")]
    submit_rate: Option<u32>,
    #[arg(long, group = "limits", conflicts_with_all = ["max_active", "max_bytes", "max_running", "submit_rate"])]
    clear: bool,
}

impl Limit {
    pub fn change(&self) -> cliente::QuotaChange {
        let Self { max_active, max_bytes, max_running, submit_rate, .. } = *self;
        match self.clear {
            true => cliente::QuotaChange::Clear,
            false => cliente::QuotaChange::Set(cliente::NewLimits {
                max_active,
                max_bytes,
                max_running,
                submit_rate,
            }),
        }
    }
}
