//! The differentiable operations that the models need, a folder each: what it computes, its kernels, its tests.
//!
//! A folder's `cpu.rs` holds the kernels over slices, which [`crate::nn`]'s modules call through a backend; its public
//! functions are the same kernels as nodes of candle's graph, with a backward pass, for heads and losses. They compute in
//! f32 on the host, accept any strides, and compute no gradient for an argument that needs none. The SIMD level is an
//! argument wherever it matters; what only moves values takes none.

mod adjoint;
pub(crate) mod host;
#[cfg(test)]
pub(crate) mod proof;

pub mod conv2d;
pub mod drop_path;
pub mod gelu;
pub mod layer_norm;
pub mod linear;
pub mod mask_token;
pub mod merge_patches;
pub mod patchify;
pub mod pixel_shuffle;
pub mod softmax;
pub mod window_attention;
