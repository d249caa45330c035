//! What `orquestrador journal` says: looking at a journal on disk, and making a damaged node anew.

use super::Message;
use crate::lang::Lang;

/// What is wrong with a file of the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// The file is not there.
    Missing,
    /// A record is not the one that was written.
    Altered,
    /// It cannot be read as what it is; the detail is for developers.
    Unreadable { detail: String },
    /// Entries that were durable are not there.
    EntriesMissing,
    /// An entry is intact, and of another history than the others.
    OtherHistory,
    /// One of two copies of the same is not what was written; the other one counts.
    OneCopyAltered,
    /// Entries were removed because a snapshot stood for them, and it is not there.
    SnapshotMissing,
}

impl Flaw {
    /// For machines.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Missing => "MISSING",
            Self::Altered => "ALTERED",
            Self::Unreadable { .. } => "UNREADABLE",
            Self::EntriesMissing => "ENTRIES_MISSING",
            Self::OtherHistory => "OTHER_HISTORY",
            Self::OneCopyAltered => "ONE_COPY_ALTERED",
            Self::SnapshotMissing => "SNAPSHOT_MISSING",
        }
    }

    fn text(&self, lang: Lang) -> String {
        match lang {
            Lang::Pt => match self {
                Self::Missing => "o arquivo não está lá".into(),
                Self::Altered => "o registro foi alterado: seu hash não segue do anterior".into(),
                Self::Unreadable { detail } => format!("não está íntegro ({detail})"),
                Self::EntriesMissing => "entradas gravadas não estão lá".into(),
                Self::OtherHistory => "a entrada é de outra história".into(),
                Self::OneCopyAltered => {
                    "uma das duas cópias não está íntegra; vale a outra, e a próxima partida regrava ambas".into()
                }
                Self::SnapshotMissing => {
                    "falta o snapshot que representa as entradas já removidas".into()
                }
            },
            Lang::En => match self {
                Self::Missing => "the file is not there".into(),
                Self::Altered => {
                    "the record was altered: its hash does not follow from the one before".into()
                }
                Self::Unreadable { detail } => format!("it is not intact ({detail})"),
                Self::EntriesMissing => "entries that were stored are not there".into(),
                Self::OtherHistory => "the entry is of another history".into(),
                Self::OneCopyAltered => {
                    "one of its two copies is not intact; the other one counts, and the next start writes both anew".into()
                }
                Self::SnapshotMissing => {
                    "the snapshot that stands for the removed entries is missing".into()
                }
            },
        }
    }
}

/// How a file was found, in a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    Whole,
    Torn,
    Obsolete,
    Damaged,
}

impl Condition {
    /// For machines.
    pub fn word(self) -> &'static str {
        match self {
            Self::Whole => "WHOLE",
            Self::Torn => "TORN",
            Self::Obsolete => "OBSOLETE",
            Self::Damaged => "DAMAGED",
        }
    }

    /// For people.
    pub fn text(self, lang: Lang) -> &'static str {
        match lang {
            Lang::Pt => match self {
                Self::Whole => "íntegro",
                Self::Torn => "íntegro; fim interrompido será cortado",
                Self::Obsolete => "será removido",
                Self::Damaged => "DANIFICADO",
            },
            Lang::En => match self {
                Self::Whole => "whole",
                Self::Torn => "whole; an interrupted end will be cut off",
                Self::Obsolete => "will be removed",
                Self::Damaged => "DAMAGED",
            },
        }
    }
}

/// The headings of the table: file, entries, first, last, epochs, bytes, state.
pub fn headings(lang: Lang) -> [&'static str; 7] {
    match lang {
        Lang::Pt => ["ARQUIVO", "ENTRADAS", "PRIMEIRA", "ÚLTIMA", "ÉPOCAS", "BYTES", "ESTADO"],
        Lang::En => ["FILE", "ENTRIES", "FIRST", "LAST", "EPOCHS", "BYTES", "STATE"],
    }
}

/// A sentence of `orquestrador journal`, and of a node that cannot start because of its journal.
#[derive(Clone, Debug)]
pub enum JournalMessage {
    /// A running process holds the directory.
    InUse {
        dir: String,
    },
    /// Nothing is there.
    NoJournal {
        dir: String,
    },
    /// It cannot be looked at.
    Failed {
        error: String,
    },
    Whole {
        node: String,
        last: u64,
    },
    Damage {
        file: String,
        offset: Option<u64>,
        index: Option<u64>,
        flaw: Flaw,
    },
    /// The whole verdict, and the command that repairs.
    Damaged {
        count: usize,
        command: String,
        peer: String,
    },
    /// Only files of set-aside entries are damaged.
    TailsDamaged {
        count: usize,
    },
    /// What starts before it is only in the snapshot.
    OnlyInSnapshot {
        up_to: u64,
    },
    /// The node does not start.
    StartRefused {
        verify: String,
        repair: String,
    },
    /// Found when the other node needed it.
    SnapshotUnreadable {
        error: String,
    },
    /// An append that a crash interrupted was cut off at the start.
    TornCut {
        file: String,
        offset: u64,
        bytes: u64,
    },
    /// One of the two copies of the bounds was altered.
    BoundsMended {
        file: String,
        offset: u64,
    },
    /// `--from` is behind `--to`.
    EmptySpan {
        from: u64,
        to: u64,
    },
    /// None of the entries is within what was asked for.
    NothingInSpan {
        held: Option<(u64, u64)>,
    },
    /// The disk did not let it.
    RepairFailed {
        error: String,
        command: String,
    },
    NothingToRepair {
        dir: String,
    },
    /// The address is of the node itself, of which the directory is a copy.
    PeerIsThisNode {
        peer: String,
        node: String,
    },
    PeerUnreachable {
        peer: String,
        error: String,
    },
    /// The other one has it all, and is not principal.
    PeerNotPrincipal {
        peer: String,
    },
    /// The other one is not principal, and may have less than this one.
    PeerIncomplete {
        peer: String,
        ours: u64,
        theirs: u64,
    },
    /// The other one lacks views that this one knew.
    PeerOlder {
        peer: String,
        ours: u64,
        theirs: u64,
    },
    /// The same number, another decision: somebody was promoted by force.
    PeerDiverged {
        peer: String,
        view: u64,
    },
    PeerForeign {
        peer: String,
        ours: String,
        theirs: String,
    },
    /// What is left does not tell which cluster it was.
    ClusterUnknown {
        peer: String,
        dir: String,
    },
    /// The question before anything is moved.
    Confirm {
        dir: String,
        folder: String,
        peer: String,
    },
    NeedsYes,
    NotConfirmed,
    /// The directory is half emptied.
    RepairInterrupted {
        command: String,
    },
    Repaired {
        folder: String,
        node: String,
        peer: String,
    },
    /// The present view still needs the node that is given up.
    StillListed {
        peer: String,
    },
}

impl Message for JournalMessage {
    fn event(&self) -> &'static str {
        match self {
            Self::InUse { .. } => "journal_in_use",
            Self::NoJournal { .. } => "no_journal",
            Self::Failed { .. } => "journal_not_examined",
            Self::Whole { .. } => "journal_whole",
            Self::Damage { .. } => "journal_damage",
            Self::Damaged { .. } => "journal_damaged",
            Self::TailsDamaged { .. } => "tails_damaged",
            Self::OnlyInSnapshot { .. } => "only_in_snapshot",
            Self::StartRefused { .. } => "start_refused",
            Self::SnapshotUnreadable { .. } => "snapshot_unreadable",
            Self::TornCut { .. } => "torn_append_cut",
            Self::BoundsMended { .. } => "bounds_mended",
            Self::EmptySpan { .. } => "empty_span",
            Self::NothingInSpan { .. } => "nothing_in_span",
            Self::RepairFailed { .. } => "repair_failed",
            Self::PeerIsThisNode { .. } => "peer_is_this_node",
            Self::NothingToRepair { .. } => "nothing_to_repair",
            Self::PeerUnreachable { .. } => "peer_unreachable",
            Self::PeerNotPrincipal { .. } => "peer_not_principal",
            Self::PeerIncomplete { .. } => "peer_incomplete",
            Self::PeerOlder { .. } => "peer_older",
            Self::PeerDiverged { .. } => "peer_diverged",
            Self::PeerForeign { .. } => "peer_foreign",
            Self::ClusterUnknown { .. } => "cluster_unknown",
            Self::Confirm { .. } => "confirm_repair",
            Self::NeedsYes => "confirmation_needed",
            Self::NotConfirmed => "not_confirmed",
            Self::RepairInterrupted { .. } => "repair_interrupted",
            Self::Repaired { .. } => "journal_repaired",
            Self::StillListed { .. } => "still_listed",
        }
    }

    fn text(&self, lang: Lang) -> String {
        match lang {
            Lang::Pt => self.portuguese(),
            Lang::En => self.english(),
        }
    }
}

/// `file, byte 12, entry 3`
fn place(file: &str, offset: Option<u64>, index: Option<u64>, words: [&str; 2]) -> String {
    let parts = words.iter().zip([offset, index]);
    let numbers = parts.filter_map(|(word, number)| Some(format!(", {word} {}", number?)));
    std::iter::once(file.to_owned()).chain(numbers).collect()
}

impl JournalMessage {
    fn portuguese(&self) -> String {
        match self {
            Self::InUse { dir } => format!(
                "O diretório {dir} está em uso por um processo. Pare o orquestrador (Ctrl+C) e repita."
            ),
            Self::NoJournal { dir } => format!(
                "Não há diário em {dir}. Informe o diretório com --data-dir, ou a porta do nó com --port."
            ),
            Self::Failed { error } => format!("ERRO: o diário não pôde ser examinado: {error}"),
            Self::Whole { node, last } => {
                format!("Diário íntegro: nó {node}, última entrada {last}.")
            }
            Self::Damage { file, offset, index, flaw } => {
                let place = place(file, *offset, *index, ["byte", "entrada"]);
                format!("DANO: {place}: {}.", flaw.text(Lang::Pt))
            }
            Self::Damaged { count, command, peer } => format!(
                "Diário danificado em {count} lugar(es): este nó não inicia com ele. Nada foi alterado. Com o outro \
                 orquestrador atendendo, refaça este nó a partir dele: {command}\n(com --peer, se o outro não está em \
                 {peer})"
            ),
            Self::TailsDamaged { count } => format!(
                "O diário está íntegro e o nó inicia; {count} arquivo(s) de entradas postas de lado não podem ser lidos \
                 por inteiro. O que ainda se lê: journal dump --file ARQUIVO"
            ),
            Self::OnlyInSnapshot { up_to } => {
                format!(
                    "As entradas até {up_to} só existem no snapshot, que guarda o estado a que levaram."
                )
            }
            Self::StartRefused { verify, repair } => format!(
                "O diário está danificado; este nó não inicia. Veja o dano: {verify}\nRefaça o nó a partir do outro \
                 orquestrador: {repair}"
            ),
            Self::SnapshotUnreadable { error } => format!(
                "O snapshot em disco, de que o outro orquestrador precisa, não serve: {error}. Outro é gravado a partir da \
                 memória. Verifique o disco."
            ),
            Self::TornCut { file, offset, bytes } => format!(
                "AVISO: a última gravação em {file} foi interrompida ({bytes} bytes a partir do byte {offset}); nunca \
                 confirmada, foi cortada."
            ),
            Self::BoundsMended { file, offset } => format!(
                "AVISO: uma das duas cópias em {file} não estava íntegra (byte {offset}); vale a outra, e ambas foram \
                 regravadas. Verifique o disco."
            ),
            Self::EmptySpan { from, to } => {
                format!("Não há entradas de {from} a {to}: --from não pode passar de --to.")
            }
            Self::NothingInSpan { held: Some((first, last)) } => {
                format!("Nenhuma entrada neste intervalo: o diário guarda as de {first} a {last}.")
            }
            Self::NothingInSpan { held: None } => "O diário não guarda nenhuma entrada.".into(),
            Self::RepairFailed { error, command } => format!(
                "ERRO: o nó não pôde ser refeito: {error} Nada foi apagado. Corrija isso e repita: {command}"
            ),
            Self::PeerIsThisNode { peer, node } => format!(
                "Recusado: o orquestrador em {peer} é este mesmo nó ({node}): este diretório é uma cópia do dele. Não \
                 inicie nada com ela; ou informe onde está o outro com --peer."
            ),
            Self::NothingToRepair { dir } => {
                format!("O diário em {dir} está íntegro: nada a reparar.")
            }
            Self::PeerUnreachable { peer, error } => format!(
                "Recusado: o orquestrador em {peer} não responde ({error}). Sem ele, pôr este diário de lado poderia \
                 perder o que só está aqui. Inicie o outro, ou informe onde ele está com --peer, e repita. Se o diário dele também \
                 está danificado: reponha a cópia de segurança de um dos diretórios e promova-o, ou comece de novo \
                 (docs/operations.md, \"Both journals are damaged\")."
            ),
            Self::PeerNotPrincipal { peer } => format!(
                "Recusado: o orquestrador em {peer} responde, mas não atende como principal. O que ele tem não é mais \
                 antigo do que o que se lê aqui. Se ele espera por este nó, promova-o, sem perda do que se lê aqui: \
                 cliente --orchestrators {peer} cluster promote --force; depois repita."
            ),
            Self::PeerIncomplete { peer, ours, theirs } => format!(
                "Recusado: o orquestrador em {peer} não atende como principal e tem as entradas até {theirs}; aqui se lê \
                 até {ours}. Pôr este diário de lado poderia perder o que só está aqui. Guarde este diretório; o que \
                 ainda se lê: journal dump."
            ),
            Self::PeerOlder { peer, ours, theirs } => format!(
                "Recusado: este diário conhece a visão {ours}, e o orquestrador em {peer} só a {theirs}: o que foi \
                 confirmado depois pode estar só aqui. Guarde este diretório. Se há uma cópia mais nova do outro nó, \
                 use-a; o que ainda se lê aqui: journal dump."
            ),
            Self::PeerDiverged { peer, view } => format!(
                "Recusado: o orquestrador em {peer} decidiu a visão {view} de outro modo (promoção forçada): as \
                 histórias se separaram. Veja o que só está aqui com journal dump; para abandoná-lo, mova o diretório \
                 à mão e inicie o nó."
            ),
            Self::PeerForeign { peer, ours, theirs } => format!(
                "Recusado: o orquestrador em {peer} é de outro cluster ({theirs}; este nó é de {ours}). Informe o certo \
                 com --peer."
            ),
            Self::ClusterUnknown { peer, dir } => format!(
                "Recusado: o que se lê aqui não diz de que cluster este nó era, e não pode ser comparado com {peer}. Se \
                 tem certeza, mova {dir} à mão e inicie o nó."
            ),
            Self::Confirm { dir, folder, peer } => format!(
                "O conteúdo de {dir} será posto em {folder} (nada é apagado), e este nó começará de novo, como outro \
                 nó, copiando tudo de {peer}. Continuar? [s/N] "
            ),
            Self::NeedsYes => "Fora de um terminal, confirme com --yes.".into(),
            Self::NotConfirmed => "Nada foi alterado.".into(),
            Self::RepairInterrupted { command } => {
                format!("Um reparo deste nó foi interrompido; termine-o: {command}")
            }
            Self::Repaired { folder, node, peer } => format!(
                "Pronto. O conteúdo anterior está em {folder}; remova-o quando não precisar mais dele. Este nó agora é \
                 {node}. Inicie-o como sempre: ele copia tudo de {peer} e avisa quando estiver sincronizado."
            ),
            Self::StillListed { peer } => format!(
                "AVISO: a visão atual ainda conta com o nó que foi posto de lado, e sem ele {peer} não confirma nada. Se \
                 isso não mudar sozinho depois da partida deste nó, reinicie o outro e, sem perda: cliente \
                 --orchestrators {peer} cluster promote --force"
            ),
        }
    }

    fn english(&self) -> String {
        match self {
            Self::InUse { dir } => format!(
                "The directory {dir} is in use by a process. Stop the orchestrator (Ctrl+C) and repeat."
            ),
            Self::NoJournal { dir } => format!(
                "There is no journal in {dir}. Give the directory with --data-dir, or the node's port with --port."
            ),
            Self::Failed { error } => format!("ERROR: the journal could not be examined: {error}"),
            Self::Whole { node, last } => {
                format!("The journal is whole: node {node}, last entry {last}.")
            }
            Self::Damage { file, offset, index, flaw } => {
                let place = place(file, *offset, *index, ["byte", "entry"]);
                format!("DAMAGE: {place}: {}.", flaw.text(Lang::En))
            }
            Self::Damaged { count, command, peer } => format!(
                "The journal is damaged in {count} place(s): this node does not start with it. Nothing was changed. With \
                 the other orchestrator serving, make this node anew from it: {command}\n(with --peer, if the other one \
                 is not at {peer})"
            ),
            Self::TailsDamaged { count } => format!(
                "The journal is whole and the node starts; {count} file(s) of set-aside entries cannot be read \
                 completely. What can still be read: journal dump --file FILE"
            ),
            Self::OnlyInSnapshot { up_to } => {
                format!(
                    "The entries up to {up_to} exist only in the snapshot, which holds the state they led to."
                )
            }
            Self::StartRefused { verify, repair } => format!(
                "The journal is damaged; this node does not start. See the damage: {verify}\nMake the node anew from the \
                 other orchestrator: {repair}"
            ),
            Self::SnapshotUnreadable { error } => format!(
                "The snapshot on disk, which the other orchestrator needs, is of no use: {error}. Another one is written \
                 from memory. Check the disk."
            ),
            Self::TornCut { file, offset, bytes } => format!(
                "WARNING: the last write to {file} was interrupted ({bytes} bytes from byte {offset} on); it was never \
                 acknowledged and has been cut off."
            ),
            Self::BoundsMended { file, offset } => format!(
                "WARNING: one of the two copies in {file} was not intact (byte {offset}); the other one counts, and both \
                 were written anew. Check the disk."
            ),
            Self::EmptySpan { from, to } => {
                format!("There are no entries from {from} to {to}: --from may not be behind --to.")
            }
            Self::NothingInSpan { held: Some((first, last)) } => {
                format!(
                    "No entry is within that span: the journal holds those from {first} to {last}."
                )
            }
            Self::NothingInSpan { held: None } => "The journal holds no entry.".into(),
            Self::RepairFailed { error, command } => format!(
                "ERROR: the node could not be made anew: {error} Nothing was deleted. Mend that and repeat: {command}"
            ),
            Self::PeerIsThisNode { peer, node } => format!(
                "Refused: the orchestrator at {peer} is this very node ({node}): this directory is a copy of its own. Start \
                 nothing from it; or say where the other one is with --peer."
            ),
            Self::NothingToRepair { dir } => {
                format!("The journal in {dir} is whole: nothing to repair.")
            }
            Self::PeerUnreachable { peer, error } => format!(
                "Refused: the orchestrator at {peer} does not answer ({error}). Without it, setting this journal aside \
                 could lose what is only here. Start the other one, or say where it is with --peer, and repeat. If its journal is \
                 damaged too: put back the backup of one of the directories and promote it, or begin anew \
                 (docs/operations.md, \"Both journals are damaged\")."
            ),
            Self::PeerNotPrincipal { peer } => format!(
                "Refused: the orchestrator at {peer} answers, but does not serve as principal. What it has is no older \
                 than what can be read here. If it waits for this node, promote it, without losing what can be read \
                 here: cliente --orchestrators {peer} cluster promote --force; then repeat."
            ),
            Self::PeerIncomplete { peer, ours, theirs } => format!(
                "Refused: the orchestrator at {peer} does not serve as principal and has the entries up to {theirs}; \
                 here up to {ours} can be read. Setting this journal aside could lose what is only here. Keep this \
                 directory; what can still be read: journal dump."
            ),
            Self::PeerOlder { peer, ours, theirs } => format!(
                "Refused: this journal knows view {ours}, and the orchestrator at {peer} only {theirs}: what was \
                 acknowledged since may be only here. Keep this directory. If there is a newer copy of the other node, \
                 use it; what can still be read here: journal dump."
            ),
            Self::PeerDiverged { peer, view } => format!(
                "Refused: the orchestrator at {peer} decided view {view} differently (a forced promotion): the \
                 histories have parted. See with journal dump what is only here; to abandon it, move the directory away \
                 by hand and start the node."
            ),
            Self::PeerForeign { peer, ours, theirs } => format!(
                "Refused: the orchestrator at {peer} belongs to another cluster ({theirs}; this node to {ours}). Give the \
                 right one with --peer."
            ),
            Self::ClusterUnknown { peer, dir } => format!(
                "Refused: what can be read here does not tell which cluster this node belonged to, and cannot be \
                 compared with {peer}. If you are certain, move {dir} away by hand and start the node."
            ),
            Self::Confirm { dir, folder, peer } => format!(
                "The contents of {dir} will be put into {folder} (nothing is deleted), and this node begins anew, as \
                 another node, copying everything from {peer}. Go on? [y/N] "
            ),
            Self::NeedsYes => "Not on a terminal: confirm with --yes.".into(),
            Self::NotConfirmed => "Nothing was changed.".into(),
            Self::RepairInterrupted { command } => {
                format!("A repair of this node was interrupted; finish it: {command}")
            }
            Self::Repaired { folder, node, peer } => format!(
                "Done. The former contents are in {folder}; remove it when you no longer need it. This node is now \
                 {node}. Start it as always: it copies everything from {peer} and says when it is in sync."
            ),
            Self::StillListed { peer } => format!(
                "WARNING: the present view still counts on the node that was set aside, and without it {peer} \
                 acknowledges nothing. If that does not change by itself after this node's start, restart the other one \
                 and, without loss: cliente --orchestrators {peer} cluster promote --force"
            ),
        }
    }
}

/// The words that mean yes to [`JournalMessage::Confirm`].
pub fn is_yes(answer: &str, lang: Lang) -> bool {
    let answer = answer.trim().to_lowercase();
    match lang {
        Lang::Pt => matches!(answer.as_str(), "s" | "sim"),
        Lang::En => matches!(answer.as_str(), "y" | "yes"),
    }
}

/// The help of the subcommand and its arguments.
pub fn help(id: &str, lang: Lang) -> Option<&'static str> {
    Some(match lang {
        Lang::Pt => match id {
            "journal.about" => "Examina o diário de um nó parado, ou o refaz a partir do outro",
            "journal.verify.about" => "Confere tudo no diretório de dados, sem alterar nada",
            "journal.dump.about" => "Mostra as entradas, uma por linha",
            "journal.repair.about" => {
                "Põe um diário danificado de lado e prepara o nó para copiar tudo do outro"
            }
            "output" => "Formato da saída",
            "from" => "Primeira entrada mostrada",
            "to" => "Última entrada mostrada",
            "file" => "Mostra este arquivo de entradas postas de lado em vez do diário",
            "from_peer" => "A partir do outro orquestrador, que deve estar atendendo",
            "yes" => "Não pergunta",
            _ => return None,
        },
        Lang::En => match id {
            "journal.about" => {
                "Examine the journal of a stopped node, or make it anew from the other"
            }
            "journal.verify.about" => "Check everything in the data directory; changes nothing",
            "journal.dump.about" => "Show the entries, one per line",
            "journal.repair.about" => {
                "Set a damaged journal aside and prepare the node to copy everything from the other"
            }
            "output" => "Format of the output",
            "from" => "First entry shown",
            "to" => "Last entry shown",
            "file" => "Show this file of set-aside entries instead of the journal",
            "from_peer" => "From the other orchestrator, which must be serving",
            "yes" => "Do not ask",
            _ => return None,
        },
    })
}
