//! The flags that name an etcd.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use common::lang::Lang;
use common::messages::command_line::BadValue;
use common::messages::io;
use common::messages::node_help::Problem;
use orquestrador_etcd::{Credentials, Options, TlsOptions};

use super::EtcdConfig;
use crate::api::validate::name_violation;
use crate::shards::UNNAMED;

/// Of all keys, unless the flag says another one.
const DEFAULT_PREFIX: &str = "mutirao";
/// What `--engine` begins with.
const SCHEME: &str = "etcd://";
/// Where etcd listens.
const DEFAULT_PORT: u16 = 2379;
/// In seconds; etcd grants no shorter one by default.
const DEFAULT_LEASE: u64 = 2;
/// What etcd keeps to if it is not told otherwise.
const DEFAULT_QUOTA: u64 = 2 << 30;
/// Bytes of a shard's name.
const MAX_SHARD: usize = 64;

/// Their texts are in the message catalogue.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
pub struct Flags {
    #[arg(long, env = "MUTIRAO_ENGINE", value_name = "etcd://HOST:PORT,…[/PREFIX]")]
    engine: Option<String>,
    #[command(flatten)]
    access: Access,
    #[arg(long, env = "MUTIRAO_ETCD_LEASE", value_name = "SECONDS", default_value_t = DEFAULT_LEASE, value_parser = clap::value_parser!(u64).range(1..=300))]
    etcd_lease: u64,
    #[arg(long, env = "MUTIRAO_ETCD_QUOTA", value_name = "BYTES", value_parser = bytes, default_value_t = ByteSize(DEFAULT_QUOTA))]
    etcd_quota: ByteSize,
    #[arg(long, env = "MUTIRAO_GROUP", value_name = "NAME", requires = "engine", value_parser = shard)]
    group: Option<String>,
    #[arg(long, env = "MUTIRAO_QUEUES", value_name = "NAME,…", requires = "group", value_delimiter = ',', value_parser = queue)]
    queues: Vec<String>,
}

/// Letters, digits and a few signs, so that it is one piece of a key, and is not the one of those without a name.
fn shard(text: &str) -> Result<String, BadValue> {
    let is_fine = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let is_name = (1..=MAX_SHARD).contains(&text.len()) && text.chars().all(is_fine);
    match is_name && text != UNNAMED {
        true => Ok(text.to_owned()),
        false => Err(BadValue::Group),
    }
}

/// # Errors
/// It cannot be the name of a queue.
pub fn queue(text: &str) -> Result<String, BadValue> {
    match name_violation(text) {
        None => Ok(text.to_owned()),
        Some(_) => Err(BadValue::Queue),
    }
}

fn bytes(text: &str) -> Result<ByteSize, BadValue> {
    text.parse().map_err(|_| BadValue::Bytes)
}

/// How etcd is spoken to. What names the etcd is `engine`, an argument or a group of them.
#[derive(Clone, Debug, Default, clap::Args)]
#[group(skip)]
pub struct Access {
    #[arg(long, env = "MUTIRAO_ETCD_CA", value_name = "FILE", requires = "engine")]
    etcd_ca: Option<PathBuf>,
    #[arg(long, env = "MUTIRAO_ETCD_CERT", value_name = "FILE", requires_all = ["etcd_ca", "etcd_key"])]
    etcd_cert: Option<PathBuf>,
    #[arg(long, env = "MUTIRAO_ETCD_KEY", value_name = "FILE", requires = "etcd_cert")]
    etcd_key: Option<PathBuf>,
    #[arg(long, env = "MUTIRAO_ETCD_USER", value_name = "USER", requires = "etcd_password_file")]
    etcd_user: Option<String>,
    #[arg(long, env = "MUTIRAO_ETCD_PASSWORD_FILE", value_name = "FILE", requires = "etcd_user")]
    etcd_password_file: Option<PathBuf>,
}

impl Flags {
    pub fn is_given(&self) -> bool {
        self.engine.is_some()
    }

    /// `None`: the pair is its own engine.
    ///
    /// # Errors
    /// No etcd can be meant by it, or a file cannot be read.
    pub fn check(self, lang: Lang) -> Result<Option<EtcdConfig>, Problem> {
        let lease = Duration::from_secs(self.etcd_lease);
        let Some(engine) = self.engine else { return Ok(None) };
        let config = self.access.check(&engine, "--engine", lease, lang)?;
        let queues = self.queues.into_iter().collect();
        Ok(Some(EtcdConfig { quota: self.etcd_quota.0, shard: self.group, queues, ..config }))
    }
}

impl Access {
    /// `text`: what `flag` says.
    ///
    /// # Errors
    /// As [`Flags::check`].
    pub fn check(
        self,
        text: &str,
        flag: &'static str,
        lease: Duration,
        lang: Lang,
    ) -> Result<EtcdConfig, Problem> {
        let problem = || Problem::Engine { flag, text: text.to_owned() };
        let (endpoints, prefix) = parse(text).ok_or_else(problem)?;
        let credentials = match (self.etcd_user, self.etcd_password_file) {
            (Some(user), Some(path)) => {
                let text = std::fs::read_to_string(&path).map_err(|error| Problem::EtcdFile {
                    path: path.display().to_string(),
                    why: io::text(&error, lang),
                })?;
                Some(Credentials { user, password: text.trim_end_matches(['\r', '\n']).to_owned() })
            }
            _ => None,
        };
        let identity = self.etcd_cert.zip(self.etcd_key);
        let tls = self.etcd_ca.map(|authority| TlsOptions { authority, identity });
        let options = Options { endpoints, tls, credentials, timeout: lease };
        let (shard, queues) = (None, BTreeSet::new());
        Ok(EtcdConfig { options, prefix, shard, queues, lease, quota: DEFAULT_QUOTA })
    }
}

/// Endpoints and prefix.
fn parse(engine: &str) -> Option<(Vec<String>, String)> {
    let rest = engine.strip_prefix(SCHEME)?;
    let (hosts, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let endpoints: Vec<String> = hosts.split(',').map(endpoint).collect::<Option<_>>()?;
    let prefix = prefix.trim_matches('/');
    let is_fine = |c: char| c.is_ascii_alphanumeric() || "-._/".contains(c);
    if !prefix.chars().all(is_fine) {
        return None;
    }
    let prefix = if prefix.is_empty() { DEFAULT_PREFIX } else { prefix };
    Some((endpoints, prefix.to_owned()))
}

fn endpoint(host: &str) -> Option<String> {
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, port.parse::<u16>().ok()?),
        Some(_) | None => (host, DEFAULT_PORT),
    };
    let is_name = !name.is_empty() && !name.contains(char::is_whitespace);
    (is_name && port != 0).then(|| format!("{name}:{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_and_prefix_may_be_left_out() {
        let (endpoints, prefix) = parse("etcd://a,b:1,[::1]").expect("is one");
        assert_eq!(endpoints, ["a:2379", "b:1", "[::1]:2379"]);
        assert_eq!(prefix, "mutirao");
        let (_, prefix) = parse("etcd://a/team/one/").expect("is one");
        assert_eq!(prefix, "team/one");
    }

    #[test]
    fn what_is_no_etcd_is_refused() {
        for text in ["a:1", "http://a", "etcd://", "etcd://a,,b", "etcd://a:0", "etcd://a/b c"] {
            assert!(parse(text).is_none(), "{text} was accepted");
        }
    }
}
