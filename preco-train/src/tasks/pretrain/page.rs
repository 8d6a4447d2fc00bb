//! The page about a pre-training run.

use crate::progress::{EvaluationReport, StepReport};
use crate::report::{Chart, Page, run_charts, run_facts};

/// What the log does not say.
pub(super) struct About<'a> {
    pub name: &'a str,
    pub images: usize,
    pub parameters: usize,
    pub settings: &'a str,
    /// The sheet of reconstructions as a PNG file.
    pub reconstructions: Vec<u8>,
}

/// The page as HTML.
pub(super) fn html(about: About<'_>, steps: &[StepReport], evaluations: &[EvaluationReport]) -> String {
    let sheet = "Reconstructions: image, masked, masked branch, prompt branch";
    let held_out =
        evaluations.iter().filter_map(|at| Some((at.step as f64, *at.metrics.get("val_loss_re")?))).collect();
    let mut charts = run_charts(steps, &super::TERMS);
    let series = vec![("L_Re".to_owned(), held_out)];
    charts.insert(1, Chart { title: "L_Re on held-out images".to_owned(), series, log_y: false });
    Page {
        title: format!("Pre-training {}", about.name),
        facts: run_facts(about.images, about.parameters, steps, evaluations),
        charts,
        pictures: vec![(sheet.to_owned(), about.reconstructions)],
        settings: about.settings.to_owned(),
        ..Page::default()
    }
    .to_html()
}
