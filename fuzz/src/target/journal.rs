//! Data directories that were altered, cut, or put together from those of two clusters.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use orquestrador::journal::{Content, Entry, Error, Journal, inspect};
use orquestrador_core::Event;
use orquestrador_core::ids::{
    Attempt, ClusterId, Epoch, Index, NodeId, ProcessId, TaskId, Timestamp, ViewNumber,
};
use orquestrador_core::role::{Acceptor, Durable, Replica, View};
use serde::{Deserialize, Serialize};
use simulation::random::Random;

use super::Target;
use crate::memory::Memory;
use crate::raw::Raw;
use crate::words;

/// Beyond what the process had before.
const MOST_GROWTH: u64 = 512 << 20;

/// One change of a directory. Places are in thousandths of what is written of the file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Change {
    Flip {
        file: String,
        at: u64,
        bits: u8,
    },
    Put {
        file: String,
        at: u64,
        bytes: Raw,
    },
    Insert {
        file: String,
        at: u64,
        bytes: Raw,
    },
    Cut {
        file: String,
        at: u64,
    },
    Append {
        file: String,
        bytes: Raw,
    },
    Remove {
        file: String,
    },
    /// The same file of the other cluster.
    Foreign {
        file: String,
    },
}

/// One file of a directory.
type Files = Vec<(PathBuf, Vec<u8>)>;

/// A directory, and what it says.
struct Example {
    files: Files,
    said: Said,
}

/// All that a directory says.
#[derive(Clone, Debug, PartialEq)]
struct Said {
    node: NodeId,
    role: Durable,
    snapshot: Vec<Event>,
    entries: Vec<Entry>,
}

/// The target.
pub struct Journals {
    ours: Example,
    theirs: Example,
    dir: PathBuf,
    before: u64,
    most: u64,
    refused: u64,
    opened: u64,
}

impl Journals {
    /// # Errors
    /// The examples cannot be written.
    pub fn start(dir: &Path) -> anyhow::Result<Self> {
        let ours = Example::new(&dir.join("ours"), 1)?;
        let theirs = Example::new(&dir.join("theirs"), 2)?;
        let before = Memory::of("self")?.most;
        let dir = dir.join("copy");
        Ok(Self { ours, theirs, dir, before, most: 0, refused: 0, opened: 0 })
    }

    fn names(&self) -> Vec<String> {
        self.ours.files.iter().map(|(path, _)| path.display().to_string()).collect()
    }

    /// What is left of ours, changed.
    fn changed(&self, changes: &[Change]) -> Files {
        let mut files = self.ours.files.clone();
        for change in changes {
            let (file, place) = change.place();
            let Some(nth) = files.iter().position(|(path, _)| path == Path::new(file)) else {
                continue;
            };
            let bytes = &mut files[nth].1;
            let at = (bytes.len() as u64 * place / 1_000) as usize;
            match change {
                Change::Flip { bits, .. } => {
                    if let Some(byte) = bytes.get_mut(at) {
                        *byte ^= bits;
                    }
                }
                Change::Put { bytes: put, .. } => {
                    let end = (at + put.0.len()).min(bytes.len());
                    bytes[at..end].copy_from_slice(&put.0[..end - at]);
                }
                Change::Insert { bytes: put, .. } => drop(bytes.splice(at..at, put.0.clone())),
                Change::Cut { .. } => bytes.truncate(at),
                Change::Append { bytes: put, .. } => bytes.extend_from_slice(&put.0),
                Change::Remove { .. } => drop(files.remove(nth)),
                Change::Foreign { .. } => {
                    let other = self.theirs.files.iter().find(|(path, _)| path == Path::new(file));
                    if let Some((_, other)) = other {
                        bytes.clone_from(other);
                    }
                }
            }
        }
        files
    }

    fn run_one(&mut self, changes: &[Change]) -> anyhow::Result<()> {
        let files = self.changed(changes);
        write(&self.dir, &files)?;
        let looked = unharmed(|| inspect::inspect(&self.dir, &mut |_| {}))?;
        let said = unharmed(|| read(&self.dir))?;
        match said {
            Ok(said) => {
                self.opened += 1;
                let is_ours = said.entries == self.ours.said.entries;
                let has_foreign =
                    changes.iter().any(|change| matches!(change, Change::Foreign { .. }));
                // Both together cannot be told from a snapshot that was received (docs/journal-format.md).
                let is_foreign = |name: &str| {
                    changes
                        .iter()
                        .any(|change| matches!(change, Change::Foreign { file } if file == name))
                };
                let passes_for_received = is_foreign("role") && is_foreign("snapshot");
                ensure!(
                    passes_for_received
                        || is_ours
                        || has_foreign && said.entries == self.theirs.said.entries,
                    "it opens with {} entries instead of {}",
                    said.entries.len(),
                    self.ours.said.entries.len()
                );
                ensure!(
                    has_foreign || said == self.ours.said,
                    "it opens and says something else: {said:?}"
                );
                if let Ok(looked) = looked {
                    ensure!(
                        !looked.stops_node(),
                        "it opens, and `journal verify` says that it does not: {:?}",
                        looked.damage
                    );
                }
            }
            Err(error) => {
                self.refused += 1;
                ensure!(
                    error.is_damage() || is_known(&error),
                    "it is refused for another reason: {error:?}"
                );
                if let (true, Ok(looked)) = (error.is_damage(), looked) {
                    ensure!(
                        looked.stops_node(),
                        "it is refused ({error}), and `journal verify` finds nothing"
                    );
                }
            }
        }
        Ok(())
    }
}

fn is_known(error: &Error) -> bool {
    matches!(error, Error::Version { .. } | Error::ForeignDirectory { .. } | Error::Io { .. })
}

fn unharmed<T>(run: impl FnOnce() -> T) -> anyhow::Result<T> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        anyhow::anyhow!("a panic: {}", text.unwrap_or_default())
    })
}

impl Change {
    fn place(&self) -> (&str, u64) {
        match self {
            Self::Flip { file, at, .. }
            | Self::Put { file, at, .. }
            | Self::Insert { file, at, .. }
            | Self::Cut { file, at } => (file, *at),
            Self::Append { file, .. } | Self::Remove { file } | Self::Foreign { file } => {
                (file, 1_000)
            }
        }
    }
}

impl Example {
    fn new(dir: &Path, seed: u64) -> anyhow::Result<Self> {
        let (journal, recovered) = Journal::open(dir)?;
        let view = view(seed, recovered.node);
        let role = Durable {
            cluster: Some(ClusterId(u128::from(seed) << 64 | 77)),
            newest: Some(view.clone()),
            acceptor: Acceptor { view: ViewNumber(4), promised: None, accepted: None },
        };
        journal.save_role(&role)?;
        let record = Entry::following(&journal.last(), Epoch(5), Content::View(view).encode());
        journal.append(std::slice::from_ref(&record))?;
        let mut ids = Vec::new();
        for number in 0..100 {
            let payload = Content::Events(vec![event(seed * 1_000 + number)]).encode();
            let entry = Entry::following(&journal.last(), Epoch(5), payload);
            journal.append(std::slice::from_ref(&entry))?;
            ids.push(entry.id);
        }
        journal.save_snapshot(ids[49], &[], (0..20).map(event))?;
        journal.prune_below(Index(41))?;
        drop(journal);
        let mut files = Vec::new();
        list(dir, dir, &mut files)?;
        Ok(Self { files, said: read(dir)? })
    }
}

fn event(number: u64) -> Event {
    Event::TaskAssigned {
        task: TaskId(u128::from(number)),
        attempt: Attempt(1),
        worker: "localhost:50061".into(),
        at: Timestamp(number),
    }
}

fn view(seed: u64, node: NodeId) -> View {
    View {
        number: ViewNumber(4),
        epoch: Epoch(5),
        principal_node: node,
        principal_process: ProcessId(u128::from(seed)),
        replicas: vec![Replica { node, since: ViewNumber(1) }],
        witnesses: vec![ProcessId(4), ProcessId(5), ProcessId(6)],
        forced: false,
    }
}

fn read(dir: &Path) -> Result<Said, Error> {
    let (journal, recovered) = Journal::open(dir)?;
    let snapshot = match journal.snapshot_reader()? {
        Some(reader) => reader.events()?.collect::<Result<_, _>>()?,
        None => Vec::new(),
    };
    let entries = journal.read(journal.first(), usize::MAX)?;
    Ok(Said { node: recovered.node, role: recovered.role, snapshot, entries })
}

/// Without the zeroes at the end of files that grow.
fn list(root: &Path, dir: &Path, files: &mut Files) -> anyhow::Result<()> {
    let mut children = fs::read_dir(dir)?.collect::<Result<Vec<_>, _>>()?;
    children.sort_by_key(fs::DirEntry::file_name);
    for child in children {
        let path = child.path();
        if path.is_dir() {
            list(root, &path, files)?;
            continue;
        }
        let mut bytes = fs::read(&path)?;
        if path.extension().is_some_and(|extension| extension == "log") {
            let written = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            bytes.truncate(written);
        }
        let name = path.strip_prefix(root)?.to_owned();
        if name != Path::new(orquestrador::journal::LOCK_FILE) {
            files.push((name, bytes));
        }
    }
    Ok(())
}

fn write(dir: &Path, files: &Files) -> anyhow::Result<()> {
    if dir.exists() {
        fs::remove_dir_all(dir)?;
    }
    for (name, bytes) in files {
        let path = dir.join(name);
        fs::create_dir_all(path.parent().context("is in a folder")?)?;
        fs::write(path, bytes)?;
    }
    Ok(())
}

impl Target for Journals {
    type Case = Vec<Change>;
    const NAME: &'static str = "journal";
    const BATCH: usize = 100;

    fn make(&self, random: &mut Random) -> Vec<Change> {
        let names = self.names();
        let times = if random.one_in_thousand(700) { 1 } else { random.between(2, 4) };
        let change = |random: &mut Random| {
            let file = names[random.index(names.len())].clone();
            let at = random.between(0, 1_000);
            match random.between(0, 11) {
                0..=3 => Change::Flip { file, at, bits: 1 << random.between(0, 7) },
                4 | 5 => Change::Put {
                    file,
                    at,
                    bytes: Raw(words::number(random).to_le_bytes().to_vec()),
                },
                6 => Change::Insert { file, at, bytes: Raw(words::nasty(random)) },
                7 => {
                    Change::Put { file, at, bytes: Raw(vec![0xff; random.between(1, 64) as usize]) }
                }
                8 => Change::Cut { file, at },
                9 => Change::Append { file, bytes: Raw(words::nasty(random)) },
                10 => Change::Remove { file },
                _ => Change::Foreign { file },
            }
        };
        (0..times).map(|_| change(random)).collect()
    }

    fn run(&mut self, cases: &[Vec<Change>]) -> anyhow::Result<()> {
        for case in cases {
            self.run_one(case).with_context(|| format!("{case:?}"))?;
        }
        self.most = Memory::of("self")?.most;
        let growth = self.most.saturating_sub(self.before);
        if growth > MOST_GROWTH {
            bail!("{growth} bytes more are held");
        }
        Ok(())
    }

    fn told(&self) -> String {
        format!("rss {} MiB; {} refused, {} opened", self.most >> 20, self.refused, self.opened)
    }
}
