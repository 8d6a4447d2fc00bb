//! Swin, PReCo and the operations they are made of: tensors in, tensors out.
//!
//! No network, no command line, no clock and no training loop: those live in `preco-zoo`, `preco-cli` and `preco-train`.
//! Start at [`rng`] for the only randomness.

pub mod backbones;
pub mod backend;
pub mod error;
pub mod files;
pub mod geo;
pub mod heads;
pub mod imagery;
pub mod losses;
pub mod nn;
pub mod ops;
pub mod preco;
pub mod predict;
pub mod rng;
pub mod simd;
pub mod spec;
pub mod update;
pub mod vectors;
