//! States that wait to be committed before they are backed up.

use orquestrador_core::ids::Index;
use orquestrador_core::role::Log as _;
use tokio::sync::oneshot;
use tonic::Status;

use super::store::Store;
use super::{Driver, Error};
use crate::backup::Moment;
use crate::journal::BackupMeta;

/// Who waits, and for what.
#[derive(Default)]
pub struct Backups(Vec<(Moment, Reply)>);

type Reply = oneshot::Sender<Result<Moment, Status>>;

impl Backups {
    fn take_committed(&mut self, committed: Index) -> impl Iterator<Item = (Moment, Reply)> {
        // A state that nobody waits for any more is not kept beside the present one.
        self.0.retain(|(_, reply)| !reply.is_closed());
        self.0.extract_if(.., move |(moment, _)| moment.meta.id.index <= committed)
    }

    /// The office ended: whoever waits asks the other node.
    pub fn refuse_all(&mut self, reason: &Status) {
        for (_, reply) in self.0.drain(..) {
            if reply.send(Err(reason.clone())).is_err() {
                tracing::debug!("whoever asked for a backup has left");
            }
        }
    }
}

impl<S: Store> Driver<S> {
    pub(super) fn begin_backup(&mut self, reply: Reply) -> Result<(), Error> {
        let cluster = self.role.durable().cluster;
        let (Some(cluster), Some(view), true) = (cluster, self.role.newest(), self.serving) else {
            if reply.send(Err(self.not_primary())).is_err() {
                tracing::debug!("whoever asked for a backup has left");
            }
            return Ok(());
        };
        let view = view.number;
        self.close_entry()?;
        self.applied.debug_assert_current(&self.tail);
        let (id, machine) = (self.tail.last(), &self.applied.machine);
        let records = self.tail.records().iter().copied();
        let meta = BackupMeta {
            cluster,
            id,
            view_records: records.filter(|(_, index)| *index <= id.index).collect(),
            view,
            epoch: self.role.epoch(),
            digest: machine.digest(),
            at: self.clock.wall(),
            version: common::version::SHORT.to_owned(),
        };
        let moment = Moment {
            meta,
            history: machine.history(),
            tasks: machine.task_count(),
            blobs: machine.referred_blobs().collect(),
        };
        self.backups.0.push((moment, reply));
        Ok(())
    }

    /// What is committed can no longer be taken back.
    pub(super) fn answer_backups(&mut self) {
        for (moment, reply) in self.backups.take_committed(self.role.committed()) {
            if reply.send(Ok(moment)).is_err() {
                tracing::debug!("whoever asked for a backup has left");
            }
        }
    }
}
