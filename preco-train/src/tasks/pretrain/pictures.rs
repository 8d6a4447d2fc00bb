//! What a run looks like: its losses, and what the model draws into masked images.

use preco_core::backbones::swin::Keep;
use preco_core::backend::Backend;
use preco_core::imagery::Image8;
use preco_core::nn::Pass;
use preco_core::preco::{Mask, Preco, Tape};
use preco_core::rng::Stream;
use preco_core::spec::Preprocess;

use super::TERMS;
use crate::datasets::ImageSource;
use crate::error::Result;
use crate::progress::StepReport;
use crate::report::{LossCurve, ReconstructionSheet};
use crate::view;

/// Rows of a sheet of reconstructions.
pub const EXAMPLES: usize = 8;
/// What covers a masked pixel.
const COVER: [u8; 3] = [127, 127, 127];

/// The curve of every term over the steps.
pub(super) fn losses(history: &[StepReport]) -> Image8 {
    let total = history.iter().map(|step| (step.step as f64, step.loss)).collect();
    let mut curve = LossCurve::new("pre-training loss").series("total", total);
    for (label, name) in TERMS {
        let points = history.iter().map(|step| Some((step.step as f64, *step.terms.get(name)?)));
        if let Some(points) = points.collect() {
            curve = curve.series(label, points);
        }
    }
    curve.render(960, 540)
}

/// A row per example: the image, what the masked branch sees, its prediction in the masked squares among the visible
/// pixels, and the whole prediction of the prompt branch. Images that cannot be read are passed over where that is said.
///
/// # Errors
/// Where an image cannot be read.
///
/// # Randomness
/// Masks: stream `(seed, "example mask", 0, index)`.
pub fn reconstructions<B: Backend>(
    model: &Preco,
    params: &B::Slice,
    backend: &B,
    examples: &dyn ImageSource,
    preprocess: &Preprocess,
    seed: u64,
    skip_unreadable: bool,
) -> Result<Image8> {
    let [height, width] = preprocess.size;
    let length = 3 * height * width;
    let mut tape = Tape::new(backend, Keep::Inputs);
    let mut sheet = ReconstructionSheet::new();
    let mut shown = 0;
    for index in 0..examples.len() {
        let input = match view::tensor(examples, &[index], preprocess) {
            Err(_) if skip_unreadable => continue,
            input => input?,
        };
        let mask = Mask::random(model.config(), &mut Stream::new(seed, "example mask", 0, index as u64));
        let pixels = mask.pixels();
        model.forward(backend, params, &input, &[mask], &Pass::inference(), &mut tape)?;
        let drawn = model.predictions(backend, &tape);
        let picture = |values: &[f32]| preprocess.normalise.to_image(&values[..length], width, height);
        let original = picture(&input);
        let mut row = vec![original.clone(), pasted(&original, &Image8::filled(width, height, COVER), &pixels)];
        row.push(pasted(&original, &picture(&drawn.masked), &pixels));
        row.extend(drawn.prompt.map(|prompt| picture(&prompt)));
        sheet = sheet.row(row);
        shown += 1;
        if shown == EXAMPLES {
            break;
        }
    }
    Ok(sheet.render())
}

/// `below` with the pixels of `above` where `mask` is 1.
fn pasted(below: &Image8, above: &Image8, mask: &[f32]) -> Image8 {
    let mut image = below.clone();
    for (at, _) in mask.iter().enumerate().filter(|(_, masked)| **masked > 0.5) {
        let (x, y) = (at % image.width(), at / image.width());
        image.set(x, y, above.get(x, y));
    }
    image
}
