//! Flags to labelled images: trained on, and held out.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Result, bail, ensure};
use preco_core::imagery::Levels;
use preco_core::spec::Labelling;
use preco_train::datasets::split::{Fractions, Part, Split};
use preco_train::datasets::{
    Allow, ImageFolder, ImageSource, Scan, Subset, Unreadable, label_fraction, refuse_repeats,
};
use preco_train::run::Images;

use super::Args;
use super::plan::Start;

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
        let Some(root) = &args.data else {
            bail!("--data DIR is missing: a folder of images, with a folder for each class");
        };
        let most = if args.skip_unreadable { usize::MAX } else { args.max_unreadable.unwrap_or(0) };
        let folder = |list: Option<&Path>| -> Result<ImageFolder> {
            let scan = Scan { list: list.map(PathBuf::from), allow: Allow::Most(most) };
            Ok(ImageFolder::scan_with(root, &scan)?)
        };
        let lists = [args.list.clone(), args.val_list.clone()];
        let lists = match &args.split {
            Some(split) => [Some(split.join(Split::LISTS[0])), Some(split.join(Split::LISTS[1]))],
            None => lists,
        };
        let [train, val] = lists;
        let (images, held_out, left_out): (Images, Option<Images>, Vec<Unreadable>) = if train.is_some()
            || val.is_some()
        {
            let images = folder(train.as_deref())?;
            let held_out = val.as_deref().map(|list| folder(Some(list))).transpose()?;
            let lists: Vec<&Path> = [&train, &val].into_iter().filter_map(|list| list.as_deref()).collect();
            refuse_repeats(&images, &lists)?;
            let left_out = images.unreadable().to_vec();
            match (&train, held_out) {
                (None, Some(held_out)) => {
                    let names: std::collections::HashSet<String> =
                        (0..held_out.len()).map(|index| held_out.name(index)).collect();
                    let rest: Vec<usize> =
                        (0..images.len()).filter(|&index| !names.contains(&images.name(index))).collect();
                    ensure!(
                        !rest.is_empty(),
                        "--val-list names all {} images and leaves none to train on",
                        images.len()
                    );
                    let images: Images = Arc::new(Subset::new(Arc::new(images), rest));
                    (images, Some(Arc::new(held_out) as Images), left_out)
                }
                (_, held_out) => (Arc::new(images), held_out.map(|held_out| Arc::new(held_out) as Images), left_out),
            }
        } else {
            let all = folder(None)?;
            let left_out = all.unreadable().to_vec();
            let all: Images = Arc::new(all);
            let share = args.held_out.unwrap_or(HELD_OUT);
            ensure!((0.0..1.0).contains(&share), "--held-out {share} must be a share from 0 to below 1, such as 0.1");
            let fractions = Fractions::new([1.0 - share, share, 0.0])?;
            let split = Split::by_hash(all.as_ref(), args.seed.unwrap_or(0), fractions)?;
            let [train, val, _] = split.indices(all.as_ref())?;
            ensure!(!train.is_empty(), "--held-out {share} leaves none of {} images to train on", all.len());
            let held_out = (!val.is_empty()).then(|| Arc::new(Subset::new(Arc::clone(&all), val)) as Images);
            (Arc::new(Subset::new(all, train)), held_out, left_out)
        };
        let bands = start.preprocess().bands;
        Self { images, held_out, left_out, split: None, bands, levels: None, line: String::new() }
            .finished(args, labelling, root)
    }

    /// With the share of labels that is asked for, checked, and told of.
    fn finished(mut self, args: &Args, labelling: Labelling, root: &Path) -> Result<Self> {
        let all = self.images.len();
        if let Some(share) = args.label_fraction {
            let seed = args.fraction_seed.or(args.seed).unwrap_or(0);
            let chosen = label_fraction(self.images.as_ref(), share, seed)?;
            self.images = Arc::new(Subset::new(self.images, chosen));
        }
        check_labels(self.images.as_ref(), labelling, root)?;
        if let Some(held_out) = &self.held_out {
            check_labels(held_out.as_ref(), labelling, root)?;
        }
        let mut parts = vec![(Part::Train, self.images.as_ref() as &dyn ImageSource)];
        parts.extend(self.held_out.as_ref().map(|images| (Part::Val, images.as_ref() as _)));
        self.split = Some(Split::of_parts(&parts)?);
        let measured =
            self.held_out.as_ref().map_or(String::new(), |held_out| format!(", {} held out", held_out.len()));
        let (count, classes) = (self.images.len(), self.images.classes().len());
        let of = if count < all { format!(" of {all}") } else { String::new() };
        self.line = format!("data: {count}{of} images of {classes} classes in {}{measured}", root.display());
        for (class, missing) in missing(self.images.as_ref(), self.held_out.as_deref()) {
            crate::output::note(&format!("class {class}: no image to {missing}"));
        }
        Ok(self)
    }
}

/// Refuses images without a class, and several classes where one is learnt.
fn check_labels(images: &dyn ImageSource, labelling: Labelling, root: &Path) -> Result<()> {
    for index in 0..images.len() {
        let (name, labels) = (images.name(index), images.labels(index));
        match labels.as_deref() {
            None => bail!(
                "{}: {name} has no class; put it in the folder of its class, or name it in no list",
                root.display()
            ),
            Some([_]) => {}
            Some(labels) if labelling == Labelling::Single => {
                let count = labels.len();
                bail!(
                    "{}: {name} has {count} classes, one is learnt here: finetune multilabel learns several",
                    root.display()
                );
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// Classes that have no image in a part: trained on, or measured on.
fn missing(
    images: &dyn ImageSource,
    held_out: Option<&(dyn ImageSource + Send + Sync)>,
) -> Vec<(String, &'static str)> {
    let seen = |source: &dyn ImageSource| {
        let mut seen = vec![false; source.classes().len()];
        (0..source.len()).filter_map(|at| source.labels(at)).flatten().for_each(|class| seen[class] = true);
        seen
    };
    let train = seen(images);
    let val = held_out.map(|held_out| seen(held_out));
    let classes = images.classes().iter().enumerate();
    classes
        .filter_map(|(at, class)| match (train[at], val.as_ref().map(|val| val[at])) {
            (false, _) => Some((class.clone(), "learn from: it will never be found")),
            (true, Some(false)) => Some((class.clone(), "measure on: its figures are none")),
            _ => None,
        })
        .collect()
}
