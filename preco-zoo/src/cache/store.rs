//! What is written to the cache: links, references and the record of whole snapshots, each at once.

use std::path::Path;

use preco_core::files::write_atomic;

use super::{Repository, make_parent};
use crate::digest::Digest;
use crate::error::{Error, Result};
#[cfg(any(feature = "hub", test))]
use crate::part::Part;

impl Repository {
    /// Makes `file` of the snapshot of `commit` the blob called `etag`, which is there.
    pub(crate) fn link(&self, commit: &str, file: &str, etag: &str) -> Result<()> {
        let link = self.snapshot(commit).join(file);
        let blob = self.blob(etag);
        make_parent(&link)?;
        // Up from the file's folder to the repository's, then down: the cache may be moved.
        let up = "../".repeat(file.matches('/').count() + 2);
        let target = format!("{up}blobs/{etag}");
        if std::fs::read_link(&link).is_ok_and(|now| now == Path::new(&target)) {
            return Ok(());
        }
        point(&link, &target, &blob).map_err(Error::io("write", &link))
    }

    /// Remembers what commit a branch or tag is. One that is here as a whole is not given up for a `part` of another.
    #[cfg(any(feature = "hub", test))]
    pub(crate) fn write_ref_of(&self, part: Part, revision: &str, commit: &str) -> Result<()> {
        if part != Part::All && self.commit_of(revision).is_some_and(|known| self.whole(&known).is_some()) {
            return Ok(());
        }
        self.write(&self.root().join("refs").join(revision), commit)
    }

    /// Remembers that the snapshot of `commit` is whole with these files and digests.
    pub(crate) fn write_record(&self, commit: &str, files: &[(&str, Digest)]) -> Result<()> {
        let line = |(file, digest): &(&str, Digest)| format!("{}  {file}\n", digest.digits());
        self.write(&self.record(commit), &files.iter().map(line).collect::<String>())
    }

    /// Keeps `bytes` as the blob called `etag`.
    pub(crate) fn put(&self, etag: &str, bytes: &[u8]) -> Result<()> {
        let path = self.blob(etag);
        make_parent(&path)?;
        write_atomic(&path, |out| out.write_all(bytes)).map_err(Error::io("write", path))
    }

    fn write(&self, path: &Path, text: &str) -> Result<()> {
        if std::fs::read_to_string(path).is_ok_and(|now| now == text) {
            return Ok(());
        }
        make_parent(path)?;
        write_atomic(path, |out| out.write_all(text.as_bytes())).map_err(Error::io("write", path))
    }
}

/// Puts a link to `target` in the place of `link`.
#[cfg(unix)]
fn point(link: &Path, target: &str, _: &Path) -> std::io::Result<()> {
    let folder = link.parent().unwrap_or(Path::new("."));
    let made =
        tempfile::Builder::new().prefix(".preco-").make_in(folder, |name| std::os::unix::fs::symlink(target, name))?;
    made.into_temp_path().persist(link).map_err(|error| error.error)
}

/// Where links take special rights, a copy.
#[cfg(not(unix))]
fn point(link: &Path, _: &str, blob: &Path) -> std::io::Result<()> {
    write_atomic(link, |out| std::io::copy(&mut std::fs::File::open(blob)?, out).map(drop))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_to_blobs_wherever_the_cache_lies() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let (cache, moved) = (folder.path().join("cache"), folder.path().join("moved"));
        let commit = "a".repeat(40);
        let of = |cache: &Path| Repository::new(cache, "org/name");
        let repository = of(&cache);
        for (file, text) in [("config.json", "{}"), ("a/b/c.txt", "c")] {
            let etag = crate::sha256(text.as_bytes());
            repository.put(&etag, text.as_bytes()).expect("blob");
            repository.link(&commit, file, &crate::sha256(b"none")).expect("a link to nothing");
            repository.link(&commit, file, &etag).expect("link");
            repository.link(&commit, file, &etag).expect("link again");
        }
        repository.write_ref_of(Part::All, "refs/pr/1", &commit).expect("ref");
        assert_eq!(repository.commit_of("refs/pr/1"), Some(commit.clone()));
        assert_eq!((repository.commit_of("main"), repository.commit_of(&commit)), (None, Some(commit.clone())));
        assert_eq!(repository.whole(&commit), None);
        let other = "b".repeat(40);
        repository.write_ref_of(Part::Descriptions, "refs/pr/1", &other).expect("ref");
        assert_eq!(repository.commit_of("refs/pr/1"), Some(other.clone()), "no whole snapshot was there");
        repository.write_ref_of(Part::All, "refs/pr/1", &commit).expect("ref");
        let digest = |text: &str| Digest::Sha256(crate::sha256(text.as_bytes()));
        let files = [("config.json", digest("{}")), ("a/b/c.txt", digest("c"))];
        repository.write_record(&commit, &files).expect("record");
        repository.write_ref_of(Part::Descriptions, "refs/pr/1", &other).expect("ref");
        assert_eq!(repository.commit_of("refs/pr/1"), Some(commit.clone()), "a whole one is kept");
        std::fs::rename(&cache, &moved).expect("move");
        assert_eq!(std::fs::read_to_string(of(&moved).snapshot(&commit).join("a/b/c.txt")).expect("read"), "c");
        assert_eq!(of(&moved).whole(&commit).expect("whole")[1], ("a/b/c.txt".to_owned(), digest("c")));
        std::fs::remove_file(of(&moved).blob(&crate::sha256(b"c"))).expect("remove");
        assert_eq!(of(&moved).whole(&commit), None, "a link to nothing is no file");
    }
}
