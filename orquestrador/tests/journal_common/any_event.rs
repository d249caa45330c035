//! Whatever may be recorded.

use super::*;
use orquestrador_core::trace::TraceContext;

pub fn any_event() -> impl Strategy<Value = Event> {
    let task = || any::<u128>().prop_map(TaskId);
    let attempt = || any::<u32>().prop_map(Attempt);
    let at = || any::<u64>().prop_map(Timestamp);
    let text = || ".{0,12}";
    let blob = || proptest::collection::vec(any::<u8>(), 0..64);
    let texts = || proptest::collection::vec(text(), 0..4);
    let plain = || proptest::sample::select(&[Delivery::AtLeastOnce, Delivery::AtMostOnce][..]);
    let retry = || (any::<[u32; 2]>(), any::<u16>(), proptest::collection::vec(text(), 0..3));
    let terms = || {
        let times = any::<[Option<u64>; 3]>();
        let place = (prop_oneof![Just("default".to_owned()), ".{1,8}"], any::<i8>());
        let all = (plain(), proptest::option::of(retry()), place, times);
        all.prop_map(|(delivery, retry, (queue, priority), [attempt_ms, begin_ms, end_ms])| Terms {
            delivery,
            queue: queue.as_str().into(),
            priority,
            max_lost_attempts: attempt_ms.map(|n| n as u16).filter(|n| *n > 0),
            schedule: end_ms.map(|_| "nightly".into()),
            group: begin_ms.map(|n| format!("group {n}").as_str().into()),
            webhook: begin_ms.map(|n| format!("https://a.example/{n}").as_str().into()),
            times: TimeLimits { attempt_ms, begin_ms, end_ms },
            origin: end_ms.map(|n| {
                Box::new(Origin { of: TaskId(n.into()), first: TaskId(priority as u128) })
            }),
            needs: attempt_ms.map(|count| {
                let labels = vec![("zone".to_owned(), "a".to_owned())];
                let resources = vec![("gpus".to_owned(), count)];
                Box::new(Needs { slots: 2, labels, resources })
            }),
            retry: retry.map(|([first_delay_ms, max_delay_ms], max_attempts, codes)| {
                Box::new(RetryPolicy { max_attempts, first_delay_ms, max_delay_ms, codes })
            }),
        })
    };
    let cause = || proptest::sample::select(&LossCause::ALL[..]);
    let process = || any::<u128>().prop_map(ProcessId);
    prop_oneof![
        (task(), text(), text(), blob(), terms(), at()).prop_map(
            |(task, owner, handler, payload, terms, at)| Event::TaskSubmitted {
                task,
                owner: owner.as_str().into(),
                handler: handler.as_str().into(),
                payload: payload.into(),
                terms: terms.into(),
                at,
            }
        ),
        (any::<u128>(), text(), blob(), terms(), any::<(u32, u32)>(), at()).prop_map(
            |(array, name, payload, terms, (first, count), at)| Event::ArraySubmitted {
                array: ArrayId(array),
                owner: name.as_str().into(),
                handler: name.as_str().into(),
                payload: payload.into(),
                terms: terms.into(),
                first,
                count,
                without: vec![0..first, first..first],
                at,
            }
        ),
        (any::<u128>(), at())
            .prop_map(|(array, at)| { Event::ArrayCancelled { array: ArrayId(array), at } }),
        (any::<u128>(), text(), blob(), terms(), any::<[u32; 7]>(), at()).prop_map(
            |(array, name, payload, terms, numbers, at)| {
                let [first, count, begun, succeeded, failed, cancelled, lost] = numbers;
                Event::ArrayRestored(Box::new(RestoredArray {
                    array: ArrayId(array),
                    owner: name.as_str().into(),
                    handler: name.as_str().into(),
                    fingerprint: array as u64,
                    payload: payload.into(),
                    terms: terms.into(),
                    first,
                    count,
                    at,
                    begun,
                    early: vec![0..begun, 7..count.max(7)],
                    forgotten: Forgotten { succeeded, failed, cancelled, lost },
                    failed: None,
                }))
            }
        ),
        (task(), attempt(), any::<u16>(), [at(), at()], text()).prop_map(
            |(task, attempt, failed, [until, at], text)| {
                let (code, message) = (text.clone(), text);
                Event::TaskRetried { task, attempt, failed, until, code, message, at }
            }
        ),
        (task(), at()).prop_map(|(task, at)| Event::TaskDue { task, at }),
        (task(), at()).prop_map(|(task, at)| Event::TaskReleased { task, at }),
        (task(), text(), text(), any::<u64>(), at()).prop_map(
            |(task, owner, key, fingerprint, until)| Event::TaskKeyed {
                task,
                owner: owner.as_str().into(),
                key: key.as_str().into(),
                fingerprint,
                until,
            }
        ),
        (task(), blob())
            .prop_map(|(task, output)| Event::OutputKept { task, output: output.into() }),
        proptest::collection::vec((text(), text()), 0..4).prop_map(|keys| {
            let keys = keys.iter().map(|(owner, key)| (owner.as_str().into(), key.as_str().into()));
            Event::KeysReleased { keys: keys.collect() }
        }),
        (text(), any::<[u64; 4]>(), any::<[Option<u64>; 3]>()).prop_map(|(name, ends, times)| {
            let [succeeded, failed, cancelled, lost] = ends;
            let [submitted_at, started_at, finished_at] = times.map(|at| at.map(Timestamp));
            Event::GroupRestored(Box::new(RestoredGroup {
                owner: name.as_str().into(),
                group: name.as_str().into(),
                past: Past {
                    forgotten: [0, 0, succeeded, failed, cancelled, lost],
                    repeated: [0, 0, 0, failed, 0, lost],
                    submitted_at,
                    started_at,
                    finished_at,
                },
            }))
        }),
        any::<u64>().prop_map(|next| Event::OrderRestored { next }),
        (task(), task(), proptest::collection::vec(task(), 0..4), at())
            .prop_map(|(task, because, after, at)| Event::TaskSkipped { task, because, after, at }),
        (task(), task()).prop_map(|(task, by)| Event::TaskRepeated { task, by }),
        (task(), proptest::collection::vec(task(), 0..4))
            .prop_map(|(task, of)| Event::SourcesTaken { task, of }),
        (task(), 1..u128::MAX, 1..u64::MAX, any::<bool>()).prop_map(
            |(task, trace, span, sampled)| {
                Event::TaskTraced { task, trace: TraceContext { trace, span, sampled } }
            }
        ),
        (task(), proptest::collection::vec(task(), 0..4), any::<bool>(), any::<bool>(), at())
            .prop_map(|(task, after, any_end, has_failed, at)| {
                let condition = if any_end { Condition::Finished } else { Condition::Succeeded };
                let failed = has_failed.then_some(task);
                let blockage = Blockage { after, condition, failed };
                Event::TaskBlocked { task, blockage, at }
            }),
        (task(), proptest::sample::select(&Expiry::ALL[..]), at())
            .prop_map(|(task, expiry, at)| Event::TaskExpired { task, expiry, at }),
        (".{1,8}", 1..u32::MAX, any::<Option<u32>>(), any::<bool>(), at()).prop_map(
            |(queue, weight, max_running, paused, at)| Event::QueueChanged {
                queue: queue.as_str().into(),
                settings: QueueSettings { weight, max_running, paused },
                at,
            }
        ),
        (proptest::option::of(".{1,8}"), proptest::option::of(quota()), at()).prop_map(
            |(user, quota, at)| {
                let user = user.map(|user| user.as_str().into());
                Event::QuotaChanged { user, quota, at }
            }
        ),
        schedules::any_event(terms().boxed()),
        blobs::any_event(),
        arrays::any_event(),
        webhooks::any_event(),
        (task(), at(), at()).prop_map(|(task, until, at)| Event::TaskDelayed { task, until, at }),
        (task(), attempt(), cause(), at()).prop_map(|(task, attempt, cause, at)| {
            Event::TaskLost { task, attempt, cause, at }
        }),
        (task(), attempt(), text(), at()).prop_map(|(task, attempt, worker, at)| {
            Event::TaskAssigned { task, attempt, worker: worker.as_str().into(), at }
        }),
        (task(), attempt(), blob(), at()).prop_map(|(task, attempt, result, at)| {
            Event::TaskSucceeded { task, attempt, result: result.into(), at }
        }),
        (task(), attempt(), text(), text(), blob(), at()).prop_map(
            |(task, attempt, code, message, output, at)| {
                let failure = Failure { code, message, output: output.into() };
                Event::TaskFailed { task, attempt, failure, at }
            }
        ),
        (task(), at()).prop_map(|(task, at)| Event::TaskCancelled { task, at }),
        (task(), attempt(), at()).prop_map(|(task, attempt, at)| Event::TaskRequeued {
            task,
            attempt,
            at
        }),
        (task(), attempt(), any::<u16>(), any::<bool>(), at()).prop_map(
            |(task, attempt, returned, begun, at)| Event::TaskReturned {
                task,
                attempt,
                returned,
                begun,
                at,
            }
        ),
        proptest::collection::vec(task(), 0..5).prop_map(|tasks| Event::TasksPruned { tasks }),
        (text(), process(), any::<u32>(), texts(), texts(), at()).prop_map(
            |(worker, incarnation, slots, handlers, labels, at)| Event::WorkerRegistered {
                worker: worker.as_str().into(),
                incarnation,
                slots,
                handlers: handlers.iter().map(|h| h.as_str().into()).collect(),
                labels: labels.into_iter().map(|l| (l.clone(), l)).collect(),
                resources: vec![("gpus".to_owned(), at.0)],
                at,
            }
        ),
        texts().prop_map(|handlers| Event::HandlersLearned {
            handlers: handlers.iter().map(|h| h.as_str().into()).collect()
        }),
        (text(), process(), at()).prop_map(|(worker, incarnation, at)| Event::WorkerLost {
            worker: worker.as_str().into(),
            incarnation,
            at
        }),
        (task(), attempt(), text()).prop_map(|(task, attempt, worker)| Event::AttemptEnded {
            task,
            attempt,
            worker: worker.as_str().into()
        }),
        (text(), any::<Option<u64>>(), any::<bool>(), at()).prop_map(
            |(result, finish_order, has_run, at)| {
                let Event::TaskRestored(mut task) =
                    restored(RestoredEnd::Succeeded { result: result.into_bytes().into() })
                else {
                    unreachable!("`restored` makes nothing else")
                };
                task.finish_order = finish_order;
                task.started_at = has_run.then_some(at);
                (task.queue, task.priority) = ("night".into(), at.0 as i8);
                let origin = Origin { of: TaskId(at.0.into()), first: TaskId(1) };
                task.origin = has_run.then(|| Box::new(origin));
                task.schedule = has_run.then(|| "nightly".into());
                task.again = has_run.then(|| {
                    let terms = Terms { priority: 3, ..retried() };
                    Box::new(RestoredAgain {
                        payload: b"hello"[..].into(),
                        terms: terms.into(),
                        after: vec![TaskId(7), TaskId(at.0.into())],
                        sources: vec![TaskId(9)],
                        by: (at.0 % 2 == 0).then_some(TaskId(at.0.into())),
                    })
                });
                task.worker = task.worker.filter(|_| has_run);
                task.webhook = has_run.then(|| Box::new(webhooks::settled(at)));
                Event::TaskRestored(task)
            }
        ),
        (text(), text(), proptest::sample::select(&Role::ALL[..]), at()).prop_map(
            |(user, token_hash, role, at)| {
                let token_hash = token_hash.into();
                Event::UserAdded { user: user.as_str().into(), token_hash, role, at }
            }
        ),
        (text(), text(), text(), proptest::option::of(at()), at()).prop_map(
            |(user, name, hash, expires_at, at)| {
                let (user, name) = (user.as_str().into(), name.as_str().into());
                Event::TokenIssued { user, name, hash: hash.into(), expires_at, at }
            }
        ),
        (text(), text()).prop_map(|(user, name)| {
            Event::TokenRevoked { user: user.as_str().into(), name: name.as_str().into() }
        }),
        text().prop_map(|user| Event::UserRemoved { user: user.as_str().into() }),
    ]
}

fn quota() -> impl Strategy<Value = Quota> {
    let limits = any::<(Option<u64>, Option<u64>, Option<u32>, Option<u32>)>();
    limits.prop_map(|(max_active, max_bytes, max_running, submit_rate)| Quota {
        max_active,
        max_bytes,
        max_running,
        submit_rate,
    })
}
