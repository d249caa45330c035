//! Somebody who only wants to know how things are, while others work.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cliente::Client;
use tokio::task::JoinHandle;

use crate::chaos;
use crate::cluster::Layout;

/// Between an answer and the next question.
const PAUSE: Duration = Duration::from_millis(10);

/// Asks until it is stopped, on a connection of its own.
pub struct Onlooker {
    ends: Arc<AtomicBool>,
    asking: JoinHandle<anyhow::Result<Vec<f64>>>,
}

impl Onlooker {
    /// # Errors
    /// The layout's addresses are of no use.
    pub fn start(layout: &Layout) -> anyhow::Result<Self> {
        let (client, ends) = (chaos::rounds::client(layout)?, Arc::new(AtomicBool::new(false)));
        let asking = tokio::spawn(ask(client, Arc::clone(&ends)));
        Ok(Self { ends, asking })
    }

    /// Milliseconds that each answer took.
    ///
    /// # Errors
    /// A question was refused, or got no answer in time.
    pub async fn stop(self) -> anyhow::Result<Vec<f64>> {
        self.ends.store(true, Ordering::Relaxed);
        self.asking.await?
    }
}

async fn ask(client: Client, ends: Arc<AtomicBool>) -> anyhow::Result<Vec<f64>> {
    let mut waits = Vec::new();
    while !ends.load(Ordering::Relaxed) {
        let began = Instant::now();
        client.cluster().await?;
        waits.push(began.elapsed().as_secs_f64() * 1e3);
        tokio::time::sleep(PAUSE).await;
    }
    Ok(waits)
}
