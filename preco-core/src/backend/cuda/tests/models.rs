//! Whole passes of PReCo against the CPU.

use super::super::{Cuda, Precision};
use super::{device, distance};
use crate::backbones::swin::{Keep, SwinConfig};
use crate::backend::Backend;
use crate::backend::cpu::Cpu;
use crate::nn::Pass;
use crate::nn::params::Layout;
use crate::preco::{Distance, Mask, Preco, PrecoConfig, Tape, Terms};
use crate::rng::Stream;

/// Two stages, shifted windows, patch merging; head width 16, so that bf16 meets the tensor cores' kernels.
fn model() -> Preco {
    let encoder = SwinConfig {
        input: [32, 32],
        embed: 16,
        depths: vec![2, 2],
        heads: vec![1, 2],
        window: [4, 4],
        drop_path: 0.3,
        ..SwinConfig::preset("pico").expect("preset")
    };
    // Squares: the sign of an absolute difference would hide small errors, or show them as large ones.
    let config = PrecoConfig {
        mask_patch: 8,
        reconstruction: Distance::L2,
        consistency: Distance::L2,
        ..PrecoConfig::new(encoder)
    };
    Preco::new(&config).expect("model")
}

fn parameters(layout: &Layout) -> Vec<f32> {
    let mut values = layout.init(3);
    let mut stream = Stream::new(4, "parity", 0, 0);
    values.iter_mut().for_each(|value| *value += 0.05 * stream.normal() as f32);
    values
}

/// Terms and gradients of a few steps on one tape.
fn steps<B: Backend>(backend: &B, model: &Preco, keep: Keep, steps: u64) -> Vec<(Terms, Vec<f32>)> {
    let values = parameters(model.layout());
    let parameters = backend.parameters(&values);
    let mut gradients = backend.zeros(values.len());
    let mut tape = Tape::new(backend, keep);
    (0..steps)
        .map(|step| {
            let count = 2;
            let mut stream = Stream::new(5, "images", step, 0);
            let images: Vec<f32> = (0..count * 3 * 32 * 32).map(|_| stream.normal() as f32).collect();
            let draw = |at| Mask::random(model.config(), &mut Stream::new(6, "mask", step, at));
            let masks: Vec<Mask> = (0..count as u64).map(draw).collect();
            backend.fill(&mut gradients, 0.0, values.len());
            let pass = Pass::training(7, step);
            let terms = model.forward(backend, &parameters, &images, &masks, &pass, &mut tape).expect("forward");
            model.backward(backend, &parameters, &mut gradients, &mut tape).expect("backward");
            let mut host = vec![0.0; values.len()];
            backend.download(&gradients, &mut host);
            (terms, host)
        })
        .collect()
}

#[test]
fn a_step_of_preco_is_the_cpus_and_recordings_change_no_bit() {
    let model = model();
    for (precision, tolerance) in [(Precision::F32, 2e-5), (Precision::Bf16, 4e-2)] {
        let want = steps(&Cpu::detect(), &model, Keep::All, 4);
        let cuda = device(precision, false);
        let ours = steps(&cuda, &model, Keep::All, 4);
        for (step, ((terms, gradients), (want_terms, want))) in ours.iter().zip(&want).enumerate() {
            let off = (terms.total / want_terms.total - 1.0).abs();
            assert!(off < tolerance, "{precision:?}, step {step}: {terms:?} is not {want_terms:?}");
            let off = distance(gradients, want);
            assert!(off < tolerance, "{precision:?}, step {step}: gradients are off by {off:.1e}");
            assert!(gradients.iter().all(|value| value.is_finite()));
        }
        // Every step is done afresh on a device that sees it for the first time; here from the third on by recording.
        for (step, recorded) in ours.iter().enumerate() {
            let fresh = steps(&device(precision, true), &model, Keep::Inputs, step as u64 + 1);
            assert!(fresh[step] == *recorded, "{precision:?}, step {step}: other bits");
        }
    }
}

/// How cuBLAS names its kernels.
const OF_CUBLAS: [&str; 8] = ["cutlass", "nvjet", "gemm", "cublas", "xmma", "splitK", "gemv", "memset"];

#[test]
fn candles_tensors_come_and_go_with_their_elements() {
    for (precision, tolerance) in [(Precision::F32, 0.0), (Precision::Bf16, 4e-3)] {
        let cuda = device(precision, false);
        let mut stream = Stream::new(1, "tensor", 0, 0);
        let values: Vec<f32> = (0..24).map(|_| stream.normal() as f32).collect();
        let mut buffer = cuda.activations();
        cuda.reserve(&mut buffer, 30);
        cuda.upload(&values, &mut buffer);
        let tensor = cuda.to_tensor(&buffer, &[4, 6]).expect("tensor");
        assert_eq!(tensor.dims(), [4, 6]);
        // Strided: its elements are read row by row.
        let turned = tensor.t().expect("transposed");
        let back = cuda.values(&cuda.from_tensor(&turned).expect("buffer"), 24).into_owned();
        let want: Vec<f32> = (0..24).map(|at| values[at % 4 * 6 + at / 4]).collect();
        assert!(distance(&back, &want) <= tolerance, "{precision:?}");
        let error = cuda.to_tensor(&buffer, &[4, 8]).expect_err("32 of 30").to_string();
        assert!(error.contains("[4, 8]"), "{error}");
    }
}

#[test]
fn images_that_came_ahead_are_those_of_their_pass_and_of_no_other() {
    let (model, cuda) = (model(), device(Precision::F32, false));
    let parameters = cuda.parameters(&parameters(model.layout()));
    let batch = |seed| -> Vec<f32> {
        let mut stream = Stream::new(seed, "images", 0, 0);
        (0..3 * 32 * 32).map(|_| stream.normal() as f32).collect()
    };
    let (one, two) = (batch(1), batch(2));
    let mask = Mask::random(model.config(), &mut Stream::new(6, "mask", 0, 0));
    let loss = |images: &[f32], tape: &mut Tape<Cuda>| {
        let terms = model.forward(&cuda, &parameters, images, std::slice::from_ref(&mask), &Pass::inference(), tape);
        terms.expect("forward").total
    };
    let want = [&one, &two].map(|images| loss(images, &mut Tape::new(&cuda, Keep::All)));
    assert_ne!(want[0], want[1]);
    let mut tape = Tape::new(&cuda, Keep::All);
    for _ in 0..3 {
        model.prepare(&cuda, &two, &mut tape);
        // Another pass in between, as an evaluation is.
        assert_eq!(loss(&one, &mut tape), want[0]);
        assert_eq!(loss(&two, &mut tape), want[1]);
        model.prepare(&cuda, &one, &mut tape);
        assert_eq!(loss(&one, &mut tape), want[0]);
    }
}

#[test]
fn nothing_but_our_kernels_and_products_runs() {
    let (model, cuda) = (model(), device(Precision::Bf16, false));
    // Two until all memory is there, one that is recorded, two replays.
    steps(&cuda, &model, Keep::All, 5);
    let ours = Cuda::kernels();
    let recorded = cuda.recorded_kernels().expect("recordings");
    let foreign: Vec<&String> = recorded.iter().filter(|name| !ours.contains(name)).collect();
    let known = |name: &&String| *name == "product" || OF_CUBLAS.iter().any(|part| name.contains(part));
    assert!(foreign.iter().all(known), "{foreign:?} are neither ours nor products");
    for part in ["window_attention_tiles1_width16", "window_attention_backward_tiles1_width16", "layer_norm_bf16_v4"] {
        assert!(recorded.contains(part), "no {part} in {recorded:?}");
    }
    let launched = cuda.take_launches();
    // Three steps were asked for kernel by kernel, of four blocks each; the objective is asked for in every step.
    assert_eq!(launched["window_attention_tiles1_width16"], 12);
    assert_eq!(launched["preco_objective_bf16"], 5);
    assert!(!launched.contains_key("window_attention_bf16"), "{launched:?}");
}
