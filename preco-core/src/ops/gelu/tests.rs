//! Against the error function's series in f64.

use candle_core::Device;

use super::*;
use crate::ops::proof::{self, Proof};
use crate::rng::Stream;

#[test]
fn gelu_and_its_gradient_equal_the_f64_reference() {
    for shape in [&[1][..], &[3, 7], &[2, 3, 17], &[5, 33]] {
        let mut stream = Stream::new(2, "gelu", 0, 0);
        let x = (0..shape.iter().product()).map(|_| stream.between(-4.5, 4.5) as f32).collect();
        let proof = Proof::at(vec![x], &[shape], |x| x[0].iter().map(|&x| proof::gelu(x)).collect());
        for level in Level::available() {
            proof.holds(&format!("{level} {shape:?}"), 1e-6, |x| gelu(level, &x[0]));
        }
    }
}

#[test]
fn far_from_zero_gelu_is_zero_or_the_identity() {
    let x = Tensor::from_slice(&[-50.0f32, -12.0, 12.0, 50.0, 3e38], 5, &Device::Cpu).expect("x");
    for level in Level::available() {
        let y = gelu(level, &x).and_then(|y| Ok(y.to_vec1::<f32>()?)).expect("gelu");
        for (y, want) in y.iter().zip([0.0, 0.0, 12.0, 50.0, 3e38]) {
            assert!((y - want).abs() <= 1e-6 * want.max(1.0), "{level}: {y} {want}");
        }
    }
}

#[test]
fn the_modules_kernel_gives_slope_activation_and_bias_gradient() {
    let mut stream = Stream::new(3, "gelu", 0, 0);
    for (rows, columns) in [(1, 3), (70, 7), (5, 33)] {
        let u: Vec<f32> = (0..rows * columns).map(|_| stream.between(-3.0, 3.0) as f32).collect();
        let dy: Vec<f32> = (0..rows * columns).map(|_| stream.between(-1.0, 1.0) as f32).collect();
        for level in Level::available() {
            let (mut d, mut activation, mut sums) = (dy.clone(), vec![0.0; u.len()], vec![0.5; columns]);
            cpu::backward(level, &u, &mut d, &mut activation, columns, &mut sums);
            let mut want = vec![0.0; u.len()];
            cpu::input_gradient(level, &u, &dy, &mut want);
            let mut value = vec![0.0; u.len()];
            cpu::forward(level, &u, &mut value);
            for (column, got) in sums.iter().enumerate() {
                let sum: f64 = (0..rows).map(|row| f64::from(want[row * columns + column])).sum::<f64>() + 0.5;
                assert!((f64::from(*got) - sum).abs() < 1e-5, "{level} {rows}x{columns}: {got} {sum}");
            }
            for at in 0..u.len() {
                assert!((d[at] - want[at]).abs() < 1e-6, "{level}: slope at {at}");
                assert!((activation[at] - value[at]).abs() < 1e-6, "{level}: activation at {at}");
            }
        }
    }
}
