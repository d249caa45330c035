//! Tasks that belong to a trace of their submitter's.

use orquestrador_core::command::NewTask;
use orquestrador_core::effect::{Effect, Notice};
use orquestrador_core::trace::TraceContext;
use orquestrador_core::{Command, Event, Limits, Step};

use crate::scene::*;

const TRACE: TraceContext = TraceContext { trace: 7, span: 3, sampled: true };

fn traced(trace: TraceContext) -> Command {
    submit_tasks("ana", vec![NewTask { trace: Some(trace), ..task(1, "echo", "payload") }])
}

/// With which trace attempts were sent to workers.
fn sent(step: &Step) -> Vec<Option<TraceContext>> {
    let sent = step.effects.iter().filter_map(|effect| match effect {
        Effect::Assign { assignment, .. } => Some(assignment.trace),
        _ => None,
    });
    sent.collect()
}

/// To which traces tasks belonged that have just finished.
fn finished(step: &Step) -> Vec<Option<TraceContext>> {
    let finished = step.effects.iter().filter_map(|effect| match effect {
        Effect::Notice(Notice::TaskFinished { timeline, .. }) => Some(timeline.trace),
        _ => None,
    });
    finished.collect()
}

/// What a snapshot would say of traces.
fn kept(scene: &Scene) -> usize {
    let traced = |event: &Event| matches!(event, Event::TaskTraced { .. });
    scene.principal.history().filter(traced).count()
}

#[test]
fn a_task_belongs_to_its_trace_over_attempts_and_principals_until_it_has_finished() {
    let mut scene = Scene::new(Limits::default());
    scene.step(0, connect(1, 1));
    assert_eq!(sent(&scene.step(0, traced(TRACE))), [Some(TRACE)]);
    scene.rebuilt();
    // Once more, from another place: it is the same task, of the first trace.
    let other = TraceContext { span: 4, ..TRACE };
    assert_eq!(scene.step(0, traced(other)).events, []);
    scene.fail_over(10);
    let later = 10 + Limits::default().worker_lease_ms;
    scene.step(later, Command::ExpireTimers);
    assert_eq!(sent(&scene.step(later, connect(2, 1))), [Some(TRACE)]);
    assert_eq!(kept(&scene), 1);
    assert_eq!(finished(&scene.step(later, succeed(2, attempt(1, 2)))), [Some(TRACE)]);
    assert_eq!(kept(&scene), 0);
    scene.rebuilt();
}

#[test]
fn all_tasks_of_an_array_belong_to_its_trace_until_the_last_has_finished() {
    let mut scene = Scene::new(Limits::default());
    scene.step(0, connect(1, 1));
    let mut array = submit_array(1, 1..3);
    if let Command::SubmitArray { array, .. } = &mut array {
        array.trace = Some(TRACE);
    }
    assert_eq!(sent(&scene.step(0, array)), [Some(TRACE)]);
    let first = scene.step(0, succeed(1, attempt(in_array(1, 1), 1)));
    assert_eq!((finished(&first), sent(&first)), (vec![Some(TRACE)], vec![Some(TRACE)]));
    assert_eq!(kept(&scene), 1);
    scene.rebuilt();
    let last = scene.step(0, succeed(1, attempt(in_array(1, 2), 1)));
    assert_eq!(finished(&last), [Some(TRACE)]);
    assert_eq!(kept(&scene), 0);
    scene.rebuilt();
}
