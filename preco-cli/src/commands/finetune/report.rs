//! What fine-tuning did.

use std::io::{self, Write};

use preco_core::spec::Labelling;
use preco_train::run::Outcome;
use preco_train::tasks::classify::Figures;
use preco_train::trainer::Ending;
use serde::Serialize;

use super::super::pretrain::how_far;
use crate::interrupt;
use crate::output::Report;

/// What the run did.
#[derive(Debug, Serialize)]
pub(crate) struct FinetuneReport {
    pub(super) name: String,
    pub(super) data: String,
    pub(super) labelling: Labelling,
    pub(super) frozen: bool,
    #[serde(flatten)]
    pub(crate) outcome: Outcome,
    /// Of the held-out images, by the parameters of the last step.
    pub(super) figures: Option<Figures>,
}

/// The figures that one wants to see at a glance.
pub(crate) fn figures_text(figures: &Figures, out: &mut dyn Write) -> io::Result<()> {
    for (name, value) in figures.glance() {
        match value {
            Some(value) => writeln!(out, "{name:36} {:>7.2} %", 100.0 * value)?,
            None => writeln!(out, "{name:36} {:>9}", "none")?,
        }
    }
    Ok(())
}

impl Report for FinetuneReport {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let Outcome { folder, ending, first, last, best, .. } = &self.outcome;
        let folder = folder.display();
        how_far(&self.outcome, out)?;
        if let (Some(first), Some(last)) = (first.get("loss"), last.get("loss")) {
            writeln!(out, "loss {first:.4} over the first tenth, {last:.4} over the last")?;
        }
        let kind = match self.labelling {
            Labelling::Single => "classify",
            Labelling::Multi => "multilabel",
        };
        match ending {
            Ending::Interrupted => {
                writeln!(out, "interrupted; the checkpoint is in {folder}/checkpoints")?;
                return writeln!(out, "next: preco-cli finetune {kind} --resume {folder}");
            }
            Ending::EarlyStop => writeln!(out, "ended early: held-out images got no better")?,
            Ending::Finished => {}
        }
        match &self.figures {
            Some(figures) => {
                writeln!(out, "held-out images, by the parameters of the last step:")?;
                figures_text(figures, out)?;
            }
            None => writeln!(out, "nothing was held out to measure on (--val-list, --split or --held-out)")?,
        }
        if let Some((value, step)) = best {
            writeln!(out, "best: {:.2} % at step {step}, kept in {folder}/best", 100.0 * value)?;
        }
        writeln!(out, "model, run.toml, log.jsonl, metrics.json and report.html are in {folder}")?;
        writeln!(out, "next: preco-cli predict IMAGES --model {folder}")
    }

    fn exit_code(&self) -> u8 {
        if self.outcome.ending == Ending::Interrupted { interrupt::EXIT_CODE } else { 0 }
    }
}
