//! Whether the other orchestrator has what a damaged node is about to set aside.

use std::time::Duration;

use common::endpoint::Endpoint;
use common::exit;
use common::messages::node_journal::JournalMessage;
use common::proto::peer_message::Message as Wire;
use common::proto::synchronization_service_client::SynchronizationServiceClient;
use common::proto::task_orchestrator_server::SERVICE_NAME;
use common::tls::Tls;
use orquestrador_core::ids::ClusterId;
use orquestrador_core::role::{Hello, Sender, View};
use tokio_stream::StreamExt as _;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::journal::inspect::Inspection;
use crate::replication::convert;

/// How long the other one may take to answer.
const TIMEOUT: Duration = Duration::from_secs(3);
/// How long it may take to become principal: it may have just lost the node that is damaged.
const PATIENCE: Duration = Duration::from_secs(3);
const RETRY: Duration = Duration::from_millis(100);

/// What the other one says of itself.
struct Peer {
    pub sender: Sender,
    pub hello: Hello,
    /// Its service of tasks is up, which only a principal's is.
    pub serves: bool,
}

/// A peer that has everything, and what the new node begins with.
#[derive(Debug, PartialEq)]
pub(super) struct Sound {
    pub cluster: ClusterId,
    pub view: View,
    /// The damaged node is still counted on.
    pub still_listed: bool,
}

/// Why the damaged journal must stay where it is.
#[derive(Debug, PartialEq)]
pub(super) enum Refusal {
    Unreachable { error: String },
    ThisNode { node: String },
    NotPrincipal,
    Incomplete { ours: u64, theirs: u64 },
    Older { ours: u64, theirs: u64 },
    Diverged { view: u64 },
    Foreign { ours: String, theirs: String },
    ClusterUnknown,
}

/// Asks until the answer is as it must be, or for some seconds.
pub(super) async fn wait_for(
    here: &Inspection,
    peer: &Endpoint,
    tls: &Tls,
) -> Result<Sound, Refusal> {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let judged = match ask(peer, tls).await {
            Ok(answer) => judge(here, &answer),
            Err(error) => Err(Refusal::Unreachable { error }),
        };
        match judged {
            Err(_) if tokio::time::Instant::now() < deadline => tokio::time::sleep(RETRY).await,
            judged => return judged,
        }
    }
}

/// Asks the process at the address who it is. It takes no note of who asked: a link that says nothing.
async fn ask(peer: &Endpoint, tls: &Tls) -> Result<Peer, String> {
    match tokio::time::timeout(TIMEOUT, greet(peer, tls)).await {
        Ok(answer) => answer.map_err(|error| root_cause(&*error)),
        Err(_) => Err("timeout".to_owned()),
    }
}

/// What the system said: the layers above it repeat it.
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

async fn greet(
    peer: &Endpoint,
    tls: &Tls,
) -> Result<Peer, Box<dyn std::error::Error + Send + Sync>> {
    let channel = peer.channel_by(tls);
    let mut health = HealthClient::new(channel.clone());
    let service = HealthCheckRequest { service: SERVICE_NAME.to_owned() };
    let serves = health.check(service).await?.into_inner().status() == ServingStatus::Serving;
    let mut client = SynchronizationServiceClient::new(channel);
    let mut answer = client.link(tokio_stream::pending()).await?.into_inner();
    let greeting = answer.next().await.ok_or("no greeting")??;
    let (sender, _) = convert::sender(&greeting)?;
    let Some(Wire::Hello(hello)) = greeting.message else { return Err("no greeting".into()) };
    let (hello, _) = convert::read_hello(hello)?;
    Ok(Peer { sender, hello, serves })
}

/// Compares what can be read here with what the other one says.
fn judge(here: &Inspection, peer: &Peer) -> Result<Sound, Refusal> {
    if here.node == Some(peer.sender.node) {
        return Err(Refusal::ThisNode { node: peer.sender.node.to_string() });
    }
    let (Some(cluster), Some(view)) = (peer.sender.cluster, &peer.hello.newest) else {
        return Err(Refusal::NotPrincipal);
    };
    same_cluster(here, peer, cluster)?;
    if let Some(ours) = &here.newest_view {
        if ours.number > view.number {
            return Err(Refusal::Older { ours: ours.number.0, theirs: view.number.0 });
        }
        if ours.number == view.number && ours != view {
            return Err(Refusal::Diverged { view: view.number.0 });
        }
    }
    let is_principal = view.principal_process == peer.sender.process;
    if !(peer.serves && is_principal) {
        return Err(not_principal(here, peer, view));
    }
    let still_listed = here.node.is_some_and(|node| view.replica(node).is_some());
    Ok(Sound { cluster, view: view.clone(), still_listed })
}

/// By the id; where that cannot be read any more, by the members of a view that can.
fn same_cluster(here: &Inspection, peer: &Peer, theirs: ClusterId) -> Result<(), Refusal> {
    match (here.role.as_ref(), here.cluster()) {
        (_, Some(ours)) if ours == theirs => Ok(()),
        (_, Some(ours)) => {
            Err(Refusal::Foreign { ours: ours.to_string(), theirs: theirs.to_string() })
        }
        // It never was in one.
        (Some(_), None) => Ok(()),
        (None, None) => {
            let view = here.newest_view.as_ref();
            let lists_peer = view.is_some_and(|view| view.replica(peer.sender.node).is_some());
            lists_peer.then_some(()).ok_or(Refusal::ClusterUnknown)
        }
    }
}

/// One that only waits for this node may have all that is here; a learner has not.
fn not_principal(here: &Inspection, peer: &Peer, view: &View) -> Refusal {
    let place = |id: &orquestrador_core::role::EntryId| (id.epoch, id.index);
    let (ours, theirs) = (here.last.or(here.snapshot).unwrap_or_default(), peer.hello.last);
    if view.replica(peer.sender.node).is_some() && place(&theirs) >= place(&ours) {
        Refusal::NotPrincipal
    } else {
        Refusal::Incomplete { ours: ours.index.0, theirs: theirs.index.0 }
    }
}

impl Refusal {
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Unreachable { .. } => exit::UNAVAILABLE,
            Self::ThisNode { .. }
            | Self::NotPrincipal
            | Self::Incomplete { .. }
            | Self::Older { .. }
            | Self::Diverged { .. }
            | Self::Foreign { .. }
            | Self::ClusterUnknown => exit::REFUSED,
        }
    }

    pub fn message(self, peer: String, dir: String) -> JournalMessage {
        match self {
            Self::Unreachable { error } => JournalMessage::PeerUnreachable { peer, error },
            Self::ThisNode { node } => JournalMessage::PeerIsThisNode { peer, node },
            Self::NotPrincipal => JournalMessage::PeerNotPrincipal { peer },
            Self::Incomplete { ours, theirs } => {
                JournalMessage::PeerIncomplete { peer, ours, theirs }
            }
            Self::Older { ours, theirs } => JournalMessage::PeerOlder { peer, ours, theirs },
            Self::Diverged { view } => JournalMessage::PeerDiverged { peer, view },
            Self::Foreign { ours, theirs } => JournalMessage::PeerForeign { peer, ours, theirs },
            Self::ClusterUnknown => JournalMessage::ClusterUnknown { peer, dir },
        }
    }
}

#[cfg(test)]
mod tests {
    use orquestrador_core::ids::{Epoch, Index, NodeId, ProcessId, ViewNumber};
    use orquestrador_core::role::{Durable, EntryId, Replica};

    use super::*;

    const HERE: NodeId = NodeId(1);
    const PEER: NodeId = NodeId(2);
    const CLUSTER: ClusterId = ClusterId(9);

    fn view(number: u64, replicas: &[NodeId]) -> View {
        let replica = |node: &NodeId| Replica { node: *node, since: ViewNumber(1) };
        View {
            number: ViewNumber(number),
            epoch: Epoch(number),
            principal_node: PEER,
            principal_process: ProcessId(7),
            replicas: replicas.iter().map(replica).collect(),
            witnesses: Vec::new(),
            forced: false,
        }
    }

    fn place(epoch: u64, index: u64) -> EntryId {
        EntryId { index: Index(index), epoch: Epoch(epoch), ..EntryId::default() }
    }

    fn here(newest: View) -> Inspection {
        let role =
            Durable { cluster: Some(CLUSTER), newest: Some(newest.clone()), ..Durable::default() };
        Inspection {
            node: Some(HERE),
            role: Some(role),
            newest_view: Some(newest),
            last: Some(place(3, 10)),
            ..Inspection::default()
        }
    }

    fn peer(newest: View) -> Peer {
        let sender = Sender { node: PEER, process: ProcessId(7), cluster: Some(CLUSTER) };
        let hello = Hello { newest: Some(newest), last: place(3, 10), may_found: false };
        Peer { sender, hello, serves: true }
    }

    #[test]
    fn a_principal_of_the_same_or_a_later_view_has_everything() {
        let sound =
            judge(&here(view(3, &[PEER, HERE])), &peer(view(4, &[PEER]))).expect("is sound");
        assert_eq!((sound.cluster, sound.still_listed), (CLUSTER, false));
        let pair = view(3, &[PEER, HERE]);
        assert!(judge(&here(pair.clone()), &peer(pair)).expect("is sound").still_listed);
    }

    #[test]
    fn one_that_knows_fewer_views_may_lack_what_was_acknowledged() {
        let refused = judge(&here(view(5, &[HERE])), &peer(view(4, &[PEER, HERE])));
        assert_eq!(refused, Err(Refusal::Older { ours: 5, theirs: 4 }));
        let refused = judge(&here(view(4, &[HERE])), &peer(view(4, &[PEER])));
        assert_eq!(refused, Err(Refusal::Diverged { view: 4 }));
    }

    #[test]
    fn one_that_does_not_serve_is_not_trusted_with_the_rest() {
        let here = here(view(3, &[PEER, HERE]));
        let waiting = Peer { serves: false, ..peer(view(3, &[PEER, HERE])) };
        assert_eq!(judge(&here, &waiting), Err(Refusal::NotPrincipal));
        let mut behind = Peer { serves: false, ..peer(view(3, &[PEER, HERE])) };
        behind.hello.last = place(3, 9);
        let lacking = Refusal::Incomplete { ours: 10, theirs: 9 };
        assert_eq!(judge(&here, &behind), Err(lacking));
        let mut another = peer(view(3, &[PEER, HERE]));
        another.sender.process = ProcessId(8);
        assert_eq!(judge(&here, &another), Err(Refusal::NotPrincipal));
        let mut new = peer(view(3, &[PEER, HERE]));
        new.hello.newest = None;
        assert_eq!(judge(&here, &new), Err(Refusal::NotPrincipal));
    }

    #[test]
    fn a_copy_is_not_made_anew_from_the_node_that_it_is_a_copy_of() {
        let mut itself = peer(view(4, &[HERE]));
        itself.sender.node = HERE;
        let refused = judge(&here(view(3, &[HERE])), &itself);
        assert_eq!(refused, Err(Refusal::ThisNode { node: HERE.to_string() }));
    }

    #[test]
    fn another_cluster_is_refused_also_where_only_views_tell() {
        let mut stranger = peer(view(8, &[PEER]));
        stranger.sender.cluster = Some(ClusterId(4));
        let foreign = judge(&here(view(3, &[PEER, HERE])), &stranger);
        assert!(matches!(foreign, Err(Refusal::Foreign { .. })), "{foreign:?}");
        let without_role = Inspection { role: None, ..here(view(3, &[PEER, HERE])) };
        assert!(judge(&without_role, &peer(view(4, &[PEER]))).is_ok());
        let without_peer = Inspection { role: None, ..here(view(3, &[HERE])) };
        assert_eq!(judge(&without_peer, &peer(view(4, &[PEER]))), Err(Refusal::ClusterUnknown));
        let nothing = Inspection::default();
        assert_eq!(judge(&nothing, &peer(view(4, &[PEER]))), Err(Refusal::ClusterUnknown));
    }
}
