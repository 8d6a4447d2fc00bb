//! Blobs against their digests, once: what was checked is remembered by length and time of change.

use std::fs::{File, Metadata, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use super::{Repository, make_parent};
use crate::digest::Digest;
use crate::error::{Error, Result};

/// The memory's name, in a repository's `.preco`.
const MEMORY: &str = "checked";

impl Repository {
    /// Checks `file` of the snapshot of `commit`: against `wanted`, and else against the digest that its blob is named by.
    /// A file that is named by none, such as a copy, is believed.
    ///
    /// # Errors
    /// [`Error::Digest`]; [`Error::Io`] where it cannot be read.
    pub(crate) fn check(&self, commit: &str, file: &str, wanted: Option<Digest>) -> Result<()> {
        let path = self.snapshot(commit).join(file);
        let blob = std::fs::canonicalize(&path).map_err(Error::io("read", &path))?;
        let name = blob.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let Some(wanted) = wanted.or_else(|| Digest::of_etag(name)) else { return Ok(()) };
        self.check_file(&blob, &wanted).map_err(|error| match error {
            // The file by the name that people know.
            Error::Digest { found, wanted, .. } => Error::Digest { path, found, wanted },
            other => other,
        })
    }

    /// Checks the file at `path`, unless it is remembered as it is now.
    ///
    /// # Errors
    /// As [`Repository::check`].
    pub(crate) fn check_file(&self, path: &Path, wanted: &Digest) -> Result<()> {
        let file = File::open(path).map_err(Error::io("read", path))?;
        let metadata = file.metadata().map_err(Error::io("read", path))?;
        let line = line(path, &metadata, wanted);
        let memory = self.memory();
        if std::fs::read_to_string(&memory).is_ok_and(|text| text.lines().any(|known| known == line)) {
            return Ok(());
        }
        let found = wanted.of(&mut &file, metadata.len()).map_err(Error::io("read", path))?;
        if found != *wanted {
            return Err(Error::Digest { path: path.into(), found: found.to_string(), wanted: wanted.to_string() });
        }
        // A cache that cannot be written to is checked each time.
        let _ = remember(&memory, &line);
        Ok(())
    }

    fn memory(&self) -> PathBuf {
        self.root().join(".preco").join(MEMORY)
    }
}

fn line(path: &Path, metadata: &Metadata, digest: &Digest) -> String {
    let changed = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    format!("{digest}, {} bytes, {}: {name}", metadata.len(), changed.unwrap_or_default().as_nanos())
}

fn remember(memory: &Path, line: &str) -> std::io::Result<()> {
    make_parent(memory).map_err(std::io::Error::other)?;
    // One write of one line: what two processes append does not mix.
    OpenOptions::new().append(true).create(true).open(memory)?.write_all(format!("{line}\n").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blob_is_checked_once_and_again_when_it_has_changed() {
        let cache = tempfile::tempdir().expect("temporary folder");
        let repository = Repository::new(cache.path(), "org/name");
        let (commit, etag) = ("a".repeat(40), crate::sha256(b"abc"));
        repository.put(&etag, b"abc").expect("blob");
        repository.link(&commit, "a.txt", &etag).expect("link");
        repository.check(&commit, "a.txt", None).expect("right");
        let memory = std::fs::read_to_string(repository.memory()).expect("memory");
        repository.check(&commit, "a.txt", None).expect("remembered");
        assert_eq!(std::fs::read_to_string(repository.memory()).expect("memory"), memory);
        assert_eq!(memory.lines().count(), 1);
        let other = Digest::of_etag(&crate::sha256(b"abd"));
        let error = repository.check(&commit, "a.txt", other.clone()).expect_err("another").to_string();
        assert!(error.contains("published is SHA-256"), "{error}");
        // The same length, another time: a changed blob is found.
        let later = std::time::SystemTime::now() + std::time::Duration::from_secs(5);
        std::fs::write(repository.blob(&etag), b"abd").expect("write");
        File::options().write(true).open(repository.blob(&etag)).expect("open").set_modified(later).expect("time");
        repository.check(&commit, "a.txt", None).expect_err("changed");
        repository.check(&commit, "a.txt", other).expect("pinned to what it is now");
    }
}
