//! Machines of their own on one machine: each process of a cluster in its own network namespace, joined by a
//! bridge, so that links can be cut, one way or both, without a process noticing it otherwise.
//!
//! It needs root, `ip` and `iptables`; [`Network::unavailable`] tells why not. Nothing of it is seen
//! outside: the bridge is in a namespace too, so that networks with the same addresses live side by side.

mod audit;
mod cluster;
mod condition;
mod cut;
mod disk;
mod etcd;
mod history;
mod load;
mod network;
mod slow;

pub use cluster::{PATIENCE, SpreadCluster, client, credentials};
pub use cut::{Cut, Engine, Host, How};
pub use disk::SmallDisk;
pub use history::{Answer, History, Kind, Source};
pub use load::{Load, Mark, answers};
pub use network::Network;
pub use slow::SlowLink;
