//! After a storm: did everything that was acknowledged end as it must, what do the journals say, and were the answers
//! those of one copy.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use cliente::{Audit, Client, ClientConfig, Verdict as Proof};
use common::auth::Credentials;
use common::proto::{Task, TaskState};
use futures::StreamExt as _;

use super::clients::{Recorded, TOKEN, USER, sight};
use super::verdict::Verdict;
use crate::audit;
use crate::linearizability::{self, Answer, Asked, Call, Histories};
use crate::net::{self, Engine, History, Host, SpreadCluster};

/// Without faults everything is finished by then.
const SETTLE: Duration = Duration::from_secs(120);
/// Tasks whose presence is asked for in one request.
const AUDITED_AT_ONCE: usize = 5_000;
/// Of what is wrong in the same way, so many are told.
const TOLD: usize = 5;

/// Who looks in the end, as a client's number.
const LAST_LOOK: usize = 99;

/// What became of each task; `None`: it is not known. What did not finish in time is as it was last seen.
type Ends = BTreeMap<String, Option<(Task, Vec<u8>)>>;

/// Every acknowledged task is there and ended as it must; the journals, read by their nodes, agree. Gives the
/// acknowledged tasks.
///
/// # Errors
/// There is no thread to be had.
pub fn settle(
    verdict: &mut Verdict,
    cluster: &SpreadCluster,
    recorded: &Recorded,
    history: &History,
) -> anyhow::Result<Vec<String>> {
    let began = recorded.histories.now();
    let ids = |tasks: &Recorded| tasks.submissions.iter().map(|s| s.spec.task_id.clone()).collect();
    let ends = ends(cluster, Credentials::new(USER, TOKEN)?, ids(recorded))?;
    verdict.submitted = recorded.submissions.len() + history.acknowledged().len();
    let mut acknowledged = Vec::new();
    for submission in &recorded.submissions {
        let id = &submission.spec.task_id;
        let was_acknowledged = submission.acknowledged.load(Ordering::Relaxed);
        if was_acknowledged {
            acknowledged.push(id.clone());
        }
        let end = ends.get(id);
        recorded.histories.add(id, last_look(began, recorded.histories.now(), end));
        count(verdict, id, was_acknowledged, end, |task, result| {
            let cancelled = submission.cancelled.load(Ordering::Relaxed);
            submission.work.wrong(&submission.spec, cancelled, task, result)
        });
    }
    let simple = history.acknowledged();
    let ends = self::ends(cluster, net::credentials()?, simple.clone())?;
    for id in &simple {
        count(verdict, id, true, ends.get(id), |task, result| {
            let right = task.state() == TaskState::Succeeded && result == b"x";
            (!right).then(|| format!("an echo of x ended as {task:?}"))
        });
    }
    let split = history.violations();
    verdict.two_principals = split.len();
    verdict.violations.extend(recorded.refusals.iter().cloned());
    verdict.violations.extend(split.into_iter().take(TOLD));
    verdict.epochs = history.epochs().len();
    acknowledged.extend(simple);
    verdict.acknowledged = acknowledged.len();
    if let Err(error) = compare_journals(cluster, acknowledged.clone()) {
        verdict.violations.push(format!("the nodes' own audit: {error:#}"));
    }
    Ok(acknowledged)
}

/// What the end was is a read, too.
fn last_look(began: Duration, ended: Duration, end: Option<&Option<(Task, Vec<u8>)>>) -> Call {
    let answer = end.map(|end| match end {
        Some((task, result)) => Answer::Shown(sight(task, Some(result))),
        None => Answer::NotFound,
    });
    let answered = answer.map(|answer| (ended, answer));
    Call { client: LAST_LOOK, asked: Asked::Result, began, answered }
}

fn count(
    verdict: &mut Verdict,
    id: &str,
    acknowledged: bool,
    end: Option<&Option<(Task, Vec<u8>)>>,
    wrong: impl Fn(&Task, &[u8]) -> Option<String>,
) {
    let (counter, what) = match end {
        Some(Some((task, result))) if sight(task, None).is_finished() => {
            let Some(what) = wrong(task, result) else { return };
            (&mut verdict.wrong, what)
        }
        Some(None) if acknowledged => {
            (&mut verdict.lost, format!("{id} was acknowledged and is lost"))
        }
        Some(Some((task, _))) => (&mut verdict.unfinished, format!("not finished: {task:?}")),
        None if acknowledged => (&mut verdict.unfinished, format!("{id} was not heard of")),
        Some(None) | None => return,
    };
    *counter += 1;
    if *counter <= TOLD {
        verdict.violations.push(what);
    }
}

fn ends(cluster: &SpreadCluster, user: Credentials, tasks: Vec<String>) -> anyhow::Result<Ends> {
    let endpoints = cluster.endpoints()?;
    cluster.network().run(Host::User, || async move {
        let client =
            Client::new(ClientConfig { timeout: SETTLE, ..ClientConfig::new(endpoints, user) });
        let mut open = tasks.len();
        let mut ends = Ends::new();
        let deadline = tokio::time::Instant::now() + SETTLE;
        let mut updates = std::pin::pin!(client.wait_many(tasks, true));
        while open > 0 {
            let Ok(Some(Ok(update))) = tokio::time::timeout_at(deadline, updates.next()).await
            else {
                break;
            };
            let Some(task) = update.task else { continue };
            open -= usize::from(update.not_found || sight(&task, None).is_finished());
            let id = task.task_id.clone();
            ends.insert(id, (!update.not_found).then_some((task, update.result.into())));
        }
        Ok(ends)
    })
}

fn compare_journals(cluster: &SpreadCluster, acknowledged: Vec<String>) -> anyhow::Result<()> {
    let endpoints = cluster.endpoints()?;
    cluster.network().run(Host::User, || async move {
        let client = net::client(&endpoints)?;
        for some in acknowledged.chunks(AUDITED_AT_ONCE) {
            let audit = client.audit(some).await?;
            ensure!(audit.verdict() == Proof::Proven, "{}", in_a_line(&audit));
        }
        Ok(())
    })
}

fn in_a_line(audit: &Audit) -> String {
    let mut text =
        format!("one chain: {}, one state: {}", audit.hashes_equal(), audit.digests_equal());
    for node in &audit.nodes {
        let report = &node.report;
        text.push_str(&format!(
            "; {}: missing {:?}, second outcomes {}, epochs back {}, contradiction {:?}",
            node.address,
            report.missing,
            report.second_outcomes,
            report.epoch_regressions,
            report.contradiction
        ));
    }
    text
}

/// What the journals say once nobody writes them.
///
/// # Errors
/// A process cannot be stopped.
pub fn audit(
    verdict: &mut Verdict,
    cluster: &mut SpreadCluster,
    acknowledged: &[String],
) -> anyhow::Result<()> {
    let orchestrators = cluster.engine().orchestrators();
    for host in Host::workers().chain(orchestrators.iter().copied()) {
        // Whoever ended before was told of.
        if cluster.runs(host) {
            cluster.kill(host)?;
        }
    }
    verdict.epochs_monotone = true;
    let data_dirs: Vec<_> = orchestrators.iter().map(|host| cluster.data_dir(*host)).collect();
    let mut holding = BTreeSet::new();
    let mut is_whole = false;
    for (host, data_dir) in orchestrators.iter().zip(&data_dirs) {
        match audit::read(data_dir) {
            Ok(audit) => {
                is_whole |= audit.is_whole;
                holding.extend(audit.submitted.iter().map(ToString::to_string));
                verdict.duplicated = verdict.duplicated.max(audit.duplicated());
                verdict.requeued = verdict.requeued.max(audit.requeued);
                verdict.epochs_monotone &= audit.epochs_monotone;
            }
            Err(error) => verdict.violations.push(format!("the journal on {host:?}: {error:#}")),
        }
    }
    // What a snapshot stands for the nodes have looked for themselves.
    let absent = acknowledged.iter().filter(|task| is_whole && !holding.contains(*task));
    let told =
        absent.take(TOLD).map(|task| format!("{task} was acknowledged and is in no journal"));
    verdict.violations.extend(told);
    // Of a pair the one that was stopped first may have what nobody confirmed; with etcd only what is in the log.
    if cluster.engine() == Engine::Etcd
        && let Err(error) = audit::compare(&data_dirs)
    {
        verdict.violations.push(format!("the stopped journals: {error:#}"));
    }
    Ok(())
}

/// What is delivered at most once was started at most once.
///
/// # Errors
/// The file cannot be read.
pub fn count_starts(verdict: &mut Verdict, starts: &Path) -> anyhow::Result<()> {
    // Without such a task there is none.
    let text = if starts.exists() { std::fs::read_to_string(starts)? } else { String::new() };
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    text.lines().for_each(|id| *counts.entry(id).or_default() += 1);
    verdict.started_once = counts.len();
    let twice = counts.iter().filter(|(_, count)| **count > 1);
    verdict.violations.extend(
        twice.map(|(id, count)| format!("{id} is at-most-once and was started {count} times")),
    );
    Ok(())
}

/// G4. What is wrong is written to a file.
///
/// # Errors
/// The file cannot be written.
pub fn check(verdict: &mut Verdict, histories: &Histories, evidence: &Path) -> anyhow::Result<()> {
    let histories = histories.take();
    verdict.histories = histories.len();
    verdict.calls = histories.values().map(Vec::len).sum();
    let mut text = String::new();
    for (task, calls) in &histories {
        if !linearizability::is_linearizable(calls) {
            verdict.not_linearizable += 1;
            text.push_str(&linearizability::text(task, calls));
            text.push('\n');
        }
    }
    if verdict.not_linearizable > 0 {
        let path = evidence.join("not-linearizable.txt");
        std::fs::write(&path, text)
            .with_context(|| format!("failed to write {}", path.display()))?;
        let (count, path) = (verdict.not_linearizable, path.display());
        verdict.violations.push(format!("{count} histories are not linearizable: {path}"));
    }
    Ok(())
}
