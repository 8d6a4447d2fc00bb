//! The moving average of parameters: `a += (1 - decay) (p - a)` after each update.
//!
//! The average starts as a copy and warms up: the decay of update t is at most `(1 + t) / (10 + t)`, so that the random
//! start is forgotten. Elements are independent, so the result does not depend on threads.

use preco_core::backend::Backend;

use super::Error;

/// Checks a decay.
///
/// # Errors
/// [`Error::Setting`] outside `(0, 1)`.
pub fn validate(decay: f64) -> Result<(), Error> {
    if decay > 0.0 && decay < 1.0 { Ok(()) } else { Err(Error::Setting { name: "ema", value: decay, range: "(0, 1)" }) }
}

/// Moves `average` towards `params` after update `step`, counted from 1.
pub fn update<B: Backend>(backend: &B, average: &mut B::Slice, params: &B::Slice, decay: f64, step: u64) {
    let warm = (1.0 + step as f64) / (10.0 + step as f64);
    backend.move_average(average, params, (1.0 - decay.min(warm)) as f32);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn early_updates_forget_the_start_and_late_ones_keep_the_decay() {
        // Update 1: decay 2/11, so 9/11 of the way from 0 to 1. Update 10^6: 0.9, so a tenth of the rest.
        let cpu = preco_core::backend::cpu::Cpu::detect();
        let mut average = [0.0];
        update(&cpu, &mut average[..], &[1.0][..], 0.9, 1);
        assert!((average[0] - 9.0 / 11.0).abs() < 1e-6, "{average:?}");
        update(&cpu, &mut average[..], &[1.0][..], 0.9, 1_000_000);
        assert!((average[0] - (1.0 - 0.1 * 2.0 * 9.0 / 11.0)).abs() < 1e-6, "{average:?}");
    }

    #[test]
    fn a_decay_of_one_would_never_move() {
        validate(0.999).expect("usual");
        for decay in [0.0, 1.0, -0.5, f64::NAN] {
            assert!(validate(decay).expect_err("refused").to_string().contains("ema"));
        }
    }
}
