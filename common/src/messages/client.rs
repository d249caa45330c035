//! What the client says on standard error.

use std::sync::Arc;

use super::client_arrays::ArrayMessage;
use super::client_certs::CertsMessage;
use super::client_files::FilesMessage;
use super::client_queues::QueuesMessage;
use super::client_usage::UsageMessage;
use super::flow::FlowProblem;
use super::top::TopMessage;
use super::words::{PendingReason, counted, durability_text, pending_text, state_word};
use super::{Message, failures::task_error_text, io, tls};
use crate::lang::Lang;
use crate::proto::{Durability, TaskState};
use crate::tls::Problem;

/// What the client tells the person who called it.
#[derive(Clone, Debug)]
pub enum ClientMessage {
    /// A task was accepted, now or before.
    Accepted {
        task: String,
        durability: Durability,
        existed: bool,
    },
    /// Many tasks were.
    AcceptedMany {
        count: u64,
    },
    /// The tasks of a file were, as a group.
    AcceptedFlow {
        count: u64,
        group: String,
    },
    /// So many tasks of a group were not finished.
    GroupCancelled {
        group: String,
        tasks: u64,
    },
    /// A task was accepted that does another one once more.
    Retried {
        of: String,
        task: String,
        durability: Durability,
    },
    /// There is none to do once more.
    NothingToRetry,
    MoreTasks {
        after: String,
    },
    /// In a table that does not hold them.
    MoreRows {
        tasks: usize,
    },
    /// Nobody knows whether a task that was to be waited for was accepted.
    MayGoOn {
        task: String,
    },
    /// A task that was waited for ended.
    Ended {
        task: String,
        state: TaskState,
        worker: String,
    },
    /// What a failed task said.
    TaskError {
        code: String,
        message: String,
    },
    /// Its result was asked for too early.
    NotFinished {
        task: String,
        state: TaskState,
    },
    /// What many tasks came to.
    Summary {
        succeeded: u64,
        failed: u64,
        cancelled: u64,
        lost: u64,
        not_found: u64,
    },
    /// Why a task that is waited for does not run.
    Pending {
        handler: String,
        reason: PendingReason,
    },
    /// The wait was bounded and is over.
    WaitTimedOut,
    AskUser,
    AskToken,
    AskNewToken,
    NoNewToken,
    AskAgain,
    TokensDiffer,
    LoggedIn {
        user: String,
        path: String,
    },
    LoggedOut,
    NotLoggedIn,
    /// A user who is to be added, and was before.
    UserKnown {
        user: String,
    },
    UserAdded {
        user: String,
        role: &'static str,
    },
    UserRemoved {
        user: String,
    },
    /// What follows is said by another attempt.
    NextAttempt {
        attempt: u32,
    },
    /// So much of what it said is no longer known.
    OutputMissing {
        bytes: u64,
    },
    /// It has not said anything yet.
    NothingSaid {
        task: String,
        state: TaskState,
    },
    /// The program printed more than is kept.
    OutputCut,
    /// Of `cliente map`: what cannot be.
    MapInputs,
    MapSeparator {
        word: String,
    },
    TooManyInputs,
    /// Of `cliente map`: the task for this input.
    MapFailed {
        input: String,
        task: String,
        code: String,
        message: String,
    },
    /// A file of `submit --file`.
    Flow {
        source: String,
        problem: FlowProblem,
    },
    ScheduleRemoved {
        schedule: String,
    },
    QueuePurged {
        queue: String,
        tasks: u64,
        left: u64,
    },
    /// It was told to end when it has finished; so many slots are in use.
    WorkerDraining {
        worker: String,
        busy: u32,
    },
    /// It has.
    WorkerGone {
        worker: String,
    },
    Promoted {
        node: String,
        epoch: u64,
    },
    /// No subcommand, and no terminal for the menu.
    NoCommand,
    /// `--handler command` without a program.
    NoCommandLine,
    /// A program, but for another handler.
    CommandLineNotTaken {
        handler: String,
    },
    /// What is said of arrays.
    Arrays(ArrayMessage),
    /// What is wrong with files of tasks, and that they are here.
    Files(FilesMessage),
    /// What is said of queues.
    Queues(QueuesMessage),
    /// What cannot be meant.
    Usage(UsageMessage),
    Top(TopMessage),
    Certs(CertsMessage),
    Tls(Problem),
    /// `--stdin-from`, but for another handler or a payload.
    OnlyForPrograms {
        flag: &'static str,
    },
    /// All tasks would be the same.
    NoPlaceholder,
    /// No node answers, or more than one.
    WhichToPromote {
        answering: usize,
    },
    /// What may be started once only cannot be retried.
    OnceIsNotRetried,
    /// Two inputs would be read from standard input.
    TwoInputs,
    LineTooLong {
        line: u64,
        limit: usize,
    },
    NotText {
        source: String,
    },
    /// What comes before it was submitted.
    LineNotText {
        line: u64,
        source: String,
    },
    NoCredentials,
    UnusableCredentials,
    EmptyToken {
        source: String,
    },
    /// Others can read the profile.
    OpenProfile {
        path: String,
    },
    BrokenProfile {
        path: String,
        error: String,
    },
    NoHome,
    /// `error`: as its type tells it, so that it can be told in the reader's language.
    Io {
        what: String,
        error: Arc<std::io::Error>,
    },
    /// `cliente submit` and nothing more.
    NothingToSubmit,
}

impl Message for ClientMessage {
    fn event(&self) -> &'static str {
        match self {
            Self::Accepted { .. } => "accepted",
            Self::AcceptedMany { .. } => "accepted_many",
            Self::AcceptedFlow { .. } => "accepted_flow",
            Self::GroupCancelled { .. } => "group_cancelled",
            Self::Retried { .. } => "retried",
            Self::NothingToRetry => "nothing_to_retry",
            Self::MoreTasks { .. } => "more_tasks",
            Self::MoreRows { .. } => "more_rows",
            Self::MayGoOn { .. } => "may_go_on",
            Self::Ended { .. } => "ended",
            Self::TaskError { .. } => "task_error",
            Self::NotFinished { .. } => "not_finished",
            Self::Summary { .. } => "summary",
            Self::Pending { .. } => "pending",
            Self::WaitTimedOut => "wait_timed_out",
            Self::AskUser => "ask_user",
            Self::AskToken => "ask_token",
            Self::AskNewToken => "ask_new_token",
            Self::NoNewToken => "no_new_token",
            Self::AskAgain => "ask_again",
            Self::TokensDiffer => "tokens_differ",
            Self::LoggedIn { .. } => "logged_in",
            Self::LoggedOut => "logged_out",
            Self::NotLoggedIn => "not_logged_in",
            Self::UserKnown { .. } => "user_known",
            Self::UserAdded { .. } => "user_added",
            Self::UserRemoved { .. } => "user_removed",
            Self::ScheduleRemoved { .. } => "schedule_removed",
            Self::QueuePurged { .. } => "queue_purged",
            Self::Flow { .. } => "flow",
            Self::MapFailed { .. } => "map_failed",
            Self::NextAttempt { .. } => "next_attempt",
            Self::OutputMissing { .. } => "output_missing",
            Self::NothingSaid { .. } => "nothing_said",
            Self::OutputCut => "output_cut",
            Self::MapInputs => "map_inputs",
            Self::MapSeparator { .. } => "map_separator",
            Self::TooManyInputs => "too_many_inputs",
            Self::WorkerDraining { .. } => "worker_draining",
            Self::WorkerGone { .. } => "worker_gone",
            Self::Promoted { .. } => "promoted",
            Self::NoCommand => "no_command",
            Self::NoCommandLine => "no_command_line",
            Self::CommandLineNotTaken { .. } => "command_line_not_taken",
            Self::Arrays(message) => message.event(),
            Self::Files(message) => message.event(),
            Self::Queues(message) => message.event(),
            Self::Usage(message) => message.event(),
            Self::Top(message) => message.event(),
            Self::Certs(message) => message.event(),
            Self::Tls(_) => "tls",
            Self::OnlyForPrograms { .. } => "only_for_programs",
            Self::NoPlaceholder => "no_placeholder",
            Self::WhichToPromote { .. } => "which_to_promote",
            Self::OnceIsNotRetried => "once_is_not_retried",
            Self::TwoInputs => "two_inputs",
            Self::LineTooLong { .. } => "line_too_long",
            Self::NotText { .. } => "not_text",
            Self::LineNotText { .. } => "line_not_text",
            Self::NoCredentials => "no_credentials",
            Self::UnusableCredentials => "unusable_credentials",
            Self::EmptyToken { .. } => "empty_token",
            Self::OpenProfile { .. } => "open_profile",
            Self::BrokenProfile { .. } => "broken_profile",
            Self::NoHome => "no_home",
            Self::Io { .. } => "io",
            Self::NothingToSubmit => "nothing_to_submit",
        }
    }

    fn text(&self, lang: Lang) -> String {
        match lang {
            Lang::Pt => self.portuguese(),
            Lang::En => self.english(),
        }
    }
}

impl ClientMessage {
    fn portuguese(&self) -> String {
        match self {
            Self::Accepted { task, durability, existed: false } => {
                let durability = durability_text(*durability, Lang::Pt);
                format!("Tarefa {task} RECEBIDA ({durability}).")
            }
            Self::Accepted { task, existed: true, .. } => {
                format!("Tarefa {task} já tinha sido recebida; nada foi duplicado.")
            }
            Self::AcceptedMany { count } => format!("{}.", counted(count, "tarefa recebida", "tarefas recebidas")),
            Self::AcceptedFlow { count, group } => format!(
                "{}, no grupo {group}; veja cliente groups show {group}.", counted(count, "tarefa recebida", "tarefas recebidas")
            ),
            Self::GroupCancelled { group, tasks } => {
                format!("No grupo {group}: {}.", counted(tasks, "tarefa cancelada", "tarefas canceladas"))
            }
            Self::Retried { of, task, durability } => {
                let durability = durability_text(*durability, Lang::Pt);
                format!("Tarefa {of} será feita de novo como {task} ({durability}).")
            }
            Self::MoreRows { tasks } => format!("… e mais {tasks}"),
            Self::MoreTasks { after } => format!("Pode haver mais: continue com --after {after}"),
            Self::NothingToRetry => "Nada a repetir: das suas tarefas ainda conhecidas, nenhuma que se ajuste falhou sem já ter sido repetida.".into(),
            Self::MayGoOn { task } => format!(
                "A tarefa {task} pode ter sido recebida e continuar; consulte-a com cliente status."
            ),
            Self::Ended { task, state, worker } => {
                let state = state_word(*state, Lang::Pt);
                if worker.is_empty() { format!("Tarefa {task} {state}.") } else { format!("Tarefa {task} {state} em {worker}.") }
            }
            Self::TaskError { code, message } => {
                format!("Erro da tarefa: {code}: {}", task_error_text(code, message, Lang::Pt))
            }
            Self::NotFinished { task, state } => {
                let state = state_word(*state, Lang::Pt);
                format!("A tarefa {task} ainda não terminou ({state}); espere com --wait.")
            }
            Self::Summary { succeeded, failed, cancelled, lost, not_found } => format!(
                "Concluídas: {succeeded}, falhas: {failed}, canceladas: {cancelled}, perdidas: {lost}, não encontradas: {not_found}."
            ),
            Self::Pending { handler, reason } => {
                format!("Aguardando: {}.", pending_text(reason, handler, Lang::Pt))
            }
            Self::WaitTimedOut => {
                "A espera terminou antes do trabalho, que continua; veja com cliente list ou cliente status.".into()
            }
            Self::AskUser => "Usuário: ".into(),
            Self::AskToken => "Token: ".into(),
            Self::AskNewToken => "Token do usuário: ".into(),
            Self::NoNewToken => "Falta o token do novo usuário: digite-o, ou passe-o pela entrada padrão.".into(),
            Self::AskAgain => "Repita o token: ".into(),
            Self::TokensDiffer => "Os dois tokens são diferentes; tente de novo.".into(),
            Self::LoggedIn { user, path } => format!("Conectado como {user}; guardado em {path}."),
            Self::LoggedOut => "Usuário e token esquecidos.".into(),
            Self::NotLoggedIn => "Não havia usuário guardado.".into(),
            Self::UserKnown { user } => format!("O usuário {user} já existe; com --replace, token e papel passam a ser os novos."),
            Self::UserAdded { user, role } => format!("Usuário {user} gravado com o papel {role}."),
            Self::UserRemoved { user } => format!("Usuário {user} removido."),
            Self::NextAttempt { attempt } => format!("-- tentativa {attempt} --"),
            Self::OutputMissing { bytes } => format!("-- faltam {bytes} bytes da saída --"),
            Self::NothingSaid { task, state } => {
                format!("A tarefa {task} está {} e ainda não disse nada.", state_word(*state, Lang::Pt))
            }
            Self::OutputCut => {
                "A saída foi cortada: dela só se guardou o começo; mande-a para um arquivo (--output-file).".into()
            }
            Self::MapInputs => {
                "As entradas vêm de um lugar só: de :::, de --inputs ou da entrada padrão.".into()
            }
            Self::MapSeparator { word } => format!("{word} não existe aqui; use ::: ou --inputs."),
            Self::TooManyInputs => "São combinações demais: no máximo 4294967295.".into(),
            Self::MapFailed { input, task, code, message } => {
                format!("{input}: {code}: {} [{task}]", task_error_text(code, message, Lang::Pt))
            }
            Self::Flow { source, problem } => format!("{source}: {}", problem.portuguese()),
            Self::ScheduleRemoved { schedule } => {
                format!("Agendamento {schedule} removido; as tarefas que criou continuam.")
            }
            Self::QueuePurged { queue, tasks, left: 1.. } => {
                format!("Fila {queue}: {}; outras chegam enquanto isso.", counted(tasks, "tarefa que esperava foi cancelada", "tarefas que esperavam foram canceladas"))
            }
            Self::QueuePurged { queue, tasks, .. } => {
                format!("Fila {queue}: {}.", counted(tasks, "tarefa que esperava foi cancelada", "tarefas que esperavam foram canceladas"))
            }
            Self::WorkerDraining { worker, busy } => format!("O worker {worker} não recebe mais tarefas e encerra quando terminar o que executa (slots em uso: {busy})."),
            Self::WorkerGone { worker } => format!("O worker {worker} encerrou."),
            Self::Promoted { node, epoch } => format!("{node} é o principal da época {epoch}."),
            Self::NoCommand => "Sem um terminal é preciso dizer um comando; veja cliente --help.".into(),
            Self::NoCommandLine => {
                "O handler command precisa de um programa depois de --, por exemplo: -- sha256sum arquivo".into()
            }
            Self::CommandLineNotTaken { handler } => {
                format!("Só o handler command recebe um programa depois de --; para {handler} use --payload.")
            }
            Self::Arrays(message) => message.text(Lang::Pt),
            Self::Files(message) => message.text(Lang::Pt),
            Self::Queues(message) => message.text(Lang::Pt),
            Self::Usage(message) => message.text(Lang::Pt),
            Self::Top(message) => message.text(Lang::Pt),
            Self::Certs(message) => message.text(Lang::Pt),
            Self::Tls(problem) => tls::problem(problem, Lang::Pt),
            Self::OnlyForPrograms { flag } => format!("{flag} só vale para um programa dado depois de --."),
            Self::NoPlaceholder => {
                "Com --each-line, diga com {} onde entra cada linha; sem isso todas as tarefas seriam iguais.".into()
            }
            Self::WhichToPromote { answering: 0 } => "Nenhum orquestrador responde; inicie o que deve assumir.".into(),
            Self::WhichToPromote { .. } => {
                "Mais de um orquestrador responde; diga com --node qual deve assumir.".into()
            }
            Self::OnceIsNotRetried => {
                "Uma tarefa com --delivery at-most-once não vai a um segundo worker nem é repetida: tire --retries e --max-lost-attempts.".into()
            }
            Self::TwoInputs => "A entrada padrão (-) só pode ser usada uma vez.".into(),
            Self::LineTooLong { line, limit } => {
                format!(
                    "A linha {line} tem mais de {limit} bytes, e as anteriores foram enviadas; use um arquivo e --payload @ARQUIVO."
                )
            }
            Self::NotText { source } => format!("{source} não é texto UTF-8."),
            Self::LineNotText { line, source } => {
                let source = if source == "-" { "da entrada padrão".into() } else { format!("de {source}") };
                format!("A linha {line} {source} não é texto UTF-8; as anteriores foram enviadas.")
            }
            Self::NoCredentials => "Faltam usuário e token. Há três maneiras: cliente login; --user com \
                                    --token-file; ou as variáveis MUTIRAO_USER e MUTIRAO_TOKEN."
                .into(),
            Self::UnusableCredentials => "Usuário e token só podem ter caracteres ASCII visíveis.".into(),
            Self::EmptyToken { source } => format!("{source} não contém nenhum token."),
            Self::OpenProfile { path } => {
                format!("{path} pode ser lido por outros usuários desta máquina; corrija com: chmod 600 {path}")
            }
            Self::BrokenProfile { path, error } => {
                format!("{path} está danificado ({error}); entre de novo com cliente login.")
            }
            Self::NoHome => "Nem XDG_CONFIG_HOME nem HOME dizem onde guardar o perfil.".into(),
            Self::Io { what, error } => format!("Falha em {what}: {}.", io::text(error, Lang::Pt)),
            Self::NothingToSubmit => {
                "Nada a submeter: informe --payload, --each-line, --handler ou -- PROGRAMA.".into()
            }
        }
    }

    fn english(&self) -> String {
        match self {
            Self::Accepted { task, durability, existed: false } => {
                let durability = durability_text(*durability, Lang::En);
                format!("Task {task} accepted ({durability}).")
            }
            Self::Accepted { task, existed: true, .. } => {
                format!("Task {task} had been accepted before; nothing was duplicated.")
            }
            Self::AcceptedMany { count } => format!("{} accepted.", counted(count, "task", "tasks")),
            Self::AcceptedFlow { count, group } => format!(
                "{} accepted, in the group {group}; see cliente groups show {group}.", counted(count, "task", "tasks")
            ),
            Self::GroupCancelled { group, tasks } => {
                format!("{} of the group {group} cancelled.", counted(tasks, "task", "tasks"))
            }
            Self::Retried { of, task, durability } => {
                let durability = durability_text(*durability, Lang::En);
                format!("Task {of} will be done once more as {task} ({durability}).")
            }
            Self::MoreRows { tasks } => format!("… and {tasks} more"),
            Self::MoreTasks { after } => format!("There may be more: go on with --after {after}"),
            Self::NothingToRetry => "Nothing to retry: of your tasks that are still known none that fits failed without having been retried.".into(),
            Self::MayGoOn { task } => format!(
                "The task {task} may have been accepted, and go on; ask with cliente status."
            ),
            Self::Ended { task, state, worker } => {
                let state = state_word(*state, Lang::En);
                if worker.is_empty() { format!("Task {task} {state}.") } else { format!("Task {task} {state} at {worker}.") }
            }
            Self::TaskError { code, message } => {
                format!("Error of the task: {code}: {}", task_error_text(code, message, Lang::En))
            }
            Self::NotFinished { task, state } => {
                let state = state_word(*state, Lang::En);
                format!("Task {task} is not finished yet ({state}); wait for it with --wait.")
            }
            Self::Summary { succeeded, failed, cancelled, lost, not_found } => format!(
                "{succeeded} succeeded, {failed} failed, {cancelled} cancelled, {lost} lost, {not_found} not found."
            ),
            Self::Pending { handler, reason } => {
                format!("Waiting: {}.", pending_text(reason, handler, Lang::En))
            }
            Self::WaitTimedOut => {
                "The wait ended before the work, which goes on; see cliente list or cliente status.".into()
            }
            Self::AskUser => "User: ".into(),
            Self::AskToken => "Token: ".into(),
            Self::AskNewToken => "Token of the user: ".into(),
            Self::NoNewToken => "The token of the new user is missing: type it, or pass it on standard input.".into(),
            Self::AskAgain => "The token again: ".into(),
            Self::TokensDiffer => "The two tokens differ; try again.".into(),
            Self::LoggedIn { user, path } => format!("Logged in as {user}; kept in {path}."),
            Self::LoggedOut => "User and token forgotten.".into(),
            Self::NotLoggedIn => "No user was kept.".into(),
            Self::UserKnown { user } => format!("The user {user} exists already; with --replace, token and role become the new ones."),
            Self::UserAdded { user, role } => format!("User {user} recorded with the role {role}."),
            Self::UserRemoved { user } => format!("User {user} removed."),
            Self::NextAttempt { attempt } => format!("-- attempt {attempt} --"),
            Self::OutputMissing { bytes } => format!("-- {bytes} bytes of the output are missing --"),
            Self::NothingSaid { task, state } => {
                format!("Task {task} is {} and has said nothing yet.", state_word(*state, Lang::En))
            }
            Self::OutputCut => {
                "The output was cut: only its beginning was kept; send it to a file (--output-file).".into()
            }
            Self::MapInputs => {
                "Inputs come from one place: from :::, from --inputs or from standard input.".into()
            }
            Self::MapSeparator { word } => format!("there is no {word} here; use ::: or --inputs."),
            Self::TooManyInputs => "Too many combinations: at most 4294967295.".into(),
            Self::MapFailed { input, task, code, message } => {
                format!("{input}: {code}: {} [{task}]", task_error_text(code, message, Lang::En))
            }
            Self::Flow { source, problem } => format!("{source}: {}", problem.english()),
            Self::ScheduleRemoved { schedule } => {
                format!("Schedule {schedule} removed; the tasks that it made stay.")
            }
            Self::QueuePurged { queue, tasks, left: 1.. } => {
                format!("Queue {queue}: {} cancelled; others come meanwhile.", counted(tasks, "waiting task", "waiting tasks"))
            }
            Self::QueuePurged { queue, tasks, .. } => {
                format!("Queue {queue}: {} cancelled.", counted(tasks, "waiting task", "waiting tasks"))
            }
            Self::WorkerDraining { worker, busy } => format!("The worker {worker} takes no more tasks and ends when it has finished what it runs (slots in use: {busy})."),
            Self::WorkerGone { worker } => format!("The worker {worker} has ended."),
            Self::Promoted { node, epoch } => format!("{node} is the principal of epoch {epoch}."),
            Self::NoCommand => "Without a terminal a command is needed; see cliente --help.".into(),
            Self::NoCommandLine => {
                "The handler command needs a program after --, for example: -- sha256sum file".into()
            }
            Self::CommandLineNotTaken { handler } => {
                format!("Only the handler command takes a program after --; for {handler} use --payload.")
            }
            Self::Arrays(message) => message.text(Lang::En),
            Self::Files(message) => message.text(Lang::En),
            Self::Queues(message) => message.text(Lang::En),
            Self::Usage(message) => message.text(Lang::En),
            Self::Top(message) => message.text(Lang::En),
            Self::Certs(message) => message.text(Lang::En),
            Self::Tls(problem) => tls::problem(problem, Lang::En),
            Self::OnlyForPrograms { flag } => format!("{flag} is only for a program that is given after --."),
            Self::NoPlaceholder => {
                "With --each-line, say with {} where each line goes; otherwise all tasks would be the same.".into()
            }
            Self::WhichToPromote { answering: 0 } => "No orchestrator answers; start the one that is to take over.".into(),
            Self::WhichToPromote { .. } => {
                "More than one orchestrator answers; say with --node which is to take over.".into()
            }
            Self::OnceIsNotRetried => {
                "A task with --delivery at-most-once goes to no second worker and is not retried: leave --retries and --max-lost-attempts out.".into()
            }
            Self::TwoInputs => "Standard input (-) can be used only once.".into(),
            Self::LineTooLong { line, limit } => {
                format!(
                    "Line {line} has more than {limit} bytes, and those before it were submitted; use a file and --payload @FILE."
                )
            }
            Self::NotText { source } => format!("{source} is not UTF-8 text."),
            Self::LineNotText { line, source } => {
                let source = if source == "-" { "standard input" } else { source };
                format!("Line {line} of {source} is not UTF-8 text; those before it were submitted.")
            }
            Self::NoCredentials => "User and token are missing. There are three ways: cliente login; --user with --token-file; or the variables MUTIRAO_USER and MUTIRAO_TOKEN.".into(),
            Self::UnusableCredentials => "User and token can only have visible ASCII characters.".into(),
            Self::EmptyToken { source } => format!("{source} holds no token."),
            Self::OpenProfile { path } => {
                format!("{path} can be read by other users of this machine; mend it with: chmod 600 {path}")
            }
            Self::BrokenProfile { path, error } => {
                format!("{path} is damaged ({error}); log in again with cliente login.")
            }
            Self::NoHome => "Neither XDG_CONFIG_HOME nor HOME says where to keep the profile.".into(),
            Self::Io { what, error } => format!("Failure with {what}: {}.", io::text(error, Lang::En)),
            Self::NothingToSubmit => {
                "Nothing to submit: give --payload, --each-line, --handler or -- PROGRAM.".into()
            }
        }
    }
}
