//! Components, against NumPy's `eigh`.

use super::*;

const ROWS: [f32; 24] = [
    2.5, 2.4, 0.5, -1.0, 0.5, 0.7, 1.5, 0.25, 2.2, 2.9, -0.75, 3.0, 1.9, 2.2, 0.0, -2.0, 3.1, 3.0, 1.25, 0.5, 2.3, 2.7,
    -1.5, 1.0,
];

#[test]
fn components_are_numpys() {
    let pca = Pca::fit(&ROWS, 4, 3).expect("components");
    for (ours, theirs) in pca.components.iter().zip(NUMPY_COMPONENTS) {
        assert!((ours - theirs).abs() < 1e-7, "{:?}", pca.components);
    }
    for (ours, theirs) in pca.explained.iter().zip(NUMPY_EXPLAINED) {
        assert!((ours - theirs).abs() < 1e-12, "{:?}", pca.explained);
    }
}

#[test]
fn many_values_and_few_rows_keep_components_orthonormal_whatever_the_threads() {
    let (rows, length) = (40, 96);
    let mut stream = Stream::new(4, "rows", 0, 0);
    let values: Vec<f32> = (0..rows * length).map(|at| (stream.normal() * (1.0 + (at % 7) as f64)) as f32).collect();
    let pca = Pca::fit(&values, length, 5).expect("components");
    for (at, one) in pca.components.chunks_exact(length).enumerate() {
        for (beside, other) in pca.components.chunks_exact(length).enumerate() {
            assert!((dot(one, other) - f64::from(u8::from(at == beside))).abs() < 1e-9);
        }
    }
    assert!(pca.explained.is_sorted_by(|a, b| a >= b));
    for threads in [1, 3] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("pool");
        assert_eq!(pool.install(|| Pca::fit(&values, length, 5)).expect("components"), pca);
    }
}

#[test]
fn rows_that_do_not_differ_give_numbers_all_the_same() {
    let pca = Pca::fit(&[1.0, 2.0, 3.0, 4.0, 1.0, 2.0, 3.0, 4.0], 4, 3).expect("components");
    assert_eq!(pca.explained, [0.0; 3]);
    assert_eq!(pca.colours(&[1.0, 2.0, 3.0, 4.0]), [[128; 3]]);
    // Rows along one axis: one component explains all, the others are orthogonal.
    let pca = Pca::fit(&[0.0, 0.0, 0.0, 5.0, 0.0, 0.0, 10.0, 0.0, 0.0], 3, 3).expect("components");
    assert!((pca.explained[0] - 1.0).abs() < 1e-12 && pca.explained[1..].iter().all(|share| share.abs() < 1e-12));
    assert!((pca.components[0] - 1.0).abs() < 1e-9);
    // Percentiles of three rows are the least and the largest.
    assert_eq!(pca.colours(&[0.0, 0.0, 0.0, 5.0, 0.0, 0.0, 10.0, 0.0, 0.0]).map_first(), [0, 128, 255]);
}

trait First {
    fn map_first(self) -> Vec<u8>;
}

impl First for Vec<[u8; 3]> {
    fn map_first(self) -> Vec<u8> {
        self.into_iter().map(|colour| colour[0]).collect()
    }
}

/// `numpy.linalg.eigh` of the covariance, signs chosen as ours.
const NUMPY_COMPONENTS: [f64; 12] = [
    0.145135531174302,
    0.253298209450512,
    -0.380062544569304,
    0.877683403566129,
    0.552392774622802,
    0.519636831779412,
    -0.474555333133342,
    -0.446807588786807,
    0.514658969717695,
    0.309125247286731,
    0.782612604838923,
    0.164575931187625,
];
const NUMPY_EXPLAINED: [f64; 3] = [0.590882794173674, 0.265671863445710, 0.141807340071411];
