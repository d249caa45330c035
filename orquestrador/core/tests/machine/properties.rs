//! Random commands, some of them sensible: what holds after every one of them.

use orquestrador_core::command::{
    After, AttemptRef, Condition, ConnectWorker, Delivery, Failure, Look, NewArray, NewTask,
    NewToken, NewWork, Outcome, QueueChange, ReportedOutcome, Role, Start, StateFilter, TaskFilter,
};
use orquestrador_core::ids::{
    Attempt, GroupName, HandlerName, QueueName, RequestId, SessionId, TaskId, Timestamp, TokenName,
    UserName, WorkerId,
};
use orquestrador_core::needs::Needs;
use orquestrador_core::terms::{RetryPolicy, Terms, TimeLimits};
use orquestrador_core::trace::TraceContext;
use orquestrador_core::{Command, Effect, Limits, Step, invariants};
use proptest::prelude::*;
use proptest::sample::subsequence;

use crate::blobs::any_blobs as blobs;
use crate::keys::key;
use crate::ledger::Ledger;
use crate::querying::{is_told, list_by_page};
use crate::quotas::quota_change;
use crate::scene::{Scene, array_id, connect};
use crate::surroundings::{Action, Surroundings, label};
use crate::timetable;

const REQUEST: RequestId = RequestId(0);
const HANDLERS: [&str; 3] = ["echo", "render", "zip"];
const OWNERS: [&str; 2] = ["ana", "bia"];

fn actions(max: usize) -> impl Strategy<Value = Vec<Action>> {
    proptest::collection::vec(action(), 1..max)
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        2 => (0..1_500u64).prop_map(Action::Wait),
        1 => (0..40_000u64).prop_map(Action::Wait),
        6 => command().prop_map(Action::Do),
        3 => (0..4u8, 0..8u8, 0..4u32, handlers(), any::<bool>()).prop_map(
            |(worker, run, slots, handlers, forgets)| Action::Connect {
                // Restarts are seldom.
                worker, incarnation: run / 7, slots, handlers, forgets,
            }
        ),
        8 => (0..64usize, outcome()).prop_map(|(nth, outcome)| Action::Report { nth, outcome }),
        2 => (0..8usize).prop_map(|nth| Action::Ended { nth }),
        2 => (0..16usize).prop_map(|nth| Action::Return { nth }),
        3 => (0..6usize, 0..200u32).prop_map(|(nth, new)| Action::Again { nth, new }),
        2 => (0..4u8, 0..4u32).prop_map(|(worker, tasks)| Action::Prefetch { worker, tasks }),
        8 => (0..6usize, crate::webhooks::any_posted()).prop_map(
            |(nth, posted)| Action::Posted { nth, posted }
        ),
        1 => Just(Action::FailOver),
    ]
}

fn command() -> impl Strategy<Value = Command> {
    let session = || (0..40u64).prop_map(SessionId);
    prop_oneof![
        8 => submission(),
        2 => array_submission(),
        2 => flow(),
        1 => (owner(), 0..3u128).prop_map(|(owner, n)| Command::CancelArray {
            request: REQUEST, owner, array: array_id(n)
        }),
        1 => (owner(), 0..3u128).prop_map(|(owner, n)| Command::QueryArray {
            request: REQUEST, owner, array: array_id(n)
        }),
        3 => (owner(), id()).prop_map(|(owner, task)| Command::Cancel {
            request: REQUEST, owner, task
        }),
        1 => (owner(), id()).prop_map(|(owner, task)| Command::Query {
            request: REQUEST, owner, task, with_result: true
        }),
        1 => (proptest::option::of(owner()), filter(), proptest::option::of(id()), 0..5usize).prop_map(
            |(owner, filter, after, limit)| Command::List {
                request: REQUEST, owner, filter: Box::new(filter), after, limit
            }
        ),
        1 => (owner(), group()).prop_map(|(owner, group)| Command::CancelGroup {
            request: REQUEST, owner, group
        }),
        1 => (owner(), proptest::option::of(group()), 0..3usize).prop_map(
            |(owner, after, limit)| Command::ListGroups { request: REQUEST, owner, after, limit }
        ),
        1 => (owner(), proptest::option::of(group()), proptest::option::of(0..60u64)).prop_map(
            |(owner, group, since)| {
                let look = Look { group, since, with_results: true };
                Command::Look { request: REQUEST, owner, look }
            }
        ),
        1 => session().prop_map(|session| Command::DisconnectWorker { session }),
        1 => session().prop_map(|session| Command::WorkerHeartbeat { session }),
        1 => session().prop_map(|session| Command::DrainWorker { session }),
        1 => (session(), reference(), outcome(), blobs()).prop_map(|(session, attempt, outcome, blobs)| {
            let outcomes = vec![ReportedOutcome { attempt, outcome, blobs }];
            Command::ReportOutcomes { session, outcomes }
        }),
        1 => reference().prop_map(|attempt| Command::KeepOutput {
            attempt, output: b"half"[..].into()
        }),
        1 => (session(), reference()).prop_map(|(session, attempt)| {
            Command::ReportEnded { session, attempts: vec![attempt] }
        }),
        2 => (owner(), id(), (0..40u128).prop_map(TaskId)).prop_map(|(owner, task, new)| {
            Command::Retry { request: REQUEST, owner, task, new }
        }),
        1 => (owner(), 0..6u128, 3..6u128).prop_map(|(owner, array, new)| {
            let (task, new) = (TaskId(array_id(array).0), TaskId(array_id(new).0));
            Command::Retry { request: REQUEST, owner, task, new }
        }),
        1 => (owner(), proptest::sample::select(&Role::ALL[..])).prop_map(|(user, role)| Command::AddUser {
            request: REQUEST, token_hash: user.0.clone(), user, role
        }),
        1 => owner().prop_map(|user| Command::RemoveUser { request: REQUEST, user }),
        1 => (owner(), token_name(), proptest::option::of(0..100_000u64), any::<bool>()).prop_map(
            |(user, name, expires, replace)| {
                let expires_at = expires.map(Timestamp);
                let token = NewToken { hash: name.0.clone(), name, expires_at };
                Command::IssueToken { request: REQUEST, user, token, replace }
            }
        ),
        1 => (owner(), token_name()).prop_map(|(user, name)| Command::RevokeToken {
            request: REQUEST, user, name
        }),
        1 => Just(Command::Overview { request: REQUEST }),
        1 => (queue(), queue_change()).prop_map(|(queue, change)| Command::ChangeQueue {
            request: REQUEST, queue, change
        }),
        2 => (proptest::option::of(owner()), quota_change()).prop_map(|(user, change)| {
            let first = user.clone();
            Command::ChangeQuota { request: REQUEST, user, first, change }
        }),
        1 => queue().prop_map(|queue| Command::PurgeQueue { request: REQUEST, queue }),
        4 => timetable::command(owner().boxed(), terms()),
        2 => Just(Command::ExpireTimers),
        1 => crate::webhooks::any_report(id().boxed()),
        3 => crate::webhooks::any_look(owner().boxed(), id().boxed()),
    ]
}

fn new_task() -> impl Strategy<Value = NewTask> {
    let after = proptest::option::weighted(0.3, after());
    let key = proptest::option::weighted(0.5, key());
    let task = (id(), handler(), 0..2u8, terms(), start(), after, key, blobs(), trace());
    task.prop_map(|(id, handler, payload, terms, start, after, key, blobs, trace)| NewTask {
        id,
        handler,
        payload: vec![payload; 3].into(),
        terms: terms.into(),
        start: if after.is_some() { Start::Now } else { start },
        after: after.map(Box::new),
        key: key.map(Box::new),
        blobs,
        trace,
    })
}

/// One that is submitted again may be another's by then.
fn trace() -> impl Strategy<Value = Option<TraceContext>> {
    let trace = (1..3u128, any::<bool>());
    let trace = trace.prop_map(|(trace, sampled)| TraceContext { trace, span: 1, sampled });
    proptest::option::weighted(0.4, trace)
}

fn submission() -> impl Strategy<Value = Command> {
    let tasks =
        prop_oneof![Just(1), 1..6usize].prop_flat_map(|n| proptest::collection::vec(new_task(), n));
    (owner(), tasks, any::<bool>()).prop_map(|(owner, tasks, allow_unknown_handler)| {
        let is_alone = tasks.len() == 1;
        let alone = |task: NewTask| NewTask { key: task.key.filter(|_| is_alone), ..task };
        let tasks = tasks.into_iter().map(alone).collect();
        Command::Submit { request: REQUEST, owner, tasks, allow_unknown_handler }
    })
}

fn array_submission() -> impl Strategy<Value = Command> {
    (owner(), new_array(), any::<bool>()).prop_map(|(owner, array, allow_unknown_handler)| {
        let array = Box::new(array);
        Command::SubmitArray { request: REQUEST, owner, array, allow_unknown_handler }
    })
}

fn new_array() -> impl Strategy<Value = NewArray> {
    let numbers = (0..2u32, 1..9u32, 0..18u32);
    let after = proptest::option::weighted(0.4, after());
    let (content, more) = ((handler(), 0..2u8, terms()), (blobs(), trace()));
    let array = (0..3u128, content, numbers, start(), after, more);
    array.prop_map(|(n, content, (first, count, from), start, after, (blobs, trace))| {
        let (handler, payload, terms) = content;
        NewArray {
            id: array_id(n),
            handler,
            payload: vec![payload; 3].into(),
            terms: terms.into(),
            first,
            count,
            // All but one at most.
            without: if from + 1 < count { vec![from..count - 1] } else { vec![] },
            start: if after.is_some() { Start::Now } else { start },
            after: after.map(Box::new),
            blobs,
            trace,
        }
    })
}

fn flow() -> impl Strategy<Value = Command> {
    let part = prop_oneof![
        1 => new_task().prop_map(|task| NewWork::Task(NewTask { key: None, ..task })),
        1 => new_array().prop_map(NewWork::Array),
    ];
    let work = proptest::collection::vec(part, 1..4);
    (owner(), work, any::<bool>()).prop_map(|(owner, work, allow_unknown_handler)| {
        Command::SubmitFlow { request: REQUEST, owner, work, allow_unknown_handler }
    })
}

/// Of single tasks and of those in arrays.
fn id() -> impl Strategy<Value = TaskId> {
    prop_oneof![
        2 => (0..40u128).prop_map(TaskId),
        1 => (0..3u128, 0..10u32).prop_map(|(n, number)| array_id(n).task(number)),
    ]
}

fn after() -> impl Strategy<Value = After> {
    let other = prop_oneof![3 => id(), 1 => (0..3u128).prop_map(|n| TaskId(array_id(n).0))];
    let tasks = proptest::collection::vec(other, 1..4);
    let condition = prop_oneof![Just(Condition::Succeeded), Just(Condition::Finished)];
    (tasks, condition, any::<bool>()).prop_map(|(tasks, condition, takes)| {
        let tasks: Vec<TaskId> = tasks;
        let sources = if takes { tasks.clone() } else { Vec::new() };
        After { tasks, condition, sources }
    })
}

fn start() -> impl Strategy<Value = Start> {
    prop_oneof![
        3 => Just(Start::Now),
        1 => (0..3_000u64).prop_map(Start::After),
        1 => (0..20_000u64).prop_map(|at| Start::At(Timestamp(at))),
    ]
}

fn terms() -> impl Strategy<Value = Terms> {
    let retry = (2..4u16, 0..2u32, 0..3_000u32, any::<bool>());
    let retry = retry.prop_map(|(max_attempts, first, most, is_other)| RetryPolicy {
        max_attempts,
        first_delay_ms: first * most,
        max_delay_ms: most,
        codes: if is_other { vec!["ANOTHER_CODE".into()] } else { vec![] },
    });
    let terms = prop_oneof![
        1 => Just(Terms::from(Delivery::AtLeastOnce)),
        1 => Just(Terms::from(Delivery::AtMostOnce)),
        1 => (1..3u16).prop_map(|most| Terms { max_lost_attempts: Some(most), ..Terms::default() }),
        2 => retry.prop_map(|retry| Terms { retry: Some(Box::new(retry)), ..Terms::default() }),
    ];
    let priority = prop_oneof![2 => Just(0), 1 => -2..3i8];
    let needs = proptest::option::weighted(0.3, needs());
    let group = proptest::option::weighted(0.5, group());
    let webhook = proptest::option::weighted(0.6, crate::webhooks::any_url());
    let all = (terms, queue(), priority, times(), needs, group, webhook);
    all.prop_map(|(terms, queue, priority, times, needs, group, webhook)| {
        let needs = needs.filter(|needs| *needs != Needs::default()).map(Box::new);
        Terms { queue, priority, times, needs, group, webhook, ..terms }
    })
}

fn needs() -> impl Strategy<Value = Needs> {
    let labels =
        subsequence(vec![label("zone", "a"), label("zone", "b"), label("gpu", "1")], 0..=1);
    let resources = subsequence(vec![("gpus".to_owned(), 1), ("memory".to_owned(), 2)], 0..=2);
    (1..3u32, labels, resources).prop_map(|(slots, labels, resources)| Needs {
        slots,
        labels,
        resources,
    })
}

fn times() -> impl Strategy<Value = TimeLimits> {
    let within = || proptest::option::weighted(0.2, 0..6_000u64);
    (within(), within(), within()).prop_map(|(attempt_ms, begin_ms, end_ms)| TimeLimits {
        attempt_ms,
        begin_ms,
        end_ms,
    })
}

fn queue() -> impl Strategy<Value = QueueName> {
    prop_oneof![2 => Just(QueueName::default()), 1 => Just("a".into()), 1 => Just("b".into())]
}

fn group() -> impl Strategy<Value = GroupName> {
    prop_oneof![Just("g".into()), Just("h".into())]
}

fn filter() -> impl Strategy<Value = TaskFilter> {
    use proptest::option::{of, weighted};
    let worker = (0..4u64).prop_map(|n| WorkerId::from(format!("w{n}").as_str()));
    let time = || (0..60_000u64).prop_map(Timestamp);
    let states = prop_oneof![1 => Just(0), 1 => 0..64u8].prop_map(StateFilter);
    let more = (weighted(0.2, group()), weighted(0.1, Just("HANDLER_ERROR".to_owned())));
    let times = (of(time()), of(time()));
    (states, of(queue()), of(handler()), weighted(0.2, worker), times, more).prop_map(
        |(states, queue, handler, worker, (since, until), (group, code))| TaskFilter {
            states,
            queue,
            handler,
            worker,
            since,
            until,
            group,
            code,
            ..TaskFilter::default()
        },
    )
}

fn queue_change() -> impl Strategy<Value = QueueChange> {
    let max_running = proptest::option::of(0..4u32);
    let changes = (
        proptest::option::of(1..4u32),
        proptest::option::of(max_running),
        proptest::option::of(proptest::bool::weighted(0.3)),
    );
    changes.prop_map(|(weight, max_running, paused)| QueueChange { weight, max_running, paused })
}

fn reference() -> impl Strategy<Value = AttemptRef> {
    (id(), 0..4u32).prop_map(|(task, n)| AttemptRef { task, attempt: Attempt(n) })
}

fn owner() -> impl Strategy<Value = UserName> {
    proptest::sample::select(&OWNERS[..]).prop_map(UserName::from)
}

fn token_name() -> impl Strategy<Value = TokenName> {
    proptest::sample::select(&["main", "ci", "cd"][..]).prop_map(TokenName::from)
}

fn handler() -> impl Strategy<Value = HandlerName> {
    proptest::sample::select(&HANDLERS[..]).prop_map(HandlerName::from)
}

fn handlers() -> impl Strategy<Value = Vec<HandlerName>> {
    subsequence(&HANDLERS[..], 0..=3)
        .prop_map(|names| names.into_iter().map(HandlerName::from).collect())
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        3 => (0..3u8).prop_map(|n| Outcome::Succeeded { result: vec![n; n as usize].into() }),
        1 => Just(Outcome::Failed(Failure {
            code: "HANDLER_ERROR".into(),
            message: "it broke".into(),
            output: b"half"[..].into(),
        })),
    ]
}

fn limits() -> Limits {
    Limits {
        max_active_tasks: 24,
        max_finished_tasks: 6,
        max_finished_bytes: 20,
        prune_batch: 3,
        worker_lease_ms: 3_000,
        max_lost_attempts: 2,
        purge_batch: 3,
        missed_after_ms: 5_000,
        max_catch_up: 3,
        max_given_up: 2,
        retry_webhooks: 2,
        webhook_attempts: 2,
        // The ledger knows nothing of patience.
        patience_ms: u64::MAX,
        ..Limits::default()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// The invariants, an equal standby, one outcome per task, exact slots, priorities and FIFO, closed queues, quotas: all with
    /// changes of the principal in between.
    #[test]
    fn whatever_happens_the_books_are_right(actions in actions(120)) {
        let (mut scene, mut ledger) = (Scene::new(limits()), Ledger::new(limits()));
        let mut around = Surroundings::default();
        for action in actions {
            match around.command(action) {
                Some(command) => {
                    if let Command::SetPrefetch { session, tasks } = &command {
                        ledger.prefetch.insert(around.worker_of[session].clone(), *tasks);
                    }
                    let has_looked = command == Command::ExpireTimers;
                    let step = scene.step(around.now, command);
                    step.events.iter().for_each(|event| ledger.record(event));
                    around.follow(&step);
                    if has_looked {
                        ledger.timetable.assert_all_decided(Timestamp(around.now));
                    }
                }
                None => scene.fail_over(around.now),
            }
            ledger.compare(&mut scene.principal, around.now);
        }
    }

    /// Page by page, whatever the tasks are recorded in.
    #[test]
    fn a_list_tells_of_every_task_once_and_newest_first(
        actions in actions(80),
        limit in 1..5usize,
        filter in filter(),
    ) {
        let (mut scene, mut ledger) = (Scene::new(limits()), Ledger::new(limits()));
        let mut around = Surroundings::default();
        for action in actions {
            let Some(command) = around.command(action) else { continue };
            if let Command::SetPrefetch { session, tasks } = &command {
                ledger.prefetch.insert(around.worker_of[session].clone(), *tasks);
            }
            let step = scene.step(around.now, command);
            step.events.iter().for_each(|event| ledger.record(event));
            around.follow(&step);
        }
        for owner in OWNERS.map(UserName::from).map(Some).into_iter().chain([None]) {
            let owner = owner.as_ref();
            let all = list_by_page(&mut scene, around.now, (owner, &TaskFilter::default()), limit);
            let listed: Vec<_> = all.iter().map(|task| task.id).collect();
            prop_assert_eq!(listed, ledger.listed(owner));
            let filtered = list_by_page(&mut scene, around.now, (owner, &filter), limit);
            let expected: Vec<_> = all.into_iter().filter(|task| is_told(&filter, task)).collect();
            prop_assert_eq!(filtered, expected);
        }
    }

    /// A snapshot holds all that the future depends on.
    #[test]
    fn a_machine_rebuilt_from_its_history_decides_the_same(
        before in actions(80),
        after in actions(80),
    ) {
        let (mut scene, mut around) = (Scene::new(limits()), Surroundings::default());
        for action in before {
            if let Some(command) = around.command(action) {
                let step = scene.step(around.now, command);
                around.follow(&step);
            }
        }
        let now = Timestamp(around.now);
        let mut rebuilt = scene.rebuilt();
        scene.principal.take_office(now, &mut Step::default());
        rebuilt.take_office(now, &mut Step::default());
        for action in after {
            let Some(command) = around.command(action) else { continue };
            let step = scene.step(around.now, command.clone());
            around.follow(&step);
            let mut again = Step::default();
            rebuilt.handle(Timestamp(around.now), command, &mut again);
            prop_assert_eq!(&again, &step);
            prop_assert_eq!(rebuilt.digest(), scene.principal.digest());
        }
        prop_assert_eq!(invariants::check_principal(&rebuilt), Ok(()));
    }

    /// G6: whatever the batches and whoever else is there, workers that are equal and always free get
    /// the same number of tasks, give or take one.
    #[test]
    fn equal_free_workers_get_equal_shares(
        others in proptest::collection::vec((1..4u32, handlers()), 0..4),
        equals in 2..6u64,
        batches in proptest::collection::vec(
            (proptest::collection::vec(handler(), 1..8), any::<bool>()), 1..40),
    ) {
        let mut scene = Scene::new(Limits::default());
        let all: Vec<_> = HANDLERS.into_iter().map(HandlerName::from).collect();
        for worker in 0..equals {
            let plenty = ConnectWorker { handlers: all.clone(), ..hello(worker, 10_000) };
            scene.step(0, Command::ConnectWorker(plenty));
        }
        for (worker, (slots, handlers)) in (equals..).zip(others) {
            let other = ConnectWorker { handlers, ..hello(worker, slots) };
            scene.step(0, Command::ConnectWorker(other));
        }
        let mut counts = vec![0u32; equals as usize];
        let mut next = 0;
        for (handlers, finishes) in batches {
            let tasks = handlers.into_iter().map(|handler| {
                next += 1;
                NewTask {
                    id: TaskId(next),
                    handler,
                    payload: [][..].into(),
                    terms: Delivery::default().into(),
                    start: Start::Now,
                    after: None,
                    key: None,
                    blobs: vec![],
                    trace: None,
                }
            });
            let tasks = tasks.collect();
            let owner = UserName::from("ana");
            let step = scene.step(0, Command::Submit {
                request: REQUEST, owner, tasks, allow_unknown_handler: false
            });
            for effect in &step.effects {
                let Effect::Assign { session, assignment } = effect else { continue };
                if let Some(count) = counts.get_mut(session.0 as usize) {
                    *count += 1;
                }
                let spread = counts.iter().max().unwrap() - counts.iter().min().unwrap();
                prop_assert!(spread <= 1, "{counts:?}");
                if finishes {
                    let outcome = Outcome::Succeeded { result: [][..].into() };
                    let (attempt, blobs) = (assignment.attempt, vec![]);
                    let outcomes = vec![ReportedOutcome { attempt, outcome, blobs }];
                    scene.step(0, Command::ReportOutcomes { session: *session, outcomes });
                }
            }
        }
    }
}

fn hello(worker: u64, slots: u32) -> ConnectWorker {
    let Command::ConnectWorker(connect) = connect(worker, slots) else {
        unreachable!("`connect` makes nothing else")
    };
    connect
}
