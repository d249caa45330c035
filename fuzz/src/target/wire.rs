//! Every method of every service, with messages made from their descriptors.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use common::auth::{AS_KEY, TOKEN_KEY, USER_KEY};
use common::blobs::CLUSTER_KEY;
use common::endpoint::Endpoint;
use futures::StreamExt as _;
use prost_reflect::MethodDescriptor;
use serde::{Deserialize, Serialize};
use simulation::random::Random;
use tonic::metadata::{Ascii, MetadataKey, MetadataValue};
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

use super::Target;
use crate::raw::Raw;
use crate::rig::{Rig, TOKEN};
use crate::{messages, words};

mod codec;

/// What an administrator may do to the cluster itself: only others try it here.
const FOR_OTHERS: [&str; 6] =
    ["Shutdown", "Promote", "Switchover", "ReplacePeer", "Drill", "SetLogFilter"];
/// Those that wait for something, or answer as long as the caller speaks.
const PATIENT: [&str; 12] = [
    "RunTask",
    "WatchTasks",
    "FollowOutput",
    "Session",
    "Control",
    "Link",
    "PutBlob",
    "ReadTail",
    "GetSources",
    "Watch",
    "ServerReflectionInfo",
    "GetBlob",
];
/// Within which any other is answered.
const HANG: Duration = Duration::from_secs(60);
/// Calls at the same time.
const TOGETHER: usize = 12;

/// One call.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Call {
    /// `/service/method`
    pub path: String,
    pub to_standby: bool,
    pub metadata: Vec<(String, String)>,
    pub messages: Vec<Raw>,
    /// The stream of requests stays open for so long after the last one.
    pub open_ms: u64,
    /// Answers that are read before the caller leaves.
    pub reads: usize,
}

/// The target.
pub struct Wire {
    rig: Rig,
    methods: Vec<MethodDescriptor>,
    answers: Mutex<BTreeMap<&'static str, u64>>,
    slowest: Mutex<(Duration, String)>,
}

impl Wire {
    /// # Errors
    /// The cluster did not start.
    pub fn start(dir: &Path) -> anyhow::Result<Self> {
        let methods = messages::methods(&messages::pool()?);
        Ok(Self {
            rig: Rig::start(dir)?,
            methods,
            answers: Mutex::default(),
            slowest: Mutex::default(),
        })
    }

    fn metadata(method: &MethodDescriptor, random: &mut Random) -> Vec<(String, String)> {
        let mut metadata = Vec::new();
        let mut say = |key: &str, value: &str| metadata.push((key.to_owned(), value.to_owned()));
        let only_others = FOR_OTHERS.contains(&method.name());
        let user =
            words::USERS[if only_others { random.between(1, 2) as usize } else { random.index(3) }];
        match random.between(0, 29) {
            0 => {}
            1 => say(USER_KEY, user),
            2 => {
                say(USER_KEY, &String::from_utf8_lossy(&words::any(random)));
                say(TOKEN_KEY, &String::from_utf8_lossy(&words::any(random)));
            }
            _ => {
                say(USER_KEY, user);
                say(TOKEN_KEY, TOKEN);
            }
        }
        if random.one_in_thousand(120) && !only_others {
            say(AS_KEY, words::USERS[random.index(3)]);
        }
        if random.one_in_thousand(200) {
            let ids = [words::CLUSTER_TEXT, "", "x", "00000000-0000-0000-0000-000000000000"];
            say(CLUSTER_KEY, ids[random.index(ids.len())]);
        }
        if random.one_in_thousand(60) {
            say("mutirao-peer", "1");
        }
        if random.one_in_thousand(100) {
            let times = ["1n", "0S", "99999999H", "-1S", "x", "5m"];
            say("grpc-timeout", times[random.index(times.len())]);
        }
        if random.one_in_thousand(60) {
            let names = ["grpc-encoding", "accept-language", "mutirao-lang", "x-long", "te"];
            say(names[random.index(names.len())], &"gzip".repeat(random.between(1, 900) as usize));
        }
        metadata
    }

    async fn call(&self, channels: &[Channel; 2], call: &Call) -> anyhow::Result<()> {
        let name = call.path.rsplit('/').next().unwrap_or_default();
        let is_patient = PATIENT.contains(&name) || call.open_ms > 0;
        let wait = if is_patient { Duration::from_millis(400) } else { HANG };
        let began = Instant::now();
        let code = match tokio::time::timeout(wait, self.spoken(channels, call)).await {
            Ok(Ok(())) => "answered",
            Ok(Err(status)) => word(&status),
            Err(_) if is_patient => "left open",
            Err(_) => {
                bail!("{} was not answered within {HANG:?}", call.path);
            }
        };
        if let Ok(mut slowest) = self.slowest.lock()
            && !is_patient
            && slowest.0 < began.elapsed()
        {
            *slowest = (began.elapsed(), name.to_owned());
        }
        if let Ok(mut answers) = self.answers.lock() {
            *answers.entry(code).or_default() += 1;
        }
        Ok(())
    }

    async fn spoken(&self, channels: &[Channel; 2], call: &Call) -> Result<(), Status> {
        let said: Vec<_> = call.messages.iter().map(|m| self.filled(&m.0)).collect();
        let open = Duration::from_millis(call.open_ms);
        let end = futures::stream::once(async move {
            tokio::time::sleep(open).await;
            None
        });
        let stream = futures::stream::iter(said.into_iter().map(Some)).chain(end);
        let mut request = Request::new(stream.filter_map(std::future::ready));
        for (key, value) in &call.metadata {
            let value = value.replace(words::CLUSTER_TEXT, &self.cluster_text());
            let (Ok(key), Ok(value)) =
                (key.parse::<MetadataKey<Ascii>>(), value.parse::<MetadataValue<Ascii>>())
            else {
                continue;
            };
            request.metadata_mut().append(key, value);
        }
        let mut client = tonic::client::Grpc::new(channels[usize::from(call.to_standby)].clone())
            .max_decoding_message_size(64 << 20);
        client.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
        let path = call.path.parse().map_err(|_| Status::internal("no path"))?;
        let mut answers = client.streaming(request, path, codec::Unread).await?.into_inner();
        for _ in 0..call.reads {
            if answers.message().await?.is_none() {
                break;
            }
        }
        Ok(())
    }

    fn cluster_text(&self) -> String {
        uuid::Uuid::from_bytes(self.rig.cluster_id).to_string()
    }

    /// With the id of this cluster where the case means it.
    fn filled(&self, message: &[u8]) -> bytes::Bytes {
        let mut message = message.to_vec();
        let text = self.cluster_text();
        let places = [
            (words::CLUSTER_TEXT.as_bytes(), text.as_bytes()),
            (&words::CLUSTER_BYTES[..], &self.rig.cluster_id[..]),
        ];
        for (from, to) in places {
            let found: Vec<_> =
                (0..message.len()).filter(|at| message[*at..].starts_with(from)).collect();
            found.into_iter().for_each(|at| message[at..at + to.len()].copy_from_slice(to));
        }
        message.into()
    }
}

/// Of a refusal.
fn word(status: &Status) -> &'static str {
    match status.code() {
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::Unauthenticated => "UNAUTHENTICATED",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::NotFound => "NOT_FOUND",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Unknown => "UNKNOWN",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::Aborted => "ABORTED",
        Code::DeadlineExceeded | Code::Cancelled => "CANCELLED",
        Code::Ok | Code::DataLoss => "OTHER",
    }
}

impl Target for Wire {
    type Case = Call;
    const NAME: &'static str = "wire";
    const BATCH: usize = 300;

    fn make(&self, random: &mut Random) -> Call {
        let method = &self.methods[random.index(self.methods.len())];
        let times = match method.is_client_streaming() {
            true => random.between(0, 6),
            false => 1,
        };
        let mut said: Vec<_> =
            (0..times).map(|_| messages::message(&method.input(), random)).collect();
        // What is accepted goes further than what is refused.
        if let ("SubmitTask" | "RunTask", true) = (method.name(), random.coin()) {
            said = vec![submission(random)];
        }
        // A worker that has registered is heard further.
        if method.name() == "Session" && random.one_in_thousand(800) {
            said.insert(0, registration(random));
        }
        // Members are trusted: a stranger does not know the cluster.
        if method.name() == "Link" {
            said.iter_mut().for_each(|message| foreign(message));
        }
        Call {
            path: format!("/{}/{}", method.parent_service().full_name(), method.name()),
            to_standby: random.one_in_thousand(200),
            metadata: Self::metadata(method, random),
            messages: said.into_iter().map(Raw).collect(),
            open_ms: if random.one_in_thousand(100) { random.between(1, 300) } else { 0 },
            reads: random.between(0, 3) as usize * 20,
        }
    }

    fn run(&mut self, cases: &[Call]) -> anyhow::Result<()> {
        let [principal, standby, _] = self.rig.ports();
        let this = &*self;
        let called = this.rig.runtime().block_on(async {
            let channel = |port: u16| {
                let endpoint: Endpoint = format!("http://127.0.0.1:{port}").parse()?;
                anyhow::Ok(endpoint.channel())
            };
            let channels = [channel(principal)?, channel(standby)?];
            let calls = futures::stream::iter(cases).map(|case| this.call(&channels, case));
            let ended: Vec<_> = calls.buffer_unordered(TOGETHER).collect().await;
            ended.into_iter().collect::<anyhow::Result<Vec<()>>>()
        });
        let checked = self.rig.check();
        called.context("a call")?;
        checked
    }

    fn told(&self) -> String {
        let answers = self.answers.lock().map(|answers| format!("{answers:?}")).unwrap_or_default();
        let slowest = self.slowest.lock().map(|slowest| format!("{slowest:?}")).unwrap_or_default();
        format!("rss {}; slowest {slowest}; {answers}", self.rig.memory())
    }
}

/// A task that is accepted, unless its id was used.
fn submission(random: &mut Random) -> Vec<u8> {
    use prost::Message as _;
    let task = common::proto::TaskSpec {
        task_id: words::id(random),
        handler: ["echo", "of-liars"][random.index(2)].to_owned(),
        payload: words::bytes("payload", random).into(),
        queue: ["", "q2"][random.index(2)].to_owned(),
        group: ["", "g1"][random.index(2)].to_owned(),
        priority: random.between(0, 3) as i32,
        ..common::proto::TaskSpec::default()
    };
    let request =
        common::proto::SubmitTaskRequest { task: Some(task), allow_unknown_handler: true };
    request.encode_to_vec()
}

/// A liar that is let in.
fn registration(random: &mut Random) -> Vec<u8> {
    use prost::Message as _;
    let register = common::proto::Register {
        worker_id: format!("liar-{}", random.between(0, 5)),
        incarnation: uuid::Uuid::from_u128(random.wide() | 1).to_string(),
        slots: 1 + random.between(0, 3) as u32,
        handlers: vec!["echo".to_owned(), "of-liars".to_owned()],
        cluster_id: if random.coin() { words::CLUSTER_TEXT.to_owned() } else { String::new() },
        ..common::proto::Register::default()
    };
    let message = Some(common::proto::worker_message::Message::Register(register));
    common::proto::WorkerMessage { message }.encode_to_vec()
}

/// Takes the id of the cluster out.
fn foreign(message: &mut [u8]) {
    let at = message.windows(16).position(|window| window == words::CLUSTER_BYTES);
    if let Some(at) = at {
        message[at] ^= 0xff;
        foreign(message);
    }
}
