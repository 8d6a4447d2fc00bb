//! What the paper fixes and what it leaves open, as options with documented defaults.

use serde::{Deserialize, Serialize};

use crate::backbones::swin::{MOST_PARAMETERS, RGB_BANDS, SwinConfig};
use crate::error::{Error, Result};

/// Which branches are trained.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// Both branches and the consistency between them.
    #[default]
    Preco,
    /// The masked branch alone: the paper's "−P-E" ablation.
    Simmim,
}

/// A distance between two images. The paper writes a norm for the reconstructions and leaves the consistency open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Distance {
    /// Mean absolute difference (SimMIM's).
    #[default]
    L1,
    /// Mean squared difference.
    L2,
    /// One minus the cosine of the decoder's patches; only for the consistency term.
    Cosine,
}

/// Where the prompt branch's reconstruction is judged. Equation 2 of the paper counts masked pixels, its text the whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PromptRegion {
    /// On the pixels that the other branch has masked.
    #[default]
    Masked,
    /// On every pixel.
    All,
}

/// Weights of the three terms.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lambdas {
    /// Of the masked branch's reconstruction, L_Re.
    pub re: f64,
    /// Of the prompt branch's reconstruction, L_Pr.
    pub pr: f64,
    /// Of the semantic consistency, L_Sc.
    pub sc: f64,
}

impl Default for Lambdas {
    fn default() -> Self {
        Self { re: 1.0, pr: 1.0, sc: 1.0 }
    }
}

/// A PReCo model: encoder, masking and objective.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrecoConfig {
    /// The shared encoder.
    pub encoder: SwinConfig,
    /// Which branches.
    pub method: Method,
    /// Side of a mask cell in pixels.
    pub mask_patch: usize,
    /// Share of cells masked, rounded up.
    pub mask_ratio: f64,
    /// Distance of both reconstructions from the image.
    pub reconstruction: Distance,
    /// Distance between the two reconstructions.
    pub consistency: Distance,
    /// Where the prompt branch is judged.
    pub prompt_region: PromptRegion,
    /// True to keep the consistency's gradient out of the prompt branch.
    pub stop_gradient: bool,
    /// Weights of the terms.
    pub lambdas: Lambdas,
}

impl PrecoConfig {
    /// PReCo's defaults over `encoder`. Mask cells are as large as the encoder's last tokens (32 pixels), but at most a
    /// quarter of the input: a 64-pixel image would otherwise have four cells.
    pub fn new(encoder: SwinConfig) -> Self {
        let smallest_side = encoder.input[0].min(encoder.input[1]);
        let mask_patch = encoder.total_stride().min((smallest_side / 4).max(encoder.patch));
        Self {
            encoder,
            method: Method::default(),
            mask_patch,
            mask_ratio: 0.6,
            reconstruction: Distance::L1,
            consistency: Distance::L1,
            prompt_region: PromptRegion::default(),
            stop_gradient: false,
            lambdas: Lambdas::default(),
        }
    }

    /// Rows and columns of mask cells.
    pub fn mask_grid(&self) -> [usize; 2] {
        self.encoder.input.map(|side| side / self.mask_patch)
    }

    /// Cells masked in every image: the ratio's share, rounded up.
    pub fn masked_cells(&self) -> usize {
        let [rows, columns] = self.mask_grid();
        ((rows * columns) as f64 * self.mask_ratio).ceil() as usize
    }

    /// Checks that input, patch, stride and mask fit each other.
    ///
    /// # Errors
    /// [`Error::Config`] with the sizes and what would fit.
    pub fn validate(&self) -> Result<()> {
        self.encoder.validate()?;
        let fail = |what: String| Err(Error::config(what));
        if self.encoder.bands != RGB_BANDS {
            return fail(format!(
                "pre-training draws red, green and blue, the encoder has {} bands",
                self.encoder.bands
            ));
        }
        let (stride, [height, width]) = (self.encoder.total_stride(), self.encoder.input);
        if !height.is_multiple_of(stride) || !width.is_multiple_of(stride) {
            let near = height.max(stride).next_multiple_of(stride);
            return fail(format!(
                "input {height}x{width} is not a multiple of the encoder's stride {stride}: the decoder draws whole \
                 {stride}x{stride} squares. Use for example {near}x{near}"
            ));
        }
        let decoder = self.encoder.features() as f64 * 3.0 * (stride as f64).powi(2);
        if decoder > MOST_PARAMETERS {
            return fail(format!(
                "a decoder of {decoder:.0e} parameters draws {stride}x{stride} squares; use a smaller patch"
            ));
        }
        let cell = self.mask_patch;
        let divides = |side: usize| side.is_multiple_of(cell);
        if cell == 0 || !cell.is_multiple_of(self.encoder.patch) || !divides(height) || !divides(width) {
            let fits = |side: &usize| height.is_multiple_of(*side) && width.is_multiple_of(*side);
            let near = (1..=height.min(width) / self.encoder.patch).map(|n| n * self.encoder.patch).filter(fits);
            let near = near.min_by_key(|side| side.abs_diff(cell)).unwrap_or(self.encoder.patch);
            return fail(format!(
                "mask patch {cell} must be a multiple of the patch {} and divide the input {height}x{width}. Use {near}",
                self.encoder.patch
            ));
        }
        if !(0.0..=1.0).contains(&self.mask_ratio) {
            return fail(format!("mask ratio {} must lie within 0 and 1, such as 0.6", self.mask_ratio));
        }
        if self.masked_cells() == 0 {
            let [rows, columns] = self.mask_grid();
            return fail(format!(
                "mask ratio {} masks none of {rows}x{columns} cells, so nothing would be learnt; give one above 0, such \
                 as 0.6",
                self.mask_ratio
            ));
        }
        if self.reconstruction == Distance::Cosine {
            return fail("the reconstruction distance is l1 or l2; cosine is for the consistency only".to_owned());
        }
        let Lambdas { re, pr, sc } = self.lambdas;
        if [re, pr, sc].iter().any(|lambda| !lambda.is_finite() || *lambda < 0.0) {
            return fail(format!("loss weights {re}, {pr}, {sc} must be finite and not negative"));
        }
        if re + pr + sc == 0.0 {
            return fail("all loss weights are 0, so nothing would be learnt; raise one".to_owned());
        }
        Ok(())
    }
}
