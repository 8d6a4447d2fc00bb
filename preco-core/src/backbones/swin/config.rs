//! Sizes of a Swin encoder, the presets, and which sizes fit together.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// What happens where a stage's grid and the window do not fit.
///
/// | policy | window larger than the grid | shift there | order |
/// |---|---|---|---|
/// | `Timm` | clipped to the grid, per dimension | 0 | roll, then pad |
/// | `TimmAlwaysPartition` | padded up | kept | roll, then pad |
/// | `Torchvision` | padded up | 0 where the window covers the padded grid | pad, then roll |
/// | `PadThenRoll` | padded up | kept | pad, then roll (Swin-Transformer-Object-Detection) |
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EdgePolicy {
    /// As timm by default: what the published checkpoints were made with.
    #[default]
    Timm,
    /// As timm with `always_partition`.
    TimmAlwaysPartition,
    /// As torchvision.
    Torchvision,
    /// As the detection fork of the authors; what detectors at free sizes use.
    PadThenRoll,
}

/// The sizes of a Swin encoder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SwinConfig {
    /// Input height and width in pixels: the size the model is built for.
    pub input: [usize; 2],
    /// Bands of the input; 3 where a file does not say.
    #[serde(default = "rgb_bands", skip_serializing_if = "is_rgb")]
    pub bands: usize,
    /// Side of a patch in pixels.
    pub patch: usize,
    /// Channels of the first stage (C); each later stage doubles them.
    pub embed: usize,
    /// Blocks per stage.
    pub depths: Vec<usize>,
    /// Attention heads per stage.
    pub heads: Vec<usize>,
    /// Window height and width in tokens.
    pub window: [usize; 2],
    /// Hidden width of the MLP over C.
    pub mlp_ratio: f64,
    /// Highest drop-path rate; it grows linearly from 0 over the blocks.
    #[serde(default)]
    pub drop_path: f64,
    /// What happens at edges.
    #[serde(default)]
    pub edge_policy: EdgePolicy,
}

/// Red, green and blue.
pub const RGB_BANDS: usize = 3;
/// Bands of an input at most; imaging spectrometers have some hundreds.
pub(crate) const MOST_BANDS: usize = 1024;

fn rgb_bands() -> usize {
    RGB_BANDS
}

fn is_rgb(bands: &usize) -> bool {
    *bands == RGB_BANDS
}

/// What tells the presets apart.
struct Preset {
    name: &'static str,
    embed: usize,
    depths: [usize; 4],
    heads: [usize; 4],
    window: usize,
    input: usize,
}

const fn preset(
    name: &'static str,
    embed: usize,
    depths: [usize; 4],
    heads: [usize; 4],
    window: usize,
    input: usize,
) -> Preset {
    Preset { name, embed, depths, heads, window, input }
}

const PRESETS: [Preset; 6] = [
    preset("pico", 32, [2, 2, 6, 2], [2, 4, 8, 16], 8, 128),
    preset("nano", 48, [2, 2, 6, 2], [3, 6, 12, 24], 8, 128),
    preset("tiny", 96, [2, 2, 6, 2], [3, 6, 12, 24], 6, 192),
    preset("small", 96, [2, 2, 18, 2], [3, 6, 12, 24], 6, 192),
    preset("base", 128, [2, 2, 18, 2], [4, 8, 16, 32], 6, 192),
    preset("large", 192, [2, 2, 18, 2], [6, 12, 24, 48], 6, 192),
];

/// Blocks of a stage at most; Swin's have up to 18.
const MOST_BLOCKS: usize = 256;
/// Pixels of a side at most.
pub(crate) const MOST_SIDE_PX: usize = 16_384;
/// Pixels of a patch's side at most.
const MOST_PATCH_PX: usize = 64;
/// Tokens of the first stage at most: an input of 8192 pixels in patches of 4.
const MOST_TOKENS: usize = 1 << 22;
/// Parameters at most; Swin-L has 0.2 billion.
pub(crate) const MOST_PARAMETERS: f64 = 4e9;
/// Channels of the last stage at most; Swin-L has 1,536.
const MOST_CHANNELS: usize = 16_384;

impl SwinConfig {
    /// The preset called `name`, at its own input size.
    ///
    /// # Errors
    /// [`Error::Config`] with the names there are.
    pub fn preset(name: &str) -> Result<Self> {
        let Some(&Preset { embed, depths, heads, window, input, .. }) =
            PRESETS.iter().find(|preset| preset.name == name)
        else {
            let names: Vec<&str> = Self::preset_names().collect();
            return Err(Error::config(format!("no preset is called {name:?}; there are {}", names.join(", "))));
        };
        Ok(Self {
            input: [input, input],
            bands: RGB_BANDS,
            patch: 4,
            embed,
            depths: depths.to_vec(),
            heads: heads.to_vec(),
            window: [window, window],
            mlp_ratio: 4.0,
            drop_path: 0.0,
            edge_policy: EdgePolicy::Timm,
        })
    }

    /// The names [`SwinConfig::preset`] knows, smallest first.
    pub fn preset_names() -> impl Iterator<Item = &'static str> {
        PRESETS.iter().map(|preset| preset.name)
    }

    /// Number of stages.
    pub fn stages(&self) -> usize {
        self.depths.len()
    }

    /// Channels of stage `stage`.
    pub fn channels(&self, stage: usize) -> usize {
        self.embed << stage
    }

    /// Channels of the last stage: the length of an embedding.
    pub fn features(&self) -> usize {
        self.channels(self.stages() - 1)
    }

    /// Pixels per token of stage `stage`.
    pub fn stride(&self, stage: usize) -> usize {
        self.patch << stage
    }

    /// Pixels per token of the last stage: the side of the square that one decoder output draws.
    pub fn total_stride(&self) -> usize {
        self.stride(self.stages() - 1)
    }

    /// Rows and columns of tokens in stage `stage` for an image of `size` (height, width); odd grids are padded.
    pub fn grid(&self, size: [usize; 2], stage: usize) -> [usize; 2] {
        let mut grid = size.map(|side| side.div_ceil(self.patch));
        for _ in 0..stage {
            grid = grid.map(|side| side.div_ceil(2));
        }
        grid
    }

    /// Checks that the sizes fit each other.
    ///
    /// # Errors
    /// [`Error::Config`] with the sizes and what would fit.
    pub fn validate(&self) -> Result<()> {
        let fail = |what: String| Err(Error::config(what));
        if self.depths.is_empty() || self.depths.len() > 8 {
            return fail(format!("a Swin has 1 to 8 stages, the configuration has {}", self.depths.len()));
        }
        if self.heads.len() != self.depths.len() {
            return fail(format!("{} stages have depths, {} have heads", self.depths.len(), self.heads.len()));
        }
        if self.depths.contains(&0) {
            return fail(format!("depths {:?} has a stage without blocks", self.depths));
        }
        // A description of a kilobyte must not ask for all of the memory.
        if self.depths.iter().any(|&blocks| blocks > MOST_BLOCKS) {
            return fail(format!("depths {:?} has a stage of more than {MOST_BLOCKS} blocks", self.depths));
        }
        if self.input.iter().any(|&side| side > MOST_SIDE_PX) {
            return fail(format!("input {}x{} is larger than {MOST_SIDE_PX} pixels", self.input[0], self.input[1]));
        }
        if self.embed > MOST_CHANNELS >> (self.depths.len() - 1) {
            return fail(format!("embed {} gives the last stage more than {MOST_CHANNELS} channels", self.embed));
        }
        if !(1..=MOST_BANDS).contains(&self.bands) {
            return fail(format!("bands {} must be 1 to {MOST_BANDS}", self.bands));
        }
        for (name, sides) in [("input", self.input), ("window", self.window)] {
            if sides.contains(&0) {
                return fail(format!("{name} {}x{} has a side of 0", sides[0], sides[1]));
            }
        }
        if self.patch == 0 || self.embed == 0 {
            return fail(format!("patch {} and embed {} must both be at least 1", self.patch, self.embed));
        }
        if self.patch > MOST_PATCH_PX {
            return fail(format!("patch {} is larger than {MOST_PATCH_PX} pixels", self.patch));
        }
        let tokens = self.input.iter().map(|side| side.div_ceil(self.patch)).product::<usize>();
        if tokens > MOST_TOKENS {
            return fail(format!(
                "patches of {} make {tokens} tokens of the input, more than {MOST_TOKENS}",
                self.patch
            ));
        }
        if self.window.iter().any(|&side| side > 64) || self.window[0] * self.window[1] > 1024 {
            return fail(format!("window {}x{} is larger than 32x32 tokens", self.window[0], self.window[1]));
        }
        for (stage, &heads) in self.heads.iter().enumerate() {
            let channels = self.channels(stage);
            if heads == 0 || !channels.is_multiple_of(heads) {
                return fail(format!("{heads} heads do not divide the {channels} channels of stage {stage}"));
            }
        }
        if !(self.mlp_ratio > 0.0 && self.mlp_ratio <= 64.0) {
            return fail(format!("mlp_ratio {} is not in (0, 64]", self.mlp_ratio));
        }
        let parameters: f64 = (0..self.depths.len())
            .map(|stage| {
                let channels = self.channels(stage) as f64;
                let tables = (2 * self.window[0] * 2 * self.window[1] * self.heads[stage]) as f64;
                self.depths[stage] as f64 * ((4.0 + 2.0 * self.mlp_ratio) * channels * channels + tables)
            })
            .sum();
        if parameters > MOST_PARAMETERS {
            return fail(format!("{parameters:.0} parameters are more than {MOST_PARAMETERS:.0}"));
        }
        if !(0.0..1.0).contains(&self.drop_path) {
            return fail(format!("drop_path {} is not in [0, 1)", self.drop_path));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_is_valid() {
        for name in SwinConfig::preset_names() {
            SwinConfig::preset(name).expect("preset").validate().expect(name);
        }
    }

    #[test]
    fn an_unknown_preset_lists_the_known() {
        let error = SwinConfig::preset("huge").expect_err("unknown").to_string();
        assert!(error.contains("\"huge\"") && error.contains("pico, nano"), "{error}");
    }

    #[test]
    fn sizes_that_do_not_fit_are_named() {
        let base = SwinConfig::preset("pico").expect("preset");
        let cases: [(SwinConfig, &str); 4] = [
            (
                SwinConfig { heads: vec![3, 4, 8, 16], ..base.clone() },
                "3 heads do not divide the 32 channels of stage 0",
            ),
            (SwinConfig { window: [0, 8], ..base.clone() }, "window 0x8"),
            (SwinConfig { depths: vec![2, 0, 6, 2], ..base.clone() }, "without blocks"),
            (SwinConfig { drop_path: 1.0, ..base }, "drop_path 1"),
        ];
        for (config, needle) in cases {
            let error = config.validate().expect_err(needle).to_string();
            assert!(error.contains(needle), "{error}");
        }
    }
}
