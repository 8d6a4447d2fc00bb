//! Files against their digests.

use std::path::Path;

use serde::Serialize;

use crate::digest::sha256;
use crate::error::{Error, Result};
use crate::registry;

/// The digests of a folder's files, as `sha256sum` writes them.
pub(crate) const SUMS_FILE: &str = "SHA256SUMS";

/// A file and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// Its name.
    pub file: String,
    /// What its digest should be.
    pub wanted: String,
    /// What it is; `None` where there is no such file.
    pub found: Option<String>,
}

impl Checked {
    /// True where the file is the one that was published.
    pub fn is_right(&self) -> bool {
        self.found.as_ref() == Some(&self.wanted)
    }
}

/// Compares every file of the model at a path, which has `SHA256SUMS`, or under a published name.
///
/// # Errors
/// [`Error::Unknown`], [`Error::Missing`], [`Error::Io`], and [`Error::Card`] for a line that is none of `sha256sum`'s.
pub fn verify(name: &Path) -> Result<Vec<Checked>> {
    if name.exists() {
        return verify_folder(name);
    }
    let entry = registry::entry(&name.to_string_lossy())?;
    let check = |file: &preco_weights::File| Checked {
        file: file.name.to_owned(),
        wanted: file.sha256.to_owned(),
        found: file.content.map(sha256),
    };
    Ok(entry.files.iter().map(check).collect())
}

fn verify_folder(folder: &Path) -> Result<Vec<Checked>> {
    let path = folder.join(SUMS_FILE);
    if !path.exists() {
        return Err(Error::Missing { path });
    }
    let sums = std::fs::read_to_string(&path);
    let sums = sums.map_err(|source| Error::Io { action: "read", path: path.clone(), source })?;
    let line = |(at, line): (usize, &str)| {
        let wrong = |what: &str| Error::Card { what: format!("{}, line {}: {what}", path.display(), at + 1) };
        let (wanted, file) =
            line.split_once("  ").ok_or_else(|| wrong("a digest, two blanks and a name are wanted"))?;
        if wanted.len() != 64 || !wanted.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(wrong("is no SHA-256"));
        }
        // A name is a file of this folder and nothing else.
        if file.is_empty() || file.contains(['/', '\\', ':']) || file.starts_with('.') {
            return Err(wrong(&format!("{file:?} is no file of the folder")));
        }
        let found = match std::fs::read(folder.join(file)) {
            Ok(bytes) => Some(sha256(&bytes)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(source) => return Err(Error::Io { action: "read", path: folder.join(file), source }),
        };
        Ok(Checked { file: file.to_owned(), wanted: wanted.to_lowercase(), found })
    };
    sums.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()).map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changed_and_missing_files_are_found_and_paths_refused() {
        let folder = tempfile::tempdir().expect("temporary folder");
        std::fs::write(folder.path().join("a"), b"abc").expect("write");
        let good = sha256(b"abc");
        std::fs::write(folder.path().join(SUMS_FILE), format!("{good}  a\n{good}  b\n")).expect("write");
        let checked = verify(folder.path()).expect("sums");
        assert!(checked[0].is_right() && checked[1].found.is_none());
        std::fs::write(folder.path().join("a"), b"abd").expect("write");
        assert!(!verify(folder.path()).expect("sums")[0].is_right());
        for bad in ["x", &format!("{good}  ../a"), &format!("{good}  /etc/passwd"), &format!("{good}  .x"), "zz  a"] {
            std::fs::write(folder.path().join(SUMS_FILE), bad).expect("write");
            let error = verify(folder.path()).expect_err(bad).to_string();
            assert!(error.contains("line 1"), "{error}");
        }
        std::fs::remove_file(folder.path().join(SUMS_FILE)).expect("remove");
        assert!(matches!(verify(folder.path()), Err(Error::Missing { .. })));
    }
}
