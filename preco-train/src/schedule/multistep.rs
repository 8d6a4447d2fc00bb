//! Linear warm-up, then the rate times `gamma` at each milestone: SimMIM's 800-epoch recipe, and the detectors'.

use serde::{Deserialize, Serialize};

use super::{Error, rate, ratio, warm};

/// `lr gammaⁿ`, where n counts the milestones that `step` has reached.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MultiStep {
    /// The rate after the warm-up.
    pub lr: f64,
    /// The rate of update 0 where there is a warm-up.
    pub warmup_lr: f64,
    /// Updates of warm-up.
    pub warmup: u64,
    /// The updates from which the next factor is in force, counted from 0, rising.
    pub milestones: Vec<u64>,
    /// The factor.
    pub gamma: f64,
}

impl MultiStep {
    /// The rate in force for update `step`, counted from 0.
    pub fn lr(&self, step: u64) -> f64 {
        if step < self.warmup {
            return warm(self.warmup_lr, self.lr, step, self.warmup);
        }
        let reached = self.milestones.iter().filter(|&&milestone| milestone <= step).count();
        self.lr * self.gamma.powi(i32::try_from(reached).unwrap_or(i32::MAX))
    }

    /// Both rates multiplied by `batch / reference`.
    pub fn scaled(&self, batch: usize, reference: usize) -> Self {
        let ratio = ratio(batch, reference);
        Self { lr: self.lr * ratio, warmup_lr: self.warmup_lr * ratio, ..self.clone() }
    }

    /// Checks rates, factor and milestones.
    ///
    /// # Errors
    /// The first field that cannot be, with its value.
    pub fn validate(&self) -> Result<(), Error> {
        rate("lr", self.lr)?;
        rate("warmup_lr", self.warmup_lr)?;
        if !(self.gamma > 0.0 && self.gamma <= 1.0) {
            return Err(Error::Gamma { gamma: self.gamma });
        }
        let rises = self.milestones.is_sorted_by(|a, b| a < b);
        if !rises || self.milestones.first().is_some_and(|&first| first < self.warmup) {
            return Err(Error::Milestones { milestones: self.milestones.clone(), warmup: self.warmup });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn multistep() -> MultiStep {
        MultiStep { lr: 1.0, warmup_lr: 0.0, warmup: 2, milestones: vec![5, 7], gamma: 0.5 }
    }

    #[test]
    fn the_rate_falls_at_its_milestones() {
        let schedule = multistep();
        let rates: Vec<f64> = (0..9).map(|step| schedule.lr(step)).collect();
        assert_eq!(rates, [0.0, 0.5, 1.0, 1.0, 1.0, 0.5, 0.5, 0.25, 0.25]);
        assert_eq!(schedule.scaled(256, 512).lr(5), 0.25);
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_value() {
        let cases: [(MultiStep, &str); 4] = [
            (MultiStep { milestones: vec![7, 5], ..multistep() }, "[7, 5]"),
            (MultiStep { milestones: vec![1], ..multistep() }, "warm-up of 2"),
            (MultiStep { gamma: 0.0, ..multistep() }, "gamma 0"),
            (MultiStep { lr: f64::INFINITY, ..multistep() }, "lr inf"),
        ];
        for (config, needle) in cases {
            let error = config.validate().expect_err(needle).to_string();
            assert!(error.contains(needle), "{error}");
        }
        multistep().validate().expect("the base is valid");
    }
}
