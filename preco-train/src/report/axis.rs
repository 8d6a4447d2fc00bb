//! One axis of a plot: its range, its ticks at round numbers, and the labels of those.

/// A mapping from values to `[0, 1]` with ticks.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    low: f64,
    high: f64,
    is_log: bool,
    /// About so many ticks.
    wanted: f64,
}

impl Axis {
    /// An axis over the finite `values` (over the positive ones where `is_log`), with about `ticks` ticks and a share
    /// of `margin` of the range left free at both ends.
    pub(super) fn over(values: impl Iterator<Item = f64>, is_log: bool, ticks: usize, margin: f64) -> Self {
        let usable = values.filter(|v| v.is_finite() && (!is_log || *v > 0.0));
        let scaled = usable.map(|v| if is_log { v.log10() } else { v });
        let (mut low, mut high) = scaled.fold((f64::MAX, f64::MIN), |(low, high), v| (low.min(v), high.max(v)));
        if low > high {
            (low, high) = (0.0, 1.0);
        }
        // A constant gets room above and below; halves first, for the span of two huge numbers may overflow.
        if high / 2.0 - low / 2.0 <= 1e-12 * low.abs().max(high.abs()) {
            let room = if low == 0.0 { 1.0 } else { 0.1 * low.abs() };
            (low, high) = (low - room, high + room);
        }
        let pad = margin * (high / 2.0 - low / 2.0) * 2.0;
        // Powers beyond these are no numbers any more, and neither is the span of the two largest.
        let (least, most) = if is_log { (-307.0, 308.0) } else { (f64::MIN / 4.0, f64::MAX / 4.0) };
        (low, high) = ((low - pad).clamp(least, most), (high + pad).clamp(least, most));
        Self { low, high, is_log, wanted: ticks as f64 }
    }

    /// Where a value lies, 0 at the low end and 1 at the high end; nothing for what the axis cannot show.
    pub(super) fn place(&self, value: f64) -> Option<f32> {
        let value = if self.is_log { value.log10() } else { value };
        let place = (value - self.low) / (self.high - self.low);
        place.is_finite().then_some(place as f32)
    }

    /// Values and labels of the ticks.
    pub(super) fn ticks(&self) -> Vec<(f64, String)> {
        let span = self.high - self.low;
        if !self.is_log {
            let step = nice(span / self.wanted);
            let largest = self.low.abs().max(self.high.abs());
            return multiples(self.low, self.high, step).map(|value| (value, label(value, step, largest))).collect();
        }
        // Below two thirds of a decade ticks at equal distances read best, up to three 1-2-5, then powers of ten.
        if span < 0.67 {
            return Self { low: 10f64.powf(self.low), high: 10f64.powf(self.high), is_log: false, ..*self }.ticks();
        }
        let factors: &[f64] = if span < 3.0 { &[1.0, 2.0, 5.0] } else { &[1.0] };
        let stride = if span < 3.0 { 1.0 } else { (span / self.wanted).ceil() };
        multiples(self.low.floor(), self.high, stride)
            .flat_map(|power| factors.iter().map(move |factor| (power, factor * 10f64.powf(power))))
            .filter(|(_, value)| (self.low..=self.high).contains(&value.log10()))
            .map(|(power, value)| (value, label(value, 10f64.powf(power), value)))
            .collect()
    }
}

/// The multiples of `step` in `[low, high]`, at most 50.
fn multiples(low: f64, high: f64, step: f64) -> impl Iterator<Item = f64> {
    let first = (low / step).ceil();
    let count = ((high / step).floor() - first + 1.0).clamp(0.0, 50.0) as usize;
    (0..count).map(move |i| (first + i as f64) * step)
}

/// The smallest of 1, 2, 5 times a power of ten that is not below `rough`.
fn nice(rough: f64) -> f64 {
    let power = 10f64.powf(rough.log10().floor());
    [1.0, 2.0, 5.0].map(|m| m * power).into_iter().find(|step| *step >= rough * (1.0 - 1e-9)).unwrap_or(10.0 * power)
}

/// A value with the digits its step needs and the unit of the `largest` beside it: `12k`, `0.25`, `3e-5`.
fn label(value: f64, step: f64, largest: f64) -> String {
    if value.abs() < step * 1e-6 {
        return "0".into();
    }
    let decimals = |step: f64| (-(step.log10() + 1e-9).floor()).clamp(0.0, 8.0) as usize;
    match largest {
        l if !(1e-4..1e9).contains(&l) => {
            let power = (value.abs().log10() + 1e-9).floor();
            format!("{value:.0$e}", decimals(step / 10f64.powf(power)).min(6))
        }
        l if l >= 1e6 && step >= 1e4 => format!("{:.1$}M", value / 1e6, decimals(step / 1e6)),
        l if l >= 1e4 && step >= 10.0 => format!("{:.1$}k", value / 1e3, decimals(step / 1e3)),
        _ => format!("{value:.0$}", decimals(step)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(values: &[f64], is_log: bool) -> Vec<String> {
        Axis::over(values.iter().copied(), is_log, 5, 0.0).ticks().into_iter().map(|tick| tick.1).collect()
    }

    #[test]
    fn ticks_are_round_and_inside() {
        assert_eq!(labels(&[0.0, 1.0], false), ["0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(labels(&[0.0, 50_000.0], false), ["0", "10k", "20k", "30k", "40k", "50k"]);
        assert_eq!(labels(&[3.0, 11.0], false), ["4", "6", "8", "10"]);
        assert_eq!(labels(&[1e-3, 1.0], true), ["0.001", "0.01", "0.1", "1"]);
        assert_eq!(labels(&[0.14, 1.3], true), ["0.2", "0.5", "1"]);
        assert_eq!(labels(&[0.0, 2e6], false), ["0", "0.5M", "1.0M", "1.5M", "2.0M"]);
        assert_eq!(labels(&[0.8, 1.6], true), ["0.8", "1.0", "1.2", "1.4", "1.6"]);
    }

    #[test]
    fn strange_values_give_an_axis_all_the_same() {
        let all: [&[f64]; 7] =
            [&[], &[f64::NAN], &[3.0], &[0.0, 0.0], &[-1.0, f64::INFINITY], &[f64::MIN, f64::MAX], &[1e-300, 1e-299]];
        for values in all {
            for is_log in [false, true] {
                let axis = Axis::over(values.iter().copied(), is_log, 5, 0.05);
                let ticks = axis.ticks();
                assert!(ticks.len() <= 51, "{values:?}: {ticks:?}");
                for (value, label) in ticks {
                    let place = axis.place(value).expect("a tick has a place");
                    assert!((-1e-3..=1.001).contains(&place), "{values:?}: {label} at {place}");
                }
            }
        }
    }
}
