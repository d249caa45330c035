//! The way to the principal: rounds over the orchestrators, the news of the witness, and what the console is
//! told meanwhile. Never says anything in a session.

use std::time::{Duration, Instant};

use common::endpoint::Endpoint;
use common::error_code::ErrorCode;
use common::messages::Message as _;
use common::messages::tls::TlsMessage;
use common::messages::worker::WorkerMessage as Line;
use common::proto::Register;
use orquestrador_core::ids::{ClusterId, ProcessId};
use uuid::Uuid;

use super::{Error, Worker};
use crate::session::{Refusal, Session};
use crate::witness::{self, Principal};

/// How often the console repeats that there is no principal.
const REPEAT_WARNING: Duration = Duration::from_secs(10);

impl Worker {
    /// Without a session, what ends is taken note of all the same. Gives a principal that names itself.
    pub(super) async fn wait(&mut self, duration: Duration) -> Option<Endpoint> {
        let deadline = tokio::time::Instant::now() + duration;
        let drain = self.drain.clone();
        self.abandon_if_alone();
        loop {
            tokio::select! {
                () = drain.cancelled(), if self.slots.is_empty() => return None,
                () = tokio::time::sleep_until(deadline) => return None,
                principal = self.news.successor_of(self.highest_epoch) => {
                    return Some(self.heard_of(principal));
                }
                Some((key, outcome)) = self.ended.recv() => self.finished(&key, outcome),
            }
        }
    }

    /// Leaves a round that may wait for a silent orchestrator when another one names itself.
    pub(super) async fn find_newest_principal(
        &mut self,
        mut first: Option<Endpoint>,
    ) -> Result<Option<Session>, Error> {
        let mut news = std::mem::take(&mut self.news);
        let (drain, is_idle) = (self.drain.clone(), self.slots.is_empty());
        let found = loop {
            let epoch = self.highest_epoch;
            tokio::select! {
                () = drain.cancelled(), if is_idle => break Ok(None),
                found = self.find_principal(first.clone()) => break found,
                principal = news.successor_of(epoch) => first = Some(self.heard_of(principal)),
            }
        };
        self.news = news;
        found
    }

    /// G3: from now on whoever is principal of a lower epoch is none.
    pub(super) fn heard_of(&mut self, principal: Principal) -> Endpoint {
        self.highest_epoch = self.highest_epoch.max(principal.epoch);
        principal.endpoint
    }

    /// One round over the orchestrators; one that is named by another comes next.
    async fn find_principal(&mut self, first: Option<Endpoint>) -> Result<Option<Session>, Error> {
        let mut candidates: Vec<Endpoint> =
            first.into_iter().chain(self.config.orchestrators.iter().cloned()).collect();
        let mut tried = Vec::new();
        while !candidates.is_empty() {
            let endpoint = candidates.remove(0);
            if tried.contains(&endpoint) {
                continue;
            }
            self.pulse.beat();
            match Session::open(&endpoint, &self.config.tls, self.registration()).await {
                Ok(session) => return Ok(Some(session)),
                Err(Refusal::ForeignCluster) => {
                    self.say_foreign(&endpoint);
                }
                Err(Refusal::IdTaken) => {
                    self.step_aside();
                    return Ok(None);
                }
                Err(Refusal::Invalid { why }) => {
                    return Err(Error::Refused { address: endpoint.to_string(), why });
                }
                // One that has served knows that it may: what it runs and holds is worth another try.
                Err(Refusal::Insecure { code, why }) if self.cluster_id.is_empty() => {
                    return Err(Error::Insecure { address: endpoint.to_string(), code, why });
                }
                Err(Refusal::Insecure { code, why }) => self.say_insecure(&endpoint, code, why),
                Err(Refusal::NotNow { principal, why }) => {
                    tracing::debug!(%endpoint, %why, "no session");
                    candidates.splice(0..0, principal);
                }
            }
            tried.push(endpoint);
        }
        Ok(None)
    }

    /// As the operator wants it: without a principal for so long, others may have been given what runs here.
    fn abandon_if_alone(&mut self) {
        let (Some(limit), Some(since)) = (self.config.abandon_after, self.alone_since) else {
            return;
        };
        if since.elapsed() < limit {
            return;
        }
        let running = self.slots.give_up();
        if !running.is_empty() {
            let (running, seconds) = (running.len() as u64, limit.as_secs());
            self.console.warn(&Line::Abandoned { running, seconds });
        }
        for key in running {
            if !self.executor.stop(&key) {
                self.slots.give_back(&key);
            }
        }
    }

    /// Another process has our id: what runs here was given to others.
    fn step_aside(&mut self) {
        let now = Instant::now();
        if self.id_taken.is_none_or(|last| now - last >= REPEAT_WARNING) {
            self.id_taken = Some(now);
            self.console.warn(&Line::IdTaken { worker: self.config.worker_id.clone() });
        }
        self.quiet_until = now + REPEAT_WARNING;
        for key in self.slots.cancel_all() {
            if !self.executor.stop(&key) {
                self.slots.give_back(&key);
            }
        }
    }

    fn registration(&self) -> Register {
        Register {
            worker_id: self.config.worker_id.clone(),
            incarnation: self.incarnation.to_string(),
            slots: self.config.slots,
            handlers: self.handler_names.clone(),
            labels: self.config.labels.clone().into_iter().collect(),
            resources: self.config.resources.clone().into_iter().collect(),
            held: self.slots.held(),
            highest_epoch: self.highest_epoch,
            cluster_id: self.cluster_id.clone(),
        }
    }

    /// From the first registration on: the cluster is known.
    pub(super) fn bear_witness(&mut self) {
        let cluster = self.cluster_id.parse().map(|id: Uuid| ClusterId(id.as_u128()));
        if let (None, Ok(cluster)) = (&self.witness, cluster) {
            let me = witness::Identity {
                worker_id: self.config.worker_id.clone(),
                incarnation: ProcessId(self.incarnation.as_u128()),
                cluster,
            };
            let streams = witness::Streams::open(me, &self.config.orchestrators, &self.config.tls);
            self.news = streams.news();
            self.witness = Some(streams);
        }
    }

    /// Where the orchestrators are now; those of the command line stay worth a try.
    pub(super) fn meet(&mut self, addresses: &[String]) {
        let members: Vec<Endpoint> = addresses.iter().filter_map(|a| a.parse().ok()).collect();
        if let Some(witness) = &mut self.witness {
            witness.retarget(&members);
        }
        for member in members {
            if !self.config.orchestrators.contains(&member) {
                self.config.orchestrators.push(member);
            }
        }
    }

    pub(super) fn say_disconnected(&mut self, endpoint: &Endpoint) {
        self.quiet_until = Instant::now() + REPEAT_WARNING;
        let running = self.slots.running() as u64;
        let line = Line::Disconnected { address: endpoint.to_string(), running };
        self.supervisor.status(&line.text(self.config.lang));
        self.console.warn(&line);
    }

    pub(super) fn say_no_principal(&mut self) {
        let now = Instant::now();
        if now >= self.quiet_until {
            self.quiet_until = now + REPEAT_WARNING;
            let addresses: Vec<_> =
                self.config.orchestrators.iter().map(ToString::to_string).collect();
            self.console.warn(&Line::NoPrincipal { addresses: addresses.join(", ") });
        }
    }

    fn say_insecure(&mut self, endpoint: &Endpoint, code: ErrorCode, why: String) {
        if self.insecure.is_none_or(|last| last.elapsed() >= REPEAT_WARNING) {
            self.insecure = Some(Instant::now());
            let address = endpoint.to_string();
            self.console.warn(&TlsMessage::OrchestratorInsecure { address, code, why });
        }
    }

    fn say_foreign(&mut self, endpoint: &Endpoint) {
        if self.foreign.is_none_or(|last| last.elapsed() >= REPEAT_WARNING) {
            self.foreign = Some(Instant::now());
            self.console.error(&Line::ForeignCluster { address: endpoint.to_string() });
        }
    }
}
