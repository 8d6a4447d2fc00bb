//! Text files that name images: a path within the data set on each line, empty lines ignored.

use std::fs;
use std::path::{Component, Path};

use crate::error::{Error, Result};

/// A line of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// Counted from 1.
    pub(super) number: usize,
    /// The path with `/` between its parts and no `.`.
    pub(super) name: String,
}

/// The lines of the list at `path`.
///
/// # Errors
/// [`Error::Io`] where it cannot be read, [`Error::Data`] for a path that leads out of the data set.
pub(super) fn read(path: &Path) -> Result<Vec<Line>> {
    let text = fs::read_to_string(path).map_err(|source| Error::read(path, source))?;
    let filled = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    filled
        .map(|(at, line)| {
            let (number, line) = (at + 1, line.trim());
            let name = name(line).ok_or_else(|| {
                Error::data(path, format!("line {number}, {line}: give a path below the data set's folder"))
            })?;
            Ok(Line { number, name })
        })
        .collect()
}

/// The path in the form that image names have; `None` where it leads out of its folder or nowhere.
fn name(line: &str) -> Option<String> {
    let mut parts = Vec::new();
    for part in Path::new(line).components() {
        match part {
            Component::Normal(part) => parts.push(part.to_str()?),
            Component::CurDir => {}
            _ => return None,
        }
    }
    (!parts.is_empty()).then(|| parts.join("/"))
}
