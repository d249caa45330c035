//! What the entries of the menu do.

use std::pin::pin;

use cliente::{Produced, QueueChange, TaskFilter, TaskSpec};
use common::error_code::ErrorCode;
use common::messages::client_queues::QueuesMessage;
use common::messages::menu::MenuMessage;
use common::messages::{Message as _, error};
use futures::StreamExt as _;
use serde_json::json;

use super::super::super::output::{self, Output as _, TaskView};
use super::super::super::terminal::enter_pressed;
use super::super::queues::alike;
use super::{Leave, Menu};

/// Tasks that entry 3 shows.
const LISTED: u32 = 20;

impl Menu {
    pub(super) async fn submit(&mut self) -> Result<(), Leave> {
        let mut description = self.ask(&MenuMessage::AskDescription)?;
        while description.is_empty() {
            self.tell(&MenuMessage::NoDescription)?;
            description = self.ask(&MenuMessage::AskDescription)?;
        }
        let (handler, payload) = handler_and_payload(&description);
        let done = self.client.submit(TaskSpec::new(&handler, payload), false).await?;
        let (task, durability) = (done.task.task_id, done.receipt.durability());
        self.last_task = Some(task.clone());
        self.tell(&MenuMessage::Submitted { task, durability })
    }

    pub(super) async fn status(&mut self) -> Result<(), Leave> {
        let id = self.ask_task_id()?;
        let (task, result, receipt) = self.client.produced(&id).await?;
        let text = self.table.task(&TaskView::new(task, result, Some(receipt)));
        Ok(output::print(&text)?)
    }

    pub(super) async fn list(&mut self) -> Result<(), Leave> {
        let (tasks, _, _) = self.client.list(&TaskFilter::default(), LISTED, "").await?;
        if tasks.is_empty() {
            return self.tell(&MenuMessage::NoTasks);
        }
        Ok(output::print(&self.table.tasks(&tasks, false))?)
    }

    pub(super) async fn follow(&mut self) -> Result<(), Leave> {
        let id = self.ask_task_id()?;
        if !self.lines.is_terminal() {
            return self.follow_to_the_end(id).await;
        }
        self.tell(&MenuMessage::HowToLeave)?;
        tokio::select! {
            done = self.follow_to_the_end(id) => done,
            pressed = enter_pressed() => Ok(pressed?),
        }
    }

    async fn follow_to_the_end(&self, id: String) -> Result<(), Leave> {
        let mut updates = pin!(self.client.watch(vec![id], true));
        let mut told = None;
        while let Some(update) = updates.next().await {
            let update = update?;
            let Some(task) = update.task else { continue };
            if update.not_found {
                return self.say(&error::text(ErrorCode::TaskNotFound, "", self.lang));
            }
            // After a failover the present state comes again.
            let state = Some((task.state, task.attempt));
            if told != state {
                told = state;
                let result = Produced::read(update.result, update.result_blob.as_deref())?;
                let view = TaskView::new(task, result, None);
                output::print(&self.table.change(&view))?;
            }
        }
        Ok(())
    }

    pub(super) async fn cancel(&mut self) -> Result<(), Leave> {
        let id = self.ask_task_id()?;
        let (task, _) = self.client.cancel(&id).await?;
        self.tell(&MenuMessage::Cancelled { task: task.task_id })
    }

    pub(super) async fn cluster(&mut self) -> Result<(), Leave> {
        let cluster = self.client.cluster().await?;
        output::print(&self.table.cluster(&cluster))?;
        if cluster.workers.is_empty() {
            return self.tell(&MenuMessage::NoWorkers);
        }
        Ok(())
    }

    /// Pauses the queue that is named, or ends its pause.
    pub(super) async fn queues(&mut self) -> Result<(), Leave> {
        let queues = self.client.queues().await?;
        output::print(&self.table.queues(&queues))?;
        let queue = self.ask(&MenuMessage::AskQueue)?;
        if queue.is_empty() {
            return Ok(());
        }
        let Some(known) = queues.iter().find(|known| known.name == queue) else {
            let alike = alike(&queues, &queue);
            return self.say(&QueuesMessage::Unknown { queue, alike }.text(self.lang));
        };
        let change = QueueChange { paused: Some(!known.paused), ..QueueChange::default() };
        let changed = self.client.change_queue(&queue, change).await?;
        self.tell(&match changed.paused {
            true => MenuMessage::QueuePaused { queue },
            false => MenuMessage::QueueResumed { queue },
        })
    }

    /// Asks until it is an id; an empty answer is the last submitted task.
    fn ask_task_id(&mut self) -> Result<String, Leave> {
        loop {
            let last = self.last_task.clone();
            let text = self.ask(&MenuMessage::AskTaskId { last: last.clone() })?;
            match (text.is_empty(), last) {
                (true, Some(last)) => return Ok(last),
                (true, None) => self.tell(&MenuMessage::NoTaskId)?,
                (false, _) => match uuid::Uuid::try_parse(&text) {
                    Ok(id) => return Ok(id.to_string()),
                    Err(_) => self.tell(&MenuMessage::NotATaskId { text })?,
                },
            }
        }
    }
}

/// A description of simulated work; `/handler payload` for any other.
fn handler_and_payload(text: &str) -> (String, Vec<u8>) {
    let Some(rest) = text.strip_prefix('/') else {
        return ("simulated".into(), json!({ "description": text }).to_string().into_bytes());
    };
    let (handler, payload) = rest.split_once(' ').unwrap_or((rest, ""));
    let payload = payload.trim();
    let payload = match handler {
        "command" if !payload.starts_with('{') => {
            let argv: Vec<_> = payload.split_whitespace().collect();
            json!({ "argv": argv }).to_string()
        }
        _ => payload.to_owned(),
    };
    (handler.to_owned(), payload.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn submitted(text: &str) -> (String, String) {
        let (handler, payload) = handler_and_payload(text);
        (handler, String::from_utf8(payload).expect("is text"))
    }

    #[test]
    fn a_description_is_simulated_work_unless_a_handler_is_named() {
        assert_eq!(
            submitted(r#"somar "tudo""#),
            ("simulated".into(), r#"{"description":"somar \"tudo\""}"#.into())
        );
        assert_eq!(submitted("/echo olá mundo"), ("echo".into(), "olá mundo".into()));
        assert_eq!(
            submitted("/command ls -l"),
            ("command".into(), r#"{"argv":["ls","-l"]}"#.into())
        );
        assert_eq!(submitted(r#"/command {"argv":["ls"]}"#).1, r#"{"argv":["ls"]}"#);
    }
}
