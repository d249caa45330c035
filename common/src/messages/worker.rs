//! Console lines of the worker.

use super::{Fields, Message};
use crate::array_id;
use crate::lang::Lang;

/// What the worker tells the person who watches it.
#[derive(Clone, Debug)]
pub enum WorkerMessage {
    Started {
        worker: String,
        slots: u32,
    },
    /// Memory limits hold for all processes of an attempt together, in cgroups below this one.
    MemoryByCgroup {
        dir: String,
    },
    /// Memory limits hold for each process.
    MemoryByUlimit,
    /// Programs have all rights on this machine, and nobody said that they should.
    RunsAsRoot,
    /// Programs run as this user.
    RunsAs {
        user: String,
    },
    /// No directories can be made for attempts.
    WorkRootUnusable {
        dir: String,
        error: String,
    },
    Connected {
        address: String,
        epoch: u64,
    },
    Disconnected {
        address: String,
        running: u64,
    },
    NoPrincipal {
        addresses: String,
    },
    ForeignCluster {
        address: String,
    },
    /// Another worker of the same id is connected.
    IdTaken {
        worker: String,
    },
    /// No principal for so long: what ran is stopped.
    Abandoned {
        running: u64,
        seconds: u64,
    },
    TaskStarted {
        task: String,
        handler: String,
    },
    TaskFinished {
        task: String,
    },
    TaskFailed {
        task: String,
        error: String,
    },
    /// It was cancelled, or the worker ends.
    TaskStopped {
        task: String,
    },
    /// Many task lines of the last second in one.
    TasksAggregated {
        started: u64,
        finished: u64,
        failed: u64,
        stopped: u64,
    },
    Draining,
    DrainTimeout,
}

impl Message for WorkerMessage {
    fn event(&self) -> &'static str {
        match self {
            Self::Started { .. } => "worker_started",
            Self::MemoryByCgroup { .. } => "memory_by_cgroup",
            Self::MemoryByUlimit => "memory_by_ulimit",
            Self::RunsAsRoot => "runs_as_root",
            Self::RunsAs { .. } => "runs_as",
            Self::WorkRootUnusable { .. } => "work_root_unusable",
            Self::Connected { .. } => "connected",
            Self::Disconnected { .. } => "disconnected",
            Self::NoPrincipal { .. } => "no_principal",
            Self::ForeignCluster { .. } => "foreign_cluster",
            Self::IdTaken { .. } => "worker_id_taken",
            Self::Abandoned { .. } => "abandoned",
            Self::TaskStarted { .. } => "task_started",
            Self::TaskFinished { .. } => "task_finished",
            Self::TaskFailed { .. } => "task_failed",
            Self::TaskStopped { .. } => "task_stopped",
            Self::TasksAggregated { .. } => "tasks_aggregated",
            Self::Draining => "draining",
            Self::DrainTimeout => "drain_timeout",
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
            Self::Started { worker, .. } | Self::IdTaken { worker } => {
                fields.worker = Some(worker);
            }
            Self::Connected { epoch, .. } => fields.epoch = Some(*epoch),
            Self::TaskStarted { task, .. }
            | Self::TaskFinished { task }
            | Self::TaskStopped { task }
            | Self::TaskFailed { task, .. } => {
                fields.task = Some(task);
            }
            Self::Disconnected { .. }
            | Self::NoPrincipal { .. }
            | Self::ForeignCluster { .. }
            | Self::Abandoned { .. }
            | Self::TasksAggregated { .. }
            | Self::MemoryByCgroup { .. }
            | Self::MemoryByUlimit
            | Self::RunsAsRoot
            | Self::RunsAs { .. }
            | Self::WorkRootUnusable { .. }
            | Self::Draining
            | Self::DrainTimeout => {}
        }
        fields
    }
}

impl WorkerMessage {
    fn portuguese(&self) -> String {
        let task = self.fields().task.map(array_id::shown).unwrap_or_default();
        match self {
            Self::Started { worker, slots } => {
                format!("Worker {worker} iniciado com {slots} vaga(s)...")
            }
            Self::MemoryByCgroup { dir } => {
                format!("Limite de memória (--memory-limit): por tentativa, com cgroups em {dir}.")
            }
            Self::MemoryByUlimit => {
                "Limite de memória (--memory-limit): por processo, com ulimit -v; não há cgroups v2 para este worker.".into()
            }
            Self::RunsAsRoot => {
                "AVISO: as tarefas de command executam como root, com todos os direitos nesta máquina; inicie o worker como outro usuário, ou com --run-as USUÁRIO (--run-as root, se é o que se quer).".into()
            }
            Self::RunsAs { user } => {
                format!("Programas de tarefas executam como {user} (--run-as).")
            }
            Self::WorkRootUnusable { dir, error } => format!(
                "AVISO: {dir} não pode ser usado ({error}); tarefas com --own-dir falharão. Corrija isso, ou inicie o worker com outro --work-root."
            ),
            Self::Connected { address, epoch } => {
                format!("Conectado ao principal em {address} (época {epoch}).")
            }
            Self::Disconnected { address, running } => format!(
                "Conexão com {address} perdida; procurando o principal ({running} tarefa(s) continuam executando)..."
            ),
            Self::NoPrincipal { addresses } => {
                format!("AVISO: nenhum principal em {addresses}; tentando de novo...")
            }
            Self::ForeignCluster { address } => {
                format!(
                    "ERRO: o orquestrador em {address} pertence a outro cluster; verifique --orchestrators."
                )
            }
            Self::IdTaken { worker } => format!(
                "AVISO: outro worker já está conectado como {worker}. Se é outra máquina, inicie este com outro --advertise; se é o que acabou de morrer, este entra em seu lugar em alguns segundos..."
            ),
            Self::Abandoned { running, seconds } => format!(
                "AVISO: nenhum principal há {seconds} s (--abandon-after-s): {running} tarefa(s) interrompida(s), que podem já executar em outro worker."
            ),
            Self::TaskStarted { handler, .. } => {
                format!("Executando tarefa [{task}] ({handler})")
            }
            Self::TaskFinished { .. } => format!("Tarefa [{task}] terminada."),
            Self::TaskFailed { error, .. } => format!("Tarefa [{task}] falhou: {error}"),
            Self::TaskStopped { .. } => format!("Tarefa [{task}] interrompida."),
            Self::TasksAggregated { started, finished, failed, stopped } => format!(
                "Tarefas no último segundo: {started} iniciadas, {finished} terminadas, {failed} falhas, {stopped} interrompidas."
            ),
            Self::Draining => {
                "Encerrando: terminando o que está em execução, sem aceitar mais...".into()
            }
            Self::DrainTimeout => {
                "AVISO: o prazo acabou; o que ainda executa será refeito por outro worker, ou fica PERDIDO se é no máximo uma vez.".into()
            }
        }
    }

    fn english(&self) -> String {
        let task = self.fields().task.map(array_id::shown).unwrap_or_default();
        match self {
            Self::Started { worker, slots } => {
                format!("Worker {worker} started with {slots} slot(s)...")
            }
            Self::MemoryByCgroup { dir } => {
                format!("Memory limit (--memory-limit): per attempt, with cgroups in {dir}.")
            }
            Self::MemoryByUlimit => {
                "Memory limit (--memory-limit): per process, with ulimit -v; there are no cgroups v2 for this worker.".into()
            }
            Self::RunsAsRoot => {
                "WARNING: tasks of command run as root, with all rights on this machine; start the worker as another user, or with --run-as USER (--run-as root, if that is what is wanted).".into()
            }
            Self::RunsAs { user } => format!("Programs of tasks run as {user} (--run-as)."),
            Self::WorkRootUnusable { dir, error } => format!(
                "WARNING: {dir} cannot be used ({error}); tasks with --own-dir will fail. Mend that, or start the worker with another --work-root."
            ),
            Self::Connected { address, epoch } => {
                format!("Connected to the principal at {address} (epoch {epoch}).")
            }
            Self::Disconnected { address, running } => {
                format!(
                    "Lost the connection to {address}; looking for the principal ({running} task(s) go on)..."
                )
            }
            Self::NoPrincipal { addresses } => {
                format!("WARNING: no principal at {addresses}; trying again...")
            }
            Self::ForeignCluster { address } => {
                format!(
                    "ERROR: the orchestrator at {address} belongs to another cluster; check --orchestrators."
                )
            }
            Self::IdTaken { worker } => format!(
                "WARNING: another worker is connected as {worker}. If it is on another machine, start this one with another --advertise; if it is one that has just died, this one takes its place in a few seconds..."
            ),
            Self::Abandoned { running, seconds } => format!(
                "WARNING: no principal for {seconds} s (--abandon-after-s): {running} task(s) stopped, which may run on another worker already."
            ),
            Self::TaskStarted { handler, .. } => format!("Running task [{task}] ({handler})"),
            Self::TaskFinished { .. } => format!("Task [{task}] finished."),
            Self::TaskFailed { error, .. } => format!("Task [{task}] failed: {error}"),
            Self::TaskStopped { .. } => format!("Task [{task}] stopped."),
            Self::TasksAggregated { started, finished, failed, stopped } => {
                format!(
                    "Tasks in the last second: {started} started, {finished} finished, {failed} failed, {stopped} stopped."
                )
            }
            Self::Draining => "Stopping: finishing what runs, taking no more...".into(),
            Self::DrainTimeout => {
                "WARNING: time is up; another worker will redo what still runs, or it is LOST if it runs at most once.".into()
            }
        }
    }
}
