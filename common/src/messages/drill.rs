//! What operators read of a rehearsal.

use super::amounts;
use crate::lang::Lang;

/// One line of a drill.
#[derive(Clone, Debug)]
pub enum DrillMessage {
    /// It is not begun: nobody would go on. `address` says so.
    Refused { kind: DrillKind, address: String },
    /// It begins.
    Begins { kind: DrillKind, address: String },
    /// What the accident cost. `None`: it did not come to that.
    Times {
        outage_ms: u64,
        detection_ms: Option<u64>,
        elected_ms: Option<u64>,
        first_acknowledged_ms: Option<u64>,
    },
    /// What came of the tasks.
    Tasks { submitted: u64, acknowledged: u64, lost: u64, duplicated: u64 },
    /// Nobody took over.
    NoFailover { kind: DrillKind },
}

/// What happens to the principal in a drill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DrillKind {
    /// As by `kill -9`.
    Kill,
    /// It stops for a while.
    Pause,
}

impl DrillMessage {
    /// The line.
    pub fn text(&self, lang: Lang) -> String {
        match lang {
            Lang::Pt => self.portuguese(),
            Lang::En => self.english(),
        }
    }

    fn portuguese(&self) -> String {
        match self {
            Self::Refused { kind: DrillKind::Kill, address } => format!(
                "O ensaio não começou: segundo {address}, nenhum outro orquestrador continuaria. Veja cliente cluster explain."
            ),
            Self::Refused { kind: DrillKind::Pause, address } => format!(
                "O ensaio não começou: segundo {address}, ninguém assumiria enquanto o principal está parado; isso pede testemunhas. Veja cliente cluster explain."
            ),
            Self::Begins { kind: DrillKind::Kill, address } => {
                format!("Ensaio: o principal em {address} morre agora, sob carga...")
            }
            Self::Begins { kind: DrillKind::Pause, address } => {
                format!("Ensaio: o principal em {address} para agora, sob carga...")
            }
            Self::Times { outage_ms, detection_ms, elected_ms, first_acknowledged_ms } => format!(
                "Falha percebida após {}; novo principal após {}; primeira confirmação dele após {}; maior intervalo sem confirmação: {}.",
                ms(*detection_ms),
                ms(*elected_ms),
                ms(*first_acknowledged_ms),
                amounts::time(*outage_ms)
            ),
            Self::Tasks { submitted, acknowledged, lost, duplicated } => format!(
                "Tarefas submetidas: {submitted}; confirmadas: {acknowledged}; perdidas: {lost}; duplicadas: {duplicated}."
            ),
            Self::NoFailover { kind: DrillKind::Kill } => {
                "Ninguém assumiu: não houve troca. Inicie de novo o orquestrador que morreu; cliente cluster explain diz o que falta.".into()
            }
            Self::NoFailover { kind: DrillKind::Pause } => {
                "Ninguém assumiu: não houve troca. A pausa foi mais curta que a detecção, ou ninguém podia assumir; veja cliente cluster explain.".into()
            }
        }
    }

    fn english(&self) -> String {
        match self {
            Self::Refused { kind: DrillKind::Kill, address } => format!(
                "The drill was not begun: as {address} sees it, no other orchestrator would go on. See cliente cluster explain."
            ),
            Self::Refused { kind: DrillKind::Pause, address } => format!(
                "The drill was not begun: as {address} sees it, nobody would take over while the principal stands still, which needs witnesses. See cliente cluster explain."
            ),
            Self::Begins { kind: DrillKind::Kill, address } => {
                format!("Drill: the principal at {address} dies now, under load...")
            }
            Self::Begins { kind: DrillKind::Pause, address } => {
                format!("Drill: the principal at {address} stops now, under load...")
            }
            Self::Times { outage_ms, detection_ms, elected_ms, first_acknowledged_ms } => format!(
                "Failure noticed after {}; new principal after {}; its first acknowledgement after {}; longest time without an acknowledgement: {}.",
                ms(*detection_ms),
                ms(*elected_ms),
                ms(*first_acknowledged_ms),
                amounts::time(*outage_ms)
            ),
            Self::Tasks { submitted, acknowledged, lost, duplicated } => format!(
                "Tasks submitted: {submitted}; acknowledged: {acknowledged}; lost: {lost}; duplicated: {duplicated}."
            ),
            Self::NoFailover { kind: DrillKind::Kill } => {
                "Nobody took over: there was no failover. Start the orchestrator that died again; cliente cluster explain says what is missing.".into()
            }
            Self::NoFailover { kind: DrillKind::Pause } => {
                "Nobody took over: there was no failover. The pause was shorter than the detection, or nobody could take over; see cliente cluster explain.".into()
            }
        }
    }
}

/// A dash for what did not happen.
fn ms(time: Option<u64>) -> String {
    time.map_or("—".into(), amounts::time)
}
