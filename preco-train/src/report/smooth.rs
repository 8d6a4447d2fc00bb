//! What curves have in common, drawn as pixels or as paths: their moving average, and their last value in digits.

/// An average is taken at about so many places, for its cost is their number times the window.
const PLACES: usize = 1000;

/// The mean of the showable values within half a `window` to either side, at up to twice [`PLACES`] places.
pub(super) fn averaged(points: &[(f64, f64)], window: usize, is_log: bool) -> Vec<(f64, f64)> {
    let half = window / 2;
    let is_shown = |value: f64| value.is_finite() && (!is_log || value > 0.0);
    let mean = |i: usize, reach: usize| {
        let near = points[i - reach..=i + reach].iter().map(|point| point.1).filter(|&value| is_shown(value));
        let (sum, count) = near.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
        if count > 0.0 { sum / count } else { f64::NAN }
    };
    // The same reach to both sides, or the ends of a slope would be pulled inwards; where that leaves less than a third
    // of the window, the line would only repeat the noise.
    let reach = |i: usize| half.min(i).min(points.len() - 1 - i);
    let steady = points.iter().enumerate().filter(|(i, _)| 3 * reach(*i) >= half);
    let places = steady.step_by((points.len() / PLACES).max(1));
    places.map(|(i, &(step, _))| (step, mean(i, reach(i)))).collect()
}

/// Four significant digits.
pub(super) fn significant(value: f64) -> String {
    if value != 0.0 && !(1e-3..1e6).contains(&value.abs()) {
        return format!("{value:.2e}");
    }
    let power = if value == 0.0 { 0.0 } else { value.abs().log10().floor() };
    let digits = (3.0 - power).clamp(0.0, 6.0) as usize;
    format!("{value:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn averaging_keeps_a_slope_and_skips_gaps() {
        let slope: Vec<(f64, f64)> = (0..50).map(|i| (f64::from(i), 2.0 * f64::from(i))).collect();
        for (step, mean) in averaged(&slope, 9, false) {
            assert!((2.0 * step - mean).abs() < 1e-9, "{step}: {mean}");
        }
        let mut gap = slope;
        gap[20].1 = f64::NAN;
        assert!(averaged(&gap, 9, false).iter().all(|point| point.1.is_finite()));
    }

    #[test]
    fn a_long_series_is_averaged_at_a_thousand_places() {
        let slope: Vec<(f64, f64)> = (0..100_000).map(|i| (f64::from(i), 2.0 * f64::from(i))).collect();
        let means = averaged(&slope, 2500, false);
        assert!((900..=1000).contains(&means.len()), "{}", means.len());
        assert!(means.iter().all(|(step, mean)| (2.0 * step - mean).abs() < 1e-6));
    }

    #[test]
    fn four_digits_are_shown() {
        let shown = [0.0, 12.345_67, 0.123_456, 2e-5, -1234.5, 3e9].map(significant);
        assert_eq!(shown, ["0.000", "12.35", "0.1235", "2.00e-5", "-1234", "3.00e9"]);
    }
}
