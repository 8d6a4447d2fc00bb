//! Flags and presets to one configuration.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use preco_core::backbones::swin::{Swin, SwinConfig, TableResize, transfer};
use preco_core::nn::params::Layout;
use preco_core::preco::{Lambdas, Preco, PrecoConfig};
use preco_train::checkpoint::{Start as Begin, Store};
use preco_train::recipe::{Length, Recipe, Warmup};
use preco_train::run::Runtime;
use preco_train::tasks::pretrain::Pretrain;
use preco_zoo::{ModelFolder, Name, shown};

use super::Args;
use crate::cli::Machine;
use crate::hub::Hub;
use crate::{config, names};

/// Input side of a run on generated scenes, where none is given: pico is done in two minutes.
const SCENE_SIDE_PX: usize = 64;
/// Largest input side: beyond it a single image's activations fill tens of gigabytes.
const MOST_SIDE_PX: usize = 4096;
/// Updates of a run on generated scenes.
const SCENE_STEPS: u64 = 300;
/// Images per pass and device of SimMIM.
const SIMMIM_BATCH: usize = 128;

/// The recipes beside the one for small models.
const PRESETS: [&str; 2] = ["paper", "simmim"];
/// What clap refuses of flags, for files.
const RULES: config::Rules<'_> = config::Rules {
    exclusive: &[["steps", "epochs"], ["model", "init-from"], ["list", "held-out"], ["val-list", "held-out"]],
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

/// What will be done.
pub(crate) struct Plan {
    /// The model's name.
    pub name: String,
    /// The settings.
    pub config: Pretrain,
    /// How it uses the machine.
    pub runtime: Runtime,
    /// Where the parameters come from.
    pub start: Option<Start>,
    /// Where the results go.
    pub out: PathBuf,
    /// What to do with what is there.
    pub begin: Begin,
}

/// A model folder whose parameters a run starts from.
pub(crate) struct Start(ModelFolder);

impl Start {
    /// The folder's encoder at the run's input and window, and its decoder where it has one, over fresh parameters.
    pub(super) fn parameters(&self, model: &Preco, seed: u64) -> Result<Vec<f32>> {
        let backbone = &self.0.spec().backbone;
        let mut layout = Layout::default();
        Swin::new(backbone, &mut layout)?;
        let mut encoder = vec![0.0; layout.len()];
        self.0.overlay_encoder(&layout, &mut encoder)?;
        let encoder = transfer(&encoder, backbone, &model.config().encoder, TableResize::default())?;
        let mut params = model.layout().init(seed);
        params[..encoder.len()].copy_from_slice(&encoder);
        self.0.overlay_decoder(model.layout(), &mut params)?;
        Ok(params)
    }
}

impl Plan {
    /// The plan of the flags.
    pub(crate) fn new(args: &Args) -> Result<Self> {
        if let Some(preset) = args.preset.as_deref().filter(|preset| !PRESETS.contains(preset)) {
            bail!("{}", names::unknown("recipe", preset, PRESETS.into_iter()));
        }
        // Where a run started from matters no more once it has a checkpoint.
        let saved = args.resume.as_deref().filter(|_| args.init_from.is_some()).and_then(saved_model);
        let start =
            args.init_from.as_deref().filter(|_| saved.is_none()).map(|name| Hub::default().fetch(name)).transpose()?;
        let (name, mut encoder) = match (&start, saved) {
            (Some(folder), _) => (folder.spec().name.clone(), folder.spec().backbone.clone()),
            (None, Some(saved)) => saved,
            (None, None) => {
                let default = if args.preset.is_some() { "base" } else { "pico" };
                let preset = args.model.as_deref().unwrap_or(default);
                (format!("preco-swin-{preset}"), names::encoder(preset)?)
            }
        };
        let small_scenes = args.data.is_none() && args.preset.is_none() && args.init_from.is_none();
        if let Some(side) = args.input_size.or(small_scenes.then_some(SCENE_SIDE_PX)) {
            ensure!(side <= MOST_SIDE_PX, "--input-size {side} is too large; at most {MOST_SIDE_PX} pixels");
            encoder.input = [side, side];
        }
        if let Some(side) = args.window {
            encoder.window = [side, side];
        }
        encoder.drop_path = args.drop_path.unwrap_or(encoder.drop_path);
        // Before anything is derived from sizes that cannot be.
        encoder.validate()?;
        let out = args.out.clone().unwrap_or_else(|| Path::new("runs").join(&name));
        if args.resume.is_none() {
            refuse_mingled(args, &out)?;
        }
        let begin = match (args.resume.is_some(), args.force) {
            (true, _) => Begin::Resume,
            (false, true) => Begin::Replace,
            (false, false) => Begin::Fresh,
        };
        let config = recipe(args, objective(args, encoder));
        config.model.validate()?;
        Ok(Self { name, config, runtime: runtime(args), start: start.map(Start), out, begin })
    }

    /// Every setting with its value, defaults included: a file from which the run can be started again.
    pub(crate) fn settings(&self, args: &Args) -> Result<String> {
        let (config, model) = (&self.config.recipe, &self.config.model);
        let (steps, epochs) = match config.length {
            Length::Steps(steps) => (Some(steps), None),
            Length::Epochs(epochs) => (None, Some(epochs)),
        };
        let absolute = |path: &Option<PathBuf>| -> Result<Option<PathBuf>> {
            let absolute = path.as_ref().map(std::path::absolute).transpose();
            absolute.context("the current folder")
        };
        let warmup_steps = match config.warmup {
            Warmup::Steps(steps) => Some(steps),
            Warmup::Epochs(_) | Warmup::Share(_) => args.warmup_steps,
        };
        config::to_toml(&Args {
            data: absolute(&args.data)?,
            list: absolute(&args.list)?,
            val_list: absolute(&args.val_list)?,
            init_from: match &args.init_from {
                // A folder wherever the run is continued from; names are names.
                Some(name) => match Name::parse(&name.to_string_lossy())? {
                    Name::Folder(path) => absolute(&Some(path))?,
                    Name::Address(address) => Some(shown(&address).into()),
                    _ => Some(name.clone()),
                },
                None => None,
            },
            max_unreadable: Some(config.max_unreadable),
            loader_threads: Some(self.runtime.loader_threads),
            cache_mb: Some(self.runtime.cache_bytes >> 20),
            model: args.init_from.is_none().then(|| self.name.trim_start_matches("preco-swin-").to_owned()),
            input_size: Some(model.encoder.input[0]),
            window: Some(model.encoder.window[0]),
            drop_path: Some(model.encoder.drop_path),
            method: Some(model.method),
            mask_patch: Some(model.mask_patch),
            mask_ratio: Some(model.mask_ratio),
            distance: Some(model.reconstruction),
            consistency: Some(model.consistency),
            prompt_region: Some(model.prompt_region),
            stop_gradient: model.stop_gradient,
            lambda_re: Some(model.lambdas.re),
            lambda_pr: Some(model.lambdas.pr),
            lambda_sc: Some(model.lambdas.sc),
            epochs,
            steps,
            batch_size: Some(config.batch_size),
            accumulate: Some(config.accumulate),
            lr: Some(config.lr),
            min_lr: Some(config.min_lr),
            warmup_steps,
            weight_decay: Some(config.optimiser.weight_decay),
            clip: Some(config.clip.unwrap_or(0.0)),
            layer_decay: Some(config.groups.layer_decay),
            ema: config.ema,
            seed: Some(config.seed),
            evaluate_every: Some(config.evaluate_every),
            patience: Some(config.patience),
            save_every: Some(self.runtime.save_every),
            keep: Some(self.runtime.keep),
            ..args.clone()
        })
    }

    /// The objective in a few words.
    pub(crate) fn summary(&self) -> String {
        let model = &self.config.model;
        format!(
            "{}, {:.0} % masked in squares of {} pixels",
            serde_json::to_value(model.method)
                .ok()
                .and_then(|name| name.as_str().map(str::to_owned))
                .unwrap_or_default(),
            100.0 * model.mask_ratio,
            model.mask_patch
        )
    }
}

/// Refuses inputs that lie where the run's own files go, for replacing an earlier run would take them along; and a run
/// among the images, for its pictures would become some of them.
fn refuse_mingled(args: &Args, out: &Path) -> Result<()> {
    let out = resolved(out);
    let inputs = [
        ("--init-from", &args.init_from),
        ("--data", &args.data),
        ("--list", &args.list),
        ("--val-list", &args.val_list),
    ];
    for (flag, input) in inputs {
        let within = input.as_ref().and_then(|input| input.canonicalize().ok()).filter(|input| input.starts_with(&out));
        ensure!(
            within.is_none(),
            "{flag} {} lies in --out {}, where this run's files go; choose another folder",
            input.as_deref().unwrap_or(Path::new("")).display(),
            out.display()
        );
    }
    if let Some(data) = args.data.as_deref().filter(|data| data.canonicalize().is_ok_and(|data| out.starts_with(data)))
    {
        bail!(
            "--out {} lies in --data {}, where this run's pictures would be read as images; choose another folder",
            out.display(),
            data.display()
        );
    }
    Ok(())
}

/// The path without links, also where its last parts do not exist yet.
fn resolved(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.into());
    let real = path.ancestors().find_map(|above| {
        let rest = path.strip_prefix(above).ok()?;
        above.canonicalize().ok().map(|above| above.join(rest))
    });
    real.unwrap_or(path)
}

/// Name and encoder of the newest checkpoint in `run`.
fn saved_model(run: &Path) -> Option<(String, SwinConfig)> {
    let mut saved = Store::new(run, 1).identity()?;
    let encoder = saved.settings.get_mut("model")?.get_mut("encoder")?.take();
    Some((saved.name, serde_json::from_value(encoder).ok()?))
}

fn runtime(args: &Args) -> Runtime {
    let default = Runtime::default();
    Runtime {
        loader_threads: args.loader_threads.unwrap_or(default.loader_threads),
        cache_bytes: args.cache_mb.map_or(default.cache_bytes, |megabytes| megabytes.saturating_mul(1 << 20)),
        save_every: args.save_every.unwrap_or(default.save_every),
        keep: args.keep.unwrap_or(default.keep),
    }
}

fn objective(args: &Args, encoder: SwinConfig) -> PrecoConfig {
    let fresh = PrecoConfig::new(encoder);
    PrecoConfig {
        method: args.method.unwrap_or(fresh.method),
        mask_patch: args.mask_patch.unwrap_or(fresh.mask_patch),
        mask_ratio: args.mask_ratio.unwrap_or(fresh.mask_ratio),
        reconstruction: args.distance.unwrap_or(fresh.reconstruction),
        consistency: args.consistency.unwrap_or(fresh.consistency),
        prompt_region: args.prompt_region.unwrap_or(fresh.prompt_region),
        stop_gradient: args.stop_gradient,
        lambdas: Lambdas {
            re: args.lambda_re.unwrap_or(fresh.lambdas.re),
            pr: args.lambda_pr.unwrap_or(fresh.lambdas.pr),
            sc: args.lambda_sc.unwrap_or(fresh.lambdas.sc),
        },
        ..fresh
    }
}

/// The preset, with what the flags say over it.
fn recipe(args: &Args, model: PrecoConfig) -> Pretrain {
    let accumulate = args.accumulate.unwrap_or(1);
    let mut config = match args.preset.as_deref() {
        Some("paper") => Pretrain::paper(model),
        Some(_) => Pretrain::simmim(model, args.batch_size.unwrap_or(SIMMIM_BATCH), accumulate),
        None => Pretrain::small(model),
    };
    let recipe: &mut Recipe = &mut config.recipe;
    recipe.batch_size = args.batch_size.unwrap_or(recipe.batch_size);
    if args.data.is_none() && args.preset.is_none() {
        recipe.length = Length::Steps(SCENE_STEPS);
    }
    let asked = args.steps.map(Length::Steps).or(args.epochs.map(Length::Epochs));
    recipe.length = asked.unwrap_or(recipe.length);
    recipe.accumulate = accumulate;
    recipe.lr = args.lr.unwrap_or(recipe.lr);
    recipe.min_lr = args.min_lr.unwrap_or(recipe.min_lr.min(recipe.lr));
    recipe.warmup = args.warmup_steps.map_or(recipe.warmup, Warmup::Steps);
    recipe.optimiser.weight_decay = args.weight_decay.unwrap_or(recipe.optimiser.weight_decay);
    recipe.clip = args.clip.map_or(recipe.clip, |clip| (clip != 0.0).then_some(clip));
    recipe.groups.layer_decay = args.layer_decay.unwrap_or(recipe.groups.layer_decay);
    recipe.ema = args.ema;
    recipe.evaluate_every = args.evaluate_every.unwrap_or(recipe.evaluate_every);
    recipe.patience = args.patience.unwrap_or(recipe.patience);
    // Of headers before the run and of pixels on the way, in all.
    let unreadable = if args.skip_unreadable { u32::MAX as usize } else { recipe.max_unreadable };
    recipe.max_unreadable = args.max_unreadable.unwrap_or(unreadable);
    recipe.seed = args.seed.unwrap_or(recipe.seed);
    config
}
