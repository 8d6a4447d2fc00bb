//! The flags of `pretrain`, which are the keys of its settings files too.

use std::path::PathBuf;

use preco_core::preco::{Distance, Method, PromptRegion};
use serde::de::DeserializeOwned;
use serde::de::value::{Error, StrDeserializer};
use serde::{Deserialize, Serialize};

use crate::cli::Machine;

use crate::names::{did_you_mean, quoted};

/// Train an encoder on images without labels
#[derive(Clone, Debug, Default, clap::Args, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(crate) struct Args {
    /// Folder of JPEG, PNG or WebP images, searched with its subfolders [default: generated scenes]
    #[arg(long, value_name = "DIR", help_heading = "Data")]
    pub data: Option<PathBuf>,
    /// Text file with a path within DIR on each line: train on these only
    #[arg(long, value_name = "FILE", help_heading = "Data")]
    pub list: Option<PathBuf>,
    /// Text file of paths within DIR to measure on while training; not trained on
    #[arg(long, value_name = "FILE", help_heading = "Data")]
    pub val_list: Option<PathBuf>,
    /// Share of DIR to hold out by a hash of the names, where no list is given [default: 0.05 of 200 images or more, else 0]
    #[arg(long, value_name = "SHARE", conflicts_with_all = ["list", "val_list"], help_heading = "Data")]
    pub held_out: Option<f64>,
    /// Leave out files that are no readable images, however many
    #[arg(long, help_heading = "Data")]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub skip_unreadable: bool,
    /// Unreadable files to leave out at most, before and while training, held-out ones included [default: 0; any with --skip-unreadable]
    #[arg(long, value_name = "N", help_heading = "Data")]
    pub max_unreadable: Option<usize>,
    /// Threads that decode images ahead of the step [default: 1]
    #[arg(long, value_name = "T", help_heading = "Data")]
    pub loader_threads: Option<usize>,
    /// Memory for decoded images in megabytes [default: 1024]
    #[arg(long, value_name = "MB", help_heading = "Data")]
    pub cache_mb: Option<u64>,

    /// Encoder: pico, nano, tiny, small, base or large [default: pico; base with --preset]
    #[arg(long, value_name = "PRESET", conflicts_with = "init_from", help_heading = "Model")]
    pub model: Option<String>,
    /// Side of the input in pixels [default: the encoder's; 64 for generated scenes]
    #[arg(long, value_name = "N", help_heading = "Model")]
    pub input_size: Option<usize>,
    /// Side of the attention windows in tokens [default: the encoder's]
    #[arg(long, value_name = "N", help_heading = "Model")]
    pub window: Option<usize>,
    /// Highest drop-path rate [default: 0]
    #[arg(long, value_name = "P", help_heading = "Model")]
    pub drop_path: Option<f64>,
    /// Model folder to start from
    #[arg(long, value_name = "DIR", help_heading = "Model")]
    pub init_from: Option<PathBuf>,

    /// preco (both branches) or simmim (the masked branch alone) [default: preco]
    #[arg(long, value_parser = named::<Method>, help_heading = "Objective")]
    pub method: Option<Method>,
    /// Side of a mask cell in pixels [default: 32, at most a quarter of the input]
    #[arg(long, value_name = "N", help_heading = "Objective")]
    pub mask_patch: Option<usize>,
    /// Share of cells masked [default: 0.6]
    #[arg(long, value_name = "R", help_heading = "Objective")]
    pub mask_ratio: Option<f64>,
    /// Distance of reconstructions from the image: l1 or l2 [default: l1]
    #[arg(long, value_parser = named::<Distance>, help_heading = "Objective")]
    pub distance: Option<Distance>,
    /// Distance between the reconstructions: l1, l2 or cosine [default: l1]
    #[arg(long, value_parser = named::<Distance>, help_heading = "Objective")]
    pub consistency: Option<Distance>,
    /// Where the prompt branch is judged: masked or all [default: masked]
    #[arg(long, value_parser = named::<PromptRegion>, help_heading = "Objective")]
    pub prompt_region: Option<PromptRegion>,
    /// Keep the consistency's gradient out of the prompt branch
    #[arg(long, help_heading = "Objective")]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub stop_gradient: bool,
    /// Weight of the masked branch's reconstruction [default: 1]
    #[arg(long, value_name = "W", help_heading = "Objective")]
    pub lambda_re: Option<f64>,
    /// Weight of the prompt branch's reconstruction [default: 1]
    #[arg(long, value_name = "W", help_heading = "Objective")]
    pub lambda_pr: Option<f64>,
    /// Weight of the consistency [default: 1]
    #[arg(long, value_name = "W", help_heading = "Objective")]
    pub lambda_sc: Option<f64>,

    /// Recipe: paper or simmim [default: one for small models]
    #[arg(long, value_parser = ["paper", "simmim"], help_heading = "Training")]
    pub preset: Option<String>,
    /// Passes over the data [default: the recipe's]
    #[arg(long, value_name = "N", conflicts_with = "steps", help_heading = "Training")]
    pub epochs: Option<u64>,
    /// Updates [default: 300 on generated scenes]
    #[arg(long, value_name = "N", help_heading = "Training")]
    pub steps: Option<u64>,
    /// Images per forward pass [default: the recipe's]
    #[arg(long, value_name = "B", help_heading = "Training")]
    pub batch_size: Option<usize>,
    /// Forward passes per update [default: 1]
    #[arg(long, value_name = "K", help_heading = "Training")]
    pub accumulate: Option<usize>,
    /// Highest learning rate, as used: no rule scales it [default: the recipe's]
    #[arg(long, help_heading = "Training")]
    pub lr: Option<f64>,
    /// Learning rate at the end [default: the recipe's]
    #[arg(long, value_name = "LR", help_heading = "Training")]
    pub min_lr: Option<f64>,
    /// Updates of warm-up [default: the recipe's]
    #[arg(long, value_name = "N", help_heading = "Training")]
    pub warmup_steps: Option<u64>,
    /// Decoupled weight decay [default: 0.05]
    #[arg(long, value_name = "W", help_heading = "Training")]
    pub weight_decay: Option<f64>,
    /// The gradient's largest norm; 0 for none [default: 5]
    #[arg(long, value_name = "NORM", help_heading = "Training")]
    pub clip: Option<f64>,
    /// Factor on the learning rate per layer from the decoder to the input [default: 1]
    #[arg(long, value_name = "F", help_heading = "Training")]
    pub layer_decay: Option<f64>,
    /// Decay of a moving average of the parameters, such as 0.999: what is measured and published then [default: none]
    #[arg(long, value_name = "D", help_heading = "Training")]
    pub ema: Option<f64>,
    /// Seed of everything random [default: 0]
    #[arg(long, help_heading = "Training")]
    pub seed: Option<u64>,

    /// Updates between evaluations on held-out images; 0 for one at the end [default: 0]
    #[arg(long, value_name = "N", help_heading = "Evaluation")]
    pub evaluate_every: Option<u64>,
    /// Evaluations without a better one that end the run early; 0 for never [default: 0]
    #[arg(long, value_name = "N", help_heading = "Evaluation")]
    pub patience: Option<u64>,

    /// Updates between checkpoints; 0 for one at the end [default: 500]
    #[arg(long, value_name = "N", help_heading = "Output")]
    pub save_every: Option<u64>,
    /// Newest checkpoints that stay [default: 2]
    #[arg(long, value_name = "N", help_heading = "Output")]
    pub keep: Option<usize>,
    /// The flags that all commands share, which are keys of settings files too.
    #[arg(skip)]
    pub threads: Option<usize>,
    #[arg(skip)]
    pub simd: Option<String>,
    #[arg(skip)]
    pub device: Option<String>,
    #[arg(skip)]
    pub precision: Option<String>,
    /// Folder of the results [default: runs/NAME]
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    pub out: Option<PathBuf>,
    /// Replace an earlier run in that folder
    #[arg(long, conflicts_with = "resume", help_heading = "Output")]
    #[serde(skip)]
    pub force: bool,
    /// Continue the run in this folder from its last good checkpoint, with its settings
    #[arg(long, value_name = "DIR", conflicts_with_all = ["out", "config"], help_heading = "Output")]
    #[serde(skip)]
    pub resume: Option<PathBuf>,
    /// With --resume: go on although settings or images are no longer the run's; each difference is said
    #[arg(long, requires = "resume", help_heading = "Output")]
    #[serde(skip)]
    pub accept_changes: bool,
    /// Settings file: a key is a flag's name, flags win
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    #[serde(skip)]
    pub config: Option<PathBuf>,
}

impl Args {
    /// What the run computes on.
    pub(crate) fn machine(&self) -> Machine {
        let Self { threads, simd, device, precision, .. } = self.clone();
        Machine { threads, simd, device, precision }
    }
}

/// A value by the name it has in configuration files; an unknown one lists the known, and the nearest.
pub(crate) fn named<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    T::deserialize(StrDeserializer::<Error>::new(text)).map_err(|error| {
        let message = error.to_string();
        let known = message.split_once(", expected ").map_or("", |(_, known)| known);
        format!("{message}{}", did_you_mean(text, quoted(known)))
    })
}
