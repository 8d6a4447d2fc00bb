//! Window attention with a relative-position bias (Swin, equation 4): `softmax(q kᵀ / √d + B + M) v` in every window.
//!
//! `B` is learnt, one table for all windows; `M` is −100 between regions that a shift has brought together. Rolling,
//! padding, partitioning and their reverses are folded into an index map: nothing is permuted in memory.
//! Shapes: qkv `(N · H · W, 3C)` with channels (q, k, v) × heads × d; out `(N · H · W, C)`; table
//! `((2h−1)(2w−1), heads)`. f32 throughout; the softmax is recomputed in the backward pass rather than kept.

pub(crate) mod cpu;
mod geometry;

pub use geometry::WindowGeometry;
pub(crate) use geometry::effective_window;
