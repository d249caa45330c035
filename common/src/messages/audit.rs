//! What operators read of an audit: what each journal holds, and what it all comes to.

use crate::lang::Lang;

/// One line of an audit.
#[derive(Clone, Debug)]
pub enum AuditMessage {
    /// What the journal of one member holds.
    Node {
        address: String,
        first: u64,
        at: u64,
        tasks: u64,
        epoch: u64,
        second_outcomes: u64,
        epoch_regressions: u64,
        missing: usize,
        contradiction: String,
    },
    /// An acknowledged task that was never in it.
    Missing { task: String },
    /// Acknowledged tasks that it may have forgotten.
    Forgotten { count: usize },
    /// A node whose journal was not read. `id` is empty where it is not known.
    NotRead { address: String, id: String, why: NotRead },
    /// A view that an operator forced.
    Override { view: u64, epoch: u64, index: u64 },
    /// What it came to; `asked` tasks had been acknowledged to the caller.
    Verdict { proof: Proof, asked: usize },
}

/// Why a journal was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotRead {
    /// It did not answer, or not to the end.
    Silent,
    /// It answered, and refused.
    Refused,
    /// It does not belong to the newest view: what it holds may be old.
    NotMember,
    /// It belongs to another cluster.
    Foreign,
}

impl NotRead {
    /// For programs.
    pub fn word(self) -> &'static str {
        match self {
            Self::Silent => "SILENT",
            Self::Refused => "REFUSED",
            Self::NotMember => "NOT_MEMBER",
            Self::Foreign => "FOREIGN",
        }
    }

    fn portuguese(self) -> &'static str {
        match self {
            Self::Silent => "não lido: não responde",
            Self::Refused => "não lido: recusou o pedido",
            Self::NotMember => "não lido: não faz parte da visão mais nova",
            Self::Foreign => "não lido: pertence a outro cluster",
        }
    }

    fn english(self) -> &'static str {
        match self {
            Self::Silent => "not read: it does not answer",
            Self::Refused => "not read: it refused the request",
            Self::NotMember => "not read: it does not belong to the newest view",
            Self::Foreign => "not read: it belongs to another cluster",
        }
    }
}

/// What an audit came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// The journals of both members were read and agree.
    Proven,
    /// Nothing is wrong with the one that was read.
    OneNodeOnly,
    /// Nothing is wrong, but not everything could be compared.
    Incomplete,
    /// Something is not as it must be.
    Violated,
}

impl Proof {
    /// For programs.
    pub fn word(self) -> &'static str {
        match self {
            Self::Proven => "PROVEN",
            Self::OneNodeOnly => "ONE_NODE_ONLY",
            Self::Incomplete => "INCOMPLETE",
            Self::Violated => "VIOLATED",
        }
    }

    fn portuguese(self, asked: usize) -> String {
        match self {
            Self::Proven if asked == 0 => {
                "Provado: os dois diários são o mesmo e cada tarefa tem um só resultado.".into()
            }
            Self::Proven => format!(
                "Provado: os dois diários são o mesmo, cada tarefa tem um só resultado, e as {asked} confirmadas que você deu estão neles."
            ),
            Self::OneNodeOnly => {
                "Só um membro do cluster pôde ser lido: nada de errado nele, mas nada foi comparado. Repita quando houver um backup em sincronia.".into()
            }
            Self::Incomplete => {
                "Nada de errado, mas não se provou tudo: veja acima o que não foi lido, comparado ou encontrado.".into()
            }
            Self::Violated => {
                "VIOLAÇÃO: os diários não são como deveriam. Guarde os diretórios de dados e relate.".into()
            }
        }
    }

    fn english(self, asked: usize) -> String {
        match self {
            Self::Proven if asked == 0 => {
                "Proven: both journals are the same, and each task has one outcome.".into()
            }
            Self::Proven => format!(
                "Proven: both journals are the same, each task has one outcome, and the {asked} acknowledged ones that you gave are there."
            ),
            Self::OneNodeOnly => {
                "Only one member of the cluster could be read: nothing is wrong with it, but nothing was compared. Repeat it when a backup is in sync.".into()
            }
            Self::Incomplete => {
                "Nothing is wrong, but not everything is proven: see above what was not read, compared or found.".into()
            }
            Self::Violated => {
                "VIOLATION: the journals are not as they must be. Keep the data directories and report it.".into()
            }
        }
    }
}

impl AuditMessage {
    /// The line.
    pub fn text(&self, lang: Lang) -> String {
        match lang {
            Lang::Pt => self.portuguese(),
            Lang::En => self.english(),
        }
    }

    fn portuguese(&self) -> String {
        match self {
            Self::Node {
                address,
                first,
                at,
                tasks,
                epoch,
                second_outcomes,
                epoch_regressions,
                missing,
                contradiction,
            } => {
                let wrong = after("; contradição: ", contradiction);
                format!(
                    "{address}: entradas {first} a {at} após o snapshot, época até {epoch}, {tasks} tarefas; segundos resultados: {second_outcomes}; épocas que voltam: {epoch_regressions}; confirmadas que faltam: {missing}{wrong}"
                )
            }
            Self::Missing { task } => format!("  falta {task}"),
            Self::Forgotten { count } => format!(
                "  confirmadas que o diário não conhece mais: {count}. A retenção já esqueceu tarefas antes do snapshot; estas podem estar entre elas."
            ),
            Self::NotRead { address, id, why } => {
                format!("{address}{}: {}", in_brackets(id), why.portuguese())
            }
            Self::Override { view, epoch, index } => format!(
                "A visão {view} (época {epoch}{}) foi forçada por um operador: o que só o outro orquestrador tinha confirmado até ali pode faltar. Veja cliente cluster recover-tail.",
                entry(", entrada ", *index)
            ),
            Self::Verdict { proof, asked } => proof.portuguese(*asked),
        }
    }

    fn english(&self) -> String {
        match self {
            Self::Node {
                address,
                first,
                at,
                tasks,
                epoch,
                second_outcomes,
                epoch_regressions,
                missing,
                contradiction,
            } => {
                let wrong = after("; contradiction: ", contradiction);
                format!(
                    "{address}: entries {first} to {at} after the snapshot, epoch up to {epoch}, {tasks} tasks; second outcomes: {second_outcomes}; epochs going back: {epoch_regressions}; acknowledged and missing: {missing}{wrong}"
                )
            }
            Self::Missing { task } => format!("  missing {task}"),
            Self::Forgotten { count } => format!(
                "  acknowledged and no longer known: {count}. Retention has forgotten tasks before the snapshot; these may be among them."
            ),
            Self::NotRead { address, id, why } => {
                format!("{address}{}: {}", in_brackets(id), why.english())
            }
            Self::Override { view, epoch, index } => format!(
                "View {view} (epoch {epoch}{}) was forced by an operator: what only the other orchestrator had acknowledged until then may be missing. See cliente cluster recover-tail.",
                entry(", entry ", *index)
            ),
            Self::Verdict { proof, asked } => proof.english(*asked),
        }
    }
}

/// Nothing where there is nothing to say.
fn after(words: &str, what: &str) -> String {
    if what.is_empty() { String::new() } else { format!("{words}{what}") }
}

fn in_brackets(id: &str) -> String {
    if id.is_empty() { String::new() } else { format!(" ({id})") }
}

fn entry(words: &str, index: u64) -> String {
    if index == 0 { String::new() } else { format!("{words}{index}") }
}
