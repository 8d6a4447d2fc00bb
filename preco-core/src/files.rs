//! Files that are whole or absent: written under a temporary name in the same folder, synced, then renamed.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

/// Writes `path` through `write`: readers see the old file or the whole new one, never a part.
///
/// The file gets the permissions an ordinary new file would get (temporary files are private to their owner).
///
/// # Errors
/// Whatever `write` returns, or the file system's error; the temporary file is then removed and `path` left as it was.
pub fn write_atomic(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut temporary = tempfile::Builder::new()
        .prefix(".preco-")
        .make_in(folder, |name| OpenOptions::new().write(true).create_new(true).open(name))?;
    {
        let mut buffered = io::BufWriter::with_capacity(1 << 20, temporary.as_file_mut());
        write(&mut buffered)?;
        buffered.flush()?;
    }
    temporary.as_file().sync_all()?;
    temporary.persist(path).map_err(|error| error.error)?;
    // The rename itself lives in the folder. Some file systems cannot sync a folder; the file is whole either way.
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_the_old_file_and_no_other() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("a.txt");
        write_atomic(&path, |out| out.write_all(b"old")).expect("first write");
        let failed = write_atomic(&path, |out| {
            out.write_all(b"half")?;
            Err(io::Error::other("interrupted"))
        });
        assert!(failed.is_err());
        assert_eq!(std::fs::read(&path).expect("read back"), b"old");
        assert_eq!(std::fs::read_dir(folder.path()).expect("list").count(), 1);
    }

    #[test]
    fn a_new_file_replaces_the_old_one() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("a.txt");
        write_atomic(&path, |out| out.write_all(b"old")).expect("first write");
        write_atomic(&path, |out| out.write_all(b"new")).expect("second write");
        assert_eq!(std::fs::read(&path).expect("read back"), b"new");
    }
}
