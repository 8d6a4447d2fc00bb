//! A run from images to a model folder.

use preco_core::backend::Backend;
use preco_core::imagery::{encode_png, write_png};

use super::page::{self, About};
use super::{Pretrain, Pretraining, pictures};
use crate::augment::{Mix, Pipeline};
use crate::checkpoint::RunFolder;
use crate::error::{Error, Result};
use crate::log::read_evaluations;
use crate::progress::Progress;
use crate::run::{Images, Inputs, Outcome, Runtime, Trained, Views, identity, train, write};
use crate::sample::Supervision;
use crate::task::Task;
use crate::trainer::Ending;

/// Trains as `config` says and writes checkpoints and the log on the way, and at the end the model, the loss curve, the
/// reconstructions of `examples` and the report.
///
/// # Errors
/// Settings that cannot be, images that cannot be read, [`Error::Diverged`], [`Error::Resume`], and files that cannot be
/// written. No model is written then; checkpoints stay.
pub fn run<B: Backend>(
    config: &Pretrain,
    runtime: &Runtime,
    mut inputs: Inputs<'_>,
    examples: &Images,
    backend: &B,
    progress: &mut dyn Progress,
) -> Result<Outcome> {
    config.validate(inputs.images.len())?;
    runtime.validate()?;
    let held_out = inputs.held_out.as_ref();
    let mut task = Pretraining::new(inputs.name, config, backend, held_out.cloned())?;
    task.read_held_out(&inputs.left_out)?;
    // The masks are drawn from the seed.
    let measured_under = ["model", "seed"];
    let (name, images) = (inputs.name, &inputs.images);
    let identity = identity("pretrain", name, config, task.layout(), images, held_out, &measured_under)?;
    let preprocess = config.preprocess();
    let views = Views {
        supervision: Supervision::None,
        pipeline: Pipeline::pretraining(preprocess.size),
        size: preprocess.size,
        normalise: preprocess.normalise,
        mix: Mix::default(),
    };
    let (recipe, known) = (&config.recipe, task.unreadable());
    let lost = known.len();
    let trained = train(recipe, runtime, views, &mut inputs, identity, backend, &mut task, known, progress)?;
    let Trained { mut outcome, state, history } = trained;
    outcome.unreadable += task.unreadable().len() - lost;

    if outcome.ending != Ending::Interrupted {
        task.save(&state.published_values(backend)?, inputs.output.path())?;
    }
    if !history.is_empty() {
        let (model, params) = (task.model(), state.published());
        write_png(&pictures::losses(&history), &inputs.output.file(RunFolder::LOSS))?;
        let (preprocess, skips) = (config.preprocess(), config.recipe.max_unreadable > 0);
        let (images, seed) = (examples.as_ref(), config.recipe.seed);
        let sheet = pictures::reconstructions(model, params, backend, images, &preprocess, seed, skips)?;
        let (mut reconstructions, path) = (Vec::new(), inputs.output.file(RunFolder::RECONSTRUCTION));
        encode_png(&sheet, &mut reconstructions).map_err(|source| Error::Io {
            action: "write",
            path: path.clone(),
            source,
        })?;
        write(&path, &reconstructions)?;
        let about = About {
            name,
            images: inputs.images.len(),
            parameters: outcome.parameters,
            settings: &inputs.settings,
            reconstructions,
        };
        let html = page::html(about, &history, &read_evaluations(&inputs.output.file(RunFolder::LOG))?);
        write(&inputs.output.file(RunFolder::REPORT), html.as_bytes())?;
    }
    Ok(outcome)
}
