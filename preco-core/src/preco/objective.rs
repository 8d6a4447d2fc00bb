//! The objective: L = λ_Re L_Re + λ_Pr L_Pr + λ_Sc L_Sc.
//!
//! L_Re is the distance of the masked branch's reconstruction from the image on masked pixels, normalised as SimMIM does:
//! Σ m d(x, y) / (Σ m + 1e-5) / 3, over the whole batch. L_Pr is the same for the prompt branch, or the plain mean over
//! all pixels. L_Sc compares the two reconstructions on masked pixels; with the cosine it is the mean of
//! 1 − cos over the squares that hold a masked pixel.

use super::config::{Distance, Lambdas, Method, PrecoConfig, PromptRegion};
use crate::backend::cpu::parallel::{self, Shared};

/// Keeps the normaliser away from zero; SimMIM's value.
const EPSILON: f64 = 1e-5;
/// Keeps the cosine's denominator away from zero.
const COSINE_EPSILON: f64 = 1e-8;

/// The options of the objective.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Objective {
    method: Method,
    pub(crate) reconstruction: Distance,
    pub(crate) consistency: Distance,
    pub(crate) prompt_region: PromptRegion,
    pub(crate) stop_gradient: bool,
    pub(crate) lambdas: Lambdas,
}

/// The terms of one batch, before their weights.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Terms {
    /// The weighted sum: what is minimised.
    pub total: f64,
    /// L_Re.
    pub re: f64,
    /// L_Pr; `None` without the prompt branch.
    pub pr: Option<f64>,
    /// L_Sc; `None` without the prompt branch.
    pub sc: Option<f64>,
}

/// Reconstructions and image as rows of squares, and what is masked in them.
#[derive(Clone, Copy)]
pub(crate) struct Batch<'a> {
    /// `(branches · squares, 3 · side²)`, the masked branch first.
    pub predictions: &'a [f32],
    /// `(squares, 3 · side²)`.
    pub target: &'a [f32],
    /// `(squares, side²)`, 1 where masked.
    pub mask: &'a [f32],
    /// Squares of the batch.
    pub squares: usize,
}

impl From<&PrecoConfig> for Objective {
    fn from(config: &PrecoConfig) -> Self {
        Self {
            method: config.method,
            reconstruction: config.reconstruction,
            consistency: config.consistency,
            prompt_region: config.prompt_region,
            stop_gradient: config.stop_gradient,
            lambdas: config.lambdas,
        }
    }
}

/// A pointwise distance and its derivative in the first argument; 0 where both are equal.
fn pointwise(distance: Distance, a: f32, b: f32) -> (f32, f32) {
    let d = a - b;
    match distance {
        Distance::L2 => (d * d, 2.0 * d),
        _ => (d.abs(), if d > 0.0 { 1.0 } else { -f32::from(d < 0.0) }),
    }
}

impl Objective {
    /// Predictions per image: one of each branch.
    pub(crate) fn branches(&self) -> usize {
        if self.method == Method::Preco { 2 } else { 1 }
    }

    /// The terms, and the gradient of their weighted sum in `gradient`, of the predictions' shape.
    ///
    /// Sums are f64, row by row in order: they do not depend on the number of threads.
    pub(crate) fn evaluate(&self, batch: Batch, gradient: &mut [f32]) -> Terms {
        let branches = self.branches();
        let pixels = batch.mask.len() / batch.squares;
        let row = batch.target.len() / batch.squares;
        assert_eq!(row, 3 * pixels, "target and mask do not belong together");
        assert!(
            batch.predictions.len() == branches * batch.squares * row && gradient.len() == batch.predictions.len(),
            "predictions or gradient have not {branches} x {} squares",
            batch.squares
        );
        let masked: f64 = batch.mask.iter().map(|&m| f64::from(m)).sum();
        let touched = batch.mask.chunks_exact(pixels).filter(|mask| mask.iter().any(|&m| m != 0.0)).count();
        let per_masked = 1.0 / (masked + EPSILON) / 3.0;
        let per_pixel = 1.0 / batch.target.len() as f64;
        let per_square = 1.0 / touched.max(1) as f64;

        let mut sums = vec![[0f64; 3]; batch.squares];
        let half = batch.squares * row;
        let gradient = Shared::new(gradient);
        let shared_sums = SharedSums(sums.as_mut_ptr());
        parallel::for_each(batch.squares, |square| {
            let at = square * row;
            let mask = &batch.mask[square * pixels..(square + 1) * pixels];
            let target = &batch.target[at..at + row];
            let re = &batch.predictions[at..at + row];
            // SAFETY: each square has rows of its own in both halves of the gradient, and a sum of its own.
            let (d_re, sums) = unsafe {
                (
                    std::slice::from_raw_parts_mut(gradient.pointer().add(at), row),
                    &mut *shared_sums.pointer().add(square),
                )
            };
            d_re.fill(0.0);
            let weight = (self.lambdas.re * per_masked) as f32;
            sums[0] = compare(self.reconstruction, re, target, mask, weight, d_re);
            if branches == 2 {
                let pr = &batch.predictions[half + at..half + at + row];
                // SAFETY: as above; the second half.
                let d_pr = unsafe { std::slice::from_raw_parts_mut(gradient.pointer().add(half + at), row) };
                d_pr.fill(0.0);
                sums[1] = match self.prompt_region {
                    PromptRegion::Masked => {
                        compare(self.reconstruction, pr, target, mask, (self.lambdas.pr * per_masked) as f32, d_pr)
                    }
                    PromptRegion::All => {
                        let weight = (self.lambdas.pr * per_pixel) as f32;
                        compare(self.reconstruction, pr, target, &vec![1.0; pixels], weight, d_pr)
                    }
                };
                sums[2] = self.consistency(re, pr, mask, per_masked, per_square, d_re, d_pr);
            }
        });
        let total: [f64; 3] = sums.iter().fold([0.0; 3], |a, b| [a[0] + b[0], a[1] + b[1], a[2] + b[2]]);
        self.terms(total, masked, touched as f64, batch.target.len())
    }

    /// The terms from their sums over all squares: L_Re, L_Pr and L_Sc before their normalisers, the `masked` weight, how
    /// many squares are `touched` by it, and the values of the target.
    pub(crate) fn terms(&self, [re, pr, sc]: [f64; 3], masked: f64, touched: f64, values: usize) -> Terms {
        let per_masked = 1.0 / (masked + EPSILON) / 3.0;
        let re = re * per_masked;
        if self.branches() == 1 {
            return Terms { total: self.lambdas.re * re, re, pr: None, sc: None };
        }
        let per_pixel = 1.0 / values as f64;
        let pr = pr * if self.prompt_region == PromptRegion::Masked { per_masked } else { per_pixel };
        let sc = sc * if self.consistency == Distance::Cosine { 1.0 / touched.max(1.0) } else { per_masked };
        let Lambdas { re: l_re, pr: l_pr, sc: l_sc } = self.lambdas;
        Terms { total: l_re * re + l_pr * pr + l_sc * sc, re, pr: Some(pr), sc: Some(sc) }
    }

    /// One square's share of L_Sc before its normaliser; adds to both gradients (the prompt's unless stopped).
    #[allow(clippy::too_many_arguments)]
    fn consistency(
        &self,
        re: &[f32],
        pr: &[f32],
        mask: &[f32],
        per_masked: f64,
        per_square: f64,
        d_re: &mut [f32],
        d_pr: &mut [f32],
    ) -> f64 {
        if self.consistency == Distance::Cosine {
            let weight = self.lambdas.sc * per_square;
            return cosine(re, pr, mask, weight, d_re, (!self.stop_gradient).then_some(d_pr));
        }
        let weight = (self.lambdas.sc * per_masked) as f32;
        let mut sum = 0.0;
        for (i, (&a, &b)) in re.iter().zip(pr).enumerate() {
            let m = mask[i % mask.len()];
            let (d, slope) = pointwise(self.consistency, a, b);
            sum += f64::from(m * d);
            d_re[i] += weight * m * slope;
            if !self.stop_gradient {
                d_pr[i] -= weight * m * slope;
            }
        }
        sum
    }
}

/// Σ m d(y, x) of one square; adds `weight` times its derivative in y.
fn compare(distance: Distance, y: &[f32], x: &[f32], mask: &[f32], weight: f32, dy: &mut [f32]) -> f64 {
    let mut sum = 0.0;
    for ((y, x), dy) in y.chunks_exact(mask.len()).zip(x.chunks_exact(mask.len())).zip(dy.chunks_exact_mut(mask.len()))
    {
        for (((&y, &x), dy), &m) in y.iter().zip(x).zip(dy).zip(mask) {
            let (d, slope) = pointwise(distance, y, x);
            sum += f64::from(m * d);
            *dy += weight * m * slope;
        }
    }
    sum
}

/// 1 − cos of the masked parts of one square, 0 where nothing is masked; adds `weight` times its derivatives.
fn cosine(a: &[f32], b: &[f32], mask: &[f32], weight: f64, da: &mut [f32], db: Option<&mut [f32]>) -> f64 {
    if mask.iter().all(|&m| m == 0.0) {
        return 0.0;
    }
    let m = |i: usize| f64::from(mask[i % mask.len()]);
    let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for (i, (&a, &b)) in a.iter().zip(b).enumerate() {
        let (a, b) = (m(i) * f64::from(a), m(i) * f64::from(b));
        (ab, aa, bb) = (ab + a * b, aa + a * a, bb + b * b);
    }
    let norms = (aa.sqrt() * bb.sqrt()).max(COSINE_EPSILON);
    let cosine = ab / norms;
    let add = |d: &mut [f32], own: &[f32], other: &[f32], squares: f64| {
        let squares = squares.max(COSINE_EPSILON * COSINE_EPSILON);
        for (i, d) in d.iter_mut().enumerate() {
            let slope = m(i) * (f64::from(other[i]) / norms - cosine * f64::from(own[i]) / squares);
            *d -= (weight * m(i) * slope) as f32;
        }
    };
    add(da, a, b, aa);
    if let Some(db) = db {
        add(db, b, a, bb);
    }
    1.0 - cosine
}

/// A pointer to the squares' sums; each task writes its own.
#[derive(Clone, Copy)]
struct SharedSums(*mut [f64; 3]);
// SAFETY: each task writes the sums of its own square only.
unsafe impl Send for SharedSums {}
// SAFETY: as above.
unsafe impl Sync for SharedSums {}
impl SharedSums {
    fn pointer(self) -> *mut [f64; 3] {
        self.0
    }
}
