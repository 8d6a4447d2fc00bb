//! Linear warm-up, then half a cosine down to the lowest rate: timm's `CosineLRScheduler` with one cycle.

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

use super::{Error, rate, ratio, warm};

/// Warm-up over `warmup` updates, then `min + (lr - min)(1 + cos(π t / T)) / 2`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cosine {
    /// The highest rate.
    pub lr: f64,
    /// The rate at the end of the cosine and after it.
    pub min_lr: f64,
    /// The rate of update 0 where there is a warm-up.
    pub warmup_lr: f64,
    /// T, the length of the cosine in updates.
    pub total: u64,
    /// Updates of warm-up.
    pub warmup: u64,
    /// True to start the cosine after the warm-up, which then adds to `total`. False, as in SimMIM, evaluates it at the
    /// update's own index: the rate jumps from the warm-up onto a cosine that has been running all the while.
    #[serde(default)]
    pub warmup_prefix: bool,
}

impl Cosine {
    /// The rate in force for update `step`, counted from 0.
    pub fn lr(&self, step: u64) -> f64 {
        if step < self.warmup {
            return warm(self.warmup_lr, self.lr, step, self.warmup);
        }
        let t = if self.warmup_prefix { step - self.warmup } else { step };
        if t >= self.total {
            return self.min_lr;
        }
        self.min_lr + 0.5 * (self.lr - self.min_lr) * (1.0 + (PI * t as f64 / self.total as f64).cos())
    }

    /// All three rates multiplied by `batch / reference`.
    pub fn scaled(&self, batch: usize, reference: usize) -> Self {
        let ratio = ratio(batch, reference);
        Self { lr: self.lr * ratio, min_lr: self.min_lr * ratio, warmup_lr: self.warmup_lr * ratio, ..self.clone() }
    }

    /// Checks the rates and lengths.
    ///
    /// # Errors
    /// The first field that cannot be, with its value.
    pub fn validate(&self) -> Result<(), Error> {
        rate("lr", self.lr)?;
        rate("min_lr", self.min_lr)?;
        rate("warmup_lr", self.warmup_lr)?;
        if self.min_lr > self.lr {
            return Err(Error::Rising { min_lr: self.min_lr, lr: self.lr });
        }
        let needed = if self.warmup_prefix { 0 } else { self.warmup };
        if self.total <= needed {
            return Err(Error::Warmup { warmup: self.warmup, total: self.total });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cosine(warmup_prefix: bool) -> Cosine {
        Cosine { lr: 1.0, min_lr: 0.0, warmup_lr: 0.2, total: 8, warmup: 4, warmup_prefix }
    }

    fn close(ours: f64, expected: f64) {
        assert!((ours - expected).abs() < 1e-15, "{ours} instead of {expected}");
    }

    #[test]
    fn without_prefix_the_cosine_has_run_during_warm_up() {
        let cosine = cosine(false);
        close(cosine.lr(0), 0.2);
        close(cosine.lr(3), 0.8); // 0.2 + 3 (1 - 0.2) / 4
        close(cosine.lr(4), 0.5); // cos(π/2) = 0
        close(cosine.lr(6), 0.5 * (1.0 - 0.5f64.sqrt())); // cos(3π/4) = -√½
        close(cosine.lr(8), 0.0);
        close(cosine.lr(1 << 60), 0.0);
    }

    #[test]
    fn with_prefix_the_cosine_starts_at_its_top() {
        let cosine = cosine(true);
        close(cosine.lr(4), 1.0); // cos(0) = 1
        close(cosine.lr(8), 0.5);
        close(cosine.lr(12), 0.0);
    }

    #[test]
    fn scaling_multiplies_every_rate() {
        let cosine = Cosine { min_lr: 0.1, ..cosine(false) };
        for step in 0..10 {
            close(cosine.scaled(1024, 512).lr(step), 2.0 * cosine.lr(step));
        }
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_value() {
        let cases: [(Cosine, &str); 5] = [
            (Cosine { lr: f64::NAN, ..cosine(false) }, "lr NaN"),
            (Cosine { warmup_lr: -1.0, ..cosine(false) }, "warmup_lr -1"),
            (Cosine { min_lr: 2.0, ..cosine(false) }, "min_lr 2 is above lr 1"),
            (Cosine { warmup: 8, ..cosine(false) }, "takes 8 of 8"),
            (Cosine { total: 0, ..cosine(true) }, "4 of 0"),
        ];
        for (config, needle) in cases {
            let error = config.validate().expect_err(needle).to_string();
            assert!(error.contains(needle), "{error}");
        }
        cosine(false).validate().expect("the base is valid");
        Cosine { warmup: 8, ..cosine(true) }.validate().expect("a prefix adds to the total");
    }
}
