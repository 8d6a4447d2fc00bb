//! GELU with the error function, `x Φ(x)`; the tanh form would change logits by 40 times the golden tolerance.
//!
//! Shapes: any. f32 with an absolute error below 1e-6.

pub(crate) mod cpu;
