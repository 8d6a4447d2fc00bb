//! The parameters that fine-tuning starts from: a model's encoder at the run's size and bands, and a head.

use anyhow::{Result, ensure};
use preco_core::backbones::swin::{Swin, TableResize, adapt_bands, transfer};
use preco_core::heads::ImageClassifier;
use preco_core::nn::params::Layout;
use preco_core::spec::Labelling;
use preco_train::tasks::classify::Classify;
use preco_zoo::ModelFolder;

use super::plan::Start;

/// The start's encoder and head over fresh parameters.
pub(super) fn parameters(
    start: &Start,
    model: &ImageClassifier,
    config: &Classify,
    new_head: bool,
) -> Result<Vec<f32>> {
    let mut params = model.layout().init(config.recipe.seed);
    let Start::Model(folder) = start else { return Ok(params) };
    let had = keeps_head(folder, config, new_head)?;
    let backbone = &folder.spec().backbone;
    let mut layout = Layout::default();
    Swin::new(backbone, &mut layout)?;
    let mut encoder = vec![0.0; layout.len()];
    folder.overlay_encoder(&layout, &mut encoder)?;
    let mut from = backbone.clone();
    if config.adapted.is_some() {
        let bands = &folder.preprocess().bands;
        (encoder, from, _) = adapt_bands(&encoder, backbone, bands, &config.preprocess.bands)?;
    }
    let encoder = transfer(&encoder, &from, &config.encoder, TableResize::default())?;
    params[..encoder.len()].copy_from_slice(&encoder);
    if had {
        let before = ImageClassifier::new(backbone, folder.spec().classes)?;
        let mut all = vec![0.0; before.layout().len()];
        folder.overlay_classifier(before.layout(), &mut all)?;
        for segment in model.layout().segments().iter().filter(|segment| segment.name.starts_with("head.")) {
            if let Some(own) = before.layout().get(&segment.name) {
                params[segment.range.clone()].copy_from_slice(&all[own.range.clone()]);
            }
        }
    }
    Ok(params)
}

/// True where the model has a head of the data's classes; a head of others is refused.
fn keeps_head(folder: &ModelFolder, config: &Classify, new_head: bool) -> Result<bool> {
    let spec = folder.spec();
    if spec.labelling.is_none() || new_head {
        return Ok(false);
    }
    let kind = |labelling: Option<Labelling>| match labelling {
        Some(Labelling::Single) => "one label for each image",
        _ => "any number of labels",
    };
    ensure!(
        spec.labelling == Some(config.labelling),
        "{} has a head for {}, this is to be one for {}: --new-head puts another in its place",
        spec.name,
        kind(spec.labelling),
        kind(Some(config.labelling))
    );
    let [has, wants] = [&spec.labels, &config.labels].map(|labels| labels.join(", "));
    ensure!(
        spec.labels == config.labels,
        "{} has a head for {has}, the data's classes are {wants}: --new-head puts another in its place",
        spec.name
    );
    Ok(true)
}
