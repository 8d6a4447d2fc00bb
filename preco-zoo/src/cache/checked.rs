//! Blobs against their digests, once: what was checked is remembered by length and time of change.

use std::fs::{File, Metadata, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use super::{Repository, make_parent};
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::sums::{self, SUMS_FILE};

/// The memory's name, in a repository's `.preco`.
const MEMORY: &str = "checked";

impl Repository {
    /// What is known of `file` of the snapshot of `commit` without asking anyone: the digest its blob is named by, or the one
    /// in the snapshot's own list.
    pub(crate) fn digest_of(&self, commit: &str, file: &str) -> Option<Digest> {
        let folder = self.snapshot(commit);
        let blob = std::fs::canonicalize(folder.join(file)).ok()?;
        let named = blob.file_name().and_then(|name| name.to_str()).and_then(Digest::of_etag);
        named.or_else(|| {
            let path = folder.join(SUMS_FILE);
            let listed = sums::parse(&std::fs::read_to_string(&path).ok()?, &path).ok()?;
            listed.into_iter().find(|(name, _)| name == file).map(|(_, digits)| Digest::Sha256(digits))
        })
    }

    /// Checks `file` of the snapshot of `commit`.
    ///
    /// # Errors
    /// [`Error::Digest`]; [`Error::Io`] where it cannot be read.
    pub(crate) fn check(&self, commit: &str, file: &str, wanted: &Digest) -> Result<()> {
        let path = self.snapshot(commit).join(file);
        let blob = std::fs::canonicalize(&path).map_err(Error::io("read", &path))?;
        self.check_file(&blob, wanted).map_err(|error| match error {
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
        let line = self.line(path, &metadata, wanted);
        if std::fs::read_to_string(self.memory()).is_ok_and(|text| text.lines().any(|known| known == line)) {
            return Ok(());
        }
        let found = wanted.of(&mut &file, metadata.len()).map_err(Error::io("read", path))?;
        if found != *wanted {
            return Err(Error::Digest { path: path.into(), found: found.to_string(), wanted: wanted.to_string() });
        }
        // A cache that cannot be written to is checked each time.
        let _ = remember(&self.memory(), &line);
        Ok(())
    }

    /// Remembers the file at `path` as it is now, which the caller has just compared.
    #[cfg(feature = "hub")]
    pub(crate) fn remember_file(&self, path: &Path, digest: &Digest) -> Result<()> {
        let metadata = std::fs::metadata(path).map_err(Error::io("read", path))?;
        // As above.
        let _ = remember(&self.memory(), &self.line(path, &metadata, digest));
        Ok(())
    }

    /// What is remembered of a file: by its place in the repository, however the cache was come by.
    fn line(&self, path: &Path, metadata: &Metadata, digest: &Digest) -> String {
        let changed = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let real = |path: &Path| std::fs::canonicalize(path).unwrap_or_else(|_| path.into());
        let (place, root) = (real(path), real(&self.root()));
        let place = place.strip_prefix(&root).unwrap_or(&place);
        let changed = changed.unwrap_or_default().as_nanos();
        format!("{digest}, {} bytes, {changed}: {}", metadata.len(), place.display())
    }

    fn memory(&self) -> PathBuf {
        self.root().join(".preco").join(MEMORY)
    }
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
        let right = repository.digest_of(&commit, "a.txt").expect("named by its digest");
        repository.check(&commit, "a.txt", &right).expect("right");
        let memory = std::fs::read_to_string(repository.memory()).expect("memory");
        repository.check_file(&repository.blob(&etag), &right).expect("remembered by its place, not by the way to it");
        repository.check(&commit, "a.txt", &right).expect("remembered");
        assert_eq!(std::fs::read_to_string(repository.memory()).expect("memory"), memory);
        assert_eq!(memory.lines().count(), 1);
        let other = Digest::Sha256(crate::sha256(b"abd"));
        let error = repository.check(&commit, "a.txt", &other).expect_err("another").to_string();
        assert!(error.contains("published is SHA-256"), "{error}");
        // The same length, another time: a changed blob is found.
        let later = std::time::SystemTime::now() + std::time::Duration::from_secs(5);
        std::fs::write(repository.blob(&etag), b"abd").expect("write");
        File::options().write(true).open(repository.blob(&etag)).expect("open").set_modified(later).expect("time");
        repository.check(&commit, "a.txt", &right).expect_err("changed");
        repository.check(&commit, "a.txt", &other).expect("pinned to what it is now");
    }
}
