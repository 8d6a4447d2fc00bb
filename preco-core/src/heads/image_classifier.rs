//! A classifier of whole images: an encoder and a linear layer over one flat buffer of parameters.

use super::{Classifier, ClassifierTape};
use crate::backbones::swin::{Keep, OutputGradients, Swin, SwinConfig, Tape};
use crate::backend::Backend;
use crate::error::{Error, Result};
use crate::nn::Pass;
use crate::nn::params::Layout;

/// Encoder and head. The encoder's parameters are the front of [`ImageClassifier::layout`].
#[derive(Clone, Debug)]
pub struct ImageClassifier {
    layout: Layout,
    encoder: Swin,
    head: Classifier,
    classes: usize,
}

/// What one forward pass of an [`ImageClassifier`] leaves.
pub struct ImageTape<B: Backend> {
    encoder: Tape<B>,
    head: ClassifierTape<B>,
    images: B::Buffer,
    d_logits: B::Buffer,
    d_features: B::Buffer,
    count: usize,
}

impl<B: Backend> ImageTape<B> {
    /// An empty tape; its buffers grow with the first pass.
    pub fn new(backend: &B, keep: Keep) -> Self {
        Self {
            encoder: Tape::new(backend, keep),
            head: ClassifierTape::new(backend),
            images: backend.zeros(0),
            d_logits: backend.zeros(0),
            d_features: backend.zeros(0),
            count: 0,
        }
    }
}

impl ImageClassifier {
    /// An encoder of `config` and a head of `classes` outputs.
    ///
    /// # Errors
    /// [`Error::Config`] where sizes do not fit, or there is no class.
    pub fn new(config: &SwinConfig, classes: usize) -> Result<Self> {
        if classes == 0 {
            return Err(Error::config("a classifier needs at least one class"));
        }
        let mut layout = Layout::default();
        let encoder = Swin::new(config, &mut layout)?;
        // One deeper than the encoder's last norm: layer-wise rates are largest here.
        let depth = layout.depths();
        let head = Classifier::new(&mut layout, config.features(), classes, depth);
        Ok(Self { layout, encoder, head, classes })
    }

    /// The segments of all parameters.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The encoder.
    pub fn encoder(&self) -> &Swin {
        &self.encoder
    }

    /// What a training step of `images` images holds at least, in bytes: parameters with gradient and moments, and what
    /// forward keeps for backward.
    pub fn training_bytes(&self, images: usize) -> f64 {
        let kept = self.encoder.kept_values() * images as f64;
        size_of::<f32>() as f64 * (4.0 * self.layout.len() as f64 + kept)
    }

    /// Outputs.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// The logits of images, on the host.
    ///
    /// # Shapes
    /// images `(count, bands, H, W)` on the host, normalised; `(count, classes)` out.
    pub fn forward<B: Backend>(
        &self,
        backend: &B,
        parameters: &B::Slice,
        images: &[f32],
        count: usize,
        pass: &Pass,
        tape: &mut ImageTape<B>,
    ) -> Vec<f32> {
        let ImageTape { encoder, head, images: input, .. } = tape;
        backend.reserve(input, images.len());
        backend.upload(images, input);
        self.encoder.forward(backend, parameters, input, count, pass, encoder);
        self.head.forward(backend, parameters, encoder.features(), count, self.encoder.feature_tokens(), head);
        self.logits(backend, count, tape)
    }

    /// The logits of embeddings that an encoder which is not trained has given; backward is then `frozen`.
    ///
    /// # Shapes
    /// pooled `(count, features)` on the host; `(count, classes)` out.
    pub fn forward_pooled<B: Backend>(
        &self,
        backend: &B,
        parameters: &B::Slice,
        pooled: &[f32],
        count: usize,
        tape: &mut ImageTape<B>,
    ) -> Vec<f32> {
        backend.reserve(&mut tape.images, pooled.len());
        backend.upload(pooled, &mut tape.images);
        // The mean over one token is the token.
        self.head.forward(backend, parameters, &tape.images, count, 1, &mut tape.head);
        self.logits(backend, count, tape)
    }

    fn logits<B: Backend>(&self, backend: &B, count: usize, tape: &mut ImageTape<B>) -> Vec<f32> {
        tape.count = count;
        let mut logits = vec![0.0; count * self.classes];
        backend.download(tape.head.logits(), &mut logits);
        logits
    }

    /// Adds the gradients of the last [`ImageClassifier::forward`] to `gradients`; of the head alone where the encoder
    /// is `frozen`, whose share is then not computed.
    ///
    /// # Shapes
    /// `d_logits` `(count, classes)` on the host.
    pub fn backward<B: Backend>(
        &self,
        backend: &B,
        parameters: &B::Slice,
        gradients: &mut B::Slice,
        d_logits: &[f32],
        frozen: bool,
        tape: &mut ImageTape<B>,
    ) {
        let (tokens, ImageTape { encoder, head, d_logits: d, d_features, count, .. }) =
            (self.encoder.feature_tokens(), tape);
        backend.reserve(d, d_logits.len());
        backend.upload(d_logits, d);
        if frozen {
            self.head.parameter_gradient(backend, d, *count, head, gradients);
            return;
        }
        backend.reserve(d_features, *count * tokens * self.encoder.config().features());
        self.head.backward(backend, parameters, gradients, d, *count, tokens, head, d_features);
        let outputs = OutputGradients { features: Some(&**d_features), stages: Vec::new() };
        self.encoder.backward(backend, parameters, gradients, outputs, encoder);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::cpu::Cpu;
    use crate::losses::classification::cross_entropy;
    use crate::rng::Stream;

    fn model(bands: usize) -> (ImageClassifier, Vec<f32>) {
        let preset = SwinConfig::preset("pico").expect("preset");
        let config = SwinConfig { input: [16, 16], bands, depths: vec![1, 1], heads: vec![2, 4], ..preset };
        let model = ImageClassifier::new(&config, 3).expect("model");
        let mut stream = Stream::new(2, "head", 0, 0);
        let mut values = model.layout().init(5);
        // Heads begin at almost nothing, which would hide mistakes.
        let head = model.layout().get("head.fc.weight").expect("head").range.clone();
        values[head].iter_mut().for_each(|value| *value = stream.normal() as f32);
        (model, values)
    }

    #[test]
    fn every_parameter_has_the_gradient_of_finite_differences() {
        let cpu = Cpu::detect();
        for bands in [3, 5] {
            let (model, values) = model(bands);
            let mut stream = Stream::new(3, "images", 0, 0);
            let images: Vec<f32> = (0..2 * bands * 256).map(|_| stream.normal() as f32).collect();
            let targets = [0.7, 0.3, 0.0, 0.0, 0.0, 1.0];
            let mut tape = ImageTape::new(&cpu, Keep::All);
            let mut d = Vec::new();
            let loss = |values: &[f32], tape: &mut ImageTape<Cpu>, d: &mut Vec<f32>| {
                let logits = model.forward(&cpu, values, &images, 2, &Pass::inference(), tape);
                cross_entropy(&logits, &targets, 3, None, d)
            };
            loss(&values, &mut tape, &mut d);
            let mut gradients = vec![0.0; values.len()];
            model.backward(&cpu, &values, &mut gradients, &d, false, &mut tape);
            for segment in model.layout().segments() {
                let part = &gradients[segment.range.clone()];
                let norm = part.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>().sqrt();
                assert!(norm.is_finite() && norm > 0.0, "{} has gradient {norm}", segment.name);
                // A step along the gradient changes the loss by its length.
                let step = 2e-3;
                let moved = |sign: f64| {
                    let mut moved = values.clone();
                    for (value, g) in moved[segment.range.clone()].iter_mut().zip(part) {
                        *value += (sign * step * f64::from(*g) / norm) as f32;
                    }
                    moved
                };
                let rise = loss(&moved(1.0), &mut tape, &mut d) - loss(&moved(-1.0), &mut tape, &mut d);
                let slope = rise / (2.0 * step);
                assert!((slope - norm).abs() < 2e-2 * norm + 2e-4, "{}: {slope} and {norm}", segment.name);
            }
        }
    }

    #[test]
    fn a_frozen_encoder_gets_no_gradient_and_the_head_the_same() {
        let (cpu, (model, values)) = (Cpu::detect(), model(3));
        let images: Vec<f32> = (0..768).map(|at| (at as f32 * 0.37).sin()).collect();
        let mut tape = ImageTape::new(&cpu, Keep::All);
        let run = |frozen, tape: &mut ImageTape<Cpu>| {
            model.forward(&cpu, &values, &images, 1, &Pass::inference(), tape);
            let mut gradients = vec![0.0; values.len()];
            model.backward(&cpu, &values, &mut gradients, &[0.5, -0.25, -0.25], frozen, tape);
            gradients
        };
        let (whole, frozen) = (run(false, &mut tape), run(true, &mut tape));
        let frozen_all = frozen.clone();
        for segment in model.layout().segments() {
            let (whole, frozen) = (&whole[segment.range.clone()], &frozen[segment.range.clone()]);
            let is_head = segment.name.starts_with("head.");
            assert!(if is_head { whole == frozen } else { frozen.iter().all(|g| *g == 0.0) }, "{}", segment.name);
        }
        // From the encoder's embeddings the head learns the same.
        let mut encoder = Tape::new(&cpu, Keep::Inputs);
        let pooled = model.encoder().pooled(&cpu, &values, &images, 1, &mut encoder);
        model.forward_pooled(&cpu, &values, &pooled, 1, &mut tape);
        let mut from_pooled = vec![0.0; values.len()];
        model.backward(&cpu, &values, &mut from_pooled, &[0.5, -0.25, -0.25], true, &mut tape);
        assert!(from_pooled == frozen_all, "embeddings teach the head something else");
        ImageClassifier::new(model.encoder().config(), 0).expect_err("no class");
    }
}
