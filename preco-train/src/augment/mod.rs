//! Random transforms of images. All randomness comes from the stream that the caller passes.

mod crop;
mod flip;
mod pretraining;

pub use crop::{CropBox, RandomResizedCrop};
pub use flip::{flip_horizontal, flip_vertical};
pub use pretraining::Pretraining;
