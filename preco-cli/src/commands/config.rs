//! `config`: what a run would do, before it does it.

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::Result;
use serde::Serialize;

use super::finetune;
use super::pretrain::{Args, Plan, check, settings};
use crate::cli::Machine;
use crate::output::{Report, one_line};

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
        Config::Check { file } => {
            let args = Args { config: Some(file.clone()), ..Args::default() };
            let checked = settings(&args, &Machine::default()).and_then(|args| check(&args, &Plan::new(&args)?));
            let mut reason = checked.err().map(|error| one_line(&error));
            let mut command = "pretrain";
            // A key that pre-training has not may be fine-tuning's. Of that the keys and the kinds of their values are checked; the rest needs the data.
            let other = finetune::Args { config: Some(file.clone()), ..finetune::Args::default() };
            let is_unknown = reason.as_ref().is_some_and(|reason| reason.contains("unknown key"));
            if is_unknown && finetune::settings(&other, &Machine::default()).is_ok() {
                (reason, command) = (None, "finetune classify (or multilabel)");
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
