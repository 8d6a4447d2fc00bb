//! `pretrain`: images without labels to a model folder.

mod args;
mod plan;

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Result, ensure};
use preco_core::preco::Preco;
use preco_train::checkpoint::RunFolder;
use preco_train::datasets::scenes::SceneGenerator;
use preco_train::datasets::{ImageFolder, Scan};
use preco_train::tasks::pretrain::{Images, Inputs, Outcome, run};
use preco_train::trainer::Ending;
use serde::Serialize;

pub(crate) use args::Args;
pub(crate) use plan::{Plan, settings};

use crate::cli::Processor;
use crate::interrupt;
use crate::output::{Report, note};
use crate::progress::{Display, duration};

/// Scenes that a run without data trains on.
const SCENES: usize = 512;
/// Scenes held out to measure on and to show.
const HELD_OUT: usize = 64;

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
    let args = settings(args)?;
    let plan = Plan::new(&args)?;
    let size = plan.config.model.encoder.input;
    let data = open(&args, size[0].max(size[1]), plan.config.seed)?;
    plan.config.validate(data.images.len())?;
    let model = Preco::new(&plan.config.model)?;
    let start = plan.start.as_ref().map(|start| start.parameters(&model, plan.config.seed)).transpose()?;
    let output = RunFolder::open(&plan.out, plan.begin)?;
    note(&format!(
        "{}: {} parameters, input {}x{}, {}\n{}\n{} steps of {} x {} images, {} threads, {}\nto {}",
        plan.name,
        grouped(model.layout().len()),
        size[0],
        size[1],
        plan.summary(),
        data.line,
        plan.config.steps(data.images.len()),
        plan.config.batch_size,
        plan.config.accumulate,
        processor.threads,
        processor.level,
        plan.out.display()
    ));
    let inputs = Inputs {
        name: &plan.name,
        images: data.images,
        held_out: data.held_out,
        examples: data.examples,
        start,
        output,
        begin: plan.begin,
        settings: plan.settings(&args)?,
        stop: interrupt::watch()?,
    };
    let outcome = run(&plan.config, &plan.runtime, inputs, &processor.cpu, &mut Display::new())?;
    Ok(Pretrained { name: plan.name, data: data.line, method: plan.config.model.method, outcome })
}

/// The images of a run.
struct Data {
    /// To train on.
    images: Images,
    /// To measure on.
    held_out: Option<Images>,
    /// To show.
    examples: Images,
    /// A line about them.
    line: String,
}

fn open(args: &Args, size_px: usize, seed: u64) -> Result<Data> {
    let Some(root) = &args.data else {
        for (flag, given) in [
            ("--list", args.list.is_some()),
            ("--val-list", args.val_list.is_some()),
            ("--skip-unreadable", args.skip_unreadable),
        ] {
            ensure!(!given, "{flag} is about files, and none are named: give their folder with --data");
        }
        // Another seed: scenes the run has not seen.
        let held_out: Images = Arc::new(SceneGenerator::new(seed ^ (1 << 63), size_px, HELD_OUT));
        let line = format!("data: {SCENES} generated scenes of {size_px}x{size_px} pixels (give your own with --data)");
        let images = Arc::new(SceneGenerator::new(seed, size_px, SCENES));
        return Ok(Data { images, held_out: Some(Arc::clone(&held_out)), examples: held_out, line });
    };
    let scan = |list: &Option<PathBuf>| -> Result<Images> {
        let scan = Scan { list: list.clone(), skip_unreadable: args.skip_unreadable };
        Ok(Arc::new(ImageFolder::scan_with(root, &scan)?))
    };
    let images = scan(&args.list)?;
    let held_out = args.val_list.is_some().then(|| scan(&args.val_list)).transpose()?;
    if let Some(held_out) = &held_out {
        let names: std::collections::HashSet<String> = (0..images.len()).map(|index| images.name(index)).collect();
        let shared = (0..held_out.len()).map(|index| held_out.name(index)).find(|name| names.contains(name));
        ensure!(
            shared.is_none(),
            "{} is trained on and held out; give disjoint lists with --list and --val-list",
            shared.unwrap_or_default()
        );
    }
    let measured = held_out.as_ref().map_or(String::new(), |images| format!(", {} held out", images.len()));
    let line = format!("data: {} images of {}{measured}", images.len(), root.display());
    let examples = held_out.clone().unwrap_or_else(|| Arc::clone(&images));
    Ok(Data { images, held_out, examples, line })
}

impl Report for Pretrained {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let Outcome { folder, steps, images, seconds, wait_share, unreadable, ending, first, last, best, .. } =
            &self.outcome;
        let folder = folder.display();
        writeln!(
            out,
            "{steps} steps over {images} images; this start took {} ({:.1} % waiting for images)",
            duration(*seconds),
            100.0 * wait_share
        )?;
        if *unreadable > 0 {
            writeln!(out, "{unreadable} images could not be read and were passed over")?;
        }
        writeln!(out, "{:8} {:>12} {:>12}", "loss", "first tenth", "last tenth")?;
        for (label, name) in [("total", "loss"), ("L_Re", "loss_re"), ("L_Pr", "loss_pr"), ("L_Sc", "loss_sc")] {
            if let (Some(first), Some(last)) = (first.get(name), last.get(name)) {
                writeln!(out, "{label:8} {first:>12.4} {last:>12.4}")?;
            }
        }
        if let Some((value, step)) = best {
            writeln!(out, "best L_Re on held-out images: {value:.4} at step {step}, kept in {folder}/best")?;
        }
        match ending {
            Ending::Interrupted => {
                writeln!(out, "interrupted; the checkpoint is in {folder}/checkpoints")?;
                return writeln!(out, "next: preco-cli pretrain --resume {folder}");
            }
            Ending::EarlyStop => writeln!(out, "ended early: held-out images got no better")?,
            Ending::Finished => {}
        }
        writeln!(out, "model, run.toml, log.jsonl, loss.png and reconstruction.png are in {folder}")?;
        writeln!(out, "next: preco-cli evaluate {folder}")
    }

    fn exit_code(&self) -> u8 {
        if self.outcome.ending == Ending::Interrupted { interrupt::EXIT_CODE } else { 0 }
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
