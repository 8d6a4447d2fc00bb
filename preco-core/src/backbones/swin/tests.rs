//! The whole encoder: its node against the module, its gradients against a step along them, and what it refuses.

use candle_core::{Device, Tensor, Var};

use super::*;
use crate::backbones::{Backbone, Ctx};
use crate::backend::cpu::Cpu;
use crate::nn::params::Layout;
use crate::nn::{Pass, SharedParameters};
use crate::rng::Stream;
use crate::simd::Level;

/// Two stages over odd grids, so that windows are padded and shifted and merging pads too.
fn small() -> SwinConfig {
    SwinConfig {
        input: [28, 20],
        embed: 12,
        depths: vec![2, 2],
        heads: vec![2, 4],
        window: [3, 3],
        drop_path: 0.3,
        ..SwinConfig::preset("pico").expect("preset")
    }
}

fn noise(len: usize, name: u64) -> Vec<f32> {
    let mut stream = Stream::new(3, "swin", name, 0);
    (0..len).map(|_| stream.between(-1.0, 1.0) as f32).collect()
}

/// Fresh parameters, with norms and biases moved from where gradients vanish by symmetry.
fn parameters(layout: &Layout) -> Vec<f32> {
    let mut values = layout.init(1);
    for segment in layout.segments() {
        let shift = noise(segment.range.len(), segment.range.start as u64);
        values[segment.range.clone()].iter_mut().zip(shift).for_each(|(value, shift)| *value += 0.1 * shift);
    }
    values
}

fn node(level: Level, keep: Keep) -> SwinNode {
    let mut layout = Layout::default();
    let swin = Swin::new(&small(), &mut layout).expect("swin");
    SwinNode::new(swin, level, keep, SharedParameters::new(parameters(&layout))).expect("node")
}

fn images(count: usize) -> Tensor {
    Tensor::from_vec(noise(count * 3 * 28 * 20, 7), (count, 3, 28, 20), &Device::Cpu).expect("images")
}

fn all(maps: &SwinMaps) -> impl Iterator<Item = &Tensor> {
    maps.stages.iter().chain([&maps.features])
}

/// Σ map · weight over all maps, with fixed uneven weights.
fn weighted(maps: &SwinMaps) -> Tensor {
    let mut sum = Tensor::zeros((), candle_core::DType::F32, &Device::Cpu).expect("zero");
    for (at, map) in all(maps).enumerate() {
        let weight =
            Tensor::from_vec(noise(map.elem_count(), 50 + at as u64), map.shape(), &Device::Cpu).expect("weight");
        sum = (map * weight).and_then(|x| &sum + x.sum_all()?).expect("sum");
    }
    sum
}

fn gradients(node: &SwinNode) -> Vec<f32> {
    node.parameters().read(|_, gradients| gradients.to_vec())
}

fn flat(x: &Tensor) -> Vec<f32> {
    x.flatten_all().and_then(|x| x.to_vec1()).expect("f32")
}

#[test]
fn the_nodes_gradients_are_the_modules() {
    for level in Level::available() {
        for keep in [Keep::All, Keep::Inputs] {
            let node = node(level, keep);
            let x = Var::from_tensor(&images(2)).expect("variable");
            let maps = node.maps(&x, &Ctx::training(5, 3)).expect("maps");
            let store = weighted(&maps).backward().expect("backward");

            let (swin, cpu, values) =
                (node.swin(), Cpu::new(level), node.parameters().read(|values, _| values.to_vec()));
            let mut tape = Tape::new(&cpu, Keep::All);
            swin.forward(&cpu, &values, &flat(&x), 2, &Pass::training(5, 3), &mut tape);
            let channels_last = |at: usize, map: &Tensor| {
                let weight = Tensor::from_vec(noise(map.elem_count(), 50 + at as u64), map.shape(), &Device::Cpu);
                flat(&weight.and_then(|weight| weight.permute((0, 2, 3, 1))).expect("weight"))
            };
            for (at, map) in all(&maps).enumerate() {
                let raw = if at < swin.stages() { tape.stage(at) } else { tape.features() };
                assert_eq!(flat(&map.permute((0, 2, 3, 1)).expect("map")), raw, "{level} {keep:?}: map {at}");
            }
            let weights: Vec<Vec<f32>> = all(&maps).enumerate().map(|(at, map)| channels_last(at, map)).collect();
            let stages = weights[..swin.stages()].iter().map(|weight| Some(&weight[..])).collect();
            let outputs = OutputGradients { features: Some(&weights[swin.stages()][..]), stages };
            let (mut want, mut d_images) = (vec![0.0; values.len()], vec![0.0; x.elem_count()]);
            swin.backward(&cpu, &values, &mut want, outputs, &mut tape);
            swin.image_gradient(&cpu, &values, &mut tape, &mut d_images);
            assert!(gradients(&node) == want, "{level} {keep:?}: parameters' gradients");
            assert!(flat(store.get(&x).expect("image gradient")) == d_images, "{level} {keep:?}: image gradient");
        }
    }
}

#[test]
fn a_step_along_a_gradient_changes_the_outputs_by_its_squared_norm() {
    for level in Level::available() {
        let node = node(level, Keep::All);
        let x = Var::from_tensor(&images(2)).expect("variable");
        let value = |x: &Tensor| {
            let maps = node.maps(x, &Ctx { record: false, ..Ctx::training(5, 3) }).expect("maps");
            let sums = all(&maps).enumerate().map(|(at, map)| {
                let weight = noise(map.elem_count(), 50 + at as u64);
                flat(map).iter().zip(weight).map(|(x, w)| f64::from(*x) * f64::from(w)).sum::<f64>()
            });
            sums.sum::<f64>()
        };
        let store = weighted(&node.maps(&x, &Ctx::training(5, 3)).expect("maps")).backward().expect("backward");
        let norm = |d: &[f32]| d.iter().map(|d| f64::from(*d) * f64::from(*d)).sum::<f64>().sqrt();
        let step = 4e-3;

        let (d, start) = (gradients(&node), node.parameters().read(|values, _| values.to_vec()));
        let along = |factor: f64| {
            let unit = factor / norm(&d);
            node.parameters().update(|values, _| {
                for ((value, start), d) in values.iter_mut().zip(&start).zip(&d) {
                    *value = (f64::from(*start) + unit * f64::from(*d)) as f32;
                }
            });
            value(&x)
        };
        let slope = (along(step) - along(-step)) / (2.0 * step);
        assert!((slope / norm(&d) - 1.0).abs() < 2e-3, "{level}: parameters: {slope} {}", norm(&d));
        along(0.0);

        let d = flat(store.get(&x).expect("image gradient"));
        let along = |factor: f64| {
            let unit = (factor / norm(&d)) as f32;
            let moved: Vec<f32> = flat(&x).iter().zip(&d).map(|(x, d)| x + unit * d).collect();
            value(&Tensor::from_vec(moved, x.shape(), &Device::Cpu).expect("moved"))
        };
        let step = 2e-2;
        let slope = (along(step) - along(-step)) / (2.0 * step);
        assert!((slope / norm(&d) - 1.0).abs() < 2e-3, "{level}: image: {slope} {}", norm(&d));
    }
}

#[test]
fn a_spent_or_stale_tape_is_an_error() {
    let node = node(Level::detect(), Keep::All);
    let loss = weighted(&node.maps(&images(1), &Ctx::training(1, 1)).expect("maps"));
    loss.backward().expect("first");
    let once = gradients(&node);
    let error = loss.backward().expect_err("second").to_string();
    assert!(error.contains("forward pass again"), "{error}");
    assert!(gradients(&node) == once, "a refused backward pass adds nothing");
    let loss = weighted(&node.maps(&images(1), &Ctx::training(1, 1)).expect("maps"));
    node.parameters().update(|values, _| values[0] += 1.0);
    let error = loss.backward().expect_err("stale").to_string();
    assert!(error.contains("updated between"), "{error}");
}

#[test]
fn passes_may_be_live_together_and_their_gradients_add() {
    let node = node(Level::detect(), Keep::All);
    let alone = |step: u64, count: usize| {
        node.parameters().change_gradients(|_, gradients| gradients.fill(0.0));
        weighted(&node.maps(&images(count), &Ctx::training(1, step)).expect("maps")).backward().expect("backward");
        gradients(&node)
    };
    // The larger batch first, so that a tape with longer buffers than it needs is used again.
    let (second, first) = (alone(2, 3), alone(1, 1));
    node.parameters().change_gradients(|_, gradients| gradients.fill(0.0));
    let a = weighted(&node.maps(&images(1), &Ctx::training(1, 1)).expect("maps"));
    let b = weighted(&node.maps(&images(3), &Ctx::training(1, 2)).expect("maps"));
    // A pass that nobody follows up must not disturb the two.
    drop(node.maps(&images(2), &Ctx::training(1, 3)).expect("maps"));
    a.backward().expect("a");
    b.backward().expect("b");
    for ((sum, a), b) in gradients(&node).iter().zip(first).zip(second) {
        assert!((sum - (a + b)).abs() <= 1e-5 * (a.abs() + b.abs()).max(1.0), "{sum} {a} {b}");
    }
}

#[test]
fn without_recording_maps_are_constants_of_the_same_values() {
    let node = node(Level::detect(), Keep::All);
    let recorded = node.maps(&images(2), &Ctx { record: true, ..Ctx::inference() }).expect("maps");
    let constant = node.maps(&images(2), &Ctx::inference()).expect("maps");
    for (a, b) in all(&recorded).zip(all(&constant)) {
        assert!(a.track_op() && !b.track_op());
        assert!(flat(a) == flat(b));
    }
    assert_eq!((node.strides(), node.channels()), (vec![4, 8], vec![12, 24]));
    let shapes: Vec<Vec<usize>> = constant.stages.iter().map(|map| map.dims().to_vec()).collect();
    assert_eq!(shapes, [[2, 12, 7, 5], [2, 24, 4, 3]]);
}

#[test]
fn images_of_another_size_are_refused_with_both_sizes() {
    let node = node(Level::detect(), Keep::All);
    let x = Tensor::zeros((1, 3, 28, 24), candle_core::DType::F32, &Device::Cpu).expect("zeros");
    let error = node.features(&x, &Ctx::inference()).expect_err("size").to_string();
    assert!(error.contains("[1, 3, 28, 24]") && error.contains("28x20"), "{error}");
}
