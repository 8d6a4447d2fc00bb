//! Drop-path (stochastic depth): each image's branch times its own factor, 0 or 1 / (1 − rate).
//!
//! Shapes: x `(N, …)`, one factor per image. Which branches are dropped is the caller's decision, by a named random
//! stream; nothing here is random.

#[cfg(test)]
mod tests;

use candle_core::Tensor;

use super::adjoint::LinearMap;
use super::host;
use crate::error::{Error, Result};

/// `y_n = scales_n x_n`.
///
/// # Shapes
/// x `(N, …)` with N scales; x's shape out.
///
/// # Errors
/// [`Error::Config`] where x is not f32 on the CPU, or where there is not one scale per image.
pub fn drop_path(x: &Tensor, scales: &[f32]) -> Result<Tensor> {
    let x = host::argument("drop_path", "x", x)?;
    if x.dims().first() != Some(&scales.len()) {
        return Err(Error::config(format!(
            "drop_path: x of shape {:?} does not fit {} scales",
            x.dims(),
            scales.len()
        )));
    }
    let (forward, backward) = (scales.to_vec(), scales.to_vec());
    let map = LinearMap::new(
        "drop_path",
        x.shape(),
        move |x, y| scale(&forward, x, y),
        move |dy, dx| scale(&backward, dy, dx),
    );
    Ok(x.apply_op1(map)?)
}

fn scale(scales: &[f32], from: &[f32], to: &mut [f32]) {
    let group = (from.len() / scales.len().max(1)).max(1);
    for ((from, to), scale) in from.chunks(group).zip(to.chunks_mut(group)).zip(scales) {
        // A dropped image is zero even where its branch is not finite.
        if *scale != 0.0 {
            from.iter().zip(to).for_each(|(from, to)| *to = scale * from);
        }
    }
}
