//! The page about a fine-tuning run.

use preco_core::imagery::{Filter, Image8, encode_png, resize};
use preco_core::spec::Labelling;

use super::task::Judged;
use super::{Classify, Figures};
use crate::datasets::ImageSource;
use crate::error::{Error, Result};
use crate::metrics::{ClassScores, Confusion, highest};
use crate::progress::{EvaluationReport, StepReport};
use crate::report::{Anchor, Canvas, Chart, Grid, Page, Table, run_charts, run_facts};

/// Pictures of a kind that are shown.
const SHOWN: usize = 12;
const COLUMNS: usize = 4;
const SIDE_PX: usize = 132;
const GAP_PX: usize = 12;
const LINE_PX: usize = 17;

/// What the log does not say.
pub(super) struct About<'a> {
    pub(super) name: &'a str,
    pub(super) config: &'a Classify,
    pub(super) images: usize,
    pub(super) parameters: usize,
    pub(super) settings: &'a str,
    pub(super) figures: Option<&'a Figures>,
    /// What was held out, and what the model says of it.
    pub(super) shown: Option<(&'a (dyn ImageSource + Send + Sync), &'a Judged)>,
}

/// The page as HTML.
pub(super) fn html(about: &About<'_>, steps: &[StepReport], evaluations: &[EvaluationReport]) -> Result<String> {
    let labels = &about.config.labels;
    let mut facts = run_facts(about.images, about.parameters, steps, evaluations);
    facts.push(("program".to_owned(), format!("preco {}", crate::VERSION)));
    let kind = match about.config.labelling {
        Labelling::Single => "classify",
        Labelling::Multi => "multilabel",
    };
    facts.push(("command".to_owned(), format!("preco-cli finetune {kind} --config run.toml --out ANOTHER")));
    let held_out = about.shown.map_or(0, |(images, _)| images.len());
    facts.push(("split".to_owned(), format!("split.tsv: {} learnt from, {held_out} held out", about.images)));
    facts.push(("learns".to_owned(), if about.config.frozen { "the head alone" } else { "everything" }.to_owned()));
    let (mut tables, mut grids, mut pictures) = (Vec::new(), Vec::new(), Vec::new());
    if let Some(figures) = about.figures {
        let shares = figures.glance().into_iter().map(|(name, value)| (name.to_owned(), percent(value)));
        facts.extend(shares.map(|(name, value)| (format!("{name}, held out"), value)));
        tables.push(per_class(figures, labels));
        if let Figures::Single(single) = figures {
            grids.push(confusion(&single.confusion, labels));
        }
    }
    if let Some((images, judged)) = about.shown {
        for (title, wanted) in [("Right, the least certain first", true), ("Wrong, the most certain first", false)] {
            if let Some(png) = examples(about.config, images, judged, wanted)? {
                pictures.push((title.to_owned(), png));
            }
        }
    }
    let names: &[(&str, &str)] = match about.config.labelling {
        Labelling::Single => &[("top-1", "val_top1"), ("F1, mean over classes", "val_macro_f1")],
        Labelling::Multi => &[("mAP over classes", "val_map"), ("mAP micro", "val_map_micro")],
    };
    let over =
        |name: &str| evaluations.iter().filter_map(|at| Some((at.step as f64, *at.metrics.get(name)?))).collect();
    let series = names.iter().map(|(label, name)| ((*label).to_owned(), over(name))).collect();
    let mut charts = vec![Chart { title: "On held-out images".to_owned(), series, log_y: false }];
    charts.extend(run_charts(steps, &[]));
    let (title, settings) = (format!("Fine-tuning {}", about.name), about.settings.to_owned());
    Ok(Page { title, facts, charts, tables, grids, pictures, settings }.to_html())
}

fn percent(value: Option<f64>) -> String {
    value.map_or("none".to_owned(), |value| format!("{:.2} %", 100.0 * value))
}

fn per_class(figures: &Figures, labels: &[String]) -> Table {
    let (scores, precision): (Vec<ClassScores>, Option<&[Option<f64>]>) = match figures {
        Figures::Single(single) => (single.confusion.per_class(), None),
        Figures::Several(several) => (several.decisions.per_class.clone(), Some(&several.average_precision.per_class)),
    };
    let mut head = ["class", "images", "precision", "recall", "F1"].map(str::to_owned).to_vec();
    head.extend(precision.map(|_| "average precision".to_owned()));
    let row = |(at, (label, scores)): (usize, (&String, &ClassScores))| {
        let mut row = vec![label.clone(), scores.support.to_string()];
        row.extend([scores.precision, scores.recall, scores.f1].map(percent));
        row.extend(precision.map(|precision| percent(precision[at])));
        row
    };
    let rows = labels.iter().zip(&scores).enumerate().map(row).collect();
    Table { title: "Classes, held out".to_owned(), head, rows }
}

/// Shares of each truth.
fn confusion(confusion: &Confusion, labels: &[String]) -> Grid {
    let classes = confusion.classes();
    let cells = (0..classes)
        .map(|truth| (0..classes).map(|predicted| confusion.counts()[truth * classes + predicted]).collect());
    let title = "What was taken for what, held out: rows are truths, columns predictions".to_owned();
    Grid { title, names: labels.to_vec(), cells: cells.collect() }
}

/// A sheet of images with what was said of them; `None` where there is none of the kind.
fn examples(
    config: &Classify,
    images: &(dyn ImageSource + Send + Sync),
    judged: &Judged,
    right: bool,
) -> Result<Option<Vec<u8>>> {
    let classes = config.labels.len();
    let told = |at: usize| {
        let row = &judged.probabilities[at * classes..(at + 1) * classes];
        let truth = &judged.truths[at];
        let names =
            |all: &[usize]| all.iter().map(|&class| config.labels[class].as_str()).collect::<Vec<_>>().join(", ");
        match config.labelling {
            Labelling::Single => {
                let said = highest(row).unwrap_or(0);
                (
                    truth.first() == Some(&said),
                    row[said],
                    format!("{} {:.0} %", names(&[said]), 100.0 * row[said]),
                    names(truth),
                )
            }
            Labelling::Multi => {
                let said: Vec<usize> = (0..classes).filter(|&class| row[class] > 0.5).collect();
                // How far the nearest decision is from the other answer.
                let sure = row.iter().map(|value| (value - 0.5).abs() + 0.5).fold(1.0, f32::min);
                (said == *truth, sure, names(&said), names(truth))
            }
        }
    };
    let mut chosen: Vec<(usize, f32, String, String)> = (0..judged.indices.len())
        .map(|at| (at, told(at)))
        .filter(|(_, (is_right, ..))| *is_right == right)
        .map(|(at, (_, sure, said, truth))| (at, sure, said, truth))
        .collect();
    chosen.sort_by(|a, b| if right { a.1.total_cmp(&b.1) } else { b.1.total_cmp(&a.1) }.then(a.0.cmp(&b.0)));
    chosen.truncate(SHOWN);
    if chosen.is_empty() {
        return Ok(None);
    }
    let (pitch_x, pitch_y) = (SIDE_PX + GAP_PX + 40, SIDE_PX + 2 * LINE_PX + GAP_PX);
    let rows = chosen.len().div_ceil(COLUMNS);
    let mut canvas = Canvas::new(GAP_PX + COLUMNS * pitch_x, GAP_PX + rows * pitch_y, [255; 3]);
    for (place, (at, _, said, truth)) in chosen.iter().enumerate() {
        let (left, top) = (GAP_PX + place % COLUMNS * pitch_x, GAP_PX + place / COLUMNS * pitch_y);
        let image = images.image(judged.indices[*at])?;
        canvas.paste(&resize(&colours(&image), [SIDE_PX; 2], Filter::Bilinear)?, left, top, 1);
        let mut line = |number: usize, text: &str, ink: [u8; 3]| {
            let y = top + SIDE_PX + LINE_PX * number + LINE_PX / 2 + 2;
            canvas.text(&clipped(text), [left as i32, y as i32], Anchor::Left, 11, ink);
        };
        line(0, said, [38, 42, 48]);
        if !right {
            line(1, &format!("is {truth}"), [176, 60, 40]);
        }
    }
    let mut png = Vec::new();
    let failed = |source| Error::Io { action: "draw", path: "examples".into(), source };
    encode_png(&canvas.finish(), &mut png).map_err(failed)?;
    Ok(Some(png))
}

/// Three bands to look at: the first, where there are others than colours.
fn colours(image: &Image8) -> Image8 {
    let last = image.bands().saturating_sub(1);
    if image.bands() == 3 { image.clone() } else { image.select(&[0, 1, 2].map(|band: usize| band.min(last))) }
}

fn clipped(text: &str) -> String {
    const MOST: usize = 26;
    let mut letters: String = text.chars().take(MOST).collect();
    if letters.len() < text.len() {
        letters.push('…');
    }
    letters
}
