//! Follows what tasks refer to: fetches what this node lacks of it, or brings it to the bucket, and removes what nobody
//! needs.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use common::blobs::{Content, Hash};
use common::console::Console;
use common::messages::node_blobs::BlobMessage;
use tokio::time::{Instant, MissedTickBehavior};
use tonic::Status;

use super::bucket::{Bucket, Object, Office};
use super::{Blobs, content};
use crate::api::confirm_office;
use crate::driver::input::Input;

/// How often it is looked what is referred to.
const PERIOD: Duration = Duration::from_millis(500);
/// After a failure, until what is missing is asked for again.
const PAUSE: Duration = Duration::from_secs(2);
/// How often it is said that something is missing.
const REPEAT_WARNING: Duration = Duration::from_secs(60);
/// How often everything in the bucket is listed, to find what nobody knows of.
const RELIST: Duration = Duration::from_secs(3_600);
/// How often it is looked what may go from the bucket, at most.
const DEPARTURES: Duration = Duration::from_secs(30);
/// What is in no bucket is brought there by so many.
const BROUGHT_AT_ONCE: usize = 64;
/// Objects that are removed at once.
const MOST_AT_ONCE: usize = 1_000;

/// Runs until the driver ends. What nothing refers to goes after `grace`.
pub async fn keep(blobs: Blobs, grace: Duration, console: Console) {
    let mut keeper = Keeper {
        blobs,
        grace,
        console,
        sum: None,
        referred: HashSet::new(),
        missing: Vec::new(),
        not_before: Instant::now(),
        departed: Instant::now(),
        leaving: None,
        warned: None,
        is_away: false,
    };
    let mut ticks = tokio::time::interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if keeper.look().await.is_err() {
            return;
        }
        keeper.tell_damage();
        match keeper.blobs.bucket.clone() {
            None => keeper.fetch_missing().await,
            Some(bucket) => keeper.tend(&bucket).await,
        }
        keeper.sweep().await;
    }
}

struct Keeper {
    blobs: Blobs,
    grace: Duration,
    console: Console,
    /// Of what is referred to.
    sum: Option<u128>,
    referred: HashSet<Hash>,
    missing: Vec<Content>,
    not_before: Instant,
    /// When it was last looked what may go from the bucket.
    departed: Instant,
    /// What an office began to remove, and may not have removed.
    leaving: Option<(Office, Vec<Object>)>,
    warned: Option<Instant>,
    /// The bucket, the last time.
    is_away: bool,
}

impl Keeper {
    async fn look(&mut self) -> Result<(), Status> {
        let known = self.sum;
        let news = self.blobs.driver.ask(|reply| Input::ReferredBlobs { known, reply }).await?;
        if let Some((sum, referred)) = news {
            self.sum = Some(sum);
            self.referred = referred.iter().map(|blob| Hash(blob.id.0)).collect();
            self.missing = referred.iter().map(content).collect();
        }
        match &self.blobs.bucket {
            None => self.missing.retain(|content| !self.blobs.store.has(content.hash)),
            Some(bucket) => self.missing.retain(|content| !bucket.knows(content.hash)),
        }
        Ok(())
    }

    fn tell_damage(&self) {
        let blobs = self.blobs.store.take_damaged();
        if blobs > 0 {
            self.console.warn(&BlobMessage::Damaged { blobs });
        }
    }

    async fn fetch_missing(&mut self) {
        if self.missing.is_empty() || Instant::now() < self.not_before {
            return;
        }
        let (mut fetched, mut bytes) = (0, 0);
        for content in &self.missing {
            match self.blobs.fetch(content.hash).await {
                Ok(length) => (fetched, bytes) = (fetched + 1, bytes + length),
                Err(status) => tracing::debug!(%status, "a blob could not be fetched"),
            }
        }
        let missing = self.missing.len() as u64 - fetched;
        if fetched > 0 {
            self.console.info(&BlobMessage::Fetched { blobs: fetched, bytes });
        }
        if missing > 0 {
            self.not_before = Instant::now() + PAUSE;
            self.warn(&BlobMessage::Missing { blobs: missing });
        }
    }

    fn warn(&mut self, message: &BlobMessage) {
        if self.warned.is_none_or(|at| at.elapsed() >= REPEAT_WARNING) {
            self.warned = Some(Instant::now());
            self.console.warn(message);
        }
    }

    /// The principal alone looks after the bucket.
    async fn tend(&mut self, bucket: &Arc<Bucket>) {
        if Instant::now() < self.not_before {
            return;
        }
        let Ok(office) = self.blobs.own_office().await else { return };
        if let Err(status) = self.try_to_tend(bucket, office).await {
            tracing::debug!(%status, "the bucket was not tended");
            self.not_before = Instant::now() + PAUSE;
        }
        // Whoever was in trouble with it.
        if let Some(why) = bucket.take_trouble() {
            self.is_away = true;
            self.not_before = Instant::now() + PAUSE;
            self.warn(&BlobMessage::StoreAway { why });
        } else if self.is_away {
            match bucket.try_it(office).await {
                Ok(()) => {
                    (self.is_away, self.warned) = (false, None);
                    let store = bucket.name().to_string();
                    self.console.info(&BlobMessage::StoreBack { store });
                }
                Err(error) => tracing::debug!(%error, "the bucket is still away"),
            }
        }
    }

    async fn try_to_tend(&mut self, bucket: &Arc<Bucket>, office: Office) -> Result<(), Status> {
        if bucket.listed(office).is_none_or(|at| at.elapsed() >= RELIST) {
            bucket.list(office).await?;
            for hash in self.referred.iter().filter(|hash| bucket.knows(**hash)) {
                self.blobs.store.is_elsewhere(*hash, true);
            }
            self.sum = None;
        }
        // Something may be gone that was there.
        if bucket.take_lost() || self.sum.is_none() {
            self.sum = None;
            self.look().await?;
        }
        self.bring_missing(bucket).await?;
        self.remove_leaving(bucket, office).await?;
        if self.departed.elapsed() >= DEPARTURES.min(self.grace / 4) {
            let is_all = self.remove_unneeded(bucket, office).await?;
            if is_all {
                self.departed = Instant::now();
            }
        }
        Ok(())
    }

    /// What tasks refer to came before there was a bucket, or was removed by somebody else.
    async fn bring_missing(&mut self, bucket: &Arc<Bucket>) -> Result<(), Status> {
        let (mut brought, mut bytes, mut nowhere) = (0, 0, 0);
        let mut all = std::mem::take(&mut self.missing);
        while !all.is_empty() {
            let some = all.split_off(all.len().saturating_sub(BROUGHT_AT_ONCE));
            match self.blobs.secure(bucket, some.clone()).await {
                Ok(()) => {
                    brought += some.len() as u64;
                    bytes += some.iter().map(|content| content.bytes).sum::<u64>();
                }
                // Each alone says what is wrong with it.
                Err(_) => self.missing.extend(some),
            }
        }
        for content in std::mem::take(&mut self.missing) {
            // Also where the other node has it.
            let secured = match self.blobs.secure(bucket, vec![content]).await {
                Err(_) if !self.blobs.store.has(content.hash) => {
                    match self.blobs.fetch_from_peer(content.hash).await {
                        Ok(_) => self.blobs.secure(bucket, vec![content]).await,
                        Err(status) => Err(status),
                    }
                }
                secured => secured,
            };
            match secured {
                Ok(()) => (brought, bytes) = (brought + 1, bytes + content.bytes),
                Err(status) if !self.blobs.store.has(content.hash) => {
                    tracing::debug!(%status, "a blob is in no bucket");
                    self.missing.push(content);
                    nowhere += 1;
                }
                Err(status) => {
                    self.sum = None;
                    return Err(status);
                }
            }
        }
        if brought > 0 {
            let store = bucket.name().to_string();
            self.console.info(&BlobMessage::Brought { blobs: brought, bytes, store });
        }
        if nowhere > 0 {
            self.not_before = Instant::now() + PAUSE;
            self.warn(&BlobMessage::Nowhere { blobs: nowhere, store: bucket.name().to_string() });
        }
        Ok(())
    }

    /// By what is committed: an office that has ended without knowing it removes nothing. Gives whether that is all.
    async fn remove_unneeded(
        &mut self,
        bucket: &Arc<Bucket>,
        office: Office,
    ) -> Result<bool, Status> {
        let going = bucket.depart(self.grace, |hash| self.referred.contains(&hash), MOST_AT_ONCE);
        if going.is_empty() {
            return Ok(true);
        }
        let confirmed = self.confirm(office).await;
        if let Err(status) = confirmed {
            bucket.stay(&going);
            return Err(status);
        }
        let is_all = going.len() < MOST_AT_ONCE;
        let (stays, going): (Vec<_>, Vec<_>) =
            going.into_iter().partition(|o| bucket.is_newest(o) && self.referred.contains(&o.hash));
        bucket.stay(&stays);
        self.leaving = Some((office, going));
        self.remove_leaving(bucket, office).await?;
        Ok(is_all)
    }

    /// Until it is known that nothing of it will be removed later.
    async fn remove_leaving(&mut self, bucket: &Arc<Bucket>, office: Office) -> Result<(), Status> {
        let Some((of, going)) = &self.leaving else { return Ok(()) };
        // Whoever leads now relies upon none of them.
        if *of == office {
            let (blobs, bytes) = bucket.remove(office, going, &self.blobs.store).await?;
            if blobs > 0 {
                self.console.info(&BlobMessage::Removed { blobs, bytes });
            }
        }
        self.leaving = None;
        Ok(())
    }

    /// What is referred to now, when this node is still the principal of the same office afterwards.
    async fn confirm(&mut self, office: Office) -> Result<(), Status> {
        self.sum = None;
        self.look().await?;
        confirm_office(&self.blobs.driver).await?;
        match self.blobs.own_office().await? == office {
            true => Ok(()),
            false => Err(common::grpc_status::not_primary(None)),
        }
    }

    async fn sweep(&mut self) {
        let (store, grace, console) = (self.blobs.store.clone(), self.grace, self.console);
        let referred = std::mem::take(&mut self.referred);
        let swept = tokio::task::spawn_blocking(move || {
            let swept = store.sweep(grace, |hash| referred.contains(&hash));
            (swept, referred)
        });
        match swept.await {
            Ok((swept, referred)) => {
                self.referred = referred;
                match swept {
                    Ok((0, _)) => {}
                    Ok((blobs, bytes)) => console.info(&BlobMessage::Removed { blobs, bytes }),
                    Err(error) => tracing::warn!(%error, "unneeded blobs could not be removed"),
                }
            }
            Err(error) => {
                tracing::error!(%error, "removing unneeded blobs failed");
                // Looked up anew the next time.
                self.sum = None;
            }
        }
    }
}
