//! Scripted orchestrators on ports of their own: they share one state, as a pair does, and misbehave as told.

#![allow(dead_code, reason = "each test binary uses a part of it")]

mod cluster;
pub mod operator;
mod queues;
pub mod stage;
mod tasks;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use cliente::{Client, ClientConfig};
use common::auth::{Credentials, TOKEN_KEY};
use common::endpoint::{Endpoint, MAX_MESSAGE_BYTES};
use common::error_code::ErrorCode;
use common::grpc_status;
use common::proto::cluster_service_server::ClusterServiceServer;
use common::proto::operator_service_server::OperatorServiceServer;
use common::proto::queue_service_server::QueueServiceServer;
use common::proto::task_orchestrator_server::TaskOrchestratorServer;
use common::proto::{
    Durability, GetClusterResponse, Queue, Quota, Receipt, Task, TaskError, TaskState, User, Worker,
};
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tonic::{Request, Status};

pub const TOKEN: &str = "token-of-the-test";
pub const WHEN: u64 = 1_767_225_600_000;
/// By a node that refuses for a rate.
pub const ASKED_TO_WAIT: Duration = Duration::from_millis(400);

/// What a node does with a request.
#[derive(Clone, Debug, Default)]
pub enum Mood {
    #[default]
    Principal,
    /// Refuses, and names this address.
    Standby(Option<String>),
    /// Takes requests and never answers; what it was sending stops, on a connection that lives.
    Silent,
    /// Carries submissions out and never answers.
    Deaf,
    /// Refuses so many requests with this code.
    Refuses(ErrorCode, u32),
    /// Serves so many requests, and refuses all others with this code.
    RefusesAfter(ErrorCode, u32),
    /// Ends so many watches as lagged after their first message.
    Lags(u32),
}

/// A task with all that is known of it.
#[derive(Clone, Debug, Default)]
pub struct Record {
    pub task: Task,
    pub payload: Vec<u8>,
    pub result: Vec<u8>,
}

/// What both nodes of a pair hold.
#[derive(Default)]
pub struct Store {
    pub tasks: BTreeMap<String, Record>,
    pub users: Vec<User>,
    pub default_quota: Option<Quota>,
    pub workers: Vec<Worker>,
    pub queues: BTreeMap<String, Queue>,
    pub durability: Durability,
    /// Handlers that tasks may ask for; empty for all.
    pub handlers: Vec<String>,
    /// Finish what is submitted at once: `echo` gives the payload back, `fail` fails.
    pub works: bool,
    /// In the order in which they ended, as far as a test finished them.
    pub ends: Vec<String>,
}

/// The replicated state, and a bell that rings when it changes.
pub struct Pair {
    store: Mutex<Store>,
    changes: watch::Sender<u64>,
}

impl Pair {
    pub fn new() -> Arc<Self> {
        let store = Store { durability: Durability::Replicated, ..Store::default() };
        Arc::new(Self { store: Mutex::new(store), changes: watch::Sender::new(0) })
    }

    pub fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().expect("no test panicked with it")
    }

    pub fn change<T>(&self, change: impl FnOnce(&mut Store) -> T) -> T {
        let done = change(&mut self.store());
        self.changes.send_modify(|n| *n += 1);
        done
    }

    pub fn finish(&self, id: &str, result: &[u8]) {
        self.change(|store| {
            let record = store.tasks.get_mut(id).expect("was submitted");
            end(record, TaskState::Succeeded, result);
            store.ends.push(id.to_owned());
        });
    }

    /// Waits until the state is as wanted.
    pub async fn until(&self, wanted: impl Fn(&Store) -> bool) {
        let mut changes = self.changes.subscribe();
        while !wanted(&self.store()) {
            changes.changed().await.expect("the pair lives");
        }
    }
}

pub fn end(record: &mut Record, state: TaskState, result: &[u8]) {
    let task = &mut record.task;
    task.set_state(state);
    task.pending_reason.clear();
    task.attempt = 1;
    task.worker_id = "localhost:50061".into();
    task.started_at_ms = WHEN + 1_000;
    task.finished_at_ms = WHEN + 2_500;
    task.result_bytes = result.len() as u64;
    if state == TaskState::Failed {
        let (code, message) = ("NON_ZERO_EXIT".into(), "exit code 3".into());
        task.error = Some(Box::new(TaskError { code, message }));
    }
    record.result = result.to_vec();
}

/// One scripted orchestrator, with threads of its own so that it can die at once.
pub struct Node {
    pub port: u16,
    script: Arc<Script>,
    runtime: Option<Runtime>,
}

/// What the services of a node share.
pub struct Script {
    pub pair: Arc<Pair>,
    mood: Arc<Mutex<Mood>>,
    epoch: Mutex<u64>,
    /// To operators.
    says: Mutex<operator::Sayings>,
    /// What it says of the cluster, where that is not the ordinary.
    cluster: Mutex<Option<GetClusterResponse>>,
    /// The requests that came, by name, with the task's id where there is one.
    calls: Mutex<Vec<String>>,
    port: u16,
}

impl Node {
    pub fn start(pair: &Arc<Pair>, mood: Mood, epoch: u64) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
        let port = listener.local_addr().expect("is bound").port();
        let script = Arc::new(Script {
            pair: Arc::clone(pair),
            mood: Arc::new(Mutex::new(mood)),
            epoch: Mutex::new(epoch),
            says: Mutex::default(),
            cluster: Mutex::default(),
            calls: Mutex::default(),
            port,
        });
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        listener.set_nonblocking(true).expect("can be");
        let served = Arc::clone(&script);
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).expect("is bound");
            tonic::transport::Server::builder()
                .add_service(
                    TaskOrchestratorServer::from_arc(Arc::clone(&served))
                        .max_decoding_message_size(MAX_MESSAGE_BYTES),
                )
                .add_service(OperatorServiceServer::from_arc(Arc::clone(&served)))
                .add_service(QueueServiceServer::from_arc(Arc::clone(&served)))
                .add_service(ClusterServiceServer::from_arc(served))
                .serve_with_incoming(tokio_stream::wrappers::TcpListenerStream::new(listener))
                .await
        });
        Self { port, script, runtime: Some(runtime) }
    }

    pub fn address(&self) -> String {
        format!("http://localhost:{}", self.port)
    }

    pub fn endpoint(&self) -> Endpoint {
        self.address().parse().expect("is an address")
    }

    pub fn set(&self, mood: Mood) {
        *self.script.mood.lock().expect("is whole") = mood;
    }

    pub fn set_epoch(&self, epoch: u64) {
        *self.script.epoch.lock().expect("is whole") = epoch;
    }

    /// Says this when it is asked for the cluster.
    pub fn set_cluster(&self, cluster: GetClusterResponse) {
        *self.script.cluster.lock().expect("is whole") = Some(cluster);
    }

    /// The requests that it has had.
    pub fn calls(&self) -> Vec<String> {
        self.script.calls.lock().expect("is whole").clone()
    }

    /// As `kill -9` does: connections break, the port is closed.
    pub fn kill(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A principal of epoch 1 and its standby.
pub fn pair() -> (Arc<Pair>, Node, Node) {
    let pair = Pair::new();
    let principal = Node::start(&pair, Mood::Principal, 1);
    let standby = Node::start(&pair, Mood::Standby(Some(principal.address())), 1);
    (pair, principal, standby)
}

pub fn client(nodes: &[&Node], timeout: std::time::Duration) -> Client {
    let endpoints = nodes.iter().map(|node| node.endpoint()).collect();
    let credentials = Credentials::new("ana", TOKEN).expect("is ASCII");
    Client::new(ClientConfig { timeout, ..ClientConfig::new(endpoints, credentials) })
}

impl Script {
    /// Notes the call, then answers, refuses, or never comes back.
    async fn admit<T>(&self, call: String, request: &Request<T>) -> Result<(), Status> {
        self.calls.lock().expect("is whole").push(call);
        let token = request.metadata().get(TOKEN_KEY).and_then(|token| token.to_str().ok());
        if token != Some(TOKEN) {
            return Err(grpc_status::status(ErrorCode::Unauthenticated, "wrong user or token"));
        }
        let refusal = {
            let mut mood = self.mood.lock().expect("is whole");
            match &mut *mood {
                Mood::RefusesAfter(_, left) if *left > 0 => {
                    *left -= 1;
                    return Ok(());
                }
                Mood::RefusesAfter(code, _) => {
                    Some(grpc_status::status(*code, "as the script says"))
                }
                Mood::Principal | Mood::Deaf | Mood::Lags(_) => return Ok(()),
                Mood::Standby(named) => Some(grpc_status::not_primary(named.as_deref())),
                Mood::Silent => None,
                Mood::Refuses(_, 0) => return Ok(()),
                Mood::Refuses(code @ ErrorCode::RateLimited, left) => {
                    *left -= 1;
                    Some(grpc_status::later(*code, "as the script says", ASKED_TO_WAIT))
                }
                Mood::Refuses(code, left) => {
                    *left -= 1;
                    Some(grpc_status::status(*code, "as the script says"))
                }
            }
        };
        match refusal {
            Some(status) => Err(status),
            None => std::future::pending().await,
        }
    }

    fn is_deaf(&self) -> bool {
        matches!(*self.mood.lock().expect("is whole"), Mood::Deaf)
    }

    fn lags(&self) -> bool {
        match &mut *self.mood.lock().expect("is whole") {
            Mood::Lags(left) if *left > 0 => {
                *left -= 1;
                true
            }
            Mood::Lags(_)
            | Mood::Principal
            | Mood::Standby(_)
            | Mood::Silent
            | Mood::Deaf
            | Mood::Refuses(..)
            | Mood::RefusesAfter(..) => false,
        }
    }

    fn epoch(&self) -> u64 {
        *self.epoch.lock().expect("is whole")
    }

    fn receipt(&self) -> Receipt {
        let durability = self.pair.store().durability.into();
        Receipt { durability, epoch: self.epoch(), journal_index: 7 }
    }
}
