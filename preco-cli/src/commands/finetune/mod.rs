//! `finetune`: labelled images and an encoder to a model that labels images.

mod args;
mod card;
mod data;
mod head;
mod plan;
mod report;

use anyhow::Result;
use preco_core::spec::Labelling;
use preco_train::checkpoint::RunFolder;
use preco_train::run::Inputs;
use preco_train::tasks::classify::run;
use preco_train::trainer::{Changes, Ending};

pub(crate) use args::Args;
use data::Data;
use plan::Plan;
pub(crate) use plan::{check, settings};
pub(crate) use report::{FinetuneReport, figures_text};

use super::pretrain::{check_memory, grouped};
use crate::cli::Processor;
use crate::device::on_device;
use crate::interrupt;
use crate::output::note;
use crate::progress::Display;

/// What to learn.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Finetune {
    /// One class for each image: land cover, scenes (EuroSAT)
    #[command(allow_negative_numbers = true)]
    Classify(Box<Args>),
    /// Any number of classes for an image (BigEarthNet)
    #[command(allow_negative_numbers = true)]
    Multilabel(Box<Args>),
}

impl Finetune {
    /// The flags, and what labels mean.
    pub(crate) fn parts(&mut self) -> (&mut Args, Labelling) {
        match self {
            Self::Classify(args) => (args, Labelling::Single),
            Self::Multilabel(args) => (args, Labelling::Multi),
        }
    }
}

/// Runs the command with its [`settings`].
pub(crate) fn execute(args: &Args, labelling: Labelling, processor: &Processor) -> Result<FinetuneReport> {
    let start = plan::start(args)?;
    let data = Data::open(args, labelling, &start)?;
    let plan = Plan::new(args, labelling, &start, &data)?;
    let config = &plan.config;
    config.validate(data.images.len())?;
    let model = preco_core::heads::ImageClassifier::new(&config.encoder, config.labels.len())?;
    if !config.frozen {
        check_memory(
            model.training_bytes(config.recipe.batch_size),
            config.recipe.batch_size,
            config.encoder.input,
            &processor.device,
        )?;
    }
    let parameters = head::parameters(&start, &model, config, args.new_head)?;
    let output = RunFolder::open(&plan.out, plan.begin)?;
    let [height, width] = config.encoder.input;
    note(&format!(
        "{}: {} parameters{}, input {width}x{height}, {}\n{}\n{} steps of {} x {} images on {}\nto {}",
        plan.name,
        grouped(model.layout().parameters()),
        if config.frozen { ", of which the head's learn" } else { "" },
        start.words(),
        data.line,
        config.recipe.steps(data.images.len()),
        config.recipe.batch_size,
        config.recipe.accumulate,
        processor.words(),
        plan.out.display()
    ));
    let settings = plan.settings(args)?;
    let inputs = Inputs {
        name: &plan.name,
        images: data.images,
        held_out: data.held_out,
        left_out: data.left_out,
        split: data.split,
        start: Some(parameters),
        output,
        begin: plan.begin,
        changes: if args.accept_changes { Changes::Accepted } else { Changes::Refused },
        settings: settings.clone(),
        stop: interrupt::watch()?,
    };
    let (runtime, progress) = (&plan.runtime, &mut Display::new());
    let (outcome, figures) = on_device!(&processor.device, |backend| run(config, runtime, inputs, backend, progress))?;
    let report =
        FinetuneReport { name: plan.name, data: data.line, labelling, frozen: config.frozen, outcome, figures };
    if report.outcome.ending != Ending::Interrupted {
        card::write(&plan.out, &settings, &report, &start.words())?;
    }
    Ok(report)
}
