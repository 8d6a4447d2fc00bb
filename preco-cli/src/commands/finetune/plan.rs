//! Flags, a model and data to one configuration.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use preco_core::backbones::swin::{Adapted, SwinConfig};
use preco_core::spec::{Labelling, Preprocess};
use preco_train::augment::Mix;
use preco_train::checkpoint::Start as Begin;
use preco_train::recipe::{Length, Warmup};
use preco_train::run::Runtime;
use preco_train::tasks::classify::Classify;
use preco_zoo::{ModelFolder, Name, shown};

use super::Args;
use super::data::Data;
use crate::cli::Machine;
use crate::hub::Hub;
use crate::{config, names};

/// The model that fine-tuning starts from where none is named.
const MODEL: &str = "preco-swin-pico";
/// The highest drop-path rate where none is given.
const DROP_PATH: f64 = 0.1;
/// Images enough for any batch.
const MANY: usize = 10_000_000;
/// What clap refuses of flags, for files.
const RULES: config::Rules<'_> = config::Rules {
    exclusive: &[
        ["steps", "epochs"],
        ["model", "init-from"],
        ["list", "held-out"],
        ["val-list", "held-out"],
        ["split", "held-out"],
        ["labels", "held-out"],
        ["labels", "data"],
        ["labels", "list"],
        ["labels", "val-list"],
        ["labels", "split"],
        ["split", "list"],
        ["split", "val-list"],
    ],
    flags_only: &["accept-changes", "config", "force", "json", "resume"],
};

/// The flags over their settings file, or over the settings of the run to continue; `machine` are the flags that all
/// commands share.
pub(crate) fn settings(args: &Args, machine: &Machine) -> Result<Args> {
    let Machine { threads, simd, device, precision } = machine.clone();
    let args = &Args { threads, simd, device, precision, ..args.clone() };
    let Some(file) = config::file_of(args.config.as_deref(), args.resume.as_deref())? else { return Ok(args.clone()) };
    let mut layered = config::layered(&file, args, &RULES)?;
    if args.skip_unreadable && args.max_unreadable.is_none() {
        // The flag is the newer word, and it means any number.
        layered.max_unreadable = None;
    }
    let out = args.resume.clone().or(layered.out);
    let (force, accept_changes) = (args.force, args.accept_changes);
    Ok(Args { out, force, accept_changes, resume: args.resume.clone(), config: args.config.clone(), ..layered })
}

/// Refuses values that no run can have, as far as they can be judged without data and without a model.
pub(crate) fn check(args: &Args) -> Result<()> {
    let encoder = names::encoder(args.model.as_deref().unwrap_or("pico"))?;
    let (preprocess, labels) = (Preprocess::imagenet(encoder.input), ["a", "b"].map(str::to_owned).to_vec());
    let mut config = Classify::small(encoder, preprocess, labels, Labelling::Single, args.freeze_backbone);
    if args.preset.is_some() {
        config = config.paper();
    }
    let drop_path = if args.freeze_backbone { 0.0 } else { DROP_PATH };
    config.encoder.drop_path = args.drop_path.unwrap_or(drop_path);
    adjust(&mut config, args, MANY);
    config.validate(MANY)?;
    let fraction = args.label_fraction.unwrap_or(1.0);
    ensure!(fraction > 0.0 && fraction <= 1.0, "label-fraction {fraction} must be above 0, at most 1");
    let held_out = args.held_out.unwrap_or(0.0);
    ensure!((0.0..1.0).contains(&held_out), "held-out {held_out} must be 0 to less than 1");
    super::super::labelled::check_stretch(args.stretch.as_deref())
}

/// Where the encoder comes from.
pub(super) enum Start {
    /// A model's folder.
    Model(Box<ModelFolder>),
    /// Random weights of a preset.
    Random(String, Box<SwinConfig>),
}

impl Start {
    pub(super) fn encoder(&self) -> &SwinConfig {
        match self {
            Self::Model(folder) => &folder.spec().backbone,
            Self::Random(_, config) => config,
        }
    }

    /// How the model's images become inputs.
    pub(super) fn preprocess(&self) -> Preprocess {
        match self {
            Self::Model(folder) => folder.preprocess().clone(),
            Self::Random(_, config) => Preprocess::imagenet(config.input),
        }
    }

    pub(super) fn name(&self) -> &str {
        match self {
            Self::Model(folder) => &folder.spec().name,
            Self::Random(name, _) => name,
        }
    }

    pub(super) fn words(&self) -> String {
        match self {
            Self::Model(folder) => format!("from {}", folder.spec().name),
            Self::Random(name, _) => format!("from random weights of {name}"),
        }
    }
}

/// The model that the flags name.
pub(super) fn start(args: &Args) -> Result<Start> {
    if let Some(preset) = &args.model {
        return Ok(Start::Random(format!("preco-swin-{preset}"), Box::new(names::encoder(preset)?)));
    }
    let name = args.init_from.clone().unwrap_or_else(|| PathBuf::from(MODEL));
    Ok(Start::Model(Box::new(Hub::default().fetch(&name)?)))
}

/// What will be done.
pub(super) struct Plan {
    pub(super) name: String,
    pub(super) config: Classify,
    pub(super) runtime: Runtime,
    pub(super) out: PathBuf,
    pub(super) begin: Begin,
}

impl Plan {
    pub(super) fn new(args: &Args, labelling: Labelling, start: &Start, data: &Data) -> Result<Self> {
        let mut encoder = start.encoder().clone();
        if let Some(side) = args.input_size {
            ensure!((4..=4096).contains(&side), "--input-size {side} must be 4 to 4096 pixels");
            encoder.input = [side, side];
        }
        if let Some(side) = args.window {
            encoder.window = [side, side];
        }
        let frozen = args.freeze_backbone;
        encoder.drop_path = args.drop_path.unwrap_or(if frozen { 0.0 } else { DROP_PATH });
        let mut preprocess = start.preprocess();
        let mut adapted = None;
        if data.bands != preprocess.bands {
            let [has, wants] = [&data.bands, &preprocess.bands].map(|bands| bands.join(", "));
            ensure!(
                args.adapt_bands || matches!(start, Start::Random(..)),
                "{} was trained on {wants}, the data has {has}: choose those with --bands, or give it a patch embedding for \
                 the data's with --adapt-bands",
                start.name()
            );
            if let Start::Model(_) = start {
                adapted = Some(Adapted::of(&preprocess.bands, &data.bands)?);
            }
            encoder.bands = data.bands.len();
            preprocess = preprocess.with_bands(&data.bands);
        }
        preprocess.band_numbers = data.band_numbers.clone();
        preprocess.levels = data.levels.clone();
        preprocess.size = encoder.input;
        // Before anything is derived from sizes that cannot be.
        encoder.validate()?;
        let labels = data.images.classes().to_vec();
        let mut config = Classify::small(encoder, preprocess, labels, labelling, frozen);
        if args.preset.is_some() {
            config = config.paper();
        }
        config.adapted = adapted;
        adjust(&mut config, args, data.images.len());
        let kind = match labelling {
            Labelling::Single => "classify",
            Labelling::Multi => "multilabel",
        };
        let name = args.name.clone().unwrap_or_else(|| format!("{}-{kind}", start.name()));
        let out = args.out.clone().unwrap_or_else(|| Path::new("runs").join(&name));
        let begin = match (args.resume.is_some(), args.force) {
            (true, _) => Begin::Resume,
            (false, true) => Begin::Replace,
            (false, false) => Begin::Fresh,
        };
        let default = Runtime::default();
        let runtime = Runtime {
            loader_threads: args.loader_threads.unwrap_or(default.loader_threads),
            cache_bytes: args.cache_mb.map_or(default.cache_bytes, |megabytes| megabytes.saturating_mul(1 << 20)),
            save_every: args.save_every.unwrap_or(default.save_every),
            keep: args.keep.unwrap_or(default.keep),
        };
        Ok(Self { name, config, runtime, out, begin })
    }

    /// Every setting with its value, defaults included: a file from which the run can be started again.
    pub(super) fn settings(&self, args: &Args) -> Result<String> {
        let Classify { encoder, recipe, .. } = &self.config;
        let (steps, epochs) = match recipe.length {
            Length::Steps(steps) => (Some(steps), None),
            Length::Epochs(epochs) => (None, Some(epochs)),
        };
        let absolute = |path: &Option<PathBuf>| -> Result<Option<PathBuf>> {
            path.as_ref().map(std::path::absolute).transpose().context("the current folder")
        };
        let init_from = match &args.init_from {
            // A folder wherever the run is continued from; names are names.
            Some(name) => match Name::parse(&name.to_string_lossy())? {
                Name::Folder(path) => absolute(&Some(path))?,
                Name::Address(address) => Some(shown(&address).into()),
                _ => Some(name.clone()),
            },
            None => args.model.is_none().then(|| PathBuf::from(MODEL)),
        };
        let leave_out =
            args.leave_out.iter().map(std::path::absolute).collect::<Result<_, _>>().context("the current folder")?;
        config::to_toml(&Args {
            data: absolute(&args.data)?,
            labels: absolute(&args.labels)?,
            val_labels: absolute(&args.val_labels)?,
            split: absolute(&args.split)?,
            list: absolute(&args.list)?,
            val_list: absolute(&args.val_list)?,
            leave_out,
            init_from,
            max_unreadable: Some(recipe.max_unreadable),
            loader_threads: Some(self.runtime.loader_threads),
            cache_mb: Some(self.runtime.cache_bytes >> 20),
            input_size: Some(encoder.input[0]),
            window: Some(encoder.window[0]),
            drop_path: Some(encoder.drop_path),
            epochs,
            steps,
            batch_size: Some(recipe.batch_size),
            accumulate: Some(recipe.accumulate),
            lr: Some(recipe.lr),
            min_lr: Some(recipe.min_lr),
            weight_decay: Some(recipe.optimiser.weight_decay),
            clip: Some(recipe.clip.unwrap_or(0.0)),
            layer_decay: Some(recipe.groups.layer_decay),
            label_smoothing: Some(self.config.smoothing),
            class_weights: Some(self.config.weighting),
            augment: Some(self.config.augment),
            mixup: Some(self.config.mix.mixup),
            cutmix: Some(self.config.mix.cutmix),
            ema: recipe.ema,
            seed: Some(recipe.seed),
            evaluate_every: Some(recipe.evaluate_every),
            patience: Some(recipe.patience),
            save_every: Some(self.runtime.save_every),
            keep: Some(self.runtime.keep),
            name: Some(self.name.clone()),
            ..args.clone()
        })
    }
}

/// What the flags say over the recipe.
fn adjust(config: &mut Classify, args: &Args, images: usize) {
    config.smoothing = args.label_smoothing.unwrap_or(config.smoothing);
    config.weighting = args.class_weights.unwrap_or(config.weighting);
    config.augment = args.augment.unwrap_or(config.augment);
    config.mix = Mix { mixup: args.mixup.unwrap_or(0.0), cutmix: args.cutmix.unwrap_or(0.0) };
    let recipe = &mut config.recipe;
    let asked = args.steps.map(Length::Steps).or(args.epochs.map(Length::Epochs));
    recipe.length = asked.unwrap_or(recipe.length);
    recipe.accumulate = args.accumulate.unwrap_or(recipe.accumulate);
    // A hundredth of the labels may be fewer than a batch.
    recipe.batch_size = args.batch_size.unwrap_or(recipe.batch_size.min(images / recipe.accumulate.max(1)).max(1));
    recipe.lr = args.lr.unwrap_or(recipe.lr);
    recipe.min_lr = args.min_lr.unwrap_or(recipe.min_lr.min(recipe.lr));
    recipe.warmup = args.warmup_steps.map_or(recipe.warmup, Warmup::Steps);
    recipe.optimiser.weight_decay = args.weight_decay.unwrap_or(recipe.optimiser.weight_decay);
    recipe.clip = args.clip.map_or(recipe.clip, |clip| (clip != 0.0).then_some(clip));
    recipe.groups.layer_decay = args.layer_decay.unwrap_or(recipe.groups.layer_decay);
    recipe.ema = args.ema;
    recipe.evaluate_every = args.evaluate_every.unwrap_or(recipe.evaluate_every);
    recipe.patience = args.patience.unwrap_or(recipe.patience);
    let unreadable = if args.skip_unreadable { u32::MAX as usize } else { recipe.max_unreadable };
    recipe.max_unreadable = args.max_unreadable.unwrap_or(unreadable);
    recipe.seed = args.seed.unwrap_or(recipe.seed);
}
