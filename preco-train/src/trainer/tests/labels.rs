//! The loop with a task that is no pre-training: what every head will need of it.

use preco_core::imagery::Normalise;
use preco_core::nn::params::{Init, Layout};

use super::*;
use crate::augment::{Mix, Pipeline, Transform};
use crate::checkpoint::Store;
use crate::datasets::scenes::CLASSES;
use crate::datasets::{Batch, ImageSource, Loader, LoaderConfig};
use crate::log::Records;
use crate::optim::{AdamWConfig, GroupOptions, Groups};
use crate::sample::Supervision;
use crate::schedule::{Cosine, Schedule};
use crate::task::{Loss, Metric, Place, Task};
use crate::trainer::{Identity, State, Trainer};

const SIDE: usize = 16;
const INPUTS: usize = 3 * SIDE * SIDE;

/// Softmax regression on pixels: labels, perhaps mixed, to probabilities.
struct Regression {
    layout: Layout,
    held_out: SceneGenerator,
    images: Vec<f32>,
    /// Probabilities minus labels, over the batch's size.
    d_logits: Vec<f32>,
}

impl Regression {
    fn new() -> Self {
        let mut layout = Layout::default();
        layout.add("weight", &[CLASSES.len(), INPUTS], Init::Constant(0.0), true, 0);
        layout.add("bias", &[CLASSES.len()], Init::Constant(0.0), false, 0);
        Self { layout, held_out: SceneGenerator::new(9, SIDE, 64), images: Vec::new(), d_logits: Vec::new() }
    }

    fn probabilities(params: &[f32], image: &[f32]) -> Vec<f32> {
        let (weight, bias) = params.split_at(CLASSES.len() * INPUTS);
        let score = |class: usize| {
            let products = weight[class * INPUTS..][..INPUTS].iter().zip(image).map(|(w, x)| w * x);
            bias[class] + products.sum::<f32>()
        };
        let scores: Vec<f32> = (0..CLASSES.len()).map(score).collect();
        let highest = scores.iter().copied().fold(f32::MIN, f32::max);
        let powers: Vec<f32> = scores.iter().map(|score| (score - highest).exp()).collect();
        let sum: f32 = powers.iter().sum();
        powers.into_iter().map(|power| power / sum).collect()
    }
}

impl Task for Regression {
    fn layout(&self) -> &Layout {
        &self.layout
    }

    fn forward(&mut self, params: &[f32], batch: &Batch, _: Place) -> Result<Loss> {
        let n = batch.targets.len() as f32;
        self.images.clone_from(&batch.images);
        self.d_logits.clear();
        let mut loss = 0.0;
        for (image, target) in batch.images.chunks_exact(INPUTS).zip(&batch.targets) {
            for (p, label) in Self::probabilities(params, image).into_iter().zip(&target.label) {
                loss -= f64::from(label * p.max(1e-9).ln() / n);
                self.d_logits.push((p - label) / n);
            }
        }
        Ok(Loss { total: loss, terms: vec![("loss_ce", loss)] })
    }

    fn backward(&mut self, _: &[f32], grads: &mut [f32]) -> Result<()> {
        let (weight, bias) = grads.split_at_mut(CLASSES.len() * INPUTS);
        for (image, d) in self.images.chunks_exact(INPUTS).zip(self.d_logits.chunks_exact(CLASSES.len())) {
            for (class, d) in d.iter().enumerate() {
                bias[class] += d;
                weight[class * INPUTS..][..INPUTS].iter_mut().zip(image).for_each(|(w, x)| *w += d * x);
            }
        }
        Ok(())
    }

    fn evaluate(&mut self, params: &[f32]) -> Result<Vec<Metric>> {
        let mut right = 0;
        for index in 0..self.held_out.len() {
            let mut tensor = vec![0.0; INPUTS];
            Normalise::default().to_tensor(&self.held_out.image(index)?, &mut tensor);
            let p = Self::probabilities(params, &tensor);
            let best = (0..p.len()).max_by(|&a, &b| p[a].total_cmp(&p[b]));
            right += usize::from(best == self.held_out.label(index));
        }
        let value = right as f64 / self.held_out.len() as f64;
        Ok(vec![Metric { name: "val_accuracy", value, higher_is_better: true }])
    }

    fn save(&self, params: &[f32], folder: &Path) -> Result<()> {
        Ok(self.layout.save(params, &folder.join("model.safetensors"))?)
    }
}

/// Trains until `stop_after`; the state's parameters and the losses.
fn train_regression(folder: &Path, begin: Start, stop_after: u64) -> (Vec<f32>, Vec<f64>) {
    let (cpu, source) = (Cpu::detect(), Arc::new(SceneGenerator::new(3, SIDE, 64)));
    let mut task = Regression::new();
    let transforms = vec![Transform::Flip { horizontal: 0.5, vertical: 0.5 }, Transform::Rotate90];
    let loading = LoaderConfig {
        batch: 16,
        seed: 5,
        threads: 2,
        cache_bytes: 1 << 20,
        max_unreadable: 0,
        supervision: Supervision::Label,
        pipeline: Pipeline(transforms),
        size: [SIDE, SIDE],
        normalise: Normalise::default(),
        mix: Mix { mixup: 0.2, cutmix: 0.5 },
    };
    let stop = AtomicBool::new(false);
    let output = RunFolder::open(folder, begin).expect("folder");
    let images = (0..source.len()).map(|index| source.fingerprint(index));
    let mut trainer = Trainer {
        loader: Loader::new(source.clone(), loading).expect("loader"),
        name: &|index| source.name(index),
        images: source.len(),
        steps: 60,
        accumulate: 1,
        schedule: Schedule::Cosine(Cosine {
            lr: 3e-3,
            min_lr: 1e-4,
            warmup_lr: 1e-4,
            total: 60,
            warmup: 3,
            warmup_prefix: false,
        }),
        groups: Groups::new(task.layout(), &GroupOptions::default()).expect("groups"),
        clip: Some(5.0),
        ema: None,
        evaluate_every: 20,
        patience: 0,
        save_every: 10,
        seed: 5,
        identity: Identity::new("regression", "regression", task.layout(), images, std::collections::BTreeMap::new()),
        store: Store::new(output.path(), 2),
        stop: &stop,
    };
    let mut state = State::new(&cpu, &task.layout().init(0), false, AdamWConfig::default()).expect("state");
    let mut watcher = Interrupt(stop_after, &stop, Vec::new());
    let mut records = Records::new(&output, "# none\n", None, &mut watcher);
    if begin == Start::Resume {
        let identity = trainer.identity.clone();
        trainer.store.resume(&cpu, &mut state, &identity, |line| panic!("{line}")).expect("resume");
        records.resume(state.step);
    }
    trainer.train(&cpu, &mut task, &mut state, &output, &mut records).expect("train");
    let losses = crate::log::read_steps(&output.file(RunFolder::LOG)).expect("log");
    (state.params.clone(), losses.iter().map(|step| step.terms["loss_ce"]).collect())
}

#[test]
fn a_task_with_labels_learns_them_and_resumes_to_the_same_bits() {
    let root = tempfile::tempdir().expect("temporary folder");
    let (whole, losses) = train_regression(&root.path().join("whole"), Start::Fresh, u64::MAX);
    let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
    // Every class is equally likely at the start; mixed labels of unseen views keep the loss from falling to nothing.
    assert!((losses[0] - (CLASSES.len() as f64).ln()).abs() < 1e-6, "{}", losses[0]);
    assert!(mean(&losses[50..]) < 0.93 * losses[0], "{losses:?}");
    let cut = root.path().join("cut");
    train_regression(&cut, Start::Fresh, 27);
    let (resumed, again) = train_regression(&cut, Start::Resume, u64::MAX);
    assert!(resumed == whole && again == losses);
    assert!(cut.join("best/model.safetensors").exists());
}
