//! The kernels under the emulator against the CPU's operations: each operation, then whole models.
//!
//! What runs here is everything but the device: the kernels' source, their launches, and the backend. Inputs are random,
//! outputs hold NaN before, and every case runs with a block's threads in both orders, which must give the same bits.

mod cases;
mod models;

use std::collections::BTreeSet;

use super::{Cuda, Precision};
use crate::backend::cpu::Cpu;
use cases::Case;

/// Relative to the norm of the result. f32 differs by the order of sums; bf16 has 8 bits, and a result is rounded once
/// or, in attention, as a factor of the next product as well.
const TOLERANCES: [(Precision, f64); 2] = [(Precision::F32, 3e-6), (Precision::Bf16, 6e-3)];

pub(super) fn distance(ours: &[f32], want: &[f32]) -> f64 {
    assert_eq!(ours.len(), want.len());
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|value| value * value).sum::<f64>().sqrt();
    let off = norm(&mut ours.iter().zip(want).map(|(ours, want)| f64::from(ours - want)));
    off / norm(&mut want.iter().map(|want| f64::from(*want))).max(1e-20)
}

#[test]
fn every_kernel_agrees_with_the_cpu_operation_and_none_goes_untested() {
    let mut launched = BTreeSet::new();
    for (precision, tolerance) in TOLERANCES {
        for case in Case::all() {
            let want = case.run(&Cpu::detect(), precision);
            let results = [false, true].map(|backwards| {
                let cuda = Cuda::emulated(precision, backwards);
                let result = case.run(&cuda, precision);
                cuda.device.check().expect("the emulator has no limits");
                launched.extend(cuda.take_launches().into_keys());
                result
            });
            let bits = |result: &[Vec<f32>]| -> Vec<Vec<u32>> {
                result.iter().map(|values| values.iter().map(|value| value.to_bits()).collect()).collect()
            };
            assert!(
                bits(&results[0]) == bits(&results[1]),
                "{case:?} depends on the order of threads: a barrier is missing"
            );
            for (which, (ours, want)) in results[0].iter().zip(&want).enumerate() {
                let off = distance(ours, want);
                assert!(off < tolerance, "{case:?}, {precision:?}: result {which} is off by {off:.1e}");
            }
        }
    }
    let shipped: BTreeSet<String> = Cuda::kernels().into_iter().collect();
    let untested: Vec<_> = shipped.difference(&launched).collect();
    assert!(untested.is_empty(), "no case runs {untested:?}");
    assert!(shipped.len() > 60, "{} kernels are known", shipped.len());
}

#[test]
fn a_kernel_that_writes_beyond_its_buffer_is_found() {
    use crate::backend::Backend;
    let found = std::panic::catch_unwind(|| {
        let cuda = Cuda::emulated(Precision::F32, false);
        let mut short = cuda.zeros(5);
        // A length that lies: 6 of 5.
        let arguments = vec![short.at(0).into(), 1.0f32.into(), 6i64.into()];
        cuda.device.launch("fill_f32".to_owned(), [1, 1], [256, 1], 0, arguments);
        cuda.fill(&mut short, 0.0, 5);
    });
    assert!(found.is_err());
}

#[test]
fn after_an_error_nothing_is_computed_and_the_error_is_told_once() {
    use crate::backend::Backend;
    let cuda = Cuda::emulated(Precision::F32, false);
    let mut values = cuda.zeros(3);
    cuda.device.launch("fill_f32".to_owned(), [1, 1], [2048, 1], 0, vec![]);
    cuda.fill(&mut values, 7.0, 3);
    let error = cuda.check().expect_err("2048 threads").to_string();
    assert!(error.contains("emulator") && error.contains("limits"), "{error}");
    let mut host = [1.0; 3];
    cuda.download(&values, &mut host);
    assert_eq!(host, [0.0; 3]);
    cuda.check().expect("told once");
}
