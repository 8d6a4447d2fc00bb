//! A run from images to a model folder.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use preco_core::backend::Backend;
use preco_core::files::write_atomic;
use preco_core::imagery::{encode_png, write_png};
use preco_core::nn::params::Layout;
use serde::Serialize;

use super::page::{self, About};
use super::{Pretrain, Pretraining, pictures};
use crate::augment::{Mix, Pipeline};
use crate::checkpoint::{RunFolder, Start, Store};
use crate::datasets::split::Split;
use crate::datasets::{ImageSource, Loader, LoaderConfig, Unreadable};
use crate::error::{Error, Result};
use crate::log::{Records, read_evaluations, read_steps};
use crate::optim::Groups;
use crate::progress::{Progress, StepReport};
use crate::sample::Supervision;
use crate::task::Task;
use crate::trainer::{Changes, Ending, Identity, State, Trainer};

/// Threads beyond which a system stops giving more.
const MOST_THREADS: usize = 4096;

/// Images with their names.
pub type Images = Arc<dyn ImageSource + Send + Sync>;

/// What a run reads and where it writes.
pub struct Inputs<'a> {
    /// The model's name, such as `preco-swin-pico`.
    pub name: &'a str,
    /// The images to train on.
    pub images: Images,
    /// Images to measure on while training.
    pub held_out: Option<Images>,
    /// Files among both that were left out already, as unreadable; they count against [`Pretrain::max_unreadable`].
    pub left_out: Vec<Unreadable>,
    /// Images for the picture of reconstructions; where held-out ones are to be had, those.
    pub examples: Images,
    /// Who is trained on and who held out, by name; a file of the run.
    pub split: Option<Split>,
    /// Parameters to start from, in the model's layout; `None` for fresh ones.
    pub start: Option<Vec<f32>>,
    /// Where the results go.
    pub output: RunFolder,
    /// Whether the run in that folder goes on.
    pub begin: Start,
    /// What may have changed since the checkpoint it goes on from.
    pub changes: Changes,
    /// The settings as TOML, kept beside the results.
    pub settings: String,
    /// Becomes true when the run is to save and leave after the step at hand.
    pub stop: &'a AtomicBool,
}

/// How a run uses the machine: nothing here changes a number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Runtime {
    /// Threads that decode images ahead of the step.
    pub loader_threads: usize,
    /// Decoded images up to this size stay in memory.
    pub cache_bytes: u64,
    /// Updates between checkpoints; 0 for one at the end only.
    pub save_every: u64,
    /// Checkpoints that stay.
    pub keep: usize,
}

impl Default for Runtime {
    fn default() -> Self {
        Self { loader_threads: 1, cache_bytes: 1 << 30, save_every: 500, keep: 2 }
    }
}

impl Runtime {
    /// Checks every setting.
    ///
    /// # Errors
    /// The first that cannot be, with its value and what would do.
    pub fn validate(&self) -> Result<()> {
        if self.keep == 0 {
            return Err(Error::config("keep 0 leaves no checkpoint to continue from; keep at least 1"));
        }
        if self.loader_threads > MOST_THREADS {
            return Err(Error::config(format!("loader-threads {} must be 0 to {MOST_THREADS}", self.loader_threads)));
        }
        Ok(())
    }
}

/// What a run did.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// The folder of the results.
    pub folder: PathBuf,
    /// Parameters trained.
    pub parameters: usize,
    /// Updates done, those before an interruption included.
    pub steps: u64,
    /// Images seen, counting repeats.
    pub images: u64,
    /// Time of the training loop, since this start.
    pub seconds: f64,
    /// The share of it spent waiting for images.
    pub wait_share: f64,
    /// Files that could not be read and were passed over: left out before, held out or trained on.
    pub unreadable: usize,
    /// Why it ended.
    #[serde(serialize_with = "ending")]
    pub ending: Ending,
    /// `loss` and its terms, the mean over the first tenth of the steps.
    pub first: BTreeMap<String, f64>,
    /// The mean over the last tenth.
    pub last: BTreeMap<String, f64>,
    /// The best evaluation: its value of L_Re and its step.
    pub best: Option<(f64, u64)>,
}

fn ending<S: serde::Serializer>(ending: &Ending, to: S) -> std::result::Result<S::Ok, S::Error> {
    to.serialize_str(match ending {
        Ending::Finished => "finished",
        Ending::EarlyStop => "early_stop",
        Ending::Interrupted => "interrupted",
    })
}

/// Trains as `config` says and writes checkpoints and the log on the way, and at the end the model, the loss curve, the
/// reconstructions and the report.
///
/// # Errors
/// Settings that cannot be, images that cannot be read, [`Error::Diverged`], [`Error::Resume`], and files that cannot be
/// written. No model is written then; checkpoints stay.
pub fn run<B: Backend>(
    config: &Pretrain,
    runtime: &Runtime,
    inputs: Inputs<'_>,
    backend: &B,
    progress: &mut dyn Progress,
) -> Result<Outcome> {
    let count = inputs.images.len();
    config.validate(count)?;
    runtime.validate()?;
    let held_out = inputs.held_out.clone();
    let mut task = Pretraining::new(inputs.name, config, backend, inputs.held_out)?;
    task.read_held_out(&inputs.left_out)?;
    let identity = identity(inputs.name, config, task.layout(), &inputs.images, held_out.as_ref())?;
    let params = match inputs.start {
        Some(start) if start.len() == task.layout().len() => start,
        Some(_) => return Err(Error::config("the parameters to start from belong to another model")),
        None => task.layout().init(config.seed),
    };
    let mut state = State::new(backend, &params, config.ema.is_some(), config.optimiser.clone())?;
    drop(params);
    backend.check()?;
    let mut store = Store::new(inputs.output.path(), runtime.keep).accepting(inputs.changes);
    let mut records = Records::new(&inputs.output, &inputs.settings, inputs.split.as_ref(), progress);
    if inputs.begin == Start::Resume {
        match store.resume(backend, &mut state, &identity, |line| records.message(line))? {
            Some(path) => {
                records.message(&format!("continuing after step {} ({})", state.step, path.display()));
                records.resume(state.step);
            }
            None => records.message("no checkpoint yet: starting from the first step"),
        }
    }
    let preprocess = config.preprocess();
    let loading = LoaderConfig {
        batch: config.batch_size,
        seed: config.seed,
        threads: runtime.loader_threads,
        cache_bytes: runtime.cache_bytes,
        max_unreadable: config.max_unreadable,
        supervision: Supervision::None,
        pipeline: Pipeline::pretraining(preprocess.size),
        size: preprocess.size,
        normalise: preprocess.normalise,
        mix: Mix::default(),
    };
    let mut loader = Loader::new(Arc::clone(&inputs.images), loading)?;
    loader.count_unreadable(inputs.left_out.iter().cloned().chain(task.unreadable()).collect());
    let started = Instant::now();
    let images = Arc::clone(&inputs.images);
    let mut trainer = Trainer {
        loader,
        name: &|index| images.name(index),
        images: count,
        steps: config.steps(count),
        accumulate: config.accumulate,
        schedule: config.schedule(count),
        groups: Groups::new(task.layout(), &config.groups)?,
        clip: config.clip,
        ema: config.ema,
        evaluate_every: config.evaluate_every,
        patience: config.patience,
        save_every: runtime.save_every,
        seed: config.seed,
        identity,
        store,
        stop: inputs.stop,
    };
    let ending = trainer.train(backend, &mut task, &mut state, &inputs.output, &mut records)?;
    let seconds = started.elapsed().as_secs_f64();

    let log = inputs.output.file(RunFolder::LOG);
    let history = read_steps(&log)?;
    if ending != Ending::Interrupted {
        task.save(&state.published_values(backend)?, inputs.output.path())?;
    }
    if !history.is_empty() {
        let (model, params) = (task.model(), state.published());
        write_png(&pictures::losses(&history), &inputs.output.file(RunFolder::LOSS))?;
        let sheet = pictures::reconstructions(model, params, backend, inputs.examples.as_ref(), config)?;
        let (mut reconstructions, path) = (Vec::new(), inputs.output.file(RunFolder::RECONSTRUCTION));
        encode_png(&sheet, &mut reconstructions).map_err(|source| failed(&path, source))?;
        write(&path, &reconstructions)?;
        let (name, settings) = (inputs.name, inputs.settings.as_str());
        let about = About { name, images: count, parameters: task.layout().parameters(), settings, reconstructions };
        let html = page::html(about, &history, &read_evaluations(&log)?);
        write(&inputs.output.file(RunFolder::REPORT), html.as_bytes())?;
    }
    let tenth = history.len().div_ceil(10);
    Ok(Outcome {
        folder: inputs.output.path().into(),
        parameters: task.layout().parameters(),
        steps: state.step,
        images: state.step * config.total_batch() as u64,
        seconds,
        wait_share: records.wait_share(),
        unreadable: inputs.left_out.len() + task.unreadable().len() + trainer.loader.skipped(),
        ending,
        first: mean(&history[..tenth]),
        last: mean(&history[history.len() - tenth..]),
        best: state.best.map(|best| (best.value, best.step)),
    })
}

/// What a checkpoint of this run must say of itself.
fn identity(
    name: &str,
    config: &Pretrain,
    layout: &Layout,
    images: &Images,
    held_out: Option<&Images>,
) -> Result<Identity> {
    let settings = serde_json::to_value(config).map_err(|error| Error::config(error.to_string()))?;
    let mut settings: BTreeMap<_, _> =
        settings.as_object().map(|map| map.clone().into_iter().collect()).unwrap_or_default();
    // A limit changes no number: who is told to raise it may do so.
    settings.remove("max_unreadable");
    let fingerprints = |images: &Images| (0..images.len()).map(|index| images.fingerprint(index)).collect::<Vec<_>>();
    let held_out = held_out.map(fingerprints).unwrap_or_default();
    let identity = Identity::new("pretrain", name, layout, fingerprints(images).into_iter(), settings);
    // The masks are drawn from the seed.
    Ok(identity.evaluated_on(held_out.into_iter(), &["model", "seed"]))
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    write_atomic(path, |out| out.write_all(bytes)).map_err(|source| failed(path, source))
}

fn failed(path: &Path, source: io::Error) -> Error {
    Error::Io { action: "write", path: path.into(), source }
}

fn mean(steps: &[StepReport]) -> BTreeMap<String, f64> {
    let n = steps.len() as f64;
    let mut sums = BTreeMap::from([("loss".to_owned(), steps.iter().map(|step| step.loss).sum::<f64>() / n)]);
    for (name, value) in steps.iter().flat_map(|step| &step.terms) {
        *sums.entry(name.clone()).or_default() += value / n;
    }
    sums
}
