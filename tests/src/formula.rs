//! Tensors that are not shipped because a formula gives them: weights of large models, and probes of gradients.
//!
//! Element `k` of tensor `name`, with `m = k mod 104729` and `phase = 2π (fnv1a64(name) mod 65536) / 65536`:
//! F1 is `base + amp sin(0.37 m + phase)`; F2 adds `2π ((7919 m²) mod 104729) / 104729` to the angle. All in f64, cast last.

use std::f64::consts::TAU;

use preco_core::rng::fnv1a64;

/// The period of both formulas.
const PERIOD: usize = 104_729;

/// Which formula.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Formula {
    /// The plain sine: matrices of rank 2 to 32, a weak test.
    F1,
    /// With a quadratic chirp: matrices of full rank.
    F2,
}

/// `len` values of tensor `name`.
pub fn wave(formula: Formula, name: &str, len: usize, base: f64, amp: f64) -> Vec<f32> {
    let phase = TAU * (fnv1a64(name) % 65_536) as f64 / 65_536.0;
    let value = |m: usize| {
        let mut angle = 0.37 * m as f64 + phase;
        if formula == Formula::F2 {
            angle += TAU * ((7919 * m as u64 * m as u64) % PERIOD as u64) as f64 / PERIOD as f64;
        }
        (base + amp * angle.sin()) as f32
    };
    let period: Vec<f32> = (0..len.min(PERIOD)).map(value).collect();
    let mut values = Vec::with_capacity(len);
    while values.len() < len {
        values.extend_from_slice(&period[..period.len().min(len - values.len())]);
    }
    values
}

/// The weight called `name` (timm's or torchvision's key) of `shape`.
pub fn weight(formula: Formula, name: &str, shape: &[usize]) -> Vec<f32> {
    let (base, amp) = range(name, shape);
    wave(formula, name, shape.iter().product(), base, amp)
}

/// `(base, amp)` of a weight.
fn range(name: &str, shape: &[usize]) -> (f64, f64) {
    let last = name.rsplit('.').next().unwrap_or(name);
    if last.ends_with("relative_position_bias_table") {
        (0.0, 0.5)
    } else if last.ends_with("running_var") {
        (1.0, 0.2)
    } else if last.ends_with("running_mean") {
        (0.0, 0.1)
    } else if shape.len() <= 1 {
        if name.ends_with("bias") { (0.0, 0.02) } else { (1.0, 0.1) }
    } else if ["mask_token", "cls_token", "pos_embed"].iter().any(|token| last.ends_with(token)) {
        (0.0, 0.02)
    } else {
        (0.0, 1.0 / (shape[1..].iter().product::<usize>() as f64).sqrt())
    }
}

/// A row of `graddigest`: sum, Euclidean norm, and the product with F2 of name `R.<name>`; summed in f64.
pub fn digest(name: &str, gradient: &[f32]) -> [f64; 3] {
    let probe = wave(Formula::F2, &format!("R.{name}"), gradient.len(), 0.0, 1.0);
    let [mut sum, mut squares, mut product] = [0.0f64; 3];
    for (&value, probe) in gradient.iter().zip(probe) {
        let value = f64::from(value);
        sum += value;
        squares += value * value;
        product += value * f64::from(probe);
    }
    [sum, squares.sqrt(), product]
}

/// A row of `stats`: sum, Euclidean norm and largest magnitude, in f64.
pub fn stats(values: &[f32]) -> [f64; 3] {
    let widened = || values.iter().map(|&value| f64::from(value));
    [widened().sum(), widened().map(|v| v * v).sum::<f64>().sqrt(), widened().map(f64::abs).fold(0.0, f64::max)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_formula_repeats_after_its_period() {
        let values = wave(Formula::F2, "a.weight", PERIOD + 7, 0.0, 1.0);
        assert_eq!(values[..7], values[PERIOD..]);
        assert_ne!(values[..7], wave(Formula::F1, "a.weight", 7, 0.0, 1.0)[..]);
    }

    #[test]
    fn golden_ends_of_formula_tensors_agree() {
        let folder = crate::folder::workspace().join("tests/golden/swin");
        for name in ["swinb_192_w6", "swinb_192_w6_F1"] {
            let case = crate::read::case(&folder, "swin", name);
            for (weight, shape) in
                [("patch_embed.proj.weight", &[128, 3, 4, 4][..]), ("norm.weight", &[1024]), (DEEP, &[2048, 512])]
            {
                case.check_formula(weight, &case.weight(weight, shape));
            }
            case.check_formula("input", &case.image(3 * 192 * 192));
            case.leave_out("out", "this test is about the formula");
            case.finish().expect("every end of a formula tensor");
        }
    }
    const DEEP: &str = "layers.2.blocks.17.mlp.fc1.weight";

    #[test]
    fn each_kind_of_weight_has_its_range() {
        assert_eq!(range("layers.0.blocks.0.attn.relative_position_bias_table", &[49, 3]), (0.0, 0.5));
        assert_eq!(range("bn1.running_var", &[8]), (1.0, 0.2));
        assert_eq!(range("norm.bias", &[8]), (0.0, 0.02));
        assert_eq!(range("norm.weight", &[8]), (1.0, 0.1));
        assert_eq!(range("mask_token", &[1, 1, 16]), (0.0, 0.02));
        assert_eq!(range("patch_embed.proj.weight", &[16, 3, 4, 4]), (0.0, 1.0 / 48f64.sqrt()));
    }
}
