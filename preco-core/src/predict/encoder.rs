//! Images to embeddings: the encoder, its weights and the way images become its inputs, together.

use std::sync::Mutex;

use super::view;
use crate::backbones::swin::{Keep, Swin, SwinConfig, Tape};
use crate::backend::cpu::Cpu;
use crate::error::Result;
use crate::imagery::Image8;
use crate::nn::Pass;
use crate::nn::params::Layout;
use crate::spec::{ModelSpec, Preprocess};

/// Images of one forward pass.
pub const BATCH: usize = 8;

/// An encoder that turns images into embeddings, on the processor. Several threads may use one at once.
///
/// An image's embedding does not depend on what is embedded beside it, nor on the number of threads.
pub struct Encoder {
    encoder: Swin,
    params: Vec<f32>,
    preprocess: Preprocess,
    cpu: Cpu,
    /// What passes leave for the next ones: as many as ever ran at once.
    tapes: Mutex<Vec<Tape<Cpu>>>,
}

impl Encoder {
    /// The encoder of `spec`; `load` fills its parameters.
    ///
    /// # Errors
    /// Where the spec's sizes do not fit each other, and those of `load`.
    pub fn new<E: From<crate::error::Error>>(
        spec: &ModelSpec,
        preprocess: &Preprocess,
        cpu: Cpu,
        load: impl FnOnce(&Layout, &mut [f32]) -> std::result::Result<(), E>,
    ) -> std::result::Result<Self, E> {
        let mut layout = Layout::default();
        let encoder = Swin::new(&spec.backbone, &mut layout)?;
        let mut params = vec![0.0; layout.len()];
        load(&layout, &mut params)?;
        Ok(Self { encoder, params, preprocess: preprocess.clone(), cpu, tapes: Mutex::default() })
    }

    /// What the encoder is made of.
    pub fn config(&self) -> &SwinConfig {
        self.encoder.config()
    }

    /// How images become its inputs.
    pub fn preprocess(&self) -> &Preprocess {
        &self.preprocess
    }

    /// Values of an embedding.
    pub fn length(&self) -> usize {
        self.encoder.config().features()
    }

    /// Values of an input.
    pub fn input_len(&self) -> usize {
        self.preprocess.bands.len() * self.preprocess.size[0] * self.preprocess.size[1]
    }

    /// Rows, columns and channels of the map of stage `stage`, counted from 0; nothing where there is no such stage.
    pub fn stage_shape(&self, stage: usize) -> Option<[usize; 3]> {
        (stage < self.encoder.stages()).then(|| {
            let [rows, columns] = self.encoder.grid(stage);
            [rows, columns, self.config().channels(stage)]
        })
    }

    /// The embedding of an image: the mean over the last stage's tokens of its [`view()`].
    ///
    /// # Shapes
    /// [`Encoder::length`] values.
    ///
    /// # Errors
    /// Where the image cannot be resized.
    pub fn embed(&self, image: &Image8) -> Result<Vec<f32>> {
        let mut input = vec![0.0; self.input_len()];
        self.to_input(&view(image, &self.preprocess)?, &mut input);
        Ok(self.pooled(&input))
    }

    /// The embeddings of images, [`BATCH`] at a time: faster than one after the other.
    ///
    /// # Errors
    /// As [`Encoder::embed`].
    pub fn embed_all(&self, images: &[Image8]) -> Result<Vec<Vec<f32>>> {
        let mut embeddings = Vec::with_capacity(images.len());
        for batch in images.chunks(BATCH) {
            let mut inputs = vec![0.0; self.input_len() * batch.len()];
            for (image, input) in batch.iter().zip(inputs.chunks_exact_mut(self.input_len())) {
                self.to_input(&view(image, &self.preprocess)?, input);
            }
            embeddings.extend(self.pooled(&inputs).chunks_exact(self.length()).map(<[f32]>::to_vec));
        }
        Ok(embeddings)
    }

    /// An image of the model's size as the numbers the network sees.
    ///
    /// # Panics
    /// Where it is of another size, or `input` not of [`Encoder::input_len`].
    pub fn to_input(&self, image: &Image8, input: &mut [f32]) {
        assert_eq!([image.height(), image.width()], self.preprocess.size, "an image of the model's size");
        self.preprocess.normalise.to_tensor(image, input);
    }

    /// The embeddings of inputs.
    ///
    /// # Shapes
    /// `inputs` is `(N, 3, H, W)`, normalised; N embeddings come back.
    ///
    /// # Panics
    /// Where the inputs are not whole.
    pub fn pooled(&self, inputs: &[f32]) -> Vec<f32> {
        let count = self.count(inputs);
        self.with_tape(|tape| self.encoder.pooled(&self.cpu, &self.params, inputs, count, tape))
    }

    /// The maps of stage `stage`: after the final norm for the last one, the stage's own output for the others.
    ///
    /// # Shapes
    /// `inputs` is `(N, 3, H, W)`; `(N, rows, columns, channels)` comes back, as [`Encoder::stage_shape`] says.
    ///
    /// # Panics
    /// Where the inputs are not whole, or there is no such stage.
    pub fn maps(&self, inputs: &[f32], stage: usize) -> Vec<f32> {
        let count = self.count(inputs);
        let [rows, columns, channels] = self.stage_shape(stage).expect("a stage of the encoder");
        self.with_tape(|tape| {
            self.encoder.forward(&self.cpu, &self.params, inputs, count, &Pass::inference(), tape);
            let map = if stage + 1 == self.encoder.stages() { tape.features() } else { tape.stage(stage) };
            map[..count * rows * columns * channels].to_vec()
        })
    }

    fn count(&self, inputs: &[f32]) -> usize {
        assert!(inputs.len().is_multiple_of(self.input_len()), "{} values are no whole inputs", inputs.len());
        inputs.len() / self.input_len()
    }

    /// Lends a tape that no other pass uses.
    fn with_tape<T>(&self, work: impl FnOnce(&mut Tape<Cpu>) -> T) -> T {
        // A pass that panicked returned no tape; those that are here are whole.
        let tapes = || self.tapes.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let spare = tapes().pop();
        let mut tape = spare.unwrap_or_else(|| Tape::new(&self.cpu, Keep::Inputs));
        let result = work(&mut tape);
        tapes().push(tape);
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Stream;
    use crate::simd::Level;

    fn encoder() -> Encoder {
        let backbone = SwinConfig {
            input: [64, 64],
            depths: vec![1, 1, 2],
            heads: vec![2, 4, 8],
            ..SwinConfig::preset("pico").expect("preset")
        };
        let spec = ModelSpec::encoder("tiny", backbone);
        let load = |layout: &Layout, params: &mut [f32]| -> Result<()> {
            params.copy_from_slice(&layout.init(3));
            Ok(())
        };
        Encoder::new(&spec, &Preprocess::imagenet([64, 64]), Cpu::new(Level::detect()), load).expect("encoder")
    }

    fn images(count: usize) -> Vec<Image8> {
        let image = |at| {
            let mut stream = Stream::new(5, "images", 0, at as u64);
            Image8::rgb(64, 64, (0..3 * 64 * 64).map(|_| stream.below(256) as u8).collect())
        };
        (0..count).map(image).collect()
    }

    #[test]
    fn an_embedding_depends_on_neither_its_neighbours_nor_the_threads() {
        let (encoder, images) = (encoder(), images(11));
        let together = encoder.embed_all(&images).expect("embed");
        assert_eq!((together.len(), together[0].len()), (11, encoder.length()));
        for threads in [1, 2, 5] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("pool");
            let alone =
                pool.install(|| images.iter().map(|image| encoder.embed(image).expect("embed")).collect::<Vec<_>>());
            assert!(alone == together, "{threads} threads, one image at a time");
        }
        assert_ne!(together[0], together[9]);
        assert!(encoder.embed_all(&[]).expect("nothing").is_empty());
    }

    #[test]
    fn threads_share_an_encoder() {
        let (encoder, images) = (encoder(), images(6));
        let alone: Vec<_> = images.iter().map(|image| encoder.embed(image).expect("embed")).collect();
        std::thread::scope(|scope| {
            let threads: Vec<_> =
                images.iter().map(|image| scope.spawn(|| encoder.embed(image).expect("embed"))).collect();
            for (thread, alone) in threads.into_iter().zip(alone) {
                assert_eq!(thread.join().expect("thread"), alone);
            }
        });
    }

    #[test]
    fn the_mean_of_the_last_map_is_the_embedding() {
        let (encoder, images) = (encoder(), images(2));
        let mut inputs = vec![0.0; 2 * encoder.input_len()];
        for (image, input) in images.iter().zip(inputs.chunks_exact_mut(encoder.input_len())) {
            encoder.to_input(image, input);
        }
        let [rows, columns, channels] = encoder.stage_shape(2).expect("stage");
        let maps = encoder.maps(&inputs, 2);
        assert_eq!(maps.len(), 2 * rows * columns * channels);
        let pooled = encoder.pooled(&inputs);
        for channel in 0..channels {
            let of = maps[rows * columns * channels..].iter().skip(channel).step_by(channels);
            let mean = of.sum::<f32>() / (rows * columns) as f32;
            assert!((mean - pooled[channels + channel]).abs() < 1e-5, "channel {channel}");
        }
        assert_eq!((encoder.stage_shape(0), encoder.stage_shape(3)), (Some([16, 16, 32]), None));
    }
}
