//! Short runs of a tiny model on generated scenes.

use std::sync::Arc;

use preco_core::backbones::swin::SwinConfig;
use preco_core::backend::cpu::Cpu;
use preco_core::preco::{Method, PrecoConfig};
use preco_core::simd::Level;

use crate::checkpoint::OutputFolder;
use crate::datasets::scenes::SceneGenerator;
use crate::error::{Error, Result};
use crate::progress::Silent;
use crate::tasks::pretrain::{Inputs, Length, Outcome, Pretrain, run};

/// Two stages on 32-pixel scenes: a step takes milliseconds.
fn config() -> Pretrain {
    let encoder = SwinConfig {
        input: [32, 32],
        embed: 8,
        depths: vec![1, 1],
        heads: vec![1, 2],
        window: [4, 4],
        ..SwinConfig::preset("pico").expect("preset")
    };
    Pretrain { length: Length::Steps(3), batch_size: 4, ..Pretrain::small(PrecoConfig::new(encoder)) }
}

fn train(config: &Pretrain, start: Option<Vec<f32>>, folder: &std::path::Path) -> Result<Outcome> {
    let scenes = SceneGenerator::new(1, 32, 8);
    let inputs = Inputs {
        name: "tiny",
        images: Arc::new(scenes.clone()),
        examples: &scenes,
        start,
        output: OutputFolder::prepare(folder, false)?,
    };
    run(config, inputs, &Cpu::new(Level::detect()), &mut Silent)
}

/// The bytes of both weight files.
fn weights(folder: &std::path::Path) -> Vec<u8> {
    let read = |name| std::fs::read(folder.join(name)).expect("read");
    [read("model.safetensors"), read("decoder.safetensors")].concat()
}

fn floats(folder: &std::path::Path, config: &Pretrain) -> Vec<f32> {
    let model = preco_core::preco::Preco::new(&config.model).expect("model");
    let mut values = model.layout().init(99);
    for file in ["model.safetensors", "decoder.safetensors"] {
        model.layout().overlay(&mut values, &folder.join(file)).expect("overlay");
    }
    values
}

#[test]
fn the_same_seed_leaves_the_same_bytes_and_another_does_not() {
    let root = tempfile::tempdir().expect("temporary folder");
    let run = |seed, name: &str| {
        let folder = root.path().join(name);
        train(&Pretrain { seed, ..config() }, None, &folder).expect("run");
        weights(&folder)
    };
    let first = run(5, "a");
    assert_eq!(first, run(5, "b"));
    assert_ne!(first, run(6, "c"));
}

#[test]
fn accumulated_batches_update_like_one_large_batch() {
    let root = tempfile::tempdir().expect("temporary folder");
    let (one, two) = (root.path().join("one"), root.path().join("two"));
    // The same eight images and masks either way. The views differ, since their stream is named by batch and slot, so
    // losses are near and not equal; averaging wrongly would be a factor of two.
    let large = Pretrain { batch_size: 8, length: Length::Steps(1), ..config() };
    let small = Pretrain { batch_size: 4, accumulate: 2, ..large.clone() };
    let (large, small) = (train(&large, None, &one), train(&small, None, &two));
    let (large, small) = (large.expect("run"), small.expect("run"));
    assert_eq!((large.steps, large.images), (small.steps, small.images));
    assert!((large.first.re - small.first.re).abs() < 0.2 * large.first.re, "{large:?} {small:?}");
    let moved = |folder| {
        let start = preco_core::preco::Preco::new(&config().model).expect("model").layout().init(0);
        let end = floats(folder, &config());
        start.iter().zip(&end).map(|(a, b)| f64::from((a - b).abs())).sum::<f64>()
    };
    assert!((moved(&one) / moved(&two) - 1.0).abs() < 0.1, "{} {}", moved(&one), moved(&two));
}

#[test]
fn training_lowers_every_term_of_both_methods() {
    let root = tempfile::tempdir().expect("temporary folder");
    for method in [Method::Preco, Method::Simmim] {
        let base = config();
        let model = PrecoConfig { method, ..base.model.clone() };
        let config = Pretrain { model, length: Length::Steps(60), lr: 3e-3, ..base };
        let outcome = train(&config, None, &root.path().join(format!("{method:?}"))).expect("run");
        assert!(outcome.last.re < 0.9 * outcome.first.re, "{outcome:?}");
        assert_eq!(outcome.last.pr.is_some(), method == Method::Preco);
    }
}

#[test]
fn a_loss_that_is_no_number_stops_the_run_and_leaves_nothing() {
    let root = tempfile::tempdir().expect("temporary folder");
    let folder = root.path().join("run");
    let model = preco_core::preco::Preco::new(&config().model).expect("model");
    let mut start = model.layout().init(0);
    start[model.layout().get("norm.bias").expect("segment").range.start] = f32::NAN;
    let error = train(&config(), Some(start), &folder).expect_err("diverged");
    assert!(matches!(&error, Error::Diverged { what: "loss", step: 1, segment: Some(_), .. }), "{error:?}");
    assert!(error.to_string().contains("loss became NaN at step 1, first in "), "{error}");
    assert!(!folder.exists());
}
