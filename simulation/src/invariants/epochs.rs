//! Epochs and views only grow: on a disk, and for whoever has heard of one.

use std::collections::BTreeMap;

use orquestrador_core::ids::{ClusterId, Epoch, NodeId, ViewNumber};
use orquestrador_core::role::Durable;

use super::{Violation, ensure};

const NAME: &str = "epochs";

/// The newest view that each node has known, in each cluster.
#[derive(Default)]
pub struct Memory {
    nodes: BTreeMap<(NodeId, ClusterId), (ViewNumber, Epoch)>,
}

impl Memory {
    /// What a node has on its disk now.
    pub fn on_durable(&mut self, node: NodeId, durable: &Durable) -> Result<(), Violation> {
        let (Some(cluster), Some(view)) = (durable.cluster, &durable.newest) else { return Ok(()) };
        let now = (view.number, view.epoch);
        let before = self.nodes.insert((node, cluster), now).unwrap_or_default();
        ensure(now.0 >= before.0 && now.1 >= before.1, NAME, || {
            format!("node {node} went back from view and epoch {before:?} to {now:?}")
        })
    }
}

/// A worker has been taken into a session.
pub fn on_registered(highest: u64, epoch: u64) -> Result<(), Violation> {
    ensure(epoch >= highest, NAME, || {
        format!("a worker that knows epoch {highest} was taken on in epoch {epoch}")
    })
}
