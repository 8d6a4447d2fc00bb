//! Flags to images: trained on, held out, shown.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Result, ensure};
use preco_train::datasets::scenes::SceneGenerator;
use preco_train::datasets::split::{Fractions, Part, Split};
use preco_train::datasets::{Allow, ImageFolder, ImageSource, Scan, Subset, Unreadable, refuse_repeats};
use preco_train::error::Error;
use preco_train::run::Images;

use super::Args;

/// Scenes that a run without data trains on.
pub(super) const SCENES: usize = 512;
/// Scenes held out to measure on and to show.
const SCENES_HELD_OUT: usize = 64;
/// The share held out where nobody says otherwise.
const HELD_OUT: f64 = 0.05;
/// Below so many images all are trained on.
const ENOUGH: usize = 200;

/// The images of a run.
pub(super) struct Data {
    /// To train on.
    pub images: Images,
    /// To measure on.
    pub held_out: Option<Images>,
    /// To show.
    pub examples: Images,
    /// Files left out as unreadable, by their headers.
    pub left_out: Vec<Unreadable>,
    /// By name, for the run's folder; generated scenes need none.
    pub split: Option<Split>,
    /// A line about them.
    pub line: String,
}

impl Data {
    /// The images that the flags name, of whose files at most `most` may be unreadable; generated scenes of `size_px` where
    /// they name none.
    pub(super) fn open(args: &Args, size_px: usize, seed: u64, most: usize) -> Result<Self> {
        let Some(root) = &args.data else {
            return Ok(scenes(size_px, seed));
        };
        if args.list.is_some() || args.val_list.is_some() {
            return listed(args, root, most);
        }
        let all = scan(root, None, most)?;
        let left_out = all.unreadable().to_vec();
        let all: Images = Arc::new(all);
        let share = args.held_out.unwrap_or(if all.len() >= ENOUGH { HELD_OUT } else { 0.0 });
        let split = Split::by_hash(all.as_ref(), seed, Fractions::new([1.0 - share, share, 0.0])?)?;
        let [train, val, _] = split.indices(all.as_ref())?;
        ensure!(!train.is_empty(), "--held-out {share} leaves none of {} images to train on", all.len());
        let held_out = (!val.is_empty()).then(|| Arc::new(Subset::new(Arc::clone(&all), val)) as Images);
        Ok(Self { left_out, ..Self::new(root, Arc::new(Subset::new(all, train)), held_out, split) })
    }

    fn new(root: &Path, images: Images, held_out: Option<Images>, split: Split) -> Self {
        let measured = held_out.as_ref().map_or(String::new(), |held_out| format!(", {} held out", held_out.len()));
        let line = format!("data: {} images of {}{measured}", images.len(), root.display());
        let examples = held_out.clone().unwrap_or_else(|| Arc::clone(&images));
        Self { images, held_out, examples, left_out: Vec::new(), split: Some(split), line }
    }
}

fn scenes(size_px: usize, seed: u64) -> Data {
    // Another seed: scenes the run has not seen.
    let held_out: Images = Arc::new(SceneGenerator::new(seed ^ (1 << 63), size_px, SCENES_HELD_OUT));
    let line = format!("data: {SCENES} generated scenes of {size_px}x{size_px} pixels (give your own with --data)");
    let images = Arc::new(SceneGenerator::new(seed, size_px, SCENES));
    Data { images, held_out: Some(Arc::clone(&held_out)), examples: held_out, left_out: Vec::new(), split: None, line }
}

/// What lists name: trained on is the one, or all but the other.
fn listed(args: &Args, root: &Path, most: usize) -> Result<Data> {
    let held_out = args.val_list.as_deref().map(|list| scan(root, Some(list), most)).transpose()?;
    let images = scan(root, args.list.as_deref(), most)?;
    let lists: Vec<&Path> = [&args.list, &args.val_list].into_iter().filter_map(|list| list.as_deref()).collect();
    // Before the names: a set of images knows nothing of lists and lines.
    refuse_repeats(&images, &lists)?;
    let left_out = left_out([Some(&images), held_out.as_ref()].into_iter().flatten(), most)?;
    let held_out = held_out.map(|images| Arc::new(images) as Images);
    let images: Images = match (&args.list, &held_out) {
        (None, Some(held_out)) => {
            let names: HashSet<String> = (0..held_out.len()).map(|index| held_out.name(index)).collect();
            let all: Images = Arc::new(images);
            let rest: Vec<usize> = (0..all.len()).filter(|&index| !names.contains(&all.name(index))).collect();
            ensure!(!rest.is_empty(), "--val-list names all {} images and leaves none to train on", all.len());
            Arc::new(Subset::new(all, rest))
        }
        _ => Arc::new(images),
    };
    let mut parts = vec![(Part::Train, images.as_ref() as &dyn ImageSource)];
    parts.extend(held_out.as_ref().map(|images| (Part::Val, images.as_ref() as _)));
    let split = Split::of_parts(&parts)?;
    Ok(Data { left_out, ..Data::new(root, images, held_out, split) })
}

/// The unreadable files of scans of one folder, each once.
fn left_out<'a>(scans: impl Iterator<Item = &'a ImageFolder>, most: usize) -> Result<Vec<Unreadable>> {
    let files = scans.flat_map(ImageFolder::unreadable).map(|file| (&file.name, file));
    let files: Vec<Unreadable> = files.collect::<BTreeMap<_, _>>().into_values().cloned().collect();
    if files.len() > most { Err(Error::unreadable(&files, most).into()) } else { Ok(files) }
}

fn scan(root: &Path, list: Option<&Path>, most: usize) -> Result<ImageFolder> {
    Ok(ImageFolder::scan_with(
        root,
        &Scan { list: list.map(PathBuf::from), allow: Allow::Most(most), ..Scan::default() },
    )?)
}
