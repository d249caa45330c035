//! What `orquestrador migrate` says.

use super::Message;
use crate::lang::Lang;

/// Hexadecimal digits of a digest of 128 bits that are shown; the rest tells people nothing more.
const DIGEST_DIGITS: usize = 16;

/// A sentence about a move between a pair and etcd.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MigrateMessage {
    /// The data directory is read.
    Reading { dir: String },
    /// What an unfinished attempt left in etcd is removed.
    Clearing { prefix: String },
    /// The state goes to etcd.
    Writing { bytes: u64, prefix: String },
    /// It comes from there.
    Fetching { prefix: String },
    /// It is read back where it went.
    Checking,
    /// The cluster is in etcd now.
    Arrived { cluster: String, prefix: String, dir: String, start: String },
    /// It has been since an earlier attempt.
    ArrivedBefore { cluster: String, dir: String, start: String },
    /// The cluster is in a data directory now.
    Returned { cluster: String, prefix: String, start: String },
    /// Files of tasks are not in etcd.
    Blobs { count: usize, dir: String },
    /// The state at both ends.
    Digests { of_journal: u128, of_etcd: u128 },
    /// The directory holds something.
    NotEmpty { dir: String, found: String },
    /// The directory holds no cluster.
    NoHistory { dir: String },
    /// Its log is in etcd.
    IsOfEtcd { dir: String },
    /// An attempt to take it to another prefix was not finished.
    OnItsWayElsewhere { dir: String, prefix: String },
    /// It is no replica of the newest view that it knows.
    Incomplete { dir: String, view: u64 },
    /// Another node may have gone on without it.
    OtherUnheard { dir: String, other: String },
    /// It has.
    OtherIsAhead { dir: String, view: u64 },
    /// The role that was shown is not that of the other node.
    NotOfTheOther { file: String },
    /// There is something below the prefix.
    Occupied { prefix: String, found: String },
    /// Another cluster is being taken there.
    OtherArrives { prefix: String, cluster: String },
    /// There is no cluster below the prefix.
    NoCluster { prefix: String },
    /// It was taken away before.
    MovedBefore { prefix: String, node: String },
    /// Orchestrators are connected to etcd.
    Running { prefix: String, nodes: String },
    /// Somebody else wrote there meanwhile.
    Interfered { prefix: String },
    /// What was read back is another state.
    Differs { of_journal: u128, of_etcd: u128 },
    /// What was read is no sound state; for developers.
    Unsound { detail: String },
    /// Anything else was in the way.
    Failed { error: String },
}

impl Message for MigrateMessage {
    fn event(&self) -> &'static str {
        match self {
            Self::Reading { .. } => "migrate_reading",
            Self::Clearing { .. } => "migrate_clearing",
            Self::Writing { .. } => "migrate_writing",
            Self::Fetching { .. } => "migrate_fetching",
            Self::Checking => "migrate_checking",
            Self::Arrived { .. } => "migrate_arrived",
            Self::ArrivedBefore { .. } => "migrate_arrived_before",
            Self::Returned { .. } => "migrate_returned",
            Self::Blobs { .. } => "migrate_blobs",
            Self::Digests { .. } => "migrate_digests",
            Self::NotEmpty { .. } => "migrate_not_empty",
            Self::NoHistory { .. } => "migrate_no_history",
            Self::IsOfEtcd { .. } => "migrate_is_of_etcd",
            Self::OnItsWayElsewhere { .. } => "migrate_on_its_way_elsewhere",
            Self::Incomplete { .. } => "migrate_incomplete",
            Self::OtherUnheard { .. } => "migrate_other_unheard",
            Self::OtherIsAhead { .. } => "migrate_other_is_ahead",
            Self::NotOfTheOther { .. } => "migrate_not_of_the_other",
            Self::Occupied { .. } => "migrate_occupied",
            Self::OtherArrives { .. } => "migrate_other_arrives",
            Self::NoCluster { .. } => "migrate_no_cluster",
            Self::MovedBefore { .. } => "migrate_moved_before",
            Self::Running { .. } => "migrate_running",
            Self::Interfered { .. } => "migrate_interfered",
            Self::Differs { .. } => "migrate_differs",
            Self::Unsound { .. } => "migrate_unsound",
            Self::Failed { .. } => "migrate_failed",
        }
    }

    fn text(&self, lang: Lang) -> String {
        match lang {
            Lang::Pt => self.portuguese(),
            Lang::En => self.english(),
        }
    }
}

impl MigrateMessage {
    fn portuguese(&self) -> String {
        match self {
            Self::Reading { dir } => format!("Lendo {dir}…"),
            Self::Clearing { prefix } => {
                format!("Removendo de {prefix} o que uma mudança interrompida deixou…")
            }
            Self::Writing { bytes, prefix } => {
                format!("Gravando {bytes} bytes em {prefix} no etcd…")
            }
            Self::Fetching { prefix } => format!("Trazendo {prefix} do etcd…"),
            Self::Checking => "Relendo tudo e comparando…".into(),
            Self::Arrived { cluster, prefix, dir, start } => format!(
                "Pronto: o cluster {cluster} está em {prefix} no etcd. Inicie com este diretório: {start}\nOutros \
                 orquestradores: com --engine e um diretório de dados vazio, também o que era o outro nó do par; o \
                 diretório antigo dele não deve mais ser iniciado. {dir} só inicia com --engine."
            ),
            Self::ArrivedBefore { cluster, dir, start } => format!(
                "Nada a fazer: o cluster {cluster} já tinha chegado ao etcd. Inicie: {start}\n{dir} só inicia com \
                 --engine; o outro nó do par, com --engine e um diretório vazio."
            ),
            Self::Returned { cluster, prefix, start } => format!(
                "Pronto: o cluster {cluster} não está mais em {prefix} no etcd. Inicie: {start}\nDepois o backup, com um \
                 diretório de dados vazio. Os diretórios que serviam com o etcd não devem mais ser iniciados."
            ),
            Self::Blobs { count, dir } => format!(
                "Arquivos de tarefas: {count}. Eles não ficam no etcd: sem --blob-store, copie antes de iniciar a pasta \
                 blobs dos diretórios dos orquestradores para {dir}."
            ),
            Self::Digests { of_journal, of_etcd } => {
                format!("Estado no diário: {}; no etcd: {}.", digits(*of_journal), digits(*of_etcd))
            }
            Self::NotEmpty { dir, found } => format!(
                "Recusado: {dir} não está vazio (há nele `{found}`). Mova-o, ou informe outro com --data-dir."
            ),
            Self::NoHistory { dir } => {
                format!("Recusado: não há cluster em {dir}. Confira --data-dir.")
            }
            Self::IsOfEtcd { dir } => format!(
                "Recusado: o diário de {dir} já está no etcd, e este diretório tem dele só uma cópia, talvez incompleta. Só \
                 se o etcd o perdeu, e sabendo que pode faltar o que foi confirmado: --accept-incomplete."
            ),
            Self::OnItsWayElsewhere { dir, prefix } => format!(
                "Recusado: uma mudança de {dir} para {prefix} foi interrompida e pode ter chegado. Repita-a com esse prefixo."
            ),
            Self::Incomplete { dir, view } => format!(
                "Recusado: a {dir} pode faltar quase tudo: não é réplica completa da visão {view}, a mais nova que conhece. Use o \
                 diretório do outro nó. Se não existe mais: --accept-incomplete."
            ),
            Self::OtherUnheard { dir, other } => format!(
                "Recusado: o outro nó do par ({other}) pode ter seguido sozinho depois de {dir} parar. Copie o arquivo role \
                 do diretório dele e mostre-o com --other-role. Se não existe mais: --accept-incomplete."
            ),
            Self::OtherIsAhead { dir, view } => format!(
                "Recusado: o outro nó seguiu sozinho (visão {view}), e tem o que falta a {dir}. Use o diretório dele."
            ),
            Self::NotOfTheOther { file } => {
                format!("Recusado: {file} não é o arquivo role do outro nó deste par.")
            }
            Self::Occupied { prefix, found } => format!(
                "Recusado: {prefix} não está vazio no etcd (há nele {found}). Informe outro prefixo em --to; se ninguém \
                 precisa do que está lá, remova-o com etcdctl del --prefix {prefix}"
            ),
            Self::OtherArrives { prefix, cluster } => format!(
                "Recusado: a mudança de outro cluster ({cluster}) para {prefix} não terminou. Termine-a, ou informe outro prefixo."
            ),
            Self::NoCluster { prefix } => {
                format!("Recusado: não há cluster em {prefix} no etcd. Confira --from.")
            }
            Self::MovedBefore { prefix, node } => format!(
                "Recusado: o cluster de {prefix} já foi levado do etcd, para o diretório do nó {node}. Inicie esse."
            ),
            Self::Running { prefix, nodes } => format!(
                "Recusado: há orquestradores ligados a {prefix} no etcd ({nodes}). Pare todos, espere alguns segundos e repita."
            ),
            Self::Interfered { prefix } => format!(
                "Recusado: enquanto isso outro gravou em {prefix} no etcd. Pare os orquestradores e as outras mudanças, e repita."
            ),
            Self::Differs { of_journal, of_etcd } => format!(
                "ERRO: o que se releu não é o mesmo estado: no diário {}, no etcd {}. Nada foi mudado de lugar.",
                digits(*of_journal),
                digits(*of_etcd)
            ),
            Self::Unsound { detail } => {
                format!("ERRO: o estado lido se contradiz; nada foi mudado de lugar. [{detail}]")
            }
            Self::Failed { error } => {
                format!("ERRO: a mudança não terminou: {error} Corrija isso e repita.")
            }
        }
    }

    fn english(&self) -> String {
        match self {
            Self::Reading { dir } => format!("Reading {dir}…"),
            Self::Clearing { prefix } => {
                format!("Removing from {prefix} what an interrupted move left…")
            }
            Self::Writing { bytes, prefix } => {
                format!("Writing {bytes} bytes to {prefix} in etcd…")
            }
            Self::Fetching { prefix } => format!("Bringing {prefix} from etcd…"),
            Self::Checking => "Reading all of it back and comparing…".into(),
            Self::Arrived { cluster, prefix, dir, start } => format!(
                "Done: cluster {cluster} is at {prefix} in etcd. Start with this directory: {start}\nOther orchestrators: with \
                 --engine and an empty data directory, also what was the other node of the pair; its former directory must \
                 not be started any more. {dir} starts with --engine only."
            ),
            Self::ArrivedBefore { cluster, dir, start } => format!(
                "Nothing to do: cluster {cluster} had arrived in etcd already. Start: {start}\n{dir} starts with --engine \
                 only; the other node of the pair with --engine and an empty directory."
            ),
            Self::Returned { cluster, prefix, start } => format!(
                "Done: cluster {cluster} is no longer at {prefix} in etcd. Start: {start}\nThen the backup, with an empty data \
                 directory. The directories that served with etcd must not be started any more."
            ),
            Self::Blobs { count, dir } => format!(
                "Files of tasks: {count}. They are not in etcd: without --blob-store, copy the folder blobs of the \
                 orchestrators' directories to {dir} before you start."
            ),
            Self::Digests { of_journal, of_etcd } => {
                format!(
                    "State in the journal: {}; in etcd: {}.",
                    digits(*of_journal),
                    digits(*of_etcd)
                )
            }
            Self::NotEmpty { dir, found } => format!(
                "Refused: {dir} is not empty (it holds `{found}`). Move it away, or give another with --data-dir."
            ),
            Self::NoHistory { dir } => {
                format!("Refused: there is no cluster in {dir}. Check --data-dir.")
            }
            Self::IsOfEtcd { dir } => format!(
                "Refused: the log of {dir} is in etcd already, and this directory has only a copy of it, perhaps incomplete. Only \
                 if etcd has lost it, and knowing that what was acknowledged may be missing: --accept-incomplete."
            ),
            Self::OnItsWayElsewhere { dir, prefix } => format!(
                "Refused: a move of {dir} to {prefix} was interrupted and may have arrived. Repeat it with that prefix."
            ),
            Self::Incomplete { dir, view } => format!(
                "Refused: {dir} may lack nearly everything: it is no complete replica of view {view}, the newest that it knows. \
                 Use the other node's directory. If that is gone: --accept-incomplete."
            ),
            Self::OtherUnheard { dir, other } => format!(
                "Refused: the other node of the pair ({other}) may have gone on alone after {dir} stopped. Copy the file role \
                 of its directory and show it with --other-role. If that is gone: --accept-incomplete."
            ),
            Self::OtherIsAhead { dir, view } => format!(
                "Refused: the other node has gone on alone (view {view}), and has what {dir} lacks. Use its directory."
            ),
            Self::NotOfTheOther { file } => {
                format!("Refused: {file} is not the file role of the other node of this pair.")
            }
            Self::Occupied { prefix, found } => format!(
                "Refused: {prefix} is not empty in etcd (it holds {found}). Give another prefix in --to; if nobody needs what \
                 is there, remove it with etcdctl del --prefix {prefix}"
            ),
            Self::OtherArrives { prefix, cluster } => format!(
                "Refused: the move of another cluster ({cluster}) to {prefix} has not ended. End it, or give another prefix."
            ),
            Self::NoCluster { prefix } => {
                format!("Refused: there is no cluster at {prefix} in etcd. Check --from.")
            }
            Self::MovedBefore { prefix, node } => format!(
                "Refused: the cluster of {prefix} was taken out of etcd before, to the directory of node {node}. Start that one."
            ),
            Self::Running { prefix, nodes } => format!(
                "Refused: orchestrators are connected to {prefix} in etcd ({nodes}). Stop all of them, wait some seconds and repeat."
            ),
            Self::Interfered { prefix } => format!(
                "Refused: somebody else wrote to {prefix} in etcd meanwhile. Stop the orchestrators and other moves, and repeat."
            ),
            Self::Differs { of_journal, of_etcd } => format!(
                "ERROR: what was read back is not the same state: in the journal {}, in etcd {}. Nothing was moved.",
                digits(*of_journal),
                digits(*of_etcd)
            ),
            Self::Unsound { detail } => {
                format!(
                    "ERROR: the state that was read contradicts itself; nothing was moved. [{detail}]"
                )
            }
            Self::Failed { error } => {
                format!("ERROR: the move did not end: {error} Mend that and repeat.")
            }
        }
    }
}

fn digits(digest: u128) -> String {
    format!("{digest:032x}")[..DIGEST_DIGITS].to_owned()
}

/// The help of the subcommand and its arguments.
pub fn help(id: &str, lang: Lang) -> Option<&'static str> {
    Some(match (id, lang) {
        ("migrate.about", Lang::Pt) => {
            "Leva o cluster de um par parado para o etcd (--to), ou de volta (--from): o mesmo cluster, com o mesmo estado"
        }
        ("migrate.about", Lang::En) => {
            "Take the cluster of a stopped pair to etcd (--to), or back (--from): the same cluster, with the same state"
        }
        ("migrate.to", Lang::Pt) => {
            "Para onde: um prefixo vazio do etcd. --data-dir é o do nó que tem tudo: o que foi principal por último"
        }
        ("migrate.to", Lang::En) => {
            "Where to: an empty prefix of etcd. --data-dir is that of the node that has everything: whoever was principal last"
        }
        ("migrate.from", Lang::Pt) => {
            "De onde, sem nenhum orquestrador ligado. --data-dir é um diretório vazio, com que um par recomeça"
        }
        ("migrate.from", Lang::En) => {
            "Where from, with no orchestrator connected. --data-dir is an empty directory, with which a pair begins again"
        }
        ("migrate.other_role", Lang::Pt) => {
            "Com --to: o arquivo role do diretório do outro nó, que mostra que ele não seguiu sozinho"
        }
        ("migrate.other_role", Lang::En) => {
            "With --to: the file role of the other node's directory, which shows that it did not go on alone"
        }
        ("migrate.accept_incomplete", Lang::Pt) => {
            "Com --to: leva este diretório embora possa faltar nele o que foi confirmado"
        }
        ("migrate.accept_incomplete", Lang::En) => {
            "With --to: take this directory although what was acknowledged may be missing in it"
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_told_by_its_first_digits() {
        let line = MigrateMessage::Digests { of_journal: 1 << 124, of_etcd: 0xab };
        let text = line.text(Lang::En);
        assert!(text.contains("1000000000000000; in etcd: 0000000000000000."), "{text}");
    }
}
