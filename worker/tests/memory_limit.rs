//! Memory limits of attempts: by cgroups where the tests may make them, otherwise by `ulimit`.

use std::io::Write as _;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use worker::handlers::CommandHandler;
use worker::{Context, Failure, Handler as _};

/// Each test is one of its own: a worker removes what it takes for left by another with its id.
const WORKER: &str = "localhost:50061";
/// Keeps all of its input, which is one line.
const HUNGRY: &str = "head -c 300000000 /dev/zero | tail | wc -c";
const ENOUGH: u64 = 64 << 20;

async fn run(handler: &CommandHandler, order: Value) -> Result<Value, Failure> {
    let context = Context {
        task_id: "01900000-0000-7000-8000-000000000001".into(),
        attempt: 3,
        epoch: 7,
        worker_id: Arc::from(format!("{WORKER}-{:?}", std::thread::current().id())),
        origin: None,
        scheduled: None,
        live: worker::Live::default(),
        trace: None,
        files: worker::Files::default(),
        cancelled: CancellationToken::new(),
        unwanted: CancellationToken::new(),
    };
    let result = handler.run(context, order.to_string().into_bytes()).await?;
    Ok(serde_json::from_slice(&result).expect("the result is JSON"))
}

fn script(line: &str, bytes: u64) -> Value {
    json!({ "argv": ["bash", "-c", format!("set -o pipefail; {line}")], "memory_limit": bytes })
}

/// The group of an attempt; `None` where they are not made, and it is said so that everybody sees it.
async fn group(handler: &CommandHandler) -> Option<String> {
    let result = run(handler, script("cat /proc/self/cgroup", ENOUGH)).await.expect("succeeds");
    let groups = result["stdout"].as_str().unwrap_or_default().to_owned();
    let own = groups.lines().find_map(|line| line.strip_prefix("0::"));
    let own = own.filter(|group| group.contains("mutirao-localhost_50061-"));
    if own.is_none() {
        // Not by a macro: what those print is hidden when the test succeeds.
        let text = "\n*** NOT TESTED: memory limits by cgroup v2; this process may not make cgroups with a memory \
                    controller ***\n";
        std::io::stderr().write_all(text.as_bytes()).expect("is written");
    }
    own.map(str::to_owned)
}

#[tokio::test]
async fn who_needs_more_does_not_get_it() {
    let handler = CommandHandler::default();
    let failure = run(&handler, script(HUNGRY, ENOUGH)).await.expect_err("it is too much");
    match group(&handler).await {
        Some(_) => {
            assert_eq!(failure.code, "OUT_OF_MEMORY", "{failure:?}");
            assert!(failure.message.contains(&ENOUGH.to_string()), "{failure:?}");
            assert!(!failure.output.is_empty(), "it has no output");
        }
        // `tail` says so, and fails.
        None => assert_eq!(failure.code, "NON_ZERO_EXIT", "{failure:?}"),
    }
    let result = run(&handler, script(HUNGRY, 1 << 30)).await.expect("it is enough");
    assert_eq!(result["stdout"], json!("300000000\n"));
}

#[tokio::test]
async fn a_cgroup_counts_all_processes_and_is_removed_with_what_left_the_process_group() {
    let handler = CommandHandler::default();
    if group(&handler).await.is_none() {
        return;
    }
    // Each of the two has enough for itself.
    let both = "for n in 1 2; do head -c 40000000 /dev/zero | tail | (sleep 1; cat) >/dev/null & done; wait";
    let failure = run(&handler, script(both, ENOUGH)).await.expect_err("both have too much");
    assert_eq!(failure.code, "OUT_OF_MEMORY", "{failure:?}");
    let line = "setsid sleep 1000 > /dev/null 2>&1 & echo $!; cat /proc/self/cgroup";
    let result = run(&handler, script(line, ENOUGH)).await.expect("succeeds");
    let text = result["stdout"].as_str().expect("is text");
    let daemon = text.lines().next().expect("is there");
    let group = text.lines().find_map(|line| line.strip_prefix("0::")).expect("is there");
    let runs = std::fs::read_to_string(format!("/proc/{daemon}/stat"));
    assert!(!runs.is_ok_and(|stat| !stat.contains(") Z ")), "it goes on");
    let mounts = std::fs::read_to_string("/proc/mounts").expect("is readable");
    let mount = mounts.lines().find(|line| line.contains(" cgroup2 ")).expect("is mounted");
    let mount = mount.split(' ').nth(1).expect("has a place");
    assert!(!std::path::Path::new(&format!("{mount}{group}")).exists(), "{group} is still there");
}

#[tokio::test]
async fn what_cannot_be_started_says_so_with_a_limit_too() {
    let handler = CommandHandler::default();
    for output_limit in [0, 1_000_000] {
        let missing = json!({
            "argv": ["/nao/existe"], "memory_limit": ENOUGH, "output_limit": output_limit
        });
        let failure = run(&handler, missing).await.expect_err("there is no such program");
        assert_eq!(failure.code, "SPAWN_FAILED");
        assert!(failure.message.contains("/nao/existe"), "{failure:?}");
    }
    let own = run(&handler, script("echo gone >&2; exit 127", ENOUGH)).await;
    assert_eq!(own.expect_err("it fails").code, "NON_ZERO_EXIT");
}

#[tokio::test]
async fn the_rest_is_as_without_a_limit() {
    let handler = CommandHandler::default();
    let mut order = script("read line; echo $line $X $0; pwd; exit 0", ENOUGH);
    order["argv"].as_array_mut().expect("is one").push(json!("a b"));
    (order["env"], order["stdin"], order["cwd"]) =
        (json!({ "X": "y" }), json!("in\n"), json!("/usr"));
    let result = run(&handler, order).await.expect("succeeds");
    assert_eq!(result["stdout"], json!("in y a b\n/usr\n"));
    for (field, value) in [("memory_limit", json!(0)), ("env", json!({ "a.b": "c" }))] {
        let mut order = script("true", ENOUGH);
        order[field] = value;
        assert_eq!(run(&handler, order).await.expect_err("is refused").code, "INVALID_PAYLOAD");
    }
}
