//! `config`: what a run would do, before it does it.

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::Result;
use serde::Serialize;

use super::finetune;
use super::pretrain::{Args, Plan, check, settings};
use crate::cli::Machine;
use crate::output::{Report, one_line};

/// What takes fine-tuning's files.
const FINETUNE: &str = "finetune classify (or multilabel)";

/// What to do with settings.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Config {
    /// Print every setting of a pre-training run, from file, flags and defaults, as a settings file
    #[command(allow_negative_numbers = true)]
    Show(Box<Args>),
    /// Say whether a settings file of `pretrain` or `finetune` is one; exit code 1 where it is not
    Check {
        /// The file
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Take it for a file of `finetune`, also where pre-training has all its keys
        #[arg(long)]
        finetune: bool,
    },
}

/// The answer.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Answer {
    /// All settings, as TOML.
    Settings { toml: String },
    /// Whether the file can be used.
    Verdict { file: PathBuf, valid: bool, reason: Option<String>, command: &'static str },
}

/// Runs the command.
pub(crate) fn execute(command: &Config, machine: &Machine) -> Result<Answer> {
    match command {
        Config::Show(args) => {
            let args = settings(args, machine)?;
            Ok(Answer::Settings { toml: Plan::new(&args)?.settings(&args)? })
        }
        Config::Check { file, finetune } => {
            // Of fine-tuning what can be judged without data and model is checked.
            let other = finetune::Args { config: Some(file.clone()), ..finetune::Args::default() };
            let as_finetune =
                || finetune::settings(&other, &Machine::default()).and_then(|args| finetune::check(&args));
            let args = Args { config: Some(file.clone()), ..Args::default() };
            let as_pretrain = || settings(&args, &Machine::default()).and_then(|args| check(&args, &Plan::new(&args)?));
            let mut command = if *finetune { FINETUNE } else { "pretrain" };
            let checked = if *finetune { as_finetune() } else { as_pretrain() };
            let mut reason = checked.err().map(|error| one_line(&error));
            // A key that pre-training has not may be fine-tuning's.
            if reason.as_ref().is_some_and(|reason| reason.contains("unknown key")) {
                let other = as_finetune().err().map(|error| one_line(&error));
                if other.as_ref().is_none_or(|other| !other.contains("unknown key")) {
                    (reason, command) = (other, FINETUNE);
                }
            }
            Ok(Answer::Verdict { file: file.clone(), valid: reason.is_none(), reason, command })
        }
    }
}

impl Report for Answer {
    fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        match self {
            Self::Settings { toml } => write!(out, "{toml}"),
            Self::Verdict { file, reason: Some(reason), .. } if reason.contains(&file.display().to_string()) => {
                writeln!(out, "{reason}")
            }
            Self::Verdict { file, reason: Some(reason), .. } => writeln!(out, "{}: {reason}", file.display()),
            Self::Verdict { file, command, .. } => {
                writeln!(out, "{} is valid\nnext: preco-cli {command} --config {}", file.display(), file.display())
            }
        }
    }

    fn exit_code(&self) -> u8 {
        match self {
            Self::Verdict { valid: false, .. } => 1,
            _ => 0,
        }
    }
}
