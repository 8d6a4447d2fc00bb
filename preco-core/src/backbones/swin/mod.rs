//! Swin Transformer, version 1 (Liu et al. 2021, arXiv 2103.14030), with timm's parameter names.

mod config;

pub use config::{EdgePolicy, SwinConfig};
mod stub;
pub use stub::{Swin, Tape};
