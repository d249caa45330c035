//! What is likely to matter to whoever reads it: names and ids that are known, and values at the edges.

use simulation::random::Random;

/// Stands for the id of the cluster that is spoken to, as text and as bytes: of the same length, so it is put in at the end.
pub const CLUSTER_TEXT: &str = "c1a55e0c-1a55-7c1a-a55e-0c1a55e0c1a5";
/// The same in 16 bytes.
pub const CLUSTER_BYTES: [u8; 16] = [
    0xc1, 0xa5, 0x5e, 0x0c, 0x1a, 0x55, 0x7c, 0x1a, 0xa5, 0x5e, 0x0c, 0x1a, 0x55, 0xe0, 0xc1, 0xa5,
];

/// Users that the rig adds for this.
pub const USERS: [&str; 3] = ["fuzz-admin", "fuzz-user", "fuzz-viewer"];

const TEXTS: [&str; 72] = [
    "",
    " ",
    "\0",
    "a\0b",
    "a",
    "default",
    "batch",
    "echo",
    "simulated",
    "command",
    "mandelbrot",
    "fuzz-user",
    "fuzz-admin",
    "fuzz-viewer",
    "nobody",
    "user1",
    "main",
    "ci",
    "localhost:50061",
    "worker-1",
    "[::1]:0",
    "zone",
    "gpus",
    "cpus",
    "memory",
    "../../etc/passwd",
    "/etc/passwd",
    "..",
    ".",
    "a/b",
    "C:\\x",
    "%00",
    "%s%n",
    "{}",
    "{\"a\":1}",
    "[",
    "null",
    "\u{202e}gnp.exe",
    "\u{feff}",
    "é",
    "👩‍👩‍👧‍👦",
    "\r\n\r\n",
    "\n",
    "\t",
    "-1",
    "0",
    "1e309",
    "NaN",
    "* * * * *",
    "0 0 31 2 *",
    "*/5 * * * * *",
    "@hourly",
    "every 1s",
    "every 18446744073709551615s",
    "0 0 29 2 *",
    "59 23 L * *",
    "UTC",
    "Europe/Lisbon",
    "America/Sao_Paulo",
    "Mars/Olympus",
    "http://127.0.0.1:1/",
    "https://a.example/x",
    "http://[::1",
    "file:///etc/passwd",
    "http://a:b@c/",
    "HANDLER_ERROR",
    "QUARANTINED",
    "TIMEOUT",
    "info",
    "warn,x=debug",
    "mutirao.main.x",
    "mutirao..",
];

const NUMBERS: [u64; 26] = [
    0,
    1,
    2,
    3,
    7,
    15,
    16,
    64,
    100,
    255,
    256,
    1_000,
    1_001,
    4_096,
    4_097,
    10_000,
    10_001,
    65_535,
    65_536,
    1 << 31,
    u32::MAX as u64,
    (u32::MAX as u64) + 1,
    i64::MAX as u64,
    1 << 63,
    u64::MAX - 1,
    u64::MAX,
];

/// One of a few ids that are used again and again, so that they are met.
pub fn id(random: &mut Random) -> String {
    let n = random.between(0, 47);
    match random.between(0, 30) {
        0 => CLUSTER_TEXT.to_owned(),
        1 => "00000000-0000-0000-0000-000000000000".to_owned(),
        2 => "ffffffff-ffff-ffff-ffff-ffffffffffff".to_owned(),
        // Of an array, and of a task of it.
        3..=8 => format!("0199a5f2-7e00-8000-8000-0000{:04x}{:04x}", n % 8, random.between(0, 3)),
        _ => format!("0199a5f2-7e00-7000-8000-{n:012x}"),
    }
}

/// A number at an edge, or any.
pub fn number(random: &mut Random) -> u64 {
    match random.between(0, 9) {
        0..=4 => NUMBERS[random.index(NUMBERS.len())],
        5 => random.next(),
        6 => 1 << random.between(0, 63),
        _ => random.between(0, 12),
    }
}

/// A text for a field of this name; not always UTF-8.
pub fn text(field: &str, random: &mut Random) -> Vec<u8> {
    if random.one_in_thousand(60) {
        return nasty(random);
    }
    let pick = |of: &[&str], random: &mut Random| of[random.index(of.len())].as_bytes().to_vec();
    let is_id =
        field.ends_with("task_id") || field.ends_with("array_id") || field.contains("incarnation");
    if random.one_in_thousand(850) {
        match field {
            _ if is_id || matches!(field, "of" | "task_ids" | "after") => {
                return id(random).into_bytes();
            }
            "cluster_id" if random.one_in_thousand(800) => return CLUSTER_TEXT.as_bytes().to_vec(),
            "handler" | "handlers" => return pick(&["echo", "echo", "none", "simulated"], random),
            "queue" => return pick(&["", "default", "batch", "q2"], random),
            // Seldom those who call: most would be locked out soon.
            "user" | "owner" | "as" if random.one_in_thousand(150) => return pick(&USERS, random),
            "user" | "owner" | "as" => return pick(&["u1", "u2", "u3"], random),
            "worker_id" => return format!("liar-{}", random.between(0, 5)).into_bytes(),
            "group" => return pick(&["", "g1", "g2"], random),
            "zone" => return pick(&["UTC", "Europe/Lisbon", "", "America/Sao_Paulo"], random),
            "expression" | "cron" => {
                return pick(
                    &["* * * * *", "0 0 31 2 *", "*/5 * * * * *", "every 90s", "0 0 29 2 *"],
                    random,
                );
            }
            "name" | "schedule" => return pick(&["s1", "s2", "main", "ci"], random),
            _ => {}
        }
    }
    pick(&TEXTS, random)
}

/// What no field wants.
pub fn nasty(random: &mut Random) -> Vec<u8> {
    match random.between(0, 5) {
        0 => vec![0xff, 0xfe, 0x80],
        1 => b"ok\xc3".to_vec(),
        2 => vec![b'a'; random.between(100, 70_000) as usize],
        3 => "ü".repeat(random.between(1, 3_000) as usize).into_bytes(),
        4 => (0..random.between(0, 200)).map(|_| random.next() as u8).collect(),
        _ => vec![b'['; random.between(1, 20_000) as usize],
    }
}

/// Bytes for a field of this name.
pub fn bytes(field: &str, random: &mut Random) -> Vec<u8> {
    match (field, random.between(0, 9)) {
        ("cluster_id", 0..=5) => CLUSTER_BYTES.to_vec(),
        (_, 0 | 1) => Vec::new(),
        (_, 2) => vec![random.next() as u8; 16],
        (_, 3) => vec![random.next() as u8 & 3; 32],
        (_, 4) => nasty(random),
        (_, 5) => random.wide().to_be_bytes().to_vec(),
        (_, 6) => vec![7; random.between(0, 300_000) as usize],
        _ => (0..random.between(0, 40)).map(|_| random.next() as u8).collect(),
    }
}

/// Any of them.
pub fn any(random: &mut Random) -> Vec<u8> {
    TEXTS[random.index(TEXTS.len())].as_bytes().to_vec()
}
