//! `knn`: what frozen features know, by the labels of the nearest training images. Nothing is trained.

use std::collections::HashSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Result, bail, ensure};
use preco_core::predict::BATCH;
use preco_core::spec::Labelling;
use preco_train::datasets::split::Split;
use preco_train::datasets::{Subset, label_fraction};
use preco_train::metrics::{Knn, NEIGHBOURS};
use preco_train::run::Images;
use preco_train::tasks::classify::{Figures, measure};
use preco_train::view;
use serde::Serialize;

use super::finetune::figures_text;
use super::labelled::{Labelled, Reading, check_labels};
use crate::cli::Processor;
use crate::hub::Hub;
use crate::output::{Report, note};

/// Measure frozen features by their nearest neighbours
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Folder or name of the model
    #[arg(value_name = "MODEL")]
    model: String,
    /// Folder of images: a folder for each class, or BigEarthNet's own
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Folder with train.txt, val.txt and test.txt, as `data split` writes them
    #[arg(long, value_name = "DIR", conflicts_with_all = ["list", "train_list"])]
    split: Option<PathBuf>,
    /// With --split: the part that is asked about, val or test
    #[arg(long, value_name = "PART", default_value = "val", value_parser = ["val", "test"])]
    part: String,
    /// Text file of paths within DIR to ask about
    #[arg(long, value_name = "FILE", requires = "train_list")]
    list: Option<PathBuf>,
    /// Text file of paths within DIR whose labels are known
    #[arg(long, value_name = "FILE", requires = "list")]
    train_list: Option<PathBuf>,
    /// Share of the known labels that is used, of each class alike
    #[arg(long, value_name = "SHARE", default_value_t = 1.0)]
    label_fraction: f64,
    /// Seed of that choice
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Measure random weights of the same encoder
    #[arg(long)]
    random: bool,
    #[command(flatten)]
    reading: Reading,
    #[command(flatten)]
    hub: Hub,
}

/// What was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Neighbours {
    model: String,
    known: usize,
    asked: usize,
    classes: usize,
    pub(crate) figures: Figures,
}

impl Args {
    /// The model in `folder` on `lists` of `data`: those whose labels are known, and those that are asked about.
    pub(crate) fn of(folder: &Path, data: &Path, lists: [PathBuf; 2], label_fraction: f64, seed: u64) -> Self {
        let [train, test] = lists.map(Some);
        Self {
            model: folder.to_string_lossy().into_owned(),
            data: data.to_path_buf(),
            split: None,
            part: String::new(),
            list: test,
            train_list: train,
            label_fraction,
            seed,
            random: false,
            reading: Reading::default(),
            hub: Hub::default(),
        }
    }
}

/// Runs the command.
pub(crate) fn execute(args: &Args, processor: &Processor) -> Result<Neighbours> {
    let folder = args.hub.fetch(args.model.as_ref())?;
    let (preprocess, backbone) = (folder.preprocess().clone(), &folder.spec().backbone);
    let [train, test] = match (&args.split, &args.train_list, &args.list) {
        (Some(split), ..) => [split.join(Split::LISTS[0]), split.join(format!("{}.txt", args.part))],
        (None, Some(train), Some(test)) => [train.clone(), test.clone()],
        _ => bail!(
            "--split DIR, or --train-list FILE and --list FILE, say whose labels are known and who is asked about"
        ),
    };
    let mut source = Labelled::new(Some(args.data.clone()), None, &preprocess).read_as(&args.reading, &preprocess)?;
    let mut opened = Labelled { list: Some(train.clone()), ..source.clone() }.open()?;
    if source.reader.levels.is_none() && source.needs_levels(&opened.files) {
        // As fine-tuning would see them: by those whose labels are known.
        source.reader.levels = Some(source.measured_levels(&opened.files, &HashSet::new())?);
        opened = Labelled { list: Some(train), ..source.clone() }.open()?;
    }
    let known = opened.images;
    let asked = Labelled { list: Some(test), ..source.clone() }.open()?.images;
    // An image is its own nearest neighbour.
    let names: HashSet<String> = (0..known.len()).map(|at| known.name(at)).collect();
    if let Some(both) = (0..asked.len()).map(|at| asked.name(at)).find(|name| names.contains(name)) {
        bail!("{both} is among the known and among those asked about: what is measured on must not be known");
    }
    let chosen = label_fraction(known.as_ref(), args.label_fraction, args.seed)?;
    let known: Images = Arc::new(Subset::new(known, chosen));
    for images in [&known, &asked] {
        check_labels(images.as_ref(), false, &source.place())?;
    }
    let labelling = match (0..known.len()).all(|at| known.label(at).is_some()) {
        true => Labelling::Single,
        false => Labelling::Multi,
    };
    ensure!(known.classes().len() > 1, "{} has one class: nothing can be told apart", source.place());
    let load = |layout: &preco_core::nn::params::Layout, params: &mut [f32]| -> Result<(), preco_zoo::Error> {
        if args.random {
            params.copy_from_slice(&layout.init(args.seed));
            return Ok(());
        }
        folder.overlay_encoder(layout, params)
    };
    let encoder = preco_core::predict::Encoder::new(folder.spec(), &preprocess, processor.cpu, load)?;
    note(&format!("{} known, {} asked about", known.len(), asked.len()));
    let vectors = |images: &Images| -> Result<Vec<f32>> {
        let mut vectors = Vec::with_capacity(images.len() * backbone.features());
        let all: Vec<usize> = (0..images.len()).collect();
        for part in all.chunks(BATCH) {
            vectors.extend(encoder.pooled(&view::tensor(images.as_ref(), part, &preprocess)?));
        }
        Ok(vectors)
    };
    let labels = |images: &Images| (0..images.len()).filter_map(|at| images.labels(at)).collect::<Vec<_>>();
    let classes = known.classes().len();
    let knn = Knn::new(&vectors(&known)?, &labels(&known), classes, encoder.length());
    let shares = knn.shares(&vectors(&asked)?);
    let Some(figures) = measure(&shares, &labels(&asked), classes, labelling)? else { bail!("nobody is asked about") };
    let random = if args.random { ", random weights" } else { "" };
    let model = format!("{}{random}", folder.spec().name);
    Ok(Neighbours { model, known: known.len(), asked: asked.len(), classes, figures })
}

impl Report for Neighbours {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self { model, known, asked, classes, figures } = self;
        writeln!(out, "{model}: {asked} images of {classes} classes by their {NEIGHBOURS} nearest of {known}")?;
        figures_text(figures, out)
    }
}
