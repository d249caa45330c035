//! Headings, labels and words of the client's tables.

use crate::lang::Lang;

/// The heads of a table.
#[derive(Clone, Copy, Debug)]
pub enum Columns {
    Tasks,
    /// Of all users.
    TasksOfAll,
    /// Of those that are followed.
    Live,
    Workers,
    Nodes,
    Users,
    Tokens,
    Queues,
    /// Groups of orchestrators.
    Shards,
    Schedules,
    /// When a schedule is due.
    Upcoming,
    Groups,
    /// What is not delivered.
    Webhooks,
}

impl Columns {
    /// One head for each column.
    pub fn heads(self, lang: Lang) -> &'static [&'static str] {
        match (lang, self) {
            (Lang::Pt, Self::Shards) => &["GRUPO", "FILAS", "ORQUESTRADORES"],
            (Lang::En, Self::Shards) => &["GROUP", "QUEUES", "ORCHESTRATORS"],
            (Lang::Pt, Self::Tasks) => &[
                "TAREFA",
                "STATUS",
                "HANDLER",
                "TENTATIVA",
                "WORKER",
                "RECEBIDA (UTC)",
                "TERMINADA (UTC)",
            ],
            (Lang::En, Self::Tasks) => &[
                "TASK",
                "STATUS",
                "HANDLER",
                "ATTEMPT",
                "WORKER",
                "SUBMITTED (UTC)",
                "FINISHED (UTC)",
            ],
            (Lang::Pt, Self::TasksOfAll) => &[
                "TAREFA",
                "DE QUEM",
                "STATUS",
                "HANDLER",
                "TENTATIVA",
                "WORKER",
                "RECEBIDA (UTC)",
                "TERMINADA (UTC)",
            ],
            (Lang::En, Self::TasksOfAll) => &[
                "TASK",
                "OWNER",
                "STATUS",
                "HANDLER",
                "ATTEMPT",
                "WORKER",
                "SUBMITTED (UTC)",
                "FINISHED (UTC)",
            ],
            (Lang::Pt, Self::Live) => &["TAREFA", "STATUS", "IDADE", "FILA", "WORKER"],
            (Lang::En, Self::Live) => &["TASK", "STATUS", "AGE", "QUEUE", "WORKER"],
            (Lang::Pt, Self::Workers) => {
                &["WORKER", "SITUAÇÃO", "VAGAS", "ATRIBUÍDAS", "HANDLERS", "ETIQUETAS E RECURSOS"]
            }
            (Lang::En, Self::Workers) => {
                &["WORKER", "CONDITION", "SLOTS", "ASSIGNED", "HANDLERS", "LABELS AND RESOURCES"]
            }
            (Lang::Pt, Self::Nodes) => &["ORQUESTRADOR", "PAPEL", "EM SINCRONIA", "ÍNDICE"],
            (Lang::En, Self::Nodes) => &["ORCHESTRATOR", "ROLE", "IN SYNC", "INDEX"],
            (Lang::Pt, Self::Tokens) => &["TOKEN", "CRIADO (UTC)", "EXPIRA (UTC)"],
            (Lang::En, Self::Tokens) => &["TOKEN", "ISSUED (UTC)", "EXPIRES (UTC)"],
            (Lang::Pt, Self::Users) => &[
                "USUÁRIO",
                "PAPEL",
                "CRIADO (UTC)",
                "POR TERMINAR",
                "BYTES",
                "EXECUTANDO",
                "POR SEGUNDO",
                "COTA",
            ],
            (Lang::Pt, Self::Queues) => {
                &["FILA", "SITUAÇÃO", "AGUARDANDO", "EXECUTANDO", "NO MÁXIMO", "PESO"]
            }
            (Lang::En, Self::Queues) => {
                &["QUEUE", "CONDITION", "WAITING", "RUNNING", "AT MOST", "WEIGHT"]
            }
            (Lang::En, Self::Users) => &[
                "USER",
                "ROLE",
                "ADDED (UTC)",
                "UNFINISHED",
                "BYTES",
                "RUNNING",
                "PER SECOND",
                "QUOTA",
            ],
            (Lang::Pt, Self::Schedules) => &[
                "AGENDAMENTO",
                "SITUAÇÃO",
                "QUANDO",
                "FUSO",
                "PRÓXIMA (UTC)",
                "ÚLTIMA (UTC)",
                "TAREFA",
                "DEPOIS DELA",
            ],
            (Lang::En, Self::Schedules) => &[
                "SCHEDULE",
                "CONDITION",
                "WHEN",
                "ZONE",
                "NEXT (UTC)",
                "LAST (UTC)",
                "TASK",
                "SINCE THEN",
            ],
            (Lang::Pt, Self::Webhooks) => &[
                "TAREFA",
                "SITUAÇÃO",
                "RECEPTOR",
                "TENTATIVAS",
                "PRÓXIMA (UTC)",
                "USUÁRIO",
                "ÚLTIMA CAUSA",
            ],
            (Lang::En, Self::Webhooks) => {
                &["TASK", "CONDITION", "RECEIVER", "ATTEMPTS", "NEXT (UTC)", "USER", "LAST CAUSE"]
            }
            (Lang::Pt, Self::Upcoming) => &["PRÓXIMAS (UTC)"],
            (Lang::En, Self::Upcoming) => &["NEXT (UTC)"],
            (Lang::Pt, Self::Groups) => &[
                "GRUPO",
                "STATUS",
                "AGUARDANDO",
                "EXECUTANDO",
                "CONCLUÍDAS",
                "FALHAS",
                "CANCELADAS",
                "PERDIDAS",
                "RECEBIDO (UTC)",
            ],
            (Lang::En, Self::Groups) => &[
                "GROUP",
                "STATUS",
                "WAITING",
                "RUNNING",
                "SUCCEEDED",
                "FAILED",
                "CANCELLED",
                "LOST",
                "SUBMITTED (UTC)",
            ],
        }
    }
}

/// A word in a table, or before a value.
#[derive(Clone, Copy, Debug)]
pub enum Label {
    Task,
    Array,
    /// Of tasks: forgotten, or ended with all of their array before their turn.
    WithoutRecord,
    Status,
    Waiting,
    NotBefore,
    Handler,
    Needs,
    /// Retries and time limits.
    Terms,
    Delivery,
    /// A task that is never started twice.
    AtMostOnce,
    /// With the priority there.
    Queue,
    Paused,
    Open,
    Worker,
    Attempt,
    /// Which task it does once more.
    RetryOf,
    RetriedAs,
    Retried,
    Group,
    Webhook,
    WebhookExpected,
    WebhookOwed,
    WebhookDelivered,
    WebhookGivenUp,
    Attempts,
    Progress,
    /// Which schedule made it, or is meant.
    Schedule,
    /// A schedule that is not paused.
    Active,
    /// When a schedule is due: its expression and its zone.
    Expression,
    CatchUp,
    Overlap,
    Payload,
    LastFiring,
    /// A firing that made no task.
    Unmade,
    Submitted,
    Started,
    Finished,
    Error,
    Result,
    /// A result that is not text.
    Bytes,
    Principal,
    Epoch,
    View,
    Tasks,
    /// A value that is not there.
    None,
    Yes,
    No,
    /// A quota of a user's own.
    Own,
    /// The quota of all who have none of their own.
    Default,
    /// Who is no user.
    Unknown,
    Connected,
    Draining,
    Silent,
    /// A group of orchestrators.
    Shard,
}

impl Label {
    /// The word.
    pub fn text(self, lang: Lang) -> &'static str {
        match (lang, self) {
            (Lang::Pt, Self::Own) => "própria",
            (Lang::En, Self::Own) => "own",
            (Lang::Pt, Self::Default) => "padrão",
            (Lang::En, Self::Default) => "default",
            (Lang::Pt, Self::Unknown) => "sem cadastro",
            (Lang::En, Self::Unknown) => "no account",
            (Lang::Pt, Self::Task) => "Tarefa",
            (Lang::En, Self::Task) => "Task",
            (_, Self::Array) => "Array",
            (Lang::Pt, Self::WithoutRecord) => "Sem registro",
            (Lang::En, Self::WithoutRecord) => "Without record",
            (_, Self::Status) => "Status",
            (Lang::Pt, Self::Waiting) => "Aguardando",
            (Lang::En, Self::Waiting) => "Waiting",
            (Lang::Pt, Self::RetryOf) => "Repete",
            (Lang::En, Self::RetryOf) => "Retry of",
            (Lang::Pt, Self::RetriedAs) => "Repetida como",
            (Lang::En, Self::RetriedAs) => "Retried as",
            (Lang::Pt, Self::Retried) => "Repetidas",
            (Lang::En, Self::Retried) => "Retried",
            (Lang::Pt, Self::Group) => "Grupo",
            (_, Self::Webhook) => "Webhook",
            (Lang::Pt, Self::WebhookExpected) => "no fim da tarefa",
            (Lang::En, Self::WebhookExpected) => "when the task ends",
            (Lang::Pt, Self::WebhookOwed) => "ainda não entregue",
            (Lang::En, Self::WebhookOwed) => "not delivered yet",
            (Lang::Pt, Self::WebhookDelivered) => "entregue",
            (Lang::En, Self::WebhookDelivered) => "delivered",
            (Lang::Pt, Self::WebhookGivenUp) => "abandonado",
            (Lang::En, Self::WebhookGivenUp) => "given up",
            (Lang::Pt, Self::Attempts) => "tentativas",
            (Lang::En, Self::Attempts) => "attempts",
            (Lang::En, Self::Group) => "Group",
            (Lang::Pt, Self::Progress) => "Progresso",
            (Lang::En, Self::Progress) => "Progress",
            (Lang::Pt, Self::Schedule) => "Agendamento",
            (Lang::En, Self::Schedule) => "Schedule",
            (Lang::Pt, Self::Active) => "ativo",
            (Lang::En, Self::Active) => "active",
            (Lang::Pt, Self::Expression) => "Quando",
            (Lang::En, Self::Expression) => "When",
            (Lang::Pt, Self::CatchUp) => "Perdidas",
            (Lang::En, Self::CatchUp) => "Missed",
            (Lang::Pt, Self::Overlap) => "Simultâneas",
            (Lang::En, Self::Overlap) => "Overlap",
            (Lang::Pt, Self::Payload) => "Conteúdo",
            (Lang::En, Self::Payload) => "Payload",
            (Lang::Pt, Self::LastFiring) => "Última",
            (Lang::En, Self::LastFiring) => "Last",
            (Lang::Pt, Self::Unmade) => "Sem tarefa",
            (Lang::En, Self::Unmade) => "No task",
            (Lang::Pt, Self::NotBefore) => "Não antes de",
            (Lang::En, Self::NotBefore) => "Not before",
            (_, Self::Handler) => "Handler",
            (Lang::Pt, Self::Needs) => "Requer",
            (Lang::En, Self::Needs) => "Needs",
            (Lang::Pt, Self::Terms) => "Condições",
            (Lang::En, Self::Terms) => "Terms",
            (Lang::Pt, Self::Delivery) => "Entrega",
            (Lang::En, Self::Delivery) => "Delivery",
            (Lang::Pt, Self::AtMostOnce) => "no máximo uma vez",
            (Lang::En, Self::AtMostOnce) => "at most once",
            (Lang::Pt, Self::Queue) => "Fila",
            (Lang::En, Self::Queue) => "Queue",
            (Lang::Pt, Self::Paused) => "em pausa",
            (Lang::En, Self::Paused) => "paused",
            (Lang::Pt, Self::Open) => "aberta",
            (Lang::En, Self::Open) => "open",
            (_, Self::Worker) => "Worker",
            (Lang::Pt, Self::Attempt) => "Tentativa",
            (Lang::En, Self::Attempt) => "Attempt",
            (Lang::Pt, Self::Submitted) => "Recebida",
            (Lang::En, Self::Submitted) => "Submitted",
            (Lang::Pt, Self::Started) => "Iniciada",
            (Lang::En, Self::Started) => "Started",
            (Lang::Pt, Self::Finished) => "Terminada",
            (Lang::En, Self::Finished) => "Finished",
            (Lang::Pt, Self::Error) => "Erro",
            (Lang::En, Self::Error) => "Error",
            (Lang::Pt, Self::Result) => "Resultado",
            (Lang::En, Self::Result) => "Result",
            (_, Self::Bytes) => "bytes",
            (_, Self::Principal) => "Principal",
            (Lang::Pt, Self::Epoch) => "Época",
            (Lang::En, Self::Epoch) => "Epoch",
            (Lang::Pt, Self::Shard) => "Grupo",
            (Lang::En, Self::Shard) => "Group",
            (Lang::Pt, Self::View) => "Visão",
            (Lang::En, Self::View) => "View",
            (Lang::Pt, Self::Tasks) => "Tarefas",
            (Lang::En, Self::Tasks) => "Tasks",
            (Lang::Pt, Self::None) => "nenhum",
            (Lang::En, Self::None) => "none",
            (Lang::Pt, Self::Yes) => "sim",
            (Lang::En, Self::Yes) => "yes",
            (Lang::Pt, Self::No) => "não",
            (Lang::En, Self::No) => "no",
            (Lang::Pt, Self::Connected) => "conectado",
            (Lang::En, Self::Connected) => "connected",
            (Lang::Pt, Self::Draining) => "encerrando",
            (Lang::En, Self::Draining) => "draining",
            (Lang::Pt, Self::Silent) => "sem contato",
            (Lang::En, Self::Silent) => "silent",
        }
    }
}
