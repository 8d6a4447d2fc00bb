//! What training minimises: differentiable operations, and losses over a head's few outputs with their gradients.

pub mod classification;
pub mod masked;
