//! What is wrong with files of tasks.

/// What is wrong with a file of tasks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FlowProblem {
    /// In the words of its parser; `at`: line and column, from 1.
    Unreadable {
        at: Option<(usize, usize)>,
        why: String,
    },
    UnknownSection {
        name: String,
        /// One that there is, and that may have been meant.
        meant: Option<&'static str>,
    },
    /// Of a task, of `defaults`, or, if `task` is empty, of the file itself.
    BadType {
        task: String,
        field: String,
        value: String,
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
            Self::Unreadable { at: Some((line, column)), why } => {
                format!("na linha {line}, coluna {column}, não é TOML [{why}]")
            }
            Self::Unreadable { at: None, why } => {
                format!("não é o que se espera num arquivo de tarefas [{why}]")
            }
            Self::UnknownSection { name, meant: None } => {
                format!("{name} não existe num arquivo de tarefas; há group, [defaults] e [tasks.NOME]")
            }
            Self::UnknownSection { name, meant: Some(meant) } => {
                format!("{name} não existe num arquivo de tarefas; talvez {meant}? Há group, [defaults] e [tasks.NOME]")
            }
            Self::BadType { task, field, value } => {
                let place = if task.is_empty() { String::new() } else { format!("{task}: ") };
                let expected = expected(field).map_or(String::new(), |(text, _)| format!("; espera-se {text}"));
                format!("{place}{field} não pode ser {value}{expected}")
            }
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
            Self::Unreadable { at: Some((line, column)), why } => {
                format!("it is not TOML in line {line}, column {column} [{why}]")
            }
            Self::Unreadable { at: None, why } => {
                format!("it is not what is expected in a file of tasks [{why}]")
            }
            Self::UnknownSection { name, meant: None } => {
                format!(
                    "there is no {name} in a file of tasks, but group, [defaults] and [tasks.NAME]"
                )
            }
            Self::UnknownSection { name, meant: Some(meant) } => {
                format!(
                    "there is no {name} in a file of tasks; perhaps {meant}? There are group, [defaults] and [tasks.NAME]"
                )
            }
            Self::BadType { task, field, value } => {
                let place = if task.is_empty() { String::new() } else { format!("{task}: ") };
                let expected = expected(field)
                    .map_or(String::new(), |(_, text)| format!("; expected is {text}"));
                format!("{place}{field} cannot be {value}{expected}")
            }
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
        "not_before" => Some((
            "data, hora e fuso, como 2026-12-01T08:00:00-03:00",
            "date, time and offset, like 2026-12-01T08:00:00-03:00",
        )),
        "attempt_timeout" | "expires" | "deadline" | "delay" | "retry_delay"
        | "retry_max_delay" => {
            Some(("uma duração, como 30s, 5m ou 2h", "a duration, like 30s, 5m or 2h"))
        }
        "delivery" => Some(("at-least-once ou at-most-once", "at-least-once or at-most-once")),
        "memory_limit" => Some(("um tamanho, como 512MiB", "a size, like 512MiB")),
        "outputs" => Some((
            "uma lista de caminhos relativos, sem .., ou de padrões",
            "a list of relative paths without .., or of patterns",
        )),
        "inputs_from" => Some((
            "uma lista como [\"outra\", \"outra:*.o\", \"outra:a.csv=dados/a.csv\"], com caminhos relativos, sem ..",
            "a list like [\"other\", \"other:*.o\", \"other:a.csv=data/a.csv\"], of relative paths without ..",
        )),
        "command" | "after" | "inputs" | "retry_on" => Some((
            "uma lista de textos, como [\"a\", \"b\"]",
            "a list of texts, like [\"a\", \"b\"]",
        )),
        "shell" | "handler" | "payload" | "queue" | "group" | "stdin" | "webhook" => {
            Some(("um texto entre aspas", "a text in quotes"))
        }
        "env" | "labels" => Some((
            "uma tabela de textos, como { CHAVE = \"valor\" }",
            "a table of texts, like { KEY = \"value\" }",
        )),
        "resources" => Some((
            "uma tabela de números, como { gpus = 1 }",
            "a table of numbers, like { gpus = 1 }",
        )),
        "priority" => Some(("um número de -128 a 127", "a number from -128 to 127")),
        "slots" => Some(("um número", "a number")),
        "own_dir" | "after_any_end" => Some(("true ou false", "true or false")),
        "tasks" => Some((
            "uma seção [tasks.NOME] para cada tarefa",
            "a section [tasks.NAME] for each task",
        )),
        "max_lost_attempts" => Some((
            "um número de 1 a 1000, e nenhum com a entrega at-most-once",
            "a number from 1 to 1000, and none with delivery at-most-once",
        )),
        "retries" => Some((
            "um número a partir de 0, e 0 com a entrega at-most-once: o que se faz uma só vez não se repete",
            "a number from 0 on, and 0 with delivery at-most-once: what is done once only is not repeated",
        )),
        "cwd" => Some((
            "um diretório, e nenhum quando há inputs ou outputs",
            "a directory, and none where there are inputs or outputs",
        )),
        _ => None,
    }
}
