//! One file of consecutive entries: a header that says what came before, then records.
//!
//! A record is the payload's length (4 bytes, least significant first), the epoch (8 bytes, most
//! significant first), the hash (32 bytes) and the payload. The hash covers all of it and all
//! records before, so no further checksum is needed: what does not hash is not a record.

use std::fs::File;
use std::io::{self, BufReader, ErrorKind, Read as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use orquestrador_core::ids::{Epoch, Index};
use orquestrador_core::role::{EntryHash, EntryId};

use super::directory::{self, FileAt};
use super::entry::{ENTRY_ID_LENGTH, Entry, chain, decode_id, encode_id};
use super::error::{Error, Place};

const MAGIC: [u8; 8] = *b"MTRSEGM1";
const CHECKED_LENGTH: usize = MAGIC.len() + ENTRY_ID_LENGTH;
const HEADER_LENGTH: usize = CHECKED_LENGTH + 32;
const RECORD_HEADER_LENGTH: usize = 4 + 8 + 32;
/// The place of every so many-th entry is kept in memory.
const MARK_EVERY: u64 = 64;
const BUFFER_BYTES: usize = 64 << 10;

#[derive(Debug)]
pub(super) struct Segment {
    pub path: PathBuf,
    pub file: Arc<File>,
    /// The entry before the first one.
    pub previous: EntryId,
    /// Its entries.
    pub count: u64,
    /// Where its last record ends.
    pub length: u64,
    /// Up to here the file is filled with zeroes, ready to be overwritten.
    pub reserved: u64,
    /// Where the first, the 65th, … record starts.
    marks: Vec<u64>,
}

/// The file that begins after `previous`.
pub(super) fn file_name(previous: &EntryId) -> String {
    format!("{:020}.log", previous.index.next())
}

/// The bytes that record this entry.
pub(super) fn encode(entry: &Entry, into: &mut Vec<u8>) -> Result<(), io::Error> {
    let length = u32::try_from(entry.payload.len())
        .map_err(|e| io::Error::new(ErrorKind::FileTooLarge, e))?;
    into.extend_from_slice(&length.to_le_bytes());
    into.extend_from_slice(&entry.id.epoch.0.to_be_bytes());
    into.extend_from_slice(&entry.id.hash.0);
    into.extend_from_slice(&entry.payload);
    Ok(())
}

impl Segment {
    /// An empty one; under its name only when it is whole.
    pub fn create(folder: &Path, previous: EntryId) -> Result<Self, Error> {
        let path = folder.join(file_name(&previous));
        let mut header = MAGIC.to_vec();
        header.extend_from_slice(&encode_id(&previous));
        let check = blake3::hash(&header);
        header.extend_from_slice(check.as_bytes());
        directory::replace(&path, &header)?;
        Self::open(&path)
    }

    /// Reads the header; the records are not looked at yet.
    pub fn open(path: &Path) -> Result<Self, Error> {
        Self::open_with(path, std::fs::OpenOptions::new().read(true).write(true))
    }

    /// Only to look at it.
    pub fn open_to_read(path: &Path) -> Result<Self, Error> {
        Self::open_with(path, std::fs::OpenOptions::new().read(true))
    }

    fn open_with(path: &Path, options: &std::fs::OpenOptions) -> Result<Self, Error> {
        let file = options.open(path).map_err(|e| Error::io("open", path, e))?;
        let mut header = [0; HEADER_LENGTH];
        match file.read_exact_at(&mut header, 0) {
            Err(e) if e.kind() == ErrorKind::UnexpectedEof => {
                return Err(Error::corrupt(path, Place::Offset(0), "its header is cut off"));
            }
            other => other.map_err(|e| Error::io("read", path, e))?,
        }
        let previous = decode_header(&header)
            .filter(|previous| path.file_name().is_some_and(|n| *n == *file_name(previous)))
            .ok_or_else(|| Error::corrupt(path, Place::Offset(0), "its header is not intact"))?;
        Ok(Self {
            path: path.to_path_buf(),
            file: Arc::new(file),
            previous,
            count: 0,
            length: HEADER_LENGTH as u64,
            reserved: HEADER_LENGTH as u64,
            marks: Vec::new(),
        })
    }

    /// The index of the last entry, or of the one before the first if there is none.
    pub fn last_index(&self) -> Index {
        Index(self.previous.index.0 + self.count)
    }

    pub fn holds(&self, index: Index) -> bool {
        index > self.previous.index && index <= self.last_index()
    }

    /// The file has one more record, of this length.
    pub fn push(&mut self, payload_length: usize) {
        if self.count.is_multiple_of(MARK_EVERY) {
            self.marks.push(self.length);
        }
        self.count += 1;
        self.length += (RECORD_HEADER_LENGTH + payload_length) as u64;
    }

    /// Everything behind the entry at `last` is gone.
    pub fn shorten(&mut self, last: Index) -> Result<(), Error> {
        let end = self.locate(last)?.map_or(HEADER_LENGTH as u64, |(_, end)| end);
        self.count = last.0 - self.previous.index.0;
        self.length = end;
        self.marks.truncate(self.count.div_ceil(MARK_EVERY) as usize);
        self.drop_rest()
    }

    /// Removes, durably, what the file has behind the last record.
    pub fn drop_rest(&mut self) -> Result<(), Error> {
        self.reserved = self.length;
        self.file
            .set_len(self.length)
            .and_then(|()| self.file.sync_all())
            .map_err(|e| Error::io("shorten", &self.path, e))
    }

    /// The entry at this index and where its record ends; `None` if it is not in this file.
    pub fn locate(&self, index: Index) -> Result<Option<(EntryId, u64)>, Error> {
        if !self.holds(index) {
            return Ok(None);
        }
        let position = index.0 - self.previous.index.0 - 1;
        let mut offset = self.marks[(position / MARK_EVERY) as usize];
        let mut header = [0; RECORD_HEADER_LENGTH];
        for _ in 0..=position % MARK_EVERY {
            self.file
                .read_exact_at(&mut header, offset)
                .map_err(|e| Error::io("read", &self.path, e))?;
            offset += RECORD_HEADER_LENGTH as u64 + u64::from(payload_length(&header));
        }
        Ok(Some((record_id(index, &header), offset)))
    }

    /// The records behind the entry `previous`, which is in this file or just before it.
    pub fn records_after(&self, previous: &EntryId) -> Result<Records, Error> {
        let offset = match self.locate(previous.index)? {
            Some((_, end)) => end,
            None => HEADER_LENGTH as u64,
        };
        Ok(Records::new(Arc::clone(&self.file), offset, self.length))
    }

    /// All that may be records, known or not.
    pub fn scan(&self) -> Result<Records, Error> {
        let length = self.file.metadata().map_err(|e| Error::io("measure", &self.path, e))?.len();
        Ok(Records::new(Arc::clone(&self.file), HEADER_LENGTH as u64, length))
    }
}

/// Reads records one after the other.
pub(super) struct Records {
    file: BufReader<FileAt>,
    offset: u64,
    end: u64,
}

impl Records {
    fn new(file: Arc<File>, offset: u64, end: u64) -> Self {
        Self { file: BufReader::with_capacity(BUFFER_BYTES, FileAt { file, offset }), offset, end }
    }

    /// The entry after `previous`; `None` if what follows is not its record, or nothing does.
    pub fn next_after(&mut self, previous: &EntryId) -> io::Result<Option<Entry>> {
        let left = self.end - self.offset;
        if left < RECORD_HEADER_LENGTH as u64 {
            return Ok(None);
        }
        let mut header = [0; RECORD_HEADER_LENGTH];
        let read = self.file.read_exact(&mut header);
        let Some(()) = unless_at_end(read)? else { return Ok(None) };
        let length = u64::from(payload_length(&header));
        // A length that the file does not have is never allocated.
        if length > left - RECORD_HEADER_LENGTH as u64 {
            return Ok(None);
        }
        let mut payload = vec![0; length as usize];
        let read = self.file.read_exact(&mut payload);
        let Some(()) = unless_at_end(read)? else { return Ok(None) };
        let id = record_id(previous.index.next(), &header);
        let payload = Bytes::from(payload);
        if chain(previous, id.epoch, &payload) != id {
            return Ok(None);
        }
        self.offset += RECORD_HEADER_LENGTH as u64 + length;
        Ok(Some(Entry { id, payload }))
    }

    pub fn is_at_end(&self) -> bool {
        self.offset == self.end
    }

    /// Where the next record starts, or should.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Behind a record that is not intact: what its header claims, which only a record that follows from it
    /// confirms. `None` if the file does not hold as much as it claims.
    pub fn skip(&mut self, previous: &EntryId) -> io::Result<Option<EntryId>> {
        let file = Arc::clone(&self.file.get_ref().file);
        let mut header = [0; RECORD_HEADER_LENGTH];
        match file.read_exact_at(&mut header, self.offset) {
            Err(e) if e.kind() == ErrorKind::UnexpectedEof => return Ok(None),
            other => other?,
        }
        let length = (RECORD_HEADER_LENGTH as u64) + u64::from(payload_length(&header));
        if length > self.end - self.offset {
            return Ok(None);
        }
        *self = Self::new(file, self.offset + length, self.end);
        Ok(Some(record_id(previous.index.next(), &header)))
    }

    /// Up to where the file holds something else than zeroes.
    pub fn written_end(&self) -> io::Result<u64> {
        let file = Arc::clone(&self.file.get_ref().file);
        let rest = BufReader::with_capacity(BUFFER_BYTES, FileAt { file, offset: self.offset });
        let mut written = self.offset;
        for (place, byte) in (self.offset + 1..).zip(rest.bytes()) {
            if byte? != 0 {
                written = place;
            }
        }
        Ok(written)
    }

    /// Whether nothing but zeroes is left, which were reserved for records.
    pub fn only_zeroes_left(&self) -> io::Result<bool> {
        let file = Arc::clone(&self.file.get_ref().file);
        let rest = BufReader::with_capacity(BUFFER_BYTES, FileAt { file, offset: self.offset });
        for byte in rest.bytes() {
            if byte? != 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn unless_at_end(read: io::Result<()>) -> io::Result<Option<()>> {
    match read {
        Err(e) if e.kind() == ErrorKind::UnexpectedEof => Ok(None),
        other => other.map(Some),
    }
}

fn payload_length(header: &[u8; RECORD_HEADER_LENGTH]) -> u32 {
    let (length, _) = header.split_first_chunk().expect("a record's header starts with 4 bytes");
    u32::from_le_bytes(*length)
}

fn record_id(index: Index, header: &[u8; RECORD_HEADER_LENGTH]) -> EntryId {
    let (epoch, hash) = header[4..].split_first_chunk().expect("an epoch follows the length");
    let hash = hash.first_chunk().expect("a hash follows the epoch");
    EntryId { index, epoch: Epoch(u64::from_be_bytes(*epoch)), hash: EntryHash(*hash) }
}

fn decode_header(header: &[u8; HEADER_LENGTH]) -> Option<EntryId> {
    let (checked, check) = header.split_at(CHECKED_LENGTH);
    let id = checked.strip_prefix(&MAGIC)?.first_chunk()?;
    (blake3::hash(checked).as_bytes() == check).then(|| decode_id(id))
}
