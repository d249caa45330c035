//! Pretended work of 5 to 15 seconds.

use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use rand::Rng as _;
use serde::{Deserialize, Serialize};

use super::{Context, Failure, Handler, parse};

/// `simulated`
pub struct Simulated;

/// What to pretend; plain text is a description.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pretence {
    #[serde(default)]
    description: String,
    /// 5 to 15 at random unless given.
    seconds: Option<f64>,
    #[serde(default)]
    fail: Fail,
}

/// `true`, `false`, or how probable it is.
#[derive(Deserialize)]
#[serde(untagged)]
enum Fail {
    Certain(bool),
    Probable(f64),
}

impl Default for Fail {
    fn default() -> Self {
        Self::Certain(false)
    }
}

#[derive(Serialize)]
struct Report {
    description: String,
    seconds: f64,
    worker: String,
}

const MAX_SECONDS: f64 = 86_400.0;

impl Pretence {
    fn read(payload: &[u8]) -> Result<Self, Failure> {
        if payload.trim_ascii_start().starts_with(b"{") {
            return parse(payload);
        }
        let description = String::from_utf8(payload.to_vec())
            .map_err(|_| Failure::invalid_payload("neither JSON nor text"))?;
        Ok(Self { description, seconds: None, fail: Fail::default() })
    }

    fn duration(&self) -> Result<Duration, Failure> {
        let seconds = self.seconds.unwrap_or_else(|| rand::rng().random_range(5.0..15.0));
        if (0.0..=MAX_SECONDS).contains(&seconds) {
            Ok(Duration::from_secs_f64(seconds))
        } else {
            Err(Failure::invalid_payload(format!("seconds must be 0 to {MAX_SECONDS}")))
        }
    }

    fn fails(&self) -> bool {
        match self.fail {
            Fail::Certain(fails) => fails,
            Fail::Probable(probability) => rand::rng().random::<f64>() < probability,
        }
    }
}

impl Handler for Simulated {
    fn name(&self) -> &str {
        "simulated"
    }

    fn run(
        &self,
        context: Context,
        payload: Vec<u8>,
    ) -> BoxFuture<'static, Result<Vec<u8>, Failure>> {
        Box::pin(async move {
            let pretence = Pretence::read(&payload)?;
            let duration = pretence.duration()?;
            let began = Instant::now();
            tokio::select! {
                () = tokio::time::sleep(duration) => {}
                () = context.cancelled.cancelled() => return Err(Failure::new("CANCELLED", "cancelled")),
            }
            if pretence.fails() {
                return Err(Failure::handler("the pretended work failed, as asked"));
            }
            let report = Report {
                description: pretence.description,
                seconds: (began.elapsed().as_secs_f64() * 10.0).round() / 10.0,
                worker: context.worker_id.to_string(),
            };
            serde_json::to_vec(&report).map_err(|error| Failure::handler(error.to_string()))
        })
    }
}
