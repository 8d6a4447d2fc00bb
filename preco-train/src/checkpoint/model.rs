//! A model folder: `config.json`, `preprocessor_config.json`, `model.safetensors`, `decoder.safetensors`.
//!
//! The encoder has a file of its own, under timm's names, so that every Swin reader opens it; what only continued
//! pre-training and reconstruction need stands beside it.

use std::path::Path;

use preco_core::heads::ImageClassifier;
use preco_core::nn::params::Segment;
use preco_core::preco::Preco;
use preco_core::spec::{CONFIG_FILE, ModelSpec, PREPROCESSOR_FILE, Preprocess};

use crate::error::Result;

/// Writes a pre-trained model called `name` into `folder`. Every file is whole or absent; `config.json`, by which a folder
/// is known as a model, comes last.
///
/// # Errors
/// The core's [`preco_core::error::Error::Io`] with the path.
pub fn write_model(folder: &Path, name: &str, model: &Preco, params: &[f32], preprocess: &Preprocess) -> Result<()> {
    let layout = model.layout();
    layout.save_where(params, &folder.join("model.safetensors"), |segment| !is_decoder(segment))?;
    layout.save_where(params, &folder.join("decoder.safetensors"), is_decoder)?;
    preprocess.write(&folder.join(PREPROCESSOR_FILE))?;
    ModelSpec::pretrained(name, model.config()).write(preprocess, &folder.join(CONFIG_FILE))?;
    Ok(())
}

/// Writes a classifier into `folder`: encoder and head in one file, which is timm's too. Every file is whole or absent,
/// `config.json` comes last.
///
/// # Errors
/// The core's [`preco_core::error::Error::Io`] with the path.
pub fn write_classifier(
    folder: &Path,
    spec: &ModelSpec,
    model: &ImageClassifier,
    params: &[f32],
    preprocess: &Preprocess,
) -> Result<()> {
    model.layout().save_where(params, &folder.join("model.safetensors"), |_| true)?;
    preprocess.write(&folder.join(PREPROCESSOR_FILE))?;
    spec.write(preprocess, &folder.join(CONFIG_FILE))?;
    Ok(())
}

/// True for what pre-training needs beyond the encoder.
fn is_decoder(segment: &Segment) -> bool {
    segment.name == "mask_token" || segment.name.starts_with("decoder.")
}
