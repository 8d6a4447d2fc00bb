//! What training minimises, as differentiable operations.

pub mod masked;
