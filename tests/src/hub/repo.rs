//! A repository: commits, tags, who may read it, and the names git gives to bytes.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use sha1::{Digest, Sha1};
use sha2::Sha256;

/// Files longer than this are kept in LFS, as are those named `.safetensors`.
const MOST_IN_GIT: usize = 1 << 20;

/// Who may read a repository that is not open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// Hidden from all without this token: to them it is not there (401).
    Private {
        /// The token.
        token: String,
    },
    /// Seen by all, read with this token: 401 without one, 403 with another.
    Gated {
        /// The token.
        token: String,
    },
}

/// The files of a commit by path.
pub(super) type Files = BTreeMap<String, Arc<Blob>>;

/// A file's bytes and their names.
#[derive(Debug)]
pub(super) struct Blob {
    pub(super) bytes: Vec<u8>,
    /// Git's SHA-1, of the pointer where the file is in LFS.
    pub(super) oid: String,
    /// In LFS: the SHA-256, and the pointer's size.
    pub(super) lfs: Option<(String, usize)>,
}

impl Blob {
    pub(super) fn new(path: &str, bytes: Vec<u8>) -> Self {
        if !path.ends_with(".safetensors") && bytes.len() <= MOST_IN_GIT {
            return Self { oid: git_oid(&bytes), bytes, lfs: None };
        }
        let sha256 = hex(&Sha256::digest(&bytes));
        let size = bytes.len();
        let pointer = format!("version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n");
        Self { oid: git_oid(pointer.as_bytes()), bytes, lfs: Some((sha256, pointer.len())) }
    }

    fn entry(&self, path: &str) -> Value {
        let size = self.bytes.len();
        let mut entry = json!({ "type": "file", "oid": self.oid, "size": size, "path": path });
        if let Some((sha256, pointer_size)) = &self.lfs {
            entry["lfs"] = json!({ "oid": sha256, "size": size, "pointerSize": pointer_size });
        }
        entry
    }
}

#[derive(Debug, Default)]
pub(super) struct Repo {
    pub(super) access: Option<Access>,
    /// What main points to; `None` before the first commit.
    pub(super) head: Option<String>,
    pub(super) tags: BTreeMap<String, String>,
    pub(super) commits: BTreeMap<String, Files>,
}

impl Repo {
    /// Puts a commit with these files on main.
    pub(super) fn commit(&mut self, files: Files) -> String {
        let mut hash = Sha1::new();
        hash.update(self.head.as_deref().unwrap_or_default());
        for (path, blob) in &files {
            hash.update(format!("\n{path} {}", blob.oid));
        }
        let id = hex(&hash.finalize());
        self.commits.insert(id.clone(), files);
        self.head = Some(id.clone());
        id
    }

    /// The commit that main, a tag or a commit's own name means.
    pub(super) fn resolve(&self, revision: &str) -> Option<(&str, &Files)> {
        let id = if revision == "main" { self.head.as_ref() } else { self.tags.get(revision) };
        let (id, files) = self.commits.get_key_value(id.map_or(revision, String::as_str))?;
        Some((id, files))
    }
}

/// What lies in `folder`, with all below it where `recursive`; by path, in the words of the hub's tree.
pub(super) fn tree(files: &Files, folder: &str, recursive: bool) -> BTreeMap<String, Value> {
    let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
    let mut entries = BTreeMap::new();
    for (path, blob) in files {
        let Some(rest) = path.strip_prefix(&prefix) else { continue };
        let depth = if recursive { usize::MAX } else { 1 };
        for (at, _) in rest.match_indices('/').take(depth) {
            let folder = &path[..prefix.len() + at];
            let oid = git_oid(folder.as_bytes());
            entries.insert(folder.into(), json!({ "type": "directory", "oid": oid, "size": 0, "path": folder }));
        }
        if recursive || !rest.contains('/') {
            entries.insert(path.clone(), blob.entry(path));
        }
    }
    entries
}

/// The name git gives to a file's bytes.
fn git_oid(bytes: &[u8]) -> String {
    hex(&Sha1::new().chain_update(format!("blob {}\0", bytes.len())).chain_update(bytes).finalize())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
