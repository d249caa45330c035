//! What reads bytes and texts of peers and people, one function after another, in this process.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use prost_reflect::DescriptorPool;
use serde::{Deserialize, Serialize};
use simulation::random::Random;

use super::Target;
use crate::memory::Memory;
use crate::raw::Raw;
use crate::{messages, mutate, words};

mod peers;
mod texts;

/// Beyond what the process had before.
const MOST_GROWTH: u64 = 512 << 20;
/// What one input may take.
const HANG: Duration = Duration::from_secs(5);

/// How an input is made.
enum Seed {
    /// A message of this name.
    Message(&'static str),
    /// A text that these make.
    Text(fn(&mut Random) -> Vec<u8>),
}

struct Decoder {
    name: &'static str,
    seed: Seed,
    read: fn(&Tools, &[u8]) -> anyhow::Result<()>,
}

/// What some of them need.
pub struct Tools {
    /// The client, for what only it reads.
    cliente: PathBuf,
    dir: PathBuf,
}

const ALL: [Decoder; 13] = [
    Decoder { name: "entry", seed: Seed::Message("EntryPayload"), read: peers::entry },
    Decoder { name: "peer", seed: Seed::Message("PeerMessage"), read: peers::peer },
    Decoder { name: "role", seed: Seed::Message("RoleState"), read: peers::role },
    Decoder { name: "worker", seed: Seed::Message("WorkerMessage"), read: peers::worker },
    Decoder { name: "control", seed: Seed::Message("ControlMessage"), read: peers::control },
    Decoder { name: "testimony", seed: Seed::Message("WitnessMessage"), read: peers::testimony },
    Decoder { name: "status", seed: Seed::Text(texts::any), read: peers::status },
    Decoder { name: "plan", seed: Seed::Text(texts::plan), read: texts::read_plan },
    Decoder { name: "name", seed: Seed::Text(texts::name), read: texts::read_name },
    Decoder {
        name: "certificate",
        seed: Seed::Text(texts::certificate),
        read: texts::read_certificate,
    },
    Decoder { name: "address", seed: Seed::Text(texts::address), read: texts::read_address },
    Decoder { name: "flow-file", seed: Seed::Text(texts::flow), read: texts::read_flow },
    Decoder {
        name: "certificate-file",
        seed: Seed::Text(texts::certificate),
        read: texts::show_certificate,
    },
];
/// The first of those that start a process.
const FIRST_SLOW: usize = 11;

/// One input.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Input {
    pub decoder: String,
    pub input: Raw,
}

/// The target.
pub struct Decoders {
    pool: DescriptorPool,
    tools: Tools,
    before: u64,
    most: u64,
    slowest: Duration,
}

impl Decoders {
    /// # Errors
    /// The client is not built.
    pub fn start(dir: &Path) -> anyhow::Result<Self> {
        let cliente = harness::Layout::with_ports(dir, &[0, 0])?.binary("cliente");
        let tools = Tools { cliente, dir: dir.to_owned() };
        let (before, slowest) = (Memory::of("self")?.most, Duration::ZERO);
        Ok(Self { pool: messages::pool()?, tools, before, most: 0, slowest })
    }

    fn run_one(&mut self, case: &Input) -> anyhow::Result<()> {
        let decoder =
            ALL.iter().find(|decoder| decoder.name == case.decoder).context("no such decoder")?;
        let began = Instant::now();
        let run = || (decoder.read)(&self.tools, &case.input.0);
        match catch_unwind(AssertUnwindSafe(run)) {
            Ok(read) => read?,
            Err(panic) => {
                let text = panic.downcast_ref::<String>().map(String::as_str);
                bail!(
                    "a panic: {}",
                    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or_default()
                );
            }
        }
        self.slowest = self.slowest.max(began.elapsed());
        ensure!(began.elapsed() < HANG, "it took {:?}", began.elapsed());
        Ok(())
    }
}

impl Target for Decoders {
    type Case = Input;
    const NAME: &'static str = "decoders";
    const BATCH: usize = 2_000;

    fn make(&self, random: &mut Random) -> Input {
        let decoder = match random.one_in_thousand(2) {
            true => &ALL[FIRST_SLOW + random.index(ALL.len() - FIRST_SLOW)],
            false => &ALL[random.index(FIRST_SLOW)],
        };
        let mut input = match decoder.seed {
            Seed::Message(name) => match messages::named(&self.pool, name) {
                Ok(of) => messages::message(&of, random),
                Err(_) => words::nasty(random),
            },
            Seed::Text(make) => make(random),
        };
        if decoder.name == "peer" && random.coin() {
            peers::chain(&mut input);
        }
        if random.one_in_thousand(300) {
            mutate::mutate(&mut input, random);
        }
        Input { decoder: decoder.name.to_owned(), input: Raw(input) }
    }

    fn run(&mut self, cases: &[Input]) -> anyhow::Result<()> {
        for case in cases {
            self.run_one(case)
                .with_context(|| format!("{} of {} bytes", case.decoder, case.input.0.len()))?;
        }
        self.most = Memory::of("self")?.most;
        let growth = self.most.saturating_sub(self.before);
        ensure!(growth <= MOST_GROWTH, "{growth} bytes more are held");
        Ok(())
    }

    fn told(&self) -> String {
        format!("rss {} MiB; the slowest took {} ms", self.most >> 20, self.slowest.as_millis())
    }
}
