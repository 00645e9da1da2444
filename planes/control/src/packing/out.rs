//! Where a pack's bytes go: chunk by chunk to whoever asked, and for a while into a file without a name.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek as _, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use bytes::{Bytes, BytesMut};
use tokio::sync::mpsc;
use uuid::Uuid;

/// Chunks that wait for whoever reads slowly.
pub(super) const CHUNKS_WAITING: usize = 8;
const CHUNK_BYTES: usize = 1 << 18;
/// What stays free on the disk: a pack must not take what decisions are recorded with.
const FREE_BYTES_MIN: u64 = 1 << 30;
/// How often that is looked at.
const LOOK_BYTES: u64 = 16 << 20;

/// Ends with an error once nobody reads any more.
pub(super) struct Out {
    chunks: mpsc::Sender<Bytes>,
    chunk: BytesMut,
}

impl Out {
    pub fn new(chunks: mpsc::Sender<Bytes>) -> Self {
        Self { chunks, chunk: BytesMut::with_capacity(CHUNK_BYTES) }
    }

    pub fn end(mut self) {
        // Whoever has gone misses nothing.
        let _ = self.flush();
    }
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.chunk.extend_from_slice(bytes);
        if self.chunk.len() >= CHUNK_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.chunk.is_empty() {
            return Ok(());
        }
        let chunk = self.chunk.split().freeze();
        let gone = |_| io::Error::new(io::ErrorKind::BrokenPipe, "whoever asked has gone");
        self.chunks.blocking_send(chunk).map_err(gone)
    }
}

/// Rows that are laid aside until their number is known.
pub(super) struct Spool {
    file: io::BufWriter<File>,
    bytes: u64,
    looked_at: u64,
}

impl Spool {
    /// The file has no name once this returns, so nothing is left of it, whatever happens.
    pub fn new(folder: &Path, id: Uuid) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let path = folder.join(format!(".pack-{id}"));
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
        std::fs::remove_file(&path)?;
        let mut spool = Self { file: io::BufWriter::new(file), bytes: 0, looked_at: 0 };
        spool.look()?;
        Ok(spool)
    }

    pub fn line(&mut self, line: &[u8]) -> io::Result<()> {
        self.file.write_all(line)?;
        self.file.write_all(b"\n")?;
        self.bytes += line.len() as u64 + 1;
        if self.bytes >= self.looked_at + LOOK_BYTES {
            self.look()?;
        }
        Ok(())
    }

    /// The file from its beginning, and how long it is.
    pub fn read(self) -> io::Result<(File, u64)> {
        let mut file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.rewind()?;
        Ok((file, self.bytes))
    }

    fn look(&mut self) -> io::Result<()> {
        self.looked_at = self.bytes;
        let disk = rustix::fs::fstatvfs(self.file.get_ref())?;
        if disk.f_bavail.saturating_mul(disk.f_frsize) < FREE_BYTES_MIN {
            return Err(io::Error::new(
                io::ErrorKind::StorageFull,
                "less than 1 GiB is free, which decisions are recorded with",
            ));
        }
        Ok(())
    }
}
