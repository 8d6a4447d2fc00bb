//! A fine-tuned model's labels beside the truth.

use std::io::{self, Write};

use anyhow::{Result, bail, ensure};
use preco_core::predict::BATCH;
use preco_core::spec::Labelling;
use preco_train::metrics::ClassScores;
use preco_train::tasks::classify::{Figures, measure};
use preco_train::view;
use preco_zoo::ModelFolder;
use serde::Serialize;

use super::super::finetune::figures_text;
use super::super::labelled::{Labelled, check_labels};
use super::Args;
use crate::cli::Processor;
use crate::output::note;

/// What was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Measured {
    model: String,
    images: usize,
    /// Files that cannot be read.
    unreadable: usize,
    labels: Vec<String>,
    pub(crate) figures: Figures,
}

/// Measures the model in `folder` on the images that the flags name.
pub(super) fn execute(args: &Args, folder: &ModelFolder, processor: &Processor) -> Result<Measured> {
    let (spec, preprocess) = (folder.spec(), folder.preprocess());
    let labeller = folder.labeller(processor.cpu)?;
    let source = Labelled {
        list: args.list.clone(),
        classes: Some(labeller.labels().to_vec()),
        most: if args.skip_unreadable { usize::MAX } else { 0 },
        ..Labelled::new(args.data.clone(), args.labels.clone(), preprocess).read_as(&args.reading, preprocess)?
    };
    ensure!(args.data.is_some() || args.labels.is_some(), "{} labels images: --data DIR names some", spec.name);
    let opened = source.open()?;
    let images = opened.images;
    check_labels(images.as_ref(), labeller.labelling() == Labelling::Single, &source.place())?;
    // The data's classes may be some of the model's, in another order.
    let place = |class: &String| labeller.labels().iter().position(|label| label == class);
    let mut places = Vec::with_capacity(images.classes().len());
    for class in images.classes() {
        let Some(place) = place(class) else {
            bail!("{} has class {class}, {} knows {}", source.place(), spec.name, labeller.labels().join(", "));
        };
        places.push(place);
    }
    let mut unreadable = opened.left_out.len();
    let (mut probabilities, mut truths) = (Vec::new(), Vec::new());
    let all: Vec<usize> = (0..images.len()).collect();
    for part in all.chunks(BATCH) {
        let mut inputs = Vec::new();
        for &at in part {
            match view::tensor(images.as_ref(), &[at], preprocess) {
                Ok(input) => inputs.extend(input),
                Err(error) if args.skip_unreadable => {
                    note(&format!("left out: {error}"));
                    unreadable += 1;
                    continue;
                }
                Err(error) => return Err(error.into()),
            }
            let labels = images.labels(at).unwrap_or_default();
            truths.push(labels.into_iter().map(|class| places[class]).collect::<Vec<_>>());
        }
        probabilities.extend(labeller.probabilities(&inputs));
    }
    let classes = labeller.labels().len();
    let Some(figures) = measure(&probabilities, &truths, classes, labeller.labelling())? else {
        bail!("none of the images to measure can be read; fetch them again");
    };
    let (model, labels) = (spec.name.clone(), labeller.labels().to_vec());
    Ok(Measured { model, images: truths.len(), unreadable, labels, figures })
}

impl Measured {
    pub(super) fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{} on {} images", self.model, self.images)?;
        if self.unreadable > 0 {
            writeln!(out, "{} could not be read and were left out", self.unreadable)?;
        }
        figures_text(&self.figures, out)?;
        let scores: &[ClassScores] = match &self.figures {
            Figures::Single(single) => &single.confusion.per_class(),
            Figures::Several(several) => &several.decisions.per_class,
        };
        let width = self.labels.iter().map(|label| label.chars().count()).max().unwrap_or(0).clamp(5, 40);
        writeln!(out, "\n{:width$} {:>7} {:>10} {:>8} {:>8}", "class", "images", "precision", "recall", "F1")?;
        let share = |value: Option<f64>| value.map_or("none".to_owned(), |value| format!("{:.1} %", 100.0 * value));
        for (label, scores) in self.labels.iter().zip(scores) {
            let [precision, recall, f1] = [scores.precision, scores.recall, scores.f1].map(share);
            let label: String = label.chars().take(width).collect();
            writeln!(out, "{label:width$} {:>7} {precision:>10} {recall:>8} {f1:>8}", scores.support)?;
        }
        Ok(())
    }
}
