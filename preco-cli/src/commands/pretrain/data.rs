//! Flags to images: trained on, held out, shown.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Result, ensure};
use preco_train::datasets::scenes::SceneGenerator;
use preco_train::datasets::split::{Fractions, Part, Split};
use preco_train::datasets::{ImageFolder, Scan, Subset};
use preco_train::tasks::pretrain::Images;

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
    /// By name, for the run's folder; generated scenes need none.
    pub split: Option<Split>,
    /// A line about them.
    pub line: String,
}

impl Data {
    /// The images that the flags name; generated scenes of `size_px` where they name none.
    pub(super) fn open(args: &Args, size_px: usize, seed: u64) -> Result<Self> {
        let Some(root) = &args.data else {
            return Ok(scenes(size_px, seed));
        };
        if args.list.is_some() || args.val_list.is_some() {
            return listed(args, root);
        }
        let all: Images = Arc::new(scan(root, None, args.skip_unreadable)?);
        let share = args.held_out.unwrap_or(if all.len() >= ENOUGH { HELD_OUT } else { 0.0 });
        let split = Split::by_hash(all.as_ref(), seed, Fractions::new([1.0 - share, share, 0.0])?)?;
        let [train, val, _] = split.indices(all.as_ref())?;
        ensure!(!train.is_empty(), "--held-out {share} leaves none of {} images to train on", all.len());
        let held_out = (!val.is_empty()).then(|| Arc::new(Subset::new(Arc::clone(&all), val)) as Images);
        Ok(Self::new(root, Arc::new(Subset::new(all, train)), held_out, split))
    }

    fn new(root: &Path, images: Images, held_out: Option<Images>, split: Split) -> Self {
        let measured = held_out.as_ref().map_or(String::new(), |held_out| format!(", {} held out", held_out.len()));
        let line = format!("data: {} images of {}{measured}", images.len(), root.display());
        let examples = held_out.clone().unwrap_or_else(|| Arc::clone(&images));
        Self { images, held_out, examples, split: Some(split), line }
    }
}

fn scenes(size_px: usize, seed: u64) -> Data {
    // Another seed: scenes the run has not seen.
    let held_out: Images = Arc::new(SceneGenerator::new(seed ^ (1 << 63), size_px, SCENES_HELD_OUT));
    let line = format!("data: {SCENES} generated scenes of {size_px}x{size_px} pixels (give your own with --data)");
    let images = Arc::new(SceneGenerator::new(seed, size_px, SCENES));
    Data { images, held_out: Some(Arc::clone(&held_out)), examples: held_out, split: None, line }
}

/// What lists name: trained on is the one, or all but the other.
fn listed(args: &Args, root: &Path) -> Result<Data> {
    let held_out = args.val_list.as_deref().map(|list| scan(root, Some(list), args.skip_unreadable)).transpose()?;
    let held_out = held_out.map(|images| Arc::new(images) as Images);
    let images = scan(root, args.list.as_deref(), args.skip_unreadable)?;
    let images: Images = match (&args.list, &held_out) {
        (None, Some(held_out)) => {
            let names: std::collections::HashSet<String> =
                (0..held_out.len()).map(|index| held_out.name(index)).collect();
            let all: Images = Arc::new(images);
            let rest: Vec<usize> = (0..all.len()).filter(|&index| !names.contains(&all.name(index))).collect();
            ensure!(!rest.is_empty(), "--val-list names all {} images and leaves none to train on", all.len());
            Arc::new(Subset::new(all, rest))
        }
        _ => Arc::new(images),
    };
    let mut parts = vec![(Part::Train, images.as_ref() as &dyn preco_train::datasets::ImageSource)];
    parts.extend(held_out.as_ref().map(|images| (Part::Val, images.as_ref() as _)));
    let split = Split::of_parts(&parts)?;
    Ok(Data::new(root, images, held_out, split))
}

fn scan(root: &Path, list: Option<&Path>, skip_unreadable: bool) -> Result<ImageFolder> {
    Ok(ImageFolder::scan_with(root, &Scan { list: list.map(PathBuf::from), skip_unreadable })?)
}
