//! What every run's page says of its steps.

use super::Chart;
use crate::progress::{EvaluationReport, StepReport};

/// Names and values of a run in numbers.
pub fn run_facts(
    images: usize,
    parameters: usize,
    steps: &[StepReport],
    evaluations: &[EvaluationReport],
) -> Vec<(String, String)> {
    let mut facts = vec![("images".to_owned(), images.to_string()), ("parameters".to_owned(), parameters.to_string())];
    if let Some(last) = steps.last() {
        let n = steps.len() as f64;
        let speed = steps.iter().map(|step| step.images_per_s).sum::<f64>() / n;
        let wait = steps.iter().map(|step| step.wait).sum::<f64>() / n;
        let memory = steps.iter().map(|step| step.memory_mb).fold(0.0, f64::max);
        facts.extend([
            ("steps".to_owned(), format!("{} ({:.1} passes)", last.step, last.epoch)),
            ("loss of the last step".to_owned(), format!("{:.4}", last.loss)),
            ("speed".to_owned(), format!("{speed:.1} images/s, {:.1} % of it waiting for images", 100.0 * wait)),
            ("most memory".to_owned(), format!("{memory:.0} MB")),
        ]);
    }
    if let Some(best) = evaluations.iter().rev().find(|evaluation| evaluation.is_best) {
        let metrics: Vec<String> = best.metrics.iter().map(|(name, value)| format!("{name} {value:.4}")).collect();
        facts.push(("best on held-out images".to_owned(), format!("step {}: {}", best.step, metrics.join(", "))));
    }
    facts
}

/// Curves of a run's steps: the loss with its `terms` (label and name in the log), rate, gradient, speed, memory.
pub fn run_charts(steps: &[StepReport], terms: &[(&str, &str)]) -> Vec<Chart> {
    let over = |value: &dyn Fn(&StepReport) -> Option<f64>| -> Vec<(f64, f64)> {
        steps.iter().filter_map(|step| Some((step.step as f64, value(step)?))).collect()
    };
    let mut losses = vec![("total".to_owned(), over(&|step| Some(step.loss)))];
    for (label, name) in terms {
        losses.push(((*label).to_owned(), over(&|step| step.terms.get(*name).copied())));
    }
    losses.retain(|(_, points)| !points.is_empty());
    let one = |name: &str, points| vec![(name.to_owned(), points)];
    let chart = |title: &str, series, log_y| Chart { title: title.to_owned(), series, log_y };
    vec![
        chart("Loss", losses, true),
        chart("Learning rate", one("rate", over(&|step| Some(step.lr))), false),
        chart("Norm of the gradient", one("norm", over(&|step| Some(step.grad_norm))), true),
        chart("Images per second", one("images/s", over(&|step| Some(step.images_per_s))), false),
        chart("Memory", one("MB", over(&|step| Some(step.memory_mb))), false),
    ]
}
