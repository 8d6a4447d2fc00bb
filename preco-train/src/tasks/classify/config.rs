//! Everything a fine-tuning run depends on.

use preco_core::backbones::swin::{Adapted, SwinConfig};
use preco_core::spec::{Labelling, Preprocess};
use serde::{Deserialize, Serialize};

use crate::augment::{Mix, Pipeline, Strength};
use crate::error::{Error, Result};
use crate::recipe::{Length, Recipe, Warmup};

/// Segments of the encoder, which a linear probe leaves as they are.
const ENCODER: [&str; 3] = ["patch_embed.", "layers.", "norm."];

/// How much each class weighs in the loss.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Weighting {
    /// All alike.
    #[default]
    None,
    /// Rare ones more: `N / (C n_c)` for a single label, `(N - n_c) / n_c` for the positives of several.
    Balanced,
}

/// The settings of a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Classify {
    /// The encoder, its drop-path rate included.
    pub encoder: SwinConfig,
    /// The classes, in the order of the head's outputs.
    pub labels: Vec<String>,
    /// One label for each image, or several.
    pub labelling: Labelling,
    /// True where the head alone learns: a linear probe.
    pub frozen: bool,
    /// Of the truth, the share that is spread over all classes (Szegedy et al. 2016).
    pub smoothing: f64,
    /// How much each class weighs.
    pub weighting: Weighting,
    /// How much views of an image differ.
    pub augment: Strength,
    /// Mixing of images.
    pub mix: Mix,
    /// How images become inputs.
    #[serde(skip)]
    pub preprocess: Preprocess,
    /// What became of the encoder's bands, where it was pre-trained on others.
    pub adapted: Option<Adapted>,
    /// How it learns.
    #[serde(flatten)]
    pub recipe: Recipe,
}

impl Classify {
    /// For small models on a laptop: AdamW at 2e-3, a factor 0.75 from layer to layer, 50 passes in batches of 32, light
    /// augmentation. A linear probe learns at 0.1, without decay or augmentation.
    pub fn small(
        encoder: SwinConfig,
        preprocess: Preprocess,
        labels: Vec<String>,
        labelling: Labelling,
        frozen: bool,
    ) -> Self {
        let mut recipe = Recipe { length: Length::Epochs(50), batch_size: 32, lr: 2e-3, ..Recipe::small() };
        recipe.groups.layer_decay = 0.75;
        let mut augment = Strength::Light;
        if frozen {
            (recipe.lr, augment) = (0.1, Strength::None);
            recipe.groups.layer_decay = 1.0;
            recipe.optimiser.weight_decay = 0.0;
        }
        let (smoothing, weighting, mix) = (0.0, Weighting::None, Mix::default());
        let (recipe, adapted) = (recipe.freezing(frozen), None);
        Self { encoder, labels, labelling, frozen, smoothing, weighting, augment, mix, preprocess, adapted, recipe }
    }

    /// As the paper (arXiv 2310.00022, section 4): AdamW; EuroSAT in batches of 32 at 8e-5, BigEarthNet in batches of 96 at
    /// 1e-4 with decay 0.005. What it leaves open: 100 passes of which a twentieth is warm-up, decay 0.05 for EuroSAT.
    pub fn paper(mut self) -> Self {
        let (batch_size, lr, weight_decay) = match self.labelling {
            Labelling::Single => (32, 8e-5, 0.05),
            Labelling::Multi => (96, 1e-4, 0.005),
        };
        let (length, warmup) = (Length::Epochs(100), Warmup::Share(0.05));
        self.recipe = Recipe { length, warmup, batch_size, lr, min_lr: 1e-6, ..self.recipe };
        self.recipe.optimiser.weight_decay = weight_decay;
        self.recipe.groups.layer_decay = 1.0;
        self
    }

    /// The random views of images.
    pub fn pipeline(&self) -> Pipeline {
        Pipeline::labelled(self.augment, self.preprocess.size, self.encoder.bands)
    }

    /// Checks every setting against the others and against the number of images.
    ///
    /// # Errors
    /// The first that cannot be, with its value and what would do.
    pub fn validate(&self, images: usize) -> Result<()> {
        self.encoder.validate()?;
        if self.labels.len() < 2 && self.labelling == Labelling::Single {
            let labels = self.labels.join(", ");
            return Err(Error::config(format!(
                "there is nothing to tell apart in {} class ({labels}); put each class in a folder of its name",
                self.labels.len()
            )));
        }
        if self.labels.is_empty() {
            return Err(Error::config("there are no classes"));
        }
        if !(0.0..1.0).contains(&self.smoothing) {
            return Err(Error::config(format!(
                "label-smoothing {} must be 0 or more, and less than 1",
                self.smoothing
            )));
        }
        self.mix.check()?;
        if self.frozen && self.encoder.drop_path > 0.0 {
            return Err(Error::config(format!(
                "drop-path {} leaves out layers while the encoder learns, and a frozen one does not",
                self.encoder.drop_path
            )));
        }
        self.recipe.validate(images)
    }
}

impl Recipe {
    /// With the encoder left as it is, or learning.
    fn freezing(mut self, frozen: bool) -> Self {
        self.groups.frozen = if frozen { ENCODER.map(str::to_owned).to_vec() } else { Vec::new() };
        self
    }
}
