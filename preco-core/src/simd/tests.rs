//! Every operation of every level that this processor has, against scalar f64.

use super::*;

/// What [`probe`] computes lane by lane.
const OUTPUTS: usize = 16;

#[inline(always)]
unsafe fn probe_body<S: Simd>(a: &[f32], b: &[f32], out: &mut [Vec<f32>], count: usize) {
    // SAFETY: the test passes `LANES` values and room for as many.
    unsafe {
        let (x, y) = (S::load(a.as_ptr()), S::load(b.as_ptr()));
        let (gelu, slope) = math::gelu_with_derivative::<S>(x);
        let results: [S::V; OUTPUTS] = [
            S::add(x, y),
            S::sub(x, y),
            S::mul(x, y),
            S::div(x, y),
            S::mul_add(x, y, x),
            S::max(x, y),
            S::min(x, y),
            S::abs(x),
            S::copy_sign(x, y),
            S::round(x),
            S::power_of_two(S::round(x)),
            S::add_where_different(x, y, S::round(x), S::round(y)),
            math::exp::<S>(x),
            gelu,
            slope,
            S::load_partial(a.as_ptr(), count),
        ];
        for (out, v) in out.iter_mut().zip(results) {
            S::store(out.as_mut_ptr(), v);
        }
        S::store_partial(out[OUTPUTS].as_mut_ptr(), x, count);
        out[OUTPUTS + 1][0] = S::sum(x);
        out[OUTPUTS + 1][1] = S::maximum(x);
        out[OUTPUTS + 1][2] = S::LANES as f32;
    }
}
simd_kernel!(unsafe fn probe(a: &[f32], b: &[f32], out: &mut [Vec<f32>], count: usize) => probe_body);

fn erf(x: f64) -> f64 {
    // Maclaurin's series: exact to f64 rounding times e^(x²), enough for |x| <= 6 at f32 accuracy.
    let (mut term, mut sum, mut n) = (x, x, 0.0);
    while term.abs() > 1e-17 * sum.abs() && n < 400.0 {
        n += 1.0;
        term *= -x * x / n;
        sum += term / (2.0 * n + 1.0);
    }
    sum * std::f64::consts::FRAC_2_SQRT_PI
}

#[test]
fn every_level_computes_what_scalars_compute() {
    let mut stream = crate::rng::Stream::new(1, "simd", 0, 0);
    for level in Level::available() {
        for round in 0..200 {
            let a: Vec<f32> = (0..16).map(|_| stream.between(-4.5, 4.5) as f32).collect();
            let mut b: Vec<f32> = (0..16).map(|_| stream.between(0.1, 4.0) as f32).collect();
            b[3] = a[3];
            b[5] = -b[5];
            let mut out = vec![vec![9.0f32; 16]; OUTPUTS + 2];
            let count = round % 8;
            // SAFETY: sixteen values each, as many as the widest level has lanes.
            unsafe { probe(level, &a, &b, &mut out, count) };
            let lanes = out[OUTPUTS + 1][2] as usize;
            for i in 0..lanes {
                let (x, y) = (f64::from(a[i]), f64::from(b[i]));
                let phi = 0.5 * (1.0 + erf(x / std::f64::consts::SQRT_2));
                let density = (-0.5 * x * x).exp() / std::f64::consts::TAU.sqrt();
                let rounded = |v: f64| v.round_ties_even();
                let want = [
                    x + y,
                    x - y,
                    x * y,
                    x / y,
                    x * y + x,
                    x.max(y),
                    x.min(y),
                    x.abs(),
                    x.abs().copysign(y),
                    rounded(x),
                    rounded(x).exp2(),
                    if rounded(x) == rounded(y) { x } else { x + y },
                    x.exp(),
                    x * phi,
                    phi + x * density,
                    if i < count { x } else { 0.0 },
                ];
                for (k, want) in want.iter().enumerate() {
                    let error = (f64::from(out[k][i]) - want).abs();
                    assert!(
                        error <= 6e-7 * want.abs().max(1.0),
                        "{level}: result {k} of {x}, {y}: {} {want}",
                        out[k][i]
                    );
                }
                let stored = out[OUTPUTS][i];
                assert_eq!(stored, if i < count { a[i] } else { 9.0 }, "{level}: partial store, lane {i} of {count}");
            }
            let sum: f64 = a[..lanes].iter().map(|&x| f64::from(x)).sum();
            assert!((f64::from(out[OUTPUTS + 1][0]) - sum).abs() < 1e-5, "{level}: sum");
            assert_eq!(out[OUTPUTS + 1][1], a[..lanes].iter().copied().fold(f32::MIN, f32::max), "{level}: maximum");
        }
    }
}

#[test]
fn exp_is_right_at_its_limits() {
    for level in Level::available() {
        let a = [-200.0, -87.0, -86.9, -1e-8, 0.0, 1e-8, 87.9, 200.0, 1.0, -1.0, 2.0, -2.0, 3.0, -3.0, 4.0, 5.0f32];
        let mut out = vec![vec![0.0f32; 16]; OUTPUTS + 2];
        // SAFETY: sixteen values each.
        unsafe { probe(level, &a, &[1.0; 16], &mut out, 0) };
        for (x, e) in a.iter().zip(&out[12]).take(8) {
            let want = f64::from(x.clamp(-87.0, 88.0)).exp();
            assert!((f64::from(*e) / want - 1.0).abs() < 4e-7, "{level}: exp({x}) = {e}, want {want}");
        }
    }
}

#[test]
fn a_level_is_parsed_by_its_name_or_refused() {
    for level in Level::available() {
        assert_eq!(Level::parse(level.name()).expect("available"), level);
    }
    let error = Level::parse("sse9").expect_err("no such level").to_string();
    assert!(error.contains("sse9") && error.contains("portable"), "{error}");
}
