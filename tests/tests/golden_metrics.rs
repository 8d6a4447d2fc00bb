//! Measures of classifiers against scikit-learn.

use std::collections::BTreeSet;

use preco_tests::Case;
use preco_train::metrics::{AveragePrecision, Confusion, average_precision, highest, seco_compat, top_k_accuracy};
use serde_json::Value;

#[test]
fn golden_metrics_agree_with_scikit_learn() {
    preco_tests::run("metrics", |case| match case.name.as_str() {
        name if name.starts_with("coco") => {
            // Its inputs are two more files, which look like cases without tensors.
            if case.has("bbox.precision") {
                ["bbox", "segm", "mask"]
                    .iter()
                    .for_each(|kind| case.leave_out(kind, "nothing measures detections yet"));
            }
        }
        name if name.ends_with("_miou") => pixels(case),
        name if name.ends_with("_single") => single(case),
        name if name.starts_with("multilabel") => multi_label(case),
        _ => case.unknown("a form that is neither multilabel* nor coco*"),
    });
}

/// Several labels to each sample; one class has no positive, one nothing else, and scores have ties.
fn multi_label(case: &Case) {
    case.only_keys(&[
        "n",
        "k",
        "per_class",
        "macro",
        "micro",
        "weighted",
        "samples",
        "macro_over_classes_with_positives",
        "sklearn_warnings",
        "tolerance",
    ]);
    case.only_prefixes(&["in"]);
    let (samples, classes) = (case.size("n"), case.size("k"));
    let (scores, truth) = (case.tensor("in.scores"), zeros_and_ones(case.bytes("in.y")));
    assert_eq!(case.shape("in.scores"), [samples, classes]);
    let ours = AveragePrecision::of(scores, &truth, classes).expect("numbers");
    // scikit-learn has 0 and a warning where we have none.
    let of_class: Vec<f64> = ours.per_class.iter().map(|class| class.unwrap_or(0.0)).collect();
    let golden = numbers(&case.config["per_class"]);
    assert_eq!(of_class.len(), golden.len());
    let positives: Vec<usize> =
        (0..classes).map(|class| truth.iter().skip(class).step_by(classes).filter(|truth| **truth).count()).collect();
    for (class, (&value, golden)) in of_class.iter().zip(golden).enumerate() {
        close(case, &format!("per_class[{class}]"), value, golden);
        assert_eq!(ours.per_class[class].is_none(), positives[class] == 0, "class {class}");
    }
    let counted = positives.iter().filter(|count| **count > 0).count();
    assert_eq!(ours.classes_with_positives, counted);
    let of_all = some(ours.macro_) * counted as f64 / classes as f64;
    close(case, "macro", of_all, case.number("macro"));
    close(case, "macro over positives", some(ours.macro_), case.number("macro_over_classes_with_positives"));
    close(case, "micro", some(ours.micro), case.number("micro"));

    // The two averages that we do not offer, from the parts that we do.
    let all = positives.iter().sum::<usize>() as f64;
    let weighted = of_class.iter().zip(&positives).map(|(class, &count)| class * count as f64).sum::<f64>() / all;
    close(case, "weighted", weighted, case.number("weighted"));
    let rows = scores.chunks_exact(classes).zip(truth.chunks_exact(classes));
    let of_rows = rows.map(|(scores, truth)| average_precision(scores, truth).expect("numbers").unwrap_or(0.0));
    close(case, "samples", of_rows.sum::<f64>() / samples as f64, case.number("samples"));

    let whole = seco_compat(scores, &truth, classes, samples, true).expect("numbers");
    close(case, "one batch of all", some(whole.mean), case.number("micro"));
}

/// One class to each sample.
fn single(case: &Case) {
    case.only_keys(&["n", "k", "top1", "top5", "top_k_used", "per_class_recall"]);
    case.only_prefixes(&["in", "out"]);
    let (classes, logits) = (case.size("k"), case.tensor("in.logits"));
    let labels: Vec<usize> =
        case.integers("in.labels").iter().map(|&label| label.try_into().expect("a class")).collect();
    assert_eq!(case.shape("in.logits"), [case.size("n"), classes]);
    let mut confusion = Confusion::new(classes).expect("classes");
    for (row, &label) in logits.chunks_exact(classes).zip(&labels) {
        confusion.add(label, highest(row).expect("numbers")).expect("classes");
    }
    case.check_values("out.confusion", confusion.counts().iter().map(|&count| count as f64));
    close(case, "accuracy", some(confusion.accuracy()), case.number("top1"));
    let top = |k: usize| some(top_k_accuracy(logits, classes, &labels, k).expect("classes"));
    close(case, "top 1", top(1), case.number("top1"));
    close(case, "top 5", top(case.size("top_k_used")), case.number("top5"));
    let golden = numbers(&case.config["per_class_recall"]);
    assert_eq!(golden.len(), classes);
    for (class, (ours, golden)) in confusion.per_class().iter().zip(golden).enumerate() {
        close(case, &format!("recall of {class}"), some(ours.recall), golden);
    }
}

/// The confusion of pixels, and what it says of them; nothing measures intersections over unions yet.
fn pixels(case: &Case) {
    case.only_keys(&[
        "classes",
        "ignore_index",
        "iou",
        "miou_nanmean",
        "miou_zero_for_absent",
        "pixel_accuracy",
        "mean_class_accuracy_nanmean",
        "miou_semseg_eps",
    ]);
    case.only_prefixes(&["in", "out"]);
    preco_tests::folder::say(&format!(
        "golden metrics/{}: iou and miou* are NOT COMPARED: nothing measures them yet",
        case.name
    ));
    let ignored = case.size("ignore_index");
    let mut confusion = Confusion::new(case.size("classes")).expect("classes");
    for (&truth, &predicted) in case.bytes("in.truth").iter().zip(case.bytes("in.pred")) {
        if usize::from(truth) != ignored {
            confusion.add(truth.into(), predicted.into()).expect("classes");
        }
    }
    case.check_values("out.confusion", confusion.counts().iter().map(|&count| count as f64));
    close(case, "accuracy", some(confusion.accuracy()), case.number("pixel_accuracy"));
    close(case, "mean recall", some(confusion.balanced_accuracy()), case.number("mean_class_accuracy_nanmean"));
    // A class that occurs in neither has no scores, as it has no intersection over union.
    let without: BTreeSet<usize> = (0..confusion.classes()).filter(|&at| case.config["iou"][at].is_null()).collect();
    let scores = confusion.per_class();
    assert_eq!((0..scores.len()).filter(|&class| !scores[class].occurs()).collect::<BTreeSet<_>>(), without);
}

fn close(case: &Case, what: &str, ours: f64, golden: f64) {
    // Written so that NaN is not close.
    if (ours - golden).abs() <= 1e-12 * golden.abs() {
        return;
    }
    case.fail(format!("{what}: {ours:e} instead of {golden:e}"));
}

fn some(value: Option<f64>) -> f64 {
    value.unwrap_or(f64::NAN)
}

fn zeros_and_ones(bytes: &[u8]) -> Vec<bool> {
    assert!(bytes.iter().all(|byte| *byte <= 1), "a truth that is neither 0 nor 1");
    bytes.iter().map(|byte| *byte == 1).collect()
}

fn numbers(list: &Value) -> Vec<f64> {
    list.as_array().expect("a list").iter().map(|number| number.as_f64().expect("a number")).collect()
}
