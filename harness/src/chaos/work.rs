//! The tasks of a storm: a mix of kinds, each of which knows how it must end. Another kind of task, or another
//! way to deliver one, is one more variant.

use std::path::Path;

use cliente::{Delivery, TaskSpec};
use common::proto::{Task, TaskState};
use rand::rngs::StdRng;
use rand::{Rng as _, RngCore as _};
use serde_json::{Value, json};

const ECHO_BYTES: [usize; 5] = [0, 16, 200, 2_000, 16_000];
const SIMULATED_MS: std::ops::Range<u64> = 5..400;
/// A worker that dies five times under a task gives it up, as it should.
const QUARANTINED: &str = "QUARANTINED";

/// A kind of task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    Echo,
    Simulated {
        fails: bool,
    },
    Command {
        fails: bool,
    },
    /// A program that notes its start, at most once.
    Once,
}

/// Notes the task's id in the file that it is given, in one write.
const NOTE: &str = r#"echo "$MUTIRAO_TASK_ID" >> "$0"; sleep 0.05"#;

impl Work {
    pub fn any(random: &mut StdRng) -> Self {
        let fails = random.random_ratio(1, 8);
        match random.random_range(0..10) {
            0..6 => Self::Echo,
            6..8 => Self::Simulated { fails },
            8 => Self::Once,
            _ => Self::Command { fails },
        }
    }

    /// A new task of this kind; `starts`: where those that run at most once note their start.
    pub fn task(self, random: &mut StdRng, starts: &Path) -> TaskSpec {
        match self {
            Self::Echo => {
                let mut payload = vec![0; ECHO_BYTES[random.random_range(0..ECHO_BYTES.len())]];
                random.fill_bytes(&mut payload);
                TaskSpec::new("echo", payload)
            }
            Self::Simulated { fails } => {
                let seconds = random.random_range(SIMULATED_MS) as f64 / 1e3;
                let said = random.random::<u64>().to_string();
                let order = json!({ "description": said, "seconds": seconds, "fail": fails });
                TaskSpec::new("simulated", order.to_string().into_bytes())
            }
            Self::Command { fails } => {
                let said = random.random::<u64>().to_string();
                let argv = if fails { vec!["false"] } else { vec!["printf", said.as_str()] };
                TaskSpec::new("command", json!({ "argv": argv }).to_string().into_bytes())
            }
            Self::Once => {
                let order = json!({ "argv": ["sh", "-c", NOTE, starts] }).to_string();
                let task = TaskSpec::new("command", order.into_bytes());
                TaskSpec { delivery: Delivery::AtMostOnce, ..task }
            }
        }
    }

    /// Why a finished task is not as it must be.
    pub fn wrong(
        self,
        spec: &TaskSpec,
        was_cancelled: bool,
        task: &Task,
        result: &[u8],
    ) -> Option<String> {
        let code = task.error.as_ref().map_or("", |error| error.code.as_str());
        let right = match (task.state(), self) {
            (TaskState::Cancelled, _) => was_cancelled,
            (TaskState::Failed, _) if code == QUARANTINED => true,
            (TaskState::Failed, Self::Simulated { fails: true }) => code == "HANDLER_ERROR",
            (TaskState::Failed, Self::Command { fails: true }) => code == "NON_ZERO_EXIT",
            (TaskState::Succeeded, Self::Echo) => result == spec.payload,
            (TaskState::Succeeded, Self::Simulated { fails: false }) => {
                said(result, "description") == said(&spec.payload, "description")
            }
            (TaskState::Succeeded, Self::Command { fails: false }) => {
                said(result, "stdout").as_ref() == order(&spec.payload)["argv"].get(1)
            }
            (TaskState::Succeeded | TaskState::Lost, Self::Once) => true,
            (_, Self::Echo | Self::Simulated { .. } | Self::Command { .. } | Self::Once) => false,
        };
        (!right).then(|| {
            let length = result.len();
            format!("{self:?} ended as {:?} {code}, {length} bytes: {task:?}", task.state())
        })
    }
}

fn order(json: &[u8]) -> Value {
    serde_json::from_slice(json).unwrap_or_default()
}

fn said(json: &[u8], field: &str) -> Option<Value> {
    order(json).get(field).cloned()
}

#[cfg(test)]
mod tests {
    use common::proto::TaskError;
    use rand::SeedableRng as _;

    use super::*;

    fn task(state: TaskState, code: &str) -> Task {
        let error =
            (!code.is_empty()).then(|| TaskError { code: code.to_owned(), ..Default::default() });
        Task { state: state.into(), error: error.map(Box::new), ..Task::default() }
    }

    fn here() -> &'static Path {
        Path::new("starts")
    }

    #[test]
    fn what_runs_at_most_once_may_be_lost_and_nothing_else_may() {
        let random = &mut StdRng::seed_from_u64(1);
        let lost = task(TaskState::Lost, "WORKER_LOST");
        assert_eq!(Work::Once.wrong(&Work::Once.task(random, here()), false, &lost, b""), None);
        assert!(Work::Echo.wrong(&Work::Echo.task(random, here()), false, &lost, b"").is_some());
    }

    #[test]
    fn each_kind_knows_how_it_ends() {
        let random = &mut StdRng::seed_from_u64(1);
        let done = task(TaskState::Succeeded, "");
        let echo = Work::Echo.task(random, here());
        assert_eq!(Work::Echo.wrong(&echo, false, &done, &echo.payload), None);
        assert!(Work::Echo.wrong(&echo, false, &done, b"else").is_some());
        let command = Work::Command { fails: false };
        let spec = command.task(random, here());
        let printed = order(&spec.payload)["argv"][1].clone();
        let result = json!({ "exit_code": 0, "stdout": printed }).to_string();
        assert_eq!(command.wrong(&spec, false, &done, result.as_bytes()), None);
        assert!(command.wrong(&spec, false, &done, br#"{"stdout": "x"}"#).is_some());
        let fails = Work::Simulated { fails: true };
        assert!(fails.wrong(&fails.task(random, here()), false, &done, b"").is_some());
        let failed = task(TaskState::Failed, "HANDLER_ERROR");
        assert_eq!(fails.wrong(&fails.task(random, here()), false, &failed, b""), None);
        assert!(Work::Echo.wrong(&echo, false, &failed, b"").is_some());
    }

    #[test]
    fn only_what_somebody_cancelled_is_cancelled() {
        let echo = Work::Echo.task(&mut StdRng::seed_from_u64(1), here());
        let cancelled = task(TaskState::Cancelled, "");
        assert_eq!(Work::Echo.wrong(&echo, true, &cancelled, b""), None);
        assert!(Work::Echo.wrong(&echo, false, &cancelled, b"").is_some());
    }
}
