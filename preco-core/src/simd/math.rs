//! Exponential and error function on vectors.

use super::Simd;

/// `e^x`, relative error below 1.5e-7; 0 is reached as 1.2e-38, since `x` is held in [-87, 88].
///
/// Cody and Waite's reduction `x = n ln 2 + f` with ln 2 in two parts, then Taylor's polynomial of degree 7 on
/// `|f| <= 0.35`.
#[inline(always)]
pub(crate) unsafe fn exp<S: Simd>(x: S::V) -> S::V {
    // SAFETY: the caller has the level's instructions.
    unsafe {
        // Both return their second operand where one is not a number: a NaN must not leave as a small probability.
        let x = S::min(S::splat(88.0), S::max(S::splat(-87.0), x));
        let n = S::round(S::mul(x, S::splat(std::f32::consts::LOG2_E)));
        let f = S::mul_add(n, S::splat(-0.693_145_75), x);
        let f = S::mul_add(n, S::splat(-1.428_606_8e-6), f);
        let mut sum = S::splat(1.0 / 5040.0);
        for coefficient in [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
            sum = S::mul_add(sum, f, S::splat(coefficient));
        }
        S::mul(sum, S::power_of_two(n))
    }
}

/// `(erfc(|x| / √2), e^(-x²/2))`, absolute error below 1e-7.
///
/// `erfc(z) = P(t) e^(-z²)` with `t = 1 / (1 + 0.45 z)`, the form of Abramowitz and Stegun 7.1.26. Its five
/// coefficients are wrong by 1.5e-7 in one direction, which shows in sums over a deep network; these seven, fitted for
/// the least maximum on [0, 6.5] and rounded to f32, by 8e-9.
#[inline(always)]
unsafe fn erfc_and_gauss<S: Simd>(x: S::V) -> (S::V, S::V) {
    // SAFETY: the caller has the level's instructions.
    unsafe {
        let z = S::abs(S::mul(x, S::splat(std::f32::consts::FRAC_1_SQRT_2)));
        let t = S::div(S::splat(1.0), S::mul_add(z, S::splat(0.45), S::splat(1.0)));
        let mut sum = S::splat(0.092_57);
        for coefficient in [-0.494_106_1, 0.857_171_5, -0.375_806_8, 0.460_173_07, 0.201_008_6, 0.258_989_78] {
            sum = S::mul_add(sum, t, S::splat(coefficient));
        }
        let gauss = exp::<S>(S::sub(S::splat(0.0), S::mul(z, z)));
        (S::mul(S::mul(sum, t), gauss), gauss)
    }
}

/// `x Φ(x)`, the GELU with the error function (not the tanh approximation).
#[inline(always)]
pub(crate) unsafe fn gelu<S: Simd>(x: S::V) -> S::V {
    // SAFETY: the caller has the level's instructions.
    unsafe { gelu_from_erfc::<S>(x, erfc_and_gauss::<S>(x).0) }
}

/// `max(x, 0) − |x| erfc(|x|/√2) / 2`: no difference of near values for negative x.
#[inline(always)]
unsafe fn gelu_from_erfc<S: Simd>(x: S::V, erfc: S::V) -> S::V {
    // SAFETY: the caller has the level's instructions.
    unsafe { S::mul_add(S::mul(S::splat(-0.5), S::abs(x)), erfc, S::max(x, S::splat(0.0))) }
}

/// GELU and its derivative `Φ(x) + x φ(x)`.
#[inline(always)]
pub(crate) unsafe fn gelu_with_derivative<S: Simd>(x: S::V) -> (S::V, S::V) {
    // SAFETY: the caller has the level's instructions.
    unsafe {
        let (erfc, gauss) = erfc_and_gauss::<S>(x);
        let from_half = S::mul_add(S::splat(-0.5), erfc, S::splat(0.5));
        let cumulative = S::add(S::splat(0.5), S::copy_sign(from_half, x));
        let density = S::mul(S::splat(0.398_942_3), gauss);
        (gelu_from_erfc::<S>(x, erfc), S::mul_add(x, density, cumulative))
    }
}
