//! A run from labelled images to a model folder.

use preco_core::backend::Backend;

use super::page::{self, About};
use super::{Classification, Classify, Figures, measure};
use crate::checkpoint::RunFolder;
use crate::error::{Error, Result};
use crate::log::read_evaluations;
use crate::progress::Progress;
use crate::run::{Inputs, Outcome, Runtime, Trained, Views, identity, train, write};
use crate::sample::Supervision;
use crate::task::Task;
use crate::trainer::Ending;

/// Trains as `config` says and writes checkpoints and the log on the way, and at the end the model, the figures of the
/// held-out images and the report. Returns what it did, and those figures.
///
/// # Errors
/// Settings that cannot be, images that cannot be read or have no class, [`Error::Diverged`], [`Error::Resume`], and files
/// that cannot be written. No model is written then; checkpoints stay.
pub fn run<B: Backend>(
    config: &Classify,
    runtime: &Runtime,
    mut inputs: Inputs<'_>,
    backend: &B,
    progress: &mut dyn Progress,
) -> Result<(Outcome, Option<Figures>)> {
    config.validate(inputs.images.len())?;
    runtime.validate()?;
    let held_out = inputs.held_out.clone();
    let (name, images) = (inputs.name, inputs.images.clone());
    let mut task = Classification::new(name, config, backend, &images, held_out.clone())?;
    task.read_held_out(&inputs.left_out)?;
    let measured_under = ["encoder", "labels"];
    let identity = identity("classify", name, config, task.layout(), &images, held_out.as_ref(), &measured_under)?;
    let views = Views {
        supervision: Supervision::Label,
        pipeline: config.pipeline(),
        size: config.preprocess.size,
        normalise: config.preprocess.normalise.clone(),
        mix: config.mix,
    };
    let (recipe, known) = (&config.recipe, task.unreadable());
    let lost = known.len();
    let trained = train(recipe, runtime, views, &mut inputs, identity, backend, &mut task, known, progress)?;
    let Trained { mut outcome, state, history } = trained;
    outcome.unreadable += task.unreadable().len() - lost;
    if outcome.ending == Ending::Interrupted {
        return Ok((outcome, None));
    }
    task.save(&state.published_values(backend)?, inputs.output.path())?;
    let judged = task.judged(state.published())?;
    let figures = match &judged {
        Some(judged) => measure(&judged.probabilities, &judged.truths, config.labels.len(), config.labelling)?,
        None => None,
    };
    if let Some(figures) = &figures {
        let text = serde_json::to_vec_pretty(figures).map_err(|error| Error::config(error.to_string()))?;
        write(&inputs.output.file(RunFolder::FIGURES), &text)?;
    }
    let about = About {
        name,
        config,
        images: images.len(),
        parameters: outcome.parameters,
        settings: &inputs.settings,
        figures: figures.as_ref(),
        shown: held_out.as_deref().zip(judged.as_ref()),
    };
    let html = page::html(&about, &history, &read_evaluations(&inputs.output.file(RunFolder::LOG))?)?;
    write(&inputs.output.file(RunFolder::REPORT), html.as_bytes())?;
    Ok((outcome, figures))
}
