//! How an image gets its part: a hash of its name, or published lists.

use std::fmt;
use std::str::FromStr;

use preco_core::rng::{Stream, fnv1a64};
use serde::Serialize;

use crate::error::{Error, Result};

/// How far the sum of fractions may be from 1: decimals such as 0.7, 0.2 and 0.1 do not add up exactly.
const SUM_TOLERANCE: f64 = 1e-9;

/// A part of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// To learn from.
    Train,
    /// To choose settings by.
    Val,
    /// To measure on, once.
    Test,
}

impl Part {
    /// The parts, in the order of fractions and files.
    pub const ALL: [Self; 3] = [Self::Train, Self::Val, Self::Test];

    /// `train`, `val` or `test`.
    pub fn name(self) -> &'static str {
        ["train", "val", "test"][self as usize]
    }

    /// The part of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|part| part.name() == name)
    }
}

/// Which share of a data set each part gets.
///
/// # Example
/// ```
/// use preco_train::datasets::split::Fractions;
/// let fractions: Fractions = "0.8,0.1,0.1".parse()?;
/// assert_eq!(fractions.values(), [0.8, 0.1, 0.1]);
/// # Ok::<(), preco_train::error::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Fractions([f64; 3]);

impl Fractions {
    /// Fractions of train, val and test.
    ///
    /// # Errors
    /// [`Error::Config`] where one is outside `[0, 1]`, where train gets none, or where they do not add up to 1.
    pub fn new(values: [f64; 3]) -> Result<Self> {
        let sum: f64 = values.iter().sum();
        // Written so that NaN is refused.
        let fits = values.iter().all(|value| (0.0..=1.0).contains(value));
        if !fits || values[0] == 0.0 || (sum - 1.0).abs() > SUM_TOLERANCE {
            let [train, val, test] = values;
            return Err(Error::config(format!(
                "fractions {train},{val},{test} must be from 0 to 1, train above 0, and add up to 1; for example 0.8,0.1,0.1"
            )));
        }
        Ok(Self(values))
    }

    /// Of train, val and test.
    pub fn values(&self) -> [f64; 3] {
        self.0
    }
}

impl FromStr for Fractions {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let values: Option<Vec<f64>> = text.split(',').map(|value| value.trim().parse().ok()).collect();
        let three = values.and_then(|values| <[f64; 3]>::try_from(values).ok());
        let wanted = || Error::config(format!("fractions {text:?} must be three numbers, for example 0.8,0.1,0.1"));
        Self::new(three.ok_or_else(wanted)?)
    }
}

impl fmt::Display for Fractions {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [train, val, test] = self.0;
        write!(out, "{train},{val},{test}")
    }
}

/// What decides.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(tag = "rule", rename_all = "lowercase")]
pub enum Rule {
    /// The part is a function of the seed, the fractions and the name alone, so more images move none.
    Hash {
        /// Another seed is another split.
        seed: u64,
        /// Shares that many images approach; few differ from them by chance.
        fractions: Fractions,
    },
    /// Lists that somebody published.
    Lists,
}

/// The part of the image `name` by hash.
///
/// # Randomness
/// The first number of stream `(seed, "split", FNV-1a of the name, 0)`.
pub(super) fn hashed(seed: u64, fractions: Fractions, name: &str) -> Part {
    let [train, val, test] = fractions.0;
    let at = Stream::new(seed, "split", fnv1a64(name), 0).uniform();
    // A part of no share gets nothing, also where rounding leaves a gap before 1.
    if at < train || (val == 0.0 && test == 0.0) {
        Part::Train
    } else if at < train + val || test == 0.0 {
        if val == 0.0 { Part::Test } else { Part::Val }
    } else {
        Part::Test
    }
}
