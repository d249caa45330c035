//! What of an array ends with it before its turn is told in one.

use super::*;

/// Of each message to this array's receivers, what it tells of: the numbers, and the state.
fn told(all: &[Got], array: &str) -> Vec<(Value, String)> {
    let of_array = all.iter().filter(|got| got.answer == 204).map(Got::json);
    let of_array = of_array.filter(|told| told["data"]["array_id"] == array);
    let told = of_array.map(|told| {
        let data = &told["data"];
        let numbers = match told["type"].as_str() {
            Some("array.rest_finished") => data["array_indexes"].clone(),
            _ => data["array_index"].clone(),
        };
        (numbers, data["state"].as_str().unwrap_or_default().to_owned())
    });
    told.collect()
}

#[test]
fn an_array_that_fails_or_is_cancelled_is_told_whole_by_the_next_principal() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let receiver = Receiver::start(503)?;
    let allowed = [receiver.url("/")];
    let (cli, mut cluster) = cluster(dir.path(), &allowed, &["--webhook-retry-ms", "1000"])?;
    let hook = receiver.url("/hook");
    let echo = ["--handler", "echo", "--payload", "x"];
    let first = cli.submit(&[&echo[..], &["--delay", "1h"]].concat())?;
    let later = ["--after", &first, "--webhook", &hook, "--array", "3-9"];
    let array = || -> anyhow::Result<String> {
        let submitted = cli.json(&[&["submit"], &echo[..], &later].concat())?;
        Ok(submitted[0]["array_id"].as_str().context("it has an id")?.to_owned())
    };
    let (skipped, cancelled) = (array()?, array()?);
    cli.json(&["cancel", &cancelled])?;
    cli.json(&["cancel", &first])?;
    receiver.wait_for(|all| all.len() >= 4)?;
    cluster.kill_principal()?;
    receiver.answer_from_now(204);
    let all = receiver.wait_for(|all| {
        told(all, &skipped).len() + told(all, &cancelled).len() >= 4
            && all.iter().all(Got::is_signed)
    })?;
    let rest = serde_json::json!([[4, 9]]);
    for (array, state) in [(&skipped, "FAILED"), (&cancelled, "CANCELLED")] {
        let told = told(&all, array);
        let is_told = |numbers: &Value| told.contains(&(numbers.clone(), state.to_owned()));
        assert!(is_told(&3.into()) && is_told(&rest), "{told:?}");
        let id = format!("finished_{array}");
        let of_rest = all.iter().filter(|got| got.header("webhook-id") == id);
        let bodies: Vec<_> = of_rest.map(|got| &got.body).collect();
        assert!(bodies.len() > 1 && bodies.windows(2).all(|two| two[0] == two[1]), "{bodies:?}");
    }
    let id = format!("finished_{skipped}");
    let of_rest = all.iter().find(|got| got.header("webhook-id") == id).context("it was told")?;
    let data = &of_rest.json()["data"];
    assert_eq!(data["error"]["code"], "DEPENDENCY_FAILED", "{data}");
    assert_eq!((&data["tasks"], &data["task_id"]), (&6.into(), &Value::Null), "{data}");
    Ok(())
}
