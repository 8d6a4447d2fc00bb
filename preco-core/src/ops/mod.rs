//! The differentiable operations that the models need, a folder each: what it computes, its kernels, its tests.

pub mod gelu;
pub mod layer_norm;
pub mod mask_token;
pub mod merge_patches;
pub mod patchify;
pub mod window_attention;
