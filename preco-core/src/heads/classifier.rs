//! Mean over the last stage's tokens, then one linear layer: timm's `head.fc`.

use crate::backend::Backend;
use crate::nn::params::Layout;
use crate::nn::{Linear, Outputs};

/// A classification head.
#[derive(Clone, Debug)]
pub struct Classifier {
    linear: Linear,
}

/// What one forward pass of a [`Classifier`] leaves.
pub struct ClassifierTape<B: Backend> {
    pooled: B::Buffer,
    logits: B::Buffer,
    d_pooled: B::Buffer,
}

impl<B: Backend> ClassifierTape<B> {
    /// An empty tape.
    pub fn new(backend: &B) -> Self {
        Self { pooled: backend.zeros(0), logits: backend.zeros(0), d_pooled: backend.zeros(0) }
    }

    /// The pooled features `(images, features)` of the last pass.
    pub fn pooled(&self) -> &B::Slice {
        &self.pooled
    }

    /// The logits `(images, classes)` of the last pass.
    pub fn logits(&self) -> &B::Slice {
        &self.logits
    }
}

impl Classifier {
    /// Adds `head.fc` for an encoder of `features` channels, whose deepest layer is `depth`, to the layout.
    pub fn new(layout: &mut Layout, features: usize, classes: usize, depth: usize) -> Self {
        Self { linear: Linear::new(layout, "head.fc", features, classes, true, depth) }
    }

    /// Features `(images · tokens, features)` to logits, kept in the tape.
    pub fn forward<B: Backend>(
        &self,
        backend: &B,
        parameters: &B::Slice,
        features: &B::Slice,
        images: usize,
        tokens: usize,
        tape: &mut ClassifierTape<B>,
    ) {
        let channels = self.linear.inputs();
        backend.reserve(&mut tape.pooled, images * channels);
        backend.reserve(&mut tape.logits, images * self.linear.outputs());
        backend.mean_rows(features, images, tokens, channels, &mut tape.pooled);
        self.linear.forward(backend, parameters, &tape.pooled, images, &mut tape.logits, Outputs::default());
    }

    /// Adds to the parameters' gradients, of the last forward pass.
    pub fn parameter_gradient<B: Backend>(
        &self,
        backend: &B,
        d_logits: &B::Slice,
        images: usize,
        tape: &ClassifierTape<B>,
        gradients: &mut B::Slice,
    ) {
        self.linear.parameter_gradient(backend, &tape.pooled, d_logits, images, gradients);
    }

    /// Adds to the parameters' gradients and writes the features' gradient.
    #[allow(clippy::too_many_arguments)]
    pub fn backward<B: Backend>(
        &self,
        backend: &B,
        parameters: &B::Slice,
        gradients: &mut B::Slice,
        d_logits: &B::Slice,
        images: usize,
        tokens: usize,
        tape: &mut ClassifierTape<B>,
        d_features: &mut B::Slice,
    ) {
        let channels = self.linear.inputs();
        backend.reserve(&mut tape.d_pooled, images * channels);
        self.parameter_gradient(backend, d_logits, images, tape, gradients);
        self.linear.input_gradient(backend, parameters, d_logits, images, &mut tape.d_pooled);
        backend.spread_rows(&tape.d_pooled, images, tokens, channels, d_features);
    }
}
