//! How well a pre-trained model fills masked squares of images it has not seen, beside two peers without learning.
//!
//! The measure is the mean absolute difference over masked pixels and channels, the same masks for everyone: in
//! normalised units (what training minimises) and in grey levels of 255.
//!
//! - **mean**: each channel's mean over the visible pixels of the same image.
//! - **harmonic**: the surface that solves Laplace's equation in the masked squares with the visible pixels around them as
//!   boundary, and no slope across the image's edge. The smoothest continuation there is; a strong peer at L1.
//!
//! Each is told apart by what was hidden: the quarter of masked squares with the most detail, where small objects are, and
//! the quarter with the least. Detail is the deviation of a square's own pixels, the mean over channels.

use preco_core::backbones::swin::Keep;
use preco_core::backend::Backend;
use preco_core::nn::Pass;
use preco_core::preco::{Mask, Preco, Tape};
use preco_core::rng::Stream;
use preco_core::spec::Preprocess;
use rayon::prelude::*;
use serde::Serialize;

use crate::datasets::ImageSource;
use crate::error::Result;
use crate::view;

/// Images per forward pass.
const BATCH: usize = 16;
/// The harmonic fill stops where no value moves further than this in a sweep, in normalised units.
const SETTLED: f32 = 1e-4;
/// Or after so many sweeps; over-relaxed, a hole of n pixels takes about n.
const SWEEPS: usize = 4000;

/// One way of filling.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Filling {
    /// `model`, `mean` or `harmonic`.
    pub name: &'static str,
    /// Mean absolute difference of normalised values.
    pub l1: f64,
    /// The same in grey levels of 255.
    pub grey_levels: f64,
    /// `l1` over the quarter of masked squares with the most detail.
    pub detailed: f64,
    /// `l1` over the quarter with the least.
    pub flat: f64,
}

/// The fillings over one set of images and masks.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Inpainting {
    /// Images measured.
    pub images: usize,
    /// Share of pixels masked.
    pub masked: f64,
    /// The model first.
    pub fillings: Vec<Filling>,
}

/// Measures the fillings over images `indices`.
///
/// # Errors
/// Where an image cannot be read.
///
/// # Randomness
/// Masks: stream `(seed, "inpaint mask", 0, index of the image)`.
pub fn inpaint<B: Backend>(
    model: &Preco,
    params: &B::Slice,
    backend: &B,
    source: &dyn ImageSource,
    indices: &[usize],
    preprocess: &Preprocess,
    seed: u64,
) -> Result<Inpainting> {
    let [height, width] = preprocess.size;
    let length = 3 * height * width;
    let mut tape = Tape::new(backend, Keep::Inputs);
    let mut sums = [Sums::default(); 3];
    let mut squares = Vec::new();
    let (mut pixels, mut masked) = (0.0, 0.0);
    for batch in indices.chunks(BATCH) {
        let images = view::tensor(source, batch, preprocess)?;
        let draw =
            |&index: &usize| Mask::random(model.config(), &mut Stream::new(seed, "inpaint mask", 0, index as u64));
        let masks: Vec<Mask> = batch.iter().map(draw).collect();
        model.forward(backend, params, &images, &masks, &Pass::inference(), &mut tape)?;
        let drawn = model.predictions(backend, &tape).masked;
        let side = model.config().mask_patch;
        let each: Vec<([Sums; 3], Vec<Square>)> = images
            .par_chunks_exact(length)
            .zip(drawn.par_chunks_exact(length))
            .zip(&masks)
            .map(|((image, drawn), mask)| {
                let cells = mask.cells();
                let mask = mask.pixels();
                let peers = [mean_fill(image, &mask), harmonic_fill(image, &mask, width)];
                let fills = [drawn, &peers[0], &peers[1]];
                (
                    fills.map(|filled| difference(image, filled, &mask, preprocess)),
                    masked_squares(image, fills, cells, width, side),
                )
            })
            .collect();
        for (image, hidden) in each {
            sums.iter_mut().zip(image).for_each(|(sum, part)| sum.add(part));
            squares.extend(hidden);
        }
        pixels += (batch.len() * height * width) as f64;
        masked += masks.iter().flat_map(Mask::pixels).map(f64::from).sum::<f64>();
    }
    // Those alike stay in the order of images.
    squares.sort_by(|a, b| a.detail.total_cmp(&b.detail));
    let quarter = squares.len().div_ceil(4);
    let mean = |squares: &[Square], at: usize| {
        squares.iter().map(|square| square.l1[at]).sum::<f64>() / squares.len().max(1) as f64
    };
    let fillings = ["model", "mean", "harmonic"].into_iter().zip(sums).enumerate().map(|(at, (name, sum))| Filling {
        name,
        l1: sum.normalised / (3.0 * masked),
        grey_levels: sum.grey / (3.0 * masked),
        detailed: mean(&squares[squares.len() - quarter..], at),
        flat: mean(&squares[..quarter], at),
    });
    Ok(Inpainting { images: indices.len(), masked: masked / pixels, fillings: fillings.collect() })
}

/// A masked square: how much there was to see, and how far each filling is from it.
struct Square {
    detail: f64,
    l1: [f64; 3],
}

/// The masked squares of `side` pixels; `cells` are row by row.
fn masked_squares(image: &[f32], fills: [&[f32]; 3], cells: &[bool], width: usize, side: usize) -> Vec<Square> {
    let columns = width / side;
    let plane = cells.len() * side * side;
    let values = |of: &'_ [f32], cell: usize, band: usize| -> Vec<f64> {
        let corner = band * plane + cell / columns * side * width + cell % columns * side;
        let row = |y: usize| of[corner + y * width..][..side].iter().map(|&value| f64::from(value));
        (0..side).flat_map(row).collect()
    };
    let hidden = (0..cells.len()).filter(|&cell| cells[cell]);
    let square = |cell: usize| {
        let (mut detail, mut l1) = (0.0, [0.0; 3]);
        for band in 0..3 {
            let truth = values(image, cell, band);
            let n = truth.len() as f64;
            let mean = truth.iter().sum::<f64>() / n;
            detail += (truth.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / n).sqrt() / 3.0;
            for (sum, filled) in l1.iter_mut().zip(fills) {
                let filled = values(filled, cell, band);
                *sum += truth.iter().zip(filled).map(|(a, b)| (a - b).abs()).sum::<f64>() / (3.0 * n);
            }
        }
        Square { detail, l1 }
    };
    hidden.map(square).collect()
}

/// Sums of absolute differences over masked pixels and channels.
#[derive(Clone, Copy, Default)]
struct Sums {
    normalised: f64,
    grey: f64,
}

impl Sums {
    fn add(&mut self, other: Self) {
        self.normalised += other.normalised;
        self.grey += other.grey;
    }
}

fn difference(image: &[f32], filled: &[f32], mask: &[f32], preprocess: &Preprocess) -> Sums {
    let mut sums = Sums::default();
    let planes = image.chunks_exact(mask.len()).zip(filled.chunks_exact(mask.len()));
    for ((image, filled), std) in planes.zip(&preprocess.normalise.std) {
        let of = |((a, b), m): ((&f32, &f32), &f32)| f64::from((a - b).abs() * m);
        let sum: f64 = image.iter().zip(filled).zip(mask).map(of).sum();
        sums.add(Sums { normalised: sum, grey: sum * f64::from(*std) * 255.0 });
    }
    sums
}

/// The image with masked pixels at their channel's visible mean; 0, the data's mean, where nothing is visible.
fn mean_fill(image: &[f32], mask: &[f32]) -> Vec<f32> {
    let mut filled = image.to_vec();
    for plane in filled.chunks_exact_mut(mask.len()) {
        let visible = || plane.iter().zip(mask).filter(|(_, m)| **m < 0.5).map(|(value, _)| f64::from(*value));
        let mean = (visible().sum::<f64>() / visible().count().max(1) as f64) as f32;
        plane.iter_mut().zip(mask).filter(|(_, m)| **m > 0.5).for_each(|(value, _)| *value = mean);
    }
    filled
}

/// The image with masked pixels at the mean of their neighbours within the image: successive over-relaxation from
/// [`mean_fill`], in row order.
fn harmonic_fill(image: &[f32], mask: &[f32], width: usize) -> Vec<f32> {
    let height = mask.len() / width;
    let mut filled = mean_fill(image, mask);
    if mask.iter().all(|&masked| masked > 0.5) {
        return filled;
    }
    let holes: Vec<usize> = (0..mask.len()).filter(|&at| mask[at] > 0.5).collect();
    // The best factor for a square of this side; holes are smaller, so it errs on the fast side of stable (< 2).
    let side = width.max(height) as f32;
    let relax = 2.0 / (1.0 + (std::f32::consts::PI / side).sin());
    for plane in filled.chunks_exact_mut(mask.len()) {
        for _ in 0..SWEEPS {
            let mut moved = 0.0f32;
            for &at in &holes {
                let (x, y) = (at % width, at / width);
                let (mut sum, mut count) = (0.0, 0.0);
                let around = [(x > 0, at.wrapping_sub(1)), (x + 1 < width, at + 1)];
                let across = [(y > 0, at.wrapping_sub(width)), (y + 1 < height, at + width)];
                for (inside, neighbour) in around.into_iter().chain(across) {
                    if inside {
                        (sum, count) = (sum + plane[neighbour], count + 1.0);
                    }
                }
                let change = relax * (sum / count - plane[at]);
                plane[at] += change;
                moved = moved.max(change.abs());
            }
            if moved < SETTLED {
                break;
            }
        }
    }
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A plane's three channels with a masked square in the middle.
    fn square(width: usize, value: impl Fn(usize, usize) -> f32) -> (Vec<f32>, Vec<f32>) {
        let plane: Vec<f32> = (0..width * width).map(|at| value(at % width, at / width)).collect();
        let inside = |at: usize| (4..12).contains(&(at % width)) && (4..12).contains(&(at / width));
        (plane.repeat(3), (0..width * width).map(|at| f32::from(u8::from(inside(at)))).collect())
    }

    #[test]
    fn a_plane_and_a_saddle_are_continued_exactly() {
        // Both solve Laplace's equation on the grid: x + 2y, and x² − y².
        let shapes: [fn(f32, f32) -> f32; 2] = [|x, y| x + 2.0 * y, |x, y| (x * x - y * y) / 16.0];
        for shape in shapes {
            let (image, mask) = square(16, |x, y| shape(x as f32, y as f32));
            let mut hidden = image.clone();
            for plane in hidden.chunks_exact_mut(256) {
                plane.iter_mut().zip(&mask).filter(|(_, m)| **m > 0.5).for_each(|(value, _)| *value = -99.0);
            }
            let filled = harmonic_fill(&hidden, &mask, 16);
            let worst = image.iter().zip(&filled).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(worst < 5e-3, "{worst}");
        }
    }

    #[test]
    fn the_mean_is_that_of_visible_pixels() {
        let filled = mean_fill(&[1.0, 3.0, 100.0, 0.0, 0.0, 5.0, 7.0, 7.0, 7.0], &[0.0, 0.0, 1.0]);
        assert_eq!(filled, [1.0, 3.0, 2.0, 0.0, 0.0, 0.0, 7.0, 7.0, 7.0]);
    }

    #[test]
    fn squares_are_cut_where_they_lie_and_judged_one_by_one() {
        // Two by two squares of 2 pixels; the second and third are hidden. The second holds 0 and 2, the third only 5.
        let plane = [9.0, 9.0, 0.0, 2.0, 9.0, 9.0, 2.0, 0.0, 5.0, 5.0, 9.0, 9.0, 5.0, 5.0, 9.0, 9.0f32];
        let (image, ones) = (plane.repeat(3), [1.0f32; 48]);
        let squares = masked_squares(&image, [&image, &ones, &ones], &[false, true, true, false], 4, 2);
        let told: Vec<(f64, [f64; 3])> = squares.iter().map(|square| (square.detail, square.l1)).collect();
        let near = |a: f64, b: f64| (a - b).abs() < 1e-12;
        assert!(near(told[0].0, 1.0) && near(told[1].0, 0.0), "{told:?}");
        assert!(near(told[0].1[1], 1.0) && near(told[1].1[1], 4.0) && told[0].1[0] == 0.0, "{told:?}");
    }

    #[test]
    fn grey_levels_undo_the_normalisation() {
        // One pixel masked, off by one standard deviation in red only: 0.229 * 255 grey levels.
        let sums = difference(&[1.0, 0.0, 0.0], &[0.0, 0.0, 0.0], &[1.0], &Preprocess::imagenet([1, 1]));
        assert!((sums.normalised - 1.0).abs() < 1e-12 && (sums.grey - 58.395).abs() < 1e-4, "{}", sums.grey);
    }
}
