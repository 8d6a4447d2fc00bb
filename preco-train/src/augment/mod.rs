//! Random transforms of samples. All randomness comes from streams named by seed and position, so a view depends on
//! nothing else.
//!
//! [`Pipeline`] is a list of transforms over one [`Sample`], whose picture, mask, boxes and instances move together;
//! [`Mix`] mixes the images of a batch; [`Pretraining`] is the fixed transform of pre-training, on pictures alone.

mod crop;
mod erase;
mod flip;
mod geometry;
mod mix;
mod photometric;
mod pipeline;
mod pretraining;
mod rand_augment;
mod sample;

pub use crop::{CropBox, RandomResizedCrop};
pub use erase::Erasing;
pub use flip::{flip_horizontal, flip_vertical};
pub use geometry::{Window, cut, mirror, resized, turn};
pub use mix::Mix;
pub use photometric::Photometric;
pub use pipeline::{Pipeline, Transform};
pub use pretraining::Pretraining;
pub use rand_augment::RandAugment;
pub use sample::{IGNORE, Instance, LabelledBox, Plane, Sample};
