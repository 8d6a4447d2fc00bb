//! `max |a - b| <= atol`, and the report where it is not.

/// Compares `ours` with `golden`; the error names the worst place and both values.
pub(crate) fn within(
    name: &str,
    ours: impl ExactSizeIterator<Item = f64>,
    golden: impl ExactSizeIterator<Item = f64>,
    atol: f64,
) -> Result<(), String> {
    if ours.len() != golden.len() {
        return Err(format!("{name} has {} values, the golden file {}", ours.len(), golden.len()));
    }
    let (count, mut over, mut worst) = (ours.len(), 0usize, None);
    for (index, (ours, golden)) in ours.zip(golden).enumerate() {
        let distance = (ours - golden).abs();
        // Written so that NaN, which compares false with everything, counts as too far.
        if distance <= atol {
            continue;
        }
        over += 1;
        if worst.is_none_or(|(_, _, _, far)| distance > far || (distance.is_nan() && !f64::is_nan(far))) {
            worst = Some((index, ours, golden, distance));
        }
    }
    match worst {
        None => Ok(()),
        Some((index, ours, golden, distance)) => Err(format!(
            "{name}: {over} of {count} values are further than {atol:e}; the worst is [{index}]: ours {ours:e}, \
             golden {golden:e}, distance {distance:e}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::within;

    fn compare(ours: &[f64], golden: &[f64], atol: f64) -> Result<(), String> {
        within("t", ours.iter().copied(), golden.iter().copied(), atol)
    }

    #[test]
    fn the_worst_place_is_named_with_both_values() {
        let error = compare(&[1.0, 2.5, 3.1], &[1.0, 2.0, 3.0], 0.01).expect_err("two are off");
        assert!(error.contains("2 of 3") && error.contains("[1]") && error.contains("ours 2.5e0"), "{error}");
        compare(&[1.0, 2.5, 3.1], &[1.0, 2.0, 3.0], 0.5).expect("at the tolerance is within");
    }

    #[test]
    fn nan_is_never_within() {
        let error = compare(&[f64::NAN, 9.0], &[1.0, 1.0], 1e9).expect_err("NaN");
        assert!(error.contains("[0]"), "{error}");
        let error = compare(&[9.0, f64::NAN], &[1.0, 1.0], 0.1).expect_err("NaN");
        assert!(error.contains("[1]"), "{error}");
        compare(&[f64::INFINITY], &[1.0], 1e9).expect_err("infinity");
    }

    #[test]
    fn lengths_must_agree() {
        compare(&[1.0], &[1.0, 1.0], 1.0).expect_err("shorter");
        compare(&[], &[], 0.0).expect("both empty");
    }
}
