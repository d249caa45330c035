//! What an orchestrator says of the etcd that keeps its log.

use super::Message;
use crate::lang::Lang;

/// A line of the console.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EngineMessage {
    /// A new cluster was founded in etcd, under this prefix.
    Founded { cluster: String, prefix: String },
    /// This node follows the cluster that is in etcd.
    Joined { cluster: String, prefix: String },
    /// etcd does not answer; `why` is for developers.
    Silent { endpoints: String, why: String },
    /// It answers again.
    Answers,
    /// There is no cluster under this prefix yet, and this program does not found one.
    WaitingForFounder { prefix: String },
    /// etcd knows nothing of this node's cluster, although the node has its history.
    LogMissing { prefix: String },
    /// The cluster in etcd is another one than this data directory's.
    Foreign { prefix: String, theirs: String },
    /// The cluster that was in etcd was taken to the data directory of a pair.
    MovedAway { prefix: String },
    /// A cluster is being brought there, or somebody began to.
    Arriving { prefix: String },
    /// What the log began with replaced what was on the disk.
    SnapshotAdopted { entries: u64 },
    /// etcd refuses to write: its space is used up.
    OutOfSpace { endpoints: String },
    /// New work is refused before its space is used up; both in bytes.
    NearlyFull { bytes: u64, quota: u64 },
    /// It is taken again.
    SpaceAgain,
    /// etcd refuses what this node asks; `why` is for developers.
    Refused { why: String },
    /// Another orchestrator is principal.
    Following { principal: String },
    /// Nobody is there to give the office to.
    Alone,
    /// Somebody is.
    StandbyKnown { addresses: String },
}

impl Message for EngineMessage {
    fn event(&self) -> &'static str {
        match self {
            Self::Founded { .. } => "etcd_founded",
            Self::Joined { .. } => "etcd_joined",
            Self::Silent { .. } => "etcd_silent",
            Self::Answers => "etcd_answers",
            Self::WaitingForFounder { .. } => "etcd_waiting_for_founder",
            Self::LogMissing { .. } => "etcd_log_missing",
            Self::Foreign { .. } => "etcd_foreign",
            Self::MovedAway { .. } => "etcd_moved_away",
            Self::Arriving { .. } => "etcd_arriving",
            Self::SnapshotAdopted { .. } => "etcd_snapshot_adopted",
            Self::OutOfSpace { .. } => "etcd_out_of_space",
            Self::NearlyFull { .. } => "etcd_nearly_full",
            Self::SpaceAgain => "etcd_space_again",
            Self::Refused { .. } => "etcd_refused",
            Self::Following { .. } => "etcd_following",
            Self::Alone => "etcd_alone",
            Self::StandbyKnown { .. } => "etcd_standby_known",
        }
    }

    fn text(&self, lang: Lang) -> String {
        match lang {
            Lang::Pt => self.pt(),
            Lang::En => self.en(),
        }
    }
}

impl EngineMessage {
    fn pt(&self) -> String {
        match self {
            Self::Founded { cluster, prefix } => {
                format!("Novo cluster {cluster} fundado no etcd, em {prefix}.")
            }
            Self::Joined { cluster, prefix } => {
                format!("Cluster {cluster} encontrado no etcd, em {prefix}.")
            }
            Self::Silent { endpoints, why } => format!(
                "AVISO: o etcd ({endpoints}) não responde; nada é confirmado até que responda. [{why}]"
            ),
            Self::Answers => "O etcd responde de novo.".into(),
            Self::WaitingForFounder { prefix } => format!(
                "Ainda não há cluster em {prefix} no etcd; à espera de que um orquestrador o funde."
            ),
            Self::LogMissing { prefix } => format!(
                "ERRO: o etcd não tem em {prefix} o cluster deste diretório de dados. Se o etcd foi restaurado ou trocado, confira --engine; o que este nó tem pode ser levado para lá com orquestrador migrate --to … --accept-incomplete."
            ),
            Self::Foreign { prefix, theirs } => format!(
                "ERRO: em {prefix} o etcd tem outro cluster ({theirs}), e não o deste diretório de dados. Confira --engine, ou use um diretório de dados vazio."
            ),
            Self::MovedAway { prefix } => format!(
                "ERRO: o cluster que estava em {prefix} no etcd foi levado de volta a um par (orquestrador migrate --from); este nó não serve nada daqui. Inicie sem --engine, com o diretório para onde foi levado."
            ),
            Self::Arriving { prefix } => format!(
                "AVISO: um cluster está sendo trazido para {prefix} no etcd; à espera do fim. Se a mudança foi interrompida, repita orquestrador migrate --to."
            ),
            Self::SnapshotAdopted { entries } => {
                format!("Estado recebido do etcd até a entrada {entries}.")
            }
            Self::OutOfSpace { endpoints } => format!(
                "ERRO: o espaço do etcd ({endpoints}) acabou; nada é confirmado até que haja espaço (docs/etcd.md)."
            ),
            Self::NearlyFull { bytes, quota } => format!(
                "AVISO: o banco do etcd tem {} MiB de {} MiB: tarefas novas são recusadas até que haja espaço (docs/etcd.md).",
                bytes >> 20,
                quota >> 20
            ),
            Self::SpaceAgain => "O etcd tem espaço de novo; tarefas novas são aceitas.".into(),
            Self::Refused { why } => format!(
                "ERRO: o etcd recusa o que este nó pede; confira usuário, papéis e certificados. [{why}]"
            ),
            Self::Following { principal } => format!("Seguindo o principal em {principal}."),
            Self::Alone => {
                "AVISO: backup indisponível: nenhum outro orquestrador está ligado ao etcd e sincronizado, e se este parar ninguém assume.".into()
            }
            Self::StandbyKnown { addresses } => format!("Backup sincronizado: a postos {addresses}."),
        }
    }

    fn en(&self) -> String {
        match self {
            Self::Founded { cluster, prefix } => {
                format!("New cluster {cluster} founded in etcd, at {prefix}.")
            }
            Self::Joined { cluster, prefix } => {
                format!("Cluster {cluster} found in etcd, at {prefix}.")
            }
            Self::Silent { endpoints, why } => format!(
                "WARNING: etcd ({endpoints}) does not answer; nothing is acknowledged until it does. [{why}]"
            ),
            Self::Answers => "etcd answers again.".into(),
            Self::WaitingForFounder { prefix } => format!(
                "There is no cluster at {prefix} in etcd yet; waiting for an orquestrador to found it."
            ),
            Self::LogMissing { prefix } => format!(
                "ERROR: etcd does not have the cluster of this data directory at {prefix}. If etcd was restored or replaced, check --engine; what this node has can be taken there with orquestrador migrate --to … --accept-incomplete."
            ),
            Self::Foreign { prefix, theirs } => format!(
                "ERROR: etcd has another cluster at {prefix} ({theirs}), not that of this data directory. Check --engine, or use an empty data directory."
            ),
            Self::MovedAway { prefix } => format!(
                "ERROR: the cluster that was at {prefix} in etcd was taken back to a pair (orquestrador migrate --from); this node serves nothing from here. Start without --engine, with the directory to which it was taken."
            ),
            Self::Arriving { prefix } => format!(
                "WARNING: a cluster is being brought to {prefix} in etcd; waiting for the end of that. If the move was interrupted, repeat orquestrador migrate --to."
            ),
            Self::SnapshotAdopted { entries } => {
                format!("State received from etcd up to entry {entries}.")
            }
            Self::OutOfSpace { endpoints } => format!(
                "ERROR: etcd ({endpoints}) is out of space; nothing is acknowledged until it has some (docs/etcd.md)."
            ),
            Self::NearlyFull { bytes, quota } => format!(
                "WARNING: the database of etcd has {} MiB of {} MiB: new tasks are refused until there is space (docs/etcd.md).",
                bytes >> 20,
                quota >> 20
            ),
            Self::SpaceAgain => "etcd has space again; new tasks are taken.".into(),
            Self::Refused { why } => format!(
                "ERROR: etcd refuses what this node asks; check user, roles and certificates. [{why}]"
            ),
            Self::Following { principal } => format!("Following the principal at {principal}."),
            Self::Alone => {
                "WARNING: no backup: no other orchestrator is connected to etcd and in sync, and if this one stops nobody takes over.".into()
            }
            Self::StandbyKnown { addresses } => format!("Backup in sync: {addresses} stand by."),
        }
    }
}

/// The help of one argument, by its id.
pub fn help(id: &str, lang: Lang) -> Option<&'static str> {
    Some(match (id, lang) {
        ("engine", Lang::Pt) => {
            "Onde ficam o diário e a eleição: etcd://HOST:PORTA,… [padrão: neste orquestrador e no outro]"
        }
        ("engine", Lang::En) => {
            "Where the log and the election are: etcd://HOST:PORT,… [default: with this orchestrator and the other]"
        }
        ("etcd_ca", Lang::Pt) => "Autoridade que certifica o etcd (PEM); com ela se fala por TLS",
        ("etcd_ca", Lang::En) => "Authority that certifies etcd (PEM); with it, TLS is spoken",
        ("etcd_cert", Lang::Pt) => "Certificado com que este nó se apresenta ao etcd (PEM)",
        ("etcd_cert", Lang::En) => "Certificate that this node shows to etcd (PEM)",
        ("etcd_key", Lang::Pt) => "Chave desse certificado (PEM)",
        ("etcd_key", Lang::En) => "Key of that certificate (PEM)",
        ("etcd_user", Lang::Pt) => "Usuário do etcd",
        ("etcd_user", Lang::En) => "User of etcd",
        ("etcd_password_file", Lang::Pt) => "Arquivo com a senha desse usuário",
        ("etcd_password_file", Lang::En) => "File with the password of that user",
        ("etcd_lease", Lang::Pt) => {
            "Silêncio, em segundos, após o qual o etcd dá o lugar do principal a outro; menos de 2 o etcd em geral não concede"
        }
        ("etcd_lease", Lang::En) => {
            "Silence, in seconds, after which etcd gives the principal's office to another; etcd usually grants no less than 2"
        }
        ("etcd_quota", Lang::Pt) => {
            "Bytes que o banco do etcd pode ter, como dito a ele (--quota-backend-bytes); acima de 90% tarefas novas são recusadas"
        }
        ("etcd_quota", Lang::En) => {
            "Bytes that etcd's database may have, as it was told (--quota-backend-bytes); beyond 90% new tasks are refused"
        }
        _ => return None,
    })
}

/// `--engine`, or another flag that names one, with something that is no etcd.
pub fn no_engine(flag: &str, text: &str, lang: Lang) -> String {
    match lang {
        Lang::Pt => format!(
            "{flag} {text}: precisa ser etcd://HOST[:PORTA][,HOST[:PORTA]…][/PREFIXO], de letras, dígitos e -._"
        ),
        Lang::En => format!(
            "{flag} {text}: must be etcd://HOST[:PORT][,HOST[:PORT]…][/PREFIX], of letters, digits and -._"
        ),
    }
}

/// The data directory belongs to another engine than the one that was asked for.
pub fn other_engine(dir: &str, wants_etcd: bool, lang: Lang) -> String {
    match (wants_etcd, lang) {
        (true, Lang::Pt) => format!(
            "{dir} é de um par: leve-o ao etcd com orquestrador migrate, ou use um diretório vazio"
        ),
        (true, Lang::En) => format!(
            "{dir} belongs to a pair: take it to etcd with orquestrador migrate, or use an empty directory"
        ),
        (false, Lang::Pt) => format!(
            "o diário de {dir} está no etcd: inicie com --engine, ou traga-o de lá com orquestrador migrate"
        ),
        (false, Lang::En) => format!(
            "the log of {dir} is in etcd: start it with --engine, or bring it back with orquestrador migrate"
        ),
    }
}
