//! What `cliente top` shows.

use super::Message;
use super::amounts;
use super::words::counted;
use crate::lang::Lang;

/// A page, the head of a section, or the name of a figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TopWord {
    Cluster,
    Workers,
    Queues,
    Tasks,
    History,
    Orchestrators,
    Activity,
    Throughput,
    Commits,
    Load,
    Paused,
    Open,
    Connected,
    Draining,
    Silent,
    InSync,
    Epoch,
    View,
    Witnesses,
    Administrator,
    Submitter,
    Viewer,
    /// Of what this screen saw.
    SeenHere,
    NoneSeen,
    ForAdministrators,
    NoWorkers,
    NoTasks,
    NoQueues,
    NothingFits,
    SaidNothing,
    Output,
    Help,
    Filter,
    SortedBy,
    ViewerChangesNothing,
    NothingToCancel,
    NothingToRetry,
    Reading,
}

impl TopWord {
    #[must_use]
    pub fn text(self, lang: Lang) -> &'static str {
        match lang {
            Lang::Pt => self.portuguese(),
            Lang::En => self.english(),
        }
    }

    fn portuguese(self) -> &'static str {
        match self {
            Self::Cluster => "Cluster",
            Self::Workers => "Workers",
            Self::Queues => "Filas",
            Self::Tasks => "Tarefas",
            Self::History => "Histórico",
            Self::Orchestrators => "Orquestradores",
            Self::Activity => "Atividade",
            Self::Throughput => "Vazão",
            Self::Commits => "Confirmação",
            Self::Load => "Carga",
            Self::Paused => "pausada",
            Self::Open => "aberta",
            Self::Connected => "conectado",
            Self::Draining => "encerrando",
            Self::Silent => "sem contato",
            Self::InSync => "em sincronia",
            Self::Epoch => "época",
            Self::View => "visão",
            Self::Witnesses => "testemunhas",
            Self::Administrator => "administrador",
            Self::Submitter => "submitter",
            Self::Viewer => "observador",
            Self::SeenHere => "Trocas de principal vistas por esta tela",
            Self::NoneSeen => "Nenhuma desde que ela foi aberta.",
            Self::ForAdministrators => "As visões gravadas são mostradas a administradores.",
            Self::NoWorkers => "Nenhum worker registrado.",
            Self::NoTasks => "Nenhuma tarefa.",
            Self::NoQueues => "Nenhuma fila ainda.",
            Self::NothingFits => "Nada contém o que o filtro pede.",
            Self::SaidNothing => "Nada foi dito ainda.",
            Self::Output => "Fim da saída",
            Self::Help => "Ajuda",
            Self::Filter => "filtro",
            Self::SortedBy => "por",
            Self::ViewerChangesNothing => "Seu papel é observar: nada é mudado.",
            Self::NothingToCancel => "A tarefa já terminou: não há o que cancelar.",
            Self::NothingToRetry => "Só se repete uma tarefa que falhou ou se perdeu.",
            Self::Reading => "Lendo…",
        }
    }

    fn english(self) -> &'static str {
        match self {
            Self::Cluster => "Cluster",
            Self::Workers => "Workers",
            Self::Queues => "Queues",
            Self::Tasks => "Tasks",
            Self::History => "History",
            Self::Orchestrators => "Orchestrators",
            Self::Activity => "Activity",
            Self::Throughput => "Throughput",
            Self::Commits => "Commit",
            Self::Load => "Load",
            Self::Paused => "paused",
            Self::Open => "open",
            Self::Connected => "connected",
            Self::Draining => "draining",
            Self::Silent => "silent",
            Self::InSync => "in sync",
            Self::Epoch => "epoch",
            Self::View => "view",
            Self::Witnesses => "witnesses",
            Self::Administrator => "administrator",
            Self::Submitter => "submitter",
            Self::Viewer => "viewer",
            Self::SeenHere => "Changes of principal that this screen saw",
            Self::NoneSeen => "None since it was opened.",
            Self::ForAdministrators => "The recorded views are shown to administrators.",
            Self::NoWorkers => "No worker is registered.",
            Self::NoTasks => "No task.",
            Self::NoQueues => "No queue yet.",
            Self::NothingFits => "Nothing contains what the filter asks for.",
            Self::SaidNothing => "Nothing was said yet.",
            Self::Output => "End of its output",
            Self::Help => "Help",
            Self::Filter => "filter",
            Self::SortedBy => "by",
            Self::ViewerChangesNothing => "Your role is to look: nothing is changed.",
            Self::NothingToCancel => "The task has ended: there is nothing to cancel.",
            Self::NothingToRetry => "Only a task that failed or was lost is repeated.",
            Self::Reading => "Reading…",
        }
    }
}

/// The heads of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TopTable {
    Nodes,
    Workers,
    Queues,
    Tasks,
}

impl TopTable {
    #[must_use]
    pub fn heads(self, lang: Lang) -> &'static [&'static str] {
        match (lang, self) {
            (Lang::Pt, Self::Nodes) => &["ORQUESTRADOR", "PAPEL", "ÍNDICE", "ATRASO", "SITUAÇÃO"],
            (Lang::En, Self::Nodes) => &["ORCHESTRATOR", "ROLE", "INDEX", "LAG", "CONDITION"],
            (Lang::Pt, Self::Workers) => {
                &["WORKER", "SITUAÇÃO", "VAGAS", "SINAL", "ATRIBUÍDAS", "HANDLERS", "ETIQUETAS"]
            }
            (Lang::En, Self::Workers) => {
                &["WORKER", "CONDITION", "SLOTS", "BEAT", "ASSIGNED", "HANDLERS", "LABELS"]
            }
            (Lang::Pt, Self::Queues) => {
                &["FILA", "SITUAÇÃO", "AGUARDANDO", "EXECUTANDO", "NO MÁXIMO", "PESO"]
            }
            (Lang::En, Self::Queues) => {
                &["QUEUE", "CONDITION", "WAITING", "RUNNING", "AT MOST", "WEIGHT"]
            }
            (Lang::Pt, Self::Tasks) => &[
                "TAREFA", "STATUS", "HANDLER", "TENT.", "IDADE", "DUROU", "WORKER", "FILA",
                "DE QUEM", "MOTIVO",
            ],
            (Lang::En, Self::Tasks) => &[
                "TASK", "STATUS", "HANDLER", "ATT.", "AGE", "TOOK", "WORKER", "QUEUE", "OWNER",
                "REASON",
            ],
        }
    }
}

/// What the keys do, as the last line and the help tell it.
#[must_use]
pub fn keys(lang: Lang) -> &'static [(&'static str, &'static str, &'static str)] {
    match lang {
        Lang::Pt => &[
            ("?", "ajuda", "Mostra esta ajuda"),
            ("q", "sair", "Sai; também Esc e Ctrl+C"),
            ("Tab", "página", "A página seguinte; 1 a 5 escolhem uma"),
            ("Enter", "abrir", "Abre a tarefa: o que aconteceu com ela, e o fim da saída"),
            ("/", "filtrar", "Mostra só as linhas que contêm estas palavras; Esc desfaz"),
            ("s", "ordenar", "Ordena por outra coluna"),
            ("c", "cancelar", "Cancela a tarefa, depois de perguntar"),
            ("r", "repetir", "Repete uma tarefa que falhou ou se perdeu, depois de perguntar"),
            ("p", "pausar", "Para a tela como está, e a solta"),
            ("↑ ↓ j k", "", "Uma linha; PgUp e PgDn uma tela; Home e End o começo e o fim"),
            ("Ctrl+Z", "", "Deixa a tela; fg volta a ela"),
        ],
        Lang::En => &[
            ("?", "help", "Shows this help"),
            ("q", "quit", "Quits; so do Esc and Ctrl+C"),
            ("Tab", "page", "The next page; 1 to 5 choose one"),
            ("Enter", "open", "Opens the task: what happened to it, and the end of its output"),
            ("/", "filter", "Shows only lines that contain these words; Esc undoes it"),
            ("s", "sort", "Sorts by another column"),
            ("c", "cancel", "Cancels the task, after asking"),
            ("r", "retry", "Repeats a task that failed or was lost, after asking"),
            ("p", "pause", "Stops the screen as it is, and lets it go on"),
            (
                "↑ ↓ j k",
                "",
                "One line; PgUp and PgDn a screen; Home and End the beginning and the end",
            ),
            ("Ctrl+Z", "", "Leaves the screen; fg comes back to it"),
        ],
    }
}

/// A sentence with parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TopMessage {
    /// The principal that was known says nothing.
    PrincipalSilent {
        principal: String,
        ms: u64,
    },
    /// There is no picture yet.
    NobodyAnswers {
        addresses: String,
        ms: u64,
    },
    /// The picture is held.
    Held {
        ms: u64,
    },
    TookOver {
        principal: String,
        epoch: u64,
        from: String,
        ms: u64,
    },
    /// The figure that is in the head of the throughput.
    PerSecond {
        rate: String,
    },
    Latency {
        p50: String,
        p99: String,
    },
    Loaded {
        running: u64,
        waiting: u64,
    },
    Connected {
        workers: usize,
        busy: u32,
        slots: u32,
    },
    /// So many of so many.
    Shown {
        shown: usize,
        all: usize,
    },
    More {
        lines: usize,
    },
    AskCancel {
        task: String,
    },
    AskRetry {
        task: String,
    },
    Cancelled {
        task: String,
    },
    Retried {
        by: String,
    },
    /// Only a table is drawn.
    NoJson,
    /// Nobody could press a key, or a screen could not be drawn.
    NoTerminal,
    /// Of `--interval`.
    TooOften,
}

impl Message for TopMessage {
    fn event(&self) -> &'static str {
        match self {
            Self::PrincipalSilent { .. } => "principal_silent",
            Self::NobodyAnswers { .. } => "nobody_answers",
            Self::Held { .. } => "held",
            Self::TookOver { .. } => "took_over",
            Self::PerSecond { .. } => "per_second",
            Self::Latency { .. } => "latency",
            Self::Loaded { .. } => "loaded",
            Self::Connected { .. } => "connected",
            Self::Shown { .. } => "shown",
            Self::More { .. } => "more",
            Self::AskCancel { .. } => "ask_cancel",
            Self::AskRetry { .. } => "ask_retry",
            Self::Cancelled { .. } => "task_cancelled",
            Self::Retried { .. } => "task_retried",
            Self::NoJson => "no_json",
            Self::NoTerminal => "no_terminal",
            Self::TooOften => "too_often",
        }
    }

    fn text(&self, lang: Lang) -> String {
        match lang {
            Lang::Pt => self.portuguese(),
            Lang::En => self.english(),
        }
    }
}

impl TopMessage {
    fn portuguese(&self) -> String {
        match self {
            Self::PrincipalSilent { principal, ms } => {
                let since = amounts::whole(*ms);
                format!("PRINCIPAL EM SILÊNCIO HÁ {since}: {principal}; abaixo, o que ele disse")
            }
            Self::NobodyAnswers { addresses, ms } => {
                format!("NENHUM PRINCIPAL RESPONDE HÁ {}: {addresses}", amounts::whole(*ms))
            }
            Self::Held { ms } => format!("PAUSADO: como era há {}; p solta", amounts::whole(*ms)),
            Self::TookOver { principal, epoch, from, ms } => format!(
                "{principal} é o principal, época {epoch}, no lugar de {from}; sem resposta por no máximo {}",
                amounts::rounded(*ms)
            ),
            Self::PerSecond { rate } => format!("{rate}/s"),
            Self::Latency { p50, p99 } => format!("p50 {p50} p99 {p99}"),
            Self::Loaded { running, waiting } => format!("executando {running}, fila {waiting}"),
            Self::Connected { workers, busy, slots } => {
                let connected = counted(workers, "conectado", "conectados");
                format!("{connected} · {busy} de {slots} vagas em uso")
            }
            Self::Shown { shown, all } => format!("{shown} de {all}"),
            Self::More { lines } => format!("… e mais {lines}"),
            Self::AskCancel { task } => format!("Cancelar {task}? s/n"),
            Self::AskRetry { task } => format!("Repetir {task}? s/n"),
            Self::Cancelled { task } => format!("{task} foi cancelada."),
            Self::Retried { by } => format!("Repetida por {by}."),
            Self::NoJson => "cliente top desenha uma tela e não tem JSON; os mesmos dados: cliente cluster, workers, queues e list com --output json.".into(),
            Self::NoTerminal => "cliente top precisa de um terminal em que se veja e se tecle; sem um, cliente top --once mostra a tela uma vez.".into(),
            Self::TooOften => "--interval: no mínimo 200ms.".into(),
        }
    }

    fn english(&self) -> String {
        match self {
            Self::PrincipalSilent { principal, ms } => {
                let since = amounts::whole(*ms);
                format!("PRINCIPAL SILENT FOR {since}: {principal}; below, what it said")
            }
            Self::NobodyAnswers { addresses, ms } => {
                format!("NO PRINCIPAL HAS ANSWERED FOR {}: {addresses}", amounts::whole(*ms))
            }
            Self::Held { ms } => {
                format!("PAUSED: as it was {} ago; p lets it go on", amounts::whole(*ms))
            }
            Self::TookOver { principal, epoch, from, ms } => format!(
                "{principal} is the principal, epoch {epoch}, in the place of {from}; no answer for {} at most",
                amounts::rounded(*ms)
            ),
            Self::PerSecond { rate } => format!("{rate}/s"),
            Self::Latency { p50, p99 } => format!("p50 {p50} p99 {p99}"),
            Self::Loaded { running, waiting } => format!("running {running}, queued {waiting}"),
            Self::Connected { workers, busy, slots } => {
                format!("{workers} connected · {busy} of {slots} slots in use")
            }
            Self::Shown { shown, all } => format!("{shown} of {all}"),
            Self::More { lines } => format!("… and {lines} more"),
            Self::AskCancel { task } => format!("Cancel {task}? y/n"),
            Self::AskRetry { task } => format!("Repeat {task}? y/n"),
            Self::Cancelled { task } => format!("{task} was cancelled."),
            Self::Retried { by } => format!("Repeated by {by}."),
            Self::NoJson => "cliente top draws a screen and has no JSON; the same data: cliente cluster, workers, queues and list with --output json.".into(),
            Self::NoTerminal => "cliente top needs a terminal to be seen and to take keys; without one, cliente top --once shows the screen once.".into(),
            Self::TooOften => "--interval: 200ms at least.".into(),
        }
    }
}

/// The help of its arguments.
pub fn help(id: &str, lang: Lang) -> Option<&'static str> {
    Some(match (id, lang) {
        ("top.about", Lang::Pt) => {
            "O cluster num terminal, ao vivo: orquestradores, workers, filas e tarefas, também através de um failover"
        }
        ("top.about", Lang::En) => {
            "The cluster in a terminal, live: orchestrators, workers, queues and tasks, through a failover too"
        }
        ("top.interval", Lang::Pt) => {
            "De quanto em quanto tempo o principal é perguntado: 500ms, 2s"
        }
        ("top.interval", Lang::En) => "How often the principal is asked: 500ms, 2s",
        ("top.all_users", Lang::Pt) => {
            "Tarefas de todos os usuários, para administradores e observadores"
        }
        ("top.all_users", Lang::En) => "Tasks of all users, for administrators and viewers",
        ("top.once", Lang::Pt) => {
            "Mostra a tela uma vez, como texto, como sempre que a saída não é um terminal; leva um intervalo"
        }
        ("top.once", Lang::En) => {
            "Shows the screen once, as text, as always where the output is no terminal; it takes an interval"
        }
        _ => return None,
    })
}
