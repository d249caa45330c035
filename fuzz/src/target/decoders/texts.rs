//! What people write, and what goes by names.

use std::fs;
use std::path::{Component, Path};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::ensure;
use common::blobs::{Hash, is_pattern, pattern_fits, relative_path};
use common::endpoint::Endpoint;
use common::tls::Certificate;
use common::{array_id, auth};
use orquestrador_schedule::Plan;
use simulation::random::Random;

use super::Tools;
use crate::words;

const CERTIFICATE: &[u8] = include_bytes!("../worker.pem");
const FLOWS: [&str; 4] = [
    "[tasks.a]\nhandler = \"echo\"\npayload = \"x\"\n[tasks.b]\nafter = [\"a\"]\ncommand = [\"true\"]\n",
    "group = \"g\"\n[defaults]\nqueue = \"q\"\nretries = 3\n[tasks.a]\narray = \"0-999\"\nshell = \"echo $X\"\nattempt_timeout = \"5m\"\n",
    "[tasks.a]\nhandler = \"echo\"\npayload = { x = 1 }\npriority = -3\ndelay = \"1s\"\nretry_on = [\"TIMEOUT\"]\n",
    "[tasks.a]\nshell = \"true\"\ninputs = [\"/etc/hostname\"]\noutputs = [\"*.txt\"]\nnot_before = \"2030-01-01T00:00:00Z\"\nenv = { A = \"b\" }\n",
];
const EXPRESSIONS: [&str; 14] = [
    "* * * * *",
    "0 0 31 2 *",
    "*/7 */5 * * * *",
    "0 0 29 2 MON",
    "59 23 L * *",
    "0 2 * * SUN#1",
    "@hourly",
    "@every 1s",
    "@every 1ms",
    "@every 9999999d",
    "0-59/1,3 1-5 1W 1,2 5L",
    "@yearly",
    "0 0 1 1 *",
    "30 2 * * *",
];
const ZONES: [&str; 6] =
    ["UTC", "America/Sao_Paulo", "Europe/Lisbon", "Asia/Kolkata", "Pacific/Apia", "Nowhere/X"];
const NAMES: [&str; 14] = [
    "a",
    "a/b/c",
    "../a",
    "/a",
    "a/../b",
    "./a",
    "a//b",
    "*.txt",
    "**/x",
    "[a-",
    "[!a]?",
    "a\\b",
    "0199a5f2-7e00-8000-8000-000000000000",
    "0199a5f2-7e00-8000-8000-000000000001_7",
];

pub fn any(random: &mut Random) -> Vec<u8> {
    if random.coin() { words::nasty(random) } else { words::any(random) }
}

fn pick(of: &[&str], random: &mut Random) -> String {
    of[random.index(of.len())].to_owned()
}

/// Expression, zone, and two moments, a line each.
pub fn plan(random: &mut Random) -> Vec<u8> {
    let moment = |random: &mut Random| match random.coin() {
        true => 1_764_000_000_000 + random.between(0, 1 << 40),
        false => words::number(random),
    };
    let (a, b) = (moment(random), moment(random));
    format!("{}\n{}\n{a}\n{b}", pick(&EXPRESSIONS, random), pick(&ZONES, random)).into_bytes()
}

pub fn read_plan(_: &Tools, bytes: &[u8]) -> anyhow::Result<()> {
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<_> = text.split('\n').collect();
    let [expression, zone, after, anchor, ..] = lines[..] else { return Ok(()) };
    let Ok(plan) = Plan::parse(expression, zone) else { return Ok(()) };
    let number = |text: &str| text.parse::<u64>().unwrap_or(1_764_000_000_000);
    let (after, anchor) = (number(after), number(anchor));
    let Some(next) = plan.next_after(after, anchor) else { return Ok(()) };
    ensure!(next > after, "the moment after {after} is {next}");
    // As the machine asks: from a known moment to a later one.
    let until = next.saturating_add(86_400_000);
    let last = plan.last_until(until, next, anchor);
    ensure!((next..=until).contains(&last), "the last one until {until} is {last}");
    let first = plan.first_of_last(3, until, next, anchor);
    ensure!((next..=until).contains(&first), "the first of three until {until} is {first}");
    Ok(())
}

pub fn name(random: &mut Random) -> Vec<u8> {
    pick(&NAMES, random).into_bytes()
}

pub fn read_name(_: &Tools, bytes: &[u8]) -> anyhow::Result<()> {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(path) = relative_path(&text) {
        let is_inside = path.components().all(|part| matches!(part, Component::Normal(_)));
        ensure!(is_inside && !path.as_os_str().is_empty(), "{text:?} leads out: {path:?}");
    }
    if is_pattern(&text) {
        drop(pattern_fits(Path::new(&*text), Path::new("a/b.txt")));
    }
    drop((array_id::of_task(&text), array_id::is_array(&text), array_id::shown(&text)));
    drop((array_id::task(&text, u32::MAX), auth::token_name(&text).map(str::len)));
    if let Some(hash) = Hash::from_hex(&text) {
        ensure!(Hash::from_hex(&hash.to_string()) == Some(hash), "{text:?} is another hash");
    }
    Ok(())
}

pub fn certificate(random: &mut Random) -> Vec<u8> {
    match random.between(0, 3) {
        0 => CERTIFICATE.repeat(random.between(1, 4) as usize),
        _ => CERTIFICATE.to_vec(),
    }
}

pub fn read_certificate(_: &Tools, bytes: &[u8]) -> anyhow::Result<()> {
    drop((Certificate::of_pem(bytes), Certificate::of_der(bytes)));
    Ok(())
}

pub fn address(random: &mut Random) -> Vec<u8> {
    const SOME: [&str; 8] = [
        "localhost:50051",
        "http://a:1",
        "https://[::1]:9",
        "http://a/b",
        "a",
        ":1",
        "http://a:b@c:1",
        "https://a:99999",
    ];
    pick(&SOME, random).into_bytes()
}

pub fn read_address(_: &Tools, bytes: &[u8]) -> anyhow::Result<()> {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(endpoint) = text.parse::<Endpoint>() {
        let shown = endpoint.to_string();
        ensure!(
            shown.parse::<Endpoint>().is_ok_and(|again| again == endpoint),
            "{text:?} is shown as {shown:?}"
        );
    }
    Ok(())
}

pub fn flow(random: &mut Random) -> Vec<u8> {
    pick(&FLOWS, random).into_bytes()
}

pub fn read_flow(tools: &Tools, bytes: &[u8]) -> anyhow::Result<()> {
    run(tools, bytes, &["--orchestrators", "127.0.0.1:1", "submit", "--file"])
}

pub fn show_certificate(tools: &Tools, bytes: &[u8]) -> anyhow::Result<()> {
    run(tools, bytes, &["certs", "show"])
}

/// With the bytes in a file. Whoever goes on after half a second has read it, and looks for a cluster.
fn run(tools: &Tools, bytes: &[u8], args: &[&str]) -> anyhow::Result<()> {
    let file = tools.dir.join("input");
    fs::write(&file, bytes)?;
    let mut child = Command::new(&tools.cliente)
        .args(args)
        .arg(&file)
        .envs([("MUTIRAO_USER", "x"), ("MUTIRAO_TOKEN", "of-nobody-at-all")])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let began = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            ensure!(status.code().is_some_and(|code| code != 101), "it ended with {status}");
            return Ok(());
        }
        if began.elapsed() > Duration::from_millis(500) {
            child.kill()?;
            child.wait()?;
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(3));
    }
}
