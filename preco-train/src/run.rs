//! A run from images to trained parameters: what all tasks share. What they leave beside them is their own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use preco_core::backend::Backend;
use preco_core::files::write_atomic;
use preco_core::imagery::Normalise;
use preco_core::nn::params::Layout;
use serde::Serialize;

use crate::augment::{Mix, Pipeline};
use crate::checkpoint::{RunFolder, Start, Store};
use crate::datasets::split::Split;
use crate::datasets::{ImageSource, Loader, LoaderConfig, Unreadable};
use crate::error::{Error, Result};
use crate::log::{Records, read_steps};
use crate::optim::Groups;
use crate::progress::{Progress, StepReport};
use crate::recipe::Recipe;
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
    /// Files among both that were left out already, as unreadable; they count against [`Recipe::max_unreadable`].
    pub left_out: Vec<Unreadable>,
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

/// What becomes of an image on its way into a batch.
pub struct Views {
    /// What the task learns from.
    pub supervision: Supervision,
    /// Random transforms, which end at `size`.
    pub pipeline: Pipeline,
    /// `[height, width]` of the images in a batch.
    pub size: [usize; 2],
    /// The values.
    pub normalise: Normalise,
    /// What happens to the images of a batch and their labels, after all else.
    pub mix: Mix,
}

/// What a run did.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// The folder of the results.
    pub folder: PathBuf,
    /// Parameters of the model.
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
    /// The best evaluation: the value of its first metric and its step.
    pub best: Option<(f64, u64)>,
}

fn ending<S: serde::Serializer>(ending: &Ending, to: S) -> std::result::Result<S::Ok, S::Error> {
    to.serialize_str(match ending {
        Ending::Finished => "finished",
        Ending::EarlyStop => "early_stop",
        Ending::Interrupted => "interrupted",
    })
}

/// A run that has ended: what it did, its parameters, and its steps.
pub(crate) struct Trained<B: Backend> {
    pub outcome: Outcome,
    pub state: State<B>,
    pub history: Vec<StepReport>,
}

/// Trains `task` as `recipe` says, with checkpoints and a log on the way. `unreadable` are held-out images that cannot be
/// read, as the task knows them.
///
/// # Errors
/// Settings that cannot be, images that cannot be read, [`Error::Diverged`], [`Error::Resume`], and files that cannot be
/// written; checkpoints stay.
#[allow(clippy::too_many_arguments)]
pub(crate) fn train<B: Backend>(
    recipe: &Recipe,
    runtime: &Runtime,
    views: Views,
    inputs: &mut Inputs<'_>,
    identity: Identity,
    backend: &B,
    task: &mut dyn Task<B>,
    unreadable: Vec<Unreadable>,
    progress: &mut dyn Progress,
) -> Result<Trained<B>> {
    let count = inputs.images.len();
    let params = match inputs.start.take() {
        Some(start) if start.len() == task.layout().len() => start,
        Some(_) => return Err(Error::config("the parameters to start from belong to another model")),
        None => task.layout().init(recipe.seed),
    };
    let mut state = State::new(backend, &params, recipe.ema.is_some(), recipe.optimiser.clone())?;
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
    let Views { supervision, pipeline, size, normalise, mix } = views;
    let loading = LoaderConfig {
        batch: recipe.batch_size,
        seed: recipe.seed,
        threads: runtime.loader_threads,
        cache_bytes: runtime.cache_bytes,
        max_unreadable: recipe.max_unreadable,
        supervision,
        pipeline,
        size,
        normalise,
        mix,
    };
    let mut loader = Loader::new(Arc::clone(&inputs.images), loading)?;
    let lost = inputs.left_out.len() + unreadable.len();
    loader.count_unreadable(inputs.left_out.iter().cloned().chain(unreadable).collect());
    let started = Instant::now();
    let images = Arc::clone(&inputs.images);
    let mut trainer = Trainer {
        loader,
        name: &|index| images.name(index),
        images: count,
        steps: recipe.steps(count),
        accumulate: recipe.accumulate,
        schedule: recipe.schedule(count),
        groups: Groups::new(task.layout(), &recipe.groups)?,
        clip: recipe.clip,
        ema: recipe.ema,
        evaluate_every: recipe.evaluate_every,
        patience: recipe.patience,
        save_every: runtime.save_every,
        seed: recipe.seed,
        identity,
        store,
        stop: inputs.stop,
    };
    let ending = trainer.train(backend, task, &mut state, &inputs.output, &mut records)?;
    let seconds = started.elapsed().as_secs_f64();
    let history = read_steps(&inputs.output.file(RunFolder::LOG))?;
    let tenth = history.len().div_ceil(10);
    let outcome = Outcome {
        folder: inputs.output.path().into(),
        parameters: task.layout().parameters(),
        steps: state.step,
        images: state.step * recipe.total_batch() as u64,
        seconds,
        wait_share: records.wait_share(),
        unreadable: lost + trainer.loader.skipped(),
        ending,
        first: mean(&history[..tenth]),
        last: mean(&history[history.len() - tenth..]),
        best: state.best.map(|best| (best.value, best.step)),
    };
    Ok(Trained { outcome, state, history })
}

/// What a checkpoint of a run of `task` must say of itself. `measured_under` names the settings that an evaluation depends
/// on.
pub(crate) fn identity(
    task: &str,
    name: &str,
    settings: &impl Serialize,
    layout: &Layout,
    images: &Images,
    held_out: Option<&Images>,
    measured_under: &[&str],
) -> Result<Identity> {
    let settings = serde_json::to_value(settings).map_err(|error| Error::config(error.to_string()))?;
    let mut settings: BTreeMap<_, _> =
        settings.as_object().map(|map| map.clone().into_iter().collect()).unwrap_or_default();
    // A limit changes no number: who is told to raise it may do so.
    settings.remove("max_unreadable");
    let fingerprints = |images: &Images| (0..images.len()).map(|index| images.fingerprint(index)).collect::<Vec<_>>();
    let held_out = held_out.map(fingerprints).unwrap_or_default();
    let identity = Identity::new(task, name, layout, fingerprints(images).into_iter(), settings);
    Ok(identity.evaluated_on(held_out.into_iter(), measured_under))
}

/// Writes a file of the run; it is whole or absent.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let failed = |source| Error::Io { action: "write", path: path.into(), source };
    write_atomic(path, |out| out.write_all(bytes)).map_err(failed)
}

/// The mean of the loss and of each term.
fn mean(steps: &[StepReport]) -> BTreeMap<String, f64> {
    let n = steps.len() as f64;
    let mut sums = BTreeMap::from([("loss".to_owned(), steps.iter().map(|step| step.loss).sum::<f64>() / n)]);
    for (name, value) in steps.iter().flat_map(|step| &step.terms) {
        *sums.entry(name.clone()).or_default() += value / n;
    }
    sums
}
