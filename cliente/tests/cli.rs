//! The binary against a scripted pair: standard output, standard error and exit code, in both languages.

mod support;

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

use common::error_code::ErrorCode;
use common::exit;
use common::proto::{Durability, Worker};
use serde_json::{Value, json};
use support::stage::{ID, OTHER, Run, Stage, read, with_bytes, with_input};
use support::{Mood, Node, TOKEN};

#[track_caller]
fn is(run: &Run, code: u8, stdout: &str, stderr: &str) {
    assert_eq!(
        (run.code, run.stdout.as_str(), run.stderr.as_str()),
        (i32::from(code), stdout, stderr)
    );
}

fn worker() -> Worker {
    Worker {
        worker_id: "localhost:50061".into(),
        incarnation: "0190b4a0-0000-4000-8000-00000000aaaa".into(),
        connected: true,
        slots: 4,
        busy: 1,
        handlers: vec!["echo".into(), "simulated".into()],
        assigned_total: 12,
        ..Worker::default()
    }
}

#[test]
fn submit_gives_the_id_as_data_and_the_rest_to_the_person() {
    let stage = Stage::new();
    let args = ["submit", "--id", ID, "--handler", "echo", "--payload", "x"];
    let accepted = format!("Tarefa {ID} RECEBIDA (gravada no principal e no backup).\n");
    is(&stage.run(&args), exit::OK, &format!("{ID}\n"), &accepted);
    let again = format!("Task {ID} had been accepted before; nothing was duplicated.\n");
    let english = [&["--lang", "en"][..], &args].concat();
    is(&stage.run(&english), exit::OK, &format!("{ID}\n"), &again);
    stage.pair.store().durability = Durability::LocalOnly;
    let local = stage.run(&["--lang=en", "submit", "--id", OTHER, "--payload", "x"]);
    assert!(local.stderr.contains("on the principal alone"), "{local:?}");
}

#[test]
fn the_task_object_has_all_its_fields() {
    let stage = Stage::new();
    let args = ["submit", "--id", ID, "--handler", "echo", "--payload", "olá"];
    let accepted = stage.json(&args);
    let expected = json!({
        "task_id": ID, "state": "QUEUED", "handler": "echo", "delivery": "AT_LEAST_ONCE",
        "queue": "default", "priority": 0,
        "attempt": 0, "array_id": null, "array_index": null, "worker_id": null,
        "owner": "ana", "submitted_at": "2026-01-01T00:00:00Z", "started_at": null,
        "existed": false, "progress": null, "durability": "REPLICATED", "epoch": 1, "journal_index": 7,
        "finished_at": null, "pending_reason": "NO_WORKER", "not_before": null, "waits_for": null, "waits_on": null, "webhook": null, "retry_of": null, "retried_as": null, "schedule": null, "group": null, "result": null, "error": null,
    });
    assert_eq!(accepted, [expected]);
    stage.pair.finish(ID, "olá".as_bytes());
    let status = stage.json(&["status", ID]).pop().expect("one object");
    assert_eq!(
        (&status["state"], &status["result"], &status["finished_at"]),
        (&json!("SUCCEEDED"), &json!("olá"), &json!("2026-01-01T00:00:02.5Z"))
    );
}

#[test]
fn a_status_is_told_in_both_languages() {
    let stage = Stage::new();
    stage.run(&["submit", "--id", ID, "--handler", "echo", "--payload", "x"]);
    let waiting = "Tarefa:     0190b4a0-0000-7000-8000-000000000001\n\
                   Status:     RECEBIDA\n\
                   Aguardando: nenhum worker está conectado\n\
                   Handler:    echo\n\
                   Recebida:   2026-01-01 00:00:00\n";
    is(&stage.run(&["status", ID]), exit::OK, waiting, "");
    stage.pair.finish(ID, b"x\n");
    let done = "Task:      0190b4a0-0000-7000-8000-000000000001\n\
                Status:    SUCCEEDED\n\
                Handler:   echo\n\
                Worker:    localhost:50061\n\
                Attempt:   1\n\
                Submitted: 2026-01-01 00:00:00\n\
                Started:   2026-01-01 00:00:01\n\
                Finished:  2026-01-01 00:00:02\n\
                Result:    x\n";
    is(&stage.run(&["--lang", "en", "status", ID]), exit::OK, done, "");
}

#[test]
fn a_result_is_given_as_it_is() {
    let stage = Stage::working();
    stage.run(&["submit", "--id", ID, "--handler", "echo", "--payload", "no newline"]);
    is(&stage.run(&["result", ID]), exit::OK, "no newline", "");
    stage.run(&["submit", "--id", OTHER, "--", "prog"]);
    is(&stage.run(&["result", OTHER]), exit::OK, "out\n", "err\n");
    let raw = stage.run(&["result", OTHER, "--raw"]);
    assert!(raw.stdout.starts_with(r#"{"exit_code":0"#), "{raw:?}");
    let object = stage.json(&["result", OTHER]).pop().expect("one object");
    assert_eq!(object["result"]["stdout"], json!("out\n"));
}

#[test]
fn a_result_that_is_not_there_yet_is_another_exit_code() {
    let stage = Stage::new();
    stage.run(&["submit", "--id", ID, "--payload", "x"]);
    let early = format!("A tarefa {ID} ainda não terminou (RECEBIDA); espere com --wait.\n");
    is(&stage.run(&["result", ID]), exit::TIMEOUT, "", &early);
}

#[test]
fn waiting_for_one_task_gives_its_result_and_its_exit_code() {
    let stage = Stage::working();
    let run = stage.run(&["submit", "--handler", "echo", "--payload", "olá", "--wait"]);
    assert_eq!((run.code, run.stdout.as_str()), (0, "olá"), "{run:?}");
    let run = stage.run(&["submit", "--wait", "--", "prog", "arg"]);
    assert_eq!((run.code, run.stdout.as_str()), (0, "out\n"), "{run:?}");
    let failed = stage.run(&["submit", "--handler", "fail", "--wait"]);
    assert_eq!((failed.code, failed.stdout.as_str()), (i32::from(exit::TASK_FAILED), ""));
    assert!(
        failed
            .stderr
            .contains("Erro da tarefa: NON_ZERO_EXIT: o programa terminou com o código de saída 3"),
        "{failed:?}"
    );
    let object = stage.json(&["submit", "--handler", "echo", "--payload", "x", "--wait"]);
    assert_eq!((&object[0]["result"], &object[0]["epoch"]), (&json!("x"), &json!(1)));
}

#[test]
fn many_tasks_are_one_line_each() {
    let stage = Stage::working();
    let run = stage.run(&["submit", "--handler", "echo", "--payload", "x", "--count", "3"]);
    assert_eq!((run.code, run.stdout.lines().count()), (0, 3), "{run:?}");
    assert_eq!(run.stderr, "3 tarefas recebidas.\n");
    let waited =
        stage.json(&["submit", "--handler", "echo", "--payload", "x", "--count", "3", "--wait"]);
    assert!(waited.iter().all(|task| task["result"] == json!("x")), "{waited:?}");
    let failed = stage.run(&["submit", "--handler", "fail", "--count", "2", "--wait"]);
    assert_eq!(failed.code, i32::from(exit::TASK_FAILED));
    assert!(
        failed.stderr.ends_with(
            "Concluídas: 0, falhas: 2, canceladas: 0, perdidas: 0, não encontradas: 0.\n"
        )
    );
}

#[test]
fn each_line_of_the_input_is_a_task() {
    let stage = Stage::working();
    let command = stage.command(&["submit", "--each-line", "-", "--", "sha256sum", "{}"]);
    let run = with_input(command, "a b.txt\n\nc\n");
    assert_eq!((run.code, run.stdout.lines().count()), (0, 2), "{run:?}");
    let mut payloads: Vec<_> =
        stage.pair.store().tasks.values().map(|record| record.payload.clone()).collect();
    payloads.sort();
    let expected = [r#"{"argv":["sha256sum","a b.txt"]}"#, r#"{"argv":["sha256sum","c"]}"#];
    assert_eq!(payloads, expected.map(|text| text.as_bytes().to_vec()));
}

#[test]
fn a_line_that_is_wrong_loses_none_before_it() {
    let stage = Stage::working();
    for wait in [&[][..], &["--wait"]] {
        let args = [&["submit", "--handler", "echo", "--each-line", "-"], wait].concat();
        let run = with_bytes(stage.command(&args), b"a\n\nb\n\xff\nd\n");
        assert_eq!((run.code, run.stdout.lines().count()), (i32::from(exit::USAGE), 2), "{run:?}");
        for id in run.stdout.lines() {
            assert!(stage.pair.store().tasks.contains_key(id), "{run:?}");
        }
        let told = "2 tarefas recebidas.\nA linha 4 da entrada padrão não é texto UTF-8; as \
                    anteriores foram enviadas.\n";
        assert_eq!(run.stderr, told);
    }
    assert_eq!(stage.pair.store().tasks.len(), 4);
}

#[test]
fn what_was_accepted_before_a_refusal_is_told() {
    let stage = Stage::working();
    stage.principal.set(Mood::RefusesAfter(ErrorCode::UnknownHandler, 2));
    let args = ["submit", "--handler", "echo", "--payload", "x", "--count", "30000", "--wait"];
    let run = stage.run(&args);
    assert_eq!(run.code, i32::from(exit::REFUSED), "{}", run.stderr);
    assert!(run.stderr.starts_with("10000 tarefas recebidas.\n"), "{}", run.stderr);
    let store = stage.pair.store();
    assert_eq!(run.stdout.lines().count(), store.tasks.len());
    assert!(run.stdout.lines().all(|id| store.tasks.contains_key(id)));
}

#[test]
fn what_is_still_open_when_a_wait_ends_is_told() {
    let stage = Stage::new();
    let args = ["submit", "--payload", "x", "--count", "3", "--wait", "--wait-timeout", "1s"];
    let run = stage.run(&args);
    assert_eq!((run.code, run.stdout.lines().count()), (i32::from(exit::TIMEOUT), 3), "{run:?}");
    let one = stage.json(&["submit", "--payload", "x", "--wait", "--wait-timeout", "1s"]);
    assert_eq!(one[0]["state"], json!("QUEUED"));
}

#[test]
fn why_a_task_that_is_waited_for_does_not_run_is_said_once() {
    let stage = Stage::new();
    let run = stage.run(&["submit", "--payload", "x", "--wait", "--wait-timeout", "4s"]);
    assert_eq!((run.code, run.stdout.as_str()), (i32::from(exit::TIMEOUT), ""), "{run:?}");
    let said = run.stderr.matches("Aguardando: nenhum worker está conectado.").count();
    assert_eq!(said, 1, "{run:?}");
    assert!(run.stderr.contains("A espera terminou antes do trabalho"), "{run:?}");
}

#[test]
fn a_watch_tells_each_change_and_ends_with_the_work() {
    let stage = Stage::new();
    stage.run(&["submit", "--id", ID, "--handler", "echo", "--payload", "x"]);
    let mut child = stage.command(&["watch", ID]).stdout(Stdio::piped()).spawn().expect("starts");
    let mut lines = BufReader::new(child.stdout.take().expect("is piped")).lines();
    let mut next = || lines.next().expect("there is another").expect("is text");
    assert_eq!(next(), format!("{ID}  RECEBIDA     echo"));
    stage.pair.finish(ID, b"x");
    assert_eq!(next(), format!("{ID}  CONCLUIDA    echo  localhost:50061  x"));
    assert_eq!(child.wait().expect("ends").code(), Some(0));
}

#[test]
fn what_is_not_there_is_not_found() {
    let stage = Stage::new();
    let status = stage.run(&["status", ID]);
    let text = format!("Tarefa não encontrada; confira o identificador. [there is no task {ID}]\n");
    is(&status, exit::NOT_FOUND, "", &text);
    assert_eq!(stage.run(&["watch", ID]).code, i32::from(exit::NOT_FOUND));
    let json = stage.run(&["--output", "json", "--lang", "en", "status", ID]);
    let error: Value = serde_json::from_str(&json.stderr).expect("is JSON");
    assert_eq!(error["error"]["code"], json!("TASK_NOT_FOUND"));
}

#[test]
fn a_task_that_cannot_be_cancelled_keeps_no_other_from_it() {
    let stage = Stage::new();
    stage.run(&["submit", "--id", ID, "--handler", "echo", "--payload", "x"]);
    let run = stage.run(&["cancel", OTHER, ID]);
    assert_eq!(
        (run.code, run.stdout),
        (i32::from(exit::NOT_FOUND), format!("{ID}  CANCELADA    echo\n"))
    );
    let again = stage.run(&["cancel", ID]);
    assert_eq!(again.code, i32::from(exit::REFUSED));
    assert!(again.stderr.contains("já terminou"), "{again:?}");
}

#[test]
fn what_failed_is_retried_as_a_new_task_and_what_did_not_is_refused() {
    let stage = Stage::working();
    stage.run(&["submit", "--id", ID, "--handler", "fail"]);
    stage.run(&["submit", "--id", OTHER, "--handler", "echo", "--payload", "x"]);
    let run = stage.run(&["retry", OTHER, ID]);
    assert_eq!(run.code, i32::from(exit::REFUSED), "{run:?}");
    let new = run.stdout.trim_end();
    assert!(run.stderr.contains(&format!("Tarefa {ID} será feita de novo como {new}")), "{run:?}");
    assert!(run.stderr.contains("Só se repete uma tarefa que falhou"), "{run:?}");
    assert_eq!(stage.json(&["status", new])[0]["retry_of"], json!(ID));
    let table = stage.run(&["status", new]).stdout;
    let row = table.lines().find(|line| line.starts_with("Repete")).expect("it is told");
    assert!(row.ends_with(ID), "{row}");
    let waited = stage.run(&["--output", "json", "retry", ID, "--wait"]);
    assert_eq!(waited.code, i32::from(exit::TASK_FAILED), "{waited:?}");
    let ended: Value = serde_json::from_str(&waited.stdout).expect("one object");
    assert_eq!((&ended["state"], &ended["retry_of"]), (&json!("FAILED"), &json!(ID)));
}

#[test]
fn all_that_failed_is_retried_once_each() {
    let stage = Stage::working();
    stage.run(&["submit", "--handler", "fail", "--count", "3"]);
    assert_eq!(stage.run(&["retry", "--failed"]).stdout.lines().count(), 3);
    // The three that failed anew.
    assert_eq!(stage.run(&["retry", "--failed"]).stdout.lines().count(), 3);
    // By name too is that repetition the first one; each further one is another.
    stage.run(&["submit", "--id", ID, "--handler", "fail"]);
    let by_name = stage.run(&["retry", ID]).stdout;
    assert_ne!(stage.run(&["retry", ID]).stdout, by_name);
    let rest = stage.run(&["retry", "--failed"]).stdout;
    assert!(!rest.contains(by_name.trim_end()), "{rest}");
    assert_eq!(rest.lines().count(), 5, "three, and the two of the one that was named");
    let lookups = |node: &Node| node.calls().iter().filter(|call| *call == "get").count();
    assert_eq!(lookups(&stage.principal), 2, "only of what is named is asked one by one");
    let none = Stage::working().run(&["retry", "--failed"]);
    assert_eq!((none.code, none.stdout.as_str()), (0, ""));
    assert!(none.stderr.contains("Nada a repetir"), "{none:?}");
    assert_eq!(stage.run(&["retry"]).code, i32::from(exit::USAGE));
    assert_eq!(stage.run(&["retry", ID, "--failed"]).code, i32::from(exit::USAGE));
}

#[test]
fn of_what_failed_one_queue_or_handler_is_retried() {
    let stage = Stage::working();
    let submit = ["submit", "--handler", "fail", "--count", "2"];
    stage.run(&[&submit[..], &["--queue", "night"]].concat());
    stage.run(&submit);
    let retry = |flags: &[&str]| {
        stage.run(&[&["retry", "--failed"], flags].concat()).stdout.lines().count()
    };
    assert_eq!(retry(&["--handler", "echo"]), 0);
    assert_eq!(retry(&["--queue", "night", "--handler", "fail"]), 2);
    assert_eq!(retry(&["--queue", "night"]), 0, "each of them once");
    assert_eq!(retry(&[]), 4, "the others, and the two that failed anew elsewhere");
    let usage = stage.run(&["retry", ID, "--queue", "night"]);
    assert_eq!(usage.code, i32::from(exit::USAGE), "{usage:?}");
}

#[test]
fn a_list_that_ends_early_tells_where_to_go_on() {
    let stage = Stage::working();
    stage.run(&["submit", "--handler", "echo", "--payload", "x", "--count", "5"]);
    let ids = |run: &Run| -> Vec<String> {
        let id = |line: &str| line.split_whitespace().next().unwrap_or_default().to_owned();
        run.stdout.lines().skip(1).map(id).collect()
    };
    let first = stage.run(&["list", "--limit", "3"]);
    let after = ids(&first).pop().expect("three are shown");
    assert_eq!(first.stderr, format!("Pode haver mais: continue com --after {after}\n"));
    let rest = stage.run(&["list", "--limit", "3", "--after", &after]);
    assert_eq!((ids(&rest).len(), rest.stderr.as_str()), (2, ""));
    assert!(ids(&first).iter().all(|id| !ids(&rest).contains(id)));
    let object = stage.run(&["--output", "json", "list", "--limit", "3"]);
    let next: Value = serde_json::from_str(&object.stderr).expect("one object");
    assert_eq!(next, json!({ "next": { "after": after } }));
    for wrong in [["--since", "ontem"], ["--queue", ""], ["--after", "x"]] {
        let run = stage.run(&[&["list"], &wrong[..]].concat());
        assert_eq!(run.code, i32::from(exit::USAGE), "{run:?}");
    }
}

#[test]
fn lists_are_tables_or_objects_and_pages_are_joined() {
    let stage = Stage::working();
    stage.run(&["submit", "--handler", "echo", "--payload", "x", "--count", "1200"]);
    stage.run(&["submit", "--handler", "fail"]);
    assert_eq!(stage.json(&["list", "--all"]).len(), 1_201);
    assert_eq!(stage.json(&["list", "--limit", "7"]).len(), 7);
    assert_eq!(stage.json(&["list", "--state", "FAILED,running"]).len(), 1);
    let table = stage.run(&["list", "--state", "failed"]).stdout;
    let mut lines = table.lines();
    let head: Vec<_> = lines.next().expect("a head").split_whitespace().take(3).collect();
    assert_eq!(head, ["TAREFA", "STATUS", "HANDLER"]);
    let row: Vec<_> = lines.next().expect("a row").split_whitespace().skip(1).take(3).collect();
    assert_eq!(row, ["FALHOU", "fail", "1"]);
    assert!(!table.contains('\x1b'), "colour in a pipe: {table:?}");
}

#[test]
fn the_cluster_and_its_workers_are_shown() {
    let stage = Stage::new();
    stage.pair.store().workers = vec![worker()];
    let workers = stage.run(&["workers"]).stdout;
    assert!(workers.contains("localhost:50061") && workers.contains("1/4"), "{workers}");
    let cluster = stage.json(&["cluster"]).pop().expect("one object");
    assert_eq!((&cluster["epoch"], &cluster["view"]), (&json!(1), &json!(3)));
    assert_eq!(cluster["principal"], json!("http://localhost:50051"));
    assert_eq!(cluster["nodes"][0]["role"], json!("PRINCIPAL"));
    assert_eq!(cluster["nodes"][1]["in_sync"], json!(false));
    assert_eq!(cluster["workers"][0]["worker_id"], json!("localhost:50061"));
    let text = stage.run(&["cluster"]).stdout;
    assert!(text.contains("Tarefas:") && text.contains("RECEBIDA 0"), "{text}");
    assert!(text.contains("inacessível"), "{text}");
}

#[test]
fn a_forced_promotion_names_its_node() {
    let mut stage = Stage::new();
    let both = stage.run(&["cluster", "promote", "--force"]);
    assert_eq!(both.code, i32::from(exit::USAGE), "{both:?}");
    stage.principal.kill();
    let run = stage.run(&["--timeout", "1s", "--output", "json", "cluster", "promote", "--force"]);
    let answer: Value = serde_json::from_str(&run.stdout).expect("is JSON");
    assert_eq!(answer, json!({ "principal": stage.standby.address(), "epoch": 2 }));
    assert_eq!(stage.run(&["cluster", "promote"]).code, i32::from(exit::USAGE));
}

#[test]
fn users_are_managed_with_tokens_from_the_input() {
    let stage = Stage::new();
    let command = stage.command(&["users", "add", "rui", "--admin"]);
    let added = with_input(command, "a-token-of-rui\n");
    assert_eq!(added.code, 0, "{added:?}");
    assert!(added.stderr.ends_with("Usuário rui gravado com o papel admin.\n"), "{added:?}");
    assert!(stage.run(&["users", "list"]).stdout.contains("rui"));
    assert_eq!(stage.run(&["users", "remove", "rui"]).code, 0);
    assert_eq!(stage.run(&["users", "remove", "rui"]).code, i32::from(exit::NOT_FOUND));
}

#[test]
fn a_refusal_has_its_exit_code() {
    let stage = Stage::new();
    stage.pair.store().handlers = vec!["echo".into()];
    let unknown = stage.run(&["submit", "--handler", "inexistente", "--payload", "x"]);
    assert_eq!(unknown.code, i32::from(exit::REFUSED));
    assert!(unknown.stderr.contains("inexistente"), "{unknown:?}");
    let args = ["submit", "--handler", "inexistente", "--payload", "x", "--allow-unknown-handler"];
    assert_eq!(stage.run(&args).code, 0);
    let wrong = stage.command(&["list"]).env("MUTIRAO_TOKEN", "wrong").output().expect("starts");
    assert_eq!(read(wrong).code, i32::from(exit::UNAUTHENTICATED));
}

#[test]
fn with_nobody_there_the_client_says_so() {
    let mut stage = Stage::new();
    stage.principal.kill();
    stage.standby.kill();
    for (lang, words) in
        [("pt", "Nenhum orquestrador respondeu"), ("en", "No orchestrator answered")]
    {
        let run = stage.run(&["--timeout", "500ms", "--lang", lang, "list"]);
        assert_eq!(run.code, i32::from(exit::UNAVAILABLE));
        assert!(run.stderr.contains(words), "{run:?}");
    }
}

#[test]
fn without_credentials_the_three_ways_are_told() {
    let stage = Stage::new();
    for (lang, words) in [("pt", "Há três maneiras"), ("en", "There are three ways")] {
        let run = read(stage.stranger(&["--lang", lang, "list"]).output().expect("starts"));
        assert_eq!(run.code, i32::from(exit::USAGE));
        assert!(run.stderr.contains(words) && run.stderr.contains("MUTIRAO_TOKEN"), "{run:?}");
    }
}

#[test]
fn a_wrong_command_line_is_told_in_the_language_of_its_reader() {
    let stage = Stage::new();
    let run = stage.run(&["submit", "--ok"]);
    is(&run, exit::USAGE, "", "ERRO: argumento desconhecido: --ok\nVeja --help.\n");
    let english = stage.run(&["--lang", "en", "submit", "--whatever"]);
    assert!(english.stderr.contains("unexpected argument '--whatever'"), "{english:?}");
    assert_eq!(stage.run(&[]).code, i32::from(exit::USAGE));
    assert_eq!(stage.run(&["submit", "--id", "x"]).code, i32::from(exit::USAGE));
    let nothing = stage.run(&["submit"]);
    assert_eq!(nothing.code, i32::from(exit::USAGE));
    assert!(nothing.stderr.contains("Nada a submeter"), "{nothing:?}");
    let help = stage.run(&["submit", "--help"]);
    assert_eq!(help.code, 0);
    assert!(help.stdout.contains("Submete tarefas") && !help.stdout.contains("Usage"), "{help:?}");
}

/// The code of the one object on standard error.
fn error_code(run: &Run) -> String {
    let object: Value = serde_json::from_str(&run.stderr).unwrap_or_else(|_| panic!("{run:?}"));
    assert!(object["error"]["message"].as_str().is_some_and(|text| !text.is_empty()), "{run:?}");
    object["error"]["code"].as_str().expect("is a word").to_owned()
}

#[test]
fn every_error_is_an_object_where_objects_are_asked_for() {
    let stage = Stage::new();
    for args in [
        &["--output", "json", "submit", "--ok"][..],
        &["--output=json", "--lang", "en", "submit", "--whatever"],
        &["watch", "--output", "json", "not-an-id"],
        &["--output", "json"],
    ] {
        let run = stage.run(args);
        assert_eq!((run.code, error_code(&run).as_str()), (i32::from(exit::USAGE), "USAGE"));
    }
    let by_variable = stage.command(&["bogus"]).env("MUTIRAO_OUTPUT", "json").output();
    assert_eq!(error_code(&read(by_variable.expect("starts"))), "USAGE");
    for args in [&["watch", ID][..], &["cancel", ID], &["status", ID], &["result", ID, "--wait"]] {
        let run = stage.run(&[args, &["--output", "json"]].concat());
        assert_eq!(
            (run.code, error_code(&run).as_str()),
            (i32::from(exit::NOT_FOUND), "TASK_NOT_FOUND")
        );
    }
    // What a program is given is not ours.
    let of_the_program = stage.run(&["submit", "--count", "0", "--", "x", "--output", "json"]);
    assert!(of_the_program.stderr.starts_with("ERRO: "), "{of_the_program:?}");
}

#[test]
fn why_a_task_waits_is_told_to_people_only() {
    let stage = Stage::new();
    let args = ["submit", "--payload", "x", "--wait", "--wait-timeout", "3s", "--output", "json"];
    assert_eq!(error_code(&stage.run(&args)), "TIMEOUT");
}

#[test]
fn what_is_no_id_is_wrong_wherever_it_stands() {
    let stage = Stage::new();
    for args in [&["status", "nope"][..], &["submit", "--id", "nope"], &["cancel", ID, "nope"]] {
        let run = stage.run(args);
        assert_eq!((run.code, run.stdout.as_str()), (i32::from(exit::USAGE), ""), "{run:?}");
        assert!(run.stderr.contains("valor inválido `nope`"), "{run:?}");
        assert!(run.stderr.contains("como 0190b4a0-"), "{run:?}");
    }
    assert!(stage.principal.calls().is_empty());
    let english = stage.run(&["--lang", "en", "status", "nope"]);
    assert!(english.stderr.contains("like 0190b4a0-"), "{english:?}");
}

#[test]
fn a_login_is_kept_for_its_owner_only_and_used_until_the_logout() {
    let stage = Stage::new();
    let refused = with_input(stage.stranger(&["login", "--user", "ana"]), "wrong\n");
    assert_eq!(refused.code, i32::from(exit::UNAUTHENTICATED));
    let profile = stage.home.path().join("mutirao/profile.json");
    assert!(!profile.exists(), "what is wrong is not kept");

    let login = with_input(stage.stranger(&["login", "--user", "ana"]), &format!("{TOKEN}\n"));
    assert_eq!(login.code, 0, "{login:?}");
    let mode = std::fs::metadata(&profile).expect("is kept").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let list = || {
        let mut command = stage.stranger(&["list"]);
        // The addresses were kept too.
        read(command.env_remove("MUTIRAO_ORCHESTRATORS").output().expect("starts"))
    };
    assert_eq!(list().code, 0);
    let other = stage.stranger(&["list", "--user", "rui"]).output().expect("starts");
    assert_eq!(read(other).code, i32::from(exit::USAGE), "ana's token is not rui's");

    std::fs::set_permissions(&profile, std::fs::Permissions::from_mode(0o644)).expect("is ours");
    let open = list();
    assert_eq!(open.code, i32::from(exit::RESOURCE));
    assert!(open.stderr.contains("chmod 600"), "{open:?}");

    assert_eq!(read(stage.stranger(&["logout"]).output().expect("starts")).code, 0);
    assert_eq!(list().code, i32::from(exit::USAGE));
}

#[test]
fn a_token_file_is_read() {
    let stage = Stage::new();
    let file = stage.home.path().join("token");
    std::fs::write(&file, format!("{TOKEN}\n")).expect("is written");
    let path = file.display().to_string();
    let args = ["--user", "ana", "--token-file", &path, "list"];
    assert_eq!(read(stage.stranger(&args).output().expect("starts")).code, 0);
    std::fs::write(&file, "\n").expect("is written");
    assert_eq!(read(stage.stranger(&args).output().expect("starts")).code, i32::from(exit::USAGE));
}

#[test]
fn a_reader_that_has_seen_enough_ends_the_client_quietly() {
    let stage = Stage::working();
    stage.run(&["submit", "--handler", "echo", "--payload", "x", "--count", "5000"]);
    let mut child = stage
        .command(&["--output", "json", "list", "--all"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starts");
    let mut first = String::new();
    let mut reader = BufReader::new(child.stdout.take().expect("is piped"));
    reader.read_line(&mut first).expect("there is one");
    drop(reader);
    let run = read(child.wait_with_output().expect("ends"));
    assert_eq!((run.code, run.stderr.as_str()), (0, ""));
}

#[test]
fn ctrl_c_ends_with_its_own_code() {
    let stage = Stage::new();
    stage.run(&["submit", "--id", ID, "--handler", "echo", "--payload", "x"]);
    for args in [&["watch", ID][..], &["menu"]] {
        let mut child = stage.spawn(args);
        let mut line = String::new();
        let mut reader = BufReader::new(child.stdout.take().expect("is piped"));
        reader.read_line(&mut line).expect("it has begun");
        let id = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(id, rustix::process::Signal::INT).expect("is ours");
        assert_eq!(child.wait().expect("ends").code(), Some(i32::from(exit::INTERRUPTED)));
    }
}
