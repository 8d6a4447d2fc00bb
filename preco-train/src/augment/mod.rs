//! Random transforms of samples. All randomness comes from streams named by seed and position, so a view depends on
//! nothing else.
//!
//! [`Pipeline`] is a list of transforms over one [`Sample`](crate::sample::Sample), whose picture, mask, boxes and
//! instances move together; [`Mix`] mixes the images of a batch with their labels.

mod crop;
mod erase;
mod flip;
mod geometry;
mod mix;
mod photometric;
mod pipeline;
mod rand_augment;

pub use crop::{CropBox, RandomResizedCrop};
pub use erase::Erasing;
pub use flip::{flip_horizontal, flip_vertical};
pub use geometry::{Window, cut, mirror, resized, turn};
pub use mix::Mix;
pub use photometric::Photometric;
pub use pipeline::{Pipeline, Strength, Transform};
pub use rand_augment::RandAugment;
