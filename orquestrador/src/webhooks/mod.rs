//! Telling receivers of tasks' ends, outside of the driver: the core says what is to be told now, and decides what follows
//! from what that comes to. Only a principal tells; when its office ends, so does all that is under way.

mod allow;
mod body;
mod client;
mod failure;
mod signature;

use std::sync::{Arc, Mutex};

use common::error_code::ErrorCode;
use common::grpc_status;
use common::lang::Lang;
use common::messages::webhook_failures::WebhookFailure;
use orquestrador_core::Command;
use orquestrador_core::terms::Terms;
use orquestrador_core::webhook::{Owed, Posted};
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tonic::Status;

use crate::driver::DriverHandle;
use crate::driver::input::Input;
use crate::driver::posts::Posts;
use crate::driver::store::{Clock as _, SystemClock};
use client::{Client, Message};

pub use allow::{AllowList, Allowed, NoUrl, parse};
pub use signature::{Key, NoKey};

/// What an operator says of webhooks.
#[derive(Clone, Debug)]
pub struct Config {
    /// Never empty.
    pub allow: AllowList,
    /// The same on both orchestrators.
    pub key: Key,
}

/// Tells receivers. Cheap to clone.
#[derive(Clone)]
pub struct Webhooks(Arc<Shared>);

struct Shared {
    /// `None`: no receiver is allowed.
    means: Option<(Config, Client)>,
    driver: DriverHandle,
    clock: SystemClock,
    lang: Lang,
    runtime: Handle,
    under_way: Mutex<JoinSet<()>>,
}

impl Webhooks {
    /// To be called within a runtime.
    ///
    /// # Errors
    /// There are receivers, and no root certificates to know them by.
    pub fn new(
        config: Option<Config>,
        driver: DriverHandle,
        clock: SystemClock,
        lang: Lang,
    ) -> std::io::Result<Self> {
        let means = config.map(|config| Ok::<_, std::io::Error>((config, Client::new(lang)?)));
        Ok(Self(Arc::new(Shared {
            means: means.transpose()?,
            driver,
            clock,
            lang,
            runtime: Handle::current(),
            under_way: Mutex::default(),
        })))
    }

    /// # Errors
    /// `WEBHOOK_NOT_ALLOWED` for the first receiver that is not allowed.
    pub fn check<'a>(&self, terms: impl Iterator<Item = &'a Terms>) -> Result<(), Status> {
        let mut before = None;
        for url in terms.filter_map(|terms| terms.webhook.as_ref()) {
            // Most are like the one before.
            if before.replace(url) != Some(url) && !self.0.allows(&url.0) {
                let why = format!(
                    "the webhook {url} is not among those that this orchestrator allows: \
                     start both orchestrators with --webhook-allow for it"
                );
                return Err(grpc_status::status(ErrorCode::WebhookNotAllowed, why));
            }
        }
        Ok(())
    }
}

impl Posts for Webhooks {
    fn post(&self, owed: Arc<Owed>) {
        let shared = Arc::clone(&self.0);
        let attempt = async move {
            let (task, tries) = (owed.report.task, owed.tries);
            let posted = shared.attempt(&owed).await;
            tracing::debug!(task.id = %task, tries, ?posted, "told the receiver of a task's end");
            let report = Input::Session(Command::ReportPost { task, tries, posted });
            if shared.driver.send(report).await.is_err() {
                tracing::debug!(task.id = %task, "the node stops: it will be told again");
            }
        };
        let mut under_way = self.0.lock();
        while under_way.try_join_next().is_some() {}
        under_way.spawn_on(attempt, &self.0.runtime);
    }

    fn stop(&self) {
        self.0.lock().abort_all();
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, JoinSet<()>> {
        self.under_way.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn allows(&self, url: &str) -> bool {
        let allow = self.means.as_ref().map(|(config, _)| &config.allow);
        allow.is_some_and(|allow| parse(url).is_ok_and(|url| allow.allows(&url)))
    }

    async fn attempt(&self, owed: &Owed) -> Posted {
        let Some((config, client)) = self.means.as_ref().filter(|_| self.allows(&owed.url.0))
        else {
            return client::failed(&WebhookFailure::NotAllowed, self.lang);
        };
        let (id, body) = (body::id(owed.report.task), body::body(&owed.report));
        let timestamp = self.clock.wall().0 / 1_000;
        let signature = config.key.sign(&id, timestamp, &body);
        client.post(Message { url: owed.url.to_string(), id, timestamp, signature, body }).await
    }
}
