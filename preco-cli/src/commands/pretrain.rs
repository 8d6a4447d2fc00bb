//! `pretrain`: images without labels to a model folder.

mod args;
mod plan;

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use preco_core::preco::Preco;
use preco_train::checkpoint::OutputFolder;
use preco_train::datasets::scenes::SceneGenerator;
use preco_train::datasets::{ImageFolder, ImageSource, Scan};
use preco_train::tasks::pretrain::{Inputs, Outcome, run};
use serde::Serialize;

pub(crate) use args::Args;
use plan::Plan;

use crate::cli::Processor;
use crate::output::{Report, note};
use crate::progress::{Display, duration};

/// Scenes that a run without data trains on.
const SCENES: usize = 512;
/// Scenes held out for the picture of reconstructions.
const HELD_OUT: usize = 8;

/// What the run did.
#[derive(Debug, Serialize)]
pub(crate) struct Pretrained {
    name: String,
    data: String,
    method: preco_core::preco::Method,
    #[serde(flatten)]
    outcome: Outcome,
}

/// Runs the command.
pub(crate) fn execute(args: &Args, processor: &Processor) -> Result<Pretrained> {
    let plan = Plan::new(args)?;
    plan.config.model.validate()?;
    let size = plan.config.model.encoder.input;
    let (images, examples, data) = open(args, size[0].max(size[1]))?;
    plan.config.validate(images.len())?;
    let model = Preco::new(&plan.config.model)?;
    let start = plan.start.as_ref().map(|start| start.parameters(&model, args.seed)).transpose()?;
    let out = args.out.clone().unwrap_or_else(|| Path::new("runs").join(&plan.name));
    let output = OutputFolder::prepare(&out, args.force)?;
    note(&format!(
        "{}: {} parameters, input {}x{}, {}\n{data}\n{} steps of {} x {} images, {} threads, {}\nto {}",
        plan.name,
        grouped(model.layout().len()),
        size[0],
        size[1],
        plan.summary(),
        plan.config.steps(images.len()),
        plan.config.batch_size,
        plan.config.accumulate,
        processor.threads,
        processor.level,
        out.display()
    ));
    let inputs = Inputs { name: &plan.name, images, examples: examples.as_ref(), start, output };
    let outcome = run(&plan.config, inputs, &processor.cpu, &mut Display::new())?;
    Ok(Pretrained { name: plan.name, data, method: plan.config.model.method, outcome })
}

type Images = Arc<dyn ImageSource + Send + Sync>;

/// The images to train on, those to show, and a line about them.
fn open(args: &Args, size_px: usize) -> Result<(Images, Images, String)> {
    let Some(root) = &args.data else {
        let training = Arc::new(SceneGenerator::new(args.seed, size_px, SCENES));
        // Another seed: scenes the run has not seen.
        let held_out = Arc::new(SceneGenerator::new(args.seed ^ (1 << 63), size_px, HELD_OUT));
        let line = format!("data: {SCENES} generated scenes of {size_px}x{size_px} pixels (give your own with --data)");
        return Ok((training, held_out, line));
    };
    let scan = Scan { list: args.list.clone(), skip_unreadable: args.skip_unreadable };
    let folder = Arc::new(ImageFolder::scan_with(root, &scan)?);
    let line = format!("data: {} images of {}", folder.len(), root.display());
    Ok((Arc::clone(&folder) as Images, folder, line))
}

impl Report for Pretrained {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let Outcome { folder, steps, images, seconds, first, last, .. } = &self.outcome;
        writeln!(out, "{steps} steps over {images} images in {}", duration(*seconds))?;
        writeln!(out, "{:8} {:>12} {:>12}", "loss", "first tenth", "last tenth")?;
        let both = |first: Option<f64>, last| first.zip(last);
        let rows = [
            ("total", Some((first.total, last.total))),
            ("L_Re", Some((first.re, last.re))),
            ("L_Pr", both(first.pr, last.pr)),
            ("L_Sc", both(first.sc, last.sc)),
        ];
        for (name, row) in rows {
            if let Some((first, last)) = row {
                writeln!(out, "{name:8} {first:>12.4} {last:>12.4}")?;
            }
        }
        writeln!(out, "model, log.jsonl, loss.png and reconstruction.png are in {}", folder.display())?;
        writeln!(out, "next: preco-cli evaluate {}", folder.display())
    }
}

/// 3130728 as `3,130,728`.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_in_threes() {
        assert_eq!([7, 123, 1234, 3_130_728].map(grouped), ["7", "123", "1,234", "3,130,728"]);
    }
}
