//! The kernels against the CPU's operations: each operation, then whole models.
//!
//! Under feature `cuda-emulator` everything runs but the device itself: the kernels' source, their launches, the backend.
//! Built with feature `cuda` alone the same tests run on a GPU, and fail where there is none. Inputs are random, outputs
//! hold NaN before, and every case runs twice, which must give the same bits: the emulator takes a block's threads in
//! order and in reverse.

mod cases;
#[cfg(feature = "cuda-emulator")]
mod emulated;
mod models;

use std::collections::BTreeSet;

use super::{Cuda, Precision};
use crate::backend::cpu::Cpu;
use cases::Case;

/// Relative to the norm of the result. f32 differs by the order of sums; bf16 has 8 bits, and a result is rounded once
/// or, in attention, as a factor of the next product as well.
const TOLERANCES: [(Precision, f64); 2] = [(Precision::F32, 3e-6), (Precision::Bf16, 6e-3)];

/// The device under test: `again` for a second look.
pub(super) fn device(precision: Precision, again: bool) -> Cuda {
    #[cfg(feature = "cuda-emulator")]
    let cuda = Cuda::emulated(precision, again);
    #[cfg(not(feature = "cuda-emulator"))]
    let cuda = {
        let _ = again;
        Cuda::new(0, precision).expect("these tests need a GPU, or feature cuda-emulator")
    };
    cuda.poison_fresh_memory();
    cuda
}

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
            let results = [false, true].map(|again| {
                let cuda = device(precision, again);
                let result = case.run(&cuda, precision);
                cuda.device.check().expect("a device that works");
                launched.extend(cuda.take_launches().into_keys());
                result
            });
            let bits = |result: &[Vec<f32>]| -> Vec<Vec<u32>> {
                result.iter().map(|values| values.iter().map(|value| value.to_bits()).collect()).collect()
            };
            assert!(
                bits(&results[0]) == bits(&results[1]),
                "{case:?} gives other bits the second time: a barrier is missing, or an order"
            );
            for (which, (ours, want)) in results[0].iter().zip(&want).enumerate() {
                let off = distance(ours, want);
                assert!(
                    off < tolerance,
                    "{case:?}, {precision:?}, seed {}: result {which} is off by {off:.1e}",
                    cases::seed()
                );
            }
        }
    }
    let shipped: BTreeSet<String> = Cuda::kernels().into_iter().collect();
    let untested: Vec<_> = shipped.difference(&launched).collect();
    assert!(untested.is_empty(), "no case runs {untested:?}");
    assert!(shipped.len() > 60, "{} kernels are known", shipped.len());
}
