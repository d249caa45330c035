//! Why a process could not start, or had to end: what happened, then what to do.

use std::io::Error as IoError;

use super::{error, io};
use crate::error_code::ErrorCode;
use crate::lang::Lang;

/// The cause. Details in brackets are for developers.
#[derive(Debug)]
pub enum Fault<'a> {
    /// The port is taken, or may not be used.
    Listen {
        address: &'a str,
        error: &'a IoError,
    },
    /// Another process has the data directory open.
    InUse {
        dir: String,
    },
    /// The data directory is of a program that stores it differently.
    Version {
        dir: String,
        found: u32,
        supported: u32,
    },
    /// Bytes that were durable are missing or altered.
    Damaged {
        detail: String,
    },
    DiskFull {
        path: String,
    },
    /// The data directory holds something else.
    ForeignDir {
        dir: String,
        found: String,
    },
    /// A file could not be used.
    File {
        path: String,
        error: &'a IoError,
    },
    /// The data directory is no longer the one that was opened.
    DataDirLost,
    /// An orchestrator would refuse the worker every time.
    Refused {
        address: &'a str,
        why: &'a str,
    },
    /// No certificates came together with that orchestrator's.
    Insecure {
        address: &'a str,
        code: ErrorCode,
        why: &'a str,
    },
    /// Spans cannot be sent as was asked for.
    Traces {
        why: String,
    },
    /// Others can reach a node that nobody may administer.
    NoUsers,
    /// The data directory belongs to another engine than the one that was asked for.
    OtherEngine {
        dir: String,
        wants_etcd: bool,
    },
    /// etcd could not be used at all.
    Etcd {
        why: String,
    },
    /// A system service failed.
    System {
        error: &'a IoError,
    },
    /// A fault of ours.
    Internal {
        detail: String,
    },
}

impl Fault<'_> {
    /// The sentence.
    pub fn text(&self, lang: Lang) -> String {
        match lang {
            Lang::Pt => self.portuguese(),
            Lang::En => self.english(),
        }
    }

    fn portuguese(&self) -> String {
        let of_system = |error| io::text(error, Lang::Pt);
        match self {
            Self::Listen { address, error } => format!(
                "não foi possível escutar em {address}: {}; escolha outra porta com --port.",
                of_system(error)
            ),
            Self::InUse { dir } => format!(
                "o diretório de dados {dir} está em uso por outro processo; pare-o, ou escolha outro com --data-dir."
            ),
            Self::Version { dir, found, supported } => format!(
                "o diretório de dados {dir} é da versão {found} do formato, e este programa lê a {supported}; use o \
                 programa que o gravou, ou outro diretório com --data-dir."
            ),
            Self::Damaged { detail } => format!("o diário está danificado. [{detail}]"),
            Self::DiskFull { path } => {
                format!("o disco de {path} está cheio; libere espaço.")
            }
            Self::ForeignDir { dir, found } => format!(
                "o diretório {dir} não está vazio e não é de um orquestrador (há nele `{found}`); escolha outro com \
                 --data-dir."
            ),
            Self::File { path, error } => format!("falha em {path}: {}.", of_system(error)),
            Self::DataDirLost => "o diretório de dados foi removido ou trocado.".into(),
            Self::Refused { address, why } => format!(
                "o orquestrador em {address} não aceita este worker; corrija o que está indicado. [{why}]"
            ),
            Self::Insecure { address, code, why } => format!(
                "o orquestrador em {address} não aceita este worker. {}",
                error::text(*code, why, Lang::Pt)
            ),
            Self::Traces { why } => format!(
                "não é possível enviar rastros; confira --otlp e as variáveis OTEL_EXPORTER_OTLP_*. [{why}]"
            ),
            Self::OtherEngine { dir, wants_etcd } => {
                super::node_engine::other_engine(dir, *wants_etcd, Lang::Pt)
            }
            Self::Etcd { why } => format!("o etcd não pode ser usado; confira as opções --etcd-*. [{why}]"),
            Self::NoUsers => "este nó está aberto à rede e o cluster ainda não tem usuários: dê --admin-token-file ARQUIVO, com o token \
                 do primeiro administrador, ou --insecure-network se a rede é confiável."
                .into(),
            Self::System { error } => {
                format!("um serviço do sistema falhou: {}.", of_system(error))
            }
            Self::Internal { detail } => format!("erro interno. [{detail}]"),
        }
    }

    fn english(&self) -> String {
        let of_system = |error| io::text(error, Lang::En);
        match self {
            Self::Listen { address, error } => format!(
                "cannot listen on {address}: {}; choose another port with --port.",
                of_system(error)
            ),
            Self::InUse { dir } => format!(
                "the data directory {dir} is in use by another process; stop it, or choose another with --data-dir."
            ),
            Self::Version { dir, found, supported } => format!(
                "the data directory {dir} has format version {found}, and this program reads {supported}; use the \
                 program that wrote it, or another directory with --data-dir."
            ),
            Self::Damaged { detail } => format!("the journal is damaged. [{detail}]"),
            Self::DiskFull { path } => {
                format!("the disk of {path} is full; free some space.")
            }
            Self::ForeignDir { dir, found } => format!(
                "the directory {dir} is not empty and is no orchestrator's (it holds `{found}`); choose another with \
                 --data-dir."
            ),
            Self::File { path, error } => format!("failure with {path}: {}.", of_system(error)),
            Self::DataDirLost => "the data directory was removed or replaced.".into(),
            Self::Refused { address, why } => format!(
                "the orchestrator at {address} does not accept this worker; mend what is named. [{why}]"
            ),
            Self::Insecure { address, code, why } => format!(
                "the orchestrator at {address} does not accept this worker. {}",
                error::text(*code, why, Lang::En)
            ),
            Self::Traces { why } => {
                format!("traces cannot be sent; check --otlp and the variables OTEL_EXPORTER_OTLP_*. [{why}]")
            }
            Self::OtherEngine { dir, wants_etcd } => {
                super::node_engine::other_engine(dir, *wants_etcd, Lang::En)
            }
            Self::Etcd { why } => format!("etcd cannot be used; check the options --etcd-*. [{why}]"),
            Self::NoUsers => "this node is open to the network and the cluster has no users yet: give --admin-token-file FILE, with the \
                 token of the first administrator, or --insecure-network where the network is trusted."
                .into(),
            Self::System { error } => format!("a system service failed: {}.", of_system(error)),
            Self::Internal { detail } => format!("internal error. [{detail}]"),
        }
    }
}
