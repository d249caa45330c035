//! Arrays: tasks that differ by their number alone.

use std::ops::Range;
use std::time::Duration;

use common::array_id;
use common::proto::{self, Array, Receipt};

use crate::client::{epoch, incomplete, tasks};
use crate::spec::{check_payload, wire_ms};
use crate::{Client, Delivery, Error, Needs, Place, RetryPolicy, canonical_task_id};

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
    /// Where they wait.
    pub place: Place,
    /// What an attempt of one may take.
    pub attempt_timeout: Option<Duration>,
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
            place: Place::default(),
            attempt_timeout: None,
            needs: Needs::default(),
            group: None,
            webhook: None,
            numbers,
        }
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
        let ArraySpec {
            array_id,
            handler,
            payload,
            delivery,
            retry,
            place,
            attempt_timeout,
            needs,
            group,
            webhook,
            numbers,
        } = array;
        check_payload(&payload)?;
        let array = proto::ArraySpec {
            array_id: canonical_task_id(&array_id),
            handler,
            payload: payload.into(),
            delivery: proto::Delivery::from(delivery).into(),
            retry: retry.map(Into::into),
            queue: place.queue,
            priority: place.priority.into(),
            attempt_timeout_ms: wire_ms(attempt_timeout),
            needs: needs.into(),
            group: group.unwrap_or_default(),
            webhook: webhook.unwrap_or_default(),
            first: numbers.start,
            count: numbers.end.saturating_sub(numbers.start),
        };
        let request = proto::SubmitArrayRequest { array: Some(array), allow_unknown_handler };
        let answer = self
            .targets
            .call(
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

    /// Cancels what is not finished of an array; tells how it stands then.
    ///
    /// # Errors
    /// `ARRAY_NOT_FOUND`, another refusal, or nobody answered in time.
    pub async fn cancel_array(&self, array_id: &str) -> Result<(Array, Receipt), Error> {
        let array_id = canonical_task_id(array_id);
        let answer = self
            .targets
            .call(
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
            .targets
            .call(
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
