//! A run from images to a model folder.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use preco_core::backend::cpu::Cpu;
use preco_core::imagery::write_png;
use preco_core::preco::Preco;
use serde::Serialize;

use super::{Pretrain, pictures};
use crate::augment::Pretraining;
use crate::checkpoint::{OutputFolder, write_model};
use crate::datasets::{ImageSource, Loader, LoaderConfig};
use crate::error::{Error, Result};
use crate::optim::{AdamW, Groups};
use crate::progress::{Progress, StepReport};
use crate::trainer::Trainer;

/// Decoded images up to this size stay in memory.
const CACHE_BYTES: u64 = 1 << 30;

/// What a run reads and where it writes.
pub struct Inputs<'a> {
    /// The model's name, such as `preco-swin-pico`.
    pub name: &'a str,
    /// The images to train on.
    pub images: Arc<dyn ImageSource + Send + Sync>,
    /// Images for the picture of reconstructions; where held-out ones are to be had, those.
    pub examples: &'a dyn ImageSource,
    /// Parameters to start from, in the model's layout; `None` for fresh ones.
    pub start: Option<Vec<f32>>,
    /// Where the results go.
    pub output: OutputFolder,
}

/// Losses averaged over some steps.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Losses {
    /// The weighted sum.
    pub total: f64,
    /// L_Re.
    pub re: f64,
    /// L_Pr; absent without a prompt branch.
    pub pr: Option<f64>,
    /// L_Sc; absent without a prompt branch.
    pub sc: Option<f64>,
}

/// What a run did.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// The folder of the results.
    pub folder: PathBuf,
    /// Parameters trained.
    pub parameters: usize,
    /// Updates done.
    pub steps: u64,
    /// Images seen, counting repeats.
    pub images: usize,
    /// Time of the training loop.
    pub seconds: f64,
    /// The mean over the first tenth of the steps.
    pub first: Losses,
    /// The mean over the last tenth.
    pub last: Losses,
}

/// Trains as `config` says and writes the model, the log, the loss curve and the reconstructions.
///
/// # Errors
/// Settings that cannot be, images that cannot be read, [`Error::Diverged`], and files that cannot be written. No model is
/// written then.
pub fn run(config: &Pretrain, inputs: Inputs<'_>, cpu: &Cpu, progress: &mut dyn Progress) -> Result<Outcome> {
    let count = inputs.images.len();
    config.validate(count)?;
    let model = Preco::new(&config.model)?;
    let mut params = match inputs.start {
        Some(start) if start.len() == model.layout().len() => start,
        Some(_) => return Err(Error::config("the parameters to start from belong to another model")),
        None => model.layout().init(config.seed),
    };
    let preprocess = config.preprocess();
    let loading = LoaderConfig {
        batch: config.batch_size,
        seed: config.seed,
        threads: 1,
        cache_bytes: CACHE_BYTES,
        max_unreadable: 0,
        transform: Pretraining::new(preprocess.size),
        normalise: preprocess.normalise,
    };
    let started = Instant::now();
    let history = Trainer {
        model: &model,
        cpu,
        loader: Loader::new(inputs.images, loading)?,
        images: count,
        steps: config.steps(count),
        accumulate: config.accumulate,
        schedule: config.schedule(count),
        optimiser: AdamW::new(params.len(), config.optimiser.clone())?,
        groups: Groups::new(model.layout(), &config.groups)?,
        clip: config.clip,
        seed: config.seed,
    }
    .train(&mut params, &mut inputs.output.log(), progress)?;
    let seconds = started.elapsed().as_secs_f64();

    let folder = inputs.output.path();
    write_model(folder, inputs.name, &model, &params, &preprocess)?;
    write_pictures(
        &inputs.output,
        &history,
        pictures::reconstructions(&model, &params, cpu, inputs.examples, config)?,
    )?;
    let tenth = history.len().div_ceil(10);
    Ok(Outcome {
        folder: folder.into(),
        parameters: params.len(),
        steps: history.len() as u64,
        images: history.len() * config.total_batch(),
        seconds,
        first: mean(&history[..tenth]),
        last: mean(&history[history.len() - tenth..]),
    })
}

fn write_pictures(output: &OutputFolder, history: &[StepReport], sheet: preco_core::imagery::Rgb8) -> Result<()> {
    write_png(&pictures::losses(history), &output.file(OutputFolder::LOSS))?;
    write_png(&sheet, &output.file(OutputFolder::RECONSTRUCTION))?;
    Ok(())
}

fn mean(steps: &[StepReport]) -> Losses {
    let n = steps.len() as f64;
    let optional =
        |term: fn(&StepReport) -> Option<f64>| steps.iter().map(term).sum::<Option<f64>>().map(|sum| sum / n);
    Losses {
        total: steps.iter().map(|step| step.loss).sum::<f64>() / n,
        re: steps.iter().map(|step| step.loss_re).sum::<f64>() / n,
        pr: optional(|step| step.loss_pr),
        sc: optional(|step| step.loss_sc),
    }
}
