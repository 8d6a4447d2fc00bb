//! Labelled images of any kind of source, as flags name them: class folders, tables, BigEarthNet.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Result, bail, ensure};
use preco_core::imagery::{Levels, Stretch};
use preco_train::datasets::bigearthnet::{self, BigEarthNet, Choice};
use preco_train::datasets::{
    Allow, BandReader, EUROSAT, ImageFolder, ImageSource, LabelTable, Scan, Unreadable, levels_of,
};
use preco_train::run::Images;

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
}

/// Images, and what was left out of them.
pub(crate) struct Opened {
    pub(crate) images: Images,
    pub(crate) left_out: Vec<Unreadable>,
}

impl Labelled {
    /// For messages.
    pub(crate) fn place(&self) -> String {
        self.table.as_ref().or(self.root.as_ref()).map(|path| path.display().to_string()).unwrap_or_default()
    }

    /// True where the folder is BigEarthNet's.
    pub(crate) fn is_bigearthnet(&self) -> bool {
        self.table.is_none() && self.root.as_deref().is_some_and(BigEarthNet::is_at)
    }

    /// The images.
    pub(crate) fn open(&self) -> Result<Opened> {
        if let Some(table) = &self.table {
            let images = LabelTable::open(table, self.classes.as_deref(), self.reader.clone())?;
            return Ok(Opened { images: Arc::new(images), left_out: Vec::new() });
        }
        let Some(root) = &self.root else {
            bail!("--data DIR is missing: a folder of images with a folder for each class, or --labels FILE");
        };
        if self.is_bigearthnet() {
            let choice = Choice { list: self.list.clone(), leave_out: self.leave_out.clone() };
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
            return Ok(Opened { images: Arc::new(images), left_out: Vec::new() });
        }
        ensure!(self.leave_out.is_empty(), "--leave-out is about BigEarthNet's patches, {} holds none", root.display());
        let images = self.folder(root)?;
        Ok(Opened { left_out: images.unreadable().to_vec(), images: Arc::new(images) })
    }

    fn folder(&self, root: &Path) -> Result<ImageFolder> {
        let scan = Scan { list: self.list.clone(), allow: Allow::Most(self.most), reader: Some(self.reader.clone()) };
        Ok(ImageFolder::scan_with(root, &scan)?)
    }

    /// The levels that `how` asks for, where values are of more than eight bits; nothing of bytes. The images called
    /// `held_out` are not measured.
    pub(crate) fn levels(&self, how: Option<&str>, held_out: &HashSet<String>) -> Result<Option<Levels>> {
        let bands = self.reader.bands.len();
        let fixed = |stretch: Stretch| match stretch {
            Stretch::Sentinel2 => Ok(Levels::all(bands, [0.0, 2750.0], [1.0, 255.0])),
            Stretch::Range(low, high) => Ok(Levels::all(bands, [low, high], [0.0, 255.0])),
            Stretch::None | Stretch::Percentile(..) => {
                bail!(
                    "--stretch {} is no rule for a set of images; write LOW,HIGH, sentinel2 or 2sd",
                    how.unwrap_or_default()
                )
            }
        };
        let asked = how.filter(|how| *how != "2sd").map(|how| fixed(Stretch::parse(how)?)).transpose()?;
        if self.is_bigearthnet() {
            return Ok(Some(asked.map_or_else(|| bigearthnet::levels(&self.reader.bands), Ok)?));
        }
        let files: Vec<(String, PathBuf)> = match (&self.table, &self.root) {
            (Some(table), _) => {
                let table = LabelTable::open(table, self.classes.as_deref(), self.reader.clone())?;
                table.paths().enumerate().map(|(at, path)| (table.name(at), path.to_path_buf())).collect()
            }
            (None, Some(root)) => {
                let folder = self.folder(root)?;
                (0..folder.len()).map(|index| (folder.name(index), folder.path(index))).collect()
            }
            (None, None) => Vec::new(),
        };
        let learnt = files.into_iter().filter(|(name, _)| !held_out.contains(name));
        let paths: Vec<PathBuf> = learnt.map(|(_, path)| path).collect();
        let Some(first) = paths.first() else { return Ok(None) };
        if !self.reader.needs_levels(first)? {
            return Ok(None);
        }
        match asked {
            Some(levels) => Ok(Some(levels)),
            None => {
                let step = paths.len().div_ceil(MEASURED);
                Ok(Some(levels_of(
                    &self.reader,
                    paths.iter().step_by(step.max(1)).map(PathBuf::as_path),
                    self.most > 0,
                )?))
            }
        }
    }
}

/// The bands that `asked` names: by name, by number from 1, or all; red, green and blue where nothing is said.
pub(crate) fn reader(asked: Option<&str>, bigearthnet: bool, default: &[String]) -> Result<BandReader> {
    let Some(asked) = asked else { return Ok(BandReader { bands: default.to_vec(), ..BandReader::rgb() }) };
    let all = || if bigearthnet { bigearthnet::band_names() } else { EUROSAT.map(str::to_owned).to_vec() };
    if asked.trim() == "all" {
        return Ok(BandReader { bands: all(), ..BandReader::rgb() });
    }
    let words: Vec<&str> = asked.split(',').map(str::trim).collect();
    ensure!(words.iter().all(|word| !word.is_empty()), "--bands {asked} has an empty name");
    let numbers: Option<Vec<usize>> = words.iter().map(|word| word.parse().ok()).collect();
    if let Some(numbers) = numbers {
        ensure!(!bigearthnet, "--bands {asked}: BigEarthNet's bands have names, such as B04,B03,B02");
        let colours = ["red", "green", "blue"];
        // Three bands of no name stand for what a model of colours sees.
        let name = |(at, number): (usize, &usize)| {
            if numbers.len() == 3 { colours[at].to_owned() } else { format!("band{number}") }
        };
        let bands = numbers.iter().enumerate().map(name).collect();
        return Ok(BandReader { bands, numbers: Some(numbers), levels: None });
    }
    let colour = |word: &str| match word.to_ascii_uppercase().as_str() {
        "B02" | "B2" => "blue".to_owned(),
        "B03" | "B3" => "green".to_owned(),
        "B04" | "B4" => "red".to_owned(),
        _ => word.to_owned(),
    };
    Ok(BandReader { bands: words.into_iter().map(colour).collect(), ..BandReader::rgb() })
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
