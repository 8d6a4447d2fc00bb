//! Images to classes: an encoder, its head and what the head's outputs mean.
//!
//! The head is `W v + b` over the embedding `v`, summed in double precision on the host, so that an image's probabilities
//! do not depend on what stands beside it. Single-label models give a softmax, multi-label ones a sigmoid for each class.

use std::ops::Deref;

use super::Encoder;
use crate::backend::cpu::Cpu;
use crate::error::{Error, Result};
use crate::heads::ImageClassifier;
use crate::imagery::Image8;
use crate::losses::classification::{sigmoid, softmax};
use crate::nn::params::Layout;
use crate::spec::{Labelling, ModelSpec, Preprocess};

/// A classifier of images on the processor. Several threads may use one at once.
pub struct Labeller {
    encoder: Encoder,
    weight: Vec<f32>,
    bias: Vec<f32>,
    labels: Vec<String>,
    labelling: Labelling,
}

impl Deref for Labeller {
    type Target = Encoder;

    fn deref(&self) -> &Encoder {
        &self.encoder
    }
}

impl Labeller {
    /// The classifier of `spec`; `load` fills its parameters, which are those of an [`ImageClassifier`].
    ///
    /// # Errors
    /// [`Error::Config`] for a spec without a head, and those of `load`.
    pub fn new<E: From<Error>>(
        spec: &ModelSpec,
        preprocess: &Preprocess,
        cpu: Cpu,
        load: impl FnOnce(&Layout, &mut [f32]) -> std::result::Result<(), E>,
    ) -> std::result::Result<Self, E> {
        let labelling = spec.labelling.ok_or_else(|| {
            Error::config(format!("{} is no classifier: fine-tune it first (preco-cli finetune)", spec.name))
        })?;
        let model = ImageClassifier::new(&spec.backbone, spec.classes)?;
        let mut params = vec![0.0; model.layout().len()];
        load(model.layout(), &mut params)?;
        let part = |name: &str| {
            let segment = model.layout().get(name).ok_or_else(|| Error::config(format!("the model has no {name}")))?;
            Ok::<_, Error>(params[segment.range.clone()].to_vec())
        };
        let (weight, bias) = (part("head.fc.weight")?, part("head.fc.bias")?);
        let encoder = Encoder::new(spec, preprocess, cpu, |layout: &Layout, values: &mut [f32]| -> Result<()> {
            // The encoder's parameters are the classifier's first.
            values.copy_from_slice(&params[..layout.len()]);
            Ok(())
        })?;
        let number = |at: usize| spec.labels.get(at).cloned().unwrap_or_else(|| at.to_string());
        let labels = (0..spec.classes).map(number).collect();
        Ok(Self { encoder, weight, bias, labels, labelling })
    }

    /// The classes, in the order of the outputs.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// What the outputs mean.
    pub fn labelling(&self) -> Labelling {
        self.labelling
    }

    /// The probability of each class for each input.
    ///
    /// # Shapes
    /// `inputs` is `(N, bands, H, W)`, normalised; `(N, classes)` comes back.
    ///
    /// # Panics
    /// Where the inputs are not whole.
    pub fn probabilities(&self, inputs: &[f32]) -> Vec<f32> {
        self.of_vectors(&self.encoder.pooled(inputs))
    }

    /// The probability of each class for each embedding.
    ///
    /// # Shapes
    /// `(N, length)` to `(N, classes)`.
    pub fn of_vectors(&self, vectors: &[f32]) -> Vec<f32> {
        let length = self.encoder.length();
        let mut outputs = Vec::with_capacity(vectors.len() / length * self.bias.len());
        for vector in vectors.chunks_exact(length) {
            for (row, &bias) in self.weight.chunks_exact(length).zip(&self.bias) {
                let dot: f64 = row.iter().zip(vector).map(|(w, v)| f64::from(*w) * f64::from(*v)).sum();
                outputs.push((dot + f64::from(bias)) as f32);
            }
        }
        match self.labelling {
            Labelling::Single => softmax(&mut outputs, self.labels.len()),
            Labelling::Multi => sigmoid(&mut outputs),
        }
        outputs
    }

    /// The probability of each class for an image.
    ///
    /// # Errors
    /// Where it cannot be resized.
    pub fn classify(&self, image: &Image8) -> Result<Vec<f32>> {
        Ok(self.of_vectors(&self.encoder.embed(image)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backbones::swin::{Keep, SwinConfig};
    use crate::heads::ImageTape;
    use crate::nn::Pass;
    use crate::rng::Stream;
    use crate::simd::Level;

    #[test]
    fn probabilities_are_those_of_the_trained_models_logits() {
        let preset = SwinConfig::preset("pico").expect("preset");
        let config = SwinConfig { input: [32, 32], depths: vec![1, 1], heads: vec![2, 4], ..preset };
        let model = ImageClassifier::new(&config, 3).expect("model");
        let mut stream = Stream::new(4, "values", 0, 0);
        let mut params = model.layout().init(2);
        let head = model.layout().get("head.fc.weight").expect("head").range.clone();
        params[head].iter_mut().for_each(|value| *value = stream.normal() as f32);
        let inputs: Vec<f32> = (0..5 * 3 * 32 * 32).map(|_| stream.normal() as f32).collect();
        let cpu = Cpu::new(Level::detect());
        let logits =
            model.forward(&cpu, &params, &inputs, 5, &Pass::inference(), &mut ImageTape::new(&cpu, Keep::Inputs));
        let labels = ["a", "b", "c"].map(str::to_owned);
        for labelling in [Labelling::Single, Labelling::Multi] {
            let spec = ModelSpec::classifier("m", config.clone(), &labels, labelling, None);
            let load = |_: &Layout, values: &mut [f32]| -> Result<()> {
                values.copy_from_slice(&params);
                Ok(())
            };
            let labeller = Labeller::new(&spec, &Preprocess::imagenet([32, 32]), Cpu::new(Level::detect()), load);
            let labeller = labeller.expect("labeller");
            let found = labeller.probabilities(&inputs);
            let mut wanted = logits.clone();
            match labelling {
                Labelling::Single => softmax(&mut wanted, 3),
                Labelling::Multi => sigmoid(&mut wanted),
            }
            assert!(found.iter().zip(&wanted).all(|(a, b)| (a - b).abs() < 1e-5), "{found:?} {wanted:?}");
            let alone: Vec<f32> =
                inputs.chunks_exact(3 * 32 * 32).flat_map(|input| labeller.probabilities(input)).collect();
            assert!(alone == found, "an image's probabilities depend on its neighbours");
        }
        let spec = ModelSpec::encoder("m", config);
        let load = |_: &Layout, _: &mut [f32]| -> Result<()> { Ok(()) };
        let error = Labeller::new(&spec, &Preprocess::imagenet([32, 32]), cpu, load).err().expect("no head");
        assert!(error.to_string().contains("m is no classifier"), "{error}");
    }
}
