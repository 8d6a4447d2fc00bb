//! The processor's own limit: multiply-adds that touch nothing but registers.

use super::{Level, Simd, simd_kernel};

/// Independent sums: enough to hide the latency of a multiply-add on two units.
const SUMS: usize = 12;

/// Runs `rounds` rounds of register-only multiply-adds and returns the floating-point operations done. Time it to know
/// what fraction of the machine a kernel reaches; the clock is the caller's.
pub fn multiply_adds(level: Level, rounds: usize) -> u64 {
    // SAFETY: no pointer is involved.
    let (lanes, sum) = unsafe { run(level, rounds) };
    // The sum is finite by construction; using it keeps the loop from being optimised away.
    std::hint::black_box(sum);
    2 * (rounds * SUMS * lanes) as u64
}

simd_kernel!(unsafe fn run(rounds: usize) -> (usize, f32) => run_body);

#[inline(always)]
unsafe fn run_body<S: Simd>(rounds: usize) -> (usize, f32) {
    // SAFETY: the caller has the level's instructions.
    unsafe {
        let (factor, step) = (S::splat(std::hint::black_box(0.999_9)), S::splat(std::hint::black_box(1e-4)));
        let mut sums = [S::splat(1.0); SUMS];
        for _ in 0..rounds {
            for sum in &mut sums {
                *sum = S::mul_add(*sum, factor, step);
            }
        }
        let mut total = S::splat(0.0);
        for sum in sums {
            total = S::add(total, sum);
        }
        (S::LANES, S::sum(total))
    }
}
