//! `ablate`: variants of one recipe, trained and measured alike, seed by seed.
//!
//! Each finished run is a line in a file and is never done again: a plan goes on where it stopped, tomorrow or on another
//! machine.

mod models;
mod report;
mod steps;

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use preco_train::ablation::{Plan, Record, Run, Summary, append, read};
use preco_train::datasets::split::Split;

use crate::cli::Processor;
use crate::interrupt;
use crate::output::note;
use models::Models;
use report::Ablation;
use steps::Step;

/// Compare variants of a recipe: pre-train, measure, tell
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The plan: arms, measures and seeds (TOML, see configs/ablation)
    #[arg(long, value_name = "FILE")]
    plan: PathBuf,
    /// Folder of images, a folder for each class
    #[arg(long, value_name = "DIR", required_unless_present = "summary")]
    data: Option<PathBuf>,
    /// Folder of the models and of what is told [default: runs/PLAN]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// File of finished runs, a line each [default: runs.jsonl in --out]
    #[arg(long, value_name = "FILE")]
    runs: Option<PathBuf>,
    /// Begin no run after so many minutes
    #[arg(long, value_name = "M")]
    minutes: Option<f64>,
    /// Run nothing: tell what the finished runs say
    #[arg(long)]
    summary: bool,
}

/// Runs the command.
pub(crate) fn execute(args: &Args, processor: &Processor) -> Result<Ablation> {
    let plan = open(&args.plan)?;
    let split = args.plan.parent().unwrap_or(Path::new("")).join(&plan.split);
    let lists = lists(&split)?;
    let name = args.plan.file_stem().unwrap_or_default();
    let out = args.out.clone().unwrap_or_else(|| Path::new("runs").join(name));
    std::fs::create_dir_all(&out).with_context(|| format!("cannot create {}", out.display()))?;
    let file = args.runs.clone().unwrap_or_else(|| out.join("runs.jsonl"));
    let mut records = read(&file)?;
    // Before hours of work: the settings of every run can be read.
    let runs = plan.runs();
    runs.iter().try_for_each(|run| steps::check(&plan, run))?;
    let mut interrupted = false;
    if let Some(data) = args.data.as_deref().filter(|_| !args.summary) {
        let step = Step { plan: &plan, data, split: &split, models: Models::new(&out), processor };
        interrupted = !work(&step, &runs, &lists, &file, &mut records, args.minutes)?;
    }
    report::told(&plan, &Summary::new(&plan, &lists, &records), &out, file, interrupted)
}

/// Does what has no record yet; false where somebody asked to stop.
fn work(
    step: &Step<'_>,
    runs: &[Run<'_>],
    lists: &str,
    file: &Path,
    records: &mut Vec<Record>,
    minutes: Option<f64>,
) -> Result<bool> {
    let started = Instant::now();
    let stop = interrupt::watch()?;
    for (at, run) in runs.iter().enumerate() {
        let key = step.plan.key(run, lists);
        if records.iter().any(|record| record.key == key) {
            continue;
        }
        if minutes.is_some_and(|minutes| started.elapsed().as_secs_f64() > 60.0 * minutes) {
            break;
        }
        note(&format!("run {} of {}: {}, seed {}, {}", at + 1, runs.len(), run.arm.name, run.seed, run.step()));
        let begun = Instant::now();
        let figures = match step.execute(run)? {
            Some(figures) if !stop.load(std::sync::atomic::Ordering::Relaxed) => figures,
            _ => return Ok(false),
        };
        let record = Record {
            key,
            arm: run.arm.name.clone(),
            seed: run.seed,
            step: run.step().to_owned(),
            figures,
            seconds: begun.elapsed().as_secs_f64(),
            program: preco_train::VERSION.to_owned(),
            machine: step.processor.words(),
        };
        append(file, &record)?;
        records.push(record);
    }
    Ok(true)
}

/// The plan in a file.
fn open(path: &Path) -> Result<Plan> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let plan: Plan = toml::from_str(&text).map_err(|error| {
        let line = error.span().map_or(1, |span| text[..span.start].matches('\n').count() + 1);
        anyhow::anyhow!("{}, line {line}: {}", path.display(), error.message())
    })?;
    plan.validate().with_context(|| path.display().to_string())?;
    Ok(plan)
}

/// The contents of the split's lists.
fn lists(split: &Path) -> Result<String> {
    let mut all = String::new();
    for name in Split::LISTS {
        let path = split.join(name);
        let list = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        ensure!(!list.trim().is_empty(), "{} names no image", path.display());
        all.push_str(&list);
        all.push('\n');
    }
    // Of many thousand names.
    Ok(preco_zoo::sha256(all.as_bytes()))
}
