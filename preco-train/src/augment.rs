//! STUB
use crate::error::Result;
use preco_core::imagery::{Filter, Rgb8, resize};
use preco_core::rng::Stream;
/// STUB
#[derive(Clone, Debug)]
pub struct Pretraining {
    /// h, w
    pub size: [usize; 2],
}
impl Pretraining {
    /// STUB
    pub fn new(size: [usize; 2]) -> Self {
        Self { size }
    }
    /// STUB
    ///
    /// # Errors
    /// core
    pub fn apply(&self, image: &Rgb8, _stream: &mut Stream) -> Result<Rgb8> {
        Ok(resize(image, self.size, Filter::Bicubic)?)
    }
}
