//! What classifiers minimise, over logits on the host: a head's logits are few beside the encoder's work.
//!
//! Softmax cross-entropy with shares for labels, and binary cross-entropy for several labels at once, each with its
//! gradient. Shapes: logits, targets and gradient `(images, classes)`; sums are f64, in row order. With one class to
//! each image and no weights the first is PyTorch's `CrossEntropyLoss`; with weights it is that loss for probabilities
//! as targets, which divides by the images and not by their weights.

/// `−Σ w_c y_c log softmax(x)_c`, the mean over the images; its gradient goes to `d`.
///
/// `targets` are shares of each class, not negative; they need not sum to 1. Without `weights` all are 1.
///
/// # Panics
/// Where the lengths do not fit each other.
pub fn cross_entropy(
    logits: &[f32],
    targets: &[f32],
    classes: usize,
    weights: Option<&[f32]>,
    d: &mut Vec<f32>,
) -> f64 {
    check(logits, targets, classes, weights);
    let images = (logits.len() / classes).max(1) as f64;
    let weight = |class: usize| weights.map_or(1.0, |weights| f64::from(weights[class]));
    d.clear();
    let mut loss = 0.0;
    for (row, target) in logits.chunks_exact(classes).zip(targets.chunks_exact(classes)) {
        let highest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let shifted = |value: f32| f64::from(value) - f64::from(highest);
        let log_sum = row.iter().map(|&value| shifted(value).exp()).sum::<f64>().ln();
        let share = |class: usize| weight(class) * f64::from(target[class]);
        let total: f64 = (0..classes).map(share).sum();
        for (class, &value) in row.iter().enumerate() {
            let log_p = shifted(value) - log_sum;
            // 0 · −∞ is no loss.
            if share(class) != 0.0 {
                loss -= share(class) * log_p / images;
            }
            d.push(((log_p.exp() * total - share(class)) / images) as f32);
        }
    }
    loss
}

/// The mean over images and classes of `−w_c y log σ(x) − (1 − y) log σ(−x)`; its gradient goes to `d`.
///
/// Without `weights` of the positive labels all are 1: PyTorch's `BCEWithLogitsLoss`, its `pos_weight` otherwise.
///
/// # Panics
/// Where the lengths do not fit each other.
pub fn binary_cross_entropy(
    logits: &[f32],
    targets: &[f32],
    classes: usize,
    weights: Option<&[f32]>,
    d: &mut Vec<f32>,
) -> f64 {
    check(logits, targets, classes, weights);
    let values = logits.len().max(1) as f64;
    d.clear();
    let mut loss = 0.0;
    for (at, (&logit, &target)) in logits.iter().zip(targets).enumerate() {
        let (x, y) = (f64::from(logit), f64::from(target));
        let weight = weights.map_or(1.0, |weights| f64::from(weights[at % classes]));
        // log σ(±x) without overflow on either side.
        let log_sigmoid = |x: f64| x.min(0.0) - (-x.abs()).exp().ln_1p();
        loss -= (weight * y * log_sigmoid(x) + (1.0 - y) * log_sigmoid(-x)) / values;
        let (yes, no) = (log_sigmoid(x).exp(), log_sigmoid(-x).exp());
        d.push(((-weight * y * no + (1.0 - y) * yes) / values) as f32);
    }
    loss
}

/// Softmax of each row, in place.
///
/// # Panics
/// Where the rows are not whole.
pub fn softmax(logits: &mut [f32], classes: usize) {
    assert!(logits.len().is_multiple_of(classes), "whole rows of {classes} logits");
    for row in logits.chunks_exact_mut(classes) {
        let highest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let powers: Vec<f64> = row.iter().map(|&value| (f64::from(value) - f64::from(highest)).exp()).collect();
        let sum: f64 = powers.iter().sum();
        row.iter_mut().zip(powers).for_each(|(value, power)| *value = (power / sum) as f32);
    }
}

/// `1 / (1 + e^−x)` of each value, in place.
pub fn sigmoid(logits: &mut [f32]) {
    logits.iter_mut().for_each(|value| *value = (1.0 / (1.0 + (-f64::from(*value)).exp())) as f32);
}

fn check(logits: &[f32], targets: &[f32], classes: usize, weights: Option<&[f32]>) {
    assert!(classes > 0 && logits.len().is_multiple_of(classes), "whole rows of {classes} logits");
    assert_eq!(targets.len(), logits.len(), "a target for each logit");
    assert!(weights.is_none_or(|weights| weights.len() == classes), "a weight for each of {classes} classes");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Stream;

    type Loss = fn(&[f32], &[f32], usize, Option<&[f32]>, &mut Vec<f32>) -> f64;

    #[test]
    fn known_logits_have_the_losses_of_the_formulas() {
        let mut d = Vec::new();
        // Softmax of (ln 1, ln 2, ln 5) is 1/8, 2/8, 5/8.
        let logits = [1f32.ln(), 2f32.ln(), 5f32.ln()];
        let loss = cross_entropy(&logits, &[0.0, 0.0, 1.0], 3, None, &mut d);
        assert!((loss - (8f64 / 5.0).ln()).abs() < 1e-7, "{loss}");
        for (got, want) in d.iter().zip([0.125, 0.25, -0.375]) {
            assert!((got - want).abs() < 1e-6, "{d:?}");
        }
        // Half of each of two labels, the second one weighing 3.
        let loss = cross_entropy(&logits, &[0.5, 0.5, 0.0], 3, Some(&[1.0, 3.0, 9.0]), &mut d);
        assert!((loss - (0.5 * 8f64.ln() + 1.5 * 4f64.ln())).abs() < 1e-6, "{loss}");
        // Sigmoid of ln 3 is 3/4.
        let loss = binary_cross_entropy(&[3f32.ln(), 3f32.ln()], &[1.0, 0.0], 2, Some(&[2.0, 7.0]), &mut d);
        assert!((loss - (2.0 * (4f64 / 3.0).ln() + 4f64.ln()) / 2.0).abs() < 1e-6, "{loss}");
        assert!((d[0] + 0.25).abs() < 1e-6 && (d[1] - 0.375).abs() < 1e-6, "{d:?}");
    }

    #[test]
    fn gradients_are_those_of_finite_differences() {
        let mut stream = Stream::new(1, "logits", 0, 0);
        let mut draw = |scale: f64| -> Vec<f32> { (0..12).map(|_| (scale * stream.uniform()) as f32).collect() };
        let (logits, targets, weights) = (draw(4.0), draw(1.0), [0.5, 1.0, 2.0, 3.0]);
        for (name, loss) in [("softmax", cross_entropy as Loss), ("sigmoid", binary_cross_entropy as Loss)] {
            let (mut d, mut unused) = (Vec::new(), Vec::new());
            loss(&logits, &targets, 4, Some(&weights), &mut d);
            for at in 0..logits.len() {
                let moved = |step: f32| {
                    let mut moved = logits.clone();
                    moved[at] += step;
                    moved
                };
                let (up, down) = (moved(1e-2), moved(-1e-2));
                let width = f64::from(up[at]) - f64::from(down[at]);
                let rise = loss(&up, &targets, 4, Some(&weights), &mut unused)
                    - loss(&down, &targets, 4, Some(&weights), &mut unused);
                let slope = rise / width;
                assert!((slope - f64::from(d[at])).abs() < 1e-5, "{name} {at}: {slope} and {}", d[at]);
                assert_ne!(d[at], 0.0, "{name} {at}");
            }
        }
    }

    #[test]
    fn logits_beyond_all_measure_give_numbers() {
        let mut d = Vec::new();
        let far = [1e30, -1e30, 0.0];
        assert_eq!(cross_entropy(&far, &[1.0, 0.0, 0.0], 3, None, &mut d), 0.0);
        assert!(d.iter().all(|d| *d == 0.0), "{d:?}");
        assert!(binary_cross_entropy(&far, &[1.0, 0.0, 0.5], 3, None, &mut d) < 0.24);
        assert!(d.iter().all(|d| *d == 0.0), "{d:?}");
        let mut rows = far;
        softmax(&mut rows, 3);
        assert_eq!(rows, [1.0, 0.0, 0.0]);
        let mut each = far;
        sigmoid(&mut each);
        assert_eq!(each, [1.0, 0.0, 0.5]);
    }
}
