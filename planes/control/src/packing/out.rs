//! Where a pack's bytes go: chunk by chunk to whoever asked, and for a while into a file without a name.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek as _, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use uuid::Uuid;

/// Chunks that wait for whoever reads slowly.
pub(super) const CHUNKS_WAITING: usize = 8;
/// How long a pack waits for room, while nobody else has one made.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);
const CHUNK_BYTES: usize = 1 << 18;
/// What stays free on the disk: a pack must not take what decisions are recorded with.
const FREE_BYTES_MIN: u64 = 1 << 30;
/// How often that is looked at.
const LOOK_BYTES: u64 = 16 << 20;

/// Ends with an error once nobody reads any more, and once whoever reads has made no room for too long. It takes what it is
/// handed or nothing of it, so what was taken still arrives where reading goes on after that.
pub(super) struct Out {
    runtime: Handle,
    chunks: mpsc::Sender<Bytes>,
    chunk: BytesMut,
    patience: Duration,
}

impl Out {
    pub fn new(runtime: Handle, chunks: mpsc::Sender<Bytes>, patience: Duration) -> Self {
        Self { runtime, chunks, chunk: BytesMut::with_capacity(CHUNK_BYTES), patience }
    }

    pub fn end(mut self) {
        // Whoever has gone misses nothing.
        let _ = self.flush();
    }
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.chunk.len() >= CHUNK_BYTES {
            self.flush()?;
        }
        self.chunk.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.chunk.is_empty() {
            return Ok(());
        }
        let room = async { tokio::time::timeout(self.patience, self.chunks.reserve()).await };
        match self.runtime.block_on(room) {
            Ok(Ok(room)) => {
                room.send(self.chunk.split().freeze());
                Ok(())
            }
            Ok(Err(_)) => Err(io::Error::new(io::ErrorKind::BrokenPipe, "whoever asked has gone")),
            Err(_) => {
                let why = format!(
                    "whoever asked took nothing for {} seconds, and others wait for their packs",
                    self.patience.as_secs()
                );
                Err(io::Error::new(io::ErrorKind::TimedOut, why))
            }
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use portcullis_pack::verify::{VerifyError, verify};
    use portcullis_pack::write::{WriteError, Writer};

    /// A reader that stops in the middle of a member, and goes on when the pack was given up.
    #[tokio::test]
    async fn a_reader_that_stops_hears_why_its_pack_was_given_up() {
        let (chunks, mut bytes) = mpsc::channel(2);
        let out = Out::new(Handle::current(), chunks, Duration::from_secs(2));
        let (tell, told) = tokio::sync::oneshot::channel();
        let maker = std::thread::spawn(move || {
            let mut writer = Writer::new(out, Timestamp::UNIX_EPOCH).unwrap();
            let long = vec![7; 20 * CHUNK_BYTES + 5];
            let error = writer.member("rows/long.jsonl", &long).unwrap_err();
            let WriteError::Io(error) = error else { panic!("{error}") };
            tell.send((error.kind(), error.to_string())).unwrap();
            writer.fail("it was given up").unwrap().end();
        });
        let (kind, why) = told.await.unwrap();
        assert_eq!(kind, io::ErrorKind::TimedOut);
        assert!(why.starts_with("whoever asked took nothing for 2 seconds"), "{why}");
        let mut pack = Vec::new();
        while let Some(chunk) = bytes.recv().await {
            pack.extend_from_slice(&chunk);
        }
        maker.join().unwrap();
        let verified = verify(&mut || Ok(pack.as_slice()), pack.len() as u64, None);
        assert!(
            matches!(&verified, Err(VerifyError::Failed(why)) if why == "it was given up"),
            "{verified:?}"
        );
    }
}
