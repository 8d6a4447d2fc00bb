//! Images to embeddings: the encoder, its weights and the way images become its inputs, together.

use super::view;
use crate::backbones::swin::{Keep, Swin, SwinConfig, Tape};
use crate::backend::cpu::Cpu;
use crate::error::Result;
use crate::imagery::Rgb8;
use crate::nn::params::Layout;
use crate::spec::{ModelSpec, Preprocess};

/// Images per forward pass.
const BATCH: usize = 8;

/// An encoder that turns images into embeddings, on the processor.
pub struct Embedder {
    encoder: Swin,
    params: Vec<f32>,
    preprocess: Preprocess,
    cpu: Cpu,
    tape: Tape<Cpu>,
}

impl Embedder {
    /// The encoder of `spec`; `load` fills its parameters.
    ///
    /// # Errors
    /// Where the spec's sizes do not fit each other, and those of `load`.
    pub fn new<E: From<crate::error::Error>>(
        spec: &ModelSpec,
        preprocess: &Preprocess,
        cpu: Cpu,
        load: impl FnOnce(&Layout, &mut [f32]) -> std::result::Result<(), E>,
    ) -> std::result::Result<Self, E> {
        let mut layout = Layout::default();
        let encoder = Swin::new(&spec.backbone, &mut layout)?;
        let mut params = vec![0.0; layout.len()];
        load(&layout, &mut params)?;
        let tape = Tape::new(&cpu, Keep::Inputs);
        Ok(Self { encoder, params, preprocess: preprocess.clone(), cpu, tape })
    }

    /// What the encoder is made of.
    pub fn config(&self) -> &SwinConfig {
        self.encoder.config()
    }

    /// Values of an embedding.
    pub fn length(&self) -> usize {
        self.encoder.config().features()
    }

    /// One embedding for each image: the mean over the last stage's tokens of the image's [`view()`].
    ///
    /// # Shapes
    /// N vectors of [`Embedder::length`].
    ///
    /// # Errors
    /// Where an image cannot be resized.
    pub fn embed(&mut self, images: &[Rgb8]) -> Result<Vec<Vec<f32>>> {
        let input = 3 * self.preprocess.size[0] * self.preprocess.size[1];
        let mut embeddings = Vec::with_capacity(images.len());
        for batch in images.chunks(BATCH) {
            let mut tensor = vec![0.0; input * batch.len()];
            for (image, out) in batch.iter().zip(tensor.chunks_exact_mut(input)) {
                self.preprocess.normalise.to_tensor(&view(image, &self.preprocess)?, out);
            }
            let pooled = self.encoder.pooled(&self.cpu, &self.params, &tensor, batch.len(), &mut self.tape);
            embeddings.extend(pooled.chunks_exact(self.length()).map(<[f32]>::to_vec));
        }
        Ok(embeddings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::Level;

    #[test]
    fn an_image_has_one_embedding_whatever_stands_beside_it() {
        let backbone = SwinConfig {
            input: [32, 32],
            depths: vec![1, 1],
            heads: vec![2, 4],
            ..SwinConfig::preset("pico").expect("preset")
        };
        let spec = ModelSpec { name: "tiny".to_owned(), backbone, classes: 0, labels: Vec::new(), pretraining: None };
        let load = |layout: &Layout, params: &mut [f32]| -> Result<()> {
            params.copy_from_slice(&layout.init(3));
            Ok(())
        };
        let cpu = Cpu::new(Level::detect());
        let mut embedder = Embedder::new(&spec, &Preprocess::imagenet([32, 32]), cpu, load).expect("embedder");
        let images: Vec<Rgb8> = (0..11).map(|at| Rgb8::filled(20 + at, 40, [at as u8 * 20, 90, 200])).collect();
        let together = embedder.embed(&images).expect("embed");
        assert_eq!((together.len(), together[0].len()), (11, embedder.length()));
        let alone = embedder.embed(&images[9..10]).expect("embed");
        for (one, other) in alone[0].iter().zip(&together[9]) {
            assert!((one - other).abs() < 1e-5, "{one} is not {other}");
        }
        assert_ne!(together[0], together[9]);
        assert!(embedder.embed(&[]).expect("nothing").is_empty());
    }
}
