//! Tasks that may be started once only: how they are submitted, and what is told of those that are lost.

mod support;

use common::exit;
use common::proto::{Delivery, TaskError, TaskState};
use serde_json::json;
use support::end;
use support::stage::{ID, Stage, with_input};

fn deliveries(stage: &Stage) -> Vec<Delivery> {
    stage.pair.store().tasks.values().map(|record| record.task.delivery()).collect()
}

/// The task of this id, lost with its worker.
fn lose(stage: &Stage) {
    stage.pair.change(|store| {
        let record = store.tasks.get_mut(ID).expect("was submitted");
        end(record, TaskState::Lost, b"");
        let (code, message) = ("WORKER_SILENT".into(), "the worker fell silent".into());
        record.task.error = Some(Box::new(TaskError { code, message }));
    });
}

#[test]
fn every_way_to_submit_says_how_a_task_is_delivered() {
    for (args, count) in [
        (&["--payload", "x"][..], 1),
        (&["--payload", "x", "--count", "3"], 3),
        (&["--", "true"], 1),
    ] {
        let stage = Stage::working();
        let all = [&["submit", "--delivery", "at-most-once"][..], args].concat();
        let told = stage.json(&all);
        assert!(told.iter().all(|task| task["delivery"] == json!("AT_MOST_ONCE")), "{told:?}");
        assert_eq!(deliveries(&stage), vec![Delivery::AtMostOnce; count]);
    }
    let stage = Stage::working();
    let args = ["submit", "--delivery", "at-most-once", "--handler", "echo", "--each-line", "-"];
    with_input(stage.command(&args), "a\nb\n");
    assert_eq!(deliveries(&stage), [Delivery::AtMostOnce; 2]);
}

#[test]
fn a_task_is_delivered_at_least_once_unless_told_otherwise() {
    let stage = Stage::working();
    stage.run(&["submit", "--payload", "x"]);
    stage.run(&["submit", "--payload", "x", "--delivery", "at-least-once"]);
    assert_eq!(deliveries(&stage), [Delivery::AtLeastOnce; 2]);
    let wrong = stage.run(&["submit", "--payload", "x", "--delivery", "exactly-once"]);
    assert_eq!(wrong.code, i32::from(exit::USAGE), "{wrong:?}");
}

#[test]
fn a_lost_task_is_told_in_both_languages_and_waited_for_like_a_failure() {
    let stage = Stage::new();
    stage.run(&["submit", "--id", ID, "--payload", "x", "--delivery", "at-most-once"]);
    lose(&stage);
    let told = stage.run(&["status", ID]).stdout;
    for text in [
        "Status:    PERDIDA\n",
        "Entrega:   no máximo uma vez\n",
        "Erro:      WORKER_SILENT: o worker ficou em silêncio",
    ] {
        assert!(told.contains(text), "{told}");
    }
    let told = stage.run(&["--lang", "en", "status", ID]).stdout;
    for text in ["Status:    LOST\n", "Delivery:  at most once\n", "Error:     WORKER_SILENT: the"]
    {
        assert!(told.contains(text), "{told}");
    }
    let object = stage.json(&["status", ID]).pop().expect("one object");
    assert_eq!((&object["state"], &object["result"]), (&json!("LOST"), &json!(null)));
    assert_eq!(stage.run(&["result", ID, "--wait"]).code, i32::from(exit::TASK_FAILED));
    assert_eq!(stage.run(&["list", "--state", "LOST"]).stdout.lines().count(), 2);
    assert_eq!(stage.run(&["list", "--state", "failed"]).stdout.lines().count(), 1);
}
