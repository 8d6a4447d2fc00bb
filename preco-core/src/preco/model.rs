//! The model: both branches through the shared encoder and decoder, and back.

use super::config::PrecoConfig;
use super::decoder::{decoder, squares};
use super::mask::Mask;
use super::objective::{Objective, Terms};
use super::tape::{Predictions, Tape};
use crate::backbones::swin::{OutputGradients, Swin};
use crate::backend::{Backend, View};
use crate::error::{Error, Result};
use crate::nn::params::{Init, Layout};
use crate::nn::{Linear, Outputs, Pass};

const FORWARD: u64 = 0;
const BACKWARD: u64 = 1;

/// Names one phase of a step: the operations that it takes depend on nothing else.
fn work(phase: u64, images: usize, drops: bool) -> u64 {
    phase | u64::from(drops) << 1 | (images as u64) << 2
}

/// A PReCo model: where its parameters lie.
#[derive(Clone, Debug)]
pub struct Preco {
    config: PrecoConfig,
    layout: Layout,
    encoder: Swin,
    mask_token: std::ops::Range<usize>,
    decoder: Linear,
    objective: Objective,
}

impl Preco {
    /// The model of a configuration. Its layout is the encoder's, then `mask_token`, then `decoder.0`.
    ///
    /// # Errors
    /// [`Error::Config`] where sizes do not fit.
    pub fn new(config: &PrecoConfig) -> Result<Self> {
        config.validate()?;
        let mut layout = Layout::default();
        let encoder = Swin::new(&config.encoder, &mut layout)?;
        let mask_token = layout.add("mask_token", &[1, 1, config.encoder.embed], Init::Normal(0.02), false, 0);
        let decoder = decoder(&mut layout, &config.encoder);
        Ok(Self { objective: Objective::from(config), config: config.clone(), layout, encoder, mask_token, decoder })
    }

    /// The configuration.
    pub fn config(&self) -> &PrecoConfig {
        &self.config
    }

    /// The segments of all parameters.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The shared encoder; its parameters are the front of [`Preco::layout`].
    pub fn encoder(&self) -> &Swin {
        &self.encoder
    }

    fn branches(&self) -> usize {
        self.objective.branches()
    }

    /// Floating-point operations of one image's training step: forward, and twice as much backward, for each branch.
    pub fn step_operations(&self) -> f64 {
        let decoder = 2.0 * (self.encoder.feature_tokens() * self.decoder.inputs() * self.decoder.outputs()) as f64;
        3.0 * self.branches() as f64 * (self.encoder.forward_operations() + decoder)
    }

    /// About as many bytes as training holds with batches of `images`, at least: parameters, gradients and both moments,
    /// and what backward needs of every branch.
    pub fn training_bytes(&self, images: usize) -> f64 {
        let kept = self.encoder.kept_values() * (self.branches() * images) as f64;
        size_of::<f32>() as f64 * (4.0 * self.layout.len() as f64 + kept)
    }

    /// The loss of a batch; the reconstructions stay in the tape.
    ///
    /// # Shapes
    /// images `(N, 3, H, W)` on the host, normalised; one mask for each.
    ///
    /// # Errors
    /// [`Error::Config`] where images or masks have other sizes than the model's.
    pub fn forward<B: Backend>(
        &self,
        backend: &B,
        parameters: &B::Slice,
        images: &[f32],
        masks: &[Mask],
        pass: &Pass,
        tape: &mut Tape<B>,
    ) -> Result<Terms> {
        self.check(images, masks)?;
        let count = masks.len();
        self.load(backend, images, masks, tape);
        self.encoder.begin(backend, [count, self.branches() * count], pass, &mut tape.encoder);
        let key = backend.key(work(FORWARD, count, tape.encoder.drops()), &[parameters, &tape.image]);
        backend.replay(key, &mut || self.predict(backend, parameters, count, tape));
        let terms = self.judge(backend, count, tape);
        backend.check()?;
        Ok(terms)
    }

    /// Both branches to their reconstructions.
    fn predict<B: Backend>(&self, backend: &B, parameters: &B::Slice, count: usize, tape: &mut Tape<B>) {
        self.encode_branches(backend, parameters, count, tape);
        let rows = self.branches() * count * self.encoder.feature_tokens();
        backend.reserve(&mut tape.predictions, rows * self.decoder.outputs());
        let features = tape.encoder.features();
        self.decoder.forward(backend, parameters, features, rows, &mut tape.predictions, Outputs::default());
    }

    /// Begins to bring the images of the next [`Preco::forward`] on this tape to the device, beside what it is at. Where that
    /// pass is given others, it takes those.
    pub fn prepare<B: Backend>(&self, backend: &B, images: &[f32], tape: &mut Tape<B>) {
        backend.reserve(&mut tape.next_image, images.len());
        backend.upload_ahead(images, &mut tape.next_image);
        tape.coming = Some(images.into());
    }

    /// Backward of the last [`Preco::forward`] on this tape: adds to `gradients`.
    ///
    /// # Errors
    /// The device's.
    pub fn backward<B: Backend>(
        &self,
        backend: &B,
        parameters: &B::Slice,
        gradients: &mut B::Slice,
        tape: &mut Tape<B>,
    ) -> Result<()> {
        let dropped = tape.encoder.drops();
        let key = backend.key(work(BACKWARD, tape.images, dropped), &[parameters, gradients, &tape.image]);
        backend.replay(key, &mut || self.differentiate(backend, parameters, gradients, tape));
        backend.check()
    }

    fn differentiate<B: Backend>(
        &self,
        backend: &B,
        parameters: &B::Slice,
        gradients: &mut B::Slice,
        tape: &mut Tape<B>,
    ) {
        let rows = self.branches() * tape.images * self.encoder.feature_tokens();
        backend.reserve(&mut tape.d_features, rows * self.decoder.inputs());
        let (d, d_features) = (&tape.d_predictions, &mut tape.d_features);
        self.decoder.parameter_gradient(backend, tape.encoder.features(), d, rows, gradients);
        self.decoder.input_gradient(backend, parameters, d, rows, d_features);
        let outputs = OutputGradients { features: Some(&**d_features), stages: Vec::new() };
        self.encoder.backward_encode(backend, parameters, gradients, outputs, &mut tape.encoder);
        self.backward_branches(backend, gradients, tape);
        self.encoder.backward_embed(backend, parameters, gradients, &mut tape.encoder);
    }

    /// The reconstructions of the last [`Preco::forward`] on this tape.
    pub fn predictions<B: Backend>(&self, backend: &B, tape: &Tape<B>) -> Predictions {
        let geometry = squares(&self.config.encoder, 3);
        let len = tape.images * geometry.pixels();
        let mut images = backend.zeros(self.branches() * len);
        backend.unpatchify(&geometry, self.branches() * tape.images, &tape.predictions, &mut images);
        let mut masked = vec![0.0; self.branches() * len];
        backend.download(&images, &mut masked);
        let prompt = (self.branches() == 2).then(|| masked.split_off(len));
        Predictions { masked, prompt }
    }

    /// Both branches from one patch embedding: the masked branch's tokens are the first half, with the mask token mixed
    /// in; the prompt branch keeps every token as the template to reconstruct from.
    fn encode_branches<B: Backend>(&self, backend: &B, parameters: &B::Slice, count: usize, tape: &mut Tape<B>) {
        let room = self.branches() * count;
        self.encoder.embed(backend, parameters, &tape.image, count, room, &mut tape.encoder);
        let (rows, channels) = (count * self.encoder.tokens(0), self.config.encoder.embed);
        let tokens = tape.encoder.tokens_mut();
        if self.branches() == 2 {
            backend.duplicate_front(tokens, rows * channels);
        }
        let token = View::new(parameters, self.mask_token.clone());
        backend.mix_mask_token(tokens, &tape.mask_tokens, rows, channels, token);
        self.encoder.encode(backend, parameters, room, &mut tape.encoder);
    }

    /// Backward of the branching: the tokens' gradients of both branches meet in the patch embedding.
    fn backward_branches<B: Backend>(&self, backend: &B, gradients: &mut B::Slice, tape: &mut Tape<B>) {
        let (rows, channels) = (tape.images * self.encoder.tokens(0), self.config.encoder.embed);
        let d = &mut tape.encoder.d;
        backend.mix_mask_token_backward(d, &tape.mask_tokens, rows, channels, gradients, self.mask_token.clone());
        if self.branches() == 2 {
            backend.fold_back(d, rows * channels);
        }
    }

    /// Images and masks to the device: the target in the decoder's squares, the mask per token and per square.
    fn load<B: Backend>(&self, backend: &B, images: &[f32], masks: &[Mask], tape: &mut Tape<B>) {
        let (colour, single) = (squares(&self.config.encoder, 3), squares(&self.config.encoder, 1));
        let count = masks.len();
        let per_token: Vec<f32> = masks.iter().flat_map(|mask| mask.tokens(self.config.encoder.patch)).collect();
        let per_pixel: Vec<f32> = masks.iter().flat_map(Mask::pixels).collect();
        tape.images = count;
        backend.reserve(&mut tape.target, images.len());
        backend.reserve(&mut tape.mask_tokens, per_token.len());
        backend.reserve(&mut tape.mask_pixels, per_pixel.len());
        backend.reserve(&mut tape.mask_squares, per_pixel.len());
        if tape.coming.take() == Some(images.into()) {
            backend.await_uploads();
            std::mem::swap(&mut tape.image, &mut tape.next_image);
        } else {
            backend.reserve(&mut tape.image, images.len());
            backend.upload(images, &mut tape.image);
        }
        backend.upload(&per_token, &mut tape.mask_tokens);
        backend.upload(&per_pixel, &mut tape.mask_pixels);
        backend.patchify(&colour, count, &tape.image, &mut tape.target);
        backend.patchify(&single, count, &tape.mask_pixels, &mut tape.mask_squares);
    }

    /// The objective's terms; the gradient of the predictions stays in the tape.
    fn judge<B: Backend>(&self, backend: &B, count: usize, tape: &mut Tape<B>) -> Terms {
        let squares = count * self.encoder.feature_tokens();
        let len = self.branches() * squares * self.decoder.outputs();
        backend.reserve(&mut tape.d_predictions, len);
        let (predictions, target, mask) = (&tape.predictions, &tape.target, &tape.mask_squares);
        backend.preco_objective(&self.objective, squares, len, predictions, target, mask, &mut tape.d_predictions)
    }

    fn check(&self, images: &[f32], masks: &[Mask]) -> Result<()> {
        let [height, width] = self.config.encoder.input;
        if masks.is_empty() || images.len() != masks.len() * 3 * height * width {
            return Err(Error::config(format!(
                "{} values are not {} images of 3x{height}x{width}",
                images.len(),
                masks.len()
            )));
        }
        let cells = self.config.mask_grid().iter().product::<usize>();
        match masks.iter().find(|mask| mask.cells().len() != cells) {
            Some(mask) => Err(Error::config(format!("a mask has {} cells, the model {cells}", mask.cells().len()))),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backbones::swin::Keep;
    use crate::backbones::swin::SwinConfig;
    use crate::backend::cpu::Cpu;
    use crate::heads::Classifier;
    use crate::preco::{Distance, PromptRegion};

    fn base(input: usize, window: usize) -> SwinConfig {
        SwinConfig { input: [input, input], window: [window, window], ..SwinConfig::preset("base").expect("preset") }
    }

    #[test]
    fn swin_b_with_decoder_has_simmims_parameters() {
        let model = Preco::new(&PrecoConfig::new(base(192, 6))).expect("model");
        assert_eq!(model.layout().parameters(), 89_874_104);
    }

    #[test]
    fn swin_b_with_a_thousand_classes_has_the_published_parameters() {
        let (config, mut layout) = (base(224, 7), Layout::default());
        Swin::new(&config, &mut layout).expect("encoder");
        assert_eq!((layout.parameters(), layout.segments().len()), (86_743_224, 327));
        Classifier::new(&mut layout, config.features(), 1000, 25);
        assert_eq!((layout.parameters(), layout.segments().len(), layout.depths()), (87_768_224, 329, 26));
    }

    #[test]
    fn a_decoder_that_no_machine_holds_is_refused() {
        let preset = SwinConfig::preset("pico").expect("preset");
        let (depths, heads) = (vec![1; 8], vec![1; 8]);
        let config = PrecoConfig::new(SwinConfig { input: [16_384, 16_384], patch: 64, depths, heads, ..preset });
        let error = config.validate().expect_err("too large").to_string();
        assert!(error.contains("a decoder of 8e11 parameters draws 8192x8192 squares"), "{error}");
    }

    #[test]
    fn what_training_holds_is_estimated_from_below() {
        // Measured: 3.32 GB at batches of 8, most of it in buffers that grow with the batch or with the model.
        let bytes = Preco::new(&PrecoConfig::new(base(192, 6))).expect("model").training_bytes(8);
        assert!((2.7e9..3.32e9).contains(&bytes), "{bytes:e}");
    }

    /// Parameters about as large as fresh ones; the streams of [`Layout::init`] take a while over 200 million.
    fn uneven(layout: &Layout) -> Vec<f32> {
        let mut values = vec![0.0; layout.len()];
        let mut state = 1u32;
        for segment in layout.segments() {
            let centre = if segment.init == Init::Constant(1.0) { 1.0 } else { 0.0 };
            values[segment.range.clone()].fill_with(|| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                centre + (f64::from(state) / f64::from(u32::MAX) - 0.5) as f32 * 0.07
            });
        }
        values
    }

    #[test]
    fn every_parameter_of_every_preset_has_a_finite_gradient_that_is_not_zero() {
        let cpu = Cpu::detect();
        for name in SwinConfig::preset_names() {
            let encoder = SwinConfig { input: [64, 64], ..SwinConfig::preset(name).expect("preset") };
            // Squares everywhere: no signs that cancel, and the prompt branch is judged where the mask is not.
            let config = PrecoConfig {
                reconstruction: Distance::L2,
                consistency: Distance::L2,
                prompt_region: PromptRegion::All,
                ..PrecoConfig::new(encoder)
            };
            let model = Preco::new(&config).expect("model");
            let params = uneven(model.layout());
            let (mut gradients, mut tape) = (vec![0.0; params.len()], Tape::new(&cpu, Keep::All));
            let image: Vec<f32> = (0..3 * 64 * 64).map(|i| (i as f32 * 0.37).sin()).collect();
            let mask = Mask::random(&config, &mut crate::rng::Stream::new(1, "mask", 0, 0));
            model.forward(&cpu, &params, &image, &[mask], &Pass::inference(), &mut tape).expect("forward");
            model.backward(&cpu, &params, &mut gradients, &mut tape).expect("backward");
            assert!(model.layout().get("mask_token").is_some() && model.layout().get("decoder.0.weight").is_some());
            for segment in model.layout().segments() {
                let part = &gradients[segment.range.clone()];
                let finite = part.iter().fold(true, |finite, d| finite & d.is_finite());
                assert!(finite, "{name}: {} is not finite", segment.name);
                // A softmax does not see the keys' bias: it adds the same to every score of a query.
                let third = if segment.name.ends_with("attn.qkv.bias") { part.len() / 3 } else { 0 };
                let count = |part: &[f32]| part.iter().map(|d| usize::from(*d != 0.0)).sum::<usize>();
                let moved = if third == 0 { count(part) } else { count(&part[..third]) + count(&part[2 * third..]) };
                let total = part.len() - third;
                assert!(moved as f64 >= 0.99 * total as f64, "{name}: {}: {moved} of {total} are not 0", segment.name);
            }
        }
    }
}
