use preco_core::rng::Stream;

use super::*;

/// `(scores, truth)` with ties; about a third is positive.
fn drawn(values: usize, index: u64) -> (Vec<f32>, Vec<bool>) {
    let mut stream = Stream::new(11, "average_precision", 0, index);
    let scores = (0..values).map(|_| (16.0 * stream.uniform()).floor() as f32 / 16.0).collect();
    (scores, (0..values).map(|_| stream.uniform() < 0.3).collect())
}

/// The mean over positives of the precision at their score: the same sum, by another way.
fn by_definition(scores: &[f32], truth: &[bool]) -> Option<f64> {
    let precision = |score: f32| {
        let above: Vec<bool> =
            scores.iter().zip(truth).filter(|(other, _)| **other >= score).map(|pair| *pair.1).collect();
        above.iter().filter(|is_positive| **is_positive).count() as f64 / above.len() as f64
    };
    let positives: Vec<f64> =
        scores.iter().zip(truth).filter(|pair| *pair.1).map(|(score, _)| precision(*score)).collect();
    (!positives.is_empty()).then(|| positives.iter().sum::<f64>() / positives.len() as f64)
}

fn close(ours: Option<f64>, expected: Option<f64>, what: &str) {
    match (ours, expected) {
        (Some(ours), Some(expected)) => assert!((ours - expected).abs() < 1e-14, "{what}: {ours} and {expected}"),
        _ => assert_eq!(ours, expected, "{what}"),
    }
}

#[test]
fn small_rankings_have_the_sums_of_the_formula() {
    let ap = |scores: &[f32], truth: &[u8]| {
        average_precision(scores, &truth.iter().map(|&truth| truth == 1).collect::<Vec<_>>()).expect("numbers")
    };
    // scikit-learn's own example: 1/2 · 1 + 1/2 · 2/3.
    assert_eq!(ap(&[0.1, 0.4, 0.35, 0.8], &[0, 0, 1, 1]), Some(0.5 + 1.0 / 3.0));
    // The same with the middle two equal: one step with 2 of 3.
    assert_eq!(ap(&[0.1, 0.4, 0.4, 0.8], &[0, 0, 1, 1]), Some(0.5 + 1.0 / 3.0));
    // Positive before, negative behind: the tie costs what a rank would not.
    assert_eq!(ap(&[0.8, 0.8, 0.1], &[1, 0, 1]), Some((0.5 + 2.0 / 3.0) / 2.0));
    assert_eq!(ap(&[0.3, 0.3, 0.3, 0.3], &[1, 0, 0, 0]), Some(0.25));
    assert_eq!(ap(&[0.0, -0.0], &[0, 1]), Some(0.5));
    assert_eq!(ap(&[3.0, 2.0, 1.0], &[1, 1, 0]), Some(1.0));
    assert_eq!(ap(&[f32::INFINITY, 0.0, f32::NEG_INFINITY], &[0, 0, 1]), Some(1.0 / 3.0));
    assert_eq!(ap(&[0.5], &[1]), Some(1.0));
    assert_eq!(ap(&[0.5], &[0]), None);
    assert_eq!(ap(&[], &[]), None);
}

#[test]
fn any_ranking_has_the_mean_precision_at_its_positives() {
    for index in 0..50 {
        let (scores, truth) = drawn(1 + index as usize, index);
        close(average_precision(&scores, &truth).expect("numbers"), by_definition(&scores, &truth), "drawn");
    }
}

#[test]
fn only_the_order_of_scores_counts() {
    let (scores, truth) = drawn(200, 100);
    let before = average_precision(&scores, &truth).expect("numbers");
    for rising in [|x: f32| 4.0 * x - 7.0, f32::exp, |x: f32| x.powi(3) - 1.0] {
        let moved: Vec<f32> = scores.iter().map(|&score| rising(score)).collect();
        assert_eq!(average_precision(&moved, &truth).expect("numbers"), before);
    }
    let falling: Vec<f32> = scores.iter().map(|score| -score).collect();
    assert_ne!(average_precision(&falling, &truth).expect("numbers"), before);
}

#[test]
fn the_order_of_samples_counts_for_nothing() {
    let (scores, truth) = drawn(60 * 3, 101);
    let before = AveragePrecision::of(&scores, &truth, 3).expect("numbers");
    // 7 and 60 have no common divisor, so this visits each sample once.
    let order: Vec<usize> = (0..60).map(|at| at * 7 % 60 * 3).collect();
    let scores: Vec<f32> = order.iter().flat_map(|&at| scores[at..at + 3].to_vec()).collect();
    let truth: Vec<bool> = order.iter().flat_map(|&at| truth[at..at + 3].to_vec()).collect();
    assert_eq!(AveragePrecision::of(&scores, &truth, 3).expect("numbers"), before);
}

#[test]
fn macro_is_over_classes_with_positives_and_micro_over_all_decisions() {
    // Columns: 1 before 0; 0 before 1; no positive.
    let scores = [0.9, 0.8, 0.7, 0.1, 0.2, 0.3];
    let truth = [true, false, false, false, true, false];
    let measured = AveragePrecision::of(&scores, &truth, 3).expect("numbers");
    assert_eq!(measured.per_class, [Some(1.0), Some(0.5), None]);
    assert_eq!((measured.macro_, measured.classes_with_positives), (Some(0.75), 2));
    // Ranks 1 and 5 of 6.
    assert_eq!(measured.micro, Some((1.0 + 2.0 / 5.0) / 2.0));
    let json = serde_json::to_value(&measured).expect("JSON");
    assert_eq!(json["macro"], 0.75);
    let nothing = AveragePrecision::of(&scores, &[false; 6], 3).expect("numbers");
    assert_eq!((nothing.macro_, nothing.classes_with_positives, nothing.micro), (None, 0, None));
}

#[test]
fn batches_are_averaged_as_in_seco() {
    // Three samples of two classes: micro 1, 1/2, and nothing positive.
    let scores = [0.9, 0.1, 0.8, 0.2, 0.9, 0.8];
    let truth = [true, false, false, true, false, false];
    let one = |drop_last| seco_compat(&scores, &truth, 2, 1, drop_last).expect("numbers");
    assert_eq!(one(true), SecoCompat { mean: Some(0.75), batches: 2, without_positives: 1, dropped: 0 });
    assert_eq!(one(true), one(false));
    let two = |drop_last| seco_compat(&scores, &truth, 2, 2, drop_last).expect("numbers");
    // 0.9 and 0.2 of 0.9 0.8 0.2 0.1: (1 + 2/3) / 2.
    let first = (1.0 + 2.0 / 3.0) / 2.0;
    assert_eq!(two(true), SecoCompat { mean: Some(first), batches: 1, without_positives: 0, dropped: 1 });
    assert_eq!(two(false), SecoCompat { mean: Some(first), batches: 1, without_positives: 1, dropped: 0 });
    let far = |drop_last| seco_compat(&scores, &truth, 2, usize::MAX, drop_last).expect("numbers");
    assert_eq!(far(false).mean, AveragePrecision::of(&scores, &truth, 2).expect("numbers").micro);
    assert_eq!(far(true), SecoCompat { mean: None, batches: 0, without_positives: 0, dropped: 3 });
    assert_eq!(seco_compat(&[], &[], 2, 4, false).expect("nothing").batches, 0);
    seco_compat(&scores, &truth, 2, 0, true).expect_err("a batch of 0");
}

#[test]
fn nan_is_an_error_wherever_it_stands() {
    let mut scores = [0.5; 6];
    scores[5] = f32::NAN;
    let report = average_precision(&scores, &[true; 6]).expect_err("NaN").to_string();
    assert!(report.contains("sample 5"), "{report}");
    let report = AveragePrecision::of(&scores, &[false; 6], 3).expect_err("NaN").to_string();
    assert!(report.contains("sample 1, class 2"), "{report}");
    seco_compat(&scores, &[true; 6], 2, 2, true).expect_err("NaN in the dropped sample");
}

#[test]
#[should_panic(expected = "a truth for each score")]
fn a_missing_truth_panics() {
    let _ = average_precision(&[0.5, 0.5], &[true]);
}
