//! The flags of `pretrain`.

use std::path::PathBuf;

use preco_core::preco::{Distance, Method, PromptRegion};
use serde::de::DeserializeOwned;
use serde::de::value::{Error, StrDeserializer};

/// Train an encoder on images without labels
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Folder of JPEG, PNG or WebP images, searched with its subfolders [default: generated scenes]
    #[arg(long, value_name = "DIR", help_heading = "Data")]
    pub data: Option<PathBuf>,
    /// Text file with a path within DIR on each line: train on these only
    #[arg(long, value_name = "FILE", requires = "data", help_heading = "Data")]
    pub list: Option<PathBuf>,
    /// Leave out files that are no readable images
    #[arg(long, requires = "data", help_heading = "Data")]
    pub skip_unreadable: bool,

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

    /// preco (both branches) or simmim (the masked branch alone)
    #[arg(long, default_value = "preco", value_parser = named::<Method>, help_heading = "Objective")]
    pub method: Method,
    /// Side of a mask cell in pixels [default: 32, at most a quarter of the input]
    #[arg(long, value_name = "N", help_heading = "Objective")]
    pub mask_patch: Option<usize>,
    /// Share of cells masked
    #[arg(long, value_name = "R", default_value_t = 0.6, help_heading = "Objective")]
    pub mask_ratio: f64,
    /// Distance of reconstructions from the image: l1 or l2
    #[arg(long, default_value = "l1", value_parser = named::<Distance>, help_heading = "Objective")]
    pub distance: Distance,
    /// Distance between the reconstructions: l1, l2 or cosine
    #[arg(long, default_value = "l1", value_parser = named::<Distance>, help_heading = "Objective")]
    pub consistency: Distance,
    /// Where the prompt branch is judged: masked or all
    #[arg(long, default_value = "masked", value_parser = named::<PromptRegion>, help_heading = "Objective")]
    pub prompt_region: PromptRegion,
    /// Keep the consistency's gradient out of the prompt branch
    #[arg(long, help_heading = "Objective")]
    pub stop_gradient: bool,
    /// Weight of the masked branch's reconstruction
    #[arg(long, value_name = "W", default_value_t = 1.0, help_heading = "Objective")]
    pub lambda_re: f64,
    /// Weight of the prompt branch's reconstruction
    #[arg(long, value_name = "W", default_value_t = 1.0, help_heading = "Objective")]
    pub lambda_pr: f64,
    /// Weight of the consistency
    #[arg(long, value_name = "W", default_value_t = 1.0, help_heading = "Objective")]
    pub lambda_sc: f64,

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
    /// Forward passes per update
    #[arg(long, value_name = "K", default_value_t = 1, help_heading = "Training")]
    pub accumulate: usize,
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
    /// Seed of everything random
    #[arg(long, default_value_t = 0, help_heading = "Training")]
    pub seed: u64,

    /// Folder of the results [default: runs/NAME]
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    pub out: Option<PathBuf>,
    /// Replace an earlier run in that folder
    #[arg(long, help_heading = "Output")]
    pub force: bool,
}

/// A value by the name it has in configuration files; an unknown one lists the known.
fn named<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    T::deserialize(StrDeserializer::<Error>::new(text)).map_err(|error| error.to_string())
}
