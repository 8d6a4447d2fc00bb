//! Files against their digests.

use std::fs::File;
use std::path::Path;

use serde::Serialize;

use crate::digest::{Digest, sha256};
use crate::error::{Error, Result};
use crate::folder::DECODER_FILE;
use crate::part::Part;
use crate::sums::{self, SUMS_FILE};

/// A file and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// Its name.
    pub file: String,
    /// What its digest should be, such as `SHA-256 9f2c…`.
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

/// Compares every file of `folder` with its `SHA256SUMS`, and where it has none but lies in the cache, with the digests that
/// its blobs are named by; whatever was checked before.
///
/// # Errors
/// [`Error::Card`] where there is nothing to compare with, [`Error::Io`], and [`Error::Text`] for a line that is none of
/// `sha256sum`'s.
pub fn verify(folder: &Path) -> Result<Vec<Checked>> {
    let mut checked = verify_files(folder, |_| true)?;
    // What a model is made of must be in the list, or the list says nothing.
    let decoder = folder.join(DECODER_FILE).exists().then(|| DECODER_FILE.to_owned());
    for file in Part::All.needed(folder).into_iter().chain(decoder) {
        if !checked.iter().any(|known| known.file == file) {
            let found = folder.join(&file).exists().then(|| "none".to_owned());
            checked.push(Checked { file, wanted: "a digest in the list".to_owned(), found });
        }
    }
    Ok(checked)
}

/// [`verify`] of the listed files that `is_asked`.
pub(crate) fn verify_files(folder: &Path, is_asked: impl Fn(&str) -> bool) -> Result<Vec<Checked>> {
    let path = folder.join(SUMS_FILE);
    let wanted = match std::fs::read_to_string(&path) {
        Ok(text) => {
            sums::parse(&text, &path)?.into_iter().map(|(file, digits)| (file, Digest::Sha256(digits))).collect()
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => of_blobs(folder)?,
        Err(error) => return Err(Error::io("read", &path)(error)),
    };
    if wanted.is_empty() {
        let what = format!("{} has no {SUMS_FILE} to compare with; only published models have one", folder.display());
        return Err(Error::Card { what });
    }
    wanted.into_iter().filter(|(file, _)| is_asked(file)).map(|(file, wanted)| check(folder, file, &wanted)).collect()
}

/// Compares a file of a folder with its digest.
pub(crate) fn check(folder: &Path, file: String, wanted: &Digest) -> Result<Checked> {
    let path = folder.join(&file);
    let found = match File::open(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        opened => {
            let mut content = opened.map_err(Error::io("read", &path))?;
            let bytes = content.metadata().map_err(Error::io("read", &path))?.len();
            Some(wanted.of(&mut content, bytes).map_err(Error::io("read", &path))?.to_string())
        }
    };
    Ok(Checked { file, wanted: wanted.to_string(), found })
}

/// The digests that the cache names the files of a snapshot by.
fn of_blobs(folder: &Path) -> Result<Vec<(String, Digest)>> {
    let mut wanted = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(Error::io("read", folder))? {
        let path = entry.map_err(Error::io("read", folder))?.path();
        let blob = std::fs::read_link(&path).unwrap_or_default();
        let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if let Some(digest) = Digest::of_etag(&name(&blob)) {
            wanted.push((name(&path), digest));
        }
    }
    wanted.sort_by(|(one, _), (other, _)| one.cmp(other));
    Ok(wanted)
}

/// Compares the files of a model that the program carries with the registry.
pub fn verify_carried(entry: &crate::Entry) -> Vec<Checked> {
    let carried = preco_weights::carried(&entry.name).unwrap_or_default();
    let check = |file: &crate::File| Checked {
        file: file.name.clone(),
        wanted: Digest::Sha256(file.sha256.clone()).to_string(),
        found: carried
            .iter()
            .find(|(name, _)| *name == file.name)
            .map(|(_, bytes)| Digest::Sha256(sha256(bytes)).to_string()),
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
        let unlisted: Vec<&str> = checked[2..].iter().map(|file| file.file.as_str()).collect();
        assert_eq!(unlisted, ["config.json", "preprocessor_config.json", "model.safetensors"], "a model has these");
        assert!(checked[2..].iter().all(|file| !file.is_right()));
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
