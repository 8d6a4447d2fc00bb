//! Products in every layout against f64, the epilogue, and equal bits with any number of threads.

use super::*;
use crate::rng::Stream;

fn noise(len: usize, name: u64) -> Vec<f32> {
    let mut stream = Stream::new(1, "gemm", name, 0);
    (0..len).map(|_| stream.between(-1.0, 1.0) as f32).collect()
}

fn transpose(x: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    (0..rows * columns).map(|at| x[at % rows * columns + at / rows]).collect()
}

const SHAPES: &[[usize; 3]] = &[
    [1, 1, 1],
    [7, 5, 3],
    [50, 48, 33],
    [97, 130, 600],
    [384, 128, 513],
    [23, 33, 600],
    [13, 16, 256],
    [6, 64, 0],
    [20, 40, 2100],
    [205, 17, 257],
];

#[test]
fn every_layout_at_every_level_equals_the_f64_product() {
    for level in Level::available() {
        for &[m, n, k] in SHAPES {
            let (a, b) = (noise(m * k, 1), noise(k * n, 2));
            let mut want = vec![0f64; m * n];
            for i in 0..m {
                for q in 0..k {
                    for j in 0..n {
                        want[i * n + j] += f64::from(a[i * k + q]) * f64::from(b[q * n + j]);
                    }
                }
            }
            let (at, bt) = (transpose(&a, m, k), transpose(&b, k, n));
            let plain = |data, row| Matrix { data, row, column: 1 };
            let turned = |data, column| Matrix { data, row: 1, column };
            let a_forms = [plain(&a, k), turned(&at, m)];
            let b_forms = [plain(&b, n), turned(&bt, k)];
            for (form, (a, b)) in a_forms.iter().flat_map(|a| b_forms.iter().map(move |b| (*a, *b))).enumerate() {
                let mut c = noise(m * n, 3);
                gemm(level, [m, n, k], a, b, &mut c, Finish::default());
                for (at, (c, want)) in c.iter().zip(&want).enumerate() {
                    let bound = 1e-6 * (k as f64).sqrt().max(1.0) * 4.0;
                    assert!(
                        (f64::from(*c) - want).abs() < bound,
                        "{level} {m}x{n}x{k} form {form} at {at}: {c} {want}"
                    );
                }
            }
        }
    }
}

#[test]
fn the_epilogue_is_scale_bias_residual_then_gelu() {
    for level in Level::available() {
        for [m, n, k] in [[9, 37, 300], [64, 64, 64]] {
            let (a, b, bias, residual) = (noise(m * k, 1), noise(n * k, 2), noise(n, 3), noise(m * n, 4));
            let scale: Vec<f32> = noise(m.div_ceil(4), 5);
            let (mut product, mut c, mut g) = (vec![0.0; m * n], vec![0.0; m * n], vec![0.0; m * n]);
            let x = Matrix { data: &a, row: k, column: 1 };
            let w = Matrix { data: &b, row: 1, column: k };
            gemm(level, [m, n, k], x, w, &mut product, Finish::default());
            let finish = Finish {
                bias: Some(&bias),
                scale: Some((&scale, 4)),
                residual: Some(&residual),
                gelu: Some(&mut g),
                ..Finish::default()
            };
            gemm(level, [m, n, k], x, w, &mut c, finish);
            for at in 0..m * n {
                let want = scale[at / n / 4] * (product[at] + bias[at % n]) + residual[at];
                assert!((c[at] - want).abs() < 1e-5 * want.abs().max(1.0), "{level} at {at}: {} {want}", c[at]);
                let gelu = f64::from(c[at]) * 0.5 * (1.0 + libm_erf(f64::from(c[at]) / std::f64::consts::SQRT_2));
                assert!((f64::from(g[at]) - gelu).abs() < 2e-6 * gelu.abs().max(1.0), "{level} gelu at {at}");
            }
        }
    }
}

/// Maclaurin's series.
fn libm_erf(x: f64) -> f64 {
    let (mut term, mut sum) = (x, x);
    for n in 1..600 {
        term *= -x * x / f64::from(n);
        sum += term / f64::from(2 * n + 1);
    }
    if x.abs() > 5.0 { x.signum() } else { sum * std::f64::consts::FRAC_2_SQRT_PI }
}

#[test]
fn accumulating_adds_to_what_was_there() {
    for (level, k) in Level::available().into_iter().flat_map(|level| [(level, 700), (level, 2600)]) {
        let [m, n] = [33, 50];
        let (a, b, before) = (noise(m * k, 1), noise(k * n, 2), noise(m * n, 3));
        let (mut c, mut product) = (before.clone(), vec![0.0; m * n]);
        let (a, b) = (Matrix { data: &a, row: k, column: 1 }, Matrix { data: &b, row: n, column: 1 });
        gemm(level, [m, n, k], a, b, &mut product, Finish::default());
        gemm(level, [m, n, k], a, b, &mut c, Finish { accumulate: true, ..Finish::default() });
        for at in 0..m * n {
            assert!((c[at] - before[at] - product[at]).abs() < 3e-4, "{level} at {at}");
        }
    }
}

#[test]
fn the_number_of_threads_does_not_change_a_bit() {
    let [m, n, k] = [301, 200, 333];
    let (a, b) = (noise(m * k, 1), noise(k * n, 2));
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("pool");
        pool.install(|| {
            let mut c = vec![0.0; m * n];
            let (a, b) = (Matrix { data: &a, row: 1, column: m }, Matrix { data: &b, row: n, column: 1 });
            gemm(Level::detect(), [m, n, k], a, b, &mut c, Finish::default());
            c
        })
    };
    let one = run(1);
    for threads in [2, 3, 5] {
        assert_eq!(one, run(threads), "{threads} threads");
    }
}
