//! The flags of `finetune`, which are the keys of its settings files too.

use std::path::PathBuf;

use preco_train::augment::Strength;
use preco_train::tasks::classify::Weighting;
use serde::{Deserialize, Serialize};

use super::super::pretrain::named;
use crate::cli::Machine;

/// Learn labels
#[derive(Clone, Debug, Default, clap::Args, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(crate) struct Args {
    /// Folder of images: a folder for each class, or BigEarthNet's own
    #[arg(long, value_name = "DIR", help_heading = "Data")]
    pub data: Option<PathBuf>,
    /// CSV or JSON lines of paths and labels, in place of folders: path,label (or labels, with ; between them)
    #[arg(long, value_name = "FILE", conflicts_with_all = ["data", "list", "val_list", "split"], help_heading = "Data")]
    pub labels: Option<PathBuf>,
    /// Likewise, to measure on
    #[arg(long, value_name = "FILE", requires = "labels", help_heading = "Data")]
    pub val_labels: Option<PathBuf>,
    /// Folder with train.txt and val.txt, as `data split` writes them
    #[arg(long, value_name = "DIR", conflicts_with_all = ["list", "val_list"], help_heading = "Data")]
    pub split: Option<PathBuf>,
    /// Text file with a path within DIR on each line: train on these only
    #[arg(long, value_name = "FILE", help_heading = "Data")]
    pub list: Option<PathBuf>,
    /// Text file of paths within DIR to measure on while training; not trained on
    #[arg(long, value_name = "FILE", help_heading = "Data")]
    pub val_list: Option<PathBuf>,
    /// Share of the images to hold out by a hash of the names, where no list is given [default: 0.1]
    #[arg(long, value_name = "SHARE", conflicts_with_all = ["list", "val_list", "split", "labels"], help_heading = "Data")]
    pub held_out: Option<f64>,
    /// Share of the training images whose labels are used, of each class alike; a smaller one is part of a larger [default: 1]
    #[arg(long, value_name = "SHARE", help_heading = "Data")]
    pub label_fraction: Option<f64>,
    /// Seed of that choice [default: the run's]
    #[arg(long, value_name = "SEED", help_heading = "Data")]
    pub fraction_seed: Option<u64>,
    /// Text files of names of BigEarthNet's patches to leave out: snow, clouds
    #[arg(long, value_name = "FILE", value_delimiter = ',', help_heading = "Data")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub leave_out: Vec<PathBuf>,
    /// Bands to learn from: names, numbers from 1, or both (red=4); all for every band. Files of 13 bands without names are in EuroSAT's order [default: the model's]
    #[arg(long, value_name = "BANDS", help_heading = "Data")]
    pub bands: Option<String>,
    /// Stored values of more than eight bits that become black and white: LOW,HIGH, sentinel2, or 2sd (two deviations around each band's mean, over the images that are learnt from) [default: the model's, where it has some for these bands, else 2sd]
    #[arg(long, value_name = "HOW", allow_hyphen_values = true, help_heading = "Data")]
    pub stretch: Option<String>,
    /// Leave out files that are no readable images, however many
    #[arg(long, help_heading = "Data")]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub skip_unreadable: bool,
    /// Unreadable files to leave out at most [default: 0; any with --skip-unreadable]
    #[arg(long, value_name = "N", help_heading = "Data")]
    pub max_unreadable: Option<usize>,
    /// Threads that decode images ahead of the step [default: 1]
    #[arg(long, value_name = "T", help_heading = "Data")]
    pub loader_threads: Option<usize>,
    /// Memory for decoded images in megabytes [default: 1024]
    #[arg(long, value_name = "MB", help_heading = "Data")]
    pub cache_mb: Option<u64>,

    /// Model to start from: a name or a folder [default: preco-swin-pico]
    #[arg(long, value_name = "MODEL", help_heading = "Model")]
    pub init_from: Option<PathBuf>,
    /// Start from random weights: pico, nano, tiny, small, base or large
    #[arg(long, value_name = "PRESET", conflicts_with = "init_from", help_heading = "Model")]
    pub model: Option<String>,
    /// Side of the input in pixels [default: the model's]
    #[arg(long, value_name = "N", help_heading = "Model")]
    pub input_size: Option<usize>,
    /// Side of the attention windows in tokens [default: the model's]
    #[arg(long, value_name = "N", help_heading = "Model")]
    pub window: Option<usize>,
    /// Leave the encoder as it is and learn the head alone: a linear probe
    #[arg(long, help_heading = "Model")]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub freeze_backbone: bool,
    /// Highest drop-path rate [default: 0.1; 0 with --freeze-backbone]
    #[arg(long, value_name = "P", help_heading = "Model")]
    pub drop_path: Option<f64>,
    /// Give an encoder of other bands a patch embedding for these: shared ones are copied, the rest is their mean
    #[arg(long, help_heading = "Model")]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub adapt_bands: bool,
    /// Put a new head in the place of one for other classes
    #[arg(long, help_heading = "Model")]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub new_head: bool,

    /// Recipe: paper [default: one for small models]
    #[arg(long, value_parser = ["paper"], help_heading = "Training")]
    pub preset: Option<String>,
    /// Passes over the data [default: 50; 100 with --preset paper]
    #[arg(long, value_name = "N", conflicts_with = "steps", help_heading = "Training")]
    pub epochs: Option<u64>,
    /// Updates
    #[arg(long, value_name = "N", help_heading = "Training")]
    pub steps: Option<u64>,
    /// Images per forward pass [default: 32, or as many as there are]
    #[arg(long, value_name = "B", help_heading = "Training")]
    pub batch_size: Option<usize>,
    /// Forward passes per update [default: 1]
    #[arg(long, value_name = "K", help_heading = "Training")]
    pub accumulate: Option<usize>,
    /// Highest learning rate, as used [default: 0.002; 0.1 with --freeze-backbone]
    #[arg(long, help_heading = "Training")]
    pub lr: Option<f64>,
    /// Learning rate at the end [default: 0.00001]
    #[arg(long, value_name = "LR", help_heading = "Training")]
    pub min_lr: Option<f64>,
    /// Updates of warm-up [default: a twentieth]
    #[arg(long, value_name = "N", help_heading = "Training")]
    pub warmup_steps: Option<u64>,
    /// Decoupled weight decay [default: 0.05; 0 with --freeze-backbone]
    #[arg(long, value_name = "W", help_heading = "Training")]
    pub weight_decay: Option<f64>,
    /// The gradient's largest norm; 0 for none [default: 5]
    #[arg(long, value_name = "NORM", help_heading = "Training")]
    pub clip: Option<f64>,
    /// Factor on the learning rate per layer from the head to the input [default: 0.75; 1 with --preset paper]
    #[arg(long, value_name = "F", help_heading = "Training")]
    pub layer_decay: Option<f64>,
    /// Share of the truth that is spread over all classes [default: 0]
    #[arg(long, value_name = "SHARE", help_heading = "Training")]
    pub label_smoothing: Option<f64>,
    /// How much classes weigh: none (all alike) or balanced (rare ones more) [default: none]
    #[arg(long, value_parser = named::<Weighting>, help_heading = "Training")]
    pub class_weights: Option<Weighting>,
    /// How much views of an image differ: none, light (place, flips, turns) or strong (colours and holes too) [default: light; none with --freeze-backbone]
    #[arg(long, value_parser = named::<Strength>, help_heading = "Training")]
    pub augment: Option<Strength>,
    /// Alpha of mixup; 0 for none [default: 0]
    #[arg(long, value_name = "ALPHA", help_heading = "Training")]
    pub mixup: Option<f64>,
    /// Alpha of CutMix; 0 for none [default: 0]
    #[arg(long, value_name = "ALPHA", help_heading = "Training")]
    pub cutmix: Option<f64>,
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
    /// The model's name [default: the encoder's, with -classify or -multilabel]
    #[arg(long, help_heading = "Output")]
    pub name: Option<String>,
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
