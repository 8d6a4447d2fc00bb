//! Layer norm over the last dimension: `y = γ (x − μ) / √(σ² + ε) + β`.
//!
//! Shapes: `(rows, channels)` in and out; γ and β `(channels)`. Mean and variance are taken in two passes, since the
//! difference of large sums would lose rows of small variance. f32 throughout.

pub(crate) mod cpu;

/// ε: Swin's. An ε of 1e-6 would change rows whose deviation is near 3e-3 by more than half.
pub const EPSILON: f32 = 1e-5;
