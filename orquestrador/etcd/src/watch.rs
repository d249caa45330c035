//! Watches: what happens to keys, as it happens.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Request, Status, Streaming};

use crate::call::{Caller, MAX_MESSAGE_BYTES};
use crate::failure::Failure;
use crate::proto::etcdserverpb::watch_client::WatchClient;
use crate::proto::etcdserverpb::watch_request::RequestUnion;
use crate::proto::etcdserverpb::{
    WatchCreateRequest, WatchProgressRequest, WatchRequest, WatchResponse,
};
use crate::proto::mvccpb::event::EventType;
use crate::proto::mvccpb::{Event, KeyValue as WireKeyValue};
use crate::value::bounds;
use crate::{Error, Etcd, KeyValue, Result};

/// After so long without anything the member is asked whether it is there; it has the timeout of a request to answer.
const SILENCE: Duration = Duration::from_secs(1);

/// Questions that were not sent yet. If it is full, one of them asks for all.
const QUESTIONS: usize = 4;

/// What happened to one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What.
    pub kind: Kind,
    /// As it stands then; of a deletion the key and, as `mod_revision`, when.
    pub kv: KeyValue,
}

/// What happens to keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It was written.
    Put,
    /// It was deleted, or its lease is over.
    Delete,
}

/// What came at once. All changes of one revision come in one batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// All changes up to and with this revision were delivered, so another watch may start at the next. Without events it is
    /// that of the batch before: some servers name a newer one before they have sent all of it.
    pub revision: i64,
    /// In order of their revisions. Empty: the member is there, and knows of nothing new.
    pub events: Vec<Change>,
}

/// One watch, of one member. It ends with the first error; another may be started at the revision after the last batch.
#[derive(Debug)]
pub struct Watch {
    caller: Arc<Caller>,
    at: usize,
    stream: Opened,
    /// Events of a revision that more may come of.
    held: Vec<Event>,
    delivered: i64,
    /// When to ask, or since when an answer is awaited.
    heard: Instant,
    is_asked: bool,
}

#[derive(Debug)]
struct Opened {
    questions: mpsc::Sender<WatchRequest>,
    answers: Streaming<WatchResponse>,
}

impl Etcd {
    /// Watches all keys from the first on and before the second (an empty one is no bound), with what happened from that
    /// revision on; 0: from now on. Returns once the member watches.
    ///
    /// # Errors
    /// [`Error::Unavailable`], also of a member without a leader; [`Error::Denied`].
    pub async fn watch(&self, from: &[u8], to: &[u8], start_revision: i64) -> Result<Watch> {
        let (key, range_end) = bounds(from, to);
        let create = WatchCreateRequest { key, range_end, start_revision, fragment: true };
        let caller = &self.0;
        let has_user = caller.has_user();
        let send = |channel, request| open(channel, request, has_user);
        let (at, (stream, revision)) = caller.call(caller.read(), create, send).await?;
        let delivered = if start_revision > 0 { start_revision - 1 } else { revision };
        let (caller, heard) = (Arc::clone(caller), Instant::now());
        Ok(Watch { caller, at, stream, held: Vec::new(), delivered, heard, is_asked: false })
    }
}

/// Until the server says that it watches; with the revision that it is at.
async fn open(
    channel: Channel,
    request: Request<WatchCreateRequest>,
    has_user: bool,
) -> std::result::Result<(Opened, i64), Status> {
    let (metadata, extensions, create) = request.into_parts();
    let (questions, sent) = mpsc::channel(QUESTIONS);
    let create = WatchRequest { request_union: Some(RequestUnion::CreateRequest(create)) };
    let gone = |_| Status::unavailable("the stream ended");
    questions.send(create).await.map_err(gone)?;
    let request = Request::from_parts(metadata, extensions, ReceiverStream::new(sent));
    let mut client = WatchClient::new(channel).max_decoding_message_size(MAX_MESSAGE_BYTES);
    let mut answers = client.watch(request).await?.into_inner();
    let created = answers.message().await?;
    let created = created.ok_or_else(|| Status::unavailable("the stream ended"))?;
    let opened = Opened { questions, answers };
    match created.canceled {
        false => Ok((opened, created.header.unwrap_or_default().revision)),
        // Of a token that is too old they say no more than this.
        true if has_user && created.cancel_reason.contains("permission denied") => Err(
            Status::unauthenticated(format!("invalid auth token, or: {}", created.cancel_reason)),
        ),
        true => Err(cancelled(&created.cancel_reason)),
    }
}

/// The servers give a reason, but no code.
fn cancelled(reason: &str) -> Status {
    match reason {
        denied if denied.contains("permission denied") => Status::permission_denied(denied),
        other => Status::unavailable(format!("the watch was cancelled: {other}")),
    }
}

impl Watch {
    /// What comes next. If nothing comes for a second, the member is asked whether it is there, and answers with an empty
    /// batch. Nothing is lost if this is dropped before it returns.
    ///
    /// # Errors
    /// [`Error::Compacted`]: what comes next is forgotten. [`Error::Unavailable`]: the member is gone, silent for the
    /// timeout of a request, or without a leader. [`Error::Denied`].
    pub async fn next(&mut self) -> Result<Batch> {
        loop {
            let patience = if self.is_asked { self.caller.timeout } else { SILENCE };
            let until = self.heard + patience;
            let message = tokio::time::timeout_at(until, self.stream.answers.message()).await;
            let why = match message {
                Ok(Ok(Some(answer))) => match self.take(answer)? {
                    Some(batch) => return Ok(batch),
                    None => continue,
                },
                Ok(Ok(None)) => "the stream ended".to_owned(),
                Ok(Err(status)) => return Err(self.failed(Failure::of(&status))),
                Err(_) if !self.is_asked => {
                    self.request_progress()?;
                    continue;
                }
                Err(_) => format!("nothing came for {:?}", SILENCE + self.caller.timeout),
            };
            return Err(self.failed(Failure::NotDone(why)));
        }
    }

    /// Asks the member whether it is there: [`Watch::next`] gives a batch then, empty if nothing else came.
    ///
    /// # Errors
    /// [`Error::Unavailable`]: the watch is over.
    pub fn request_progress(&mut self) -> Result<()> {
        let question = RequestUnion::ProgressRequest(WatchProgressRequest {});
        let question = WatchRequest { request_union: Some(question) };
        match self.stream.questions.try_send(question) {
            Ok(()) | Err(mpsc::error::TrySendError::Full(_)) => {
                if !self.is_asked {
                    (self.is_asked, self.heard) = (true, Instant::now());
                }
                Ok(())
            }
            Err(mpsc::error::TrySendError::Closed(_)) => {
                Err(self.failed(Failure::NotDone("the stream ended".to_owned())))
            }
        }
    }

    /// What can be delivered of an answer; `None`: more of it follows.
    fn take(&mut self, answer: WatchResponse) -> Result<Option<Batch>> {
        (self.is_asked, self.heard) = (false, Instant::now());
        if answer.compact_revision > 0 {
            return Err(Error::Compacted { revision: answer.compact_revision });
        }
        if answer.canceled {
            return Err(self.failed(Failure::of(&cancelled(&answer.cancel_reason))));
        }
        let mut ready = std::mem::take(&mut self.held);
        ready.extend(answer.events);
        if answer.fragment {
            // The last revision may have been cut.
            let last = ready.last().map_or(0, revision_of);
            let whole = ready.partition_point(|event| revision_of(event) < last);
            self.held = ready.split_off(whole);
            if ready.is_empty() {
                return Ok(None);
            }
        }
        self.delivered = ready.last().map_or(self.delivered, revision_of);
        let events = ready.into_iter().filter_map(change).collect();
        Ok(Some(Batch { revision: self.delivered, events }))
    }

    /// Another watch goes to another member.
    fn failed(&self, failure: Failure) -> Error {
        if failure.is_of_endpoint() {
            self.caller.endpoints.leave(self.at);
        }
        failure.into()
    }
}

fn revision_of(event: &Event) -> i64 {
    event.kv.as_ref().map_or(0, |kv: &WireKeyValue| kv.mod_revision)
}

fn change(event: Event) -> Option<Change> {
    let kind = match event.r#type() {
        EventType::Put => Kind::Put,
        EventType::Delete => Kind::Delete,
    };
    event.kv.map(|kv| Change { kind, kv: kv.into() })
}
