//! Flags and presets to one configuration.

use anyhow::{Result, ensure};
use preco_core::backbones::swin::{Swin, SwinConfig, TableResize, transfer};
use preco_core::nn::params::Layout;
use preco_core::preco::{Lambdas, Preco, PrecoConfig};
use preco_train::tasks::pretrain::{Length, Pretrain, Warmup};
use preco_zoo::{ModelFolder, find};

use super::Args;

/// Input side of a run on generated scenes, where none is given: pico is done in two minutes.
const SCENE_SIDE_PX: usize = 64;
/// Largest input side: beyond it a single image's activations fill tens of gigabytes.
const MOST_SIDE_PX: usize = 4096;
/// Updates of a run on generated scenes.
const SCENE_STEPS: u64 = 300;
/// Images per pass of the paper.
const PAPER_BATCH: usize = 896;
/// Images per pass and device of SimMIM.
const SIMMIM_BATCH: usize = 128;

/// What will be done.
pub(super) struct Plan {
    /// The model's name.
    pub name: String,
    /// The settings.
    pub config: Pretrain,
    /// Where the parameters come from.
    pub start: Option<Start>,
}

/// A model folder whose parameters a run starts from.
pub(super) struct Start(ModelFolder);

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
    pub(super) fn new(args: &Args) -> Result<Self> {
        let start = args.init_from.as_deref().map(find).transpose()?;
        let (name, mut encoder) = match &start {
            Some(folder) => (folder.spec().name.clone(), folder.spec().backbone.clone()),
            None => {
                let default = if args.preset.is_some() { "base" } else { "pico" };
                let preset = args.model.as_deref().unwrap_or(default);
                (format!("preco-swin-{preset}"), SwinConfig::preset(preset)?)
            }
        };
        let small_scenes = args.data.is_none() && args.preset.is_none() && start.is_none();
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
        Ok(Self { name, config: recipe(args, objective(args, encoder)), start: start.map(Start) })
    }

    /// The objective in a few words.
    pub(super) fn summary(&self) -> String {
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

fn objective(args: &Args, encoder: SwinConfig) -> PrecoConfig {
    let fresh = PrecoConfig::new(encoder);
    PrecoConfig {
        method: args.method,
        mask_patch: args.mask_patch.unwrap_or(fresh.mask_patch),
        mask_ratio: args.mask_ratio,
        reconstruction: args.distance,
        consistency: args.consistency,
        prompt_region: args.prompt_region,
        stop_gradient: args.stop_gradient,
        lambdas: Lambdas { re: args.lambda_re, pr: args.lambda_pr, sc: args.lambda_sc },
        ..fresh
    }
}

/// The preset, with what the flags say over it.
fn recipe(args: &Args, model: PrecoConfig) -> Pretrain {
    let batch = |default| args.batch_size.unwrap_or(default);
    let mut config = match args.preset.as_deref() {
        Some("paper") => Pretrain { batch_size: batch(PAPER_BATCH), ..Pretrain::paper(model) },
        Some(_) => Pretrain::simmim(model, batch(SIMMIM_BATCH), args.accumulate),
        None => {
            let small = Pretrain::small(model);
            Pretrain { batch_size: batch(small.batch_size), ..small }
        }
    };
    if args.data.is_none() && args.preset.is_none() {
        config.length = Length::Steps(SCENE_STEPS);
    }
    let asked = args.steps.map(Length::Steps).or(args.epochs.map(Length::Epochs));
    config.length = asked.unwrap_or(config.length);
    config.accumulate = args.accumulate;
    config.lr = args.lr.unwrap_or(config.lr);
    config.min_lr = args.min_lr.unwrap_or(config.min_lr.min(config.lr));
    config.warmup = args.warmup_steps.map_or(config.warmup, Warmup::Steps);
    config.optimiser.weight_decay = args.weight_decay.unwrap_or(config.optimiser.weight_decay);
    config.clip = args.clip.map_or(config.clip, |clip| (clip != 0.0).then_some(clip));
    config.groups.layer_decay = args.layer_decay.unwrap_or(config.groups.layer_decay);
    config.seed = args.seed;
    config
}
