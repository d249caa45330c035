//! Arrays: tasks that differ by their number alone.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use common::array_id;
use common::proto::{self, Array, Receipt};

use crate::client::{BULK_TIMEOUT, Batch, epoch, incomplete, tasks};
use crate::spec::{Large, check_payload, wire_ms};
use crate::{
    After, Client, Delivery, Error, Needs, Place, RetryPolicy, Start, TaskSpec, TimeLimits,
    canonical_task_id,
};

/// How long one orchestrator may take to answer before the other is asked.
const TRY_TIMEOUT: Duration = Duration::from_secs(5);

/// An array to be submitted. However many tasks it has, it is one record until they begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArraySpec {
    /// A UUID of version 8 whose last four bytes are 0. Chosen here, so that a repeated submission is recognised.
    pub array_id: String,
    /// Which handler of the worker runs its tasks.
    pub handler: String,
    /// What each of them is given, at most 4 MiB. Which one it is, the handler learns from its id.
    pub payload: Vec<u8>,
    /// What becomes of one when its worker is lost.
    pub delivery: Delivery,
    /// What follows when one fails; `None`: nothing.
    pub retry: Option<RetryPolicy>,
    /// With so many attempts lost with their workers one fails; `None`: with as many as the cluster says.
    pub max_lost_attempts: Option<u32>,
    /// Where they wait.
    pub place: Place,
    /// When the first attempt of any of them may begin.
    pub start: Start,
    /// What may take how long.
    pub times: TimeLimits,
    /// What all of it comes after.
    pub after: After,
    /// What the payload refers to, which was put before ([`Client::put_blob`]).
    pub blobs: Vec<common::blobs::Content>,
    /// What the worker of each must have.
    pub needs: Needs,
    /// The group that it belongs to.
    pub group: Option<String>,
    /// Where the end of each of its tasks is told to.
    pub webhook: Option<String>,
    /// Their numbers; not empty.
    pub numbers: Range<u32>,
}

/// An accepted array.
#[derive(Clone, Debug)]
pub struct SubmittedArray {
    /// As it was when it was accepted.
    pub array: Array,
    /// It was known already.
    pub existed: bool,
    /// How durable the acceptance is.
    pub receipt: Receipt,
}

impl ArraySpec {
    /// A new array with an id of its own, its tasks delivered at least once.
    pub fn new(handler: &str, payload: Vec<u8>, numbers: Range<u32>) -> Self {
        let (array_id, handler) = (array_id::new(), handler.to_owned());
        Self {
            array_id,
            handler,
            payload,
            delivery: Delivery::default(),
            retry: None,
            max_lost_attempts: None,
            place: Place::default(),
            start: Start::Now,
            times: TimeLimits::default(),
            after: After::default(),
            blobs: Vec::new(),
            needs: Needs::default(),
            group: None,
            webhook: None,
            numbers,
        }
    }
}

impl ArraySpec {
    /// A new array of tasks like this one, whose id and key do not matter.
    pub fn like(task: TaskSpec, numbers: Range<u32>) -> Self {
        let TaskSpec { handler, payload, delivery, retry, start, place, .. } = task;
        let TaskSpec { max_lost_attempts, times, after, blobs, needs, group, webhook, .. } = task;
        let array_id = array_id::new();
        Self {
            array_id,
            handler,
            payload,
            delivery,
            retry,
            max_lost_attempts,
            place,
            start,
            times,
            after,
            blobs,
            needs,
            group,
            webhook,
            numbers,
        }
    }
}

impl From<ArraySpec> for proto::ArraySpec {
    fn from(array: ArraySpec) -> Self {
        let ArraySpec { array_id, handler, payload, delivery, retry, place, .. } = array;
        let ArraySpec {
            max_lost_attempts,
            start,
            times,
            after,
            blobs,
            needs,
            group,
            webhook,
            numbers,
            ..
        } = array;
        Self {
            array_id: canonical_task_id(&array_id),
            handler,
            payload: payload.into(),
            delivery: proto::Delivery::from(delivery).into(),
            retry: retry.map(Into::into),
            max_lost_attempts: max_lost_attempts.unwrap_or_default(),
            // The whole call says it.
            traceparent: String::new(),
            queue: place.queue,
            priority: place.priority.into(),
            attempt_timeout_ms: wire_ms(times.attempt),
            expires_after_ms: wire_ms(times.begin),
            deadline_after_ms: wire_ms(times.end),
            start: Option::<proto::task_spec::Start>::from(start).map(|start| match start {
                proto::task_spec::Start::StartDelayMs(ms) => {
                    proto::array_spec::Start::StartDelayMs(ms)
                }
                proto::task_spec::Start::NotBeforeMs(ms) => {
                    proto::array_spec::Start::NotBeforeMs(ms)
                }
            }),
            after_condition: after.condition().into(),
            sources: after.sources.iter().map(|id| canonical_task_id(id)).collect(),
            after: after.ids.iter().map(|id| canonical_task_id(id)).collect(),
            blobs: blobs.into_iter().map(Into::into).collect(),
            needs: needs.into(),
            group: group.unwrap_or_default(),
            webhook: webhook.unwrap_or_default(),
            first: numbers.start,
            count: numbers.end.saturating_sub(numbers.start),
        }
    }
}

/// A part of what is submitted together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Work {
    /// One task, without a [`UniqueKey`](crate::UniqueKey).
    Task(TaskSpec),
    /// Tasks that differ by their number alone.
    Array(ArraySpec),
}

impl Work {
    /// Of the task or the array.
    pub fn id(&self) -> &str {
        match self {
            Self::Task(task) => &task.task_id,
            Self::Array(array) => &array.array_id,
        }
    }

    fn queue(&self) -> &str {
        match self {
            Self::Task(task) => &task.place.queue,
            Self::Array(array) => &array.place.queue,
        }
    }

    fn check(&self) -> Result<(), Error> {
        match self {
            Self::Task(task) => task.check(),
            Self::Array(array) => check_payload(&array.payload),
        }
    }

    /// What is sent, and what is put before.
    fn into_wire(self) -> (proto::FlowPart, Option<Large>) {
        let (part, large) = match self {
            Self::Task(task) => {
                let (task, large) = task.into_wire();
                (proto::flow_part::Part::Task(task), large)
            }
            Self::Array(array) => (proto::flow_part::Part::Array(array.into()), None),
        };
        (proto::FlowPart { part: Some(part) }, large)
    }
}

/// The ids of the tasks of an array, in their order.
pub fn task_ids(array: &Array) -> impl Iterator<Item = String> + Send + use<> {
    let (id, numbers) =
        (array.array_id.clone(), array.first..array.first.saturating_add(array.count));
    numbers.filter_map(move |number| array_id::task(&id, number))
}

impl Client {
    /// Submits an array. Repeated by itself until it is accepted or refused; the id keeps it from being accepted
    /// twice.
    ///
    /// # Errors
    /// A refusal, or nobody answered in time: then it may or may not have been accepted.
    pub async fn submit_array(
        &self,
        array: ArraySpec,
        allow_unknown_handler: bool,
    ) -> Result<SubmittedArray, Error> {
        check_payload(&array.payload)?;
        let queue = array.place.queue.clone();
        let array = array.into();
        let request = proto::SubmitArrayRequest { array: Some(array), allow_unknown_handler };
        let answer = self
            .at_queue(
                &queue,
                TRY_TIMEOUT,
                |answer: &proto::SubmitArrayResponse| epoch(answer.receipt.as_ref()),
                |channel| {
                    let request = self.targets.request(request.clone());
                    async move { Ok(tasks(channel).submit_array(request).await?.into_inner()) }
                },
            )
            .await?;
        match (answer.array, answer.receipt) {
            (Some(array), Some(receipt)) => {
                Ok(SubmittedArray { array, existed: answer.existed, receipt })
            }
            _ => Err(incomplete()),
        }
    }

    /// Submits once more, as `new_array_id`, those tasks of an array that failed with it before their turn, by what it came
    /// after or by its times. Safe to repeat.
    ///
    /// # Errors
    /// `NOT_RETRIABLE` if there are none, `DEPENDENCY_NOT_RETRIED`, `ARRAY_NOT_FOUND`, `TASK_ID_CONFLICT` if the new id is
    /// taken, another refusal, or nobody answered in time.
    pub async fn retry_array(
        &self,
        array_id: &str,
        new_array_id: String,
    ) -> Result<SubmittedArray, Error> {
        let request =
            proto::RetryArrayRequest { array_id: canonical_task_id(array_id), new_array_id };
        let answer = self
            .anywhere(
                TRY_TIMEOUT,
                |answer: &proto::RetryArrayResponse| epoch(answer.receipt.as_ref()),
                |channel| {
                    let request = self.targets.request(request.clone());
                    async move { Ok(tasks(channel).retry_array(request).await?.into_inner()) }
                },
            )
            .await?;
        let (array, receipt) = answer.array.zip(answer.receipt).ok_or_else(incomplete)?;
        Ok(SubmittedArray { array, existed: answer.existed, receipt })
    }

    /// All of these tasks and arrays or none, in one request: at most 10,000, and a few megabytes. Each may come after others that
    /// stand before it.
    ///
    /// # Errors
    /// A refusal, or nobody answered in time: then they may or may not have been accepted.
    pub async fn submit_together(
        &self,
        work: Vec<Work>,
        allow_unknown_handler: bool,
    ) -> Result<Batch, Error> {
        work.iter().try_for_each(Work::check)?;
        let task_ids = work.iter().map(|work| canonical_task_id(work.id())).collect();
        let queue = work.first().map(|work| work.queue().to_owned()).unwrap_or_default();
        let (parts, large): (_, Vec<_>) = work.into_iter().map(Work::into_wire).unzip();
        let large: Vec<_> = large.into_iter().flatten().collect();
        let request = proto::SubmitFlowRequest { parts, allow_unknown_handler };
        let (request, large) = (Arc::new(request), Arc::<[Large]>::from(large));
        let submit = |client: Self| {
            let (request, large) = (Arc::clone(&request), Arc::clone(&large));
            async move { client.putting(&large, || client.send_flow(&request)).await }
        };
        let answer = self.by_queue(&queue, submit).await?;
        let receipt = answer.receipt.ok_or_else(incomplete)?;
        Ok(Batch { task_ids, accepted: answer.accepted, receipt })
    }

    async fn send_flow(
        &self,
        request: &proto::SubmitFlowRequest,
    ) -> Result<proto::SubmitFlowResponse, Error> {
        self.targets
            .call(
                BULK_TIMEOUT,
                |answer: &proto::SubmitFlowResponse| epoch(answer.receipt.as_ref()),
                |channel| {
                    let request = self.targets.request(request.clone());
                    async move { Ok(tasks(channel).submit_flow(request).await?.into_inner()) }
                },
            )
            .await
    }

    /// Cancels what is not finished of an array; tells how it stands then.
    ///
    /// # Errors
    /// `ARRAY_NOT_FOUND`, another refusal, or nobody answered in time.
    pub async fn cancel_array(&self, array_id: &str) -> Result<(Array, Receipt), Error> {
        let array_id = canonical_task_id(array_id);
        let answer = self
            .anywhere(
                TRY_TIMEOUT,
                |answer: &proto::CancelArrayResponse| epoch(answer.receipt.as_ref()),
                |channel| {
                    let array_id = array_id.clone();
                    let request = self.targets.request(proto::CancelArrayRequest { array_id });
                    async move { Ok(tasks(channel).cancel_array(request).await?.into_inner()) }
                },
            )
            .await?;
        answer.array.zip(answer.receipt).ok_or_else(incomplete)
    }

    /// How an array stands.
    ///
    /// # Errors
    /// `ARRAY_NOT_FOUND`, another refusal, or nobody answered in time.
    pub async fn array(&self, array_id: &str) -> Result<(Array, Receipt), Error> {
        let array_id = canonical_task_id(array_id);
        let answer = self
            .anywhere(
                TRY_TIMEOUT,
                |answer: &proto::GetArrayResponse| epoch(answer.receipt.as_ref()),
                |channel| {
                    let array_id = array_id.clone();
                    let request = self.targets.request(proto::GetArrayRequest { array_id });
                    async move { Ok(tasks(channel).get_array(request).await?.into_inner()) }
                },
            )
            .await?;
        answer.array.zip(answer.receipt).ok_or_else(incomplete)
    }
}
