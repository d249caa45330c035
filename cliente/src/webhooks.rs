//! Ends of tasks that are still to be told to their receivers.

use std::time::Duration;

use common::proto::webhook_service_client::WebhookServiceClient;
use common::proto::{self, UndeliveredWebhook};
use tonic::transport::Channel;

use crate::{Client, Error};

/// Of one request.
const TIMEOUT: Duration = Duration::from_secs(5);
/// In one answer.
const PAGE: u32 = 1_000;

fn webhooks(channel: Channel) -> WebhookServiceClient<Channel> {
    WebhookServiceClient::new(channel)
}

impl Client {
    /// What is owed to receivers, or was given up and is kept, by task, at most so many: of the caller, and for administrators of all.
    ///
    /// # Errors
    /// A refusal, or nobody answered in time.
    pub async fn webhooks(
        &self,
        only_given_up: bool,
        limit: usize,
    ) -> Result<Vec<UndeliveredWebhook>, Error> {
        let (mut all, mut page_token) = (Vec::new(), String::new());
        while all.len() < limit {
            let left = u32::try_from(limit - all.len()).unwrap_or(PAGE);
            let page =
                proto::ListWebhooksRequest { only_given_up, page_size: left.min(PAGE), page_token };
            let answer =
                self.targets()
                    .call(
                        TIMEOUT,
                        |_: &proto::ListWebhooksResponse| None,
                        |channel| {
                            let request = self.targets().request(page.clone());
                            async move {
                                Ok(webhooks(channel).list_webhooks(request).await?.into_inner())
                            }
                        },
                    )
                    .await?;
            all.extend(answer.webhooks);
            page_token = answer.next_page_token;
            if page_token.is_empty() {
                break;
            }
        }
        Ok(all)
    }

    /// Has the ends of these tasks told at once, and gives how many that are. An array stands for what of it ended before its
    /// turn.
    ///
    /// # Errors
    /// `WEBHOOK_NOT_FOUND`, another refusal, or nobody answered in time.
    pub async fn retry_webhooks(&self, tasks: &[String]) -> Result<u64, Error> {
        let task_ids = tasks.to_vec();
        let request = proto::RetryWebhooksRequest { task_ids, page_token: String::new() };
        Ok(self.retry_some_webhooks(request).await?.retried)
    }

    /// The same of all that is owed to the caller's receivers, for administrators to anybody's.
    ///
    /// # Errors
    /// A refusal, or nobody answered in time: then it may be done in part.
    pub async fn retry_all_webhooks(&self) -> Result<u64, Error> {
        let (mut all, mut page_token) = (0, String::new());
        loop {
            let request = proto::RetryWebhooksRequest { task_ids: Vec::new(), page_token };
            let answer = self.retry_some_webhooks(request).await?;
            all += answer.retried;
            page_token = answer.next_page_token;
            if page_token.is_empty() {
                return Ok(all);
            }
        }
    }

    async fn retry_some_webhooks(
        &self,
        request: proto::RetryWebhooksRequest,
    ) -> Result<proto::RetryWebhooksResponse, Error> {
        self.targets()
            .call(
                TIMEOUT,
                |_: &proto::RetryWebhooksResponse| None,
                |channel| {
                    let request = self.targets().request(request.clone());
                    async move { Ok(webhooks(channel).retry_webhooks(request).await?.into_inner()) }
                },
            )
            .await
    }
}
