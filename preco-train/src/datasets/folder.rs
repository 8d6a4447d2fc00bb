//! A folder of image files, labelled by its first level of sub-folders.
//!
//! `root/Forest/2019/a.jpg` is an image of class `Forest`; an image directly in `root` has no class. Files count by
//! their extension (jpg, jpeg, png, webp in any case), names that begin with a dot do not count. Links are followed, and
//! a folder that was visited is not visited again. The order is that of the relative paths, part by part, so it is the
//! same on every machine. Images may have any size, down to one pixel: crops enlarge them.
//!
//! A root without image files of its own and with exactly one visible folder, which itself holds folders, is entered: the
//! archive of EuroSAT unpacks to one folder `2750` with the ten of its classes. Names, classes and split are then the same
//! for the archive's folder and for `2750`; lists are valid with and without `2750/` before their names, for both.

mod root;

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use preco_core::imagery::{IMAGE_EXTENSIONS, Image8, ImageInfo, decode, probe};
use preco_core::rng::fnv1a64;
use rayon::prelude::*;
use serde::Serialize;

use super::{BandReader, ImageSource, list, readable};
use crate::error::{Error, Result};

/// Endings of files with bands.
const TIFF_EXTENSIONS: [&str; 2] = ["tif", "tiff"];
/// How many file names an error lists.
const LISTED: usize = 5;

/// What to take from a folder.
#[derive(Clone, Debug, Default)]
pub struct Scan {
    /// A text file with a relative path on each line; nothing else is taken. A path may occur more than once.
    pub list: Option<PathBuf>,
    /// How many files that are no readable images are left out, with a warning.
    pub allow: Allow,
    /// How files with bands are read: with it TIFFs count as images too.
    pub reader: Option<BandReader>,
}

/// How many files may be unreadable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Allow {
    /// None: the folder is refused.
    #[default]
    None,
    /// At most so many, [`Error::Unreadable`] beyond.
    Most(usize),
    /// Any number.
    Any,
}

/// A folder of image files, whose headers have been read.
#[derive(Clone, Debug)]
pub struct ImageFolder {
    root: PathBuf,
    /// What lists may put before a name.
    prefix: Option<String>,
    files: Vec<File>,
    classes: Vec<String>,
    unreadable: Vec<Unreadable>,
    reader: Option<BandReader>,
}

/// A file with an image's name that is no readable image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unreadable {
    /// The path within the folder, with `/` between the parts.
    pub name: String,
    /// The error, which names the file.
    pub reason: String,
}

#[derive(Clone, Debug)]
struct File {
    /// Relative to the root.
    path: PathBuf,
    info: ImageInfo,
    label: Option<usize>,
}

impl ImageFolder {
    /// All images below `root`.
    ///
    /// # Errors
    /// Those of [`ImageFolder::scan_with`].
    pub fn scan(root: impl AsRef<Path>) -> Result<Self> {
        Self::scan_with(root.as_ref(), &Scan::default())
    }

    /// The images below `root` that the file `list` names, a relative path on each line.
    ///
    /// # Errors
    /// Those of [`ImageFolder::scan_with`].
    pub fn scan_list(root: impl AsRef<Path>, list: impl AsRef<Path>) -> Result<Self> {
        Self::scan_with(root.as_ref(), &Scan { list: Some(list.as_ref().into()), ..Scan::default() })
    }

    /// The images below `root` that `scan` asks for. The header of each is read, in parallel.
    ///
    /// Every first-level folder is a class, also where a list takes none of its images: the parts of a split then have
    /// the same labels.
    ///
    /// # Errors
    /// [`Error::Io`] where the folder or the list cannot be read; [`Error::Data`] where `root` is no folder, holds no
    /// image, where listed files are missing or lie outside, or where files are no images; [`Error::Unreadable`] where
    /// more of them are none than may be.
    pub fn scan_with(root: &Path, scan: &Scan) -> Result<Self> {
        let root = &root::enter(root)?;
        let prefix = root::name(root);
        let mut paths = match &scan.list {
            Some(list) => listed(root, prefix.as_deref(), list)?,
            None => walk(root, scan.reader.is_some())?,
        };
        paths.sort();
        let classes = class_names(root)?;
        let (files, unreadable) = check(root, paths, &classes, scan)?;
        if files.is_empty() {
            let tiffs: &[&str] = if scan.reader.is_some() { &TIFF_EXTENSIONS } else { &[] };
            let looked: Vec<String> =
                IMAGE_EXTENSIONS.iter().chain(tiffs).map(|extension| format!(".{extension}")).collect();
            return Err(Error::data(
                scan.list.as_deref().unwrap_or(root),
                format!("found 0 images in {}; looked for {}", root.display(), looked.join(" ")),
            ));
        }
        Ok(Self { root: root.clone(), prefix, files, classes, unreadable, reader: scan.reader.clone() })
    }

    /// The folder that names are relative to: the one that was asked for, or the only folder in it.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The file of the image at `index`.
    ///
    /// # Panics
    /// Where `index` is out of range.
    pub fn path(&self, index: usize) -> PathBuf {
        self.root.join(&self.files[index].path)
    }

    /// The size of the image at `index`, as its header says.
    ///
    /// # Panics
    /// Where `index` is out of range.
    pub fn info(&self, index: usize) -> ImageInfo {
        self.files[index].info
    }

    /// The files that were left out because they are no readable images, by their headers.
    pub fn unreadable(&self) -> &[Unreadable] {
        &self.unreadable
    }

    /// Decodes every image, on all threads, and leaves out those that cannot be, with a warning: headers say nothing of
    /// files that are cut off.
    ///
    /// # Errors
    /// [`Error::Data`] where no image is left.
    pub fn decodable(mut self) -> Result<Self> {
        let all: Vec<usize> = (0..self.len()).collect();
        let (good, cut) = readable(&self, &all);
        if !cut.is_empty() {
            warn(&self.root, &cut, all.len());
        }
        if good.is_empty() {
            let few = first_few(&reasons(&cut), "; ");
            return Err(Error::data(&self.root, format!("none of {} images can be read: {few}", all.len())));
        }
        self.files = good.into_iter().map(|index| self.files[index].clone()).collect();
        self.unreadable.extend(cut);
        Ok(self)
    }
}

impl ImageSource for ImageFolder {
    fn len(&self) -> usize {
        self.files.len()
    }

    fn image(&self, index: usize) -> Result<Image8> {
        match &self.reader {
            Some(reader) => reader.read(&self.path(index)),
            None => Ok(decode(&self.path(index))?),
        }
    }

    fn label(&self, index: usize) -> Option<usize> {
        self.files[index].label
    }

    fn name(&self, index: usize) -> String {
        joined(&self.files[index].path)
    }

    /// Of the name, the file's length in bytes and the size in pixels. Other pixels in a file of the same length are not
    /// seen: all bytes of 100,000 files would take minutes to read at each start.
    fn fingerprint(&self, index: usize) -> u64 {
        let ImageInfo { width, height, .. } = self.info(index);
        // A file that has gone since differs from every length.
        let bytes = fs::metadata(self.path(index)).map_or(-1, |metadata| i128::from(metadata.len()));
        fnv1a64(&format!("{}\n{bytes} bytes, {width}x{height} pixels", self.name(index)))
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn prefix(&self) -> Option<&str> {
        self.prefix.as_deref()
    }
}

/// The relative paths of all image files below `root`, with TIFFs or without.
fn walk(root: &Path, tiffs: bool) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut seen = HashSet::new();
    let mut open = vec![PathBuf::new()];
    while let Some(folder) = open.pop() {
        let full = root.join(&folder);
        // A link back to a folder above would never end.
        if !seen.insert(fs::canonicalize(&full).map_err(|source| Error::read(&full, source))?) {
            continue;
        }
        let mut inner = Vec::new();
        for name in entries(&full)? {
            let relative = folder.join(&name);
            // What a broken link points to is no folder; if it has an image's name, the header check reports it.
            if fs::metadata(root.join(&relative)).is_ok_and(|metadata| metadata.is_dir()) {
                inner.push(relative);
            } else if is_image_name(&relative, tiffs) {
                found.push(relative);
            }
        }
        // Popped from the end, so the first name is visited first: which of two links wins must not depend on the disk.
        open.extend(inner.into_iter().rev());
    }
    Ok(found)
}

/// The names in `folder` that do not begin with a dot, sorted.
fn entries(folder: &Path) -> Result<Vec<std::ffi::OsString>> {
    let failed = |source| Error::read(folder, source);
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        // What macOS adds to an archive holds no images.
        if !name.as_encoded_bytes().starts_with(b".") && name != "__MACOSX" {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

fn is_image_name(path: &Path, tiffs: bool) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str()).map(str::to_ascii_lowercase);
    extension.is_some_and(|extension| {
        IMAGE_EXTENSIONS.contains(&extension.as_str()) || tiffs && TIFF_EXTENSIONS.contains(&extension.as_str())
    })
}

/// The relative paths that the text file `list` names, all of which exist.
fn listed(root: &Path, prefix: Option<&str>, list: &Path) -> Result<Vec<PathBuf>> {
    let known = |name: &str| root.join(name).is_file();
    let paths: Vec<PathBuf> =
        list::read(list)?.into_par_iter().map(|line| list::plain(&line.name, prefix, known).into()).collect();
    let missing: Vec<String> =
        paths.par_iter().filter(|path| !root.join(path).is_file()).map(|path| path.display().to_string()).collect();
    if !missing.is_empty() {
        let reason = format!(
            "{} of {} files are not in {}: {}",
            missing.len(),
            paths.len(),
            root.display(),
            first_few(&missing, ", ")
        );
        return Err(Error::data(list, reason));
    }
    Ok(paths)
}

/// The first-level folders of `root`, sorted.
fn class_names(root: &Path) -> Result<Vec<String>> {
    let names = entries(root)?.into_iter().filter(|name| root.join(name).is_dir());
    let mut names: Vec<String> = names.map(|name| name.to_string_lossy().into_owned()).collect();
    // Names that are no UTF-8 may have moved or become equal.
    names.sort();
    names.dedup();
    Ok(names)
}

/// Reads the headers of `paths`: the images, and what is none.
fn check(root: &Path, paths: Vec<PathBuf>, classes: &[String], scan: &Scan) -> Result<(Vec<File>, Vec<Unreadable>)> {
    let total = paths.len();
    let header = |path: &PathBuf| {
        let path = root.join(path);
        // To read from a pipe may take for ever.
        if fs::metadata(&path).is_ok_and(|metadata| !metadata.is_file()) {
            return Err(format!("{} is no regular file", path.display()));
        }
        match &scan.reader {
            Some(reader) => reader.probe(&path).map_err(|error| error.to_string()),
            None => probe(&path).map_err(|error| error.to_string()),
        }
    };
    let headers: Vec<_> = paths.par_iter().map(header).collect();
    let mut files = Vec::with_capacity(total);
    let mut unreadable = Vec::new();
    for (path, header) in paths.into_iter().zip(headers) {
        match header {
            Ok(info) => {
                let label = class_of(&path, classes);
                files.push(File { path, info, label });
            }
            Err(reason) => unreadable.push(Unreadable { name: joined(&path), reason }),
        }
    }
    if unreadable.is_empty() {
        return Ok((files, unreadable));
    }
    match scan.allow {
        Allow::None => {
            let (count, few) = (unreadable.len(), first_few(&reasons(&unreadable), "\n  "));
            let reason = format!(
                "{count} of {total} files are no readable images; remove them or leave them out with --skip-unreadable:\n  \
                 {few}"
            );
            return Err(Error::data(root, reason));
        }
        Allow::Most(limit) if unreadable.len() > limit => return Err(Error::unreadable(&unreadable, limit)),
        Allow::Most(_) | Allow::Any => warn(root, &unreadable, total),
    }
    Ok((files, unreadable))
}

fn warn(root: &Path, left_out: &[Unreadable], total: usize) {
    let few = first_few(&reasons(left_out), "\n  ");
    tracing::warn!(root = %root.display(), skipped = left_out.len(), total, files = few, "unreadable images");
}

fn reasons(unreadable: &[Unreadable]) -> Vec<String> {
    unreadable.iter().map(|file| file.reason.clone()).collect()
}

/// A relative path with `/` between its parts, on every system.
fn joined(path: &Path) -> String {
    let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
    parts.join("/")
}

/// The class of a relative path: its first folder. The list of classes is sorted.
fn class_of(path: &Path, classes: &[String]) -> Option<usize> {
    let mut parts = path.iter();
    let first = parts.next()?.to_string_lossy();
    parts.next()?;
    classes.binary_search_by(|class| class.as_str().cmp(&first)).ok()
}

pub(crate) fn first_few(items: &[String], between: &str) -> String {
    let more = items.len().saturating_sub(LISTED);
    let shown = items[..items.len() - more].join(between);
    if more == 0 { shown } else { format!("{shown}{between}and {more} more") }
}

#[cfg(test)]
mod tests;
