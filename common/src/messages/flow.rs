//! What is wrong with files of tasks.

/// What is wrong with a file of tasks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FlowProblem {
    /// In the words of its parser.
    Unreadable {
        why: String,
    },
    Empty,
    UnknownField {
        task: String,
        field: String,
    },
    UnknownTask {
        task: String,
        other: String,
    },
    /// Each comes after the next.
    Cycle {
        names: String,
    },
    WorkNotClear {
        task: String,
    },
    Useless {
        task: String,
        field: &'static str,
    },
    /// Two fields that say different things.
    Contradiction {
        task: String,
        fields: [&'static str; 2],
    },
    BadValue {
        task: String,
        field: &'static str,
        value: String,
    },
}

impl FlowProblem {
    pub(super) fn portuguese(&self) -> String {
        match self {
            Self::Unreadable { why } => why.clone(),
            Self::Empty => "não há nenhuma tarefa".into(),
            Self::UnknownField { task, field } => format!("{task}: o campo {field} não existe"),
            Self::UnknownTask { task, other } => {
                format!("{task}: vem depois de {other}, que não está no arquivo")
            }
            Self::Cycle { names } => {
                format!("um ciclo, em que cada uma vem depois da seguinte: {names}")
            }
            Self::WorkNotClear { task } => {
                format!("{task}: informe command, shell ou handler, e só um deles")
            }
            Self::Useless { task, field } => {
                format!("{task}: {field} não tem efeito aqui; falta o campo que lhe dá sentido")
            }
            Self::Contradiction { task, fields: [one, other] } => {
                format!("{task}: {one} e {other} se excluem; informe só um deles")
            }
            Self::BadValue { task, field, value } => {
                format!("{task}: {field} não pode ser {value}")
            }
        }
    }

    pub(super) fn english(&self) -> String {
        match self {
            Self::Unreadable { why } => why.clone(),
            Self::Empty => "there is no task".into(),
            Self::UnknownField { task, field } => format!("{task}: there is no field {field}"),
            Self::UnknownTask { task, other } => {
                format!("{task}: comes after {other}, which is not in the file")
            }
            Self::Cycle { names } => {
                format!("a cycle, in which each comes after the next: {names}")
            }
            Self::WorkNotClear { task } => {
                format!("{task}: give command, shell or handler, and only one of them")
            }
            Self::Useless { task, field } => {
                format!("{task}: {field} has no effect here without the field that gives it one")
            }
            Self::Contradiction { task, fields: [one, other] } => {
                format!("{task}: {one} and {other} exclude each other; give only one of them")
            }
            Self::BadValue { task, field, value } => format!("{task}: {field} cannot be {value}"),
        }
    }
}
