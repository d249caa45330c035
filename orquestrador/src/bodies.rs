//! What is sent with a call that is not a stream, taken in before any service sees it. Of whom nobody knows little is held,
//! of each user so much, and of nobody for long.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use common::blobs::CLUSTER_KEY;
use common::endpoint::MAX_MESSAGE_BYTES;
use common::error_code::ErrorCode;
use common::proto::blob_service_server;
use common::{grpc_status, proto};
use http_body_util::BodyExt as _;
use orquestrador_core::ids::UserName;
use prost::Message as _;
use prost_types::FileDescriptorSet;
use tonic::Status;
use tonic::metadata::MetadataMap;

use crate::driver::DriverHandle;
use crate::driver::input::Input;
use crate::gate::is_grpc;
use crate::users::{Access, Asking, Users};
use crate::web::panel::answer::respond;
use crate::{api, blobs};

/// Of a call, too little to be counted.
const MAX_UNCOUNTED_BYTES: usize = 4 << 10;
/// Of a call whose sender need not be known for it.
const MAX_UNKNOWN_BYTES: usize = 64 << 10;
/// Of all calls whose senders are not known.
const MAX_UNKNOWN_BYTES_IN_ALL: usize = 64 << 20;
const MAX_USER_BYTES: usize = 64 << 20;
/// Of all users.
const MAX_USERS_BYTES: usize = 256 << 20;
/// A message with its frame.
const MAX_GRPC_BYTES: usize = MAX_MESSAGE_BYTES + 5;
/// What the panel sends.
const MAX_JSON_BYTES: usize = 2 << 20;
/// Without a byte.
const MAX_PAUSE: Duration = Duration::from_secs(20);
const MAX_TIME: Duration = Duration::from_secs(120);

/// Cheap to clone.
#[derive(Clone)]
pub struct Bodies {
    users: Users,
    driver: DriverHandle,
    /// Paths of calls that send streams: their services look at who calls first, and take message by message.
    streams: Arc<BTreeSet<String>>,
    room: Room,
}

impl Bodies {
    /// # Errors
    /// The descriptors of the services cannot be read.
    pub fn new(users: Users, driver: DriverHandle) -> Result<Self, prost::DecodeError> {
        let streams = Arc::new(streams(proto::DESCRIPTORS)?);
        Ok(Self { users, driver, streams, room: Room::default() })
    }

    async fn take(&self, parts: &Parts, mut body: Body) -> Result<(Bytes, Held), Status> {
        let most = if is_grpc(&parts.headers) { MAX_GRPC_BYTES } else { MAX_JSON_BYTES };
        let (mut whole, mut held) = (BytesMut::new(), Held::of(&self.room, None));
        loop {
            let frame = tokio::time::timeout(MAX_PAUSE, body.frame()).await;
            let Some(frame) = frame.map_err(|_| late())? else { return Ok((whole.freeze(), held)) };
            let frame = frame.map_err(|error| broken(&error.to_string()))?;
            let Ok(data) = frame.into_data() else { continue };
            let length = whole.len() + data.len();
            if length > most {
                return Err(Status::out_of_range(format!("more than {most} bytes")));
            }
            let is_known = held.user.is_some() || length <= MAX_UNKNOWN_BYTES;
            let is_little = length <= MAX_UNCOUNTED_BYTES;
            if !is_known || !is_little && !held.grow(length - held.bytes) {
                held = self.of_sender(parts, length).await?;
            }
            if whole.is_empty() && body.is_end_stream() {
                return Ok((data, held));
            }
            whole.extend_from_slice(&data);
        }
    }

    /// A user; or a member of the cluster, which calls as nobody.
    ///
    /// # Errors
    /// Those of [`api::authenticate`]; `FOREIGN_CLUSTER`; `OVERLOADED` when there is no room.
    async fn of_sender(&self, parts: &Parts, bytes: usize) -> Result<Held, Status> {
        let metadata = MetadataMap::from_headers(parts.headers.clone());
        let request = tonic::Request::from_parts(metadata, parts.extensions.clone(), ());
        let asking = Asking::of(&request, Access::Look);
        let path = parts.uri.path().trim_start_matches('/');
        let is_of_blobs = path.split('/').next() == Some(blob_service_server::SERVICE_NAME);
        let is_member = is_of_blobs && parts.headers.contains_key(CLUSTER_KEY) && {
            let node = self.driver.ask(|reply| Input::Describe { reply }).await?;
            blobs::is_member(asking.metadata(), &node)?
        };
        if !is_member {
            api::authenticate(&self.users, &self.driver, asking).await?;
        }
        let user = if is_member { "" } else { asking.user().unwrap_or_default() };
        let mut held = Held::of(&self.room, Some(UserName::from(user)));
        match held.grow(bytes) {
            true => Ok(held),
            false => {
                self.driver.meters().shed();
                let why = "too much is on its way already, of this user or of all";
                Err(grpc_status::status(ErrorCode::Overloaded, why))
            }
        }
    }
}

/// Passes a request on when all of it is there, or answers it.
pub async fn keep(State(bodies): State<Bodies>, request: Request, next: Next) -> Response {
    if request.body().is_end_stream() || bodies.streams.contains(request.uri().path()) {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    let taken = tokio::time::timeout(MAX_TIME, bodies.take(&parts, body)).await;
    match taken.unwrap_or_else(|_| Err(late())) {
        Ok((whole, held)) => {
            let response = next.run(Request::from_parts(parts, Body::from(whole))).await;
            drop(held);
            response
        }
        Err(status) if is_grpc(&parts.headers) => status.into_http::<Body>(),
        Err(status) => {
            let is_too_long = status.code() == tonic::Code::OutOfRange;
            let mut response = respond(Err(status));
            if is_too_long {
                *response.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
            }
            response
        }
    }
}

fn late() -> Status {
    broken("it did not arrive in time")
}

fn broken(why: &str) -> Status {
    grpc_status::invalid([("body".to_owned(), why.to_owned())])
}

/// Of these services, and of reflection.
fn streams(descriptors: &[u8]) -> Result<BTreeSet<String>, prost::DecodeError> {
    let mut paths =
        BTreeSet::from(["/grpc.reflection.v1.ServerReflection/ServerReflectionInfo".to_owned()]);
    for file in FileDescriptorSet::decode(descriptors)?.file {
        for service in &file.service {
            let of_clients = service.method.iter().filter(|method| method.client_streaming());
            paths.extend(
                of_clients.map(|method| {
                    format!("/{}.{}/{}", file.package(), service.name(), method.name())
                }),
            );
        }
    }
    Ok(paths)
}

/// Bytes that are held. Cheap to clone.
#[derive(Clone, Default)]
struct Room(Arc<Mutex<Taken>>);

#[derive(Default)]
struct Taken {
    unknown: usize,
    users: usize,
    of_user: BTreeMap<UserName, usize>,
}

/// Some of them, of a call; given back when it is dropped.
struct Held {
    room: Room,
    user: Option<UserName>,
    bytes: usize,
}

impl Held {
    fn of(room: &Room, user: Option<UserName>) -> Self {
        Self { room: room.clone(), user, bytes: 0 }
    }

    /// `false`: there is no room for so many more, and none are taken.
    fn grow(&mut self, bytes: usize) -> bool {
        let mut taken = self.room.0.lock().unwrap_or_else(PoisonError::into_inner);
        let has_room = match &self.user {
            None => taken.unknown + bytes <= MAX_UNKNOWN_BYTES_IN_ALL,
            Some(user) => {
                let own = taken.of_user.get(user).copied().unwrap_or_default();
                own + bytes <= MAX_USER_BYTES && taken.users + bytes <= MAX_USERS_BYTES
            }
        };
        if has_room {
            match &self.user {
                None => taken.unknown += bytes,
                Some(user) => {
                    taken.users += bytes;
                    *taken.of_user.entry(user.clone()).or_default() += bytes;
                }
            }
            self.bytes += bytes;
        }
        has_room
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut taken = self.room.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &self.user {
            None => taken.unknown -= self.bytes,
            Some(user) => {
                taken.users -= self.bytes;
                if let Some(own) = taken.of_user.get_mut(user) {
                    *own -= self.bytes;
                    if *own == 0 {
                        taken.of_user.remove(user);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_bounded_and_given_back() {
        let room = Room::default();
        let held = |user: Option<&str>, bytes| {
            let mut held = Held::of(&room, user.map(UserName::from));
            held.grow(bytes).then_some(held)
        };
        let all = held(None, MAX_UNKNOWN_BYTES_IN_ALL).expect("there is room");
        assert!(held(None, 1).is_none());
        let own = held(Some("ana"), MAX_USER_BYTES).expect("users have a room of their own");
        assert!(held(Some("ana"), 1).is_none());
        let names = ["bia", "caio", "davi"];
        let others: Vec<_> = names.iter().map(|name| held(Some(name), MAX_USER_BYTES)).collect();
        assert!(others.iter().all(Option::is_some));
        assert!(held(Some("eva"), 1).is_none(), "all of them are as many as may be");
        drop(own);
        assert!(held(Some("eva"), MAX_USER_BYTES).is_some());
        drop((all, others));
        let taken = room.0.lock().expect("is whole");
        assert_eq!((taken.unknown, taken.users, taken.of_user.len()), (0, 0, 0));
    }

    #[test]
    fn calls_that_send_streams_are_known() -> Result<(), prost::DecodeError> {
        let paths = streams(proto::DESCRIPTORS)?;
        let expected = [
            "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
            "/mutirao.v1.BlobService/PutBlob",
            "/mutirao.v1.SynchronizationService/Link",
            "/mutirao.v1.WitnessService/Control",
            "/mutirao.v1.WorkerService/Session",
        ];
        assert_eq!(paths.iter().map(String::as_str).collect::<Vec<_>>(), expected);
        Ok(())
    }
}
