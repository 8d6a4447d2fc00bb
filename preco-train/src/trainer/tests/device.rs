//! The loop on the CUDA backend, whose kernels run under their emulator.

use preco_core::backend::cuda::{Cuda, Precision};

use super::*;

fn images() -> Images {
    Arc::new(SceneGenerator::new(1, 32, 8))
}

fn on(precision: Precision, config: &Pretrain, folder: &Path, how: How) -> (Outcome, Vec<String>) {
    let cuda = Cuda::emulated(precision, false);
    train_with(&cuda, images(), config, None, folder, how).expect("run")
}

#[test]
fn a_run_on_the_device_learns_as_one_on_the_processor() {
    let root = tempfile::tempdir().expect("temporary folder");
    let config = Pretrain {
        recipe: Recipe { length: Length::Steps(6), ema: Some(0.9), evaluate_every: 3, ..config().recipe },
        ..config()
    };
    train(&config, None, &root.path().join("cpu")).expect("run");
    let losses = |run: &str| -> Vec<f64> {
        let steps = crate::log::read_steps(&root.path().join(run).join("log.jsonl")).expect("log");
        steps.iter().map(|step| step.loss).collect()
    };
    let want = losses("cpu");
    for (precision, name, tolerance) in [(Precision::F32, "f32", 1e-4), (Precision::Bf16, "bf16", 2e-2)] {
        on(precision, &config, &root.path().join(name), FRESH);
        for (step, (ours, want)) in losses(name).iter().zip(&want).enumerate() {
            assert!((ours / want - 1.0).abs() < tolerance, "{name}, step {step}: {ours} is not {want}");
        }
        let (ours, want) = (floats(&root.path().join(name), &config), floats(&root.path().join("cpu"), &config));
        let moved = |values: &[f32]| {
            let start = preco_core::preco::Preco::new(&config.model).expect("model").layout().init(config.recipe.seed);
            values.iter().zip(&start).map(|(end, start)| f64::from(end - start)).collect::<Vec<f64>>()
        };
        let (ours, want) = (moved(&ours), moved(&want));
        let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let cosine = product(&ours, &want) / (product(&ours, &ours) * product(&want, &want)).sqrt();
        // Adam follows signs, so bf16 turns small gradients round; most of the way is the same.
        assert!(cosine > if precision == Precision::F32 { 0.999 } else { 0.8 }, "{name}: {cosine}");
    }
}

#[test]
fn a_run_on_the_device_that_is_interrupted_ends_with_the_same_bytes() {
    let root = tempfile::tempdir().expect("temporary folder");
    let config =
        Pretrain { recipe: Recipe { length: Length::Steps(5), ema: Some(0.9), ..config().recipe }, ..config() };
    let (whole, cut) = (root.path().join("whole"), root.path().join("cut"));
    on(Precision::Bf16, &config, &whole, FRESH);
    let (outcome, _) = on(Precision::Bf16, &config, &cut, How { stop_after: 3, ..FRESH });
    assert_eq!((outcome.ending, outcome.steps), (Ending::Interrupted, 3));
    on(Precision::Bf16, &config, &cut, How { begin: Start::Resume, ..FRESH });
    assert!(weights(&cut) == weights(&whole) && checkpoint(&cut) == checkpoint(&whole));
}

#[test]
fn a_run_that_changes_its_device_is_told_so() {
    let root = tempfile::tempdir().expect("temporary folder");
    train_how(&config(), None, root.path(), How { stop_after: 1, ..FRESH }).expect("run");
    let (outcome, said) = on(Precision::F32, &config(), root.path(), How { begin: Start::Resume, ..FRESH });
    assert_eq!(outcome.ending, Ending::Finished);
    assert!(
        said.iter()
            .any(|line| line.contains("on cpu (") && line.contains(", f32, this is") && line.contains("cuda, f32")),
        "{said:?}"
    );
}

#[test]
fn a_device_that_is_full_ends_the_run_with_one_line_and_the_last_checkpoint_stays() {
    let root = tempfile::tempdir().expect("temporary folder");
    let run = |config: &Pretrain, bytes: usize, how: How| {
        let cuda = Cuda::emulated_small(Precision::F32, bytes);
        train_with(&cuda, images(), config, None, root.path(), how)
    };
    run(&config(), usize::MAX >> 1, How { stop_after: 2, ..FRESH }).expect("room enough");
    let before = checkpoint(root.path());
    // Enough for parameters and moments, not for a step.
    let resume = How { begin: Start::Resume, ..FRESH };
    let error = run(&config(), 400_000, resume).expect_err("too small").to_string();
    assert!(error.contains("out of memory") && !error.contains('\n'), "{error}");
    assert!(checkpoint(root.path()) == before);
    run(&config(), usize::MAX >> 1, resume).expect("goes on");
}
