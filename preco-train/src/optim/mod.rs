//! AdamW over flat buffers, its parameter groups, and gradient clipping.
//!
//! Parameters, gradients and moments are buffers of one length, cut by the same `preco_core::nn::params::Layout`. An update
//! is [`Groups::norm`], [`clip::coefficient`], then [`AdamW::update`], which folds the coefficient in: gradients are read
//! twice and never written.

pub mod adamw;
pub mod clip;
pub mod ema;
pub mod error;
pub mod groups;

pub use adamw::{AdamW, AdamWConfig};
pub use error::Error;
pub use groups::{Group, GroupOptions, Groups};
