//! Flags to labelled images: trained on, and held out.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Result, ensure};
use preco_core::imagery::Levels;
use preco_core::spec::Labelling;
use preco_train::datasets::split::{Fractions, Part, Split};
use preco_train::datasets::{BandReader, ImageSource, Subset, Unreadable, label_fraction};
use preco_train::run::Images;

use super::super::labelled::{Labelled, Opened, check_labels};
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
    /// Their numbers in files, where those were named.
    pub(super) band_numbers: Option<Vec<usize>>,
    /// Stored values that became black and white, where they are of more than eight bits.
    pub(super) levels: Option<Levels>,
    /// A line about them.
    pub(super) line: String,
}

impl Data {
    /// The images that the flags name.
    pub(super) fn open(args: &Args, labelling: Labelling, start: &Start) -> Result<Self> {
        let [train, val] = lists(args)?;
        let preprocess = start.preprocess();
        let mut source = Labelled {
            list: train,
            leave_out: args.leave_out.clone(),
            most: if args.skip_unreadable { usize::MAX } else { args.max_unreadable.unwrap_or(0) },
            ..Labelled::new(args.data.clone(), args.labels.clone(), &preprocess)
        };
        source.choose_bands(args.bands.as_deref(), &preprocess)?;
        // As the model has seen them, where it has seen the same bands.
        let known = preprocess.levels.filter(|_| {
            args.stretch.is_none()
                && preprocess.bands == source.reader.bands
                && preprocess.band_numbers == source.reader.numbers
        });
        let is_known = known.is_some();
        source.reader.levels = if is_known { known } else { source.stated_levels(args.stretch.as_deref())? };
        let mut parts = Parts::open(args, &source, val.as_ref())?;
        let needs_levels = source.needs_levels(&parts.files);
        if is_known && needs_levels {
            note("values: black and white are where the model has them; --stretch 2sd measures these images");
        }
        if !needs_levels {
            ensure!(
                args.stretch.is_none(),
                "--stretch is about values of more than eight bits, the images in {} have eight",
                source.place()
            );
            source.reader.levels = None;
        } else if source.reader.levels.is_none() {
            source.reader.levels = Some(source.measured_levels(&parts.files, &names(parts.held_out.as_deref()))?);
            // The same images, with values cut at the levels of those that are learnt from.
            parts = Parts::open(args, &source, val.as_ref())?;
        }
        let Parts { images, held_out, left_out, .. } = parts;
        let place = source.place();
        let BandReader { bands, numbers: band_numbers, levels, .. } = source.reader;
        let data = Self { images, held_out, left_out, split: None, bands, band_numbers, levels, line: String::new() };
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

/// The images of a source in their parts.
struct Parts {
    images: Images,
    held_out: Option<Images>,
    left_out: Vec<Unreadable>,
    /// As [`Opened::files`]; those that are held out by a hash or a list may be among them.
    files: Vec<(String, PathBuf)>,
}

impl Parts {
    /// By tables, lists or a hash of the names.
    fn open(args: &Args, source: &Labelled, val: Option<&PathBuf>) -> Result<Self> {
        let Opened { images, mut left_out, files, official } = source.open()?;
        if let (Some([train, val]), None, None, None) = (official, &source.list, val, args.held_out) {
            ensure!(
                !train.is_empty() && !val.is_empty(),
                "{}: of BigEarthNet's own parts {} patches are to train on and {} to choose by: name others by --list and \
                 --val-list, or give --held-out",
                source.place(),
                train.len(),
                val.len()
            );
            note("data: the parts are BigEarthNet's own, train and validation");
            let held_out: Images = Arc::new(Subset::new(images.clone(), val));
            return Ok(Self {
                images: Arc::new(Subset::new(images, train)),
                held_out: Some(held_out),
                left_out,
                files,
            });
        }
        let classes = Some(images.classes().to_vec());
        let held_out = match (&args.val_labels, val) {
            (Some(table), _) => Some(Labelled { table: Some(table.clone()), classes, ..source.clone() }),
            (None, Some(list)) => Some(Labelled { list: Some(list.clone()), ..source.clone() }),
            (None, None) => None,
        };
        let held_out = held_out.map(|source| source.open()).transpose()?.map(|opened| {
            // Without a list of its own, what is learnt from has named it already.
            let known: HashSet<&String> = left_out.iter().map(|file| &file.name).collect();
            let new: Vec<Unreadable> = opened.left_out.into_iter().filter(|file| !known.contains(&file.name)).collect();
            left_out.extend(new);
            opened.images
        });
        let is_listed = source.list.is_some();
        let (images, held_out) = match held_out {
            // Without a list of its own, the rest is learnt from.
            Some(held_out) if !is_listed && args.labels.is_none() => {
                (without(images, held_out.as_ref())?, Some(held_out))
            }
            None if !is_listed => by_hash(images, args)?,
            held_out => (images, held_out),
        };
        Ok(Self { images, held_out, left_out, files })
    }
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
