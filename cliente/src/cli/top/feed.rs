//! Asks the principal, over and over, and tells what it says.

use std::collections::HashSet;
use std::pin::pin;
use std::time::Duration;

use cliente::{Client, Error, TaskFilter, is_final};
use common::error_code::ErrorCode;
use common::proto::{
    ExplainTaskResponse, FollowOutputResponse, GetClusterResponse, NodeRole, Task, TaskState, User,
};
use futures::StreamExt as _;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use super::model::{Change, Page, Picture};
use super::record::answering;

/// Of a list: more than a screen shows.
const TASKS: u32 = 200;
/// For all of a look. The orchestrators are asked anew then.
const LOOK_TIMEOUT: Duration = Duration::from_secs(3);
/// Between looks while nobody is principal.
const SEARCH: Duration = Duration::from_millis(250);

/// Who is asked, and whose tasks are shown.
#[derive(Clone)]
pub struct Asker {
    pub client: Client,
    pub all_users: bool,
}

pub enum News {
    Picture(Box<Picture>),
    /// There is no principal, or it cannot be asked.
    Missed(Error),
    /// Of the task that is opened.
    Part(String, Box<FollowOutputResponse>),
    Steps(String, Box<ExplainTaskResponse>),
    Unopened(String, Error),
    /// What was asked for was done: by a task of that id, where it was repeated.
    Changed(Change, Result<String, Error>),
}

/// One picture.
pub async fn look(asker: &Asker, page: Page, me: &mut Option<User>) -> Result<Picture, Error> {
    let silent = || Error::new(ErrorCode::Unavailable, "no principal answered in time");
    timeout(LOOK_TIMEOUT, ask(asker, page, me)).await.unwrap_or_else(|_| Err(silent()))
}

async fn ask(asker: &Asker, page: Page, me: &mut Option<User>) -> Result<Picture, Error> {
    let client = &asker.client;
    let cluster = client.cluster().await?;
    if !is_principal(&cluster) {
        return Err(Error::new(ErrorCode::NotPrimary, "nobody is principal"));
    }
    let user = match me {
        Some(user) => user.clone(),
        None => me.insert(client.own_user().await?).clone(),
    };
    let has_tasks = matches!(page, Page::Cluster | Page::Tasks);
    let tasks = async { if has_tasks { tasks(asker).await.map(Some) } else { Ok(None) } };
    let history = async {
        match client.endpoint() {
            Some(node) if page == Page::History => match client.explain_at(&node).await {
                // An older orchestrator tells administrators alone.
                Err(error) if error.code == ErrorCode::PermissionDenied => Ok(None),
                told => told.map(Some),
            },
            Some(_) | None => Ok(None),
        }
    };
    let (queues, tasks, history) = tokio::try_join!(client.queues(), tasks, history)?;
    let is_of_all = asker.all_users;
    Ok(Picture { cluster, queues, tasks, is_of_all, history, user: user.clone() })
}

fn is_principal(cluster: &GetClusterResponse) -> bool {
    answering(cluster).is_some_and(|node| node.role() == NodeRole::Principal)
}

/// What runs is told of however much waits, and what waits however much has ended since.
async fn tasks(asker: &Asker) -> Result<Vec<Task>, Error> {
    let Asker { client, all_users } = asker;
    let all_users = *all_users;
    let running = TaskFilter { all_users, ..TaskFilter::in_state(TaskState::Running) };
    let waiting = TaskFilter { all_users, ..TaskFilter::in_state(TaskState::Queued) };
    let newest = TaskFilter { all_users, ..TaskFilter::default() };
    let (running, waiting, newest) = tokio::try_join!(
        client.list(&running, TASKS, ""),
        client.list(&waiting, TASKS, ""),
        client.list(&newest, TASKS, ""),
    )?;
    let mut known = HashSet::new();
    let all = newest.0.into_iter().chain(running.0).chain(waiting.0);
    Ok(all.filter(|task| known.insert(task.task_id.clone())).collect())
}

/// Looks until nobody wants to know. Another page is looked at as soon as it is chosen.
pub async fn feed(
    asker: Asker,
    interval: Duration,
    mut page: watch::Receiver<Page>,
    news: mpsc::Sender<News>,
) {
    let mut me = None;
    loop {
        let shown = *page.borrow_and_update();
        let (told, pause) = match look(&asker, shown, &mut me).await {
            Ok(picture) => (News::Picture(Box::new(picture)), interval),
            Err(error) => (News::Missed(error), SEARCH.min(interval)),
        };
        if news.send(told).await.is_err() {
            return;
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            changed = page.changed() => if changed.is_err() { return },
        }
    }
}

/// One task: what it says, and what happened to it whenever that has changed.
pub async fn follow(client: Client, id: String, news: mpsc::Sender<News>) {
    let mut parts = pin!(client.follow_output(&id));
    let mut known = None;
    while let Some(part) = parts.next().await {
        let part = match part {
            Ok(part) => part,
            Err(error) => {
                // Who has closed it does not need to know.
                drop(news.send(News::Unopened(id, error)).await);
                return;
            }
        };
        let now = part.task.as_ref().map(|task| (task.state(), task.attempt));
        if news.send(News::Part(id.clone(), Box::new(part))).await.is_err() {
            return;
        }
        let Some(now) = now.filter(|now| known != Some(*now)) else { continue };
        known = Some(now);
        let told = match client.explain(&id).await {
            Ok(steps) => News::Steps(id.clone(), Box::new(steps)),
            Err(error) => News::Unopened(id.clone(), error),
        };
        if news.send(told).await.is_err() || is_final(now.0) {
            return;
        }
    }
}

/// Done at whoever is principal then.
pub async fn change(client: Client, change: Change, news: mpsc::Sender<News>) {
    let done = match &change {
        Change::Cancel(id) => client.cancel(id).await.map(|(task, _)| task.task_id),
        Change::Retry(id) => {
            let again = client.retry(id, cliente::retry_id(id)).await;
            again.map(|submitted| submitted.task.task_id)
        }
    };
    drop(news.send(News::Changed(change, done)).await);
}
