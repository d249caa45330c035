//! The library against a scripted pair: what a caller notices of a failover.

mod support;

use std::pin::pin;
use std::time::{Duration, Instant};

use cliente::TaskSpec;
use common::error_code::ErrorCode;
use common::proto::TaskState;
use futures::{FutureExt as _, StreamExt as _};
use support::{ASKED_TO_WAIT, Mood, Node, Pair, client, pair};

/// Longer than anything takes on a machine that works.
const LONG: Duration = Duration::from_secs(60);

fn echo(text: &str) -> TaskSpec {
    TaskSpec::new("echo", text.as_bytes().to_vec())
}

fn submissions(node: &Node) -> Vec<String> {
    node.calls().into_iter().filter(|call| call.starts_with("submit")).collect()
}

#[tokio::test]
async fn an_acknowledgement_that_was_lost_is_given_again_and_nothing_is_done_twice() {
    let (pair, mut principal, standby) = pair();
    principal.set(Mood::Deaf);
    let client = client(&[&principal, &standby], LONG);
    let task = echo("x");
    let id = task.task_id.clone();
    let submission = tokio::spawn({
        let client = client.clone();
        async move { client.submit(task, false).await }
    });
    pair.until(|store| store.tasks.contains_key(&id)).await;
    principal.kill();
    standby.set_epoch(2);
    standby.set(Mood::Principal);
    let submitted = submission.await.expect("does not panic").expect("is acknowledged");
    assert!(submitted.existed);
    assert_eq!((submitted.task.task_id.as_str(), submitted.receipt.epoch), (id.as_str(), 2));
    assert_eq!(pair.store().tasks.len(), 1);
    assert_eq!(submissions(&principal), [format!("submit {id}")]);
    assert!(submissions(&standby).iter().all(|call| *call == format!("submit {id}")));
}

#[tokio::test]
async fn a_refusal_that_names_the_principal_leads_to_it_at_once() {
    let pair = Pair::new();
    let principal = Node::start(&pair, Mood::Principal, 1);
    let bystander = Node::start(&pair, Mood::Standby(None), 1);
    let standby = Node::start(&pair, Mood::Standby(Some(principal.address())), 1);
    let client = client(&[&standby, &bystander, &principal], LONG);
    client.submit(echo("x"), false).await.expect("is accepted");
    client.submit(echo("y"), false).await.expect("is accepted");
    assert_eq!(bystander.calls(), Vec::<String>::new());
    assert_eq!((submissions(&standby).len(), submissions(&principal).len()), (1, 2));
}

#[tokio::test]
async fn a_principal_that_is_only_named_is_asked_too() {
    let (_pair, principal, standby) = pair();
    let client = client(&[&standby], LONG);
    client.submit(echo("x"), false).await.expect("is accepted");
    assert_eq!(client.endpoint(), Some(principal.endpoint()));
}

#[tokio::test]
async fn an_answer_of_a_lower_epoch_is_not_believed() {
    let (_pair, old, new) = pair();
    old.set(Mood::Standby(None));
    new.set(Mood::Principal);
    new.set_epoch(5);
    let client = client(&[&old, &new], Duration::from_millis(500));
    let task = echo("x");
    let id = task.task_id.clone();
    client.submit(task, false).await.expect("is accepted");

    // The fenced one believes itself principal again, and the other cannot be asked.
    new.set(Mood::Standby(None));
    old.set(Mood::Principal);
    let refusal = client.task(&id).await.expect_err("nobody else answers");
    // Whichever of the two was asked last.
    let told = [ErrorCode::Unavailable, ErrorCode::NotPrimary];
    assert!(told.contains(&refusal.code), "{refusal}");

    old.set_epoch(6);
    let (_, receipt) = client.task(&id).await.expect("it is the principal of the next epoch");
    assert_eq!(receipt.epoch, 6);
}

#[tokio::test]
async fn a_principal_that_does_not_answer_is_left_before_the_time_is_up() {
    let (_pair, principal, standby) = pair();
    principal.set(Mood::Silent);
    standby.set(Mood::Principal);
    let client = client(&[&principal, &standby], LONG);
    let began = Instant::now();
    client.submit(echo("x"), false).await.expect("the other one accepts");
    assert!(began.elapsed() < LONG / 2, "{:?}", began.elapsed());
}

#[tokio::test]
async fn an_overloaded_principal_is_asked_again_and_nobody_else_is() {
    for code in [ErrorCode::QueueFull, ErrorCode::QuotaExceeded, ErrorCode::Overloaded] {
        let (_pair, principal, standby) = pair();
        principal.set(Mood::Refuses(code, 3));
        let client = client(&[&principal, &standby], LONG);
        let task = echo("x");
        let expected = vec![format!("submit {}", task.task_id); 4];
        client.submit(task, false).await.expect("is accepted in the end");
        assert_eq!(submissions(&principal), expected);
        assert_eq!(standby.calls(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn an_overload_that_lasts_is_reported_as_what_it_is() {
    let (_pair, principal, standby) = pair();
    principal.set(Mood::Refuses(ErrorCode::QueueFull, u32::MAX));
    let client = client(&[&principal, &standby], Duration::from_millis(300));
    let refusal = client.submit(echo("x"), false).await.expect_err("the queue stays full");
    assert_eq!(refusal.code, ErrorCode::QueueFull);
}

#[tokio::test]
async fn who_is_asked_to_wait_longer_than_there_is_time_is_told_and_many_tasks_wait() {
    let (_pair, principal, standby) = pair();
    let client = client(&[&principal, &standby], ASKED_TO_WAIT - Duration::from_millis(100));
    principal.set(Mood::Refuses(ErrorCode::RateLimited, 1));
    let refusal = client.submit(echo("x"), false).await.expect_err("there is no time");
    assert_eq!((refusal.code, refusal.retry_after), (ErrorCode::RateLimited, Some(ASKED_TO_WAIT)));
    principal.set(Mood::Refuses(ErrorCode::RateLimited, 2));
    let done = client.submit_many(vec![echo("x"), echo("y")], false).await.expect("in the end");
    assert_eq!(done.iter().map(|batch| batch.accepted).sum::<u32>(), 2);
    assert_eq!(standby.calls(), Vec::<String>::new());
}

#[tokio::test]
async fn more_than_a_user_may_have_unfinished_goes_in_parts() {
    let (pair, principal, standby) = pair();
    let client = client(&[&principal, &standby], LONG);
    principal.set(Mood::Refuses(ErrorCode::QuotaTooSmall, 2));
    let tasks: Vec<_> = (0..9).map(|n| echo(&n.to_string())).collect();
    let ids: Vec<_> = tasks.iter().map(|task| task.task_id.clone()).collect();
    let done = client.submit_many(tasks, false).await.expect("its parts fit");
    assert_eq!(done.into_iter().flat_map(|batch| batch.task_ids).collect::<Vec<_>>(), ids);
    assert_eq!(submissions(&principal), [9, 4, 2, 2, 5].map(|n| format!("submit {n} tasks")));
    assert_eq!(pair.store().tasks.len(), 9);
    principal.set(Mood::Refuses(ErrorCode::QuotaTooSmall, u32::MAX));
    let refusal = client.submit_many(vec![echo("x")], false).await.expect_err("one is too much");
    assert_eq!(refusal.code, ErrorCode::QuotaTooSmall);
}

#[tokio::test]
async fn nobody_there_is_said_in_bounded_time() {
    let (_pair, mut principal, mut standby) = pair();
    let dead = client(&[&principal, &standby], Duration::from_millis(400));
    let silent = client(&[&principal, &standby], Duration::from_millis(400));
    principal.set(Mood::Silent);
    standby.set(Mood::Silent);
    let began = Instant::now();
    let refusal = silent.submit(echo("x"), false).await.expect_err("nobody answers");
    assert_eq!(refusal.code, ErrorCode::Unavailable);
    principal.kill();
    standby.kill();
    let refusal = dead.submit(echo("x"), false).await.expect_err("nobody is there");
    assert_eq!(refusal.code, ErrorCode::Unavailable);
    assert_eq!(dead.cluster().await.expect_err("nobody is there").code, ErrorCode::Unavailable);
    assert!(began.elapsed() < LONG / 2, "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_refusal_for_good_is_not_repeated() {
    let (_pair, principal, standby) = pair();
    let client = client(&[&principal, &standby], LONG);
    let refusal =
        client.task("0190b4a0-0000-7000-8000-000000000001").await.expect_err("is unknown");
    assert_eq!(refusal.code, ErrorCode::TaskNotFound);
    assert_eq!(principal.calls(), ["get"]);
}

#[tokio::test]
async fn a_payload_that_is_too_large_is_not_sent() {
    let (_pair, principal, standby) = pair();
    let client = client(&[&principal, &standby], LONG);
    // No page of it is ever touched.
    let large = || TaskSpec::new("echo", vec![0; (1 << 30) + 1]);
    let one = client.submit(large(), false).await.expect_err("is too large");
    let many =
        client.submit_many(vec![echo("x"), large()], false).await.expect_err("one is too large");
    assert_eq!((one.code, many.code), (ErrorCode::InvalidArgument, ErrorCode::InvalidArgument));
    assert_eq!(principal.calls(), Vec::<String>::new());
}

#[tokio::test]
async fn many_tasks_are_acknowledged_in_their_order() {
    let (pair, principal, standby) = pair();
    let client = client(&[&principal, &standby], LONG);
    let tasks: Vec<_> = (0..12_000).map(|n| echo(&n.to_string())).collect();
    let ids: Vec<_> = tasks.iter().map(|task| task.task_id.clone()).collect();
    let batches = client.submit_many(tasks, false).await.expect("are accepted");
    assert_eq!(batches.iter().map(|batch| batch.accepted).sum::<u32>(), 12_000);
    assert_eq!(batches.into_iter().flat_map(|batch| batch.task_ids).collect::<Vec<_>>(), ids);
    assert_eq!(pair.store().tasks.len(), 12_000);
}

#[tokio::test]
async fn a_wait_goes_on_at_the_new_principal_and_tells_each_end_once() {
    let (pair, mut principal, standby) = pair();
    let client = client(&[&principal, &standby], LONG);
    let tasks = [echo("a"), echo("b"), echo("c")];
    let ids = tasks.clone().map(|task| task.task_id);
    client.submit_many(tasks.to_vec(), false).await.expect("are accepted");
    let mut ends = pin!(client.wait_many(ids.to_vec(), true));
    pair.finish(&ids[0], b"a");
    let first = ends.next().await.expect("there are three").expect("is told");
    assert_eq!(
        (first.task.expect("is set").task_id, first.result),
        (ids[0].clone(), b"a".to_vec().into())
    );

    // One ends while nobody is there to tell it, one afterwards.
    principal.kill();
    pair.finish(&ids[1], b"b");
    standby.set(Mood::Principal);
    let second = ends.next().await.expect("there are three").expect("is told");
    assert_eq!(
        (second.task.expect("is set").task_id, second.result),
        (ids[1].clone(), b"b".to_vec().into())
    );
    pair.finish(&ids[2], b"c");
    let third = ends.next().await.expect("there are three").expect("is told");
    assert_eq!(third.task.expect("is set").task_id, ids[2]);
    assert!(ends.next().await.is_none());
}

#[tokio::test]
async fn a_watch_that_fell_behind_begins_again_at_the_same_principal() {
    let (pair, principal, standby) = pair();
    principal.set(Mood::Lags(2));
    let client = client(&[&principal, &standby], LONG);
    let task = echo("x");
    let id = task.task_id.clone();
    client.submit(task, false).await.expect("is accepted");
    let mut ends = pin!(client.wait_many(vec![id.clone()], false));
    let (end, ()) = tokio::join!(ends.next(), async {
        while principal.calls().iter().filter(|call| call.starts_with("watch")).count() < 3 {
            tokio::task::yield_now().await;
        }
        pair.finish(&id, b"x");
    });
    let end = end.expect("it ends").expect("without an error");
    assert_eq!(end.task.expect("is set").state(), TaskState::Succeeded);
    assert_eq!(standby.calls(), Vec::<String>::new());
}

#[tokio::test]
async fn a_silent_watch_that_breaks_has_the_whole_timeout_to_find_the_new_principal() {
    let (pair, mut principal, standby) = pair();
    let timeout = Duration::from_secs(3);
    let client = client(&[&principal, &standby], timeout);
    let task = echo("x");
    let id = task.task_id.clone();
    client.submit(task, false).await.expect("is accepted");
    let mut updates = pin!(client.watch(vec![id.clone()], false));
    let queued = updates.next().await.expect("comes first").expect("is told");
    assert_eq!(queued.task.expect("is set").state(), TaskState::Queued);
    // The subject of the test: nothing happens for longer than the timeout.
    tokio::time::sleep(timeout + Duration::from_millis(200)).await;
    principal.kill();
    let failover = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        standby.set(Mood::Principal);
        pair.finish(&id, b"x");
    };
    let follow = async {
        while let Some(update) = updates.next().await {
            if update.expect("no error").task.expect("is set").state() == TaskState::Succeeded {
                return true;
            }
        }
        false
    };
    let (finished, ()) = tokio::join!(follow, failover);
    assert!(finished);
}

#[tokio::test]
async fn a_watch_leaves_a_principal_that_is_stuck_when_another_is_elected() {
    let (pair, principal, standby) = pair();
    // Shorter than the silence before it: the search begins when the principal is left.
    let client = client(&[&principal, &standby], Duration::from_secs(1));
    let task = echo("x");
    let id = task.task_id.clone();
    client.submit(task, false).await.expect("is accepted");
    let mut updates = pin!(client.watch(vec![id.clone()], true));
    let queued = updates.next().await.expect("comes first").expect("is told");
    assert_eq!(queued.task.expect("is set").state(), TaskState::Queued);
    // Its connection lives, so that nothing breaks the stream.
    principal.set(Mood::Silent);
    standby.set_epoch(2);
    standby.set(Mood::Principal);
    pair.finish(&id, b"x");
    let follow = async {
        while let Some(update) = updates.next().await {
            let task = update.expect("no error").task.expect("is set");
            if task.state() == TaskState::Succeeded {
                return true;
            }
        }
        false
    };
    assert!(tokio::time::timeout(LONG / 2, follow).await.expect("it does not hang"));
}

#[tokio::test]
async fn a_watch_of_all_tells_once_what_ended_within_a_failover() {
    let (pair, mut principal, standby) = pair();
    let client = client(&[&principal, &standby], LONG);
    let mut updates = pin!(client.watch_all(true));
    let tasks = [echo("a"), echo("b"), echo("c")];
    let ids = tasks.each_ref().map(|task| task.task_id.clone());
    // It is established once it tells of something.
    let mut told: Vec<(String, TaskState)> = Vec::new();
    while told.is_empty() {
        client.submit(echo("probe"), false).await.expect("is accepted");
        if let Some(update) = updates.next().now_or_never() {
            let task = update.expect("goes on").expect("no error").task.expect("is set");
            told.push((task.task_id.clone(), task.state()));
        }
        tokio::task::yield_now().await;
    }
    client.submit_many(tasks.to_vec(), false).await.expect("is accepted");
    let mut next = async || {
        let update = updates.next().await.expect("goes on").expect("no error");
        let task = update.task.expect("is set");
        (task.task_id.clone(), task.state(), update.result)
    };
    let mut open: Vec<_> = ids.to_vec();
    while !open.is_empty() {
        let (id, _, _) = next().await;
        open.retain(|other| *other != id);
    }
    pair.finish(&ids[0], b"a");
    while next().await.0 != ids[0] {}
    principal.kill();
    // Nobody tells of its beginning, nor of its end.
    let between = echo("d");
    pair.submit(&between.clone().into());
    pair.finish(&ids[1], b"b");
    pair.finish(&between.task_id, b"d");
    standby.set_epoch(2);
    standby.set(Mood::Principal);
    let mut ends = Vec::new();
    while ends.len() < 2 {
        let (id, state, result) = next().await;
        if state == TaskState::Succeeded {
            ends.push((id, result.to_vec()));
        }
    }
    ends.sort();
    let mut expected = [(ids[1].clone(), b"b".to_vec()), (between.task_id, b"d".to_vec())];
    expected.sort();
    assert_eq!(ends, expected, "each once, and not the one that was told before");
    pair.finish(&ids[2], b"c");
    while next().await.0 != ids[2] {}
}

#[tokio::test]
async fn an_id_in_another_spelling_is_the_same_task() {
    let (_pair, principal, standby) = pair();
    let client = client(&[&principal, &standby], LONG);
    let id = "0190b4a0-0000-7000-8000-00000000abcd";
    for spelling in [id.to_uppercase(), id.replace('-', ""), format!("{{{id}}}")] {
        let task = TaskSpec { task_id: spelling.clone(), ..echo("x") };
        let batches = client.submit_many(vec![task], false).await.expect("is accepted");
        assert_eq!(batches[0].task_ids, [id]);
        assert_eq!(client.task(&spelling).await.expect("is known").0.task_id, id);
        assert_eq!(client.result(&spelling).await.expect("is known").0.task_id, id);
    }
    let cancelled = client.cancel(&id.to_uppercase()).await.expect("is known");
    assert_eq!(cancelled.0.task_id, id);
}

#[tokio::test]
async fn no_time_is_too_long_for_the_clock() {
    let (_pair, principal, standby) = pair();
    let patient = client(&[&principal, &standby], Duration::MAX);
    patient.submit(echo("x"), false).await.expect("is accepted");
    patient.cluster().await.expect("one answers");
    let mut ends =
        pin!(patient.wait_many(vec!["0190b4a0-0000-7000-8000-000000000001".into()], false));
    assert!(ends.next().await.expect("is told").expect("is no error").not_found);
    // These nodes know no such request; the point is that it is refused.
    patient.shutdown(Duration::MAX).await.expect_err("is no real node");
}

#[tokio::test]
async fn a_wait_ends_with_an_error_when_no_principal_comes() {
    let (_pair, mut principal, mut standby) = pair();
    let client = client(&[&principal, &standby], Duration::from_millis(400));
    let task = echo("x");
    let id = task.task_id.clone();
    client.submit(task, false).await.expect("is accepted");
    let mut ends = pin!(client.wait_many(vec![id], false));
    principal.kill();
    standby.kill();
    let refusal = ends.next().await.expect("an error comes").expect_err("nobody is there");
    assert_eq!(refusal.code, ErrorCode::Unavailable);
    assert!(ends.next().await.is_none());
}

#[tokio::test]
async fn a_run_that_was_forgotten_has_no_end_to_tell() {
    let (pair, mut principal, standby) = pair();
    let client = client(&[&principal, &standby], LONG);
    pair.change(|store| store.works = true);
    // So that it is submitted and waited for step by step.
    principal.kill();
    standby.set_epoch(2);
    standby.set(Mood::Principal);
    let task = TaskSpec { handler: "forgotten".into(), ..echo("x") };
    let refusal = client.run(task, true).await.expect_err("has no end");
    assert_eq!(refusal.code, ErrorCode::TaskNotFound);
    let (task, result) = client.run(echo("y"), false).await.expect("ends");
    assert_eq!((task.state(), &result[..]), (TaskState::Succeeded, &b"y"[..]));
}

#[tokio::test]
async fn what_does_not_exist_is_not_waited_for() {
    let (_pair, principal, standby) = pair();
    let client = client(&[&principal, &standby], LONG);
    let mut ends =
        pin!(client.wait_many(vec!["0190b4a0-0000-7000-8000-000000000001".into()], false));
    assert!(ends.next().await.expect("is told").expect("is no error").not_found);
    assert!(ends.next().await.is_none());
    // That it is over is no reason to leave the principal.
    assert_eq!(client.endpoint(), Some(principal.endpoint()));
}

#[tokio::test]
async fn a_paused_principal_does_not_delay_the_view_of_the_cluster() {
    let (_pair, principal, standby) = pair();
    principal.set(Mood::Silent);
    standby.set(Mood::Principal);
    standby.set_epoch(2);
    let client = client(&[&principal, &standby], LONG);
    let began = Instant::now();
    assert_eq!(client.cluster().await.expect("one answers").epoch, 2);
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_standby_tells_of_the_cluster_when_the_principal_is_gone() {
    let (_pair, mut principal, standby) = pair();
    principal.kill();
    let client = client(&[&principal, &standby], LONG);
    assert_eq!(client.cluster().await.expect("one answers").epoch, 1);
}
