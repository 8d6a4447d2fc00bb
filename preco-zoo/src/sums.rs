//! `SHA256SUMS`: the digests of a folder's files, as `sha256sum` writes them.

use std::path::Path;

use crate::digest::is_sha256;
use crate::error::{Error, Result};
use crate::name::is_relative;

/// The file's name.
pub(crate) const SUMS_FILE: &str = "SHA256SUMS";

/// Reads the lines of such a file, which errors call `path`: names and SHA-256.
///
/// # Errors
/// [`Error::Text`] for a line that is none of `sha256sum`'s, a name that leaves the folder, and a name told twice.
pub fn parse(text: &str, path: &Path) -> Result<Vec<(String, String)>> {
    let mut sums: Vec<(String, String)> = Vec::new();
    for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let wrong = |what: &str| Error::text(path, format!("line {}: {what}", at + 1));
        let (digest, file) =
            line.split_once("  ").ok_or_else(|| wrong("a digest, two blanks and a name are wanted"))?;
        let digest = digest.to_ascii_lowercase();
        if !is_sha256(&digest) {
            return Err(wrong("is no SHA-256"));
        }
        if !is_relative(file) {
            return Err(wrong(&format!("{file:?} is no file of the folder")));
        }
        if sums.iter().any(|(known, _)| known == file) {
            return Err(wrong(&format!("{file:?} is told of twice")));
        }
        sums.push((file.to_owned(), digest));
    }
    Ok(sums)
}

/// The text of such a file.
pub(crate) fn text<'a>(sums: impl Iterator<Item = (&'a str, String)>) -> String {
    sums.map(|(file, digest)| format!("{digest}  {file}\n")).collect()
}
