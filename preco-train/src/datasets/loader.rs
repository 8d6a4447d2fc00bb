//! STUB
use super::ImageSource;
use crate::augment::Pretraining;
use crate::error::Result;
use preco_core::imagery::Normalise;
use preco_core::rng::Stream;
use std::sync::Arc;
/// STUB
pub struct Batch {
    /// N,3,H,W
    pub images: Vec<f32>,
    /// which
    pub indices: Vec<usize>,
}
/// STUB
pub struct Loader {
    source: Arc<dyn ImageSource>,
    augment: Pretraining,
    normalise: Normalise,
    batch: usize,
    seed: u64,
    step: u64,
}
impl Loader {
    /// STUB
    pub fn new(
        source: Arc<dyn ImageSource>,
        augment: Pretraining,
        normalise: Normalise,
        batch: usize,
        seed: u64,
    ) -> Self {
        Self { source, augment, normalise, batch, seed, step: 0 }
    }
    /// STUB
    ///
    /// # Errors
    /// images
    pub fn next_batch(&mut self) -> Result<Batch> {
        let n = self.source.len();
        let plane = 3 * self.augment.size[0] * self.augment.size[1];
        let mut images = vec![0.0; plane * self.batch];
        let mut indices = Vec::new();
        for (i, out) in images.chunks_mut(plane).enumerate() {
            let index = (self.step as usize * self.batch + i) % n;
            let mut stream = Stream::new(self.seed, "augment", self.step, i as u64);
            let image = self.augment.apply(&self.source.image(index)?, &mut stream)?;
            self.normalise.to_tensor(&image, out);
            indices.push(index);
        }
        self.step += 1;
        Ok(Batch { images, indices })
    }
}
