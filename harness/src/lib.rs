//! Real processes of the platform, started, killed and watched: what the demo, the benchmarks and the
//! end-to-end tests have in common.

pub mod audit;
pub mod bench;
pub mod browser;
pub mod certificates;
pub mod chaos;
pub mod cli;
pub mod cluster;
pub mod demo;
pub mod etcd;
pub mod linearizability;
pub mod net;
pub mod ports;
pub mod process;

pub use browser::Browser;
pub use certificates::Certificates;
pub use cli::Cli;
pub use cluster::{Cluster, Layout};
pub use etcd::EtcdCluster;
pub use process::Process;
