//! The one port: every service of this node, and what each says of its health.

use std::sync::Arc;
use std::time::Duration;

use common::blobs::MAX_CHUNK_BYTES;
use common::console::Console;
use common::endpoint::{MAX_MESSAGE_BYTES, MAX_PEER_MESSAGE_BYTES};
use common::proto::blob_service_server::BlobServiceServer;
use common::proto::cluster_service_server::ClusterServiceServer;
use common::proto::operator_service_server::OperatorServiceServer;
use common::proto::queue_service_server::QueueServiceServer;
use common::proto::schedule_service_server::ScheduleServiceServer;
use common::proto::synchronization_service_server::SynchronizationServiceServer;
use common::proto::task_orchestrator_server::TaskOrchestratorServer;
use common::proto::webhook_service_server::WebhookServiceServer;
use common::proto::witness_service_server::WitnessServiceServer;
use common::proto::worker_service_server::WorkerServiceServer;
use common::tls;
use orquestrador_core::role::Standing;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tonic::server::NamedService;
use tonic::service::RoutesBuilder;
use tonic::transport::Server;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use super::Node;
use crate::bodies::{self, Bodies};
use crate::driver::DriverHandle;
use crate::driver::input::Input;
use crate::web::panel::Panel;
use crate::{api, dispatch, gate, replication, users, web, witness};

/// How often the health of the services follows the node's standing.
const HEALTH: Duration = Duration::from_millis(200);
/// A peer that does not answer a ping of HTTP/2 is gone.
const KEEPALIVE: Duration = Duration::from_secs(5);

/// Of one connection; more wait at who calls.
const MAX_STREAMS: u32 = 2_048;
/// A part of a blob, with what goes with it.
const MAX_PART_BYTES: usize = MAX_CHUNK_BYTES + 1_024;
/// What is asked of reflection.
const MAX_QUESTION_BYTES: usize = 16 << 10;

type Tasks = TaskOrchestratorServer<api::tasks::Service>;
type Workers = WorkerServiceServer<dispatch::Service>;

/// Serves in a task of its own, until the process ends: as long as this node acts, its port does not refuse
/// (V11). The task ends earlier only with an error.
///
/// # Errors
/// The services cannot be put together.
pub fn start(
    node: &Node,
    listener: TcpListener,
    console: Console,
) -> Result<JoinHandle<Result<(), super::Error>>, super::Error> {
    let (driver, users) = (node.driver.clone(), node.users.clone());
    let (health, health_service) = tonic_health::server::health_reporter();
    tokio::spawn(report_health(health, driver.clone()));
    let mut routes = RoutesBuilder::default();
    routes.add_service(health_service);
    routes.add_service(
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(common::proto::DESCRIPTORS)
            .build_v1()?
            .max_decoding_message_size(MAX_QUESTION_BYTES),
    );
    let panel = panel(node);
    routes.add_service(
        Tasks::from_arc(panel.tasks.clone())
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_MESSAGE_BYTES),
    );
    let blobs = api::blobs::Service {
        driver: driver.clone(),
        users: users.clone(),
        blobs: node.blobs.clone(),
    };
    routes.add_service(BlobServiceServer::new(blobs).max_decoding_message_size(MAX_PART_BYTES));
    routes.add_service(QueueServiceServer::from_arc(panel.queues.clone()));
    let webhooks = api::webhooks::Service { driver: driver.clone(), users: users.clone() };
    routes.add_service(WebhookServiceServer::new(webhooks));
    let schedules = api::schedules::Service {
        driver: driver.clone(),
        users,
        webhooks: node.webhooks.clone(),
        shards: node.shards.clone(),
    };
    routes.add_service(
        ScheduleServiceServer::new(schedules)
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_MESSAGE_BYTES),
    );
    routes.add_service(ClusterServiceServer::from_arc(panel.cluster.clone()));
    routes.add_service(
        Workers::new(dispatch::Service {
            driver: driver.clone(),
            outputs: node.outputs.clone(),
            blobs: node.blobs.clone(),
        })
        .max_decoding_message_size(MAX_MESSAGE_BYTES)
        .max_encoding_message_size(MAX_MESSAGE_BYTES),
    );
    routes.add_service(
        OperatorServiceServer::from_arc(panel.operator.clone())
            .max_decoding_message_size(MAX_MESSAGE_BYTES)
            .max_encoding_message_size(MAX_MESSAGE_BYTES),
    );
    routes.add_service(WitnessServiceServer::new(witness(node)));
    if node.is_pair {
        let (journal, end) = (node.journal.clone(), node.end.clone());
        let told = Arc::default();
        let link = replication::service::Service { driver, journal, end, console, told };
        routes.add_service(
            SynchronizationServiceServer::new(link)
                .max_decoding_message_size(MAX_PEER_MESSAGE_BYTES)
                .max_encoding_message_size(MAX_PEER_MESSAGE_BYTES),
        );
    }
    let pages = web::State {
        driver: node.driver.clone(),
        meters: node.driver.meters().clone(),
        blobs: node.blobs.store.clone(),
        connections: node.connections.clone(),
        tls: node.tls.clone(),
    };
    let mut routes = web::add(routes.routes().into_axum_router(), pages, panel);
    let bodies = Bodies::new(node.users.clone(), node.driver.clone())
        .map_err(tonic_reflection::server::Error::from)?;
    routes = routes.layer(axum::middleware::from_fn_with_state(bodies, bodies::keep));
    routes = routes.layer(axum::middleware::map_request(users::note_path));
    let acceptor = node.tls.acceptor();
    if acceptor.is_some() {
        let refusals = node.refusals.clone();
        routes = routes.layer(axum::middleware::from_fn_with_state(refusals, gate::keep));
    }
    let incoming = tls::incoming(listener, acceptor, node.connections.clone());
    let serving = Server::builder()
        .initial_stream_window_size(8 << 20)
        .initial_connection_window_size(16 << 20)
        .max_concurrent_streams(MAX_STREAMS)
        .http2_keepalive_interval(Some(KEEPALIVE))
        .http2_keepalive_timeout(Some(KEEPALIVE))
        .accept_http1(true)
        .add_routes(routes.into())
        .serve_with_incoming(incoming);
    Ok(tokio::spawn(async { Ok(serving.await?) }))
}

/// What users and operators ask, by gRPC or by the panel.
fn panel(node: &Node) -> Panel {
    let (driver, users) = (node.driver.clone(), node.users.clone());
    let tasks = api::tasks::Service {
        driver: driver.clone(),
        users: users.clone(),
        journal: node.journal.clone(),
        outputs: node.outputs.clone(),
        blobs: node.blobs.clone(),
        max_payload_bytes: node.max_payload_bytes,
        webhooks: node.webhooks.clone(),
        shards: node.shards.clone(),
    };
    let queues = api::queues::Service {
        driver: driver.clone(),
        users: users.clone(),
        shards: node.shards.clone(),
    };
    Panel {
        tasks: Arc::new(tasks),
        cluster: Arc::new(api::cluster::Service {
            driver,
            users: users.clone(),
            shards: node.shards.clone(),
        }),
        queues: Arc::new(queues),
        operator: Arc::new(operator(node)),
        peer: node.peer.clone(),
        users,
    }
}

fn operator(node: &Node) -> api::operator::Service {
    api::operator::Service {
        end: node.end.clone(),
        peer: node.peer.clone(),
        own_loopback: node.own_loopback,
        driver: node.driver.clone(),
        users: node.users.clone(),
        journal: node.journal.clone(),
        limits: node.limits.clone(),
        allow_drill: node.allow_drill,
        blobs: node.blobs.clone(),
    }
}

fn witness(node: &Node) -> witness::service::Service {
    witness::service::Service {
        driver: node.driver.clone(),
        witnesses: node.witnesses.clone(),
        pulse: node.pulse.clone(),
        clock: node.clock.clone(),
    }
}

/// The process as a whole serves; tasks and workers only the principal.
async fn report_health(health: HealthReporter, driver: DriverHandle) {
    let mut ticks = tokio::time::interval(HEALTH);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    health.set_service_status("", ServingStatus::Serving).await;
    loop {
        ticks.tick().await;
        let Ok(node) = driver.ask(|reply| Input::Standing { reply }).await else { return };
        let status = match node {
            Standing::Principal => ServingStatus::Serving,
            Standing::Unfounded
            | Standing::Learner
            | Standing::Standby
            | Standing::Waiting
            | Standing::Elected => ServingStatus::NotServing,
        };
        health.set_service_status(Tasks::NAME, status).await;
        health.set_service_status(Workers::NAME, status).await;
    }
}
