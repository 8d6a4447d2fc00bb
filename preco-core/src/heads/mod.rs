//! What stands on an encoder.

mod classifier;

pub use classifier::{Classifier, ClassifierTape};
