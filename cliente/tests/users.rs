//! What users may, as administrators and they themselves see it.

mod support;

use common::exit;
use serde_json::{Value, json};
use support::stage::{Stage, with_input};

#[test]
fn users_are_limited_and_see_what_they_may() {
    let stage = Stage::new();
    let added = with_input(stage.command(&["users", "add", "rui"]), "a-token-of-rui\n");
    assert_eq!(added.code, 0, "{added:?}");
    let shown = |args: &[&str]| {
        let run = stage.run(&[&["--output", "json", "users"], args].concat());
        assert_eq!(run.code, 0, "{run:?}");
        run.stdout.lines().map(|line| serde_json::from_str(line).expect("is JSON")).collect()
    };
    let limits: Vec<Value> = shown(&[
        "limit",
        "rui",
        "--max-running",
        "3",
        "--max-bytes",
        "64KiB",
        "--submit-rate",
        "9",
    ]);
    let quota =
        json!({ "max_active": null, "max_bytes": 65_536, "max_running": 3, "submit_rate": 9 });
    let expected = json!({
        "user": "rui", "role": "submitter", "admin": false, "added_at": "2026-01-01T00:00:00Z", "quota": quota,
        "has_own_quota": true, "active": 0, "bytes": 0, "running": 0,
    });
    assert_eq!(limits, std::slice::from_ref(&expected));
    assert_eq!(shown(&["me"]), std::slice::from_ref(&expected));
    let all = shown(&["limit", "--default", "--max-active", "7"]);
    let default =
        json!({ "max_active": 7, "max_bytes": null, "max_running": null, "submit_rate": null });
    assert_eq!(all, [json!({ "user": null, "quota": default })]);
    assert_eq!(shown(&["list"]), [expected, json!({ "user": null, "quota": default })]);
    let table = stage.run(&["--lang", "en", "users", "list"]).stdout;
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let lines: Vec<_> = table.lines().map(words).collect();
    assert_eq!(lines[1][4..], ["0", "0/64", "KiB", "0/3", "9", "own"], "{table}");
    assert_eq!(lines[2], ["*", "-", "/7", "-", "-", "-", "default"], "{table}");
    stage.run(&["users", "limit", "rui", "--clear"]);
    assert!(stage.run(&["users", "me"]).stdout.contains(" -\n"));
    assert_eq!(stage.run(&["users", "limit", "eva", "--clear"]).code, i32::from(exit::NOT_FOUND));
    for wrong in [
        &["limit", "rui"][..],
        &["limit", "--max-active", "1"],
        &["limit", "rui", "--default", "--clear"],
        &["limit", "rui", "--clear", "--max-active", "1"],
        &["limit", "rui", "--max-bytes", "much"],
    ] {
        let run = stage.run(&[&["users"], wrong].concat());
        assert_eq!(run.code, i32::from(exit::USAGE), "{wrong:?}: {run:?}");
    }
}
