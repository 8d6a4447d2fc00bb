//! Metrics of classification against scikit-learn's.

use preco_tests::Case;
use preco_train::metrics::{Confusion, MeanPrecision, highest, top_k};

#[test]
fn golden_metrics_agree_with_scikit_learn() {
    preco_tests::run("metrics", |case| match case.name.as_str() {
        name if name.ends_with("_single") => single(case),
        name if name.starts_with("multilabel") && !name.ends_with("_miou") => several(case),
        name if name.ends_with("_miou") || name.starts_with("coco") => {
            if case.names("out").next().is_some() {
                case.leave_out("out", "metrics of tasks that are not there yet");
            }
        }
        _ => case.unknown("a form that is neither multilabel* nor *_single"),
    });
}

fn close(case: &Case, what: &str, ours: Option<f64>, theirs: f64) {
    let tolerance = case.config.get("tolerance").and_then(serde_json::Value::as_f64).unwrap_or(1e-9);
    if ours.is_none_or(|ours| (ours - theirs).abs() > tolerance) {
        case.fail(format!("{what}: {ours:?}, scikit-learn says {theirs}"));
    }
}

fn several(case: &Case) {
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
    let (rows, classes) = (case.size("n"), case.size("k"));
    let truths: Vec<bool> = case.bytes("in.y").iter().map(|&byte| byte != 0).collect();
    let scores = case.tensor("in.scores");
    assert_eq!((truths.len(), scores.len()), (rows * classes, rows * classes));
    let found = MeanPrecision::of(scores, &truths, classes);
    let per_class = case.config["per_class"].as_array().expect("numbers");
    assert_eq!(per_class.len(), classes);
    for (class, (ours, theirs)) in found.per_class.iter().zip(per_class).enumerate() {
        // Of a class without a positive scikit-learn says 0, with a warning.
        close(case, &format!("class {class}"), Some(ours.unwrap_or(0.0)), theirs.as_f64().expect("a number"));
    }
    close(case, "micro", found.over_decisions, case.number("micro"));
    close(case, "macro", found.over_classes, case.number("macro_over_classes_with_positives"));
    let zeros = found.per_class.iter().map(|ap| ap.unwrap_or(0.0)).sum::<f64>() / classes as f64;
    close(case, "macro with zeros", Some(zeros), case.number("macro"));
}

fn single(case: &Case) {
    case.only_keys(&["n", "k", "top1", "top5", "top_k_used", "per_class_recall"]);
    case.only_prefixes(&["in", "out"]);
    let (classes, logits) = (case.size("k"), case.tensor("in.logits"));
    let labels: Vec<usize> = case.integers("in.labels").iter().map(|&label| label as usize).collect();
    let mut confusion = Confusion::new(classes);
    for (row, &label) in logits.chunks_exact(classes).zip(&labels) {
        confusion.add(label, highest(row));
    }
    close(case, "top 1", top_k(logits, classes, &labels, 1), case.number("top1"));
    close(case, "top k", top_k(logits, classes, &labels, case.size("top_k_used")), case.number("top5"));
    close(case, "accuracy", confusion.accuracy(), case.number("top1"));
    let recall = case.config["per_class_recall"].as_array().expect("numbers");
    assert_eq!(recall.len(), classes);
    for (class, (ours, theirs)) in confusion.per_class().iter().zip(recall).enumerate() {
        close(case, &format!("recall of class {class}"), ours.recall, theirs.as_f64().expect("a number"));
    }
    let counts = (0..classes * classes).map(|at| confusion.count(at / classes, at % classes) as f64);
    case.check_values("out.confusion", counts.collect::<Vec<_>>().into_iter());
}
