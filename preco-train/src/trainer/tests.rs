//! Short runs of a tiny model on generated scenes.

#[cfg(feature = "cuda-emulator")]
mod device;
mod labels;
mod resume;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use preco_core::backbones::swin::SwinConfig;
use preco_core::backend::Backend;
use preco_core::backend::cpu::Cpu;
use preco_core::preco::{Method, PrecoConfig};
use preco_core::simd::Level;

use crate::checkpoint::{RunFolder, Start};
use crate::datasets::ImageSource;
use crate::datasets::scenes::SceneGenerator;
use crate::error::{Error, Result};
use crate::progress::{EvaluationReport, Progress, StepReport};
use crate::recipe::{Length, Recipe};
use crate::run::{Images, Inputs, Outcome, Runtime};
use crate::tasks::pretrain::{Pretrain, run};
use crate::trainer::{Changes, Divergence, Ending};

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
    Pretrain {
        model: PrecoConfig::new(encoder),
        recipe: Recipe { length: Length::Steps(3), batch_size: 4, ..Recipe::small() },
    }
}

/// What a run in a folder may add to the settings.
#[derive(Clone, Copy)]
struct How {
    begin: Start,
    runtime: Runtime,
    /// Interrupt after this many updates.
    stop_after: u64,
    changes: Changes,
}

const FRESH: How = How {
    begin: Start::Fresh,
    runtime: Runtime { loader_threads: 1, cache_bytes: 1 << 20, save_every: 0, keep: 2 },
    stop_after: u64::MAX,
    changes: Changes::Refused,
};

/// Interrupts after so many updates.
struct Interrupt<'a>(u64, &'a AtomicBool, Vec<String>);

impl Progress for Interrupt<'_> {
    fn begin(&mut self, _: u64, _: u64) {}
    fn step(&mut self, report: &StepReport) {
        if report.step >= self.0 {
            self.1.store(true, Ordering::Relaxed);
        }
    }
    fn evaluation(&mut self, _: &EvaluationReport) {}
    fn message(&mut self, text: &str) {
        self.2.push(text.to_owned());
    }
}

fn train(config: &Pretrain, start: Option<Vec<f32>>, folder: &Path) -> Result<Outcome> {
    train_how(config, start, folder, FRESH).map(|(outcome, _)| outcome)
}

fn train_how(config: &Pretrain, start: Option<Vec<f32>>, folder: &Path, how: How) -> Result<(Outcome, Vec<String>)> {
    train_on(Arc::new(SceneGenerator::new(1, 32, 8)), config, start, folder, how)
}

fn train_on(
    images: Images,
    config: &Pretrain,
    start: Option<Vec<f32>>,
    folder: &Path,
    how: How,
) -> Result<(Outcome, Vec<String>)> {
    train_with(&Cpu::new(Level::detect()), images, config, start, folder, how)
}

fn train_with<B: Backend>(
    backend: &B,
    images: Images,
    config: &Pretrain,
    start: Option<Vec<f32>>,
    folder: &Path,
    how: How,
) -> Result<(Outcome, Vec<String>)> {
    let stop = AtomicBool::new(false);
    let inputs = Inputs {
        name: "tiny",
        images: Arc::clone(&images),
        held_out: Some(Arc::new(SceneGenerator::new(2, 32, 6))),
        left_out: Vec::new(),
        split: None,
        start,
        output: RunFolder::open(folder, how.begin)?,
        begin: how.begin,
        changes: how.changes,
        settings: "# none\n".to_owned(),
        stop: &stop,
    };
    let mut watcher = Interrupt(how.stop_after, &stop, Vec::new());
    let outcome = run(config, &how.runtime, inputs, &images, backend, &mut watcher)?;
    Ok((outcome, watcher.2))
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
        train(&Pretrain { recipe: Recipe { seed, ..config().recipe }, ..config() }, None, &folder).expect("run");
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
    let large = Pretrain { recipe: Recipe { batch_size: 8, length: Length::Steps(1), ..config().recipe }, ..config() };
    let small = Pretrain { recipe: Recipe { batch_size: 4, accumulate: 2, ..large.recipe.clone() }, ..large.clone() };
    let (large, small) = (train(&large, None, &one), train(&small, None, &two));
    let (large, small) = (large.expect("run"), small.expect("run"));
    assert_eq!((large.steps, large.images), (small.steps, small.images));
    assert!(
        (large.first["loss_re"] - small.first["loss_re"]).abs() < 0.2 * large.first["loss_re"],
        "{large:?} {small:?}"
    );
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
        let config = Pretrain { model, recipe: Recipe { length: Length::Steps(60), lr: 3e-3, ..base.recipe } };
        let outcome = train(&config, None, &root.path().join(format!("{method:?}"))).expect("run");
        assert!(outcome.last["loss_re"] < 0.9 * outcome.first["loss_re"], "{outcome:?}");
        assert_eq!(outcome.last.contains_key("loss_pr"), method == Method::Preco);
    }
}

#[test]
fn a_loss_that_is_no_number_stops_the_run_and_leaves_the_names_of_its_images() {
    let root = tempfile::tempdir().expect("temporary folder");
    let folder = root.path().join("run");
    let model = preco_core::preco::Preco::new(&config().model).expect("model");
    let mut start = model.layout().init(0);
    start[model.layout().get("norm.bias").expect("segment").range.start] = f32::NAN;
    let error = train(&config(), Some(start), &folder).expect_err("diverged");
    let Error::Diverged(known) = &error else {
        panic!("{error:?}");
    };
    let Divergence { what, step: 1, segment: Some(_), files, last_good_checkpoint: None, .. } = &**known else {
        panic!("{known:?}");
    };
    assert_eq!((what.as_str(), files.len()), ("loss_re", 4));
    let text = error.to_string();
    assert!(text.contains("loss_re became NaN at step 1, first in ") && text.contains("scene-1-"), "{text}");
    let mut left: Vec<_> = std::fs::read_dir(&folder).expect("list").flatten().map(|entry| entry.file_name()).collect();
    left.sort();
    assert_eq!(left, ["diverged.json", "run.toml"]);
    assert!(text.contains(&format!("all in {}", folder.join("diverged.json").display())), "{text}");
    let report = std::fs::read_to_string(folder.join("diverged.json")).expect("read");
    let report: serde_json::Value = serde_json::from_str(&report).expect("JSON");
    let want = serde_json::json!({
        "step": 1, "what": "loss_re", "value": "NaN", "segment": report["segment"], "files": files,
        "last_good_checkpoint": null,
    });
    assert_eq!(report, want);
    assert!(report["segment"].is_string());
    // Another start replaces both.
    train_how(&config(), None, &folder, How { begin: Start::Replace, ..FRESH }).expect("run");
    assert!(!folder.join("diverged.json").exists() && folder.join("model.safetensors").exists());
}

/// Eight scenes, of which some cannot be read.
struct Damaged(SceneGenerator, &'static [usize]);

impl Damaged {
    fn at(unreadable: &'static [usize]) -> Arc<Self> {
        Arc::new(Self(SceneGenerator::new(1, 32, 8), unreadable))
    }
}

impl ImageSource for Damaged {
    fn len(&self) -> usize {
        self.0.len()
    }
    fn image(&self, index: usize) -> Result<preco_core::imagery::Image8> {
        if self.1.contains(&index) {
            return Err(Error::data(Path::new(&self.name(index)), "is cut off"));
        }
        self.0.image(index)
    }
    fn label(&self, index: usize) -> Option<usize> {
        self.0.label(index)
    }
    fn name(&self, index: usize) -> String {
        self.0.name(index)
    }
    fn classes(&self) -> &[String] {
        self.0.classes()
    }
}

#[test]
fn a_run_whose_first_step_fails_leaves_nothing() {
    let root = tempfile::tempdir().expect("temporary folder");
    let folder = root.path().join("run");
    let images = || Damaged::at(&[0, 1, 2, 3, 4, 5, 6, 7]);
    train_on(images(), &config(), None, &folder, FRESH).expect_err("no image");
    assert!(!folder.exists());
    // And an earlier one is what it was.
    train(&config(), None, &folder).expect("run");
    let before = (weights(&folder), std::fs::read(folder.join("run.toml")).expect("read"));
    train_on(images(), &config(), None, &folder, How { begin: Start::Replace, ..FRESH }).expect_err("no image");
    assert!(before == (weights(&folder), std::fs::read(folder.join("run.toml")).expect("read")));
}

/// Everything of the last checkpoint: parameters, average, moments and position.
fn checkpoint(folder: &Path) -> Vec<u8> {
    let mut files: Vec<_> = std::fs::read_dir(folder.join("checkpoints"))
        .expect("list")
        .map(|entry| entry.expect("entry").path())
        .collect();
    files.sort();
    std::fs::read(files.last().expect("a checkpoint")).expect("read")
}

#[test]
fn a_run_that_gets_no_better_ends_early_and_keeps_its_best() {
    let root = tempfile::tempdir().expect("temporary folder");
    // A rate so small that nothing moves: the first evaluation stays the best.
    let still = Pretrain {
        recipe: Recipe {
            length: Length::Steps(40),
            lr: 1e-30,
            min_lr: 0.0,
            warmup_lr: 0.0,
            evaluate_every: 2,
            patience: 3,
            ..config().recipe
        },
        ..config()
    };
    let outcome = train(&still, None, root.path()).expect("run");
    assert_eq!((outcome.ending, outcome.steps), (Ending::EarlyStop, 8));
    assert_eq!(outcome.best.map(|(_, step)| step), Some(2));
    assert!(root.path().join("best/model.safetensors").exists());
    let before = (weights(root.path()), checkpoint(root.path()));
    let (again, _) = train_how(&still, None, root.path(), How { begin: Start::Resume, ..FRESH }).expect("resume");
    assert_eq!((again.ending, again.steps), (Ending::EarlyStop, 8));
    assert!((weights(root.path()), checkpoint(root.path())) == before, "a run that had ended went on");
}

#[test]
fn the_average_is_published_and_lags_behind() {
    let root = tempfile::tempdir().expect("temporary folder");
    let plain = Pretrain { recipe: Recipe { length: Length::Steps(5), lr: 1e-2, ..config().recipe }, ..config() };
    let averaged = Pretrain { recipe: Recipe { ema: Some(0.99), ..plain.recipe.clone() }, ..plain.clone() };
    let (one, two) = (root.path().join("plain"), root.path().join("averaged"));
    train(&plain, None, &one).expect("run");
    train(&averaged, None, &two).expect("run");
    let start = preco_core::preco::Preco::new(&plain.model).expect("model").layout().init(0);
    let moved = |folder| {
        let end = floats(folder, &plain);
        start.iter().zip(&end).map(|(a, b)| f64::from((a - b).powi(2))).sum::<f64>().sqrt()
    };
    let (plain, averaged) = (moved(&one), moved(&two));
    // Adam moves nearly alike at each of five updates, so the average of what moves by 1, 2, … 5 lies between 3 and 5.
    assert!(averaged < 0.99 * plain && averaged > 0.6 * plain, "{averaged} of {plain}");
}
