//! Groups: tasks and arrays under one name of the caller's own.

use std::time::Duration;

use common::proto::{self, Group, Receipt};

use crate::client::{epoch, incomplete, tasks};
use crate::{Client, Error};

/// How long one orchestrator may take to answer before the other is asked.
const TRY_TIMEOUT: Duration = Duration::from_secs(5);
/// Groups in one answer.
const PAGE: u32 = 1_000;

impl Client {
    /// How a group stands.
    ///
    /// # Errors
    /// `GROUP_NOT_FOUND`, another refusal, or nobody answered in time.
    pub async fn group(&self, group: &str) -> Result<(Group, Receipt), Error> {
        let answer = self
            .targets
            .call(
                TRY_TIMEOUT,
                |answer: &proto::GetGroupResponse| epoch(answer.receipt.as_ref()),
                |channel| {
                    let group = group.to_owned();
                    let request = self.targets.request(proto::GetGroupRequest { group });
                    async move { Ok(tasks(channel).get_group(request).await?.into_inner()) }
                },
            )
            .await?;
        answer.group.zip(answer.receipt).ok_or_else(incomplete)
    }

    /// The caller's groups by name.
    ///
    /// # Errors
    /// A refusal, or nobody answered in time.
    pub async fn groups(&self) -> Result<Vec<Group>, Error> {
        let (mut groups, mut page_token) = (Vec::new(), String::new());
        loop {
            let page = proto::ListGroupsRequest { page_size: PAGE, page_token };
            let answer = self
                .targets
                .call(
                    TRY_TIMEOUT,
                    |answer: &proto::ListGroupsResponse| epoch(answer.receipt.as_ref()),
                    |channel| {
                        let request = self.targets.request(page.clone());
                        async move { Ok(tasks(channel).list_groups(request).await?.into_inner()) }
                    },
                )
                .await?;
            groups.extend(answer.groups);
            page_token = answer.next_page_token;
            if page_token.is_empty() {
                return Ok(groups);
            }
        }
    }

    /// Cancels what is not finished of a group, a part at a time until nothing is left, whoever is principal meanwhile. Gives how
    /// many tasks that were, and how the group stands then.
    ///
    /// # Errors
    /// `GROUP_NOT_FOUND`, another refusal, or nobody answered in time: then a part may be cancelled.
    pub async fn cancel_group(&self, group: &str) -> Result<(u64, Group, Receipt), Error> {
        let mut all = 0;
        loop {
            let answer = self
                .targets
                .call(
                    TRY_TIMEOUT,
                    |answer: &proto::CancelGroupResponse| epoch(answer.receipt.as_ref()),
                    |channel| {
                        let group = group.to_owned();
                        let request = self.targets.request(proto::CancelGroupRequest { group });
                        async move { Ok(tasks(channel).cancel_group(request).await?.into_inner()) }
                    },
                )
                .await?;
            all += answer.cancelled;
            let (group, receipt) = answer.group.zip(answer.receipt).ok_or_else(incomplete)?;
            if group.queued == 0 && group.running == 0 {
                return Ok((all, group, receipt));
            }
        }
    }
}
