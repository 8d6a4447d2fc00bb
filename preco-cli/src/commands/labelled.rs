//! Labelled images of any kind of source, as flags name them: class folders, tables, BigEarthNet.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Result, bail, ensure};
use preco_core::imagery::{EUROSAT, Levels, Stretch, raster};
use preco_core::spec::Preprocess;
use preco_train::datasets::bigearthnet::{self, BigEarthNet, Choice};
use preco_train::datasets::split::Part;
use preco_train::datasets::{Allow, BandReader, ImageFolder, ImageSource, LabelTable, Scan, Unreadable, levels_of};
use preco_train::run::Images;
use rayon::prelude::*;

/// Images at most from which means and deviations are computed.
const MEASURED: usize = 2000;

/// Where images and labels are, and how they are read.
#[derive(Clone, Debug)]
pub(crate) struct Labelled {
    /// Folder of images; without one a table.
    pub(crate) root: Option<PathBuf>,
    /// Table of paths and labels.
    pub(crate) table: Option<PathBuf>,
    /// Names of some images of the folder.
    pub(crate) list: Option<PathBuf>,
    /// Lists of BigEarthNet's patches to leave out.
    pub(crate) leave_out: Vec<PathBuf>,
    /// The classes, where they are known already.
    pub(crate) classes: Option<Vec<String>>,
    /// Files that may be unreadable.
    pub(crate) most: usize,
    /// The bands, and what becomes of their values.
    pub(crate) reader: BandReader,
    /// True where the folder is BigEarthNet's: found out once, since it takes a walk through the folder.
    pub(crate) is_bigearthnet: bool,
}

/// What is read of files, and how, where it is not what the model says.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Bands and values")]
pub(crate) struct Reading {
    /// Bands of the files: names, numbers from 1, or both (red=4) [default: the model's]
    #[arg(long, value_name = "BANDS")]
    pub(crate) bands: Option<String>,
    /// Stored values of more than eight bits that become black and white: LOW,HIGH or sentinel2 [default: the model's]
    #[arg(long, value_name = "HOW", allow_hyphen_values = true)]
    pub(crate) stretch: Option<String>,
    /// Text files of names of BigEarthNet's patches to leave out: snow, clouds
    #[arg(long, value_name = "FILE", value_delimiter = ',')]
    pub(crate) leave_out: Vec<PathBuf>,
}

/// Images, and what was left out of them.
pub(crate) struct Opened {
    pub(crate) images: Images,
    pub(crate) left_out: Vec<Unreadable>,
    /// Images to train on and to choose by, where the data set says which: BigEarthNet's version 2.
    pub(crate) official: Option<[Vec<usize>; 2]>,
    /// Names and paths of images that are a file each; none of BigEarthNet's.
    pub(crate) files: Vec<(String, PathBuf)>,
}

impl Labelled {
    /// The images of a folder or a table, with the bands and levels that a model sees.
    pub(crate) fn new(root: Option<PathBuf>, table: Option<PathBuf>, preprocess: &Preprocess) -> Self {
        let is_bigearthnet = table.is_none() && root.as_deref().is_some_and(BigEarthNet::is_at);
        let reader = BandReader::of(preprocess);
        Self { root, table, list: None, leave_out: Vec::new(), classes: None, most: 0, reader, is_bigearthnet }
    }

    /// Read as flags say.
    pub(crate) fn read_as(mut self, reading: &Reading, preprocess: &Preprocess) -> Result<Self> {
        self.choose_bands(reading.bands.as_deref(), preprocess)?;
        self.leave_out.clone_from(&reading.leave_out);
        // Of other bands too, as `predict` does: levels are the model's, channel by channel.
        self.reader.levels.clone_from(&preprocess.levels);
        if self.reader.levels.is_none() || reading.stretch.is_some() {
            self.reader.levels = self.stated_levels(reading.stretch.as_deref())?;
        }
        ensure!(
            self.reader.bands.len() == preprocess.bands.len(),
            "--bands names {} bands, the model wants {}",
            self.reader.bands.len(),
            preprocess.bands.len()
        );
        Ok(self)
    }

    /// For messages.
    pub(crate) fn place(&self) -> String {
        self.table.as_ref().or(self.root.as_ref()).map(|path| path.display().to_string()).unwrap_or_default()
    }

    /// The images.
    pub(crate) fn open(&self) -> Result<Opened> {
        if let Some(table) = &self.table {
            let (images, left_out) = LabelTable::open(table, self.classes.as_deref(), self.reader.clone(), self.most)?;
            let files = images.paths().enumerate().map(|(at, path)| (images.name(at), path.to_path_buf())).collect();
            return Ok(Opened { images: Arc::new(images), left_out, files, official: None });
        }
        let Some(root) = &self.root else {
            bail!("--data DIR is missing: a folder of images with a folder for each class, or --labels FILE");
        };
        if self.is_bigearthnet {
            let choice = Choice { list: self.list.clone(), leave_out: self.leave_out.clone(), unlabelled: false };
            let levels = match &self.reader.levels {
                Some(levels) => levels.clone(),
                None => bigearthnet::levels(&self.reader.bands)?,
            };
            let images = BigEarthNet::open(root, &choice, &self.reader.bands, levels)?;
            if images.dropped() + images.left_out() > 0 {
                crate::output::note(&format!(
                    "{}: {} patches without one of the 19 classes, {} left out by lists",
                    root.display(),
                    images.dropped(),
                    images.left_out()
                ));
            }
            let parts = [Part::Train, Part::Val].map(|part| images.part(part));
            let official = match parts {
                [Some(train), Some(val)] => Some([train, val]),
                _ => None,
            };
            return Ok(Opened { images: Arc::new(images), left_out: Vec::new(), files: Vec::new(), official });
        }
        ensure!(self.leave_out.is_empty(), "--leave-out is about BigEarthNet's patches, {} holds none", root.display());
        let scan = Scan { list: self.list.clone(), allow: Allow::Most(self.most), reader: Some(self.reader.clone()) };
        let images = ImageFolder::scan_with(root, &scan)?;
        let files = (0..images.len()).map(|index| (images.name(index), images.path(index))).collect();
        Ok(Opened { left_out: images.unreadable().to_vec(), images: Arc::new(images), files, official: None })
    }

    /// The bands that a flag names, in place of the model's: by name, by number from 1, both (`red=4`), or all.
    pub(crate) fn choose_bands(&mut self, asked: Option<&str>, preprocess: &Preprocess) -> Result<()> {
        let Some(asked) = asked else { return Ok(()) };
        let (bands, numbers) =
            if asked.trim() == "all" { self.all_bands()? } else { named(asked, self.is_bigearthnet)? };
        let chosen = if bands == preprocess.bands { preprocess.clone() } else { preprocess.with_bands(&bands) };
        self.reader = BandReader::of(&Preprocess { band_numbers: numbers, levels: None, ..chosen });
        Ok(())
    }

    /// Every band of the first file: as it calls them, else by their numbers.
    fn all_bands(&self) -> Result<Bands> {
        if self.is_bigearthnet {
            return Ok((bigearthnet::band_names(), None));
        }
        let any = BandReader { bands: vec!["any".to_owned()], numbers: Some(vec![1]), levels: None, fill: vec![0] };
        let source = Self { reader: any, ..self.clone() };
        let files = source.open()?.files;
        let Some((_, path)) = files.first() else { bail!("{} holds no image", self.place()) };
        let bands = raster::open_file(path, 0)?.info().bands.clone();
        let count = bands.len();
        Ok(match bands.into_iter().collect::<Option<Vec<String>>>() {
            Some(names) => (names.iter().map(|name| colour(name)).collect(), None),
            None if count == EUROSAT.len() => (EUROSAT.map(str::to_owned).to_vec(), None),
            None => ((1..=count).map(|number| format!("band{number}")).collect(), Some((1..=count).collect())),
        })
    }

    /// The levels that `how` states, or that are known of BigEarthNet; nothing where images must be measured (`2sd`).
    pub(crate) fn stated_levels(&self, how: Option<&str>) -> Result<Option<Levels>> {
        let bands = self.reader.bands.len();
        let Some(how) = how.filter(|how| *how != "2sd") else {
            return self.is_bigearthnet.then(|| Ok(bigearthnet::levels(&self.reader.bands)?)).transpose();
        };
        check_stretch(Some(how))?;
        Ok(Some(match Stretch::parse(how)? {
            Stretch::Range(low, high) => Levels::all(bands, [low, high], [0.0, 255.0]),
            _ => Levels::all(bands, [0.0, 2750.0], [1.0, 255.0]),
        }))
    }

    /// True where values of one of `files` are of more than eight bits.
    pub(crate) fn needs_levels(&self, files: &[(String, PathBuf)]) -> bool {
        // One that cannot be read is told of, or left out, when it is read.
        let is_deep = |(_, path): &(String, PathBuf)| self.reader.needs_levels(path).unwrap_or(false);
        self.is_bigearthnet || files.par_iter().any(is_deep)
    }

    /// Levels around the means of `files`, without the images called `held_out`; of very many, of some.
    pub(crate) fn measured_levels(&self, files: &[(String, PathBuf)], held_out: &HashSet<String>) -> Result<Levels> {
        let learnt = files.iter().filter(|(name, _)| !held_out.contains(name));
        let paths: Vec<&Path> = learnt.map(|(_, path)| path.as_path()).collect();
        let step = paths.len().div_ceil(MEASURED).max(1);
        Ok(levels_of(&self.reader, paths.into_iter().step_by(step), self.most > 0)?)
    }
}

/// Refuses what is no rule for the values of a set of images.
pub(crate) fn check_stretch(how: Option<&str>) -> Result<()> {
    let Some(how) = how.filter(|how| *how != "2sd") else { return Ok(()) };
    match Stretch::parse(how)? {
        Stretch::Sentinel2 | Stretch::Range(..) => Ok(()),
        Stretch::None | Stretch::Percentile(..) => {
            bail!("--stretch {how} is no rule for a set of images; write LOW,HIGH, sentinel2 or 2sd")
        }
    }
}

/// Names of bands, and their numbers in files where those are given.
type Bands = (Vec<String>, Option<Vec<usize>>);

/// The bands of `B04,B03,B02`, of `4,3,2`, or of `red=4,green=3,blue=2`.
fn named(asked: &str, bigearthnet: bool) -> Result<Bands> {
    let words: Vec<&str> = asked.split(',').map(str::trim).collect();
    ensure!(words.iter().all(|word| !word.is_empty()), "--bands {asked} has an empty name");
    let number = |text: &str| text.trim().parse::<usize>().ok();
    let pairs: Option<Vec<(String, usize)>> = words
        .iter()
        .map(|word| match word.split_once('=') {
            Some((name, text)) => Some((colour(name.trim()), number(text)?)),
            None => number(word).map(|number| (format!("band{number}"), number)),
        })
        .collect();
    let Some(pairs) = pairs else {
        ensure!(!asked.contains('='), "--bands {asked}: write NAME=NUMBER for each, as in red=4,green=3,blue=2");
        return Ok((words.into_iter().map(colour).collect(), None));
    };
    ensure!(!bigearthnet, "--bands {asked}: BigEarthNet's bands have names, such as B04,B03,B02");
    let (mut bands, numbers): (Vec<String>, Vec<usize>) = pairs.into_iter().unzip();
    if numbers.len() == 3 && !asked.contains('=') {
        // Three bands of no name stand for what a model of colours sees.
        bands = ["red", "green", "blue"].map(str::to_owned).to_vec();
    }
    Ok((bands, Some(numbers)))
}

/// A band as models call it: Sentinel-2's colours by their names.
fn colour(word: &str) -> String {
    match word.to_ascii_uppercase().as_str() {
        "B02" | "B2" => "blue".to_owned(),
        "B03" | "B3" => "green".to_owned(),
        "B04" | "B4" => "red".to_owned(),
        _ => word.to_owned(),
    }
}

/// Refuses images without a class, and several classes where one is wanted.
pub(crate) fn check_labels(images: &dyn ImageSource, single: bool, place: &str) -> Result<()> {
    for index in 0..images.len() {
        let (name, labels) = (images.name(index), images.labels(index));
        match labels.as_deref() {
            None => {
                bail!("{place}: {name} has no class; put it in the folder of its class, or leave it out of the list")
            }
            Some(labels) if single && labels.len() != 1 => bail!(
                "{place}: {name} has {} classes, one is learnt here: finetune multilabel learns any number",
                labels.len()
            ),
            Some(_) => {}
        }
    }
    Ok(())
}
