//! Exponential and error function on vectors.

use super::Simd;

/// `e^x`, relative error below 2e-7; 0 is reached as 1.2e-38, since `x` is held in [-87, 88].
///
/// Cody and Waite's reduction `x = n ln 2 + f` with ln 2 in two parts, then Taylor's polynomial of degree 6 on
/// `|f| <= 0.35`.
#[inline(always)]
pub(crate) unsafe fn exp<S: Simd>(x: S::V) -> S::V {
    // SAFETY: the caller has the level's instructions.
    unsafe {
        let x = S::min(S::max(x, S::splat(-87.0)), S::splat(88.0));
        let n = S::round(S::mul(x, S::splat(std::f32::consts::LOG2_E)));
        let f = S::mul_add(n, S::splat(-0.693_145_75), x);
        let f = S::mul_add(n, S::splat(-1.428_606_8e-6), f);
        let mut sum = S::splat(1.0 / 720.0);
        for coefficient in [1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
            sum = S::mul_add(sum, f, S::splat(coefficient));
        }
        S::mul(sum, S::power_of_two(n))
    }
}

/// `(erf(|x| / √2), e^(-x²/2))`, absolute error below 3e-7: Abramowitz and Stegun 7.1.26.
#[inline(always)]
unsafe fn erf_and_gauss<S: Simd>(x: S::V) -> (S::V, S::V) {
    // SAFETY: the caller has the level's instructions.
    unsafe {
        let z = S::abs(S::mul(x, S::splat(std::f32::consts::FRAC_1_SQRT_2)));
        let t = S::div(S::splat(1.0), S::mul_add(z, S::splat(0.327_591_1), S::splat(1.0)));
        let mut sum = S::splat(1.061_405_4);
        for coefficient in [-1.453_152_1, 1.421_413_7, -0.284_496_74, 0.254_829_6] {
            sum = S::mul_add(sum, t, S::splat(coefficient));
        }
        let gauss = exp::<S>(S::sub(S::splat(0.0), S::mul(z, z)));
        (S::sub(S::splat(1.0), S::mul(S::mul(sum, t), gauss)), gauss)
    }
}

/// `x Φ(x)`, the GELU with the error function (not the tanh approximation).
#[inline(always)]
pub(crate) unsafe fn gelu<S: Simd>(x: S::V) -> S::V {
    // SAFETY: the caller has the level's instructions.
    unsafe {
        let half = S::mul(S::splat(0.5), x);
        S::mul_add(S::abs(half), erf_and_gauss::<S>(x).0, half)
    }
}

/// GELU and its derivative `Φ(x) + x φ(x)`.
#[inline(always)]
pub(crate) unsafe fn gelu_with_derivative<S: Simd>(x: S::V) -> (S::V, S::V) {
    // SAFETY: the caller has the level's instructions.
    unsafe {
        let (erf, gauss) = erf_and_gauss::<S>(x);
        let half = S::mul(S::splat(0.5), x);
        let value = S::mul_add(S::abs(half), erf, half);
        let cumulative = S::mul_add(S::splat(0.5), S::copy_sign(erf, x), S::splat(0.5));
        let density = S::mul(S::splat(0.398_942_3), gauss);
        (value, S::mul_add(x, density, cumulative))
    }
}
