//! `evaluate`: what a fine-tuned model's labels are worth, and what a pre-trained one can do beside peers that learnt
//! nothing.

mod labels;

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Result, bail, ensure};
use preco_core::backbones::swin::Swin;
use preco_core::backend::Backend;
use preco_core::imagery::write_png;
use preco_core::nn::params::Layout;
use preco_core::preco::Preco;
use preco_core::rng::Stream;
use preco_core::spec::Preprocess;
use preco_train::datasets::scenes::SceneGenerator;
use preco_train::datasets::{Allow, ImageFolder, ImageSource, Scan, Subset, readable, refuse_repeats};
use preco_train::run::Images;
use preco_train::tasks::inpaint::{Filling, Inpainting, inpaint};
use preco_train::tasks::pretrain::{EXAMPLES, reconstructions};
use preco_train::tasks::probe::{Probe, Split, probe};
use preco_zoo::ModelFolder;
use serde::Serialize;

use super::labelled::Reading;
use super::places::check_ending;
use crate::cli::Processor;
use crate::device::on_device;
use crate::hub::Hub;
use crate::output::{Report, note};
use crate::outputs::Outputs;

/// The seed of generated scenes to measure on: none that a run trains on.
const SCENE_SEED: u64 = 0x5eed_0000_0000_0001;

/// Measure a model: a fine-tuned one by its labels, a pre-trained one by reconstruction and neighbours
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Args {
    /// Folder or name of the model
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// Folder of images, a folder per class for nearest neighbours [default: generated scenes]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Text file with a path within DIR on each line: measure on these
    #[arg(long, value_name = "FILE", requires = "data")]
    list: Option<PathBuf>,
    /// Likewise, the neighbours; without it a random fifth is asked about
    #[arg(long, value_name = "FILE", requires = "list")]
    train_list: Option<PathBuf>,
    /// CSV or JSON lines of paths and labels, for a fine-tuned model
    #[arg(long, value_name = "FILE", conflicts_with_all = ["data", "train_list"])]
    labels: Option<PathBuf>,
    /// Images to measure at most, of a pre-trained model
    #[arg(long, value_name = "N", default_value_t = 1000)]
    count: usize,
    /// Of a pre-trained model: draw what it fills into masked squares of eight of the images
    #[arg(long, value_name = "FILE.png")]
    reconstructions: Option<PathBuf>,
    /// Seed of masks, split and random weights
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Leave out files that are no readable images
    #[arg(long, requires = "data")]
    skip_unreadable: bool,
    #[command(flatten)]
    reading: Reading,
    #[command(flatten)]
    hub: Hub,
}

impl Args {
    /// The classifier in `folder` on the images of `data` that `list` names.
    pub(crate) fn of_labels(folder: &Path, data: &Path, list: &Path) -> Self {
        let (data, list) = (Some(data.to_path_buf()), Some(list.to_path_buf()));
        Self { model: folder.to_path_buf(), data, list, count: 1, ..Self::default() }
    }

    /// The pre-trained model in `folder` on at most `count` images of `data` that `list` names.
    pub(crate) fn of_masked_pixels(folder: &Path, data: &Path, list: &Path, count: usize) -> Self {
        Self { count, ..Self::of_labels(folder, data, list) }
    }
}

/// What was measured.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Evaluation {
    /// Of a fine-tuned model.
    Labels(Box<labels::Measured>),
    /// Of a pre-trained one.
    Pretrained(Pretrained),
}

/// What a pre-trained model can do.
#[derive(Debug, Serialize)]
pub(crate) struct Pretrained {
    model: String,
    data: String,
    /// Absent where the model is an encoder alone.
    inpainting: Option<Inpainting>,
    /// Absent where the images have no classes.
    neighbours: Option<Probe>,
}

/// Runs the command.
pub(crate) fn execute(args: &Args, processor: &Processor) -> Result<Evaluation> {
    ensure!(args.count > 0, "--count 0 measures nothing; give at least 1");
    check_ending("--reconstructions", args.reconstructions.as_deref(), &["png"])?;
    Outputs::new(false).writes("--reconstructions", args.reconstructions.as_deref()).check()?;
    let folder = args.hub.fetch(&args.model)?;
    if folder.spec().labelling.is_some() {
        ensure!(args.reconstructions.is_none(), "--reconstructions is about pre-trained models");
        return Ok(Evaluation::Labels(Box::new(labels::execute(args, &folder, processor)?)));
    }
    let Reading { bands, stretch, leave_out } = &args.reading;
    let flags = [
        ("--labels", args.labels.is_some()),
        ("--bands", bands.is_some()),
        ("--stretch", stretch.is_some()),
        ("--leave-out", !leave_out.is_empty()),
    ];
    if let Some((flag, _)) = flags.into_iter().find(|(_, is_given)| *is_given) {
        bail!("{flag} is about fine-tuned models, {} is none", folder.spec().name);
    }
    let model = Model::load(&folder)?;
    let preprocess = folder.preprocess();
    let side_px = preprocess.size[0].max(preprocess.size[1]);
    let (shared, parts) = open(args, side_px)?;
    let source = shared.as_ref();
    let mut told = BTreeSet::new();
    let mut whole =
        |indices: Vec<usize>| if args.skip_unreadable { left(source, &indices, &mut told) } else { indices };
    let indices = whole(chosen(parts.list.clone(), args));
    ensure!(!indices.is_empty(), "none of the images to measure can be read; fetch them again");
    let data = describe(args, indices.len(), side_px);
    note(&format!("{} on {data}", folder.spec().name));
    let seed = args.seed;
    let inpainting = model.inpainting(source, &indices, preprocess, seed, processor)?;
    if inpainting.is_none() {
        note("no reconstruction: the model is an encoder alone");
    }
    if let Some(path) = &args.reconstructions {
        let Model::Pretrained(model, params) = &model else { bail!("--reconstructions needs a model with a decoder") };
        // Over all of them: neighbours in a list are often of one class.
        let step = indices.len().div_ceil(EXAMPLES);
        let shown = Subset::new(shared.clone(), indices.iter().copied().step_by(step).collect());
        let sheet = on_device!(&processor.device, |backend| {
            let params = &*backend.parameters(params);
            reconstructions(model, params, backend, &shown, preprocess, seed, args.skip_unreadable)
        })?;
        write_png(&sheet, path)?;
    }
    let (encoder, layout, params) = model.encoder();
    let neighbours = if source.classes().len() < 2 {
        note("no nearest neighbours: the images have no classes; put each class in a folder of its name");
        None
    } else {
        let Split { train, test } = match parts.train {
            Some(train) => Split { train, test: indices },
            None => Split::random(source, args.count, args.seed)?,
        };
        let split = Split { train: whole(train), test: whole(test) }.checked(source)?;
        Some(on_device!(&processor.device, |backend| {
            probe(encoder, layout, &*backend.parameters(params), backend, source, &split, preprocess, seed)
        })?)
    };
    Ok(Evaluation::Pretrained(Pretrained { model: folder.spec().name.clone(), data, inpainting, neighbours }))
}

/// Masked pixels alone, filled by the model that the flags name; nothing where it has no decoder.
pub(crate) fn inpainting(args: &Args, processor: &Processor) -> Result<Option<Inpainting>> {
    let folder = args.hub.fetch(&args.model)?;
    let preprocess = folder.preprocess();
    let (source, parts) = open(args, preprocess.size[0].max(preprocess.size[1]))?;
    let indices = chosen(parts.list, args);
    Model::load(&folder)?.inpainting(source.as_ref(), &indices, preprocess, args.seed, processor)
}

/// What is measured: with its decoder, where it has one.
enum Model {
    Pretrained(Box<Preco>, Vec<f32>),
    Encoder(Box<Swin>, Layout, Vec<f32>),
}

impl Model {
    fn load(folder: &ModelFolder) -> Result<Self> {
        if let Some(config) = folder.spec().pretraining.as_ref().filter(|_| folder.has_decoder()) {
            let model = Preco::new(config)?;
            let params = folder.pretrained(model.layout())?;
            return Ok(Self::Pretrained(Box::new(model), params));
        }
        let mut layout = Layout::default();
        let encoder = Swin::new(&folder.spec().backbone, &mut layout)?;
        let mut params = vec![0.0; layout.len()];
        folder.overlay_encoder(&layout, &mut params)?;
        Ok(Self::Encoder(Box::new(encoder), layout, params))
    }

    /// Masked pixels, filled; nothing where the model has no decoder.
    fn inpainting(
        &self,
        source: &dyn ImageSource,
        indices: &[usize],
        preprocess: &Preprocess,
        seed: u64,
        processor: &Processor,
    ) -> Result<Option<Inpainting>> {
        let Self::Pretrained(model, params) = self else { return Ok(None) };
        Ok(Some(on_device!(&processor.device, |backend| {
            inpaint(model, &*backend.parameters(params), backend, source, indices, preprocess, seed)
        })?))
    }

    fn encoder(&self) -> (&Swin, &Layout, &[f32]) {
        match self {
            Self::Pretrained(model, params) => (model.encoder(), model.layout(), params),
            Self::Encoder(encoder, layout, params) => (encoder, layout, params),
        }
    }
}

/// Which images of the source are measured and which are neighbours.
struct Parts {
    list: Vec<usize>,
    train: Option<Vec<usize>>,
}

fn open(args: &Args, side_px: usize) -> Result<(Images, Parts)> {
    let Some(root) = &args.data else {
        let scenes = SceneGenerator::new(SCENE_SEED, side_px, args.count);
        return Ok((Arc::new(scenes), Parts { list: (0..args.count).collect(), train: None }));
    };
    let allow = if args.skip_unreadable { Allow::Any } else { Allow::None };
    let scan = |list: Option<PathBuf>| ImageFolder::scan_with(root, &Scan { list, allow, ..Scan::default() });
    let Some(train) = &args.train_list else {
        let folder = scan(args.list.clone())?;
        let list = (0..folder.len()).collect();
        return Ok((Arc::new(folder), Parts { list, train: None }));
    };
    // One source for both sides: the split is made of positions in it.
    let whole = scan(None)?;
    let side = |list: &PathBuf| -> Result<Vec<usize>> {
        let part = scan(Some(list.clone()))?;
        let by_name: std::collections::HashMap<String, usize> =
            (0..whole.len()).map(|index| (whole.name(index), index)).collect();
        Ok((0..part.len()).filter_map(|index| by_name.get(&part.name(index)).copied()).collect())
    };
    let lists: Vec<&Path> = [Some(train), args.list.as_ref()].into_iter().flatten().map(PathBuf::as_path).collect();
    refuse_repeats(&whole, &lists)?;
    let test = args.list.as_ref().map(side).transpose()?.unwrap_or_default();
    let train = side(train)?;
    Ok((Arc::new(whole), Parts { list: test, train: Some(train) }))
}

/// Those that can be decoded; the others are told of, each once.
fn left(source: &dyn ImageSource, indices: &[usize], told: &mut BTreeSet<String>) -> Vec<usize> {
    let (good, bad) = readable(source, indices);
    for file in bad {
        if told.insert(file.name) {
            note(&format!("left out, unreadable: {}", file.reason));
        }
    }
    good
}

/// At most `--count` of them, drawn at random, in their own order.
fn chosen(mut indices: Vec<usize>, args: &Args) -> Vec<usize> {
    if indices.len() > args.count {
        Stream::new(args.seed, "evaluated images", 0, 0).shuffle(&mut indices);
        indices.truncate(args.count);
        indices.sort_unstable();
    }
    indices
}

fn describe(args: &Args, count: usize, side_px: usize) -> String {
    match &args.data {
        Some(root) => format!("{count} images of {}", root.display()),
        None => format!("{count} generated scenes of {side_px}x{side_px} pixels"),
    }
}

impl Report for Evaluation {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        match self {
            Self::Labels(measured) => measured.text(out),
            Self::Pretrained(measured) => measured.text(out),
        }
    }
}

impl Pretrained {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        if let Some(Inpainting { images, masked, fillings }) = &self.inpainting {
            writeln!(
                out,
                "inpainting, {images} images, {:.0} % masked; mean absolute difference there",
                100.0 * masked
            )?;
            let heads = ["normalised", "grey levels", "detailed", "flat"];
            writeln!(out, "{:16} {:>12} {:>12} {:>12} {:>12}", "filled by", heads[0], heads[1], heads[2], heads[3])?;
            for Filling { name, l1, grey_levels, detailed, flat } in fillings {
                writeln!(out, "{name:16} {l1:>12.4} {grey_levels:>12.2} {detailed:>12.4} {flat:>12.4}")?;
            }
            writeln!(
                out,
                "detailed, flat: the quarters of masked squares with the most and the least to see, normalised"
            )?;
            writeln!(out)?;
        }
        let Some(Probe { classes, train, test, model, random, colours }) = &self.neighbours else {
            return Ok(());
        };
        writeln!(out, "nearest neighbours, {classes} classes, {train} to learn from, {test} asked about")?;
        writeln!(out, "{:16} {:>12}", "features", "accuracy")?;
        for (name, accuracy) in [("model", model), ("random weights", random), ("colours", colours)] {
            writeln!(out, "{name:16} {:>10.1} %", 100.0 * accuracy)?;
        }
        Ok(())
    }
}
