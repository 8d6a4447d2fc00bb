//! What frozen features know: nearest-neighbour accuracy of the encoder, of the same encoder with random weights, and of
//! colour statistics, over one split.

use preco_core::backbones::swin::{Keep, Swin, Tape};
use preco_core::backend::Backend;
use preco_core::nn::params::Layout;
use preco_core::rng::Stream;
use preco_core::spec::Preprocess;
use serde::Serialize;

use crate::datasets::ImageSource;
use crate::error::{Error, Result};
use crate::metrics::Knn;
use crate::view;

/// Images per forward pass.
const BATCH: usize = 16;

/// Which images are neighbours and which are asked about; all have a class.
#[derive(Clone, Debug, PartialEq)]
pub struct Split {
    /// The neighbours.
    pub train: Vec<usize>,
    /// The questions.
    pub test: Vec<usize>,
}

impl Split {
    /// Four fifths and one fifth of the labelled images of `source`, shuffled, at most `most` altogether.
    ///
    /// # Errors
    /// [`Error::Config`] for fewer than two classes or five labelled images.
    ///
    /// # Randomness
    /// Stream `(seed, "probe split", 0, 0)`.
    pub fn random(source: &dyn ImageSource, most: usize, seed: u64) -> Result<Self> {
        let mut labelled: Vec<usize> = (0..source.len()).filter(|&index| source.label(index).is_some()).collect();
        Stream::new(seed, "probe split", 0, 0).shuffle(&mut labelled);
        labelled.truncate(most);
        let test = labelled.split_off(labelled.len() - labelled.len() / 5);
        Self { train: labelled, test }.checked(source)
    }

    /// Checks that there is something to tell apart.
    ///
    /// # Errors
    /// [`Error::Config`] for an empty side or fewer than two classes.
    pub fn checked(self, source: &dyn ImageSource) -> Result<Self> {
        let (train, test, classes) = (self.train.len(), self.test.len(), source.classes().len());
        if train == 0 || test == 0 || classes < 2 {
            return Err(Error::config(format!(
                "nearest neighbours need images of two classes on both sides, there are {train} to learn from, {test} to \
                 test and {classes} classes. Put each class in a folder of its name"
            )));
        }
        Ok(self)
    }
}

/// Nearest-neighbour accuracies.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Probe {
    /// Classes told apart.
    pub classes: usize,
    /// Images to learn from.
    pub train: usize,
    /// Images asked about.
    pub test: usize,
    /// Of the model's features.
    pub model: f64,
    /// Of the same architecture's with random weights.
    pub random: f64,
    /// Of each channel's mean and deviation.
    pub colours: f64,
}

/// Measures the three over `split`. `params` belong to `layout`, which begins with the encoder's.
///
/// # Errors
/// Where an image cannot be read.
#[allow(clippy::too_many_arguments)]
pub fn probe<B: Backend>(
    encoder: &Swin,
    layout: &Layout,
    params: &B::Slice,
    backend: &B,
    source: &dyn ImageSource,
    split: &Split,
    preprocess: &Preprocess,
    seed: u64,
) -> Result<Probe> {
    let length = encoder.config().features();
    let random = backend.parameters(&layout.init(seed));
    let side = |indices: &[usize]| -> Result<[Vec<f32>; 3]> {
        let mut all = [Vec::new(), Vec::new(), Vec::new()];
        let mut tape = Tape::new(backend, Keep::Inputs);
        for batch in indices.chunks(BATCH) {
            let images = view::tensor(source, batch, preprocess)?;
            all[0].extend(encoder.pooled(backend, params, &images, batch.len(), &mut tape));
            all[1].extend(encoder.pooled(backend, &random, &images, batch.len(), &mut tape));
            all[2].extend(colours(&images, batch.len()));
            backend.check()?;
        }
        Ok(all)
    };
    let [train_model, train_random, mut train_colours] = side(&split.train)?;
    let [test_model, test_random, mut test_colours] = side(&split.test)?;
    standardise(&mut train_colours, &mut test_colours);
    let labels = |indices: &[usize]| -> Vec<usize> { indices.iter().filter_map(|&at| source.label(at)).collect() };
    let (train, test) = (labels(&split.train), labels(&split.test));
    let classes = source.classes().len();
    let known: Vec<Vec<usize>> = train.iter().map(|&class| vec![class]).collect();
    Ok(Probe {
        classes,
        train: train.len(),
        test: test.len(),
        model: Knn::new(&train_model, &known, classes, length).accuracy(&test_model, &test),
        random: Knn::new(&train_random, &known, classes, length).accuracy(&test_random, &test),
        colours: Knn::new(&train_colours, &known, classes, COLOURS).accuracy(&test_colours, &test),
    })
}

/// A mean and a deviation for each channel.
const COLOURS: usize = 6;

fn colours(images: &[f32], count: usize) -> Vec<f32> {
    let plane = images.len() / count / 3;
    let of = |plane: &[f32]| {
        let n = plane.len() as f64;
        let mean = plane.iter().map(|value| f64::from(*value)).sum::<f64>() / n;
        let variance = plane.iter().map(|value| (f64::from(*value) - mean).powi(2)).sum::<f64>() / n;
        [mean as f32, variance.sqrt() as f32]
    };
    images.chunks_exact(plane).flat_map(of).collect()
}

/// Brings each column to mean 0 and deviation 1 over the training rows, the test rows by the same numbers.
fn standardise(train: &mut [f32], test: &mut [f32]) {
    for column in 0..COLOURS {
        let values: Vec<f64> = train.iter().skip(column).step_by(COLOURS).map(|value| f64::from(*value)).collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len() as f64;
        let scale = 1.0 / variance.sqrt().max(1e-12);
        for value in train.iter_mut().skip(column).step_by(COLOURS).chain(test.iter_mut().skip(column).step_by(COLOURS))
        {
            *value = ((f64::from(*value) - mean) * scale) as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::datasets::scenes::SceneGenerator;

    #[test]
    fn a_split_shares_no_image_and_keeps_its_numbers() {
        let scenes = SceneGenerator::new(1, 16, 100);
        let split = Split::random(&scenes, 50, 3).expect("split");
        assert_eq!((split.train.len(), split.test.len()), (40, 10));
        assert!(split.test.iter().all(|index| !split.train.contains(index)));
        assert_eq!(split, Split::random(&scenes, 50, 3).expect("split"));
        let error = Split::random(&SceneGenerator::new(1, 16, 4), 50, 3).expect_err("too few").to_string();
        assert!(error.contains("0 to test"), "{error}");
    }

    #[test]
    fn colours_are_means_and_deviations() {
        let image = [1.0, 3.0, 5.0, 5.0, -1.0, 1.0];
        assert_eq!(colours(&image, 1), [2.0, 1.0, 5.0, 0.0, 0.0, 1.0]);
    }
}
