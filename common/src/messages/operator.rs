//! What operators read: why a cluster stands as it does, and what a rehearsal showed.

use crate::lang::Lang;

/// One line of an answer to an operator.
#[derive(Clone, Debug)]
pub enum OperatorMessage {
    /// The office changed hands on request.
    SwitchedOver { epoch: u64, ms: u64 },
    /// Another machine takes the place of the dead orchestrator.
    PeerReplaced { address: String },
    /// What was set aside was submitted once more.
    TailRecovered {
        node: String,
        tail: String,
        tasks: u64,
        accepted: u64,
        finished: u64,
        withheld: u64,
    },
    /// A task that may be started once only, and may have begun.
    TaskWithheld { task: String },
    /// A file of set-aside entries cannot be read.
    TailDamaged { node: String, tail: String, damage: String },
    /// Nothing is set aside anywhere.
    NoTails,
    /// Heading of what happened to a task; the beginning may be in a snapshot.
    Steps { is_cut: bool },
    /// One step. `what` and `cause` are words of `TaskStep`.
    Step {
        at: String,
        what: String,
        attempt: u32,
        worker: String,
        cause: String,
        index: u64,
        epoch: u64,
    },
    /// Who could run a task that waits.
    Offers { handler: String, connected: usize, free_slots: u64 },
    /// The whole cluster ends; so many tasks still ran.
    ShutDown { interrupted: u64 },
    /// Heading of what one node says. `standing` is a word of `ExplainClusterResponse`.
    Node { address: String, standing: String, view: u64, epoch: u64 },
    /// It does not answer.
    NodeSilent { address: String },
    /// What happens when one orchestrator dies now. `failover` is a word of `ExplainClusterResponse`.
    Failover { failover: String, alive: usize, witnesses: usize },
    /// Machines whose single loss stops automatic failover.
    CriticalHosts { hosts: String },
    /// A witness.
    Witness { incarnation: String, host: String, alive: bool },
    /// Heading of the list of views.
    Views,
    /// One of them. `cause` is a word of `ViewNote`; `at` is empty for one from before.
    View { number: u64, epoch: u64, cause: String, at: String, replicas: u32, witnesses: u32 },
    /// What the journal of one node holds.
    AuditedNode {
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
    /// What an audit came to; `asked` tasks had been acknowledged to the caller.
    Audited { proven: Proof, asked: usize },
    /// A drill begins.
    DrillBegins { kind: DrillKind, address: String },
    /// What a drill showed.
    DrillOutage { outage_ms: u64, detection_ms: Option<u64>, first_acknowledged_ms: u64 },
    /// Verdict of a drill.
    DrillVerdict { submitted: u64, acknowledged: u64, lost: u64, duplicated: u64 },
}

/// What an audit came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// Both journals were read and agree.
    Proven,
    /// Nothing is wrong with the one that was read.
    OneNodeOnly,
    /// Something is not as it must be.
    Violated,
}

impl Proof {
    /// For programs.
    pub fn word(self) -> &'static str {
        match self {
            Self::Proven => "PROVEN",
            Self::OneNodeOnly => "ONE_NODE_ONLY",
            Self::Violated => "VIOLATED",
        }
    }
}

/// What happens to the principal in a drill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DrillKind {
    /// As by `kill -9`.
    Kill,
    /// It stops for a while.
    Pause,
}

impl OperatorMessage {
    /// The line.
    pub fn text(&self, lang: Lang) -> String {
        match lang {
            Lang::Pt => self.portuguese(),
            Lang::En => self.english(),
        }
    }

    fn portuguese(&self) -> String {
        match self {
            Self::SwitchedOver { epoch, ms } => {
                format!("O backup assumiu em {ms} ms (época {epoch}).")
            }
            Self::PeerReplaced { address } => format!(
                "O principal espera agora o backup em {address}. Inicie lá: orquestrador-backup --peer <principal>"
            ),
            Self::TailRecovered { node, tail, tasks, accepted, finished, withheld } => format!(
                "{node}, {tail}: {tasks} tarefas; submetidas de novo: {accepted}; já conhecidas: {}. Deixadas de fora: \
                 já terminadas ou canceladas: {finished}; no máximo uma vez e talvez já iniciadas: {withheld}.",
                tasks.saturating_sub(*accepted)
            ),
            Self::TaskWithheld { task } => {
                format!("  {task}: no máximo uma vez e talvez já iniciada; não foi submetida de novo")
            }
            Self::TailDamaged { node, tail, damage } => format!(
                "{node}, {tail}: DANIFICADO, nada dele foi submetido de novo. O que ainda se lê: orquestrador journal dump --file ARQUIVO [{damage}]"
            ),
            Self::NoTails => "Nenhum orquestrador separou histórico.".into(),
            Self::Steps { is_cut: false } => "O que aconteceu:".into(),
            Self::Steps { is_cut: true } => {
                "O que aconteceu desde o último snapshot do diário:".into()
            }
            Self::Step { at, what, attempt, worker, cause, index, epoch } => format!(
                "  {at}  {} (entrada {index}, época {epoch})",
                step_pt(what, *attempt, worker, cause)
            ),
            Self::Offers { handler, connected, free_slots } => format!(
                "Workers conectados que oferecem {handler}: {connected}; vagas livres neles: {free_slots}."
            ),
            Self::ShutDown { interrupted: 0 } => {
                "O cluster foi encerrado; nada ficou em execução.".into()
            }
            Self::ShutDown { interrupted } => format!(
                "O cluster foi encerrado; tarefas interrompidas, que rodam de novo na próxima partida, ou se perdem se são de no máximo uma vez: {interrupted}."
            ),
            Self::Node { address, standing, view, epoch } => {
                format!("{address}: {} (visão {view}, época {epoch})", standing_pt(standing))
            }
            Self::NodeSilent { address } => format!("{address}: não responde"),
            Self::Failover { failover, alive, witnesses } => {
                format!("  Se um orquestrador morrer agora: {}", failover_pt(failover, *alive, *witnesses))
            }
            Self::CriticalHosts { hosts } => {
                format!("  A perda de uma só destas máquinas impediria a troca automática: {hosts}")
            }
            Self::Witness { incarnation, host, alive: true } => {
                format!("  testemunha {incarnation} em {host}: viva")
            }
            Self::Witness { incarnation, alive: false, .. } => {
                format!("  testemunha {incarnation}: este nó não a ouve")
            }
            Self::Views => "  Últimas visões:".into(),
            Self::View { number, epoch, cause, at, replicas, witnesses } => format!(
                "    {number} (época {epoch}, réplicas {replicas}, testemunhas {witnesses}): {}{}",
                cause_pt(cause),
                when(at, "antes deste processo")
            ),
            Self::AuditedNode {
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
                let wrong = if contradiction.is_empty() {
                    String::new()
                } else {
                    format!("; contradição: {contradiction}")
                };
                format!(
                    "{address}: entradas {first} a {at} após o snapshot, época até {epoch}, {tasks} tarefas; segundos resultados: {second_outcomes}; épocas que voltam: {epoch_regressions}; confirmadas que faltam: {missing}{wrong}"
                )
            }
            Self::Audited { proven: Proof::Proven, asked } => format!(
                "Provado: os dois diários são o mesmo, cada tarefa tem um só resultado, e as {asked} confirmadas que você deu estão neles."
            ),
            Self::Audited { proven: Proof::OneNodeOnly, .. } => {
                "Só um orquestrador respondeu: nada de errado nele, mas nada foi comparado.".into()
            }
            Self::Audited { proven: Proof::Violated, .. } => {
                "VIOLAÇÃO: os diários não são como deveriam. Guarde os diretórios de dados e relate.".into()
            }
            Self::DrillBegins { kind: DrillKind::Kill, address } => {
                format!("Ensaio: o principal em {address} morre agora, sob carga...")
            }
            Self::DrillBegins { kind: DrillKind::Pause, address } => {
                format!("Ensaio: o principal em {address} para agora, sob carga...")
            }
            Self::DrillOutage { outage_ms, detection_ms, first_acknowledged_ms } => format!(
                "Maior intervalo sem confirmação: {outage_ms} ms; novo principal eleito após {}; primeira confirmação dele após {first_acknowledged_ms} ms.",
                detection_ms.map_or("?".into(), |ms| format!("{ms} ms"))
            ),
            Self::DrillVerdict { submitted, acknowledged, lost, duplicated } => format!(
                "Tarefas submetidas: {submitted}; confirmadas: {acknowledged}; perdidas: {lost}; duplicadas: {duplicated}."
            ),
        }
    }

    fn english(&self) -> String {
        match self {
            Self::SwitchedOver { epoch, ms } => {
                format!("The backup took over in {ms} ms (epoch {epoch}).")
            }
            Self::PeerReplaced { address } => format!(
                "The principal expects the backup at {address} now. Start there: orquestrador-backup --peer <principal>"
            ),
            Self::TailRecovered { node, tail, tasks, accepted, finished, withheld } => format!(
                "{node}, {tail}: {tasks} tasks; submitted again: {accepted}; known already: {}. Left out: finished or \
                 cancelled already: {finished}; at most once and possibly begun: {withheld}.",
                tasks.saturating_sub(*accepted)
            ),
            Self::TaskWithheld { task } => {
                format!("  {task}: at most once and possibly begun; it was not submitted again")
            }
            Self::TailDamaged { node, tail, damage } => format!(
                "{node}, {tail}: DAMAGED, nothing of it was submitted again. What can still be read: orquestrador journal dump --file FILE [{damage}]"
            ),
            Self::NoTails => "No orchestrator has set anything aside.".into(),
            Self::Steps { is_cut: false } => "What happened:".into(),
            Self::Steps { is_cut: true } => {
                "What happened since the last snapshot of the journal:".into()
            }
            Self::Step { at, what, attempt, worker, cause, index, epoch } => format!(
                "  {at}  {} (entry {index}, epoch {epoch})",
                step_en(what, *attempt, worker, cause)
            ),
            Self::Offers { handler, connected, free_slots } => format!(
                "Connected workers that offer {handler}: {connected}; free slots among them: {free_slots}."
            ),
            Self::ShutDown { interrupted: 0 } => {
                "The cluster was stopped; nothing was left running.".into()
            }
            Self::ShutDown { interrupted } => format!(
                "The cluster was stopped; tasks interrupted, which run again at the next start, or are lost if they run at most once: {interrupted}."
            ),
            Self::Node { address, standing, view, epoch } => {
                format!("{address}: {} (view {view}, epoch {epoch})", standing_en(standing))
            }
            Self::NodeSilent { address } => format!("{address}: does not answer"),
            Self::Failover { failover, alive, witnesses } => {
                format!("  If one orchestrator dies now: {}", failover_en(failover, *alive, *witnesses))
            }
            Self::CriticalHosts { hosts } => {
                format!("  The loss of any one of these machines would stop automatic failover: {hosts}")
            }
            Self::Witness { incarnation, host, alive: true } => {
                format!("  witness {incarnation} at {host}: alive")
            }
            Self::Witness { incarnation, alive: false, .. } => {
                format!("  witness {incarnation}: not heard by this node")
            }
            Self::Views => "  Last views:".into(),
            Self::View { number, epoch, cause, at, replicas, witnesses } => format!(
                "    {number} (epoch {epoch}, replicas {replicas}, witnesses {witnesses}): {}{}",
                cause_en(cause),
                when(at, "before this process")
            ),
            Self::AuditedNode {
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
                let wrong = if contradiction.is_empty() {
                    String::new()
                } else {
                    format!("; contradiction: {contradiction}")
                };
                format!(
                    "{address}: entries {first} to {at} after the snapshot, epoch up to {epoch}, {tasks} tasks; second outcomes: {second_outcomes}; epochs going back: {epoch_regressions}; acknowledged and missing: {missing}{wrong}"
                )
            }
            Self::Audited { proven: Proof::Proven, asked } => format!(
                "Proven: both journals are the same, each task has one outcome, and the {asked} acknowledged ones that you gave are there."
            ),
            Self::Audited { proven: Proof::OneNodeOnly, .. } => {
                "Only one orchestrator answered: nothing is wrong with it, but nothing was compared.".into()
            }
            Self::Audited { proven: Proof::Violated, .. } => {
                "VIOLATION: the journals are not as they must be. Keep the data directories and report it.".into()
            }
            Self::DrillBegins { kind: DrillKind::Kill, address } => {
                format!("Drill: the principal at {address} dies now, under load...")
            }
            Self::DrillBegins { kind: DrillKind::Pause, address } => {
                format!("Drill: the principal at {address} stops now, under load...")
            }
            Self::DrillOutage { outage_ms, detection_ms, first_acknowledged_ms } => format!(
                "Longest time without an acknowledgement: {outage_ms} ms; new principal elected after {}; its first acknowledgement after {first_acknowledged_ms} ms.",
                detection_ms.map_or("?".into(), |ms| format!("{ms} ms"))
            ),
            Self::DrillVerdict { submitted, acknowledged, lost, duplicated } => format!(
                "Tasks submitted: {submitted}; acknowledged: {acknowledged}; lost: {lost}; duplicated: {duplicated}."
            ),
        }
    }
}

fn when(at: &str, before: &str) -> String {
    if at.is_empty() { format!(" ({before})") } else { format!(", {at}") }
}

/// A word that a newer orchestrator may send stays what it is.
fn standing_pt(word: &str) -> &str {
    match word {
        "PRINCIPAL" => "principal",
        "ELECTED" => "eleito, ainda não atende",
        "STANDBY" => "backup em sincronia, pode assumir",
        "LEARNER" => "recebendo o histórico, ainda não pode assumir",
        "WAITING" => "esperando o outro orquestrador",
        "UNFOUNDED" => "sem cluster",
        other => other,
    }
}

fn standing_en(word: &str) -> &str {
    match word {
        "PRINCIPAL" => "principal",
        "ELECTED" => "elected, not serving yet",
        "STANDBY" => "backup in sync, can take over",
        "LEARNER" => "catching up, cannot take over yet",
        "WAITING" => "waiting for the other orchestrator",
        "UNFOUNDED" => "no cluster",
        other => other,
    }
}

fn failover_pt(word: &str, alive: usize, witnesses: usize) -> String {
    match word {
        "BY_WITNESSES" => {
            format!("o outro continua sozinho ({alive} de {witnesses} testemunhas vivas).")
        }
        "BY_REFUSED_PORT" => {
            "o outro continua sozinho: na mesma máquina, uma porta que recusa prova a morte.".into()
        }
        "NO_STANDBY" => "nada assume: não há backup. Inicie orquestrador-backup.".into(),
        "CATCHING_UP" => "nada assume ainda: o backup está recebendo o histórico.".into(),
        "NO_WITNESSES" => {
            "o outro espera: duas máquinas e nenhuma testemunha. Inicie workers, ou use cliente cluster promote --force.".into()
        }
        "FEW_WITNESSES" => format!(
            "o outro espera: só {alive} de {witnesses} testemunhas vivas. Reinicie workers; o principal troca as testemunhas."
        ),
        "NOT_FOUNDED" => "ainda não há cluster: inicie orquestrador.".into(),
        "NOT_LISTED" => "este nó não faz parte da visão: ele espera o principal.".into(),
        other => other.to_owned(),
    }
}

fn failover_en(word: &str, alive: usize, witnesses: usize) -> String {
    match word {
        "BY_WITNESSES" => {
            format!("the other one goes on by itself ({alive} of {witnesses} witnesses alive).")
        }
        "BY_REFUSED_PORT" => {
            "the other one goes on by itself: on one machine a refused port proves a death.".into()
        }
        "NO_STANDBY" => "nobody takes over: there is no backup. Start orquestrador-backup.".into(),
        "CATCHING_UP" => "nobody takes over yet: the backup is catching up.".into(),
        "NO_WITNESSES" => {
            "the other one waits: two machines and no witness. Start workers, or use cliente cluster promote --force.".into()
        }
        "FEW_WITNESSES" => format!(
            "the other one waits: only {alive} of {witnesses} witnesses alive. Restart workers; the principal replaces witnesses."
        ),
        "NOT_FOUNDED" => "there is no cluster yet: start orquestrador.".into(),
        "NOT_LISTED" => "this node is not in the view: it waits for the principal.".into(),
        other => other.to_owned(),
    }
}

fn cause_pt(word: &str) -> &str {
    match word {
        "FOUNDED" => "cluster fundado",
        "LEARNT" => "já conhecida",
        "GREW" => "backup em sincronia",
        "SHRANK" => "backup perdido, o principal continua só",
        "REFRESHED" => "testemunhas trocadas",
        "TOOK_OVER" => "o backup assumiu",
        "HANDED_OVER" => "troca planejada",
        "RESTARTED" => "principal reiniciado",
        "FORCED" => "promovido à força",
        other => other,
    }
}

fn cause_en(word: &str) -> &str {
    match word {
        "FOUNDED" => "cluster founded",
        "LEARNT" => "known already",
        "GREW" => "backup in sync",
        "SHRANK" => "backup lost, the principal goes on alone",
        "REFRESHED" => "witnesses changed",
        "TOOK_OVER" => "the backup took over",
        "HANDED_OVER" => "planned switch-over",
        "RESTARTED" => "principal restarted",
        "FORCED" => "promoted by force",
        other => other,
    }
}

fn step_pt(what: &str, attempt: u32, worker: &str, cause: &str) -> String {
    match (what, cause) {
        ("SUBMITTED", _) => "submetida".into(),
        ("ASSIGNED", _) => format!("tentativa {attempt} atribuída a {worker}"),
        ("LOST", "WORKER_SILENT") => {
            format!("tentativa {attempt} perdida: o worker ficou em silêncio; volta à fila")
        }
        ("LOST", "WORKER_RESTARTED") => {
            format!("tentativa {attempt} perdida: o worker foi reiniciado; volta à fila")
        }
        ("TASK_LOST", "WORKER_SILENT") => format!(
            "perdida na tentativa {attempt}: o worker ficou em silêncio; no máximo uma vez: não volta à fila"
        ),
        ("TASK_LOST", "WORKER_RESTARTED") => format!(
            "perdida na tentativa {attempt}: o worker foi reiniciado; no máximo uma vez: não volta à fila"
        ),
        ("SUCCEEDED", _) => format!("tentativa {attempt} concluída"),
        ("FAILED", code) => format!("tentativa {attempt} falhou: {code}"),
        ("CANCELLED", _) => "cancelada".into(),
        (what, cause) => format!("{what} {attempt} {cause}"),
    }
}

fn step_en(what: &str, attempt: u32, worker: &str, cause: &str) -> String {
    match (what, cause) {
        ("SUBMITTED", _) => "submitted".into(),
        ("ASSIGNED", _) => format!("attempt {attempt} assigned to {worker}"),
        ("LOST", "WORKER_SILENT") => {
            format!("attempt {attempt} lost: the worker was silent; back to the queue")
        }
        ("LOST", "WORKER_RESTARTED") => {
            format!("attempt {attempt} lost: the worker was restarted; back to the queue")
        }
        ("TASK_LOST", "WORKER_SILENT") => format!(
            "lost in attempt {attempt}: the worker was silent; at most once: not back to the queue"
        ),
        ("TASK_LOST", "WORKER_RESTARTED") => format!(
            "lost in attempt {attempt}: the worker was restarted; at most once: not back to the queue"
        ),
        ("SUCCEEDED", _) => format!("attempt {attempt} succeeded"),
        ("FAILED", code) => format!("attempt {attempt} failed: {code}"),
        ("CANCELLED", _) => "cancelled".into(),
        (what, cause) => format!("{what} {attempt} {cause}"),
    }
}
