//! What the interactive menu says.

use super::Message;
use super::words::durability_text;
use crate::lang::Lang;
use crate::proto::Durability;

/// Prompts and sentences of the menu.
#[derive(Clone, Debug)]
pub enum MenuMessage {
    Welcome,
    /// The entries, one on each line.
    Entries {
        is_admin: bool,
    },
    AskChoice,
    BadChoice {
        last: usize,
    },
    /// The user or the token is wrong; both are asked for again.
    LoginFailed,
    AskDescription,
    NoDescription,
    NoUser,
    Submitted {
        task: String,
        durability: Durability,
    },
    /// The task asked for last is offered.
    AskTaskId {
        last: Option<String>,
    },
    NotATaskId {
        text: String,
    },
    NoTaskId,
    /// Enter ends the following.
    HowToLeave,
    Cancelled {
        task: String,
    },
    NoTasks,
    NoWorkers,
    /// Which queue is to be paused, or no longer; none is an answer.
    AskQueue,
    QueuePaused {
        queue: String,
    },
    QueueResumed {
        queue: String,
    },
    /// Another orchestrator answers now.
    Reconnected {
        address: String,
    },
    Goodbye,
}

impl Message for MenuMessage {
    fn event(&self) -> &'static str {
        match self {
            Self::Welcome => "welcome",
            Self::Entries { .. } => "entries",
            Self::AskChoice => "ask_choice",
            Self::BadChoice { .. } => "bad_choice",
            Self::LoginFailed => "login_failed",
            Self::AskDescription => "ask_description",
            Self::NoDescription => "no_description",
            Self::NoUser => "no_user",
            Self::Submitted { .. } => "submitted",
            Self::AskTaskId { .. } => "ask_task_id",
            Self::NotATaskId { .. } => "not_a_task_id",
            Self::NoTaskId => "no_task_id",
            Self::HowToLeave => "how_to_leave",
            Self::Cancelled { .. } => "cancelled",
            Self::NoTasks => "no_tasks",
            Self::NoWorkers => "no_workers",
            Self::AskQueue => "ask_queue",
            Self::QueuePaused { .. } => "queue_paused",
            Self::QueueResumed { .. } => "queue_resumed",
            Self::Reconnected { .. } => "reconnected",
            Self::Goodbye => "goodbye",
        }
    }

    fn text(&self, lang: Lang) -> String {
        match lang {
            Lang::Pt => self.portuguese(),
            Lang::En => self.english(),
        }
    }
}

impl MenuMessage {
    fn portuguese(&self) -> String {
        match self {
            Self::Welcome => {
                "Mutirão: plataforma distribuída de processamento colaborativo de tarefas".into()
            }
            Self::Entries { is_admin } => {
                let last = if *is_admin { "7: Filas\n8: Sair" } else { "7: Sair" };
                format!(
                    "1: Submeter Tarefa\n\
                     2: Verificar Status de Tarefa\n\
                     3: Listar Tarefas\n\
                     4: Acompanhar Tarefa\n\
                     5: Cancelar Tarefa\n\
                     6: Workers e Cluster\n\
                     {last}"
                )
            }
            Self::AskChoice => "Escolha uma opção: ".into(),
            Self::BadChoice { last } => {
                format!("Opção inválida; digite um número de 1 a {last}.")
            }
            Self::LoginFailed => "Usuário ou token inválido; tente de novo.".into(),
            Self::AskDescription => "Descrição da tarefa (ou /handler conteúdo): ".into(),
            Self::NoDescription => "Escreva o que a tarefa deve fazer.".into(),
            Self::NoUser => "Digite o nome do usuário.".into(),
            Self::Submitted { task, durability } => {
                let durability = durability_text(*durability, Lang::Pt);
                format!("Tarefa submetida: {task}\nStatus: RECEBIDA ({durability})")
            }
            Self::AskTaskId { last: None } => "ID da tarefa: ".into(),
            Self::AskTaskId { last: Some(last) } => format!("ID da tarefa [{last}]: "),
            Self::NotATaskId { text } => {
                format!(
                    "`{text}` não é o ID de uma tarefa (36 caracteres, como 0190b4a0-…); confira."
                )
            }
            Self::NoTaskId => "Nenhuma tarefa foi submetida aqui ainda; informe o ID.".into(),
            Self::HowToLeave => "(Enter volta ao menu)".into(),
            Self::Cancelled { task } => format!("Tarefa {task} CANCELADA."),
            Self::NoTasks => "Nenhuma tarefa.".into(),
            Self::NoWorkers => "Nenhum worker registrado.".into(),
            Self::AskQueue => "Fila a pausar ou a retomar (Enter: nenhuma): ".into(),
            Self::QueuePaused { queue } => {
                format!("A fila {queue} está em pausa: nenhuma das suas tarefas é atribuída.")
            }
            Self::QueueResumed { queue } => format!("A fila {queue} foi retomada."),
            Self::Reconnected { address } => {
                format!("Reconectado ao outro orquestrador, em {address}.")
            }
            Self::Goodbye => "Até logo.".into(),
        }
    }

    fn english(&self) -> String {
        match self {
            Self::Welcome => {
                "Mutirão: distributed platform for collaborative task processing".into()
            }
            Self::Entries { is_admin } => {
                let last = if *is_admin { "7: Queues\n8: Quit" } else { "7: Quit" };
                format!(
                    "1: Submit Task\n\
                     2: Check Task Status\n\
                     3: List Tasks\n\
                     4: Follow Task\n\
                     5: Cancel Task\n\
                     6: Workers and Cluster\n\
                     {last}"
                )
            }
            Self::AskChoice => "Choose an option: ".into(),
            Self::BadChoice { last } => {
                format!("Not an option; type a number from 1 to {last}.")
            }
            Self::LoginFailed => "Wrong user or token; try again.".into(),
            Self::AskDescription => "Description of the task (or /handler payload): ".into(),
            Self::NoDescription => "Say what the task should do.".into(),
            Self::NoUser => "Type the user's name.".into(),
            Self::Submitted { task, durability } => {
                let durability = durability_text(*durability, Lang::En);
                format!("Task submitted: {task}\nStatus: QUEUED ({durability})")
            }
            Self::AskTaskId { last: None } => "Task id: ".into(),
            Self::AskTaskId { last: Some(last) } => format!("Task id [{last}]: "),
            Self::NotATaskId { text } => {
                format!(
                    "`{text}` is not the id of a task (36 characters, like 0190b4a0-…); check it."
                )
            }
            Self::NoTaskId => "No task was submitted here yet; give an id.".into(),
            Self::HowToLeave => "(Enter returns to the menu)".into(),
            Self::Cancelled { task } => format!("Task {task} CANCELLED."),
            Self::NoTasks => "No tasks.".into(),
            Self::NoWorkers => "No worker is registered.".into(),
            Self::AskQueue => "Queue to pause or to resume (Enter: none): ".into(),
            Self::QueuePaused { queue } => {
                format!("The queue {queue} is paused: none of its tasks is assigned.")
            }
            Self::QueueResumed { queue } => format!("The queue {queue} goes on."),
            Self::Reconnected { address } => {
                format!("Reconnected to the other orchestrator, at {address}.")
            }
            Self::Goodbye => "Goodbye.".into(),
        }
    }
}
