//! The whole encoder: patch embedding, stages of blocks with patch merging between them, final norm.

use super::block::{Block, BlockTape, Maps};
use super::config::SwinConfig;
use super::tape::{Keep, Tape};
use crate::backend::Backend;
use crate::error::{Error, Result};
use crate::nn::params::Layout;
use crate::nn::{LayerNorm, Linear, Outputs, Pass};
use crate::ops::merge_patches::MergeGeometry;
use crate::ops::patchify::PatchGeometry;
use crate::ops::window_attention::{WindowGeometry, effective_window};

/// A Swin encoder: where its parameters lie. It holds no values, opens no file and chooses no device.
#[derive(Clone, Debug)]
pub struct Swin {
    config: SwinConfig,
    projection: Linear,
    embed_norm: LayerNorm,
    stages: Vec<Stage>,
    norm: LayerNorm,
    geometry: Vec<StageGeometry>,
    /// Where the encoder's last segment ends in the flat parameters.
    end: usize,
}

/// One stage: patch merging (but for the first), then blocks.
#[derive(Clone, Debug)]
struct Stage {
    merge: Option<(LayerNorm, Linear)>,
    blocks: Vec<Block>,
    first_block: usize,
    channels: usize,
}

/// Where the tokens of one stage stand at one input size.
#[derive(Clone, Debug)]
struct StageGeometry {
    grid: [usize; 2],
    plain: WindowGeometry,
    shifted: WindowGeometry,
}

/// Gradients that reach the encoder from outside.
pub struct OutputGradients<'a, B: Backend> {
    /// Of [`Tape::features`].
    pub features: Option<&'a B::Slice>,
    /// Of [`Tape::stage`], one for each stage or none at all.
    pub stages: Vec<Option<&'a B::Slice>>,
}

impl Swin {
    /// Adds the encoder's segments to `layout`, under timm's names.
    ///
    /// # Errors
    /// [`Error::Config`] where the sizes do not fit.
    pub fn new(config: &SwinConfig, layout: &mut Layout) -> Result<Self> {
        config.validate()?;
        let total: usize = config.depths.iter().sum();
        let projection = Linear::convolution(layout, "patch_embed.proj", config.bands, config.patch, config.embed, 0);
        let embed_norm = LayerNorm::new(layout, "patch_embed.norm", config.embed, 0);
        let (mut stages, mut first_block) = (Vec::new(), 0);
        for (s, (&depth, &heads)) in config.depths.iter().zip(&config.heads).enumerate() {
            let channels = config.channels(s);
            let hidden = (channels as f64 * config.mlp_ratio) as usize;
            // Merging counts with the stage before it, as in the authors' naming.
            let merge = (s > 0).then(|| {
                let (name, inner) = (format!("layers.{s}.downsample"), 2 * channels);
                let norm = LayerNorm::new(layout, &format!("{name}.norm"), inner, first_block);
                (norm, Linear::new(layout, &format!("{name}.reduction"), inner, channels, false, first_block))
            });
            let window = effective_window(config.grid(config.input, s), config.window, config.edge_policy);
            let blocks = (0..depth)
                .map(|b| {
                    let name = format!("layers.{s}.blocks.{b}");
                    Block::new(layout, &name, channels, heads, window, hidden, first_block + b + 1)
                })
                .collect();
            stages.push(Stage { merge, blocks, first_block, channels });
            first_block += depth;
        }
        let norm = LayerNorm::new(layout, "norm", config.features(), total + 1);
        let geometry = stage_geometry(config, config.input)?;
        Ok(Self { config: config.clone(), projection, embed_norm, stages, norm, geometry, end: layout.len() })
    }

    /// The encoder's sizes.
    pub fn config(&self) -> &SwinConfig {
        &self.config
    }

    /// The same parameters over images of another size.
    ///
    /// # Errors
    /// [`Error::Config`] where a clipped window would need tables of another size; see [`super::resize_table`].
    pub fn at_size(&self, size: [usize; 2]) -> Result<Self> {
        let geometry = stage_geometry(&self.config, size)?;
        for (stage, (new, old)) in geometry.iter().zip(&self.geometry).enumerate() {
            let (new, old) = (new.plain.window(), old.plain.window());
            if new != old {
                return Err(Error::config(format!(
                    "at {}x{} stage {stage} has windows of {}x{}, the tables are for {}x{}: build the model for that \
                     size and resize the tables, or use the edge policy pad_then_roll",
                    size[0], size[1], new[0], new[1], old[0], old[1]
                )));
            }
        }
        let config = SwinConfig { input: size, ..self.config.clone() };
        Ok(Self { config, geometry, ..self.clone() })
    }

    /// Where the encoder's last segment ends in the flat parameters.
    pub(crate) fn parameters_end(&self) -> usize {
        self.end
    }

    /// Number of stages.
    pub fn stages(&self) -> usize {
        self.stages.len()
    }

    /// Rows and columns of tokens in stage `stage`.
    pub fn grid(&self, stage: usize) -> [usize; 2] {
        self.geometry[stage].grid
    }

    /// Tokens of one image in stage `stage`.
    pub fn tokens(&self, stage: usize) -> usize {
        self.grid(stage)[0] * self.grid(stage)[1]
    }

    /// Tokens of one image in the last stage.
    pub fn feature_tokens(&self) -> usize {
        self.tokens(self.stages() - 1)
    }

    fn patch_geometry(&self) -> PatchGeometry {
        PatchGeometry { channels: self.config.bands, size: self.config.input, patch: self.config.patch }
    }

    /// Floating-point operations of one image's forward pass, two for each multiply-add of a product; norms, softmax
    /// and the like are left out.
    pub fn forward_operations(&self) -> f64 {
        let product = |rows: usize, inputs: usize, outputs: usize| 2.0 * (rows * inputs * outputs) as f64;
        let mut total = product(self.tokens(0), self.projection.inputs(), self.config.embed);
        for (s, stage) in self.stages.iter().enumerate() {
            let (rows, c) = (self.tokens(s), stage.channels);
            let window: usize = self.geometry[s].plain.window().iter().product();
            let hidden = (c as f64 * self.config.mlp_ratio) as usize;
            let block = product(rows, c, 4 * c + 2 * hidden) + 2.0 * product(rows, c, window);
            total += block * stage.blocks.len() as f64;
            if let Some((_, reduction)) = &stage.merge {
                total += product(rows, reduction.inputs(), c);
            }
        }
        total
    }

    /// Values that a training step keeps for one image: what each block's backward needs.
    pub fn kept_values(&self) -> f64 {
        let block = |s: usize| 10.0 * (self.tokens(s) * self.stages[s].channels) as f64;
        (0..self.stages.len()).map(|s| block(s) * self.stages[s].blocks.len() as f64).sum()
    }

    /// Images to features: [`Tape::features`] and [`Tape::stage`] hold the results.
    ///
    /// # Shapes
    /// images `(images, bands, H, W)`, normalised.
    pub fn forward<B: Backend>(
        &self,
        backend: &B,
        parameters: &B::Slice,
        images: &B::Slice,
        count: usize,
        pass: &Pass,
        tape: &mut Tape<B>,
    ) {
        self.begin(backend, [count, count], pass, tape);
        self.embed(backend, parameters, images, count, count, tape);
        self.encode(backend, parameters, count, tape);
    }

    /// The mean of the last stage's tokens: one embedding `(features)` per image, on the host.
    ///
    /// # Shapes
    /// images `(count, bands, H, W)` on the host, normalised.
    pub fn pooled<B: Backend>(
        &self,
        backend: &B,
        parameters: &B::Slice,
        images: &[f32],
        count: usize,
        tape: &mut Tape<B>,
    ) -> Vec<f32> {
        let features = self.config.features();
        let (mut input, mut mean) = (backend.zeros(images.len()), backend.zeros(count * features));
        backend.upload(images, &mut input);
        self.forward(backend, parameters, &input, count, &Pass::inference(), tape);
        backend.mean_rows(tape.features(), count, self.feature_tokens(), features, &mut mean);
        let mut pooled = vec![0.0; count * features];
        backend.download(&mean, &mut pooled);
        pooled
    }

    /// Backward of [`Swin::forward`]: adds to the parameters' gradients.
    pub fn backward<B: Backend>(
        &self,
        backend: &B,
        parameters: &B::Slice,
        gradients: &mut B::Slice,
        outputs: OutputGradients<B>,
        tape: &mut Tape<B>,
    ) {
        self.backward_encode(backend, parameters, gradients, outputs, tape);
        self.backward_embed(backend, parameters, gradients, tape);
    }

    /// What a pass over `[embedded, encoded]` images needs of the host: everything after it is the device's alone.
    pub(crate) fn begin<B: Backend>(
        &self,
        backend: &B,
        [embedded, encoded]: [usize; 2],
        pass: &Pass,
        tape: &mut Tape<B>,
    ) {
        let blocks: usize = self.config.depths.iter().sum();
        tape.blocks.resize_with(blocks, || BlockTape::new(backend));
        (tape.images, tape.encoded) = (embedded, encoded);
        for (at, block) in tape.blocks.iter_mut().enumerate() {
            // Rates rise linearly from 0 over the blocks.
            let rate = self.config.drop_path * at as f64 / (blocks.max(2) - 1) as f64;
            for (branch, scale) in block.scales.iter_mut().enumerate() {
                let factors = pass.drop_path(rate, at, branch, encoded);
                match (&factors, scale.as_mut()) {
                    (None, _) => *scale = None,
                    (Some(factors), Some(buffer)) => backend.reserve(buffer, factors.len()),
                    (Some(factors), None) => *scale = Some(backend.zeros(factors.len())),
                }
                if let (Some(factors), Some(buffer)) = (factors, scale) {
                    backend.upload(&factors, buffer);
                }
            }
        }
    }

    /// Patch embedding of `count` images into the first of `room` images' tokens.
    pub(crate) fn embed<B: Backend>(
        &self,
        backend: &B,
        parameters: &B::Slice,
        images: &B::Slice,
        count: usize,
        room: usize,
        tape: &mut Tape<B>,
    ) {
        let (rows, c) = (count * self.tokens(0), self.config.embed);
        backend.reserve(&mut tape.patches, rows * self.projection.inputs());
        backend.reserve(&mut tape.embedded, rows * c);
        backend.reserve(&mut tape.embedded_statistics, 2 * rows);
        backend.reserve(&mut tape.blocks[0].x, room * self.tokens(0) * c);
        backend.patchify(&self.patch_geometry(), count, images, &mut tape.patches);
        self.projection.forward(backend, parameters, &tape.patches, rows, &mut tape.embedded, Outputs::default());
        let (to, statistics) = (&mut tape.blocks[0].x, &mut tape.embedded_statistics);
        self.embed_norm.forward(backend, parameters, &tape.embedded, rows, to, statistics);
    }

    /// The stages and the final norm, from the tokens that [`Swin::embed`] left, after [`Swin::begin`].
    pub(crate) fn encode<B: Backend>(&self, backend: &B, parameters: &B::Slice, images: usize, tape: &mut Tape<B>) {
        tape.stages.resize_with(self.stages(), || backend.activations());
        tape.merge_statistics.resize_with(self.stages(), || backend.zeros(0));
        for (s, stage) in self.stages.iter().enumerate() {
            if stage.merge.is_some() {
                self.merge(backend, parameters, images, s, tape);
            }
            let len = images * self.tokens(s) * stage.channels;
            backend.reserve(&mut tape.stages[s], len);
            for (b, block) in stage.blocks.iter().enumerate() {
                let at = stage.first_block + b;
                let (now, later) = tape.blocks.split_at_mut(at + 1);
                let y = if b + 1 == stage.blocks.len() { &mut tape.stages[s] } else { &mut later[0].x };
                backend.reserve(y, len);
                let BlockTape { x, activations, scales } = &mut now[at];
                let kept = if tape.keep == Keep::All { activations } else { &mut tape.shared };
                let maps = self.maps(s, b, images);
                block.forward(backend, parameters, maps, x, scales, kept, Some(y), &mut tape.scratch);
            }
        }
        let last = self.stages() - 1;
        let rows = images * self.tokens(last);
        backend.reserve(&mut tape.features, rows * self.config.features());
        backend.reserve(&mut tape.norm_statistics, 2 * rows);
        let (to, statistics) = (&mut tape.features, &mut tape.norm_statistics);
        self.norm.forward(backend, parameters, &tape.stages[last], rows, to, statistics);
    }

    /// Patch merging before stage `s`: the previous stage's output to the input of this stage's first block.
    fn merge<B: Backend>(&self, backend: &B, parameters: &B::Slice, images: usize, s: usize, tape: &mut Tape<B>) {
        let stage = &self.stages[s];
        let Some((norm, reduction)) = &stage.merge else { return };
        let (rows, inner) = (images * self.tokens(s), reduction.inputs());
        backend.reserve(&mut tape.merged, rows * inner);
        backend.reserve(&mut tape.scratch.normed, rows * inner);
        backend.reserve(&mut tape.merge_statistics[s], 2 * rows);
        backend.reserve(&mut tape.blocks[stage.first_block].x, rows * stage.channels);
        backend.merge_patches(&self.merge_geometry(s), images, &tape.stages[s - 1], &mut tape.merged);
        let normed = &mut tape.scratch.normed;
        norm.forward(backend, parameters, &tape.merged, rows, normed, &mut tape.merge_statistics[s]);
        let to = &mut tape.blocks[stage.first_block].x;
        reduction.forward(backend, parameters, normed, rows, to, Outputs::default());
    }

    /// Backward of [`Swin::encode`]: leaves the tokens' gradient in the tape.
    pub(crate) fn backward_encode<B: Backend>(
        &self,
        backend: &B,
        parameters: &B::Slice,
        gradients: &mut B::Slice,
        outputs: OutputGradients<B>,
        tape: &mut Tape<B>,
    ) {
        let last = self.stages() - 1;
        let images = tape.encoded;
        let rows = images * self.tokens(last);
        // The first stage is the longest, unless the map is down to one token and only channels grow.
        let longest = (0..self.stages()).map(|s| images * self.tokens(s) * self.stages[s].channels).max();
        backend.reserve(&mut tape.d, longest.unwrap_or(0));
        match outputs.features {
            Some(d) => {
                let (x, statistics) = (&tape.stages[last], &tape.norm_statistics);
                self.norm.backward(backend, parameters, x, statistics, d, rows, &mut tape.d, false, gradients);
            }
            None => backend.fill(&mut tape.d, 0.0, rows * self.config.features()),
        }
        for (s, stage) in self.stages.iter().enumerate().rev() {
            if let Some(d) = outputs.stages.get(s).copied().flatten() {
                backend.add(d, &mut tape.d, images * self.tokens(s) * stage.channels);
            }
            for (b, block) in stage.blocks.iter().enumerate().rev() {
                let maps = self.maps(s, b, images);
                let BlockTape { x, activations, scales } = &mut tape.blocks[stage.first_block + b];
                let kept = if tape.keep == Keep::All {
                    activations
                } else {
                    block.forward(backend, parameters, maps, x, scales, &mut tape.shared, None, &mut tape.scratch);
                    &mut tape.shared
                };
                let (d, scratch) = (&mut tape.d, &mut tape.scratch);
                block.backward(backend, parameters, gradients, maps, x, scales, kept, d, scratch);
            }
            self.backward_merge(backend, parameters, gradients, images, s, tape);
        }
    }

    /// Backward of [`Swin::merge`]: `tape.d` holds the gradient of this stage's input on entry, of the previous stage's
    /// output on return.
    fn backward_merge<B: Backend>(
        &self,
        backend: &B,
        parameters: &B::Slice,
        gradients: &mut B::Slice,
        images: usize,
        s: usize,
        tape: &mut Tape<B>,
    ) {
        let Some((norm, reduction)) = &self.stages[s].merge else { return };
        let (rows, inner) = (images * self.tokens(s), reduction.inputs());
        let geometry = self.merge_geometry(s);
        backend.reserve(&mut tape.d_merged, rows * inner);
        backend.reserve(&mut tape.scratch.normed, rows * inner);
        backend.reserve(&mut tape.scratch.d_normed, rows * inner);
        backend.reserve(&mut tape.scratch.statistics, 2 * rows);
        backend.merge_patches(&geometry, images, &tape.stages[s - 1], &mut tape.merged);
        let scratch = &mut tape.scratch;
        norm.forward(backend, parameters, &tape.merged, rows, &mut scratch.normed, &mut scratch.statistics);
        reduction.weight_gradient(backend, &scratch.normed, &tape.d, rows, gradients);
        reduction.input_gradient(backend, parameters, &tape.d, rows, &mut scratch.d_normed);
        let (x, statistics, d) = (&tape.merged, &tape.merge_statistics[s], &scratch.d_normed);
        norm.backward(backend, parameters, x, statistics, d, rows, &mut tape.d_merged, false, gradients);
        let len = images * self.tokens(s - 1) * self.stages[s - 1].channels;
        backend.reserve(&mut tape.d, len);
        backend.split_patches(&geometry, images, &tape.d_merged, &mut tape.d);
    }

    /// Backward of [`Swin::embed`] from the tokens' gradient in the tape. The image's own gradient is not computed.
    pub(crate) fn backward_embed<B: Backend>(
        &self,
        backend: &B,
        parameters: &B::Slice,
        gradients: &mut B::Slice,
        tape: &mut Tape<B>,
    ) {
        let rows = tape.images * self.tokens(0);
        backend.reserve(&mut tape.scratch.d_normed, rows * self.config.embed);
        let (x, statistics, dx) = (&tape.embedded, &tape.embedded_statistics, &mut tape.scratch.d_normed);
        self.embed_norm.backward(backend, parameters, x, statistics, &tape.d, rows, dx, false, gradients);
        self.projection.parameter_gradient(backend, &tape.patches, dx, rows, gradients);
    }

    /// The image's gradient, after [`Swin::backward`]: `(images, bands, H, W)`.
    pub fn image_gradient<B: Backend>(
        &self,
        backend: &B,
        parameters: &B::Slice,
        tape: &mut Tape<B>,
        image: &mut B::Slice,
    ) {
        let rows = tape.images * self.tokens(0);
        let patches = &mut tape.patches;
        self.projection.input_gradient(backend, parameters, &tape.scratch.d_normed, rows, patches);
        backend.unpatchify(&self.patch_geometry(), tape.images, patches, image);
    }

    fn maps(&self, stage: usize, block: usize, images: usize) -> Maps<'_> {
        let geometry = &self.geometry[stage];
        Maps { geometry: if block % 2 == 1 { &geometry.shifted } else { &geometry.plain }, images }
    }

    fn merge_geometry(&self, stage: usize) -> MergeGeometry {
        MergeGeometry { grid: self.grid(stage - 1), channels: self.stages[stage - 1].channels }
    }
}

fn stage_geometry(config: &SwinConfig, size: [usize; 2]) -> Result<Vec<StageGeometry>> {
    if size.contains(&0) {
        return Err(Error::config(format!("an image of {}x{} pixels has nothing to encode", size[0], size[1])));
    }
    Ok((0..config.stages())
        .map(|s| {
            let grid = config.grid(size, s);
            let make = |shifted| {
                let (heads, channels) = (config.heads[s], config.channels(s));
                WindowGeometry::new(grid, config.window, shifted, config.edge_policy, heads, channels)
            };
            StageGeometry { grid, plain: make(false), shifted: make(true) }
        })
        .collect())
}
