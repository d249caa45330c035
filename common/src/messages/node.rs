//! Console lines of the orchestrators.

use super::amounts::{size, time};
use super::words::counted;
use super::{Fields, Message};
use crate::array_id;
use crate::lang::Lang;

/// What the orchestrators tell the person who watches them.
#[derive(Clone, Debug)]
pub enum NodeMessage {
    /// The principal role began with the start of the process.
    PrincipalStarted {
        port: u16,
    },
    /// The standby role began with the start of the process.
    BackupStarted {
        port: u16,
    },
    /// No standby is in sync; acknowledgements are local only.
    BackupUnavailable {
        address: String,
    },
    /// The other replica is gone, and nobody may say so but a witness or the operator.
    BackupBlocks {
        address: String,
    },
    /// The standby is in sync again.
    BackupInSync {
        address: String,
    },
    /// A worker is new, or a new incarnation.
    WorkerRegistered {
        worker: String,
    },
    /// The same incarnation came back.
    WorkerReconnected {
        worker: String,
    },
    /// A worker was silent for a whole lease.
    WorkerLost {
        worker: String,
    },
    /// A task was accepted.
    TaskSubmitted {
        task: String,
        owner: String,
    },
    QueueChanged {
        queue: String,
        weight: u32,
        max_running: Option<u32>,
        paused: bool,
    },
    /// `user`: `None` of all who have no quota of their own.
    QuotaChanged {
        user: Option<String>,
        max_active: Option<u64>,
        max_bytes: Option<u64>,
        max_running: Option<u32>,
        submit_rate: Option<u32>,
    },
    /// First assignment.
    TaskAssigned {
        task: String,
        worker: String,
    },
    /// Assignment of a task whose earlier attempt was lost.
    TaskReassigned {
        task: String,
        worker: String,
    },
    /// A task succeeded.
    TaskSucceeded {
        task: String,
    },
    /// A task failed.
    TaskFailed {
        task: String,
        error: String,
    },
    /// An attempt failed and is followed by another.
    TaskRetried {
        task: String,
        error: String,
        delay_ms: u64,
    },
    /// A task was cancelled.
    TaskCancelled {
        task: String,
    },
    /// A late outcome was refused.
    OutcomeFenced {
        task: String,
        attempt: u32,
    },
    /// So many more were refused in the last second.
    OutcomesFenced {
        outcomes: u64,
    },
    /// A task that may be started once only was lost with its worker.
    TaskLost {
        task: String,
    },
    /// Many task lines of the last second in one.
    TasksAggregated {
        submitted: u64,
        assigned: u64,
        reassigned: u64,
        succeeded: u64,
        failed: u64,
        cancelled: u64,
        lost: u64,
        retried: u64,
    },
    /// The standby found the principal dead and takes over.
    PrincipalFailed,
    /// The takeover is done.
    Promoted {
        epoch: u64,
    },
    /// The node is principal again, under a new epoch.
    Serving {
        epoch: u64,
    },
    /// Another node is principal now.
    SteppedDown {
        epoch: u64,
        principal: String,
    },
    /// The node follows a principal and catches up.
    Following {
        principal: String,
    },
    /// The node holds all that is acknowledged and can take over.
    StandbyInSync {
        epoch: u64,
    },
    /// A cluster was founded.
    Founded {
        cluster: String,
    },
    /// Nothing can be decided without the other node.
    WaitingForPeer {
        peer: String,
    },
    /// A backup with no history waits for a principal.
    WaitingForPrincipal {
        peer: String,
    },
    /// The other orchestrator looks for its partner elsewhere.
    NotExpected {
        peer: String,
        expected: String,
        own: String,
    },
    /// The other node belongs to another cluster.
    ForeignCluster {
        peer: String,
    },
    /// Demo credentials are accepted.
    DemoMode,
    /// There is no user yet; the operator's token counts.
    FirstAdmin,
    /// There is no user, and no way to create one from here.
    NobodyMayEnter,
    /// Entries that the principal lacks were set aside; after an override they may have been acknowledged.
    TailSetAside {
        entries: u64,
        path: String,
        after_override: bool,
    },
    /// SIGTERM.
    HandingOver,
    /// SIGTERM, and there is no backup.
    NobodyToHandOver,
    /// The process ends.
    Stopping,
    /// The journal was read.
    Recovered {
        entries: u64,
        tasks: u64,
        ms: u64,
    },
    /// The journal failed; the node stops.
    JournalFailed {
        error: String,
    },
    /// The data directory is no longer there.
    DataDirLost {
        path: String,
    },
    /// The office was to be handed over, and nobody took it.
    NobodyTookOver,
    /// The operator forced a promotion.
    PromotionForced,
}

impl Message for NodeMessage {
    fn event(&self) -> &'static str {
        match self {
            Self::PrincipalStarted { .. } => "principal_started",
            Self::BackupStarted { .. } => "backup_started",
            Self::BackupUnavailable { .. } => "backup_unavailable",
            Self::BackupBlocks { .. } => "backup_blocks",
            Self::BackupInSync { .. } => "backup_in_sync",
            Self::WorkerRegistered { .. } => "worker_registered",
            Self::WorkerReconnected { .. } => "worker_reconnected",
            Self::WorkerLost { .. } => "worker_lost",
            Self::TaskSubmitted { .. } => "task_submitted",
            Self::QueueChanged { .. } => "queue_changed",
            Self::QuotaChanged { .. } => "quota_changed",
            Self::TaskAssigned { .. } => "task_assigned",
            Self::TaskReassigned { .. } => "task_reassigned",
            Self::TaskSucceeded { .. } => "task_succeeded",
            Self::TaskFailed { .. } => "task_failed",
            Self::TaskRetried { .. } => "task_retried",
            Self::TaskCancelled { .. } => "task_cancelled",
            Self::TaskLost { .. } => "task_lost",
            Self::OutcomeFenced { .. } => "outcome_fenced",
            Self::OutcomesFenced { .. } => "outcomes_fenced",
            Self::TasksAggregated { .. } => "tasks_aggregated",
            Self::PrincipalFailed => "principal_failed",
            Self::Promoted { .. } => "promoted",
            Self::Serving { .. } => "serving",
            Self::SteppedDown { .. } => "stepped_down",
            Self::Following { .. } => "following",
            Self::StandbyInSync { .. } => "standby_in_sync",
            Self::Founded { .. } => "founded",
            Self::WaitingForPeer { .. } => "waiting_for_peer",
            Self::WaitingForPrincipal { .. } => "waiting_for_principal",
            Self::NotExpected { .. } => "not_expected",
            Self::ForeignCluster { .. } => "foreign_cluster",
            Self::DemoMode => "demo_mode",
            Self::FirstAdmin => "first_admin",
            Self::NobodyMayEnter => "nobody_may_enter",
            Self::TailSetAside { .. } => "tail_set_aside",
            Self::HandingOver => "handing_over",
            Self::NobodyToHandOver => "nobody_to_hand_over",
            Self::Stopping => "stopping",
            Self::Recovered { .. } => "recovered",
            Self::JournalFailed { .. } => "journal_failed",
            Self::DataDirLost { .. } => "data_dir_lost",
            Self::NobodyTookOver => "nobody_took_over",
            Self::PromotionForced => "promotion_forced",
        }
    }

    fn text(&self, lang: Lang) -> String {
        match lang {
            Lang::Pt => self.portuguese(),
            Lang::En => self.english(),
        }
    }

    fn fields(&self) -> Fields<'_> {
        let mut fields = Fields::default();
        match self {
            Self::TaskAssigned { task, worker } | Self::TaskReassigned { task, worker } => {
                fields.task = Some(task);
                fields.worker = Some(worker);
            }
            Self::WorkerRegistered { worker }
            | Self::WorkerReconnected { worker }
            | Self::WorkerLost { worker } => fields.worker = Some(worker),
            Self::TaskSubmitted { task, .. }
            | Self::TaskSucceeded { task }
            | Self::TaskFailed { task, .. }
            | Self::TaskRetried { task, .. }
            | Self::TaskCancelled { task }
            | Self::TaskLost { task }
            | Self::OutcomeFenced { task, .. } => fields.task = Some(task),
            Self::Promoted { epoch }
            | Self::Serving { epoch }
            | Self::SteppedDown { epoch, .. }
            | Self::StandbyInSync { epoch } => {
                fields.epoch = Some(*epoch);
            }
            Self::PrincipalStarted { .. }
            | Self::BackupStarted { .. }
            | Self::BackupUnavailable { .. }
            | Self::BackupBlocks { .. }
            | Self::BackupInSync { .. }
            | Self::TasksAggregated { .. }
            | Self::OutcomesFenced { .. }
            | Self::PrincipalFailed
            | Self::Following { .. }
            | Self::Founded { .. }
            | Self::WaitingForPeer { .. }
            | Self::WaitingForPrincipal { .. }
            | Self::NotExpected { .. }
            | Self::ForeignCluster { .. }
            | Self::DemoMode
            | Self::FirstAdmin
            | Self::NobodyMayEnter
            | Self::TailSetAside { .. }
            | Self::HandingOver
            | Self::NobodyToHandOver
            | Self::Stopping
            | Self::Recovered { .. }
            | Self::JournalFailed { .. }
            | Self::DataDirLost { .. }
            | Self::NobodyTookOver
            | Self::QueueChanged { .. }
            | Self::QuotaChanged { .. }
            | Self::PromotionForced => {}
        }
        fields
    }
}

impl NodeMessage {
    fn portuguese(&self) -> String {
        let task = self.fields().task.map(array_id::shown).unwrap_or_default();
        match self {
            Self::PrincipalStarted { port } => format!("Orquestrador Principal iniciado na porta {port}..."),
            Self::BackupStarted { port } => format!("Orquestrador Backup iniciado na porta {port}..."),
            Self::BackupUnavailable { address } => {
                format!("AVISO: backup indisponível em {address}; as tarefas ficam só neste nó até ele voltar.")
            }
            Self::BackupBlocks { address } => format!(
                "AVISO: falta a outra réplica (backup em {address}), e nenhuma tarefa é confirmada até ela voltar. Se ela ou o \
                 disco dela se foi de vez, diga-o a este nó: cliente cluster promote --force"
            ),
            Self::BackupInSync { address } => format!("Backup sincronizado em {address}."),
            Self::WorkerRegistered { worker } => format!("Novo worker registrado: {worker}"),
            Self::WorkerReconnected { worker } => format!("Worker reconectado: {worker}"),
            Self::WorkerLost { worker } => format!("Worker [{worker}] considerado falho."),
            Self::TaskSubmitted { owner, .. } => format!("Tarefa [{task}] recebida de {owner}."),
            Self::QueueChanged { queue, paused: true, .. } => format!("Fila [{queue}] em pausa."),
            Self::QueueChanged { queue, weight, max_running, .. } => {
                let most = max_running.map_or("sem limite".to_owned(), |most| format!("no máximo {most} ao mesmo tempo"));
                format!("Fila [{queue}]: peso {weight}, {most}.")
            }
            Self::QuotaChanged { user, max_active, max_bytes, max_running, submit_rate } => {
                let limits = limits([
                    max_active.map(|most| counted(most, "tarefa por terminar", "tarefas por terminar")),
                    max_bytes.map(size),
                    max_running.map(|most| format!("{most} em execução")),
                    submit_rate.map(|most| format!("{most} submissões por segundo")),
                ]);
                let limits = limits.unwrap_or("sem limites próprios".to_owned());
                match user {
                    Some(user) => format!("Cota de {user}: {limits}."),
                    None => format!("Cota padrão dos usuários: {limits}."),
                }
            }
            Self::TaskAssigned { worker, .. } => format!("Tarefa [{task}] atribuída ao worker [{worker}]"),
            Self::TaskReassigned { worker, .. } => {
                format!("Reatribuindo tarefa [{task}] para o worker [{worker}].")
            }
            Self::TaskSucceeded { .. } => format!("Tarefa [{task}] concluída."),
            Self::TaskFailed { error, .. } => format!("Tarefa [{task}] falhou: {error}"),
            Self::TaskRetried { error, delay_ms, .. } => {
                format!("Tarefa [{task}] falhou e será repetida em {}: {error}", time(*delay_ms))
            }
            Self::TaskCancelled { .. } => format!("Tarefa [{task}] cancelada."),
            Self::TaskLost { .. } => {
                format!("Tarefa [{task}] perdida com o seu worker; ela não pode começar de novo.")
            }
            Self::OutcomeFenced { attempt, .. } => {
                format!("Resultado atrasado da tarefa [{task}], tentativa {attempt}, recusado.")
            }
            Self::OutcomesFenced { outcomes } => format!("Mais {outcomes} resultados recusados no último segundo."),
            Self::TasksAggregated { submitted, assigned, reassigned, succeeded, failed, cancelled, lost, retried } => format!(
                "Tarefas no último segundo: {submitted} recebidas, {assigned} atribuídas, {reassigned} reatribuídas, \
                 {succeeded} concluídas, {failed} falhas, {cancelled} canceladas, {lost} perdidas, {retried} a repetir."
            ),
            Self::PrincipalFailed => "!!!! FALHA NO PRINCIPAL DETECTADA. ASSUMINDO CONTROLE !!!!".into(),
            Self::Promoted { .. } => "Backup promovido a principal.".into(),
            Self::Serving { epoch } => format!("Atendendo como principal (época {epoch})."),
            Self::SteppedDown { epoch, principal } => {
                format!("Este nó não é mais o principal: {principal} assumiu na época {epoch}.")
            }
            Self::Following { principal } => format!("Seguindo o principal em {principal}; sincronizando..."),
            Self::StandbyInSync { epoch } => format!("Sincronizado: pronto para assumir (época {epoch})."),
            Self::Founded { cluster } => format!("Novo cluster fundado: {cluster}"),
            Self::WaitingForPeer { peer } => format!(
                "Aguardando o outro orquestrador em {peer}: ele pode ter tarefas confirmadas que este nó não tem. \
                 Se ele se perdeu de vez: cliente cluster promote --force"
            ),
            Self::WaitingForPrincipal { peer } => format!("Aguardando o principal em {peer}..."),
            Self::NotExpected { peer, expected, own } => format!(
                "AVISO: o orquestrador em {peer} espera o outro em {expected}, não em {own}: este nó não recebe nada. \
                 Inicie-o lá, ou, se o outro se perdeu: cliente cluster replace {own}"
            ),
            Self::ForeignCluster { peer } => format!(
                "O orquestrador em {peer} pertence a outro cluster; os dois se recusam. \
                 Apague o diretório de dados do nó que deve ser descartado e reinicie-o."
            ),
            Self::DemoMode => {
                "AVISO: modo de demonstração: user1/token_valido_123 é aceito. Crie usuários com: cliente users add".into()
            }
            Self::FirstAdmin => {
                "Ainda sem usuários: entra só `admin`, com o token de --admin-token-file. Crie usuários com: cliente users add".into()
            }
            Self::NobodyMayEnter => {
                "AVISO: não há usuários e ninguém pode entrar; inicie os orquestradores com --admin-token-file para criar o primeiro.".into()
            }
            Self::TailSetAside { entries, path, after_override: false } => match entries {
                1 => format!("1 entrada nunca confirmada foi posta de lado em {path}."),
                _ => format!("{entries} entradas nunca confirmadas foram postas de lado em {path}."),
            },
            Self::TailSetAside { entries, path, after_override: true } => {
                let put = match entries {
                    1 => "1 entrada, que pode ter sido confirmada, foi posta de lado".to_owned(),
                    _ => format!("{entries} entradas, que podem ter sido confirmadas, foram postas de lado"),
                };
                format!(
                    "AVISO: depois de uma promoção à força, {put} em {path}. Para submeter de novo as tarefas que estão lá: cliente cluster recover-tail"
                )
            }
            Self::HandingOver => "Encerrando: passando o controle ao backup...".into(),
            Self::NobodyToHandOver => {
                "Encerrando: não há backup que assuma; o trabalho espera pela próxima partida.".into()
            }
            Self::Stopping => "Encerrado.".into(),
            Self::Recovered { entries, tasks, ms } => {
                format!("Diário recuperado: {}, {}, em {}.", counted(entries, "entrada", "entradas"), counted(tasks, "tarefa", "tarefas"), time(*ms))
            }
            Self::JournalFailed { error } => format!(
                "ERRO: o diário não pôde ser gravado: {error} Este nó para agora; corrija isso e inicie-o de novo."
            ),
            Self::DataDirLost { path } => format!(
                "ERRO: o diretório de dados {path} foi removido ou trocado; este nó para agora. O que foi confirmado está no outro, se ele estava em sincronia; ao reiniciar, este começa vazio e copia."
            ),
            Self::NobodyTookOver => {
                "AVISO: ninguém assumiu o controle a tempo; o trabalho espera pela próxima partida.".into()
            }
            Self::PromotionForced => "AVISO: promoção forçada pelo operador.".into(),
        }
    }

    fn english(&self) -> String {
        let task = self.fields().task.map(array_id::shown).unwrap_or_default();
        match self {
            Self::PrincipalStarted { port } => format!("Principal orchestrator started on port {port}..."),
            Self::BackupStarted { port } => format!("Backup orchestrator started on port {port}..."),
            Self::BackupUnavailable { address } => {
                format!("WARNING: no backup at {address}; tasks are on this node alone until it is back.")
            }
            Self::BackupBlocks { address } => format!(
                "WARNING: the other replica is missing (backup at {address}), and no task is acknowledged until it is back. If \
                 it or its disk is gone for good, tell this node so: cliente cluster promote --force"
            ),
            Self::BackupInSync { address } => format!("Backup in sync at {address}."),
            Self::WorkerRegistered { worker } => format!("New worker registered: {worker}"),
            Self::WorkerReconnected { worker } => format!("Worker reconnected: {worker}"),
            Self::WorkerLost { worker } => format!("Worker [{worker}] considered failed."),
            Self::TaskSubmitted { owner, .. } => format!("Task [{task}] received from {owner}."),
            Self::QueueChanged { queue, paused: true, .. } => format!("Queue [{queue}] paused."),
            Self::QueueChanged { queue, weight, max_running, .. } => {
                let most = max_running.map_or("no limit".to_owned(), |most| format!("at most {most} at a time"));
                format!("Queue [{queue}]: weight {weight}, {most}.")
            }
            Self::QuotaChanged { user, max_active, max_bytes, max_running, submit_rate } => {
                let limits = limits([
                    max_active.map(|most| format!("{most} unfinished tasks")),
                    max_bytes.map(size),
                    max_running.map(|most| format!("{most} running")),
                    submit_rate.map(|most| format!("{most} submissions a second")),
                ]);
                let limits = limits.unwrap_or("no limits of its own".to_owned());
                match user {
                    Some(user) => format!("Quota of {user}: {limits}."),
                    None => format!("Default quota of users: {limits}."),
                }
            }
            Self::TaskAssigned { worker, .. } => format!("Task [{task}] assigned to worker [{worker}]"),
            Self::TaskReassigned { worker, .. } => format!("Reassigning task [{task}] to worker [{worker}]."),
            Self::TaskSucceeded { .. } => format!("Task [{task}] succeeded."),
            Self::TaskFailed { error, .. } => format!("Task [{task}] failed: {error}"),
            Self::TaskRetried { error, delay_ms, .. } => {
                format!("Task [{task}] failed and will be retried in {}: {error}", time(*delay_ms))
            }
            Self::TaskCancelled { .. } => format!("Task [{task}] cancelled."),
            Self::TaskLost { .. } => {
                format!("Task [{task}] lost with its worker; it may not be started again.")
            }
            Self::OutcomeFenced { attempt, .. } => {
                format!("Late result of task [{task}], attempt {attempt}, refused.")
            }
            Self::OutcomesFenced { outcomes } => format!("{outcomes} more results refused in the last second."),
            Self::TasksAggregated { submitted, assigned, reassigned, succeeded, failed, cancelled, lost, retried } => format!(
                "Tasks in the last second: {submitted} received, {assigned} assigned, {reassigned} reassigned, \
                 {succeeded} succeeded, {failed} failed, {cancelled} cancelled, {lost} lost, {retried} to be retried."
            ),
            Self::PrincipalFailed => "!!!! PRINCIPAL FAILURE DETECTED. TAKING CONTROL !!!!".into(),
            Self::Promoted { .. } => "Backup promoted to principal.".into(),
            Self::Serving { epoch } => format!("Serving as principal (epoch {epoch})."),
            Self::SteppedDown { epoch, principal } => {
                format!("This node is no longer the principal: {principal} took over in epoch {epoch}.")
            }
            Self::Following { principal } => format!("Following the principal at {principal}; catching up..."),
            Self::StandbyInSync { epoch } => format!("In sync: ready to take over (epoch {epoch})."),
            Self::Founded { cluster } => format!("New cluster founded: {cluster}"),
            Self::WaitingForPeer { peer } => format!(
                "Waiting for the other orchestrator at {peer}: it may hold acknowledged tasks that this node lacks. \
                 If it is gone for good: cliente cluster promote --force"
            ),
            Self::WaitingForPrincipal { peer } => format!("Waiting for the principal at {peer}..."),
            Self::NotExpected { peer, expected, own } => format!(
                "WARNING: the orchestrator at {peer} expects the other one at {expected}, not at {own}: this node receives \
                 nothing. Start it there, or, if the other one is gone: cliente cluster replace {own}"
            ),
            Self::ForeignCluster { peer } => format!(
                "The orchestrator at {peer} belongs to another cluster; the two refuse each other. \
                 Delete the data directory of the node to be discarded and restart it."
            ),
            Self::DemoMode => {
                "WARNING: demo mode: user1/token_valido_123 is accepted. Create users with: cliente users add".into()
            }
            Self::FirstAdmin => {
                "No users yet: only `admin` may enter, with the token of --admin-token-file. Create users with: cliente users add".into()
            }
            Self::NobodyMayEnter => {
                "WARNING: there are no users and nobody may enter; start the orchestrators with --admin-token-file to create the first.".into()
            }
            Self::TailSetAside { entries, path, after_override: false } => match entries {
                1 => format!("1 entry that was never acknowledged was set aside in {path}."),
                _ => format!("{entries} entries that were never acknowledged were set aside in {path}."),
            },
            Self::TailSetAside { entries, path, after_override: true } => {
                let put = match entries {
                    1 => "1 entry that may have been acknowledged was set aside".to_owned(),
                    _ => format!("{entries} entries that may have been acknowledged were set aside"),
                };
                format!(
                    "WARNING: after a promotion by force, {put} in {path}. To submit again the tasks that are there: cliente cluster recover-tail"
                )
            }
            Self::HandingOver => "Stopping: handing over to the backup...".into(),
            Self::NobodyToHandOver => {
                "Stopping: there is no backup to take over; the work waits for the next start.".into()
            }
            Self::Stopping => "Stopped.".into(),
            Self::Recovered { entries, tasks, ms } => {
                format!("Journal recovered: {}, {}, in {}.", counted(entries, "entry", "entries"), counted(tasks, "task", "tasks"), time(*ms))
            }
            Self::JournalFailed { error } => format!(
                "ERROR: the journal could not be written: {error} This node stops now; mend that and start it again."
            ),
            Self::DataDirLost { path } => format!(
                "ERROR: the data directory {path} was removed or replaced; this node stops now. What was acknowledged is on the other one, if that was in sync; after a restart this one begins empty and copies."
            ),
            Self::NobodyTookOver => {
                "WARNING: nobody took over in time; the work waits for the next start.".into()
            }
            Self::PromotionForced => "WARNING: promotion forced by the operator.".into(),
        }
    }
}

/// `None` when there are none.
fn limits(limits: [Option<String>; 4]) -> Option<String> {
    let limits: Vec<_> = limits.into_iter().flatten().collect();
    (!limits.is_empty()).then(|| limits.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_of_an_array_is_named_as_people_write_it() {
        let array = array_id::new();
        let task = array_id::task(&array, 7).expect("it is an array");
        let cancelled = NodeMessage::TaskCancelled { task: task.clone() };
        assert_eq!(cancelled.text(Lang::Pt), format!("Tarefa [{array}_7] cancelada."));
        assert_eq!(cancelled.text(Lang::En), format!("Task [{array}_7] cancelled."));
        assert_eq!(cancelled.fields().task, Some(&*task), "programs read the id");
    }

    #[test]
    fn after_an_override_nothing_set_aside_is_called_unacknowledged() {
        let text = |entries, after_override, lang| {
            NodeMessage::TailSetAside { entries, path: "p".into(), after_override }.text(lang)
        };
        assert_eq!(
            text(1, false, Lang::En),
            "1 entry that was never acknowledged was set aside in p."
        );
        assert!(text(2, false, Lang::Pt).starts_with("2 entradas nunca confirmadas"));
        for (lang, never) in [(Lang::Pt, "nunca"), (Lang::En, "never")] {
            for entries in [1, 2] {
                let text = text(entries, true, lang);
                assert!(!text.contains(never) && text.contains("recover-tail"), "{text}");
            }
        }
    }
}
