//! What the journal must at least contain: a small file beside the store.
//!
//! An append that a crash interrupted leaves bytes that are no entry, and so does a disk that alters
//! or loses some. This file tells them apart: entries up to [`Bounds::last`] had been fsynced. It
//! also makes cutting atomic: first the new bounds are durable, then entries outside them are
//! removed, again after a crash.
//!
//! Two slots are written in turn, so a torn write leaves the other. A disk that altered one leaves it too: the
//! opening says so, and writes both anew. An append writes its slot
//! without fsync, after the store's: a crash of the process loses nothing, one of the machine makes
//! the bounds lag behind, never lead.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use orquestrador_core::role::EntryId;

use super::directory;
use super::entry::{ENTRY_ID_LENGTH, decode_id, encode_id};
use super::error::{Error, Place};

/// The entries that must be there: those after `base`, up to `last`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) struct Bounds {
    /// The entry before the first one kept.
    pub base: EntryId,
    pub last: EntryId,
    /// Entries outside are being removed; otherwise there may be more after `last`.
    pub cutting: bool,
}

#[derive(Debug)]
pub(super) struct BoundsFile {
    path: PathBuf,
    file: File,
    serial: u64,
    current: Bounds,
    /// Where the file is not what was written, although one slot is.
    altered_at: Option<u64>,
}

/// What the slots say.
struct Slots {
    serial: u64,
    bounds: Bounds,
    altered_at: Option<u64>,
}

const MAGIC: [u8; 4] = *b"MBND";
const BODY_LENGTH: usize = 4 + 8 + 1 + 2 * ENTRY_ID_LENGTH;
const SLOT_LENGTH: usize = BODY_LENGTH + 32;
/// Slots lie on different pages.
const SLOT_OFFSETS: [u64; 2] = [0, 4096];
const FILE_LENGTH: usize = SLOT_OFFSETS[1] as usize + SLOT_LENGTH;

impl BoundsFile {
    /// An empty journal's.
    pub fn create(path: &Path) -> Result<Self, Error> {
        let file = directory::create(path)?;
        let mut bounds = Self {
            path: path.to_path_buf(),
            file,
            serial: 0,
            current: Bounds::default(),
            altered_at: None,
        };
        bounds.set(Bounds::default())?;
        Ok(bounds)
    }

    pub fn open(path: &Path) -> Result<Self, Error> {
        let file = match OpenOptions::new().read(true).write(true).open(path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                return Err(Error::corrupt(path, Place::WholeFile, "the file is missing"));
            }
            other => other.map_err(|e| Error::io("open", path, e))?,
        };
        let Slots { serial, bounds: current, altered_at } = slots(path)?;
        Ok(Self { path: path.to_path_buf(), file, serial, current, altered_at })
    }

    /// What the file says, without opening it to write, and where it is not what was written.
    pub fn read(path: &Path) -> Result<(Bounds, Option<u64>), Error> {
        slots(path).map(|slots| (slots.bounds, slots.altered_at))
    }

    /// Where the file was not what had been written when it was opened.
    pub fn altered_at(&self) -> Option<u64> {
        self.altered_at
    }

    /// Removes what stands beside the slots, which [`BoundsFile::set`] writes anew.
    pub fn clear_between(&mut self) -> Result<(), Error> {
        let length = SLOT_OFFSETS[1] as usize - SLOT_LENGTH;
        self.file
            .write_all_at(&vec![0; length], SLOT_LENGTH as u64)
            .and_then(|()| self.file.set_len(FILE_LENGTH as u64))
            .map_err(|e| Error::io("write", &self.path, e))
    }

    pub fn current(&self) -> Bounds {
        self.current
    }

    /// After an append: `last` is durable in the store.
    pub fn advance(&mut self, last: EntryId) -> Result<(), Error> {
        self.write(Bounds { last, ..self.current })
    }

    /// Durable, in both slots: an older one must never speak again.
    pub fn set(&mut self, bounds: Bounds) -> Result<(), Error> {
        for _ in SLOT_OFFSETS {
            self.write(bounds)?;
            self.file.sync_data().map_err(|e| Error::io("sync", &self.path, e))?;
        }
        Ok(())
    }

    fn write(&mut self, bounds: Bounds) -> Result<(), Error> {
        self.serial += 1;
        let offset = SLOT_OFFSETS[(self.serial % 2) as usize];
        self.file
            .write_all_at(&encode(self.serial, &bounds), offset)
            .map_err(|e| Error::io("write", &self.path, e))?;
        self.current = bounds;
        Ok(())
    }
}

fn slots(path: &Path) -> Result<Slots, Error> {
    let damaged = |what| Error::corrupt(path, Place::WholeFile, what);
    let bytes = directory::read_if_present(path)?.ok_or_else(|| damaged("the file is missing"))?;
    let slots = SLOT_OFFSETS.map(|at| (at, bytes.get(at as usize..).and_then(decode)));
    let newest = slots.iter().filter_map(|(_, slot)| *slot).max_by_key(|(serial, _)| *serial);
    let (serial, bounds) = newest.ok_or_else(|| damaged("no slot of it is intact"))?;
    let broken = slots.iter().find(|(_, slot)| slot.is_none()).map(|(at, _)| *at);
    let is_slot = |at: usize| {
        SLOT_OFFSETS.iter().any(|slot| (*slot as usize..*slot as usize + SLOT_LENGTH).contains(&at))
    };
    let stray = bytes.iter().enumerate().position(|(at, byte)| *byte != 0 && !is_slot(at));
    Ok(Slots { serial, bounds, altered_at: broken.or(stray.map(|at| at as u64)) })
}

fn encode(serial: u64, bounds: &Bounds) -> Vec<u8> {
    let mut slot = Vec::with_capacity(SLOT_LENGTH);
    slot.extend_from_slice(&MAGIC);
    slot.extend_from_slice(&serial.to_be_bytes());
    slot.push(u8::from(bounds.cutting));
    for id in [&bounds.base, &bounds.last] {
        slot.extend_from_slice(&encode_id(id));
    }
    let check = blake3::hash(&slot);
    slot.extend_from_slice(check.as_bytes());
    slot
}

fn decode(bytes: &[u8]) -> Option<(u64, Bounds)> {
    let (body, rest) = bytes.split_at_checked(BODY_LENGTH)?;
    if blake3::hash(body).as_bytes() != rest.first_chunk::<32>()? {
        return None;
    }
    let (magic, body) = body.split_first_chunk::<4>()?;
    let (serial, body) = body.split_first_chunk::<8>()?;
    let (cutting, body) = body.split_first()?;
    let (base, last) = body.split_first_chunk()?;
    if *magic != MAGIC || *cutting > 1 {
        return None;
    }
    let bounds = Bounds {
        base: decode_id(base),
        last: decode_id(last.first_chunk()?),
        cutting: *cutting == 1,
    };
    Some((u64::from_be_bytes(*serial), bounds))
}
