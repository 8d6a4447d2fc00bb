//! Which folder holds the images: the root, or the one folder in it.

use std::fs;
use std::path::{Path, PathBuf};

use super::{entries, is_image_name};
use crate::error::{Error, Result};

/// The folder of the images of `root` by the module's rule.
///
/// # Errors
/// [`Error::Io`] where it cannot be read, [`Error::Data`] where it is no folder.
pub(super) fn enter(root: &Path) -> Result<PathBuf> {
    let metadata = fs::metadata(root).map_err(|source| Error::read(root, source))?;
    if !metadata.is_dir() {
        return Err(Error::data(root, "is a file; a folder of images is needed"));
    }
    let mut only = None;
    for name in entries(root)? {
        let path = root.join(name);
        if path.is_dir() {
            if only.replace(path).is_some() {
                return Ok(root.into());
            }
        } else if is_image_name(&path, true) {
            return Ok(root.into());
        }
    }
    Ok(only.filter(|inner| holds_folders(inner)).unwrap_or_else(|| root.into()))
}

/// A folder that cannot be read is told of by the scan, with its name.
fn holds_folders(folder: &Path) -> bool {
    entries(folder).is_ok_and(|names| names.iter().any(|name| folder.join(name).is_dir()))
}

/// The name of `folder`, with which lists may begin their lines.
pub(super) fn name(folder: &Path) -> Option<String> {
    let known = folder.file_name().map(|name| name.to_owned());
    // `.` and `..` have none of their own.
    let name = known.or_else(|| Some(fs::canonicalize(folder).ok()?.file_name()?.to_owned()))?;
    name.into_string().ok()
}
