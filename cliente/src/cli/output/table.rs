//! What a person reads. No colour, so it is the same on a terminal and in a pipe.

use std::collections::BTreeMap;

use comfy_table::presets;
use common::array_id;
use common::blobs::Content;
use common::lang::Lang;
use common::messages::amounts::{size, time_as_typed};
use common::messages::client_tables::{Columns, Label};
use common::messages::failures::task_error_text;
use common::messages::words::{
    PendingReason, pending_text, plain, role_word, state_word, waiting_text,
};
use common::proto::{
    Array, Delivery, GetClusterResponse, Group, ListUsersResponse, Progress, Queue, Quota, Receipt,
    Schedule, StateCount, Task, TaskError, TaskSpec, TaskState, Token, UndeliveredWebhook, Usage,
    User, Webhook, WebhookState, Worker,
};
use time::format_description::FormatItem;
use time::macros::format_description;

use super::super::report::Report;
use super::{Output, TaskView, amount, journal_index, role, schedules, time_of, webhooks};

/// Characters of a result that are shown beside other things.
const RESULT_WIDTH: usize = 80;
const TIME: &[FormatItem<'_>] =
    format_description!("[year]-[month]-[day] [hour]:[minute]:[second]");

pub struct Table {
    lang: Lang,
}

impl Table {
    pub fn new(lang: Lang) -> Self {
        Self { lang }
    }

    pub fn lang(&self) -> Lang {
        self.lang
    }

    pub fn label(&self, label: Label) -> &'static str {
        label.text(self.lang)
    }

    fn state(&self, task: &Task) -> &'static str {
        state_word(task.state(), self.lang)
    }

    pub fn table(&self, columns: Columns, rows: impl Iterator<Item = Vec<String>>) -> String {
        let mut table = comfy_table::Table::new();
        table.load_style(presets::NOTHING).set_header(columns.heads(self.lang));
        for row in rows {
            table.add_row(row.iter().map(|cell| plain(cell).into_owned()));
        }
        table.lines().map(|line| format!("{}\n", line.trim())).collect()
    }

    /// `label  value` for each value that is there.
    pub fn details(&self, parts: &[(Label, String)]) -> String {
        let shown = || parts.iter().filter(|(_, value)| !value.is_empty());
        let width = shown().map(|(label, _)| self.label(*label).chars().count()).max();
        let width = width.unwrap_or_default() + 1;
        let line = |(label, value): &(Label, String)| {
            format!("{:width$} {}\n", format!("{}:", self.label(*label)), plain(value))
        };
        shown().map(line).collect()
    }

    /// What they take, of what they may.
    fn user(&self, user: &User, role: String) -> Vec<String> {
        let Quota { max_active, max_bytes, max_running, submit_rate } =
            user.quota.unwrap_or_default();
        let Usage { active, bytes, running } = user.usage.unwrap_or_default();
        let of = |used: u64, most: Option<u64>| {
            most.map_or(used.to_string(), |most| format!("{used}/{most}"))
        };
        let quota = match (user.has_own_quota, user.quota.unwrap_or_default()) {
            (true, _) => self.label(Label::Own),
            (false, quota) if quota != Quota::default() => self.label(Label::Default),
            (false, _) => "-",
        };
        vec![
            user.user.clone(),
            role,
            time(user.added_at_ms),
            of(active, max_active),
            max_bytes.map_or(size(bytes), |most| format!("{}/{}", size(bytes), size(most))),
            of(running.into(), max_running.map(Into::into)),
            submit_rate.map_or("-".to_owned(), |rate| rate.to_string()),
            quota.to_owned(),
        ]
    }

    fn pending(&self, task: &Task) -> String {
        let text = self.pending_reason(&task.pending_reason, &task.handler);
        waits_on(text, task.waits_for, &task.waits_on)
    }

    fn pending_reason(&self, word: &str, handler: &str) -> String {
        match word {
            "" => String::new(),
            word => pending_text(&PendingReason::from(word), handler, self.lang),
        }
    }

    /// What it waits for, if that is not a worker.
    fn waiting(&self, task: &Task) -> String {
        let is_held = task.waits_for > 0 || task.not_before_ms > 0;
        if is_held { self.pending(task) } else { String::new() }
    }

    fn array_counts(&self, array: &Array) -> String {
        self.counts([
            (TaskState::Queued, array.queued.into()),
            (TaskState::Running, array.running.into()),
            (TaskState::Succeeded, array.succeeded.into()),
            (TaskState::Failed, array.failed.into()),
            (TaskState::Cancelled, array.cancelled.into()),
            (TaskState::Lost, array.lost.into()),
        ])
    }

    /// Only where it is not what everybody expects.
    fn delivery(&self, delivery: Delivery) -> String {
        match delivery {
            Delivery::AtMostOnce => self.label(Label::AtMostOnce).to_owned(),
            Delivery::AtLeastOnce | Delivery::Unspecified => String::new(),
        }
    }

    fn error(&self, task: &Task) -> String {
        let text = |e: &TaskError| {
            format!("{}: {}", e.code, task_error_text(&e.code, &e.message, self.lang))
        };
        task.error.as_deref().map(text).unwrap_or_default()
    }

    /// `not delivered yet, 2 attempts: the answer was 503 (2026-11-27 14:00:00 → http://…)`
    fn webhook(&self, webhook: &Webhook) -> String {
        let word = self.label(match webhook.state() {
            WebhookState::Unspecified => return String::new(),
            WebhookState::Expected => Label::WebhookExpected,
            WebhookState::Owed => Label::WebhookOwed,
            WebhookState::Delivered => Label::WebhookDelivered,
            WebhookState::GivenUp => Label::WebhookGivenUp,
        });
        let mut text = word.to_owned();
        if webhook.tries > 0 {
            text += &format!(", {} {}", self.label(Label::Attempts), webhook.tries);
        }
        if !webhook.error.is_empty() {
            text += &format!(": {}", webhook.error);
        }
        let moment = webhook.next_at_ms.max(webhook.settled_at_ms);
        let more = [time(moment), webhook.url.clone()];
        let more: Vec<_> = more.into_iter().filter(|part| !part.is_empty()).collect();
        if more.is_empty() { text } else { format!("{text} ({})", more.join(" → ")) }
    }

    /// `980 QUEUED, 4 RUNNING`: of the states that there are.
    fn counts(&self, counts: [(TaskState, u64); 6]) -> String {
        let counts = counts.into_iter().filter(|(_, count)| *count > 0);
        let counts = counts.map(|(state, n)| format!("{n} {}", state_word(state, self.lang)));
        counts.collect::<Vec<_>>().join(", ")
    }

    fn yes_no(&self, yes: bool) -> String {
        self.label(if yes { Label::Yes } else { Label::No }).to_owned()
    }

    fn result(&self, view: &TaskView) -> Option<String> {
        let bytes = |content: Content| format!("({} {})", content.bytes, self.label(Label::Bytes));
        let result = view.result.as_deref().map(|result| self.result_text(&view.task, result));
        result.or_else(|| view.blob.map(bytes))
    }

    fn result_text(&self, task: &Task, result: &[u8]) -> String {
        if let Some(report) = Report::of(task, result) {
            return report.text();
        }
        match std::str::from_utf8(result) {
            Ok(text) => text.trim_end().to_owned(),
            Err(_) => format!("({} {})", result.len(), self.label(Label::Bytes)),
        }
    }
}

/// With how many, and which of them, are waited for.
fn waits_on(text: String, count: u32, named: &[String]) -> String {
    if count == 0 {
        return text;
    }
    let more = if named.len() < count as usize { ", …" } else { "" };
    let named =
        if named.is_empty() { String::new() } else { format!(": {}{more}", named.join(", ")) };
    format!("{text} ({count}{named})")
}

/// In the words of the flags.
fn needs(spec: &TaskSpec) -> String {
    let Some(needs) = spec.needs.as_deref() else { return String::new() };
    let slots = (needs.slots > 1).then(|| format!("slots={}", needs.slots));
    let labels: BTreeMap<_, _> = needs.labels.iter().collect();
    let resources: BTreeMap<_, _> = needs.resources.iter().collect();
    let labels = labels.iter().map(|(name, value)| format!("{name}={value}"));
    let resources =
        resources.iter().map(|(name, count)| format!("{name}={}", amount::of(name, **count)));
    slots.into_iter().chain(labels).chain(resources).collect::<Vec<_>>().join("  ")
}

fn terms(spec: &TaskSpec) -> String {
    let retries = spec.retry.as_deref().map(|retry| {
        let on = retry.codes.join(",");
        let on = if on.is_empty() { on } else { format!("  --retry-on {on}") };
        format!("--retries {}{on}", retry.max_attempts.saturating_sub(1))
    });
    let times = [
        ("--attempt-timeout", spec.attempt_timeout_ms),
        ("--expires", spec.expires_after_ms),
        ("--deadline", spec.deadline_after_ms),
    ];
    let times =
        times.into_iter().filter_map(|(flag, ms)| Some(format!("{flag} {}", time_as_typed(ms?))));
    let most = Some(spec.max_lost_attempts).filter(|most| *most > 0);
    let lost = most.map(|most| format!("--max-lost-attempts {most}"));
    retries.into_iter().chain(lost).chain(times).collect::<Vec<_>>().join("  ")
}

fn progress(progress: &Progress) -> String {
    let percent = progress.fraction * 100.0;
    format!("{percent:.0} % {}", progress.message).trim_end().to_owned()
}

impl Output for Table {
    fn accepted(&self, tasks: &[TaskView]) -> String {
        tasks.iter().map(|view| format!("{}\n", view.task.task_id)).collect()
    }

    fn task(&self, view: &TaskView) -> String {
        let task = &view.task;
        let asked = view.asked.as_deref();
        let attempt = if task.attempt == 0 { String::new() } else { task.attempt.to_string() };
        self.details(&[
            (Label::Task, array_id::shown(&task.task_id)),
            (Label::Status, self.state(task).to_owned()),
            (Label::Waiting, self.pending(task)),
            (Label::NotBefore, time(task.not_before_ms)),
            (Label::Handler, task.handler.clone()),
            (Label::Payload, asked.map(schedules::payload).unwrap_or_default()),
            (Label::Delivery, self.delivery(task.delivery())),
            (Label::Queue, queue(&task.queue, task.priority)),
            (Label::Needs, asked.map(needs).unwrap_or_default()),
            (Label::Terms, asked.map(terms).unwrap_or_default()),
            (Label::Worker, task.worker_id.clone()),
            (Label::Attempt, attempt),
            (Label::Progress, task.progress.as_deref().map(progress).unwrap_or_default()),
            (Label::RetryOf, task.retry_of.clone()),
            (Label::RetriedAs, task.retried_as.clone()),
            (Label::Schedule, task.schedule.clone()),
            (Label::Group, task.group.clone()),
            (Label::Submitted, time(task.submitted_at_ms)),
            (Label::Started, time(task.started_at_ms)),
            (Label::Finished, time(task.finished_at_ms)),
            (Label::Error, self.error(task)),
            (Label::Webhook, task.webhook.as_ref().map(|w| self.webhook(w)).unwrap_or_default()),
            (Label::Result, self.result(view).unwrap_or_default()),
        ])
    }

    fn named(&self, (_, name): (&str, &str), view: &TaskView) -> String {
        match view.task.submitted_at_ms {
            // It has just been accepted.
            0 => format!("{name}\t{}\n", view.task.task_id),
            _ => format!("{name}\t{}", self.change(view)),
        }
    }

    fn named_array(&self, (_, name): (&str, &str), array: &Array, _: &Receipt) -> String {
        match array.submitted_at_ms {
            // It has just been accepted.
            0 => format!("{name}\t{}\n", array.array_id),
            _ => format!("{name}\t{}  {}\n", array.array_id, self.array_counts(array)),
        }
    }

    fn accepted_array(&self, array: &Array, _: &Receipt) -> String {
        format!("{}\n", array.array_id)
    }

    fn array(&self, array: &Array, _: &Receipt) -> String {
        let counts = self.array_counts(array);
        let pending = self.pending_reason(&array.pending_reason, &array.handler);
        let forgotten = match array.forgotten {
            0 => String::new(),
            count => count.to_string(),
        };
        let retried = if array.retried > 0 { array.retried.to_string() } else { String::new() };
        let last = array.first.saturating_add(array.count).saturating_sub(1);
        self.details(&[
            (Label::Array, array.array_id.clone()),
            (Label::Status, state_word(array.state(), self.lang).to_owned()),
            (Label::Tasks, format!("{} ({}-{last})  {counts}", array.count, array.first)),
            (Label::Retried, retried),
            (Label::Waiting, waits_on(pending, array.waits_for, &array.waits_on)),
            (Label::NotBefore, time(array.not_before_ms)),
            (Label::WithoutRecord, forgotten),
            (Label::Handler, array.handler.clone()),
            (Label::Delivery, self.delivery(array.delivery())),
            (Label::Queue, queue(&array.queue, array.priority)),
            (Label::Group, array.group.clone()),
            (Label::Submitted, time(array.submitted_at_ms)),
        ])
    }

    fn change(&self, view: &TaskView) -> String {
        let task = &view.task;
        let mut parts = vec![
            array_id::shown(&task.task_id),
            format!("{:11}", self.state(task)),
            task.handler.clone(),
        ];
        parts.push(task.worker_id.clone());
        parts.push(self.waiting(task));
        parts.push(self.error(task));
        parts.extend(self.result(view).map(|result| shortened(&result)));
        parts.retain(|part| !part.is_empty());
        format!("{}\n", plain(&parts.join("  ")))
    }

    fn tasks(&self, tasks: &[Task], is_of_all: bool) -> String {
        let row = |task: &Task| {
            let owner = is_of_all.then(|| task.owner.clone());
            let of_task = [
                self.state(task).to_owned(),
                task.handler.clone(),
                task.attempt.to_string(),
                task.worker_id.clone(),
                time(task.submitted_at_ms),
                time(task.finished_at_ms),
            ];
            let id = array_id::shown(&task.task_id);
            [id].into_iter().chain(owner).chain(of_task).collect()
        };
        let columns = if is_of_all { Columns::TasksOfAll } else { Columns::Tasks };
        self.table(columns, tasks.iter().map(row))
    }

    fn workers(&self, workers: &[Worker]) -> String {
        let row = |worker: &Worker| {
            let condition = match (worker.connected, worker.draining) {
                (true, true) => Label::Draining,
                (true, false) => Label::Connected,
                (false, _) => Label::Silent,
            };
            let ahead = worker.busy.saturating_sub(worker.slots);
            let beyond = if ahead > 0 { format!(" +{ahead}") } else { String::new() };
            vec![
                worker.worker_id.clone(),
                self.label(condition).to_owned(),
                format!("{}/{}{beyond}", worker.busy - ahead, worker.slots),
                worker.assigned_total.to_string(),
                worker.handlers.join(","),
                has(worker),
            ]
        };
        self.table(Columns::Workers, workers.iter().map(row))
    }

    fn cluster(&self, cluster: &GetClusterResponse) -> String {
        let principal = match cluster.principal.as_str() {
            "" => self.label(Label::None),
            address => address,
        };
        let counted = |count: &StateCount| {
            let state = TaskState::from_str_name(&format!("TASK_STATE_{}", count.state));
            let word = state.map_or(count.state.as_str(), |state| state_word(state, self.lang));
            format!("{word} {}", count.count)
        };
        let counts: Vec<_> = cluster.task_counts.iter().map(counted).collect();
        let mut text = self.details(&[
            (Label::Principal, principal.to_owned()),
            (Label::Epoch, cluster.epoch.to_string()),
            (Label::View, cluster.view_number.to_string()),
            (Label::Shard, cluster.shard.clone()),
            (Label::Waiting, waiting_text(&cluster.waiting_for, self.lang).to_owned()),
            (Label::Tasks, counts.join(", ")),
        ]);
        let rows = cluster.nodes.iter().map(|node| {
            vec![
                node.address.clone(),
                role_word(node.role(), self.lang).to_owned(),
                self.yes_no(node.in_sync),
                journal_index(node).map_or("-".to_owned(), |index| index.to_string()),
            ]
        });
        text.push('\n');
        text.push_str(&self.table(Columns::Nodes, rows));
        if !cluster.shards.is_empty() {
            let rows = cluster.shards.iter().map(|shard| {
                vec![shard.name.clone(), shard.queues.join(", "), shard.orchestrators.join(", ")]
            });
            text.push('\n');
            text.push_str(&self.table(Columns::Shards, rows));
        }
        if !cluster.workers.is_empty() {
            text.push('\n');
            text.push_str(&self.workers(&cluster.workers));
        }
        text
    }

    fn users(&self, all: &ListUsersResponse) -> String {
        let ListUsersResponse { users, others, default_quota } = all;
        let users = users.iter().map(|user| self.user(user, role(user.role()).to_owned()));
        let others =
            others.iter().map(|user| self.user(user, self.label(Label::Unknown).to_owned()));
        let default = default_quota.filter(|quota| *quota != Quota::default()).map(|quota| {
            let Quota { max_active, max_bytes, max_running, submit_rate } = quota;
            let number = |most: u64| most.to_string();
            let running = max_running.map(|most| most.to_string());
            let limits = [max_active.map(number), max_bytes.map(size), running];
            let limits =
                limits.map(|limit| limit.map_or("-".to_owned(), |most| format!("/{most}")));
            let rate = submit_rate.map_or("-".to_owned(), |rate| rate.to_string());
            let own = ["*".to_owned(), "-".to_owned(), String::new()];
            let default = self.label(Label::Default).to_owned();
            own.into_iter().chain(limits).chain([rate, default]).collect()
        });
        self.table(Columns::Users, users.chain(others).chain(default))
    }

    fn tokens(&self, tokens: &[Token]) -> String {
        let row = |token: &Token| {
            let expires = token.expires_at_ms.map_or_else(|| "-".to_owned(), time);
            vec![token.name.clone(), time(token.issued_at_ms), expires]
        };
        self.table(Columns::Tokens, tokens.iter().map(row))
    }

    fn queues(&self, queues: &[Queue]) -> String {
        let row = |queue: &Queue| {
            let condition = if queue.paused { Label::Paused } else { Label::Open };
            vec![
                queue.name.clone(),
                self.label(condition).to_owned(),
                queue.queued.to_string(),
                queue.running.to_string(),
                queue.max_running.map_or("-".to_owned(), |most| most.to_string()),
                queue.weight.to_string(),
            ]
        };
        self.table(Columns::Queues, queues.iter().map(row))
    }

    fn changed_queue(&self, queue: &Queue, _: bool) -> String {
        self.queues(std::slice::from_ref(queue))
    }

    fn schedules(&self, schedules: &[Schedule]) -> String {
        schedules::table(self, schedules)
    }

    fn schedule(&self, schedule: &Schedule) -> String {
        schedules::details(self, schedule)
    }

    fn groups(&self, groups: &[Group]) -> String {
        let row = |group: &Group| {
            let Group { queued, running, succeeded, failed, cancelled, lost, .. } = *group;
            let mut cells = vec![group.name.clone(), state_word(group.state(), self.lang).into()];
            let counts = [queued, running, succeeded, failed, cancelled, lost];
            cells.extend(counts.map(|count| count.to_string()));
            cells.push(time(group.submitted_at_ms));
            cells
        };
        self.table(Columns::Groups, groups.iter().map(row))
    }

    fn group(&self, group: &Group, _: &Receipt) -> String {
        let counts = self.counts([
            (TaskState::Queued, group.queued),
            (TaskState::Running, group.running),
            (TaskState::Succeeded, group.succeeded),
            (TaskState::Failed, group.failed),
            (TaskState::Cancelled, group.cancelled),
            (TaskState::Lost, group.lost),
        ]);
        let is_open = group.queued + group.running > 0;
        let finished = if is_open { String::new() } else { time(group.finished_at_ms) };
        let forgotten =
            if group.forgotten > 0 { group.forgotten.to_string() } else { String::new() };
        let retried = if group.retried > 0 { group.retried.to_string() } else { String::new() };
        self.details(&[
            (Label::Group, group.name.clone()),
            (Label::Status, state_word(group.state(), self.lang).to_owned()),
            (Label::Tasks, counts),
            (Label::Retried, retried),
            (Label::WithoutRecord, forgotten),
            (Label::Submitted, time(group.submitted_at_ms)),
            (Label::Started, time(group.started_at_ms)),
            (Label::Finished, finished),
        ])
    }

    fn webhooks(&self, webhooks: &[UndeliveredWebhook]) -> String {
        webhooks::table(self, webhooks)
    }

    fn retried_webhooks(&self, count: u64) -> String {
        format!("{count}\n")
    }

    fn promoted(&self, node: &str, epoch: u64) -> String {
        self.details(&[(Label::Principal, node.to_owned()), (Label::Epoch, epoch.to_string())])
    }
}

/// Labels, and how much of each resource is used: `zone=a  gpus=1/2  memory=2 GiB/24 GiB`.
fn has(worker: &Worker) -> String {
    let mut labels: Vec<_> = worker.labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
    let mut resources: Vec<_> = worker
        .resources
        .iter()
        .map(|(name, all)| {
            let used = worker.resources_used.get(name).copied().unwrap_or_default();
            format!("{name}={}/{}", amount::of(name, used), amount::of(name, *all))
        })
        .collect();
    labels.sort();
    resources.sort();
    labels.append(&mut resources);
    labels.join("  ")
}

/// Only where it is not what everybody expects.
pub fn queue(name: &str, priority: i32) -> String {
    match (name, priority) {
        ("" | "default", 0) => String::new(),
        (name, 0) => name.to_owned(),
        (name, priority) => format!("{name} ({priority:+})"),
    }
}

/// One line of bounded width.
pub fn shortened(text: &str) -> String {
    let line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(RESULT_WIDTH) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

pub fn time(ms: u64) -> String {
    time_of(ms).and_then(|time| time.format(TIME).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_worker_has_is_told_with_sizes() {
        let memory = |bytes: u64| [("memory".to_owned(), bytes), ("gpus".to_owned(), 2)].into();
        let worker = Worker {
            labels: [("zone".to_owned(), "a".to_owned())].into(),
            resources: memory(24 << 30),
            resources_used: memory(3 << 29),
            ..Worker::default()
        };
        assert_eq!(has(&worker), "zone=a  gpus=2/2  memory=1.5 GiB/24 GiB");
    }

    #[test]
    fn a_result_beside_other_things_is_one_line_of_bounded_width() {
        assert_eq!(shortened("a\n b\n"), "a b");
        assert_eq!(shortened(&"á".repeat(200)).chars().count(), RESULT_WIDTH + 1);
    }
}
