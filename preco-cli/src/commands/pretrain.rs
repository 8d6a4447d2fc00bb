//! `pretrain`: images without labels to a model folder.

mod args;
mod check;
mod data;
mod plan;

use std::io::{self, Write};

use anyhow::{Result, ensure};
use preco_core::preco::Preco;
use preco_train::checkpoint::RunFolder;
use preco_train::run::{Inputs, Outcome};
use preco_train::tasks::pretrain::{TERMS, run};
use preco_train::trainer::{Changes, Ending};
use serde::Serialize;

pub(crate) use args::{Args, named};
pub(crate) use check::check;
use check::held_out_for_patience;
use data::Data;
pub(crate) use plan::{Plan, settings};

use crate::cli::Processor;
use crate::device::{Device, on_device};
use crate::interrupt;
use crate::output::{Report, note};
use crate::progress::{Display, duration};

/// What the run did.
#[derive(Debug, Serialize)]
pub(crate) struct Pretrained {
    name: String,
    data: String,
    method: preco_core::preco::Method,
    #[serde(flatten)]
    pub(crate) outcome: Outcome,
}

/// Runs the command with its [`settings`].
pub(crate) fn execute(args: &Args, processor: &Processor) -> Result<Pretrained> {
    let plan = Plan::new(args)?;
    check(args, &plan)?;
    let size = plan.config.model.encoder.input;
    let data = Data::open(args, size[0].max(size[1]), plan.config.recipe.seed, plan.config.recipe.max_unreadable)?;
    plan.config.validate(data.images.len())?;
    held_out_for_patience(&plan, data.held_out.is_some())?;
    let model = Preco::new(&plan.config.model)?;
    let batch_size = plan.config.recipe.batch_size;
    check_memory(model.training_bytes(batch_size), batch_size, size, &processor.device)?;
    let start = plan.start.as_ref().map(|start| start.parameters(&model, plan.config.recipe.seed)).transpose()?;
    let output = RunFolder::open(&plan.out, plan.begin)?;
    note(&format!(
        "{}: {} parameters, input {}x{}, {}\n{}\n{} steps of {} x {} images on {}\nto {}",
        plan.name,
        grouped(model.layout().parameters()),
        size[0],
        size[1],
        plan.summary(),
        data.line,
        plan.config.recipe.steps(data.images.len()),
        plan.config.recipe.batch_size,
        plan.config.recipe.accumulate,
        processor.words(),
        plan.out.display()
    ));
    let examples = data.examples;
    let inputs = Inputs {
        name: &plan.name,
        images: data.images,
        held_out: data.held_out,
        left_out: data.left_out,
        split: data.split,
        start,
        output,
        begin: plan.begin,
        changes: if args.accept_changes { Changes::Accepted } else { Changes::Refused },
        settings: plan.settings(args)?,
        stop: interrupt::watch()?,
    };
    let (config, runtime, progress) = (&plan.config, &plan.runtime, &mut Display::new());
    let outcome = on_device!(&processor.device, |backend| run(config, runtime, inputs, &examples, backend, progress))?;
    Ok(Pretrained { name: plan.name, data: data.line, method: plan.config.model.method, outcome })
}

/// Refuses what the system would end without a word, some time into the run: a step of `batch_size` images takes `needed`
/// bytes.
pub(crate) fn check_memory(needed: f64, batch_size: usize, [height, width]: [usize; 2], device: &Device) -> Result<()> {
    let available = device.free_bytes().unwrap_or(f64::INFINITY);
    ensure!(
        needed <= available,
        "a step of {batch_size} images of {height}x{width} needs {:.1} GB at least, {:.1} GB are free; lower \
         --batch-size (--accumulate makes up for it), --input-size or --model",
        needed / 1e9,
        available / 1e9
    );
    Ok(())
}

impl Report for Pretrained {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let Outcome { folder, ending, first, last, best, .. } = &self.outcome;
        let folder = folder.display();
        how_far(&self.outcome, out)?;
        writeln!(out, "{:8} {:>12} {:>12}", "loss", "first tenth", "last tenth")?;
        for (label, name) in [("total", "loss")].into_iter().chain(TERMS) {
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
        writeln!(out, "model, run.toml, log.jsonl, report.html, loss.png and reconstruction.png are in {folder}")?;
        writeln!(out, "next: preco-cli evaluate {folder}")
    }

    fn exit_code(&self) -> u8 {
        if self.outcome.ending == Ending::Interrupted { interrupt::EXIT_CODE } else { 0 }
    }
}

/// How far a run came, how long that took, and what could not be read.
pub(crate) fn how_far(outcome: &Outcome, out: &mut dyn Write) -> io::Result<()> {
    let Outcome { steps, images, seconds, wait_share, unreadable, .. } = outcome;
    let (took, waiting) = (duration(*seconds), 100.0 * wait_share);
    writeln!(out, "{steps} steps over {images} images; this start took {took} ({waiting:.1} % waiting for images)")?;
    if *unreadable > 0 {
        writeln!(out, "{unreadable} images could not be read and were passed over")?;
    }
    Ok(())
}

/// 3130728 as `3,130,728`.
pub(crate) fn grouped(number: usize) -> String {
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
