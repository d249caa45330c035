//! The space of etcd: new work is refused before it is used up (E5), so that what is under way can end and what was
//! acknowledged can be written.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use common::messages::node_engine::EngineMessage;
use orquestrador_etcd::Status;

use super::{Error, Patience, Shared};
use crate::driver::engine::News;

/// Between two looks.
const LOOK: Duration = Duration::from_secs(2);
/// Between two snapshots that are taken for space.
const SNAPSHOT: Duration = Duration::from_secs(20);
/// Between two defragmentations of a member that do not free half of it: it answers nobody meanwhile.
const REST: Duration = Duration::from_secs(60);
/// Of the quota, in hundredths: beyond it nothing new is taken.
const FULL: u64 = 90;
/// Below it again it is.
const FREE: u64 = 80;

/// The task that looks at the space.
pub struct Space {
    pub shared: Shared,
    /// What the members were told, in bytes.
    pub quota: u64,
    /// Set while nothing new is to be taken.
    pub is_full: Arc<AtomicBool>,
    /// This node is principal.
    pub leads: Arc<AtomicBool>,
}

impl Space {
    /// Until the driver ends.
    pub async fn run(self) {
        let mut patience = Patience::default();
        let (mut asked, mut defragmented) = (None::<Instant>, BTreeMap::new());
        loop {
            tokio::time::sleep(LOOK).await;
            let members = self.shared.etcd.status_of_each().await;
            let answers = members.into_iter().filter_map(|(at, status)| Some((at, status.ok()?)));
            let members: Vec<(String, Status)> = answers.collect();
            let Some(bytes) = members.iter().map(|(_, status)| status.db_size).max() else {
                continue;
            };
            self.judge(bytes, &mut patience);
            if !self.is_full.load(Ordering::Relaxed) || !self.leads.load(Ordering::Relaxed) {
                continue;
            }
            // A snapshot lets the log be cut; for a while it needs space itself.
            if asked.is_none_or(|at| at.elapsed() >= SNAPSHOT) {
                asked = Some(Instant::now());
                if self.shared.tell(News::WantsSnapshot).await.is_err() {
                    return;
                }
            }
            if let Err(error) = self.defragment(members, &mut defragmented).await {
                patience.tell(&self.shared, &error);
            }
        }
    }

    fn judge(&self, bytes: u64, patience: &mut Patience) {
        let (was_full, quota) = (self.is_full.load(Ordering::Relaxed), self.quota);
        let limit = if was_full { FREE } else { FULL };
        let is_full = bytes >= quota / 100 * limit;
        self.is_full.store(is_full, Ordering::Relaxed);
        match (was_full, is_full) {
            (_, true) => {
                patience.warn(&self.shared, &EngineMessage::NearlyFull { bytes, quota });
            }
            (true, false) => self.shared.console.info(&EngineMessage::SpaceAgain),
            (false, false) => {}
        }
    }

    /// Gives back what is free within the files of the members: one after the other, the leader last. Not all know at the
    /// same time that it is free. `done`: when it was done last, by endpoint.
    async fn defragment(
        &self,
        mut members: Vec<(String, Status)>,
        done: &mut BTreeMap<String, Instant>,
    ) -> Result<(), Error> {
        members.sort_by_key(|(_, status)| status.is_leader);
        for (endpoint, status) in members {
            let has_rested = done.get(&endpoint).is_none_or(|at| at.elapsed() >= REST);
            let is_enough = status.db_size_in_use < self.quota / 100 * (FREE - 10);
            // Until it is so again it has to double.
            let is_much = status.db_size_in_use < status.db_size / 2;
            if is_much || (is_enough && has_rested) {
                done.insert(endpoint.clone(), Instant::now());
                self.shared.etcd.defragment(&endpoint).await?;
            }
        }
        Ok(())
    }
}
