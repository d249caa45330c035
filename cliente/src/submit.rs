//! Submitting: one task, or many in requests of bounded size.

use std::sync::Arc;

use common::error_code::ErrorCode;
use common::proto;
use futures::stream::{self, Stream, StreamExt as _, TryStreamExt as _};

use crate::client::{BULK_TIMEOUT, Batch, Submitted, TRY_TIMEOUT, epoch, incomplete, tasks};
use crate::encoded::{self, Encoded};
use crate::retry::Waits;
use crate::spec::Large;
use crate::{Client, Error, TaskSpec};

/// What fits a request that is answered at once.
const SMALL_BYTES: usize = 64 << 10;
/// Tasks in one request.
const BATCH_TASKS: usize = 5_000;
/// Payload bytes in one request.
const BATCH_BYTES: usize = 4 << 20;
/// Submission requests under way at once.
const BATCHES_IN_FLIGHT: usize = 4;
impl Client {
    /// Submits one task. Repeated by itself until it is accepted or refused; the id keeps it from being
    /// accepted twice.
    ///
    /// # Errors
    /// A refusal, or nobody answered in time: then it may or may not have been accepted.
    pub async fn submit(
        &self,
        task: TaskSpec,
        allow_unknown_handler: bool,
    ) -> Result<Submitted, Error> {
        task.check()?;
        let queue = task.place.queue.clone();
        let (task, large) = task.into_wire();
        let large: Arc<[Large]> = large.into_iter().collect();
        let submit = |client: Self| {
            let (task, large) = (task.clone(), Arc::clone(&large));
            async move {
                let send = || client.submit_wire(task.clone(), allow_unknown_handler);
                client.putting(&large, send).await
            }
        };
        self.by_queue(&queue, submit).await
    }

    async fn submit_wire(
        &self,
        task: proto::TaskSpec,
        allow_unknown_handler: bool,
    ) -> Result<Submitted, Error> {
        let is_bulky = task.payload.len() > SMALL_BYTES || task.payload_blob.is_some();
        let limit = if is_bulky { BULK_TIMEOUT } else { TRY_TIMEOUT };
        let request = proto::SubmitTaskRequest { task: Some(task), allow_unknown_handler };
        let answer = self
            .targets
            .call(
                limit,
                |answer: &proto::SubmitTaskResponse| epoch(answer.receipt.as_ref()),
                |channel| {
                    let request = self.targets.request(request.clone());
                    async move { Ok(tasks(channel).submit_task(request).await?.into_inner()) }
                },
            )
            .await?;
        match (answer.task, answer.receipt) {
            (Some(task), Some(receipt)) => Ok(Submitted { task, existed: answer.existed, receipt }),
            _ => Err(incomplete()),
        }
    }

    /// Submits many tasks in requests of bounded size, several under way at once. One [`Batch`] for each
    /// request, in the order of the tasks.
    ///
    /// # Errors
    /// A refusal of any request; those before it may have been accepted, and repeating all of them is
    /// harmless.
    pub async fn submit_many(
        &self,
        tasks: Vec<TaskSpec>,
        allow_unknown_handler: bool,
    ) -> Result<Vec<Batch>, Error> {
        tasks.iter().try_for_each(TaskSpec::check)?;
        self.submit_all(stream::iter([tasks]), allow_unknown_handler).try_collect().await
    }

    /// The same for tasks that come in parts; what comes of each request is known, also after a refusal. Where the caller
    /// may submit only so fast, this goes on as fast as they may, whatever the timeout.
    pub fn submit_all(
        &self,
        tasks: impl Stream<Item = Vec<TaskSpec>>,
        allow_unknown_handler: bool,
    ) -> impl Stream<Item = Result<Batch, Error>> {
        tasks
            .flat_map(|tasks| stream::iter(batches(tasks)))
            .map(move |batch| self.submit_in_parts(batch, allow_unknown_handler))
            .buffered(BATCHES_IN_FLIGHT)
            .flat_map(stream::iter)
    }

    /// In halves, and in halves of those, what alone is more than the caller may have unfinished. Ends with the first
    /// refusal.
    async fn submit_in_parts(
        &self,
        batch: Vec<TaskSpec>,
        allow_unknown_handler: bool,
    ) -> Vec<Result<Batch, Error>> {
        let (mut left, large) = match together(batch, allow_unknown_handler) {
            Ok((request, large)) => (self.parted(request), large),
            Err(error) => return vec![Err(error)],
        };
        let mut done = Vec::new();
        while let Some((client, mut request)) = left.pop() {
            let send = || client.send_batch(&request, Waits::AreGiven);
            match client.putting(&large, send).await {
                Err(refusal)
                    if refusal.code == ErrorCode::QuotaTooSmall && request.tasks.len() > 1 =>
                {
                    let tasks = request.tasks.split_off(request.tasks.len() / 2);
                    let rest = proto::SubmitTasksRequest { tasks, allow_unknown_handler };
                    left.push((client.clone(), rest));
                    left.push((client, request));
                }
                Err(refusal) if self.may_be_elsewhere(&client, refusal.code) => {
                    match self.redirected(&client, request, refusal).await {
                        Ok(parts) => left.extend(parts),
                        Err(error) => {
                            done.push(Err(error));
                            break;
                        }
                    }
                }
                Err(refusal) => {
                    done.push(Err(self.named(&client, refusal)));
                    break;
                }
                Ok(batch) => done.push(Ok(batch)),
            }
        }
        done
    }

    /// Where the parts of a request are to go that `client` refused, or has not answered. What that one has already stays there: it is a
    /// repetition, whosever the queue is by now.
    async fn redirected(
        &self,
        client: &Self,
        mut request: proto::SubmitTasksRequest,
        refusal: Error,
    ) -> Result<Vec<(Self, proto::SubmitTasksRequest)>, Error> {
        if refusal.code != ErrorCode::QueueElsewhere {
            let moved = self.moved(client).await?.filter(|to| !to.is_same(client));
            let to = moved.ok_or_else(|| self.named(client, refusal))?;
            return Ok(vec![(to, request)]);
        }
        let ids = request.tasks.iter().map(|task| task.task_id.clone()).collect();
        let known = client.known_here(ids).await?;
        self.learn().await?;
        let is_known = |task: &proto::TaskSpec| known.contains(&task.task_id);
        let (stays, goes): (Vec<_>, Vec<_>) = request.tasks.into_iter().partition(is_known);
        let allow_unknown_handler = request.allow_unknown_handler;
        request = proto::SubmitTasksRequest { tasks: goes, allow_unknown_handler };
        let mut parts = self.parted(request);
        if parts.is_empty()
            || stays.is_empty() && matches!(&parts[..], [(to, _)] if to.is_same(client))
        {
            return Err(self.named(client, refusal));
        }
        if !stays.is_empty() {
            let stays = proto::SubmitTasksRequest { tasks: stays, allow_unknown_handler };
            parts.push((client.clone(), stays));
        }
        Ok(parts)
    }

    /// By who has the queues, as far as that is known; the last is to be sent first.
    fn parted(&self, request: proto::SubmitTasksRequest) -> Vec<(Self, proto::SubmitTasksRequest)> {
        if !self.knows_others() {
            return vec![(self.clone(), request)];
        }
        let proto::SubmitTasksRequest { tasks, allow_unknown_handler } = request;
        let mut parts: Vec<(Self, proto::SubmitTasksRequest)> = Vec::new();
        for task in tasks {
            let client = self.known_of(&task.queue);
            let part = match parts.iter().position(|(to, _)| to.is_same(&client)) {
                Some(at) => at,
                None => {
                    let tasks = Vec::new();
                    parts
                        .push((client, proto::SubmitTasksRequest { tasks, allow_unknown_handler }));
                    parts.len() - 1
                }
            };
            parts[part].1.tasks.push(task);
        }
        parts.reverse();
        parts
    }

    async fn send_batch(
        &self,
        request: &proto::SubmitTasksRequest,
        waits: Waits,
    ) -> Result<Batch, Error> {
        let task_ids = request.tasks.iter().map(|task| task.task_id.clone()).collect();
        let request = Encoded::new(request);
        let answer = self
            .targets
            .call_until(
                BULK_TIMEOUT,
                waits,
                |answer: &proto::SubmitTasksResponse| epoch(answer.receipt.as_ref()),
                |channel| {
                    let request = self.targets.request(request.clone());
                    encoded::submit_tasks(channel, request)
                },
            )
            .await?;
        let receipt = answer.receipt.ok_or_else(incomplete)?;
        Ok(Batch { task_ids, accepted: answer.accepted, receipt })
    }
}

/// One request, and what is put before it.
fn together(
    batch: Vec<TaskSpec>,
    allow_unknown_handler: bool,
) -> Result<(proto::SubmitTasksRequest, Vec<Large>), Error> {
    batch.iter().try_for_each(TaskSpec::check)?;
    let mut large = Vec::new();
    let tasks = batch.into_iter().map(|task| {
        let (task, payload) = task.into_wire();
        large.extend(payload);
        task
    });
    let request = proto::SubmitTasksRequest { tasks: tasks.collect(), allow_unknown_handler };
    Ok((request, large))
}

/// In order, each of bounded count and size. Tasks are moved in one piece, if at all.
fn batches(mut tasks: Vec<TaskSpec>) -> Vec<Vec<TaskSpec>> {
    let (mut starts, mut count, mut bytes) = (Vec::new(), 0, 0);
    for (nth, task) in tasks.iter().enumerate() {
        let size = task.payload.len();
        if count == BATCH_TASKS || count > 0 && bytes + size > BATCH_BYTES {
            starts.push(nth);
            (count, bytes) = (0, 0);
        }
        (count, bytes) = (count + 1, bytes + size);
    }
    let mut batches: Vec<_> =
        starts.into_iter().rev().map(|start| tasks.split_off(start)).collect();
    if !tasks.is_empty() {
        batches.push(tasks);
    }
    batches.reverse();
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_are_bounded_in_count_and_size_and_keep_the_order() {
        let tasks: Vec<_> =
            (0..12_000u32).map(|n| TaskSpec::new("echo", n.to_le_bytes().to_vec())).collect();
        let ids: Vec<_> = tasks.iter().map(|t| t.task_id.clone()).collect();
        let batches = batches(tasks);
        assert_eq!(batches.iter().map(Vec::len).collect::<Vec<_>>(), [5_000, 5_000, 2_000]);
        assert_eq!(batches.concat().into_iter().map(|t| t.task_id).collect::<Vec<_>>(), ids);
        let large = vec![TaskSpec::new("echo", vec![0; 3 << 20]); 3];
        assert_eq!(super::batches(large).len(), 3);
    }
}
