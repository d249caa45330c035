//! Follows what tasks refer to: fetches what this node lacks of it, and removes what nobody needs.

use std::collections::HashSet;
use std::time::Duration;

use common::blobs::{Content, Hash};
use common::console::Console;
use common::messages::node_blobs::BlobMessage;
use tokio::time::{Instant, MissedTickBehavior};

use super::{Blobs, content};
use crate::driver::input::Input;

/// How often it is looked what is referred to.
const PERIOD: Duration = Duration::from_millis(500);
/// After a failure, until what is missing is asked for again.
const PAUSE: Duration = Duration::from_secs(2);
/// How often it is said that something is missing.
const REPEAT_WARNING: Duration = Duration::from_secs(60);

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
        warned: None,
    };
    let mut ticks = tokio::time::interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if keeper.look().await.is_err() {
            return;
        }
        keeper.tell_damage();
        keeper.fetch_missing().await;
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
    warned: Option<Instant>,
}

impl Keeper {
    async fn look(&mut self) -> Result<(), tonic::Status> {
        let known = self.sum;
        let news = self.blobs.driver.ask(|reply| Input::ReferredBlobs { known, reply }).await?;
        if let Some((sum, referred)) = news {
            self.sum = Some(sum);
            self.referred = referred.iter().map(|blob| Hash(blob.id.0)).collect();
            self.missing = referred.iter().map(content).collect();
        }
        let store = &self.blobs.store;
        self.missing.retain(|content| !store.has(content.hash));
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
            if self.warned.is_none_or(|at| at.elapsed() >= REPEAT_WARNING) {
                self.warned = Some(Instant::now());
                self.console.warn(&BlobMessage::Missing { blobs: missing });
            }
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
