//! One file for each subcommand.

mod array;
mod audit;
mod cancel;
pub mod certs;
pub mod cluster;
mod explain;
mod flow;
mod groups;
mod list;
mod live;
pub mod login;
pub mod logout;
mod logs;
mod map;
pub mod menu;
mod order;
mod payload;
mod queues;
mod repetition;
mod result;
mod retry;
mod run;
mod schedule;
mod status;
mod submit;
mod top;
mod users;
mod wait;
mod watch;
mod webhooks;
mod workers;

pub use cluster::explain::lines as views;
pub use explain::steps;

use cliente::{Client, TaskFilter};
use common::array_id;

use super::Context;
use super::args::Online;
use super::failure::Failure;

pub async fn run(context: &Context, command: Online) -> Result<u8, Failure> {
    match command {
        Online::Submit(options) => submit::run(context, *options).await,
        Online::Run(options) => run::run(context, *options).await,
        Online::Map(options) => map::run(context, *options).await,
        Online::Status { task_id, explain: false } if array_id::is_array(&task_id) => {
            array::status(context, &task_id).await
        }
        Online::Status { task_id, explain: false } => status::run(context, &task_id).await,
        Online::Status { task_id, explain: true } if array_id::is_array(&task_id) => {
            explain::array(context, &task_id).await
        }
        Online::Status { task_id, explain: true } => explain::run(context, &task_id).await,
        Online::Result { task_id, files: true, into, wait, .. } => {
            let into = into.unwrap_or_else(|| ".".into());
            result::files(context, &task_id, &into, &wait).await
        }
        Online::Result { task_id, raw, wait, .. } => {
            array::check_task(&task_id)?;
            result::run(context, &task_id, raw, &wait).await
        }
        Online::Logs { task_id, follow } => {
            array::check_task(&task_id)?;
            logs::run(context, &task_id, follow).await
        }
        Online::List(options) => list::run(context, *options).await,
        Online::Watch { task_ids, group, wait_timeout } => {
            let watch = watch::run(context, task_ids, group);
            wait::within(wait_timeout, watch).await
        }
        Online::Wait { task_ids, wait_timeout } => {
            let all = wait::run(context, task_ids);
            wait::within(wait_timeout, all).await
        }
        Online::Cancel { task_ids } => cancel::run(context, &task_ids).await,
        Online::Retry { task_ids, failed, queue, handler, code, group, wait } => {
            let of = match failed {
                true => retry::Of::Failed { queue, handler, code, group },
                false => retry::Of::These(task_ids),
            };
            retry::run(context, of, &wait).await
        }
        Online::Top(options) => top::run(context, &options).await,
        Online::Audit { acknowledged } => audit::run(context, acknowledged.as_deref()).await,
        Online::Workers { action } => workers::run(context, action).await,
        Online::Webhooks { action } => webhooks::run(context, action).await,
        Online::Groups { action } => groups::run(context, action).await,
        Online::Queues { action } => queues::run(context, action).await,
        Online::Schedule { action } => schedule::run(context, action).await,
        Online::Cluster { action } => cluster::run(context, action).await,
        Online::Users { action } => users::run(context, action).await,
    }
}

/// Asks something harmless, to know whether the credentials are right.
async fn check_credentials(client: &Client) -> Result<(), cliente::Error> {
    client.list(&TaskFilter::default(), 1, "").await.map(|_| ())
}
