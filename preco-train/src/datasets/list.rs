//! Text files that name images: a path within the data set on each line, empty lines and a byte-order mark ignored.

use std::collections::HashMap;
use std::fs;
use std::path::{Component, Path};

use super::{ImageFolder, ImageSource};
use crate::error::{Error, Result};

/// What editors of some systems put at the start of a text.
const BYTE_ORDER_MARK: char = '\u{feff}';

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
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&text);
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

/// The image that a list calls `name`: of that name where there is one, else of that without the folder `prefix`.
pub(super) fn plain<'a>(name: &'a str, prefix: Option<&str>, known: impl Fn(&str) -> bool) -> &'a str {
    let inner = prefix.and_then(|prefix| name.strip_prefix(prefix)?.strip_prefix('/'));
    inner.filter(|_| !known(name)).unwrap_or(name)
}

/// Where images were listed.
#[derive(Default)]
pub(super) struct Places(HashMap<String, String>);

impl Places {
    /// Notes that a line of `list` names the image `name`.
    ///
    /// # Errors
    /// [`Error::Data`] with both places where it is listed already.
    pub(super) fn add(&mut self, list: &Path, number: usize, name: &str) -> Result<()> {
        let place = format!("{} line {number}", list.display());
        match self.0.insert(name.to_owned(), place) {
            Some(earlier) => Err(Error::data(list, format!("line {number}, {name}: is listed already in {earlier}"))),
            None => Ok(()),
        }
    }
}

/// Refuses lists of images of `folder` that name an image twice, alone or together.
///
/// # Errors
/// Those of reading them; [`Error::Data`] with both lists, both lines and the name.
pub fn refuse_repeats(folder: &ImageFolder, lists: &[&Path]) -> Result<()> {
    let mut places = Places::default();
    for list in lists {
        for Line { number, name } in read(list)? {
            places.add(list, number, plain(&name, folder.prefix(), |name| folder.root().join(name).is_file()))?;
        }
    }
    Ok(())
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
