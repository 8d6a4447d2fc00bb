//! What stands on an encoder.

mod classifier;
mod image_classifier;

pub use classifier::{Classifier, ClassifierTape};
pub use image_classifier::{ImageClassifier, ImageTape};
