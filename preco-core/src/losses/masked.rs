//! Distances counted on masked pixels only (SimMIM, equation 2): `Σ m |x − y| / (Σ m + 1e-5) / C`, or squared.
//!
//! Shapes: prediction and target `(N, C, H, W)`, mask `(N, 1, H, W)` in [0, 1]; a scalar out. The sum of the mask counts
//! pixels, not values, hence the division by the channels. f32 in and out, f64 sums in plane order. Where prediction and
//! target are equal the gradient is 0, as PyTorch's (candle's |x| has 1 there). The mask is a constant.

use candle_core::{CpuStorage, CustomOp2, Layout, Result as CandleResult, Shape, Tensor};
use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::ops::host;

/// What keeps an empty mask from dividing by zero: SimMIM's.
const EPSILON: f64 = 1e-5;

/// Mean absolute difference on masked pixels.
///
/// # Shapes
/// prediction and target `(N, C, H, W)`, mask `(N, 1, H, W)`; a scalar out.
///
/// # Errors
/// [`Error::Config`] where an argument is not f32 on the CPU, where the shapes do not fit, and where the mask wants a
/// gradient.
pub fn masked_l1(prediction: &Tensor, target: &Tensor, mask: &Tensor) -> Result<Tensor> {
    apply("masked_l1", false, prediction, target, mask)
}

/// Mean squared difference on masked pixels.
///
/// # Shapes
/// As [`masked_l1`].
///
/// # Errors
/// As [`masked_l1`].
pub fn masked_l2(prediction: &Tensor, target: &Tensor, mask: &Tensor) -> Result<Tensor> {
    apply("masked_l2", true, prediction, target, mask)
}

fn apply(op: &'static str, squared: bool, prediction: &Tensor, target: &Tensor, mask: &Tensor) -> Result<Tensor> {
    let prediction = host::argument(op, "prediction", prediction)?;
    let (target, mask) = (host::argument(op, "target", target)?, host::argument(op, "mask", mask)?);
    let [count, channels, height, width] = host::images(op, "prediction", &prediction)?;
    let because = format!("a prediction of shape {:?}", prediction.dims());
    host::expect(op, "target", &target, prediction.dims(), &because)?;
    host::expect(op, "mask", &mask, &[count, 1, height, width], &because)?;
    if mask.track_op() {
        return Err(Error::config(format!("{op}: the mask has no gradient: detach it")));
    }
    let mask: Vec<f32> = mask.flatten_all()?.to_vec1()?;
    let covered: f64 = mask.iter().map(|&m| f64::from(m)).sum();
    let factor = 1.0 / (covered + EPSILON) / channels.max(1) as f64;
    let node = MaskedNode { name: op, squared, mask, factor, channels, pixels: height * width };
    Ok(prediction.apply_op2(&target, node)?)
}

struct MaskedNode {
    name: &'static str,
    squared: bool,
    mask: Vec<f32>,
    factor: f64,
    channels: usize,
    pixels: usize,
}

impl MaskedNode {
    /// The mask's pixels for plane `plane` of prediction or target.
    fn plane_mask(&self, plane: usize) -> &[f32] {
        &self.mask[plane / self.channels * self.pixels..][..self.pixels]
    }
}

impl CustomOp2 for MaskedNode {
    fn name(&self) -> &'static str {
        self.name
    }

    fn cpu_fwd(&self, x: &CpuStorage, lx: &Layout, y: &CpuStorage, ly: &Layout) -> CandleResult<(CpuStorage, Shape)> {
        let (x, y) = (host::slice(x, lx)?, host::slice(y, ly)?);
        let size = self.pixels.max(1);
        let planes = x.par_chunks(size).zip(y.par_chunks(size)).enumerate().map(|(plane, (x, y))| {
            let distance = |difference: f64| if self.squared { difference * difference } else { difference.abs() };
            let pixels = x.iter().zip(y).zip(self.plane_mask(plane)).filter(|(_, m)| **m != 0.0);
            pixels.map(|((x, y), m)| f64::from(*m) * distance(f64::from(*x) - f64::from(*y))).sum::<f64>()
        });
        let planes: Vec<f64> = planes.collect();
        host::result(vec![(planes.iter().sum::<f64>() * self.factor) as f32], ())
    }

    fn bwd(&self, x: &Tensor, y: &Tensor, _: &Tensor, d: &Tensor) -> CandleResult<(Option<Tensor>, Option<Tensor>)> {
        let factor = (f64::from(d.to_scalar::<f32>()?) * self.factor) as f32;
        let (mut dx, size) = (vec![0.0; x.elem_count()], self.pixels.max(1));
        host::read([x, y], |[x, y]| {
            let planes = dx.par_chunks_mut(size).zip(x.par_chunks(size)).zip(y.par_chunks(size)).enumerate();
            planes.for_each(|(plane, ((dx, x), y))| {
                for (((dx, x), y), m) in dx.iter_mut().zip(x).zip(y).zip(self.plane_mask(plane)) {
                    let difference = x - y;
                    let slope = match (self.squared, difference == 0.0) {
                        (_, true) => 0.0,
                        (true, _) => 2.0 * difference,
                        (false, _) => 1f32.copysign(difference),
                    };
                    // What is not masked may be anything, and counts nothing.
                    *dx = if *m == 0.0 { 0.0 } else { factor * m * slope };
                }
            });
        })?;
        let dy = if y.track_op() { dx.iter().map(|d| -d).collect() } else { Vec::new() };
        Ok((host::finished(dx, x)?, host::finished(dy, y)?))
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device, Var};

    use super::*;
    use crate::ops::proof::Proof;
    use crate::rng::Stream;

    fn mask(count: usize, height: usize, width: usize) -> Vec<f32> {
        let mut stream = Stream::new(8, "mask", 0, 0);
        (0..count * height * width).map(|_| [0.0, 1.0, 1.0, 0.25][stream.below(4)]).collect()
    }

    #[test]
    fn distances_and_their_gradients_equal_the_f64_reference() {
        for [count, channels, height, width] in [[1, 1, 1, 1], [2, 3, 5, 7], [3, 1, 4, 4], [2, 7, 3, 1]] {
            let (mask, shape) = (mask(count, height, width), [count, channels, height, width]);
            let reference = |x: &[Vec<f64>], squared: bool| {
                let m = |at: usize| {
                    f64::from(mask[at / (channels * height * width) * height * width + at % (height * width)])
                };
                let terms = x[0]
                    .iter()
                    .zip(&x[1])
                    .enumerate()
                    .map(|(at, (x, y))| m(at) * if squared { (x - y) * (x - y) } else { (x - y).abs() });
                let covered: f64 = mask.iter().map(|&m| f64::from(m)).sum();
                vec![terms.sum::<f64>() / (covered + 1e-5) / channels as f64]
            };
            let m = Tensor::from_slice(&mask, (count, 1, height, width), &Device::Cpu).expect("mask");
            let l1 = Proof::new(1, &[&shape, &shape], |x| reference(x, false));
            l1.holds(&format!("L1 {shape:?}"), 1e-6, |x| masked_l1(&x[0], &x[1], &m));
            let l2 = Proof::new(2, &[&shape, &shape], |x| reference(x, true));
            l2.holds(&format!("L2 {shape:?}"), 1e-6, |x| masked_l2(&x[0], &x[1], &m));
        }
    }

    #[test]
    fn one_masked_pixel_off_by_one_in_one_of_two_channels_costs_a_half() {
        let tensor =
            |values: &[f32], channels| Tensor::from_slice(values, (1, channels, 1, 2), &Device::Cpu).expect("image");
        let (x, y) = (tensor(&[1.0, 5.0, 2.0, f32::NAN], 2), tensor(&[0.0, 9.0, 2.0, 9.0], 2));
        let m = tensor(&[1.0, 0.0], 1);
        for loss in [masked_l1(&x, &y, &m), masked_l2(&x, &y, &m)] {
            let loss = loss.and_then(|loss| Ok(loss.to_scalar::<f32>()?)).expect("loss");
            assert!((loss - 0.5).abs() < 1e-5, "{loss}");
        }
    }

    #[test]
    fn equal_values_have_no_gradient_and_an_empty_mask_no_loss() {
        let x = Var::from_slice(&[1.0f32, 2.0], (1, 1, 1, 2), &Device::Cpu).expect("x");
        let y = Tensor::from_slice(&[1.0f32, 0.0], (1, 1, 1, 2), &Device::Cpu).expect("y");
        let mask = |value| Tensor::full(value, (1, 1, 1, 2), &Device::Cpu).expect("mask");
        let store = masked_l1(&x, &y, &mask(1f32)).expect("loss").backward().expect("backward");
        let dx = store.get(&x).and_then(|dx| dx.flatten_all().ok()?.to_vec1::<f32>().ok()).expect("gradient");
        assert!(dx[0] == 0.0 && (dx[1] - 0.5).abs() < 1e-5, "{dx:?}");
        assert_eq!(masked_l1(&x, &y, &mask(0f32)).expect("loss").to_scalar::<f32>().expect("f32"), 0.0);
    }

    #[test]
    fn what_does_not_fit_is_refused_with_both_shapes() {
        let zeros = |shape: &[usize]| Tensor::zeros(shape, DType::F32, &Device::Cpu).expect("zeros");
        let x = zeros(&[2, 3, 4, 4]);
        let error = masked_l1(&x, &zeros(&[2, 3, 4, 5]), &zeros(&[2, 1, 4, 4])).expect_err("target").to_string();
        assert!(error.contains("[2, 3, 4, 5]") && error.contains("[2, 3, 4, 4]"), "{error}");
        let error = masked_l2(&x, &x, &zeros(&[2, 3, 4, 4])).expect_err("mask").to_string();
        assert!(error.contains("[2, 1, 4, 4]"), "{error}");
    }
}
