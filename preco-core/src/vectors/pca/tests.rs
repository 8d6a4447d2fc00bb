//! Components, against NumPy's `eigh` and sums written out.

use super::super::eigen::dot;
use super::*;
use crate::rng::Stream;

const ROWS: [f32; 24] = [
    2.5, 2.4, 0.5, -1.0, 0.5, 0.7, 1.5, 0.25, 2.2, 2.9, -0.75, 3.0, 1.9, 2.2, 0.0, -2.0, 3.1, 3.0, 1.25, 0.5, 2.3, 2.7,
    -1.5, 1.0,
];

fn near(ours: &[f64], theirs: &[f64], most: f64) {
    assert_eq!(ours.len(), theirs.len());
    assert!(ours.iter().zip(theirs).all(|(a, b)| (a - b).abs() < most), "{ours:?} is not {theirs:?}");
}

#[test]
fn components_are_numpys() {
    let pca = Pca::fit(&ROWS, 4, 4).expect("components");
    near(&pca.components, &NUMPY_COMPONENTS, 1e-13);
    near(&pca.explained, &NUMPY_EXPLAINED, 1e-14);
    near(&pca.mean, &NUMPY_MEAN, 1e-15);
    let three = Pca::fit(&ROWS, 4, 3).expect("components");
    assert_eq!((&three.components[..], &three.explained[..]), (&pca.components[..12], &pca.explained[..3]));
    let projected: Vec<f64> = three.project(&ROWS).iter().map(|value| f64::from(*value)).collect();
    near(&projected, &NUMPY_PROJECTED, 2e-7);
}

#[test]
fn the_covariance_is_the_sum_of_products_written_out() {
    // More rows than a block, lengths beside multiples of four.
    for (rows, length) in [(3, 7), (256, 4), (700, 13)] {
        let mut stream = Stream::new(6, "rows", 0, rows as u64);
        let values: Vec<f32> = (0..rows * length).map(|_| (3.0 + stream.normal()) as f32).collect();
        let mean = mean(&values, length);
        let found = covariance(&values, &mean);
        for (a, b) in (0..length).flat_map(|a| (0..length).map(move |b| (a, b))) {
            let product = |row: &[f32]| (f64::from(row[a]) - mean[a]) * (f64::from(row[b]) - mean[b]);
            let plain = values.chunks_exact(length).map(product).sum::<f64>() / rows as f64;
            assert!((found[a * length + b] - plain).abs() < 1e-13, "{rows} rows: {a}, {b}");
        }
    }
}

#[test]
fn many_values_and_few_rows_keep_components_orthonormal_whatever_the_threads() {
    let (rows, length) = (40, 196);
    let mut stream = Stream::new(4, "rows", 0, 0);
    let values: Vec<f32> = (0..rows * length).map(|at| (stream.normal() * (1.0 + (at % 7) as f64)) as f32).collect();
    let pca = Pca::fit(&values, length, 45).expect("components");
    for (at, one) in pca.components.chunks_exact(length).enumerate() {
        for (beside, other) in pca.components.chunks_exact(length).enumerate() {
            let known = f64::from(u8::from(at == beside && at < rows - 1));
            assert!((dot(one, other) - known).abs() < 1e-12, "{at}, {beside}");
        }
    }
    assert!(pca.explained.is_sorted_by(|a, b| a >= b));
    assert!((pca.explained.iter().sum::<f64>() - 1.0).abs() < 1e-12, "forty rows differ in 39 directions");
    assert!(pca.explained[38] > 1e-6 && pca.explained[39..] == [0.0; 6]);
    let projected = pca.project(&values);
    for threads in [1, 2, 5] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("pool");
        assert_eq!(pool.install(|| Pca::fit(&values, length, 45)).expect("components"), pca);
        assert_eq!(pool.install(|| pca.project(&values)), projected);
    }
}

#[test]
fn projections_have_the_variances_that_are_told_and_rows_may_change_places() {
    let pca = Pca::fit(&ROWS, 4, 4).expect("components");
    let whole: f64 = (0..4).map(|at| covariance(&ROWS, &pca.mean)[5 * at]).sum();
    let projected = pca.project(&ROWS);
    for component in 0..4 {
        let variance = projected.iter().skip(component).step_by(4).map(|x| f64::from(*x).powi(2)).sum::<f64>() / 6.0;
        assert!((variance / whole - pca.explained[component]).abs() < 1e-7, "{component}");
    }
    let turned: Vec<f32> = [4, 1, 5, 0, 3, 2].iter().flat_map(|&at| &ROWS[4 * at..][..4]).copied().collect();
    near(&Pca::fit(&turned, 4, 4).expect("components").components, &pca.components, 1e-13);
}

#[test]
fn rows_that_do_not_differ_give_zeros() {
    let pca = Pca::fit(&[0.1, 0.2, 0.3, 0.4].repeat(3), 4, 3).expect("components");
    assert_eq!((&pca.explained, &pca.components), (&vec![0.0; 3], &vec![0.0; 12]));
    assert_eq!(pca.project(&[0.1, 0.2, 0.3, 0.4, 9.0, 9.0, 9.0, 9.0]), [0.0; 6]);
    assert_eq!(pca.colours(&[0.1, 0.2, 0.3, 0.4]), [[128; 3]]);
    assert_eq!(Pca::fit(&[5.0, 6.0], 2, 2).expect("one row").explained, [0.0; 2]);
    // Rows along one axis: one component explains all.
    let rows = [0.0, 0.0, 0.0, 5.0, 0.0, 0.0, 10.0, 0.0, 0.0];
    let pca = Pca::fit(&rows, 3, 3).expect("components");
    assert_eq!((&pca.explained[..], &pca.components[..3]), (&[1.0, 0.0, 0.0][..], &[1.0, 0.0, 0.0][..]));
    assert_eq!(pca.colours(&rows), [[0, 128, 128], [128, 128, 128], [255, 128, 128]]);
    assert!(pca.project(&[f32::NAN, 0.0, 0.0])[0].is_nan());
}

#[test]
fn the_largest_value_of_a_component_is_positive() {
    for (mut vector, known) in [
        (vec![0.5, -0.75, 0.25], vec![-0.5, 0.75, -0.25]),
        (vec![-0.5, 0.75, 0.25], vec![-0.5, 0.75, 0.25]),
        (vec![-0.5, 0.5, 0.0], vec![0.5, -0.5, 0.0]),
    ] {
        positive(&mut vector);
        assert_eq!(vector, known);
    }
    let mut stream = Stream::new(8, "rows", 0, 0);
    let values: Vec<f32> = (0..50 * 20).map(|_| stream.normal() as f32).collect();
    for component in Pca::fit(&values, 20, 20).expect("components").components.chunks_exact(20) {
        assert!(component.iter().all(|value| -value < component.iter().fold(0.0, |most, value| value.max(most))));
    }
}

#[test]
fn the_ends_of_f32_make_no_nan() {
    for scale in [f32::MAX, 1e-38, 1e-44] {
        let rows: Vec<f32> = ROWS.iter().map(|value| value / 4.0 * scale).collect();
        let pca = Pca::fit(&rows, 4, 4).expect("components");
        assert!((pca.explained.iter().sum::<f64>() - 1.0).abs() < 1e-9, "{scale:e}: {:?}", pca.explained);
    }
}

#[test]
fn what_has_no_components_is_refused() {
    for (rows, length, count, needle) in [
        (&[1.0, 2.0][..], 2, 0, "0 components of rows of 2"),
        (&[1.0, 2.0], 2, 3, "3 components of rows of 2"),
        (&[], 2, 1, "of 0 rows"),
        (&[1.0, 2.0, 3.0], 2, 1, "3 values are no rows of 2"),
        (&[], 0, 1, "0 values are no rows of 0"),
        (&[], 9000, 1, "8192 at most"),
        (&[1.0, 2.0, f32::NAN, 0.0], 2, 1, "embedding 1 holds NaN"),
    ] {
        let error = Pca::fit(rows, length, count).expect_err(needle).to_string();
        assert!(error.contains(needle), "{error}");
    }
}

/// `numpy.linalg.eigh` of the covariance, signs chosen as ours.
const NUMPY_COMPONENTS: [f64; 16] = [
    0.1451355311743021,
    0.2532982094505118,
    -0.3800625445693042,
    0.8776834035661287,
    0.552392774622802,
    0.5196368317794116,
    -0.4745553331333423,
    -0.4468075887868073,
    0.5146589697176952,
    0.3091252472867307,
    0.7826126048389234,
    0.164575931187625,
    -0.6394716921212354,
    0.7551550580095044,
    0.1336682788003362,
    -0.0543100780778444,
];
const NUMPY_EXPLAINED: [f64; 4] = [0.5908827941736743, 0.2656718634457099, 0.1418073400714113, 0.0016380023092046];
const NUMPY_MEAN: [f64; 4] = [2.0833333134651184, 2.316666712363561, 0.16666666666666666, 0.2916666666666667];
const NUMPY_PROJECTED: [f64; 18] = [
    -1.1787805735541406,
    0.6924081199986628,
    0.2884953240649982,
    -1.1826169092562078,
    -2.3288249181397758,
    -0.278003050099921,
    2.890139673715572,
    -0.4075274588888835,
    -0.031301749964247,
    -2.004173680968801,
    0.9411303062742926,
    -0.6380073678407183,
    0.0917578297453604,
    0.309497898573063,
    1.6165891261160987,
    1.3836736603182171,
    0.7933160521826408,
    -0.9577722822762109,
];
