//! The journals of the cluster's members, read and compared by their nodes. Who is a member the newest view says,
//! not the list of addresses: a former member may answer too, and holds the beginning of the same history. Where etcd
//! keeps the log a view names its principal alone, and every orchestrator of the cluster holds a copy.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use common::endpoint::Endpoint;
use common::error_code::ErrorCode;
pub use common::messages::audit::{NotRead, Proof as Verdict};
use common::proto::{self, ExplainClusterResponse};

use crate::operator::operator;
use crate::retry::silent;
use crate::{Client, Error};

/// How long a node may take to say who is in the view.
const SURVEY_TIMEOUT: Duration = Duration::from_secs(2);
/// Addresses asked at most: the configured ones, and those that the nodes name.
const MAX_ADDRESSES: usize = 16;
/// What changes while it is read is read anew, so many times in all.
const ROUNDS: u32 = 4;

/// The journal of one member, as it reads it itself.
#[derive(Clone, Debug)]
pub struct AuditedNode {
    /// Where it is.
    pub address: Endpoint,
    /// What it found.
    pub report: proto::AuditJournalResponse,
}

/// A node whose journal proves nothing here, or was not read.
#[derive(Clone, Debug)]
pub struct UnreadNode {
    /// Where it is.
    pub address: Endpoint,
    /// Empty where it is not known.
    pub node_id: String,
    /// Why.
    pub why: NotRead,
}

/// The journals of the members of the newest view, up to the last entry that all of them have.
#[derive(Clone, Debug, Default)]
pub struct Audit {
    /// Those that were read.
    pub nodes: Vec<AuditedNode>,
    /// All others that were asked.
    pub not_read: Vec<UnreadNode>,
    /// How many the newest view has; where etcd keeps the log, how many there are at the addresses that were asked.
    pub members: usize,
    /// Views that an operator forced, as far as anybody remembers; by their numbers.
    pub overrides: Vec<proto::ForcedView>,
}

impl Audit {
    /// The chained hash of the last entry is the same: so are all entries.
    pub fn hashes_equal(&self) -> bool {
        self.all_equal(|report| (&report.hash, report.at_index))
    }

    /// The state that they come to is the same.
    pub fn digests_equal(&self) -> bool {
        self.all_equal(|report| (&report.digest, report.at_index))
    }

    /// Of the tasks asked about, those that some journal never held.
    pub fn missing(&self) -> BTreeSet<&str> {
        self.nodes.iter().flat_map(|n| &n.report.missing).map(String::as_str).collect()
    }

    /// They were read up to the same entry. A snapshot may have passed the one that was asked for.
    fn is_comparable(&self) -> bool {
        self.all_equal(|report| report.at_index)
    }

    fn all_equal<'a, T: PartialEq>(
        &'a self,
        of: impl Fn(&'a proto::AuditJournalResponse) -> T,
    ) -> bool {
        self.nodes.windows(2).all(|pair| of(&pair[0].report) == of(&pair[1].report))
    }

    /// What it comes to.
    pub fn verdict(&self) -> Verdict {
        let is_sound = |node: &AuditedNode| {
            let report = &node.report;
            report.second_outcomes == 0
                && report.epoch_regressions == 0
                && report.missing.is_empty()
                && report.contradiction.is_empty()
        };
        let agree = self.hashes_equal() && self.digests_equal();
        if !self.nodes.iter().all(is_sound) || (self.is_comparable() && !agree) {
            return Verdict::Violated;
        }
        let knows_all = self.nodes.iter().all(|node| node.report.forgotten.is_empty());
        match self.nodes.len() {
            0 => Verdict::Incomplete,
            _ if !self.is_comparable() || !knows_all => Verdict::Incomplete,
            1 => Verdict::OneNodeOnly,
            read if read == self.members => Verdict::Proven,
            _ => Verdict::Incomplete,
        }
    }
}

/// Who answered, and what it says of the cluster.
struct Survey {
    answers: Vec<(Endpoint, ExplainClusterResponse)>,
    not_read: Vec<UnreadNode>,
}

impl Client {
    /// Has every member of the newest view read its journal, up to the last entry that all of them have.
    /// `acknowledged`: tasks that must be there.
    ///
    /// # Errors
    /// Nobody answered, or a member refused.
    pub async fn audit(&self, acknowledged: &[String]) -> Result<Audit, Error> {
        let mut round = 1;
        loop {
            let (audit, is_settled) = self.audit_once(acknowledged).await?;
            if is_settled || round == ROUNDS {
                return Ok(audit);
            }
            round += 1;
        }
    }

    /// Not settled where something changed meanwhile that a comparison depends on.
    async fn audit_once(&self, acknowledged: &[String]) -> Result<(Audit, bool), Error> {
        let Survey { answers, mut not_read } = self.survey().await?;
        let Some(newest) = newest(&answers) else { return Ok((Audit::default(), true)) };
        let view = newest.view.clone().unwrap_or_default();
        let ids: BTreeSet<_> = view.replicas.iter().map(|r| node_id(&r.node_id)).collect();
        let mut overrides = forced(&answers, &newest.cluster_id);
        let mut members = Vec::new();
        for (address, answer) in &answers {
            let is_listed = is_kept_by_etcd(newest) || ids.contains(&answer.node_id);
            let why = match (answer.cluster_id == newest.cluster_id, is_listed) {
                (true, true) => {
                    members.push((address.clone(), answer));
                    continue;
                }
                (false, _) if !answer.cluster_id.is_empty() => NotRead::Foreign,
                (_, _) => NotRead::NotMember,
            };
            let node_id = answer.node_id.clone();
            not_read.push(UnreadNode { address: address.clone(), node_id, why });
        }
        let expected = match is_kept_by_etcd(newest) {
            true => members.len() + not_read.iter().filter(|node| is_unknown(node.why)).count(),
            false => ids.len(),
        };
        let at_index = members.iter().map(|(_, answer)| answer.last_index).min().unwrap_or(0);
        let mut nodes = Vec::new();
        let mut is_settled = true;
        for (address, answer) in members {
            let asked = proto::AuditJournalRequest { at_index, task_ids: acknowledged.to_vec() };
            let request = self.targets().request(asked);
            match operator(self.channel(&address)).audit_journal(request).await.map_err(Error::from)
            {
                Ok(report) => nodes.push(AuditedNode { address, report: report.into_inner() }),
                // It ended, or its journal was cut off or pruned below what was asked for.
                Err(error) if error.code.retryable() => {
                    is_settled = false;
                    let (node_id, why) = (answer.node_id.clone(), NotRead::Silent);
                    not_read.push(UnreadNode { address, node_id, why });
                }
                Err(error) => return Err(error),
            }
        }
        for forced in nodes.iter().flat_map(|node| &node.report.overrides) {
            overrides.insert(forced.number, *forced);
        }
        let overrides = overrides.into_values().collect();
        let is_same_view = nodes.iter().all(|node| node.report.view_number == view.number);
        let audit = Audit { nodes, not_read, members: expected, overrides };
        let is_settled = is_settled
            && audit.is_comparable()
            && (is_same_view || audit.verdict() != Verdict::Violated);
        Ok((audit, is_settled))
    }

    /// Asks the configured addresses and those that nodes name.
    async fn survey(&self) -> Result<Survey, Error> {
        let mut open: Vec<Endpoint> =
            self.targets().configured().iter().map(|target| target.endpoint.clone()).collect();
        let mut asked: Vec<Endpoint> = Vec::new();
        let mut survey = Survey { answers: Vec::new(), not_read: Vec::new() };
        let mut refusal: Option<Error> = None;
        while !open.is_empty() && asked.len() < MAX_ADDRESSES {
            let address = open.remove(0);
            if asked.iter().any(|known| known.is_same_place(&address)) {
                continue;
            }
            asked.push(address.clone());
            match self.surveyed(&address).await {
                Ok(answer) => {
                    let peer = answer.peer.as_ref().and_then(|peer| peer.address.parse().ok());
                    open.extend(peer);
                    // One node may have two addresses.
                    if survey.answers.iter().all(|(_, other)| other.node_id != answer.node_id) {
                        survey.answers.push((address, answer));
                    }
                }
                Err(error) => {
                    let is_silent = error.code.retryable();
                    let why = if is_silent { NotRead::Silent } else { NotRead::Refused };
                    survey.not_read.push(UnreadNode { address, node_id: String::new(), why });
                    refusal = Some(Error::more_telling(refusal, error));
                }
            }
        }
        if survey.answers.is_empty() {
            let nobody = || Error::new(ErrorCode::InvalidArgument, "no orchestrator is configured");
            return Err(refusal.unwrap_or_else(nobody));
        }
        Ok(survey)
    }

    async fn surveyed(&self, address: &Endpoint) -> Result<ExplainClusterResponse, Error> {
        match tokio::time::timeout(SURVEY_TIMEOUT, self.explain_at(address)).await {
            Ok(answer) => answer,
            Err(_) => Err(silent(address)),
        }
    }
}

/// The word of the principal, or else of whoever knows the newest view.
fn newest(answers: &[(Endpoint, ExplainClusterResponse)]) -> Option<&ExplainClusterResponse> {
    let known = answers.iter().map(|(_, answer)| answer);
    known.rev().max_by_key(|answer| {
        let view = answer.view.as_ref();
        (answer.standing == "PRINCIPAL", view.map(|view| (view.epoch, view.number)))
    })
}

fn is_kept_by_etcd(answer: &ExplainClusterResponse) -> bool {
    answer.engine == "ETCD"
}

/// Who did not say which cluster it is of may be of this one.
fn is_unknown(why: NotRead) -> bool {
    match why {
        NotRead::Silent | NotRead::Refused => true,
        NotRead::NotMember | NotRead::Foreign => false,
    }
}

/// What the nodes of this cluster remember of it.
fn forced(
    answers: &[(Endpoint, ExplainClusterResponse)],
    cluster: &str,
) -> BTreeMap<u64, proto::ForcedView> {
    let ours = answers.iter().filter(|(_, answer)| answer.cluster_id == cluster);
    ours.flat_map(|(_, answer)| &answer.views)
        .filter(|view| view.cause == "FORCED")
        .map(|view| {
            let (number, epoch) = (view.number, view.epoch);
            (number, proto::ForcedView { number, epoch, journal_index: 0 })
        })
        .collect()
}

/// As the nodes write it.
fn node_id(bytes: &[u8]) -> String {
    uuid::Uuid::from_slice(bytes).map(|id| id.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(at_index: u64, hash: &str) -> AuditedNode {
        let report = proto::AuditJournalResponse {
            at_index,
            hash: hash.to_owned(),
            digest: hash.to_owned(),
            ..proto::AuditJournalResponse::default()
        };
        AuditedNode { address: "http://a:1".parse().expect("is an address"), report }
    }

    fn audit(nodes: Vec<AuditedNode>) -> Audit {
        Audit { nodes, members: 2, ..Audit::default() }
    }

    #[test]
    fn equal_journals_of_both_members_are_a_proof() {
        assert_eq!(audit(vec![node(5, "x"), node(5, "x")]).verdict(), Verdict::Proven);
        assert_eq!(audit(vec![node(5, "x"), node(5, "y")]).verdict(), Verdict::Violated);
        assert_eq!(audit(vec![node(5, "x")]).verdict(), Verdict::OneNodeOnly);
        assert_eq!(audit(vec![]).verdict(), Verdict::Incomplete);
    }

    #[test]
    fn what_ends_at_different_entries_is_neither_proof_nor_violation() {
        assert_eq!(audit(vec![node(5, "x"), node(6, "y")]).verdict(), Verdict::Incomplete);
    }

    #[test]
    fn a_forgotten_task_is_no_loss_and_no_proof() {
        let mut forgetful = node(5, "x");
        forgetful.report.forgotten.push("a task".into());
        assert_eq!(audit(vec![node(5, "x"), forgetful.clone()]).verdict(), Verdict::Incomplete);
        forgetful.report.missing.push("another".into());
        assert_eq!(audit(vec![node(5, "x"), forgetful]).verdict(), Verdict::Violated);
    }
}
