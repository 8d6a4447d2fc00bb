//! Flags to labelled images: trained on, and held out.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Result, ensure};
use preco_core::imagery::Levels;
use preco_core::spec::Labelling;
use preco_train::datasets::split::{Fractions, Part, Split};
use preco_train::datasets::{ImageSource, Subset, Unreadable, label_fraction};
use preco_train::run::Images;

use super::super::labelled::{Labelled, Opened, check_labels, reader};
use super::Args;
use super::plan::Start;
use crate::output::note;

/// The share held out where nobody says otherwise.
const HELD_OUT: f64 = 0.1;

/// The images of a run.
pub(super) struct Data {
    pub(super) images: Images,
    pub(super) held_out: Option<Images>,
    /// Files left out as unreadable, by their headers.
    pub(super) left_out: Vec<Unreadable>,
    /// By name, for the run's folder.
    pub(super) split: Option<Split>,
    /// The bands of the images.
    pub(super) bands: Vec<String>,
    /// Stored values that became black and white, where they are of more than eight bits.
    pub(super) levels: Option<Levels>,
    /// A line about them.
    pub(super) line: String,
}

impl Data {
    /// The images that the flags name.
    pub(super) fn open(args: &Args, labelling: Labelling, start: &Start) -> Result<Self> {
        let most = if args.skip_unreadable { usize::MAX } else { args.max_unreadable.unwrap_or(0) };
        let [train, val] = lists(args)?;
        let preprocess = start.preprocess();
        let mut source = Labelled {
            root: args.data.clone(),
            table: args.labels.clone(),
            list: train.clone(),
            leave_out: args.leave_out.clone(),
            classes: None,
            most,
            reader: reader(None, false, &preprocess.bands)?,
        };
        source.reader = reader(args.bands.as_deref(), source.is_bigearthnet(), &preprocess.bands)?;
        let (mut images, mut held_out, mut left_out) = parts(args, &source, train.as_ref(), val.as_ref())?;
        source.reader.levels = match &args.stretch {
            // As the model has seen them.
            None if preprocess.bands == source.reader.bands && preprocess.levels.is_some() => preprocess.levels.clone(),
            how => source.levels(how.as_deref(), &names(held_out.as_deref()))?,
        };
        if source.reader.levels.is_some() {
            // The same images, with values cut at the levels of those that are learnt from.
            (images, held_out, left_out) = parts(args, &source, train.as_ref(), val.as_ref())?;
        }
        let (place, bands, levels) = (source.place(), source.reader.bands.clone(), source.reader.levels.clone());
        let data = Self { images, held_out, left_out, split: None, bands, levels, line: String::new() };
        data.finished(args, labelling, &place)
    }

    /// With the share of labels that is asked for, checked, and told of.
    fn finished(mut self, args: &Args, labelling: Labelling, place: &str) -> Result<Self> {
        let all = self.images.len();
        let single = labelling == Labelling::Single;
        check_labels(self.images.as_ref(), single, place)?;
        if let Some(held_out) = &self.held_out {
            check_labels(held_out.as_ref(), single, place)?;
        }
        if let Some(share) = args.label_fraction {
            let seed = args.fraction_seed.or(args.seed).unwrap_or(0);
            let chosen = label_fraction(self.images.as_ref(), share, seed)?;
            self.images = Arc::new(Subset::new(self.images, chosen));
        }
        let mut parts = vec![(Part::Train, self.images.as_ref() as &dyn ImageSource)];
        parts.extend(self.held_out.as_ref().map(|images| (Part::Val, images.as_ref() as _)));
        self.split = Some(Split::of_parts(&parts)?);
        let measured =
            self.held_out.as_ref().map_or(String::new(), |held_out| format!(", {} held out", held_out.len()));
        let (count, classes) = (self.images.len(), self.images.classes().len());
        let of = if count < all { format!(" of {all}") } else { String::new() };
        self.line = format!("data: {count}{of} images of {classes} classes in {place}{measured}");
        tell_missing(self.images.as_ref(), self.held_out.as_deref());
        Ok(self)
    }
}

/// Images to learn from, images to measure on, and files that were left out.
type Parts = (Images, Option<Images>, Vec<Unreadable>);

/// The images of `source` in their parts, by tables, lists or a hash of the names.
fn parts(args: &Args, source: &Labelled, train: Option<&PathBuf>, val: Option<&PathBuf>) -> Result<Parts> {
    let Opened { images, left_out } = source.open()?;
    let classes = Some(images.classes().to_vec());
    let held_out = match (&args.val_labels, val) {
        (Some(table), _) => Some(Labelled { table: Some(table.clone()), classes, ..source.clone() }),
        (None, Some(list)) => Some(Labelled { list: Some(list.clone()), ..source.clone() }),
        (None, None) => None,
    };
    let held_out = held_out.map(|source| source.open()).transpose()?.map(|opened| opened.images);
    let (images, held_out) = match held_out {
        // Without a list of its own, the rest is learnt from.
        Some(held_out) if train.is_none() && args.labels.is_none() => {
            (without(images, held_out.as_ref())?, Some(held_out))
        }
        None if train.is_none() => by_hash(images, args)?,
        held_out => (images, held_out),
    };
    Ok((images, held_out, left_out))
}

/// The names of images.
fn names(images: Option<&(dyn ImageSource + Send + Sync)>) -> HashSet<String> {
    images.map(|images| (0..images.len()).map(|index| images.name(index)).collect()).unwrap_or_default()
}

/// Lists of names to learn from and to measure on.
fn lists(args: &Args) -> Result<[Option<PathBuf>; 2]> {
    let Some(split) = &args.split else { return Ok([args.list.clone(), args.val_list.clone()]) };
    let [train, val, _] = Split::LISTS.map(|name| split.join(name));
    ensure!(train.is_file(), "--split {} holds no {}: data split writes one", split.display(), Split::LISTS[0]);
    Ok([Some(train), val.is_file().then_some(val)])
}

/// The images that are not among the held-out ones.
fn without(images: Images, held_out: &(dyn ImageSource + Send + Sync)) -> Result<Images> {
    let names = names(Some(held_out));
    let rest: Vec<usize> = (0..images.len()).filter(|&index| !names.contains(&images.name(index))).collect();
    ensure!(!rest.is_empty(), "--val-list names all {} images and leaves none to train on", images.len());
    Ok(Arc::new(Subset::new(images, rest)))
}

/// A share of the images is held out, by a hash of their names.
fn by_hash(all: Images, args: &Args) -> Result<(Images, Option<Images>)> {
    let share = args.held_out.unwrap_or(HELD_OUT);
    ensure!((0.0..1.0).contains(&share), "--held-out {share} must be a share from 0 to below 1, such as 0.1");
    let split = Split::by_hash(all.as_ref(), args.seed.unwrap_or(0), Fractions::new([1.0 - share, share, 0.0])?)?;
    let [train, val, _] = split.indices(all.as_ref())?;
    ensure!(!train.is_empty(), "--held-out {share} leaves none of {} images to train on", all.len());
    let held_out = (!val.is_empty()).then(|| Arc::new(Subset::new(Arc::clone(&all), val)) as Images);
    Ok((Arc::new(Subset::new(all, train)), held_out))
}

/// Tells of classes that have no image to learn from, or none to measure on.
fn tell_missing(images: &dyn ImageSource, held_out: Option<&(dyn ImageSource + Send + Sync)>) {
    let seen = |source: &dyn ImageSource| {
        let mut seen = vec![false; source.classes().len()];
        (0..source.len()).filter_map(|at| source.labels(at)).flatten().for_each(|class| seen[class] = true);
        seen
    };
    let train = seen(images);
    let val = held_out.map(|held_out| seen(held_out));
    let named = |missing: &dyn Fn(usize) -> bool| {
        let classes = images.classes().iter().enumerate().filter(|(at, _)| missing(*at));
        classes.map(|(_, class)| class.as_str()).collect::<Vec<_>>().join(", ")
    };
    let unlearnt = named(&|at| !train[at]);
    if !unlearnt.is_empty() {
        note(&format!("no image to learn from, so never found: {unlearnt}"));
    }
    let unmeasured = named(&|at| train[at] && val.as_ref().is_some_and(|val| !val[at]));
    if !unmeasured.is_empty() {
        note(&format!("no held-out image, so without figures: {unmeasured}"));
    }
}
