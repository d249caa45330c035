//! What operators read: why a cluster stands as it does, and what a rehearsal showed.

use super::amounts;
use crate::lang::Lang;

/// One line of an answer to an operator.
#[derive(Clone, Debug)]
pub enum OperatorMessage {
    /// The office changed hands on request.
    SwitchedOver { epoch: u64, ms: u64 },
    /// Another machine takes the place of the dead orchestrator.
    PeerReplaced { address: String },
    /// An orchestrator logs something else from now on.
    LogFilterSet { address: String },
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
    /// It answers, and refuses; `why` is for people already.
    NodeRefused { address: String, why: String },
    /// What happens when one orchestrator dies now, or what is missing already. `failover` is a word of
    /// `ExplainClusterResponse`; `peer` is where the node looks for the other one.
    Failover { failover: String, alive: usize, witnesses: usize, peer: String },
    /// Machines whose single loss stops the next automatic failover.
    CriticalHosts { hosts: String },
    /// A witness.
    Witness { incarnation: String, host: String, alive: bool },
    /// Heading of the list of views.
    Views,
    /// One of them. `cause` is a word of `ViewNote`; `at` is empty where it is not known.
    View { number: u64, epoch: u64, cause: String, at: String, replicas: u32, witnesses: u32 },
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
                format!("O backup assumiu em {} (época {epoch}).", amounts::time(*ms))
            }
            Self::LogFilterSet { address } => format!("{address} registra agora o que foi pedido."),
            Self::PeerReplaced { address } => format!(
                "O principal espera agora o backup em {address}. Inicie lá: orquestrador-backup --peer <principal>"
            ),
            Self::TailRecovered { node, tail, tasks, accepted, finished, withheld } => format!(
                "{node}, {tail}: {tasks} tarefas; submetidas de novo: {accepted}; já conhecidas: {}. Deixadas de fora: \
                 já terminadas ou canceladas: {finished}; no máximo uma vez e talvez já iniciadas: {withheld}.",
                tasks.saturating_sub(*accepted)
            ),
            Self::TaskWithheld { task } => {
                format!(
                    "  {task}: no máximo uma vez e talvez já iniciada; não foi submetida de novo"
                )
            }
            Self::TailDamaged { node, tail, damage } => format!(
                "{node}, {tail}: DANIFICADO, nada dele foi submetido de novo. O que ainda se lê: orquestrador journal dump --file ARQUIVO [{damage}]"
            ),
            Self::NoTails => "Nenhum orquestrador que respondeu separou histórico.".into(),
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
            Self::NodeRefused { address, why } => format!("{address}: {why}"),
            Self::Failover { failover, alive, witnesses, peer } => {
                format!("  {}", failover_pt(failover, *alive, *witnesses, peer))
            }
            Self::CriticalHosts { hosts } => {
                format!(
                    "  A perda de uma só destas máquinas impediria a próxima troca automática: {hosts}"
                )
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
                when(at, "hora desconhecida")
            ),
        }
    }

    fn english(&self) -> String {
        match self {
            Self::SwitchedOver { epoch, ms } => {
                format!("The backup took over in {} (epoch {epoch}).", amounts::time(*ms))
            }
            Self::LogFilterSet { address } => format!("{address} logs what was asked for."),
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
            Self::NoTails => "No orchestrator that answered has set anything aside.".into(),
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
            Self::NodeRefused { address, why } => format!("{address}: {why}"),
            Self::Failover { failover, alive, witnesses, peer } => {
                format!("  {}", failover_en(failover, *alive, *witnesses, peer))
            }
            Self::CriticalHosts { hosts } => {
                format!(
                    "  The loss of any one of these machines would stop the next automatic failover: {hosts}"
                )
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
                when(at, "time not known")
            ),
        }
    }
}

fn when(at: &str, before: &str) -> String {
    if at.is_empty() { format!(" ({before})") } else { format!(", {at}") }
}

/// In one line, for the service manager of a node.
#[must_use]
pub fn standing_at(word: &str, epoch: u64, lang: Lang) -> String {
    match lang {
        Lang::Pt => format!("{}, época {epoch}", standing_pt(word)),
        Lang::En => format!("{}, epoch {epoch}", standing_en(word)),
    }
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

/// Where one is missing already, a death now is not the question.
fn failover_pt(word: &str, alive: usize, witnesses: usize, peer: &str) -> String {
    let next = "Se um orquestrador morrer agora: ";
    match word {
        "BY_WITNESSES" => {
            format!("{next}o outro continua sozinho ({alive} de {witnesses} testemunhas vivas).")
        }
        "BY_REFUSED_PORT" => format!(
            "{next}o outro continua sozinho: na mesma máquina, uma porta que recusa prova a morte."
        ),
        "NO_STANDBY" => format!(
            "{next}nada assume: não há backup. Inicie em {peer}: orquestrador-backup; ou indique outra máquina: cliente cluster replace."
        ),
        "CATCHING_UP" => {
            format!("{next}nada assume ainda: o backup está recebendo o histórico.")
        }
        "NO_WITNESSES" => format!(
            "{next}o outro espera: duas máquinas e nenhuma testemunha. Inicie workers, ou use cliente cluster promote --force."
        ),
        "FEW_WITNESSES" => format!(
            "{next}o outro espera: só {alive} de {witnesses} testemunhas vivas. Reinicie workers; o principal troca as testemunhas."
        ),
        "NOT_FOUNDED" => format!(
            "Este nó não tem cluster: espera um principal em {peer}. Inicie lá: orquestrador."
        ),
        "NOT_LISTED" => format!(
            "Este nó não faz parte da visão e não ouve o principal: procura-o em {peer}. Se ele se foi para sempre, cliente cluster promote --force aqui serve o que este nó tem, que pode não ser tudo."
        ),
        "BLOCKED" => format!(
            "O outro orquestrador, em {peer}, já não responde: este principal não confirma nada sem ele ({alive} de {witnesses} testemunhas vivas). Inicie-o de novo; se ele se foi para sempre, reinicie este e use cliente cluster promote --force."
        ),
        "WAITING" => format!(
            "Este nó não ouve o outro, em {peer}, e espera: só ele pode ter o que falta aqui ({alive} de {witnesses} testemunhas vivas). Inicie-o de novo; se ele se foi para sempre, use cliente cluster promote --force."
        ),
        "FOREIGN_PEER" => format!(
            "O orquestrador em {peer} pertence a outro cluster: nenhum assume pelo outro. Corrija --peer; ou pare o que não deve valer e inicie-o como orquestrador-backup com um diretório de dados vazio."
        ),
        "NOT_EXPECTED" => format!(
            "O principal em {peer} responde, mas não envia nada a este nó: está parado, ou espera o backup em outro endereço. Para que seja este: cliente cluster replace com o endereço deste nó."
        ),
        "BY_ENGINE" => format!("{next}outro assume: o etcd dá o lugar a quem está a postos."),
        "ENGINE_ALONE" => format!(
            "{next}nada assume: nenhum outro orquestrador está ligado ao etcd e sincronizado. Inicie mais um com o mesmo --engine, ou espere que leia o log."
        ),
        "ENGINE_SILENT" => {
            "O etcd não responde: nada é confirmado e ninguém assume até que responda.".into()
        }
        other => format!("{next}{other}"),
    }
}

fn failover_en(word: &str, alive: usize, witnesses: usize, peer: &str) -> String {
    let next = "If one orchestrator dies now: ";
    match word {
        "BY_WITNESSES" => {
            format!(
                "{next}the other one goes on by itself ({alive} of {witnesses} witnesses alive)."
            )
        }
        "BY_REFUSED_PORT" => format!(
            "{next}the other one goes on by itself: on one machine a refused port proves a death."
        ),
        "NO_STANDBY" => format!(
            "{next}nobody takes over: there is no backup. Start at {peer}: orquestrador-backup; or name another machine: cliente cluster replace."
        ),
        "CATCHING_UP" => format!("{next}nobody takes over yet: the backup is catching up."),
        "NO_WITNESSES" => format!(
            "{next}the other one waits: two machines and no witness. Start workers, or use cliente cluster promote --force."
        ),
        "FEW_WITNESSES" => format!(
            "{next}the other one waits: only {alive} of {witnesses} witnesses alive. Restart workers; the principal replaces witnesses."
        ),
        "NOT_FOUNDED" => format!(
            "This node has no cluster: it waits for a principal at {peer}. Start there: orquestrador."
        ),
        "NOT_LISTED" => format!(
            "This node is not in the view and does not hear the principal: it looks for it at {peer}. If that one is gone for good, cliente cluster promote --force here serves what this node has, which may not be all."
        ),
        "BLOCKED" => format!(
            "The other orchestrator, at {peer}, does not answer already: without it this principal acknowledges nothing ({alive} of {witnesses} witnesses alive). Start it again; if it is gone for good, restart this one and use cliente cluster promote --force."
        ),
        "WAITING" => format!(
            "This node does not hear the other one, at {peer}, and waits: only that one may have what is not here ({alive} of {witnesses} witnesses alive). Start it again; if it is gone for good, use cliente cluster promote --force."
        ),
        "FOREIGN_PEER" => format!(
            "The orchestrator at {peer} belongs to another cluster: neither takes over from the other. Mend --peer; or stop the one that shall not count and start it as orquestrador-backup with an empty data directory."
        ),
        "NOT_EXPECTED" => format!(
            "The principal at {peer} answers, but sends nothing to this node: it stands still, or expects its backup elsewhere. To make it this one: cliente cluster replace with this node's address."
        ),
        "BY_ENGINE" => {
            format!("{next}another one takes over: etcd gives the office to one that stands by.")
        }
        "ENGINE_ALONE" => format!(
            "{next}nobody takes over: no other orchestrator is connected to etcd and in sync. Start one more with the same --engine, or wait until it has read the log."
        ),
        "ENGINE_SILENT" => {
            "etcd does not answer: nothing is acknowledged and nobody takes over until it does."
                .into()
        }
        other => format!("{next}{other}"),
    }
}

fn cause_pt(word: &str) -> &str {
    match word {
        "FOUNDED" => "cluster fundado",
        "LEARNT" => "a anterior não é conhecida aqui",
        "GREW" => "backup em sincronia",
        "SHRANK" => "backup perdido, o principal continua só",
        "REFRESHED" => "testemunhas trocadas",
        "TOOK_OVER" => "o outro orquestrador assumiu",
        "HANDED_OVER" => "troca planejada",
        "RESTARTED" => "principal reiniciado",
        "FORCED" => "promovido à força",
        other => other,
    }
}

fn cause_en(word: &str) -> &str {
    match word {
        "FOUNDED" => "cluster founded",
        "LEARNT" => "the one before is not known here",
        "GREW" => "backup in sync",
        "SHRANK" => "backup lost, the principal goes on alone",
        "REFRESHED" => "witnesses changed",
        "TOOK_OVER" => "the other orchestrator took over",
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
        ("RETURNED", "WORKER_DRAINED") => {
            format!("tentativa {attempt} interrompida: o worker foi encerrado; volta à fila")
        }
        ("RETURNED", _) => {
            format!("tentativa {attempt} devolvida pelo worker sem ter começado; volta à fila")
        }
        ("RETRIED", code) => format!("tentativa {attempt} falhou: {code}; será repetida"),
        ("DELAYED", _) => "espera a hora de começar".into(),
        ("DUE", _) => "terminada a espera, volta à fila".into(),
        ("BLOCKED", _) => "espera por outras tarefas".into(),
        ("RELEASED", _) => "terminadas as outras, vai para a fila".into(),
        ("SKIPPED", other) => format!("falhou: {other}, que viria antes, não foi concluído"),
        ("TASK_LOST", "WORKER_SILENT") => format!(
            "perdida na tentativa {attempt}: o worker ficou em silêncio; no máximo uma vez: não volta à fila"
        ),
        ("TASK_LOST", "WORKER_RESTARTED") => format!(
            "perdida na tentativa {attempt}: o worker foi reiniciado; no máximo uma vez: não volta à fila"
        ),
        ("TASK_LOST", "WORKER_DRAINED") => format!(
            "perdida na tentativa {attempt}: o worker foi encerrado; no máximo uma vez: não volta à fila"
        ),
        ("SUCCEEDED", _) => format!("tentativa {attempt} concluída"),
        ("FAILED", code) => format!("tentativa {attempt} falhou: {code}"),
        ("EXPIRED", "DEADLINE_EXCEEDED") => "não terminou a tempo".into(),
        ("EXPIRED", _) => "não começou a tempo".into(),
        ("CANCELLED", _) => "cancelada".into(),
        ("WEBHOOK_DELIVERED", _) => "webhook entregue".into(),
        ("WEBHOOK_DELAYED", why) => format!("webhook, tentativa {attempt}: {why}; será repetida"),
        ("WEBHOOK_GIVEN_UP", why) => format!("webhook abandonado: {why}"),
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
        ("RETURNED", "WORKER_DRAINED") => {
            format!("attempt {attempt} stopped: the worker was drained; back to the queue")
        }
        ("RETURNED", _) => {
            format!("attempt {attempt} given back by the worker before it began; back to the queue")
        }
        ("RETRIED", code) => format!("attempt {attempt} failed: {code}; to be retried"),
        ("DELAYED", _) => "waits for its time to begin".into(),
        ("DUE", _) => "the wait is over; back to the queue".into(),
        ("BLOCKED", _) => "waits for other tasks".into(),
        ("RELEASED", _) => "the others have ended; to the queue".into(),
        ("SKIPPED", other) => format!("failed: {other}, which was to come first, did not succeed"),
        ("TASK_LOST", "WORKER_SILENT") => format!(
            "lost in attempt {attempt}: the worker was silent; at most once: not back to the queue"
        ),
        ("TASK_LOST", "WORKER_RESTARTED") => format!(
            "lost in attempt {attempt}: the worker was restarted; at most once: not back to the queue"
        ),
        ("TASK_LOST", "WORKER_DRAINED") => format!(
            "lost in attempt {attempt}: the worker was drained; at most once: not back to the queue"
        ),
        ("SUCCEEDED", _) => format!("attempt {attempt} succeeded"),
        ("FAILED", code) => format!("attempt {attempt} failed: {code}"),
        ("EXPIRED", "DEADLINE_EXCEEDED") => "did not end in time".into(),
        ("EXPIRED", _) => "did not begin in time".into(),
        ("CANCELLED", _) => "cancelled".into(),
        ("WEBHOOK_DELIVERED", _) => "webhook delivered".into(),
        ("WEBHOOK_DELAYED", why) => format!("webhook, attempt {attempt}: {why}; to be retried"),
        ("WEBHOOK_GIVEN_UP", why) => format!("webhook given up: {why}"),
        (what, cause) => format!("{what} {attempt} {cause}"),
    }
}
