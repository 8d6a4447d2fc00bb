//! Projections on three components as colours: each component from its 2nd to its 98th percentile becomes 0 to 255.
//!
//! Percentiles are exact, by nearest rank: of `n` values the one of rank `⌈p n / 100⌉`, where 1 is the smallest. Levels
//! are rounded to the nearest integer, halves up.

/// Percentiles that become 0 and 255.
const PERCENT: [usize; 2] = [2, 98];

/// The colours of `projected` rows of three values. Percentiles are those of the valid rows whose values are finite;
/// other rows are black. A component whose two percentiles are equal is 128 everywhere.
///
/// # Shapes
/// `projected (rows, 3)`, `valid (rows)`.
///
/// # Panics
/// Where there are not three values for each entry of `valid`.
pub fn to_rgb(projected: &[f32], valid: &[bool]) -> Vec<[u8; 3]> {
    assert_eq!(projected.len(), 3 * valid.len(), "three values for each row");
    let rows = projected.as_chunks::<3>().0;
    let is_shown = |row: &[f32; 3], valid: &bool| *valid && row.iter().all(|value| value.is_finite());
    let shown: Vec<&[f32; 3]> =
        rows.iter().zip(valid).filter(|(row, valid)| is_shown(row, valid)).map(|pair| pair.0).collect();
    let ranges = [0, 1, 2].map(|channel| {
        let mut values: Vec<f32> = shown.iter().map(|row| row[channel]).collect();
        PERCENT.map(|percent| percentile(&mut values, percent))
    });
    let colour = |row: &[f32; 3]| [0, 1, 2].map(|channel| level(row[channel], ranges[channel]));
    rows.iter().zip(valid).map(|(row, valid)| if is_shown(row, valid) { colour(row) } else { [0; 3] }).collect()
}

fn percentile(values: &mut [f32], percent: usize) -> f64 {
    if values.is_empty() {
        return 0.0;
    }
    // In u128, as 98 times a length may not fit usize.
    let rank = (values.len() as u128 * percent as u128).div_ceil(100) as usize;
    f64::from(*values.select_nth_unstable_by(rank - 1, f32::total_cmp).1)
}

fn level(value: f32, [low, high]: [f64; 2]) -> u8 {
    let share = (f64::from(value) - low) / (high - low);
    if high > low { (255.0 * share.clamp(0.0, 1.0)).round() as u8 } else { 128 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_of_a_permutation_become_the_ends() {
        // 0 to 99 in a shuffled order, the same halved and one negated: ranks 2 and 98 hold 1 and 97.
        let order: Vec<f32> = (0..100).map(|at| (at * 37 % 100) as f32).collect();
        let projected: Vec<f32> = order.iter().flat_map(|&value| [value, value / 2.0, -value]).collect();
        let colours = to_rgb(&projected, &[true; 100]);
        for (value, [red, green, blue]) in order.iter().zip(colours) {
            let known = |from: f64| (255.0 * (from - 1.0).clamp(0.0, 96.0) / 96.0 + 0.5).floor() as u8;
            assert_eq!((red, green), (known(f64::from(*value)), known(f64::from(*value))), "{value}");
            // Negated: ranks 2 and 98 are -98 and -2.
            assert_eq!(blue, (255.0 * (98.0 - f64::from(*value)).clamp(0.0, 96.0) / 96.0 + 0.5).floor() as u8);
        }
    }

    #[test]
    fn rows_that_are_not_valid_are_black_and_do_not_count() {
        let mut projected = vec![0.0, 7.0, 0.0, 5.0, 7.0, 1.0, 10.0, 7.0, 2.0];
        let alone = to_rgb(&projected, &[true; 3]);
        assert_eq!(alone, [[0, 128, 0], [128, 128, 128], [255, 128, 255]]);
        projected.extend([1e9, -1e9, 1e9, f32::NAN, 0.0, 0.0]);
        let more = to_rgb(&projected, &[true, true, true, false, true]);
        assert_eq!((&more[..3], &more[3..]), (&alone[..], &[[0; 3]; 2][..]));
        assert_eq!(to_rgb(&[f32::INFINITY; 3], &[true]), [[0; 3]]);
        assert!(to_rgb(&[], &[]).is_empty());
    }
}
