//! Images of a source as evaluation sees them. No randomness.

use preco_core::predict::view;
use preco_core::spec::Preprocess;

use crate::datasets::ImageSource;
use crate::error::{Error, Result};

/// The views of images `indices` as one normalised buffer.
///
/// # Shapes
/// `(N, bands, height, width)`.
///
/// # Errors
/// Where an image cannot be read or resized.
pub fn tensor(source: &dyn ImageSource, indices: &[usize], preprocess: &Preprocess) -> Result<Vec<f32>> {
    let bands = preprocess.normalise.bands();
    let length = bands * preprocess.size[0] * preprocess.size[1];
    let mut images = vec![0.0; length * indices.len()];
    for (&index, out) in indices.iter().zip(images.chunks_exact_mut(length)) {
        let image = source.image(index)?;
        if image.bands() != bands {
            return Err(Error::bands(&source.name(index), image.bands(), bands));
        }
        preprocess.normalise.to_tensor(&view(&image, preprocess)?, out);
    }
    Ok(images)
}
