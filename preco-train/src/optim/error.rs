//! What can go wrong in the optimiser.

/// An error of the optimiser.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting is out of its range.
    #[error("{name} {value} is not in {range}")]
    Setting {
        /// The setting.
        name: &'static str,
        /// Its value.
        value: f64,
        /// Where it must lie.
        range: &'static str,
    },
    /// A prefix to freeze names no parameter.
    #[error("nothing is called {prefix}*, so it cannot be frozen; the first parameter is {first}")]
    Frozen {
        /// As given.
        prefix: String,
        /// A name that exists.
        first: String,
    },
    /// A gradient is infinite or NaN, so the update must not happen.
    #[error(
        "the gradient of {segment} is {value}, first at element {index}: lower the learning rate or lengthen warm-up"
    )]
    NonFinite {
        /// The first segment in buffer order that has such an element.
        segment: String,
        /// Its first such element.
        index: usize,
        /// What it is.
        value: f32,
    },
    /// A saved state cannot be this optimiser's.
    #[error("the state of AdamW cannot be used: {reason}")]
    State {
        /// What is wrong in it.
        reason: String,
    },
}
