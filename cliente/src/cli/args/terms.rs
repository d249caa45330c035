//! Where a task waits, when it may run, and what follows when it fails.

use std::time::Duration;

use clap::builder::NonEmptyStringValueParser;
use common::failure_code;
use common::messages::client::ClientMessage;
use common::messages::client_usage::UsageMessage;

use super::super::alike;
use super::super::failure::Failure;
use super::values::{duration, label, positive_duration, resource};

/// Where a task waits, and what may take how long.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "place")]
pub struct Way {
    #[arg(long, value_name = "NAME", env = "MUTIRAO_QUEUE")]
    queue: Option<String>,
    #[arg(long, value_name = "-128..127", allow_negative_numbers = true, default_value_t = 0)]
    priority: i8,
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4_096))]
    slots: Option<u32>,
    #[arg(long, value_name = "KEY=VALUE", value_parser = label)]
    label: Vec<(String, String)>,
    #[arg(long, value_name = "NAME=N", value_parser = resource)]
    resource: Vec<(String, u64)>,
    #[arg(help_heading = "time", long, value_name = "TIME", value_parser = positive_duration)]
    attempt_timeout: Option<Duration>,
    #[arg(help_heading = "time", long, value_name = "TIME", value_parser = positive_duration)]
    expires: Option<Duration>,
    #[arg(help_heading = "time", long, value_name = "TIME", value_parser = positive_duration)]
    deadline: Option<Duration>,
    #[arg(help_heading = "follow", long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub group: Option<String>,
    #[arg(help_heading = "follow", long, value_name = "URL", value_parser = NonEmptyStringValueParser::new())]
    pub webhook: Option<String>,
}

impl Way {
    pub fn place(&self) -> cliente::Place {
        cliente::Place { queue: self.queue.clone().unwrap_or_default(), priority: self.priority }
    }

    pub fn needs(&self) -> cliente::Needs {
        cliente::Needs {
            slots: self.slots.unwrap_or_default(),
            labels: self.label.iter().cloned().collect(),
            resources: self.resource.iter().cloned().collect(),
        }
    }

    pub fn times(&self) -> cliente::TimeLimits {
        cliente::TimeLimits {
            attempt: self.attempt_timeout,
            begin: self.expires,
            end: self.deadline,
        }
    }
}

/// What follows when an attempt fails.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "failure")]
pub struct Retry {
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=999))]
    retries: Option<u32>,
    #[arg(long, value_name = "TIME", value_parser = duration, requires = "retries")]
    retry_delay: Option<Duration>,
    #[arg(long, value_name = "TIME", value_parser = duration, requires = "retries")]
    retry_max_delay: Option<Duration>,
    #[arg(long, value_name = "CODE", value_delimiter = ',', requires = "retries")]
    retry_on: Vec<String>,
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub max_lost_attempts: Option<u32>,
}

/// One of these that no failure has, misspelt or not, and the one that is probably meant. A handler of one's own may
/// have codes of its own.
pub fn unknown_code(
    codes: &[String],
    has_own_codes: bool,
) -> Option<(String, Option<&'static str>)> {
    let codes = codes.iter().map(|code| code.to_uppercase());
    let mut unknown = codes.filter(|code| !failure_code::ALL.contains(&code.as_str()));
    unknown.find_map(|code| match alike::misspelt(&code, failure_code::ALL) {
        Some(meant) => Some((code, Some(meant))),
        None if has_own_codes => None,
        None => {
            let meant = alike::nearest(&code, failure_code::ALL.iter().copied());
            Some((code, meant))
        }
    })
}

/// Refuses a code that is probably another one, misspelt, where tasks are chosen by it.
pub fn check_code(code: Option<&str>) -> Result<(), Failure> {
    let code = code.map(str::to_owned);
    match code.and_then(|code| unknown_code(&[code], true)) {
        Some((code, meant)) => {
            let message = UsageMessage::UnknownFailure { flag: "--code", code, meant };
            Err(Failure::usage(ClientMessage::Usage(message)))
        }
        None => Ok(()),
    }
}

impl Retry {
    /// See [`unknown_code`].
    pub fn unknown_code(&self, has_own_codes: bool) -> Option<(String, Option<&'static str>)> {
        unknown_code(&self.retry_on, has_own_codes)
    }

    /// Whether there is something that what is done once only cannot have.
    pub fn is_any(&self) -> bool {
        self.policy().is_some() || self.max_lost_attempts.is_some()
    }

    /// `None` if nothing is to be retried.
    pub fn policy(&self) -> Option<cliente::RetryPolicy> {
        let retries = self.retries.filter(|retries| *retries > 0)?;
        let policy = cliente::RetryPolicy::new(retries.saturating_add(1));
        let first_delay = self.retry_delay.unwrap_or(policy.first_delay);
        let max_delay = self.retry_max_delay.unwrap_or(policy.max_delay.max(first_delay));
        Some(cliente::RetryPolicy {
            first_delay,
            max_delay,
            codes: self.retry_on.iter().map(|code| code.to_uppercase()).collect(),
            ..policy
        })
    }
}
