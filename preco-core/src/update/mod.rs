//! What an optimiser does to flat buffers: AdamW, the gradient's norm, a moving average.
//!
//! Which parameters belong together, and the learning rate of each update, are the trainer's; here is the arithmetic, as a
//! device does it. Elements are independent, so an update does not depend on threads or chunks.

pub(crate) mod cpu;

use std::ops::Range;

/// Parameters that one update treats alike.
#[derive(Clone, Debug, PartialEq)]
pub struct AdamWGroup {
    /// Where in the flat buffers.
    pub range: Range<usize>,
    /// What the elements are multiplied by.
    pub factors: AdamWFactors,
}

/// The factors of one update (Loshchilov and Hutter 2019, as PyTorch computes it):
/// `g' = grad g`, `m += (g' - m)(1-β₁)`, `v = β₂ v + (1-β₂) g'²`, `p = keep p - size m / (root √v + ε)`.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(C)]
pub struct AdamWFactors {
    /// `1 - lr λ`.
    pub keep: f32,
    /// On the gradient: clipping, and one over the number of accumulated batches.
    pub grad: f32,
    /// `1 - β₁`.
    pub one_minus_beta1: f32,
    /// `β₂`.
    pub beta2: f32,
    /// `1 - β₂`.
    pub one_minus_beta2: f32,
    /// `lr / (1 - β₁ᵗ)`.
    pub size: f32,
    /// `1 / √(1 - β₂ᵗ)`.
    pub root: f32,
    /// Keeps the quotient finite.
    pub eps: f32,
}

/// Panics where groups overlap or end beyond `len`: they belong to another layout.
pub(crate) fn check<'a>(ranges: impl Iterator<Item = &'a Range<usize>>, len: usize) {
    let mut done = 0;
    for range in ranges {
        assert!(
            range.start >= done && range.end <= len,
            "{range:?} after {done}, of {len}: ranges rise without overlap"
        );
        done = range.end;
    }
}
