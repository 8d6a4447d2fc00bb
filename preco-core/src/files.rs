//! Files that are whole or absent: written under a temporary name in the same folder, synced, then renamed.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

/// How a temporary name begins; [`RANDOM`] letters and digits follow.
const PREFIX: &str = ".preco-";
/// Letters and digits after the prefix.
const RANDOM: usize = 6;

/// Writes `path` through `write`: readers see the old file or the whole new one, never a part.
///
/// The file gets the permissions an ordinary new file would get (temporary files are private to their owner).
///
/// # Errors
/// Whatever `write` returns, or the file system's error; the temporary file is then removed and `path` left as it was.
pub fn write_atomic(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut temporary = Temporary::beside(path)?;
    {
        let mut buffered = io::BufWriter::with_capacity(1 << 20, temporary.file.as_file_mut());
        write(&mut buffered)?;
        buffered.flush()?;
    }
    temporary.persist(path)
}

/// A file without its name yet; dropped before it has one, it is gone.
pub struct Temporary {
    file: tempfile::NamedTempFile<File>,
}

impl Temporary {
    /// An empty file in the folder of `path`.
    ///
    /// # Errors
    /// The file system's.
    pub fn beside(path: &Path) -> io::Result<Self> {
        let folder = folder_of(path);
        let file = tempfile::Builder::new()
            .prefix(PREFIX)
            .rand_bytes(RANDOM)
            .make_in(folder, |name| OpenOptions::new().write(true).create_new(true).open(name))?;
        Ok(Self { file })
    }

    /// The file, to write to.
    ///
    /// # Errors
    /// The file system's.
    pub fn file(&self) -> io::Result<File> {
        self.file.as_file().try_clone()
    }

    /// Syncs what was written and gives it the name `path`, in the folder it was made for.
    ///
    /// # Errors
    /// The file system's; the file is then removed and `path` left as it was.
    pub fn persist(self, path: &Path) -> io::Result<()> {
        self.file.as_file().sync_all()?;
        self.file.persist(path).map_err(|error| error.error)?;
        // The rename itself lives in the folder. Some file systems cannot sync a folder; the file is whole either way.
        if let Ok(folder) = File::open(folder_of(path)) {
            let _ = folder.sync_all();
        }
        Ok(())
    }
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Removes the temporary files that killed processes left in `folder`, and tells how many there were.
///
/// Only for a folder in which no other process can be writing: its unfinished file would go as well.
///
/// # Errors
/// The file system's, where `folder` cannot be listed or a file not removed. A missing folder holds none.
pub fn remove_leftovers(folder: &Path) -> io::Result<usize> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error),
    };
    let mut removed = 0;
    for entry in entries {
        let entry = entry?;
        if entry.file_name().to_str().is_some_and(is_temporary) && entry.file_type()?.is_file() {
            std::fs::remove_file(entry.path())?;
            removed += 1;
        }
    }
    Ok(removed)
}

/// True for a name as [`write_atomic`] gives while it writes.
fn is_temporary(name: &str) -> bool {
    let random = name.strip_prefix(PREFIX).unwrap_or_default();
    random.len() == RANDOM && random.bytes().all(|byte| byte.is_ascii_alphanumeric())
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
    fn leftovers_go_and_what_only_looks_like_them_stays() {
        let folder = tempfile::tempdir().expect("temporary folder");
        assert_eq!(remove_leftovers(&folder.path().join("none")).expect("no folder"), 0);
        let mut name = None;
        write_atomic(&folder.path().join("a.txt"), |_| {
            // A killed process leaves what is there at this moment.
            let entry = std::fs::read_dir(folder.path())?.next().expect("the temporary file")?;
            name = Some(entry.file_name());
            Ok(())
        })
        .expect("write");
        std::fs::write(folder.path().join(name.expect("a name")), "half").expect("write");
        for mine in [".preco-notes", ".preco-a b c1", "preco-abcdef"] {
            std::fs::write(folder.path().join(mine), "mine").expect("write");
        }
        std::fs::create_dir(folder.path().join(".preco-folder")).expect("create");
        std::fs::create_dir(folder.path().join(".preco-abcdef")).expect("create");
        assert_eq!(remove_leftovers(folder.path()).expect("remove"), 1);
        assert_eq!(std::fs::read_dir(folder.path()).expect("list").count(), 6);
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
