//! Learning rates by update index.
//!
//! [`Schedule::lr`] is a function of the index alone: there is no state to save, and a resumed run gets the rates of the
//! uninterrupted one. The optimiser multiplies by each group's scale (`optim::groups`); that is not done here.

mod cosine;
mod multistep;

use serde::{Deserialize, Serialize};

pub use cosine::Cosine;
pub use multistep::MultiStep;

/// A learning rate for every update.
///
/// # Example
/// ```
/// use preco_train::schedule::{Cosine, Schedule};
/// let cosine = Cosine { lr: 1e-4, min_lr: 1e-5, warmup_lr: 1e-6, total: 100, warmup: 10, warmup_prefix: false };
/// let schedule = Schedule::Cosine(cosine.scaled(2048, 512));
/// schedule.validate()?;
/// assert_eq!(schedule.lr(0), 4e-6);
/// # Ok::<(), preco_train::schedule::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Schedule {
    /// The same rate always.
    Constant {
        /// The rate.
        lr: f64,
    },
    /// Warm-up, then half a cosine.
    Cosine(Cosine),
    /// Warm-up, then a factor at each milestone.
    MultiStep(MultiStep),
}

impl Schedule {
    /// The rate in force for update `step`, counted from 0.
    pub fn lr(&self, step: u64) -> f64 {
        match self {
            Self::Constant { lr } => *lr,
            Self::Cosine(cosine) => cosine.lr(step),
            Self::MultiStep(multistep) => multistep.lr(step),
        }
    }

    /// Every rate multiplied by `batch / reference`: the linear scaling rule. The reference batch is 512 in SimMIM.
    pub fn scaled(&self, batch: usize, reference: usize) -> Self {
        match self {
            Self::Constant { lr } => Self::Constant { lr: lr * ratio(batch, reference) },
            Self::Cosine(cosine) => Self::Cosine(cosine.scaled(batch, reference)),
            Self::MultiStep(multistep) => Self::MultiStep(multistep.scaled(batch, reference)),
        }
    }

    /// Checks the rates and lengths.
    ///
    /// # Errors
    /// The first field that cannot be, with its value.
    pub fn validate(&self) -> Result<(), Error> {
        match self {
            Self::Constant { lr } => rate("lr", *lr),
            Self::Cosine(cosine) => cosine.validate(),
            Self::MultiStep(multistep) => multistep.validate(),
        }
    }
}

/// A schedule that cannot be.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A rate is negative, infinite or NaN.
    #[error("{name} {value} is not a learning rate: give a finite number that is not negative")]
    Rate {
        /// The field.
        name: &'static str,
        /// Its value.
        value: f64,
    },
    /// The lengths leave nothing after the warm-up.
    #[error(
        "warm-up takes {warmup} of {total} updates; give more updates, or fewer of warm-up (--warmup-steps {} at most)",
        total.saturating_sub(1)
    )]
    Warmup {
        /// Updates of warm-up.
        warmup: u64,
        /// All updates.
        total: u64,
    },
    /// The lowest rate is above the highest.
    #[error("min_lr {min_lr} is above lr {lr}: the schedule would rise; lower min-lr or raise lr")]
    Rising {
        /// The lowest rate.
        min_lr: f64,
        /// The highest.
        lr: f64,
    },
    /// Milestones do not rise.
    #[error("milestones {milestones:?} must rise strictly and lie after the warm-up of {warmup} updates")]
    Milestones {
        /// As given.
        milestones: Vec<u64>,
        /// Updates of warm-up.
        warmup: u64,
    },
    /// The factor would not shrink the rate.
    #[error("gamma {gamma} is not in (0, 1]: each milestone multiplies the rate by it")]
    Gamma {
        /// As given.
        gamma: f64,
    },
}

/// The factor of the linear scaling rule.
fn ratio(batch: usize, reference: usize) -> f64 {
    batch as f64 / reference as f64
}

fn rate(name: &'static str, value: f64) -> Result<(), Error> {
    if value.is_finite() && value >= 0.0 { Ok(()) } else { Err(Error::Rate { name, value }) }
}

/// From `from` at step 0 in equal steps, reaching `to` at step `length`.
fn warm(from: f64, to: f64, step: u64, length: u64) -> f64 {
    from + step as f64 * ((to - from) / length as f64)
}
