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
        /// A field that there is, and that may have been meant.
        meant: Option<&'static str>,
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
            Self::Unreadable { why } => format!("não é TOML como se espera aqui:\n{why}"),
            Self::Empty => {
                "não há nenhuma tarefa; cada uma é uma seção [tasks.NOME] com command, shell ou handler".into()
            }
            Self::UnknownField { task, field, meant: None } => {
                format!("{task}: o campo {field} não existe")
            }
            Self::UnknownField { task, field, meant: Some(meant) } => {
                format!("{task}: o campo {field} não existe; talvez {meant}?")
            }
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
                let expected = expected(field).map_or(String::new(), |(text, _)| format!("; espera-se {text}"));
                format!("{task}: {field} não pode ser {value}{expected}")
            }
        }
    }

    pub(super) fn english(&self) -> String {
        match self {
            Self::Unreadable { why } => format!("it is not TOML as expected here:\n{why}"),
            Self::Empty => {
                "there is no task; each is a section [tasks.NAME] with command, shell or handler"
                    .into()
            }
            Self::UnknownField { task, field, meant: None } => {
                format!("{task}: there is no field {field}")
            }
            Self::UnknownField { task, field, meant: Some(meant) } => {
                format!("{task}: there is no field {field}; perhaps {meant}?")
            }
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
            Self::BadValue { task, field, value } => {
                let expected = expected(field)
                    .map_or(String::new(), |(_, text)| format!("; expected is {text}"));
                format!("{task}: {field} cannot be {value}{expected}")
            }
        }
    }
}

/// What the field may be, in Portuguese and in English.
fn expected(field: &str) -> Option<(&'static str, &'static str)> {
    match field {
        "array" => Some((
            "PRIMEIRO-ÚLTIMO em ordem crescente, como 0-999",
            "FIRST-LAST in ascending order, like 0-999",
        )),
        "attempt_timeout" | "expires" | "deadline" | "retry_delay" | "retry_max_delay" => {
            Some(("uma duração, como 30s, 5m ou 2h", "a duration, like 30s, 5m or 2h"))
        }
        "delivery" => Some(("at-least-once ou at-most-once", "at-least-once or at-most-once")),
        "memory_limit" => Some(("um tamanho, como 512MiB", "a size, like 512MiB")),
        "outputs" => Some((
            "um caminho relativo, sem .., ou um padrão",
            "a relative path without .., or a pattern",
        )),
        "retries" => Some((
            "0, ou a entrega at-least-once: o que se faz uma só vez não se repete",
            "0, or delivery at-least-once: what is done once only is not repeated",
        )),
        "cwd" => Some((
            "um diretório, e nenhum quando há inputs ou outputs",
            "a directory, and none where there are inputs or outputs",
        )),
        _ => None,
    }
}
