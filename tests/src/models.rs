//! Small published models for tests: real files, made by the zoo's own publisher.

use std::path::Path;

use preco_core::backbones::swin::SwinConfig;
use preco_core::preco::{Preco, PrecoConfig};
use preco_core::spec::{ModelSpec, Preprocess};
use preco_zoo::publish::{self, Form};
use preco_zoo::{Facts, Figure, ModelFolder};

/// What a test's card says.
pub fn facts() -> Facts {
    let text = str::to_owned;
    Facts {
        summary: text("A test."),
        licence: text("MIT"),
        training_data: text("64 generated scenes"),
        data_licence: text("none"),
        command: text("preco-cli pretrain --steps 2"),
        commit: text("unknown"),
        limits: text("It has learnt nothing."),
        is_toy: Some(true),
        figures: vec![Figure { what: text("accuracy"), value: text("12.5 %"), split: text("scenes, seed 0") }],
    }
}

/// The files of a model of 300 KB called `name`, whose weights start from `seed`, as they are published; in shards of at
/// most `shard_bytes` of weights.
///
/// # Panics
/// Where it cannot be made.
pub fn published(name: &str, seed: u64, shard_bytes: Option<usize>) -> Vec<(String, Vec<u8>)> {
    let folder = tempfile::tempdir().expect("temporary folder");
    run(folder.path(), seed);
    let model = ModelFolder::open(folder.path()).expect("the run's model");
    let form = Form { name: name.to_owned(), shard_bytes, ..Form::default() };
    publish::files(&model, &form, &facts()).expect("files")
}

/// Makes `folder` a model as a run leaves it: an encoder and its descriptions.
///
/// # Panics
/// Where it cannot be made.
pub fn run(folder: &Path, seed: u64) {
    let preset = SwinConfig::preset("pico").expect("preset");
    let encoder = SwinConfig { input: [32, 32], depths: vec![2, 2], heads: vec![2, 4], ..preset };
    let model = Preco::new(&PrecoConfig::new(encoder)).expect("model");
    let preprocess = Preprocess::imagenet([32, 32]);
    preprocess.write(&folder.join("preprocessor_config.json")).expect("write");
    let spec = ModelSpec { pretraining: None, ..ModelSpec::pretrained("run", model.config()) };
    spec.write(&preprocess, &folder.join("config.json")).expect("write");
    let is_encoder = |name: &str| name != "mask_token" && !name.starts_with("decoder.");
    let path = folder.join("model.safetensors");
    model.layout().save_where(&model.layout().init(seed), &path, |segment| is_encoder(&segment.name)).expect("save");
}

/// The files as the fake hub takes them.
pub fn borrowed(files: &[(String, Vec<u8>)]) -> Vec<(&str, Vec<u8>)> {
    files.iter().map(|(name, bytes)| (name.as_str(), bytes.clone())).collect()
}
