//! The folder of models that Python's `huggingface_hub` uses as well.
//!
//! ```text
//! models--ORG--NAME/blobs/ETAG               a file, named by its digest
//! models--ORG--NAME/snapshots/COMMIT/FILE    a link to it
//! models--ORG--NAME/refs/BRANCH              the commit that a branch or tag was
//! models--ORG--NAME/.preco/                  ours: which snapshots are whole, which blobs were checked
//! .locks/models--ORG--NAME/ETAG.lock         held while a blob is fetched
//! ```
//!
//! A blob appears whole, checked and under its own name, or not at all.

mod checked;
#[cfg(feature = "hub")]
mod lock;
mod scan;
mod store;

use std::path::{Path, PathBuf};

use crate::digest::{Digest, sha256};
use crate::error::{Error, Result};
use crate::name::{is_commit, is_plain, is_relative};

#[cfg(feature = "hub")]
pub(crate) use lock::Lock;
pub use scan::{CachedModel, CachedRevision, delete, scan};

/// A repository's part of the cache.
#[derive(Clone, Debug)]
pub(crate) struct Repository {
    cache: PathBuf,
    folder: String,
}

impl Repository {
    /// The part of `organisation/name`. The caller has checked the name.
    pub(crate) fn new(cache: &Path, repository: &str) -> Self {
        Self { cache: cache.into(), folder: format!("models--{}", repository.replace('/', "--")) }
    }

    /// The part of the folder at an address, which the hub knows nothing of.
    pub(crate) fn of_address(cache: &Path, address: &str) -> Self {
        let name = address.rsplit('/').next().filter(|name| is_plain(name)).unwrap_or("model");
        Self::new(cache, &format!("mirror-{}/{name}", &sha256(address.as_bytes())[..16]))
    }

    fn root(&self) -> PathBuf {
        self.cache.join(&self.folder)
    }

    /// Where the blob called `etag` lies.
    pub(crate) fn blob(&self, etag: &str) -> PathBuf {
        self.root().join("blobs").join(etag)
    }

    /// The folder of a commit.
    pub(crate) fn snapshot(&self, commit: &str) -> PathBuf {
        self.root().join("snapshots").join(commit)
    }

    /// The commit that `revision` was when it was last asked for; a commit is itself.
    pub(crate) fn commit_of(&self, revision: &str) -> Option<String> {
        if is_commit(revision) {
            return Some(revision.to_owned());
        }
        let text = std::fs::read_to_string(self.root().join("refs").join(revision)).ok()?;
        Some(text.trim().to_owned()).filter(|commit| is_commit(commit))
    }

    /// The record of the names of a snapshot that was fetched as a whole.
    fn record(&self, commit: &str) -> PathBuf {
        self.root().join(".preco").join(commit)
    }

    /// The files of a snapshot that was fetched as a whole and still is, with their digests.
    pub(crate) fn whole(&self, commit: &str) -> Option<Vec<(String, Digest)>> {
        let text = std::fs::read_to_string(self.record(commit)).ok()?;
        let line = |line: &str| {
            let (digits, file) = line.split_once("  ")?;
            Some((file.to_owned(), Digest::of_etag(digits)?))
        };
        let files = text.lines().map(line).collect::<Option<Vec<_>>>()?;
        let folder = self.snapshot(commit);
        let is_whole =
            !files.is_empty() && files.iter().all(|(file, _)| is_relative(file) && folder.join(file).exists());
        is_whole.then_some(files)
    }
}

/// Makes the folder that `path` lies in.
pub(crate) fn make_parent(path: &Path) -> Result<()> {
    let parent = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(parent).map_err(Error::io("create", parent))
}
