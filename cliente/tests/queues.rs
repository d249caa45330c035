//! Queues, as administrators change them.

mod support;

use common::exit;
use common::proto::{Queue, User};
use serde_json::{Value, json};
use support::stage::{Stage, with_input};
use support::{Pair, TOKEN};

fn stage() -> Stage {
    let stage = Stage::new();
    stage.pair.change(|store| {
        for name in ["default", "night"] {
            let queue = Queue { name: name.into(), weight: 1, ..Queue::default() };
            store.queues.insert(name.into(), queue);
        }
        // The menu has queues for administrators.
        store.users.push(User { user: "ana".into(), admin: true, ..User::default() });
    });
    stage
}

fn names(pair: &Pair) -> Vec<String> {
    pair.store().queues.keys().cloned().collect()
}

#[test]
fn a_misspelt_queue_is_refused_and_the_one_that_is_meant_named() {
    let stage = stage();
    for action in ["pause", "resume", "purge"] {
        let run = stage.run(&["--lang", "en", "queues", action, "nigth"]);
        assert_eq!(run.code, i32::from(exit::NOT_FOUND), "{run:?}");
        assert!(run.stderr.contains("There is no queue nigth (perhaps: night)"), "{run:?}");
        assert_eq!(run.stderr.contains("--create"), action == "pause", "{run:?}");
        if action != "pause" {
            let run = stage.run(&["queues", action, "render"]);
            assert_eq!(run.code, i32::from(exit::NOT_FOUND), "{run:?}");
            assert!(run.stderr.contains("Não há fila render; veja"), "{run:?}");
        }
    }
    let run = stage.run(&["--output", "json", "queues", "pause", "nigth"]);
    let error: Value = serde_json::from_str(&run.stderr).expect("is JSON");
    assert_eq!(error["error"]["code"], "QUEUE_NOT_FOUND");
    assert_eq!(names(&stage.pair), ["default", "night"]);
    let menu = format!("ana\n{TOKEN}\n7\nnigth\n8\n");
    let run = with_input(stage.stranger(&["menu"]), &menu);
    assert!(run.stdout.contains("Não há fila nigth (talvez: night)"), "{run:?}");
}

#[test]
fn that_a_queue_is_new_is_said_and_of_one_that_is_known_nothing() {
    let stage = stage();
    let english = |args: &[&str]| {
        let run = stage.run(&[&["--lang", "en", "queues"], args].concat());
        assert_eq!(run.code, 0, "{run:?}");
        run.stderr
    };
    assert_eq!(english(&["set", "night", "--weight", "2"]), "");
    assert_eq!(english(&["pause", "night"]), "");
    assert_eq!(english(&["resume", "night"]), "");
    assert_eq!(english(&["set", "render", "--weight", "2"]), "The queue render is new.\n");
    assert_eq!(
        english(&["pause", "nights", "--create"]),
        "The queue nights is new; there was a queue night.\n"
    );
    assert_eq!(english(&["pause", "early"]), "The queue early is new.\n");
    assert_eq!(english(&["set", "nights", "--max-running", "2"]), "");
    for (queue, created) in [("train", true), ("night", false)] {
        let told = stage.json(&["queues", "set", queue, "--weight", "3"]);
        assert_eq!((&told[0]["queue"], &told[0]["created"]), (&json!(queue), &json!(created)));
    }
    assert_eq!(names(&stage.pair), ["default", "early", "night", "nights", "render", "train"]);
}
