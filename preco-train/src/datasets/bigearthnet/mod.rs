//! BigEarthNet-S2 in its official folders (Sumbul et al. 2019, arXiv 1902.06148; version 2: Clasen et al. 2024, arXiv
//! 2407.03653): a folder for each patch, a file for each band, 120, 60 or 20 pixels a side.
//!
//! Version 1 has the labels beside the bands (`PATCH_labels_metadata.json`, 43 classes, mapped to 19); version 2 has them
//! in `metadata.parquet` at the root or beside it (19 classes), which leaves out patches with snow and clouds and has the
//! official parts. A patch that is not in it, or none of whose labels is among the 19, is dropped, and counted.
//! Bands are brought to the largest side among the wanted ones (bilinear).

mod look_alike;
mod metadata;
mod nomenclature;
mod statistics;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};

use preco_core::imagery::raster::{Pixels, open_file};
use preco_core::imagery::{Filter, Image8, Levels, resize};
use preco_core::rng::fnv1a64;
use serde::Deserialize;

use super::ImageSource;
use super::split::Part;
use crate::error::{Error, Result};

pub use look_alike::write_look_alike;
pub use nomenclature::{CLASSES, class_of};
pub use statistics::{band_names, levels};

/// The end of the name of version 1's labels.
const LABELS: &str = "_labels_metadata.json";
/// Version 2's table.
const METADATA: &str = "metadata.parquet";
/// Folders between root and patches, at most.
const DEPTH: usize = 4;

/// Patches with their labels.
#[derive(Clone, Debug)]
pub struct BigEarthNet {
    patches: Vec<Patch>,
    classes: Vec<String>,
    bands: Vec<String>,
    levels: Levels,
    dropped: usize,
    left_out: usize,
}

#[derive(Clone, Debug)]
struct Patch {
    name: String,
    folder: PathBuf,
    labels: Vec<usize>,
    part: Option<Part>,
}

/// What to take of the data set.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    /// A text file of patches' names: nothing else is taken.
    pub list: Option<PathBuf>,
    /// Text files of patches to leave out, such as those with snow or clouds.
    pub leave_out: Vec<PathBuf>,
    /// Take patches whatever is known of their labels: to label them.
    pub unlabelled: bool,
}

/// The labels beside a patch's bands.
#[derive(Deserialize)]
struct Labels {
    labels: Vec<String>,
}

impl BigEarthNet {
    /// True where `root` looks like one of its folders.
    pub fn is_at(root: &Path) -> bool {
        metadata_of(root).is_some() || patches(root, true).is_ok_and(|found| !found.is_empty())
    }

    /// The patches in `root` with the bands `bands`, values cut at `levels`.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::Data`] for folders and files that are not as they should be, with the patch: a list that
    /// names one that is not there, a label that nobody knows, a band that is missing; [`Error::Config`] for other bands.
    pub fn open(root: &Path, choice: &Choice, bands: &[String], levels: Levels) -> Result<Self> {
        for band in bands {
            statistics::row(band)?;
        }
        let mut found: BTreeMap<String, PathBuf> = patches(root, false)?.into_iter().collect();
        if found.is_empty() {
            return Err(Error::data(root, "holds no patch: a folder with PATCH_B02.tif and the other bands"));
        }
        let mut left_out = HashSet::new();
        for list in &choice.leave_out {
            left_out.extend(names(list)?);
        }
        if let Some(list) = &choice.list {
            let wanted: BTreeSet<String> = names(list)?.into_iter().collect();
            if let Some(missing) = wanted.iter().find(|name| !found.contains_key(*name)) {
                return Err(Error::data(list, format!("{missing} is not in {}", root.display())));
            }
            found.retain(|name, _| wanted.contains(name));
        }
        let before = found.len();
        found.retain(|name, _| !left_out.contains(name));
        let left_out = before - found.len();
        let table = if choice.unlabelled { None } else { metadata_of(root) };
        let table = table.map(|path| Ok::<_, Error>((metadata::read(&path)?, path))).transpose()?;
        let (mut patches, mut dropped) = (Vec::with_capacity(found.len()), 0);
        for (name, folder) in found {
            let (texts, part, place) = match &table {
                _ if choice.unlabelled => (Vec::new(), None, folder.clone()),
                Some((table, path)) => {
                    let Some(metadata::Entry { labels, split }) = table.get(&name).cloned() else {
                        dropped += 1;
                        continue;
                    };
                    (labels, split.as_deref().and_then(part_of), path.clone())
                }
                None => {
                    let path = folder.join(format!("{name}{LABELS}"));
                    (beside(&path)?, None, path)
                }
            };
            let mut labels = Vec::new();
            for text in texts {
                let class = class_of(&text);
                let class =
                    class.ok_or_else(|| Error::data(&place, format!("\"{text}\" is no class of BigEarthNet")))?;
                labels.extend(class);
            }
            labels.sort_unstable();
            labels.dedup();
            if labels.is_empty() && !choice.unlabelled {
                dropped += 1;
                continue;
            }
            for band in bands {
                let (_, ending, ..) = statistics::row(band)?;
                let file = folder.join(format!("{name}_{ending}.tif"));
                if !file.is_file() {
                    return Err(Error::data(&file, "is missing: fetch the patch again, or choose other bands"));
                }
            }
            patches.push(Patch { name, folder, labels, part });
        }
        if patches.is_empty() {
            let reason =
                format!("holds no patch with a label: {dropped} have none of the 19 classes, {left_out} are left out");
            return Err(Error::data(root, reason));
        }
        let classes = CLASSES.map(str::to_owned).to_vec();
        Ok(Self { patches, classes, bands: bands.to_vec(), levels, dropped, left_out })
    }

    /// Patches without a label among the 19 classes, or without a row in the table.
    pub fn dropped(&self) -> usize {
        self.dropped
    }

    /// The patches of an official part, where the table has such: version 2's.
    pub fn part(&self, part: Part) -> Option<Vec<usize>> {
        let has_parts = self.patches.iter().all(|patch| patch.part.is_some());
        has_parts.then(|| (0..self.patches.len()).filter(|&at| self.patches[at].part == Some(part)).collect())
    }

    /// The file of a patch's band: where the patch lies is in it.
    ///
    /// # Errors
    /// [`Error::Config`] for another band.
    pub fn file(&self, index: usize, band: &str) -> Result<PathBuf> {
        let Patch { name, folder, .. } = &self.patches[index];
        Ok(folder.join(format!("{name}_{}.tif", statistics::row(band)?.1)))
    }

    /// Patches that lists left out.
    pub fn left_out(&self) -> usize {
        self.left_out
    }

    /// One band, at its own size.
    fn band(&self, patch: &Patch, at: usize) -> Result<Image8> {
        let (_, ending, ..) = statistics::row(&self.bands[at])?;
        let raster = open_file(&patch.folder.join(format!("{}_{ending}.tif", patch.name)), 0)?;
        let pixels = Pixels::read(&*raster, raster.info().window(), &[0])?;
        let Levels { low, high, to } = &self.levels;
        let own = Levels { low: vec![low[at]], high: vec![high[at]], to: *to };
        let mut bytes = vec![0; pixels.valid.len()];
        own.colours(&pixels, &[0], &mut bytes);
        Ok(Image8::new(pixels.width, pixels.height, 1, bytes))
    }
}

/// Version 2's table, in the folder of patches or beside it, as the archives unpack.
fn metadata_of(root: &Path) -> Option<PathBuf> {
    let beside = root.canonicalize().ok().and_then(|root| Some(root.parent()?.join(METADATA)));
    let is_version_2 = root.file_name().is_some_and(|name| name.to_string_lossy().starts_with("BigEarthNet-S2"));
    let beside = beside.filter(|_| is_version_2);
    std::iter::once(root.join(METADATA)).chain(beside).find(|path| path.is_file())
}

/// A part by its name in the table.
fn part_of(name: &str) -> Option<Part> {
    match name {
        "train" => Some(Part::Train),
        "validation" | "val" => Some(Part::Val),
        "test" => Some(Part::Test),
        _ => None,
    }
}

/// The labels of a file beside the bands.
fn beside(path: &Path) -> Result<Vec<String>> {
    let text = match std::fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let reason = format!(
                "is missing: version 1 has labels there, version 2 has them in {METADATA} in the folder that is given or \
                 beside BigEarthNet-S2"
            );
            return Err(Error::data(path, reason));
        }
        read => read.map_err(|source| Error::read(path, source))?,
    };
    let labels: Labels = serde_json::from_str(&text).map_err(|error| Error::data(path, error.to_string()))?;
    Ok(labels.labels)
}

/// The names of a list: the first column of each line.
fn names(list: &Path) -> Result<Vec<String>> {
    let text = std::fs::read_to_string(list).map_err(|source| Error::read(list, source))?;
    let first = |line: &str| line.split([',', '\t']).next().unwrap_or_default().trim().to_owned();
    Ok(text.trim_start_matches('\u{feff}').lines().map(first).filter(|name| !name.is_empty()).collect())
}

/// Names and folders of the patches below `root`; only the first where `any` is enough. A patch has its blue band.
fn patches(root: &Path, any: bool) -> Result<Vec<(String, PathBuf)>> {
    let mut found = Vec::new();
    let mut open = vec![(root.to_path_buf(), 0)];
    while let Some((folder, depth)) = open.pop() {
        let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if folder.join(format!("{name}_B02.tif")).is_file() {
            found.push((name, folder));
            if any {
                break;
            }
            continue;
        }
        if depth == DEPTH {
            continue;
        }
        let entries = std::fs::read_dir(&folder).map_err(|source| Error::read(&folder, source))?;
        for entry in entries {
            let path = entry.map_err(|source| Error::read(&folder, source))?.path();
            if path.is_dir() {
                open.push((path, depth + 1));
            }
        }
    }
    Ok(found)
}

impl ImageSource for BigEarthNet {
    fn len(&self) -> usize {
        self.patches.len()
    }

    fn image(&self, index: usize) -> Result<Image8> {
        let patch = &self.patches[index];
        let bands = (0..self.bands.len()).map(|at| self.band(patch, at)).collect::<Result<Vec<_>>>()?;
        let side = bands.iter().map(|band| band.width().max(band.height())).max().unwrap_or(0);
        let mut data = vec![0; bands.len() * side * side];
        for (at, band) in bands.iter().enumerate() {
            let sized = resize(band, [side, side], Filter::Bilinear)?;
            for (pixel, &byte) in data.chunks_exact_mut(self.bands.len()).zip(sized.data()) {
                pixel[at] = byte;
            }
        }
        Ok(Image8::new(side, side, self.bands.len(), data))
    }

    fn label(&self, index: usize) -> Option<usize> {
        match self.patches[index].labels[..] {
            [only] => Some(only),
            _ => None,
        }
    }

    fn labels(&self, index: usize) -> Option<Vec<usize>> {
        Some(&self.patches[index].labels).filter(|labels| !labels.is_empty()).cloned()
    }

    fn name(&self, index: usize) -> String {
        self.patches[index].name.clone()
    }

    fn fingerprint(&self, index: usize) -> u64 {
        let Patch { name, folder, labels, .. } = &self.patches[index];
        let length = |band: &String| {
            let ending = statistics::row(band).map_or("", |(_, ending, ..)| ending);
            std::fs::metadata(folder.join(format!("{name}_{ending}.tif"))).map_or(0, |metadata| metadata.len())
        };
        let lengths: Vec<u64> = self.bands.iter().map(length).collect();
        fnv1a64(&format!("{name}\n{lengths:?} bytes, {labels:?}"))
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }
}

#[cfg(test)]
mod tests;
