//! Files of frames: a magic, a header frame, body frames and a trailer that counts them.
//!
//! A frame is its kind (1 byte), its length (4 bytes, least significant first), its content, and
//! BLAKE3 over the checksum of the frame before (of the magic, for the first), kind, length and
//! content. So a frame cannot be altered, lost, doubled or moved.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read as _, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use common::proto;
use prost::Message;

use super::codec::CodecError;
use super::directory::{self, FileAt};
use super::error::{Error, Place};

pub(super) type Magic = [u8; 8];

const BUFFER_BYTES: usize = 256 << 10;
const CHECKSUM_LENGTH: usize = 32;

#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Kind {
    Header = 1,
    Body = 2,
    Trailer = 3,
}

pub(super) struct FrameWriter<W = BufWriter<File>> {
    /// For errors.
    path: PathBuf,
    out: W,
    check: blake3::Hash,
    count: u64,
}

impl FrameWriter {
    pub fn create(path: &Path, magic: Magic, header: &impl Message) -> Result<Self, Error> {
        let file = BufWriter::with_capacity(BUFFER_BYTES, directory::create(path)?);
        Self::begin(path, file, magic, header)
    }

    /// The file is complete and durable when it returns; its name is the caller's to make so.
    pub fn finish(self) -> Result<(), Error> {
        let path = self.path.clone();
        let file = self.end()?;
        file.get_ref().sync_all().map_err(|e| Error::io("sync", &path, e))
    }
}

impl<W: Write> FrameWriter<W> {
    /// Writes such a file to somewhere else; `path` is what errors call it.
    pub fn begin(path: &Path, out: W, magic: Magic, header: &impl Message) -> Result<Self, Error> {
        let check = blake3::hash(&magic);
        let mut writer = Self { path: path.to_path_buf(), out, check, count: 0 };
        writer.put(&magic)?;
        writer.frame(Kind::Header, &header.encode_to_vec())?;
        Ok(writer)
    }

    /// Writes a body frame that stands for `count` things.
    pub fn body(&mut self, body: &impl Message, count: u64) -> Result<(), Error> {
        self.count += count;
        self.frame(Kind::Body, &body.encode_to_vec())
    }

    /// The file is complete, and flushed, when it returns.
    pub fn end(mut self) -> Result<W, Error> {
        let trailer = proto::FileTrailer { count: self.count };
        self.frame(Kind::Trailer, &trailer.encode_to_vec())?;
        self.out.flush().map_err(|e| Error::io("write", &self.path, e))?;
        Ok(self.out)
    }

    fn frame(&mut self, kind: Kind, content: &[u8]) -> Result<(), Error> {
        let length = u32::try_from(content.len())
            .map_err(|e| std::io::Error::new(std::io::ErrorKind::FileTooLarge, e))
            .map_err(|e| Error::io("write", &self.path, e))?;
        self.check = checksum(&self.check, kind as u8, length, content);
        self.put(&[kind as u8])?;
        self.put(&length.to_le_bytes())?;
        self.put(content)?;
        let check = self.check;
        self.put(check.as_bytes())
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.out.write_all(bytes).map_err(|e| Error::io("write", &self.path, e))
    }
}

pub(super) struct FrameReader {
    path: PathBuf,
    file: BufReader<FileAt>,
    length: u64,
    offset: u64,
    check: blake3::Hash,
    count: u64,
}

impl FrameReader {
    /// Reads the header frame; [`FrameReader::next_body`] goes on after it.
    pub fn open<H: Message + Default>(
        path: &Path,
        file: Arc<File>,
        magic: Magic,
    ) -> Result<(Self, H), Error> {
        let length = file.metadata().map_err(|e| Error::io("measure", path, e))?.len();
        let mut reader = Self {
            path: path.to_path_buf(),
            file: BufReader::with_capacity(BUFFER_BYTES, FileAt { file, offset: 0 }),
            length,
            offset: 0,
            check: blake3::hash(&magic),
            count: 0,
        };
        if reader.take(magic.len() as u64)? != magic {
            return Err(reader.damaged(0, "it does not start as such a file"));
        }
        match reader.frame()? {
            (Kind::Header, content) => {
                let header = reader.decode(&content)?;
                Ok((reader, header))
            }
            (Kind::Body | Kind::Trailer, _) => Err(reader.damaged(0, "it has no header")),
        }
    }

    /// The length of the file.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The next body, which stands for `count` things; `None` at the end of a complete file.
    pub fn next_body<B: Message + Default>(
        &mut self,
        count: impl FnOnce(&B) -> u64,
    ) -> Result<Option<B>, Error> {
        let start = self.offset;
        match self.frame()? {
            (Kind::Body, content) => {
                let body = self.decode(&content)?;
                self.count += count(&body);
                Ok(Some(body))
            }
            (Kind::Trailer, content) => {
                let trailer: proto::FileTrailer = self.decode(&content)?;
                if trailer.count != self.count || self.offset != self.length {
                    return Err(self.damaged(start, "it does not end where it says"));
                }
                Ok(None)
            }
            (Kind::Header, _) => Err(self.damaged(start, "it has a second header")),
        }
    }

    pub fn undecodable(&self, error: CodecError) -> Error {
        let at = Place::Offset(self.offset);
        Error::corrupt_by(&self.path, at, "a frame before it cannot be decoded", error)
    }

    pub fn damaged(&self, offset: u64, what: &'static str) -> Error {
        Error::corrupt(&self.path, Place::Offset(offset), what)
    }

    fn frame(&mut self) -> Result<(Kind, Vec<u8>), Error> {
        let start = self.offset;
        let head = self.take(1 + 4)?;
        let [kind, length @ ..] = head.as_slice() else {
            return Err(self.damaged(start, "a frame has no head"));
        };
        let length = u32::from_le_bytes(
            length.try_into().map_err(|_| self.damaged(start, "a frame has no length"))?,
        );
        let content = self.take(u64::from(length))?;
        let check = checksum(&self.check, *kind, length, &content);
        if self.take(CHECKSUM_LENGTH as u64)? != check.as_bytes() {
            return Err(self.damaged(start, "a frame's checksum does not match"));
        }
        self.check = check;
        let kind = [Kind::Header, Kind::Body, Kind::Trailer]
            .into_iter()
            .find(|known| *known as u8 == *kind)
            .ok_or_else(|| self.damaged(start, "a frame is of no known kind"))?;
        Ok((kind, content))
    }

    /// A length that the file does not have is never allocated.
    fn take(&mut self, length: u64) -> Result<Vec<u8>, Error> {
        if length > self.length - self.offset {
            return Err(self.damaged(self.offset, "it ends too early"));
        }
        let mut bytes = vec![0; length as usize];
        self.file.read_exact(&mut bytes).map_err(|e| Error::io("read", &self.path, e))?;
        self.offset += length;
        Ok(bytes)
    }

    fn decode<M: Message + Default>(&self, content: &[u8]) -> Result<M, Error> {
        M::decode(content).map_err(|e| self.undecodable(e.into()))
    }
}

fn checksum(previous: &blake3::Hash, kind: u8, length: u32, content: &[u8]) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    hasher.update(previous.as_bytes());
    hasher.update(&[kind]);
    hasher.update(&length.to_le_bytes());
    hasher.update(content);
    hasher.finalize()
}
