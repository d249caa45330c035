//! What happened, in words that tests compare.

use super::*;

pub fn lines(step: &Step) -> Vec<String> {
    step.events.iter().map(event).chain(step.effects.iter().map(effect)).collect()
}

fn event(event: &Event) -> String {
    match event {
        Event::TaskSubmitted { task, owner, handler, .. } => {
            format!("submitted {} of {owner} for {handler}", shown(*task))
        }
        Event::ArraySubmitted { array, owner, handler, first, count, .. } => {
            let first = shown(array.task(*first));
            format!("submitted {count} from {first} of {owner} for {handler}")
        }
        Event::ArrayCancelled { array, .. } => format!("cancelled array {}", array.0 >> 96),
        Event::ArrayFailed { array, failure, .. } => {
            let code = failure.failure().code;
            format!("failed array {} {code}", array.0 >> 96)
        }
        Event::TaskAssigned { task, attempt, worker, .. } => {
            format!("assigned {}/{attempt} to {worker}", shown(*task))
        }
        Event::TaskSucceeded { task, attempt, .. } => {
            format!("succeeded {}/{attempt}", shown(*task))
        }
        Event::TaskFailed { task, attempt, failure, .. } => {
            format!("failed {}/{attempt} {}", shown(*task), failure.code)
        }
        Event::TaskCancelled { task, .. } => format!("cancelled {}", shown(*task)),
        Event::TaskRequeued { task, attempt, .. } => format!("requeued {}/{attempt}", shown(*task)),
        Event::TaskRetried { task, attempt, failed, until, code, .. } => {
            format!(
                "retried {}/{attempt}, {failed} failed ({code}), until {}",
                shown(*task),
                until.0
            )
        }
        Event::TaskDelayed { task, until, .. } => {
            format!("delayed {} until {}", shown(*task), until.0)
        }
        Event::QueueChanged { queue, settings, .. } => format!("queue {queue} {settings:?}"),
        Event::QuotaChanged { user, quota, .. } => {
            format!("quota of {} {quota:?}", user.as_ref().map_or("all", |user| &user.0))
        }
        Event::TaskExpired { task, expiry, .. } => format!("expired {} {expiry:?}", shown(*task)),
        Event::TaskBlocked { task, blockage, .. } => {
            let after: Vec<_> = blockage.after.iter().map(|task| shown(*task)).collect();
            format!("blocked {} after {} {:?}", shown(*task), after.join(" "), blockage.condition)
        }
        Event::TaskReleased { task, .. } => format!("released {}", shown(*task)),
        Event::TaskSkipped { task, because, .. } => {
            format!("skipped {} because of {}", shown(*task), shown(*because))
        }
        Event::SourcesTaken { task, of } => {
            let of: Vec<_> = of.iter().map(|task| shown(*task)).collect();
            format!("{} takes of {}", shown(*task), of.join(" "))
        }
        Event::TaskTraced { task, trace } => {
            format!("{} is traced by {:x}", shown(*task), trace.span)
        }
        Event::TaskRepeated { task, by } => format!("repeated {} by {}", shown(*task), shown(*by)),
        Event::TaskKeyed { task, owner, key, until, .. } => {
            format!("keyed {} of {owner} {key} until {}", shown(*task), until.0)
        }
        Event::OutputKept { task, output } => {
            format!("kept of {}: {}", shown(*task), String::from_utf8_lossy(output))
        }
        Event::BlobsReferred { task, blobs } => {
            let blobs: Vec<_> = blobs.iter().map(|blob| (blob.id.0[0], blob.bytes)).collect();
            format!("referred {} to {blobs:?}", shown(*task))
        }
        Event::WebhookDelivered { task, .. } => format!("told of {}", shown(*task)),
        Event::WebhookDelayed { task, tries, error, .. } => {
            format!("not told of {}: {tries} tries, {error}", shown(*task))
        }
        Event::WebhookGivenUp { task, error, .. } => {
            format!("given up to tell of {}: {error}", shown(*task))
        }
        Event::WebhookOwed(owed) => match &owed.report.rest {
            None => format!("owed {}", shown(owed.report.task)),
            Some(rest) => {
                let (task, state) = (owed.report.task.0 >> 96, owed.report.state);
                format!("owed {:?} of array {task}: {state:?}", rest.numbers)
            }
        },
        Event::WebhooksRetried { tasks, .. } => tasks
            .iter()
            .fold("told again".to_owned(), |text, task| format!("{text} {}", shown(*task))),
        Event::KeysReleased { keys } => format!("released keys {keys:?}"),
        Event::GroupRestored(restored) => format!("restored group {}", restored.group),
        Event::OrderRestored { next } => format!("restored order {next}"),
        Event::TaskDue { task, .. } => format!("due {}", shown(*task)),
        Event::TaskReturned { task, attempt, begun, .. } => {
            format!("returned {}/{attempt}{}", shown(*task), if *begun { ", begun" } else { "" })
        }
        Event::TaskLost { task, attempt, cause, .. } => {
            format!("gone {}/{attempt} {cause:?}", shown(*task))
        }
        Event::TasksPruned { tasks } => {
            tasks.iter().fold("pruned".to_owned(), |text, task| format!("{text} {}", shown(*task)))
        }
        Event::WorkerRegistered { worker, incarnation, slots, handlers, .. } => {
            let run = incarnation.0;
            format!("registered {worker} run {run} with {slots} slots for {handlers:?}")
        }
        Event::HandlersLearned { handlers } => format!("learned {handlers:?}"),
        Event::WorkerLost { worker, incarnation, .. } => {
            format!("lost {worker} run {}", incarnation.0)
        }
        Event::AttemptEnded { task, attempt, worker } => {
            format!("ended {}/{attempt} at {worker}", shown(*task))
        }
        Event::TaskRestored(restored) => {
            let end = match restored.end {
                RestoredEnd::Succeeded { .. } => "succeeded",
                RestoredEnd::Failed(_) => "failed",
                RestoredEnd::Cancelled { .. } => "cancelled",
                RestoredEnd::Lost { .. } => "lost",
            };
            format!("restored {} {end}", shown(restored.task))
        }
        Event::ArrayRestored(restored) => format!("restored {}", restored.array),
        Event::ScheduleSet { name, paused, next, .. } => {
            format!("schedule {name}, paused {paused}, due {:?}", next.map(|next| next.0))
        }
        Event::ScheduleFired { name, due, firing, next, .. } => {
            format!("fired {name} at {}: {firing:?}, due {:?}", due.0, next.map(|next| next.0))
        }
        Event::ScheduleRemoved { name, .. } => format!("removed schedule {name}"),
        Event::UserAdded { user, role, .. } => format!("added {user} as {role:?}"),
        Event::UserRemoved { user } => format!("removed {user}"),
        Event::TokenIssued { user, name, expires_at, .. } => {
            let until = expires_at.map_or(String::new(), |at| format!(" until {}", at.0));
            format!("{user} has token {name}{until}")
        }
        Event::TokenRevoked { user, name } => format!("{user} lost token {name}"),
    }
}

fn effect(effect: &Effect) -> String {
    match effect {
        Effect::Answer { answer: Ok(answer), .. } => format!("> {}", self::answer(answer)),
        Effect::Answer { answer: Err(rejection), .. } => format!("> refused: {rejection:?}"),
        Effect::Welcome { session } => format!("> welcome {session}"),
        Effect::CloseSession { session, reason } => format!("> close {session} {reason:?}"),
        Effect::Assign { session, assignment } => {
            let text = String::from_utf8_lossy(&assignment.payload);
            let (attempt, handler) = (reference(assignment.attempt), &assignment.handler);
            format!("> run {attempt} on {session}: {handler} {text}")
        }
        Effect::AcknowledgeOutcome { session, attempt } => {
            format!("> acknowledge {} on {session}", reference(*attempt))
        }
        Effect::CancelAttempt { session, attempt } => {
            format!("> stop {} on {session}", reference(*attempt))
        }
        Effect::TaskChanged { snapshot, result } => {
            let result = result.as_ref().map(|result| String::from_utf8_lossy(result));
            let result = result.map(|result| format!(": {result}")).unwrap_or_default();
            format!("> changed {}{result}", self::snapshot(snapshot))
        }
        Effect::EndedInArray { array, numbers, template } => {
            let state = template.state;
            format!("> of array {} {numbers:?} {state:?}", array.0 >> 96)
        }
        Effect::Post { owed } => {
            let (task, state) = (shown(owed.report.task), owed.report.state);
            format!("> post {task} {state:?} to {}, {} tries", owed.url, owed.tries)
        }
        Effect::GroupEnded { owner, group } => format!("> group {group} of {owner} ended"),
        Effect::Notice(notice) => format!("> {}", self::notice(notice)),
        Effect::UsersChanged { users } => {
            let names: Vec<_> = users.iter().map(|user| &*user.user.0).collect();
            format!("> users {names:?}")
        }
    }
}

fn reference(attempt: AttemptRef) -> String {
    format!("{}/{}", shown(attempt.task), attempt.attempt)
}

fn answer(answer: &Answer) -> String {
    match answer {
        Answer::Submitted { accepted, first } => format!("{accepted} new, {}", snapshot(first)),
        Answer::ArraySubmitted { existed, snapshot } => {
            format!("existed {existed}, {}", array(snapshot))
        }
        Answer::FlowSubmitted { accepted, tasks } => format!("{accepted} new, of {tasks} tasks"),
        Answer::Sources { owner, sources } => format!("{} sources of {owner}", sources.len()),
        Answer::Array { snapshot } => array(snapshot),
        Answer::Task { snapshot: task, result, .. } => {
            let result = result.as_ref().map(|result| String::from_utf8_lossy(result));
            format!("task {} result {result:?}", snapshot(task))
        }
        Answer::Tasks { tasks, next } => {
            let ids: Vec<_> = tasks.iter().map(|(task, _)| shown(task.id)).collect();
            let next = next.map_or("None".to_owned(), |id| format!("Some({})", shown(id)));
            format!("tasks [{}] next {next}", ids.join(", "))
        }
        Answer::Cancelled { snapshot: task } => format!("cancelled {}", snapshot(task)),
        Answer::Overview(overview) => {
            let mut text = format!("overview {:?}", overview.counts);
            for w in &overview.workers {
                let (id, busy, slots) = (&w.worker, w.busy, w.slots);
                let connected = if w.connected { "connected" } else { "away" };
                let draining = if w.draining { " draining" } else { "" };
                text += &format!(", {id} {connected}{draining} {busy}/{slots}");
                text += &format!(" silent {:?} total {}", w.silent_for_ms, w.assigned_total);
            }
            text
        }
        Answer::Queues { queues } => {
            let queues = queues.iter().map(|q| {
                let QueueSnapshot { queue, settings, queued, running } = q;
                format!("{queue} {settings:?} {queued} queued {running} running")
            });
            queues.collect::<Vec<_>>().join("; ")
        }
        Answer::Purged { cancelled, left } => format!("purged {cancelled}, {left} left"),
        Answer::Schedule { snapshot } => format!("schedule {}", snapshot.name),
        Answer::Schedules { schedules } => format!("{} schedules", schedules.len()),
        Answer::Group { snapshot } => group(snapshot),
        Answer::Groups { groups, next } => {
            let groups: Vec<_> = groups.iter().map(group).collect();
            format!("groups [{}] next {next:?}", groups.join("; "))
        }
        Answer::GroupCancelled { cancelled, snapshot } => {
            format!("cancelled {cancelled}, {}", group(snapshot))
        }
        Answer::Watched { told, open, unknown } => {
            let told: Vec<_> = told.iter().map(|(task, _)| shown(task.id)).collect();
            let ids =
                |ids: &[TaskId]| ids.iter().copied().map(shown).collect::<Vec<_>>().join(", ");
            let (open, unknown) = (ids(open), ids(unknown));
            format!("watched [{}] open [{open}] unknown [{unknown}]", told.join(", "))
        }
        Answer::Looked { tasks, position, is_all, is_open } => {
            let tasks: Vec<_> = tasks.iter().map(|(task, _)| snapshot(task)).collect();
            format!("looked [{}] to {position} all {is_all} open {is_open}", tasks.join(", "))
        }
        Answer::Webhooks { webhooks, next } => {
            let webhooks: Vec<_> = webhooks.iter().map(|owed| shown(owed.report.task)).collect();
            format!("webhooks [{}] next {next:?}", webhooks.join(" "))
        }
        Answer::WebhooksRetried { retried, next } => {
            format!("{retried} told again, next {next:?}")
        }
        Answer::UserAdded => "user added".to_owned(),
        Answer::UserRemoved => "user removed".to_owned(),
        Answer::TokenIssued => "token issued".to_owned(),
        Answer::TokenRevoked => "token revoked".to_owned(),
        Answer::Users { users, default_quota } => {
            let users: Vec<_> = users.iter().map(user).collect();
            let default = Some(default_quota).filter(|quota| **quota != Quota::default());
            let default = default.map(|quota| format!("; default {}", self::quota(quota)));
            format!("users {}{}", users.join(", "), default.unwrap_or_default())
        }
        Answer::User { user } => self::user(user),
    }
}

/// With an asterisk if the quota is their own.
fn user(user: &UserSnapshot) -> String {
    let mut text = user.user.to_string();
    match &user.record {
        Some(record) if record.role == Role::Admin => text += " admin",
        Some(_) => {}
        None => text += " unknown",
    }
    if user.usage != Usage::default() {
        let Usage { active, bytes, running, held } = user.usage;
        text += &format!(" {active} active {bytes} bytes {running}+{held} running");
    }
    if user.quota != Quota::default() || user.is_own {
        text += &format!(" of {}{}", quota(&user.quota), if user.is_own { "*" } else { "" });
    }
    text
}

/// Most often only some limits are set.
fn quota(quota: &Quota) -> String {
    let Quota { max_active, max_bytes, max_running, submit_rate } = *quota;
    let limits = [max_active, max_bytes, max_running.map(u64::from), submit_rate.map(u64::from)];
    let limits = limits.map(|limit| limit.map_or("-".to_owned(), |limit| limit.to_string()));
    format!("[{}]", limits.join(" "))
}

fn group(snapshot: &GroupSnapshot) -> String {
    let GroupSnapshot { group, counts, forgotten, retried, submitted_at, started_at, finished_at } =
        snapshot;
    let times = [submitted_at, started_at, finished_at].map(|at| at.map(|at| at.0));
    let retried = if *retried > 0 { format!(" {retried} retried") } else { String::new() };
    format!("{group} {:?} {counts:?} {forgotten} forgotten{retried} {times:?}", snapshot.state())
}

/// Tasks of arrays as `a1.5`: array 1, number 5.
fn shown(task: TaskId) -> String {
    match task.in_array() {
        Some((array, number)) => format!("a{}.{number}", array.0 >> 96),
        None if task.is_array() => format!("a{}", task.0 >> 96),
        None => task.0.to_string(),
    }
}

fn array(array: &ArraySnapshot) -> String {
    let ArraySnapshot { first, count, counts, forgotten, .. } = array;
    format!("array {} of {count} from {first}: {counts:?}, {forgotten} forgotten", array.id.0 >> 96)
}

fn snapshot(task: &TaskSnapshot) -> String {
    let mut text = format!("{}/{} {:?}", shown(task.id), task.attempt, task.state);
    if let Some(worker) = &task.worker {
        text += &format!(" at {worker}");
    }
    if let Some(pending) = task.pending {
        text += &format!(" {pending:?}");
    }
    if let Some((code, message)) = &task.error {
        text += &format!(" {code} {message:?}");
    }
    text
}

fn notice(notice: &Notice) -> String {
    match notice {
        Notice::WorkerRegistered { worker } => format!("new worker {worker}"),
        Notice::WorkerReconnected { worker } => format!("{worker} is back"),
        Notice::WorkerLost { worker } => format!("{worker} considered failed"),
        Notice::TaskSubmitted { task, owner } => format!("task {} of {owner}", shown(*task)),
        Notice::TaskRetried { task, delay_ms, .. } => {
            format!("task {} again in {delay_ms} ms", shown(*task))
        }
        Notice::ArraySubmitted { array, owner, count } => {
            format!("array {} of {count} of {owner}", array.0 >> 96)
        }
        Notice::ArrayCancelled { array, tasks } => {
            format!("array {} without {tasks}", array.0 >> 96)
        }
        Notice::ArrayFailed { array, tasks, failure } => {
            format!("array {}: {tasks} failed, {}", array.0 >> 96, failure.code)
        }
        Notice::QueueChanged { queue, .. } => format!("queue {queue} is changed"),
        Notice::QuotaChanged { user, quota } => {
            let whose = user.as_ref().map_or("all", |user| &user.0);
            format!("quota of {whose} is {}", quota.as_ref().map_or("none".to_owned(), self::quota))
        }
        Notice::TaskAssigned { task, worker } => format!("task {} to {worker}", shown(*task)),
        Notice::TaskReassigned { task, worker } => {
            format!("task {} again, to {worker}", shown(*task))
        }
        Notice::TaskFinished { task, state, .. } => format!("task {} is {state:?}", shown(*task)),
        Notice::WebhookGivenUp { task, url, tries, error } => {
            format!("task {} is not told to {url}: {tries} tries, {error}", shown(*task))
        }
        Notice::OutcomeFenced { attempt } => format!("fenced {}", reference(*attempt)),
    }
}
