//! Eigenvalues and eigenvectors of a symmetric matrix: Householder's reflections, then implicit QL.
//!
//! Golub and Van Loan, 8.3.1 and 8.3.3: `A = Q T Qᵀ` with `T` tridiagonal, `T = S Λ Sᵀ`, and the vectors are the columns
//! of `Q S`. A direct method: a fixed number of steps, and equal eigenvalues are no trouble. Rows and panels of columns
//! are shared among threads, no sum is: the same bytes whatever their number.

use rayon::prelude::*;

/// Columns of `Sᵀ` that a task rotates: with 1536 rows 384 KiB.
const PANEL: usize = 32;
/// Rows of a matrix that a task works on at least.
const ROWS: usize = 64;
/// QL sweeps for one eigenvalue at most; one or two are usual.
const SWEEPS: usize = 100;

/// A symmetric matrix made tridiagonal.
struct Tridiagonal {
    diagonal: Vec<f64>,
    /// Beside the diagonal, and a 0.
    beside: Vec<f64>,
    /// `I - beta v vᵀ` of each step, on the last values of a vector.
    reflections: Vec<(f64, Vec<f64>)>,
}

/// A rotation of rows `i` and `i + 1` by cosine and sine.
struct Rotation(usize, f64, f64);

/// The eigenvalues of the symmetric `matrix` of `size` rows, falling, and unit eigenvectors of the `count` largest.
///
/// # Shapes
/// Values `(size)`, vectors `(count, size)`.
pub(super) fn largest(matrix: Vec<f64>, size: usize, count: usize) -> (Vec<f64>, Vec<f64>) {
    let Tridiagonal { mut diagonal, beside, reflections } = tridiagonal(matrix, size);
    let panels = ql(&mut diagonal, beside);
    let mut order: Vec<usize> = (0..size).collect();
    order.sort_by(|&a, &b| diagonal[b].total_cmp(&diagonal[a]));
    let vector = |&at: &usize| {
        let mut vector: Vec<f64> = panels.iter().flat_map(|panel| &panel[at * PANEL..][..PANEL]).copied().collect();
        vector.truncate(size);
        for (beta, v) in reflections.iter().rev() {
            let tail = &mut vector[size - v.len()..];
            let share = beta * dot(v, tail);
            tail.iter_mut().zip(v).for_each(|(value, v)| *value -= share * v);
        }
        vector
    };
    let vectors: Vec<Vec<f64>> = order[..count].par_iter().map(vector).collect();
    (order.iter().map(|&at| diagonal[at]).collect(), vectors.concat())
}

fn tridiagonal(mut matrix: Vec<f64>, size: usize) -> Tridiagonal {
    let mut beside = vec![0.0; size];
    let mut reflections = Vec::with_capacity(size);
    for step in 0..size.saturating_sub(1) {
        let mut v = matrix[step * size + step + 1..(step + 1) * size].to_vec();
        let norm = dot(&v, &v).sqrt();
        // Nothing to reflect; values whose squares vanish would make beta infinite.
        if dot(&v[1..], &v[1..]) < f64::MIN_POSITIVE {
            beside[step] = v[0];
            continue;
        }
        // The sign that adds: no cancellation.
        beside[step] = -norm.copysign(v[0]);
        v[0] -= beside[step];
        let beta = 2.0 / dot(&v, &v);
        let rest = &mut matrix[(step + 1) * size..];
        let product = |row: &[f64]| beta * dot(&row[step + 1..], &v);
        let mut w: Vec<f64> = rest.par_chunks_exact(size).with_min_len(ROWS).map(product).collect();
        let share = 0.5 * beta * dot(&v, &w);
        w.iter_mut().zip(&v).for_each(|(w, v)| *w -= share * v);
        rest.par_chunks_exact_mut(size).with_min_len(ROWS).zip(&v).zip(&w).for_each(|((row, v_row), w_row)| {
            let columns = row[step + 1..].iter_mut().zip(&v).zip(&w);
            columns.for_each(|((value, v), w)| *value -= v_row * w + w_row * v);
        });
        reflections.push((beta, v));
    }
    let diagonal = (0..size).map(|at| matrix[at * size + at]).collect();
    Tridiagonal { diagonal, beside, reflections }
}

/// Makes the tridiagonal matrix diagonal. Returns `Sᵀ` in panels of columns, each row by row: row `i` belongs to
/// `diagonal[i]`.
fn ql(diagonal: &mut [f64], mut beside: Vec<f64>) -> Vec<Vec<f64>> {
    let size = diagonal.len();
    let panel = |first: usize| {
        let mut panel = vec![0.0; size * PANEL];
        (first..size.min(first + PANEL)).for_each(|at| panel[at * PANEL + at - first] = 1.0);
        panel
    };
    let mut panels: Vec<Vec<f64>> = (0..size).step_by(PANEL).map(panel).collect();
    let scale = diagonal.iter().zip(&beside).map(|(a, b)| a.abs() + b.abs()).fold(0.0, f64::max);
    let is_small = |value: f64| value.abs() <= f64::EPSILON * scale;
    let mut rotations = Vec::new();
    for least in 0..size {
        for _ in 0..SWEEPS {
            let end = (least..size - 1).find(|&at| is_small(beside[at])).unwrap_or(size - 1);
            if end == least {
                break;
            }
            sweep(diagonal, &mut beside, least, end, &mut rotations);
        }
        if rotations.len() > 4 * size || least + 1 == size {
            panels.par_iter_mut().for_each(|panel| rotate(panel, &rotations));
            rotations.clear();
        }
    }
    panels
}

/// One implicit QL step with Wilkinson's shift on rows `least..=end`.
fn sweep(d: &mut [f64], e: &mut [f64], least: usize, end: usize, rotations: &mut Vec<Rotation>) {
    let g = (d[least + 1] - d[least]) / (2.0 * e[least]);
    let mut g = d[end] - d[least] + e[least] / (g + g.hypot(1.0).copysign(g));
    let (mut sine, mut cosine, mut p) = (1.0, 1.0, 0.0);
    for at in (least..end).rev() {
        let (f, b) = (sine * e[at], cosine * e[at]);
        let r = f.hypot(g);
        e[at + 1] = r;
        if r == 0.0 {
            // The matrix fell apart here: its lower part goes on in the next sweep.
            d[at + 1] -= p;
            e[end] = 0.0;
            return;
        }
        (sine, cosine) = (f / r, g / r);
        g = d[at + 1] - p;
        let r = (d[at] - g) * sine + 2.0 * cosine * b;
        p = sine * r;
        d[at + 1] = g + p;
        g = cosine * r - b;
        rotations.push(Rotation(at, cosine, sine));
    }
    d[least] -= p;
    e[least] = g;
    e[end] = 0.0;
}

fn rotate(panel: &mut [f64], rotations: &[Rotation]) {
    for Rotation(at, cosine, sine) in rotations {
        let (upper, lower) = panel[at * PANEL..][..2 * PANEL].split_at_mut(PANEL);
        for (a, b) in upper.iter_mut().zip(lower) {
            (*a, *b) = (cosine * *a - sine * *b, sine * *a + cosine * *b);
        }
    }
}

/// The product of two vectors, in four lanes.
pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut lanes = [0.0; 4];
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<4>(), b.as_chunks::<4>());
    for (a, b) in a.iter().zip(b) {
        for lane in 0..4 {
            lanes[lane] += a[lane] * b[lane];
        }
    }
    lanes.iter().sum::<f64>() + a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Stream;

    fn check(matrix: &[f64], size: usize) -> Vec<f64> {
        let (values, vectors) = largest(matrix.to_vec(), size, size);
        let scale =
            matrix.iter().fold(0.0f64, |most, value| most.max(value.abs())).max(f64::MIN_POSITIVE) * size as f64;
        for (at, one) in vectors.chunks_exact(size).enumerate() {
            for (row, value) in matrix.chunks_exact(size).zip(one) {
                assert!((dot(row, one) - values[at] * value).abs() < 1e-13 * scale, "vector {at} of {size}");
            }
            for (beside, other) in vectors.chunks_exact(size).enumerate() {
                assert!((dot(one, other) - f64::from(u8::from(at == beside))).abs() < 1e-12);
            }
        }
        assert!(values.is_sorted_by(|a, b| a >= b));
        values
    }

    #[test]
    fn values_are_numpys() {
        let values = check(&[4., 1., -2., 2., 1., 2., 0., 1., -2., 0., 3., -2., 2., 1., -2., -1.], 4);
        let numpy = [6.844621107234965, 2.2685314064312423, 1.0843644637732166, -2.1975169774394243];
        assert!(values.iter().zip(numpy).all(|(ours, theirs)| (ours - theirs).abs() < 1e-14), "{values:?}");
    }

    #[test]
    fn vectors_are_orthonormal_and_solve_the_equation() {
        for size in [1, 2, 3, 5, 31, 32, 33, 150] {
            let mut stream = Stream::new(3, "matrix", 0, size as u64);
            let mut matrix = vec![0.0; size * size];
            for (row, column) in (0..size).flat_map(|row| (0..=row).map(move |column| (row, column))) {
                let value = stream.normal();
                (matrix[row * size + column], matrix[column * size + row]) = (value, value);
            }
            check(&matrix, size);
            // Rank one, a multiple of the identity, nothing.
            let rank_one: Vec<f64> = (0..size * size).map(|at| matrix[at / size] * matrix[at % size]).collect();
            let values = check(&rank_one, size);
            assert!((values[0] - dot(&matrix[..size], &matrix[..size])).abs() < 1e-12 * values[0]);
            let identity: Vec<f64> =
                (0..size * size).map(|at| if at / size == at % size { 3.0 } else { 0.0 }).collect();
            assert_eq!(check(&identity, size), vec![3.0; size]);
            assert_eq!(check(&vec![0.0; size * size], size), vec![0.0; size]);
        }
    }

    #[test]
    fn values_whose_squares_vanish_make_no_nan() {
        let matrix = vec![1.0, 1e-170, 3e-165, 1e-170, 2.0, 1e-200, 3e-165, 1e-200, 1e-180];
        assert_eq!(check(&matrix, 3), [2.0, 1.0, 1e-180]);
    }

    #[test]
    fn a_chain_has_its_known_values() {
        // 2 on the diagonal, -1 beside it: 2 - 2 cos(k pi / (n + 1)).
        let size = 70;
        let entry = |row: usize, column: usize| [2.0, -1.0, 0.0][row.abs_diff(column).min(2)];
        let matrix: Vec<f64> = (0..size * size).map(|at| entry(at / size, at % size)).collect();
        for (at, value) in check(&matrix, size).iter().enumerate() {
            let known = 2.0 - 2.0 * ((size - at) as f64 * std::f64::consts::PI / (size as f64 + 1.0)).cos();
            assert!((value - known).abs() < 1e-13, "{value} is not {known}");
        }
    }
}
