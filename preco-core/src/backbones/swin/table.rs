//! Relative-position tables for another window: three rules that the field uses, each a pair of small matrices, since
//! every rule works along rows and columns apart.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// How a table is resized.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TableResize {
    /// Bicubic (a = −0.75, corners not aligned): the authors' Swin and its detection fork.
    #[default]
    Bicubic,
    /// Linear on a geometrically spaced grid: timm.
    GeometricLinear,
    /// Interpolating cubic spline on the same grid: SimMIM.
    GeometricSpline,
}

/// A table `((2h−1)(2w−1), heads)` of window `from` for window `to`.
///
/// # Errors
/// [`Error::Config`] where the table has not that size, or where the spline has fewer than four knots.
pub fn resize_table(
    table: &[f32],
    heads: usize,
    from: [usize; 2],
    to: [usize; 2],
    rule: TableResize,
) -> Result<Vec<f32>> {
    let (src, dst) = (from.map(|side| 2 * side - 1), to.map(|side| 2 * side - 1));
    if table.len() != src[0] * src[1] * heads {
        return Err(Error::config(format!(
            "a relative-position table of {} values does not belong to a {}x{} window with {heads} heads",
            table.len(),
            from[0],
            from[1]
        )));
    }
    if from == to {
        return Ok(table.to_vec());
    }
    if rule == TableResize::GeometricSpline && src.iter().any(|&side| side < 4) {
        return Err(Error::config(format!(
            "the cubic spline needs tables of at least 4 rows and columns; window {}x{} has {}x{}. Use bicubic",
            from[0], from[1], src[0], src[1]
        )));
    }
    let [rows, columns]: [Vec<Vec<f64>>; 2] = std::array::from_fn(|axis| match rule {
        TableResize::Bicubic => bicubic(src[axis], dst[axis]),
        TableResize::GeometricLinear => linear(&knots(src[axis], dst[axis]), dst[axis]),
        TableResize::GeometricSpline => spline(&knots(src[axis], dst[axis]), dst[axis]),
    });
    let mut out = vec![0f32; dst[0] * dst[1] * heads];
    for head in 0..heads {
        for (y, row) in rows.iter().enumerate() {
            let mixed: Vec<f64> = (0..src[1])
                .map(|x| {
                    let column = row.iter().enumerate();
                    column.map(|(s, weight)| weight * f64::from(table[(s * src[1] + x) * heads + head])).sum()
                })
                .collect();
            for (x, column) in columns.iter().enumerate() {
                let value: f64 = column.iter().zip(&mixed).map(|(weight, value)| weight * value).sum();
                out[(y * dst[1] + x) * heads + head] = value as f32;
            }
        }
    }
    Ok(out)
}

/// Row `i` of the result weighs the source for destination `i`.
fn bicubic(src: usize, dst: usize) -> Vec<Vec<f64>> {
    const A: f64 = -0.75;
    let near = |t: f64| ((A + 2.0) * t - (A + 3.0)) * t * t + 1.0;
    let far = |t: f64| ((A * t - 5.0 * A) * t + 8.0 * A) * t - 4.0 * A;
    (0..dst)
        .map(|i| {
            let at = (i as f64 + 0.5) * src as f64 / dst as f64 - 0.5;
            let (first, t) = (at.floor(), at - at.floor());
            let mut weights = vec![0.0; src];
            for (k, weight) in [far(t + 1.0), near(t), near(1.0 - t), far(2.0 - t)].into_iter().enumerate() {
                let index = (first as i64 + k as i64 - 1).clamp(0, src as i64 - 1);
                weights[index as usize] += weight;
            }
            weights
        })
        .collect()
}

/// Where the source's values stand: distances from the centre grow geometrically, so that a larger window extrapolates
/// the tails and keeps the centre. The ratio is found by bisection, to 1e-6 as the field does.
fn knots(src: usize, dst: usize) -> Vec<f64> {
    let (half, target) = ((src / 2) as i32, (dst / 2) as f64);
    let (mut low, mut high, mut ratio) = (1.01f64, 1.5f64, 1.01f64);
    while high - low > 1e-6 {
        ratio = (low + high) / 2.0;
        if (1.0 - ratio.powi(half)) / (1.0 - ratio) > target { high = ratio } else { low = ratio }
    }
    let mut distances = Vec::new();
    let mut at = 1.0;
    for i in 0..half {
        distances.push(at);
        at += ratio.powi(i + 1);
    }
    distances.iter().rev().map(|d| -d).chain([0.0]).chain(distances.iter().copied()).collect()
}

/// Destinations −⌊dst/2⌋…⌊dst/2⌋, held within the knots.
fn targets(knots: &[f64], dst: usize) -> impl Iterator<Item = f64> {
    let (first, last) = (knots[0], knots[knots.len() - 1]);
    (0..dst).map(move |i| (i as f64 - (dst / 2) as f64).clamp(first, last))
}

/// The knots' interval that holds `x`.
fn interval(knots: &[f64], x: f64) -> usize {
    (0..knots.len() - 2).find(|&i| x <= knots[i + 1]).unwrap_or(knots.len().saturating_sub(2))
}

fn linear(knots: &[f64], dst: usize) -> Vec<Vec<f64>> {
    targets(knots, dst)
        .map(|x| {
            let mut weights = vec![0.0; knots.len()];
            if knots.len() == 1 {
                weights[0] = 1.0;
                return weights;
            }
            let i = interval(knots, x);
            let t = (x - knots[i]) / (knots[i + 1] - knots[i]);
            (weights[i], weights[i + 1]) = (1.0 - t, t);
            weights
        })
        .collect()
}

/// The not-a-knot cubic spline through the knots.
fn spline(knots: &[f64], dst: usize) -> Vec<Vec<f64>> {
    let n = knots.len();
    let h: Vec<f64> = knots.windows(2).map(|pair| pair[1] - pair[0]).collect();
    // Second derivatives M from values y: `left M = right y`.
    let (mut left, mut right) = (vec![vec![0.0; n]; n], vec![vec![0.0; n]; n]);
    for i in 1..n - 1 {
        (left[i][i - 1], left[i][i], left[i][i + 1]) = (h[i - 1], 2.0 * (h[i - 1] + h[i]), h[i]);
        right[i][i - 1] = 6.0 / h[i - 1];
        right[i][i] = -6.0 / h[i - 1] - 6.0 / h[i];
        right[i][i + 1] = 6.0 / h[i];
    }
    // The third derivative does not jump at the second and the last but one knot.
    (left[0][0], left[0][1], left[0][2]) = (-1.0 / h[0], 1.0 / h[0] + 1.0 / h[1], -1.0 / h[1]);
    let (a, b) = (h[n - 3], h[n - 2]);
    (left[n - 1][n - 3], left[n - 1][n - 2], left[n - 1][n - 1]) = (-1.0 / a, 1.0 / a + 1.0 / b, -1.0 / b);
    let second = solve(left, right);
    targets(knots, dst)
        .map(|x| {
            let i = interval(knots, x);
            let (to, from, width) = (knots[i + 1] - x, x - knots[i], h[i]);
            let (bend_left, bend_right) = (
                to * to * to / (6.0 * width) - width * to / 6.0,
                from * from * from / (6.0 * width) - width * from / 6.0,
            );
            let mut weights: Vec<f64> =
                (0..n).map(|j| bend_left * second[i][j] + bend_right * second[i + 1][j]).collect();
            weights[i] += to / width;
            weights[i + 1] += from / width;
            weights
        })
        .collect()
}

/// `left⁻¹ right` by Gauss's elimination with pivoting; tables have at most a hundred rows.
fn solve(mut left: Vec<Vec<f64>>, mut right: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
    let n = left.len();
    for i in 0..n {
        let pivot = (i..n).max_by(|&a, &b| left[a][i].abs().total_cmp(&left[b][i].abs())).unwrap_or(i);
        left.swap(i, pivot);
        right.swap(i, pivot);
        let (row_l, row_r) = (left[i].clone(), right[i].clone());
        for j in (0..n).filter(|&j| j != i) {
            let factor = left[j][i] / row_l[i];
            if factor != 0.0 {
                left[j].iter_mut().zip(&row_l).for_each(|(x, pivot)| *x -= factor * pivot);
                right[j].iter_mut().zip(&row_r).for_each(|(x, pivot)| *x -= factor * pivot);
            }
        }
    }
    for (left, right) in left.iter().enumerate().map(|(i, row)| row[i]).zip(&mut right) {
        right.iter_mut().for_each(|x| *x /= left);
    }
    right
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spline_through_a_cubic_is_that_cubic() {
        let knots = [-3.0, -1.5, 0.0, 0.5, 3.0];
        let cubic = |x: f64| 0.3 * x * x * x - x * x + 2.0 * x - 1.0;
        for (weights, x) in spline(&knots, 7).iter().zip(targets(&knots, 7)) {
            let value: f64 = weights.iter().zip(knots).map(|(weight, knot)| weight * cubic(knot)).sum();
            assert!((value - cubic(x)).abs() < 1e-12, "at {x}: {value} {}", cubic(x));
        }
    }

    #[test]
    fn every_rule_keeps_a_constant_table() {
        for rule in [TableResize::Bicubic, TableResize::GeometricLinear, TableResize::GeometricSpline] {
            let resized = resize_table(&[0.7; 121 * 2], 2, [6, 6], [7, 7], rule).expect("resize");
            assert_eq!(resized.len(), 169 * 2);
            assert!(resized.iter().all(|value| (value - 0.7).abs() < 1e-6), "{rule:?}");
        }
    }

    #[test]
    fn a_table_of_another_size_is_refused() {
        let error = resize_table(&[0.0; 10], 2, [6, 6], [7, 7], TableResize::Bicubic).expect_err("wrong size");
        assert!(error.to_string().contains("10 values"), "{error}");
    }
}
