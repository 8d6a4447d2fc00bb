//! Bytes at any place: what rasters are read from.

use std::fs::File;
use std::io;
use std::path::Path;

/// Bytes that can be read at any place: a file, memory, an object on a web server.
pub trait ByteSource: Send + Sync {
    /// Length in bytes.
    fn len(&self) -> u64;

    /// True where there is no byte.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What changes when the bytes do, as far as the source can tell without reading them; of this default, their number.
    fn version(&self) -> String {
        self.len().to_string()
    }

    /// Fills `out` with the bytes from `offset` on.
    ///
    /// # Errors
    /// The source's; [`io::ErrorKind::UnexpectedEof`] where they end before.
    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()>;
}

/// Opens a file; a folder, a pipe or a device is none: opening a pipe would wait for somebody to write.
///
/// # Errors
/// The file system's, and [`io::ErrorKind::InvalidInput`] for what is no file.
pub(crate) fn open_regular(path: &Path) -> io::Result<File> {
    let metadata = std::fs::metadata(path)?;
    if !metadata.is_file() {
        let what = if metadata.is_dir() { "it is a folder" } else { "it is a pipe or a device, no file" };
        return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
    }
    File::open(path)
}

/// When a file was written last, in the system's own count.
#[cfg(unix)]
fn written(metadata: &std::fs::Metadata) -> String {
    use std::os::unix::fs::MetadataExt;
    format!("{}.{:09}", metadata.mtime(), metadata.mtime_nsec())
}

#[cfg(windows)]
fn written(metadata: &std::fs::Metadata) -> String {
    use std::os::windows::fs::MetadataExt;
    metadata.last_write_time().to_string()
}

/// A file's bytes.
pub struct FileBytes {
    file: File,
    len: u64,
}

impl FileBytes {
    /// # Errors
    /// The file system's, and [`io::ErrorKind::InvalidInput`] for a folder, a pipe or a device.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = open_regular(path)?;
        let len = file.metadata()?.len();
        Ok(Self { file, len })
    }
}

impl ByteSource for FileBytes {
    fn len(&self) -> u64 {
        self.len
    }

    /// Length, and when it was written last.
    fn version(&self) -> String {
        let written = self.file.metadata().ok().map(|metadata| written(&metadata));
        format!("{} bytes, written {}", self.len, written.unwrap_or_default())
    }

    #[cfg(unix)]
    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        use std::os::unix::fs::FileExt;
        // The system refuses offsets above 63 bits with another error.
        if offset > self.len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.file.read_exact_at(out, offset)
    }

    #[cfg(windows)]
    fn read_at(&self, mut offset: u64, mut out: &mut [u8]) -> io::Result<()> {
        use std::os::windows::fs::FileExt;
        // As above.
        if offset > self.len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        while !out.is_empty() {
            match self.file.seek_read(out, offset)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => {
                    out = &mut out[read..];
                    offset += read as u64;
                }
            }
        }
        Ok(())
    }
}

/// Bytes in memory.
pub struct MemoryBytes(Vec<u8>);

impl MemoryBytes {
    /// These bytes.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl ByteSource for MemoryBytes {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let start = usize::try_from(offset).ok();
        let end = start.and_then(|start| start.checked_add(out.len()));
        let part = start.zip(end).and_then(|(start, end)| self.0.get(start..end));
        out.copy_from_slice(part.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}
