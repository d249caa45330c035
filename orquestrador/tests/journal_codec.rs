//! The encoded form of entries: unchanged from what was checked in, complete, strict.
//!
//! `MUTIRAO_UPDATE_GOLDEN=1 cargo test -p orquestrador --test journal_codec` rewrites the golden
//! file. Only additions are harmless: a changed line makes existing journals unreadable.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "journal_common/any_event.rs"]
mod any_event;
#[path = "journal_codec/arrays.rs"]
mod arrays;
#[path = "journal_codec/blobs.rs"]
mod blobs;
mod journal_common;
#[path = "journal_codec/schedules.rs"]
mod schedules;
#[path = "../core/examples/day/size.rs"]
mod size;
#[path = "journal_codec/webhooks.rs"]
mod webhooks;

use bytes::Bytes;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use any_event::any_event;
use journal_common::view;
use orquestrador::journal::{CodecError, Content};
use orquestrador_core::Event;
use orquestrador_core::command::{Condition, Delivery, Failure, Role};
use orquestrador_core::event::{
    Blockage, Forgotten, LossCause, Past, RestoredAgain, RestoredArray, RestoredEnd, RestoredGroup,
    RestoredTask,
};
use orquestrador_core::ids::{ArrayId, Attempt, Blob, ProcessId, TaskId, Timestamp};
use orquestrador_core::needs::Needs;
use orquestrador_core::quota::Quota;
use orquestrador_core::settings::QueueSettings;
use orquestrador_core::terms::{Expiry, Origin, RetryPolicy, Terms, TimeLimits};
use orquestrador_core::trace::TraceContext;
use proptest::prelude::*;

const TASK: TaskId = TaskId(0x0192_0000_0000_7000_8000_0000_0000_002a);

const ARRAY: ArrayId = ArrayId(0x0192_0000_0000_8000_8000_0000_0000_0000);

/// Exhaustive, so that a new variant needs an example.
fn name(event: &Event) -> &'static str {
    match event {
        Event::TaskSubmitted { .. } => "task_submitted",
        Event::ArraySubmitted { .. } => "array_submitted",
        Event::ArrayRestored(_) => "array_restored",
        Event::ArrayCancelled { .. } => "array_cancelled",
        Event::ArrayFailed { .. } => "array_failed",
        Event::TaskAssigned { .. } => "task_assigned",
        Event::TaskSucceeded { .. } => "task_succeeded",
        Event::TaskFailed { .. } => "task_failed",
        Event::TaskCancelled { .. } => "task_cancelled",
        Event::TaskRetried { .. } => "task_retried",
        Event::TaskDelayed { .. } => "task_delayed",
        Event::TaskDue { .. } => "task_due",
        Event::TaskExpired { .. } => "task_expired",
        Event::TaskBlocked { .. } => "task_blocked",
        Event::TaskReleased { .. } => "task_released",
        Event::TaskSkipped { .. } => "task_skipped",
        Event::TaskRepeated { .. } => "task_repeated",
        Event::SourcesTaken { .. } => "sources_taken",
        Event::TaskTraced { .. } => "task_traced",
        Event::TaskKeyed { .. } => "task_keyed",
        Event::KeysReleased { .. } => "keys_released",
        Event::OutputKept { .. } => "output_kept",
        Event::WebhookDelivered { .. } => "webhook_delivered",
        Event::WebhookDelayed { .. } => "webhook_delayed",
        Event::WebhookGivenUp { kept: None, .. } => "webhook_given_up",
        Event::WebhookGivenUp { .. } => "webhook_kept",
        Event::WebhookOwed(owed) if owed.report.rest.is_none() && owed.given_up.is_none() => {
            "webhook_owed"
        }
        Event::WebhookOwed(_) => "webhook_report",
        Event::WebhooksRetried { .. } => "webhooks_retried",
        Event::ScheduleSet { .. } => "schedule_set",
        Event::ScheduleFired { .. } => "schedule_fired",
        Event::ScheduleRemoved { .. } => "schedule_removed",
        Event::GroupRestored(_) => "group_restored",
        Event::OrderRestored { .. } => "order_restored",
        Event::BlobsReferred { .. } => "blobs_referred",
        Event::QueueChanged { .. } => "queue_changed",
        Event::QuotaChanged { .. } => "quota_changed",
        Event::TaskRequeued { .. } => "task_requeued",
        Event::TaskReturned { .. } => "task_returned",
        Event::TaskLost { .. } => "task_lost",
        Event::TasksPruned { .. } => "tasks_pruned",
        Event::WorkerRegistered { .. } => "worker_registered",
        Event::HandlersLearned { .. } => "handlers_learned",
        Event::WorkerLost { .. } => "worker_lost",
        Event::AttemptEnded { .. } => "attempt_ended",
        Event::TaskRestored(_) => "task_restored",
        Event::UserAdded { .. } => "user_added",
        Event::UserRemoved { .. } => "user_removed",
        Event::TokenIssued { .. } => "token_issued",
        Event::TokenRevoked { .. } => "token_revoked",
    }
}

const VARIANTS: usize = 50;

fn examples() -> Vec<Event> {
    let (task, attempt, at) = (TASK, Attempt(2), Timestamp(1_700_000_000_123));
    let worker = || "localhost:50062".into();
    let failure = Failure {
        code: "EXIT_STATUS".into(),
        message: "código de saída 3".into(),
        output: vec![0, 0xff].into(),
    };
    let all = vec![
        Event::TaskSubmitted {
            task,
            owner: "user1".into(),
            handler: "echo".into(),
            payload: b"hello"[..].into(),
            terms: Delivery::AtLeastOnce.into(),
            at,
        },
        Event::TaskAssigned { task, attempt, worker: worker(), at },
        Event::TaskSucceeded { task, attempt, result: b"hello"[..].into(), at },
        Event::TaskFailed { task, attempt, failure: failure.clone(), at },
        Event::TaskCancelled { task, at },
        Event::TaskRequeued { task, attempt, at },
        Event::TaskReturned { task, attempt, returned: 3, begun: false, at },
        Event::TaskReturned { task, attempt, returned: 3, begun: true, at },
        Event::TasksPruned { tasks: vec![TASK, TaskId(1)] },
        Event::WorkerRegistered {
            worker: worker(),
            incarnation: ProcessId(7),
            slots: 4,
            handlers: vec!["command".into(), "echo".into()],
            labels: vec![("gpu".into(), "no".into()), ("zone".into(), "a".into())],
            resources: vec![],
            at,
        },
        Event::HandlersLearned { handlers: vec!["echo".into()] },
        Event::WorkerLost { worker: worker(), incarnation: ProcessId(7), at },
        Event::AttemptEnded { task, attempt, worker: worker() },
        restored(RestoredEnd::Succeeded { result: b"hello"[..].into() }),
        restored(RestoredEnd::Failed(failure)),
        restored(RestoredEnd::Cancelled { output: Blob::default() }),
        Event::UserAdded {
            user: "maria".into(),
            token_hash: "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA".into(),
            role: Role::Admin,
            at,
        },
        Event::UserRemoved { user: "maria".into() },
        Event::TokenIssued {
            user: "maria".into(),
            name: "ci".into(),
            hash: "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA".into(),
            expires_at: Some(Timestamp(7)),
            at,
        },
        Event::TokenRevoked { user: "maria".into(), name: "ci".into() },
        Event::TaskSubmitted {
            task,
            owner: "user1".into(),
            handler: "echo".into(),
            payload: b"hello"[..].into(),
            terms: Delivery::AtMostOnce.into(),
            at,
        },
        Event::TaskLost { task, attempt, cause: LossCause::WorkerSilent, at },
        Event::TaskLost { task, attempt, cause: LossCause::WorkerRestarted, at },
        Event::TaskLost { task, attempt, cause: LossCause::WorkerDrained, at },
        restored(RestoredEnd::Lost { cause: LossCause::WorkerRestarted, output: Blob::default() }),
        restored(RestoredEnd::Cancelled { output: b"half of it"[..].into() }),
        restored(RestoredEnd::Lost {
            cause: LossCause::WorkerSilent,
            output: b"half of it"[..].into(),
        }),
        Event::ArraySubmitted {
            array: ARRAY,
            owner: "user1".into(),
            handler: "echo".into(),
            payload: b"hello"[..].into(),
            terms: Delivery::AtMostOnce.into(),
            first: 1,
            count: 1_000,
            without: vec![3..5, 900..1_000],
            at,
        },
        Event::ArrayCancelled { array: ARRAY, at },
        Event::ArrayRestored(Box::new(RestoredArray {
            array: ARRAY,
            owner: "user1".into(),
            handler: "echo".into(),
            fingerprint: 0x0123_4567_89ab_cdef,
            payload: b"hello"[..].into(),
            terms: Delivery::AtLeastOnce.into(),
            first: 1,
            count: 1_000,
            at,
            begun: 300,
            early: vec![301..302, 999..1_000],
            forgotten: Forgotten { succeeded: 200, failed: 3, cancelled: 2, lost: 1 },
            failed: None,
        })),
        Event::TaskSubmitted {
            task,
            owner: "user1".into(),
            handler: "echo".into(),
            payload: b"hello"[..].into(),
            terms: retried().into(),
            at,
        },
        Event::TaskRetried {
            task,
            attempt,
            failed: 2,
            until: Timestamp(at.0 + 1_500),
            code: "EXIT_STATUS".into(),
            message: "código de saída 3".into(),
            at,
        },
        Event::TaskDue { task, at },
        Event::TaskDelayed { task, until: Timestamp(at.0 + 1_500), at },
        Event::TaskExpired { task, expiry: Expiry::NotEnded, at },
        Event::QueueChanged {
            queue: "night".into(),
            settings: QueueSettings { weight: 3, max_running: Some(7), paused: true },
            at,
        },
        Event::QuotaChanged {
            user: Some("maria".into()),
            quota: Some(Quota {
                max_active: Some(1_000),
                max_bytes: Some(1 << 30),
                max_running: Some(7),
                submit_rate: Some(50),
            }),
            at,
        },
        Event::QuotaChanged { user: Some("maria".into()), quota: Some(Quota::default()), at },
        Event::QuotaChanged { user: None, quota: None, at },
        Event::TaskSubmitted {
            task,
            owner: "user1".into(),
            handler: "echo".into(),
            payload: b"hello"[..].into(),
            terms: Terms {
                queue: "night".into(),
                priority: -3,
                times: TimeLimits {
                    attempt_ms: Some(60_000),
                    begin_ms: Some(1),
                    end_ms: Some(90_000),
                },
                ..retried()
            }
            .into(),
            at,
        },
        Event::TaskBlocked {
            task,
            blockage: Blockage {
                after: vec![TaskId(1), TaskId(ARRAY.0)],
                condition: Condition::Finished,
                failed: Some(TaskId(2)),
            },
            at,
        },
        Event::TaskReleased { task, at },
        Event::TaskSkipped { task, because: TaskId(1), after: vec![], at },
        Event::TaskSkipped { task, because: TaskId(1), after: vec![TaskId(1), TaskId(2)], at },
        Event::TaskRepeated { task, by: TaskId(3) },
        Event::SourcesTaken { task, of: vec![TaskId(1), TaskId(ARRAY.0)] },
        Event::TaskTraced {
            task,
            trace: TraceContext {
                trace: 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736,
                span: 0x00f0_67aa_0ba9_02b7,
                sampled: true,
            },
        },
        Event::TaskKeyed {
            task,
            owner: "user1".into(),
            key: "invoice-4711".into(),
            fingerprint: 0x0123_4567_89ab_cdef,
            until: at,
        },
        Event::OutputKept { task, output: b"half of it"[..].into() },
        Event::KeysReleased { keys: vec![("user1".into(), "invoice-4711".into())] },
        blobs::example(task),
        Event::WorkerRegistered {
            worker: worker(),
            incarnation: ProcessId(7),
            slots: 4,
            handlers: vec!["echo".into()],
            labels: vec![],
            resources: vec![("gpus".into(), 2), ("memory".into(), 64)],
            at,
        },
        Event::TaskSubmitted {
            task,
            owner: "user1".into(),
            handler: "echo".into(),
            payload: b"hello"[..].into(),
            terms: Terms {
                needs: Some(Box::new(Needs {
                    slots: 2,
                    labels: vec![("zone".into(), "a".into())],
                    resources: vec![("gpus".into(), 1)],
                })),
                ..Terms::default()
            }
            .into(),
            at,
        },
        Event::TaskSubmitted {
            task,
            owner: "user1".into(),
            handler: "echo".into(),
            payload: b"hello"[..].into(),
            terms: Terms { group: Some("build-7".into()), ..Terms::default() }.into(),
            at,
        },
        Event::GroupRestored(Box::new(RestoredGroup {
            owner: "user1".into(),
            group: "build-7".into(),
            past: Past {
                forgotten: [0, 0, 5, 4, 3, 2],
                repeated: [0; 6],
                submitted_at: Some(at),
                started_at: Some(at.plus_ms(1)),
                finished_at: None,
            },
        })),
        Event::GroupRestored(Box::new(RestoredGroup {
            owner: "user1".into(),
            group: "build-8".into(),
            past: Past {
                forgotten: [0, 0, 0, 4, 0, 2],
                repeated: [0, 0, 0, 3, 0, 1],
                submitted_at: Some(at),
                started_at: None,
                finished_at: Some(at),
            },
        })),
        Event::OrderRestored { next: 300 },
    ];
    let all = all.into_iter().chain(schedules::examples(task, at));
    let all = all.chain(webhooks::examples(task, at));
    all.chain(arrays::examples(ARRAY, task, at)).collect()
}

fn retried() -> Terms {
    let codes = vec!["EXIT_STATUS".into(), "HANDLER_ERROR".into()];
    let retry = RetryPolicy { max_attempts: 5, first_delay_ms: 1_000, max_delay_ms: 60_000, codes };
    Terms { retry: Some(Box::new(retry)), ..Terms::default() }
}

fn restored(end: RestoredEnd) -> Event {
    let delivery = match end {
        RestoredEnd::Lost { .. } => Delivery::AtMostOnce,
        RestoredEnd::Succeeded { .. } | RestoredEnd::Failed(_) | RestoredEnd::Cancelled { .. } => {
            Delivery::AtLeastOnce
        }
    };
    Event::TaskRestored(Box::new(RestoredTask {
        task: TASK,
        owner: "user1".into(),
        handler: "echo".into(),
        fingerprint: 0x0123_4567_89ab_cdef,
        attempt: Attempt(2),
        worker: Some("localhost:50062".into()),
        submitted_at: Timestamp(1_700_000_000_123),
        started_at: Some(Timestamp(1_700_000_000_124)),
        finished_at: Timestamp(1_700_000_000_125),
        finish_order: Some(7),
        delivery,
        queue: "default".into(),
        priority: 0,
        needs: None,
        origin: None,
        schedule: None,
        group: None,
        again: None,
        webhook: None,
        end,
    }))
}

/// The figures of `docs/scale.md` are counted so.
#[test]
fn what_the_simulated_day_counts_is_what_is_encoded() {
    for event in examples() {
        let Some(counted) = size::of(&event) else { continue };
        let encoded = Content::Events(vec![event.clone()]).encode();
        assert_eq!(counted, encoded.len() as u64, "{event:?}");
    }
}

#[test]
fn every_content_is_encoded_as_checked_in() {
    let examples = examples();
    let names: BTreeSet<_> = examples.iter().map(name).collect();
    assert_eq!(names.len(), VARIANTS);
    let mut contents: Vec<_> = examples
        .into_iter()
        .map(|event| (name(&event).to_owned(), Content::Events(vec![event])))
        .collect();
    contents.push(("view".into(), Content::View(view(4))));

    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/journal-content.txt");
    let mut actual = String::new();
    for (name, content) in &contents {
        writeln!(actual, "{name} {}", hex(&content.encode())).unwrap();
    }
    if std::env::var_os("MUTIRAO_UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &actual).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap();
    assert_eq!(actual, golden);
    for (line, (_, content)) in golden.lines().zip(&contents) {
        let encoded = unhex(line.split_once(' ').unwrap().1);
        assert_eq!(&decode(&encoded[..]).unwrap(), content);
    }
}

proptest! {
    #[test]
    fn what_was_encoded_is_decoded(events in proptest::collection::vec(any_event(), 0..6)) {
        let content = Content::Events(events);
        prop_assert_eq!(decode(&content.encode()).unwrap(), content);
    }

    #[test]
    fn altered_encodings_are_decoded_or_refused(
        events in proptest::collection::vec(any_event(), 1..4),
        position: prop::sample::Index,
        flip in 1u8..,
        cut: bool,
    ) {
        let mut bytes = Content::Events(events).encode().to_vec();
        let position = position.index(bytes.len());
        if cut { bytes.truncate(position) } else { bytes[position] ^= flip }
        if let Ok(content) = decode(&bytes) {
            prop_assert_eq!(decode(&content.encode()).unwrap(), content);
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<_> = text.chars().map(|c| c.to_digit(16).unwrap() as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

fn decode(bytes: &[u8]) -> Result<Content, CodecError> {
    Content::decode(&Bytes::copy_from_slice(bytes))
}
