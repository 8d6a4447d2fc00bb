//! Files against their digests.

use std::fs::File;
use std::path::Path;

use serde::Serialize;

use crate::digest::{Digest, sha256};
use crate::error::{Error, Result};
use crate::sums::{self, SUMS_FILE};

/// A file and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// Its name.
    pub file: String,
    /// What its SHA-256 should be.
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

/// Compares every file of `folder` with its `SHA256SUMS`, whatever was checked before.
///
/// # Errors
/// [`Error::Missing`] where there is none, [`Error::Io`], and [`Error::Text`] for a line that is none of `sha256sum`'s.
pub fn verify(folder: &Path) -> Result<Vec<Checked>> {
    let path = folder.join(SUMS_FILE);
    let text = match std::fs::read_to_string(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let what =
                format!("{} has no {SUMS_FILE} to compare with; only published models have one", folder.display());
            return Err(Error::Card { what });
        }
        text => text.map_err(Error::io("read", &path))?,
    };
    let check = |(file, wanted): (String, String)| {
        let path = folder.join(&file);
        let found = match File::open(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            opened => {
                let mut content = opened.map_err(Error::io("read", &path))?;
                match Digest::Sha256(String::new()).of(&mut content, 0).map_err(Error::io("read", &path))? {
                    Digest::Sha256(digits) | Digest::GitBlob(digits) => Some(digits),
                }
            }
        };
        Ok(Checked { file, wanted, found })
    };
    sums::parse(&text, &path)?.into_iter().map(check).collect()
}

/// Compares the files of a model that the program carries with the registry.
pub fn verify_carried(entry: &crate::Entry) -> Vec<Checked> {
    let carried = preco_weights::carried(&entry.name).unwrap_or_default();
    let check = |file: &crate::File| Checked {
        file: file.name.clone(),
        wanted: file.sha256.clone(),
        found: carried.iter().find(|(name, _)| *name == file.name).map(|(_, bytes)| sha256(bytes)),
    };
    entry.files.iter().map(check).collect()
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
        for bad in [
            "x",
            &format!("{good}  ../a"),
            &format!("{good}  /etc/passwd"),
            &format!("{good}  NUL"),
            "zz  a",
            &format!("{good}  a\n{good}  a"),
        ] {
            std::fs::write(folder.path().join(SUMS_FILE), bad).expect("write");
            let error = verify(folder.path()).expect_err(bad).to_string();
            assert!(error.contains("SHA256SUMS: line "), "{error}");
        }
        std::fs::remove_file(folder.path().join(SUMS_FILE)).expect("remove");
        verify(folder.path()).expect_err("no digests");
    }
}
