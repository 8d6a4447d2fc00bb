//! An encoder by its model's name.

use std::ops::Deref;

use preco_core::predict;

use crate::error::Result;
use crate::pretrained::{Pretrained, from_pretrained};

/// An encoder with its weights in memory, and which model it is. Several threads may use one at once.
///
/// ```no_run
/// let encoder = preco_zoo::Encoder::from_pretrained("preco-swin-pico")?;
/// let image = preco_core::imagery::decode("image.png".as_ref())?;
/// let vector = encoder.embed(&image)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Encoder {
    encoder: predict::Encoder,
    name: String,
    digest: String,
}

impl Encoder {
    /// The encoder of the model called `name`, with the settings of the environment: see [`from_pretrained`] for others.
    ///
    /// # Errors
    /// As [`Pretrained::encoder`].
    pub fn from_pretrained(name: impl Into<String>) -> Result<Self> {
        from_pretrained(name).encoder()
    }

    pub(crate) fn load(pretrained: Pretrained<'_>) -> Result<Self> {
        let cpu = pretrained.cpu();
        let folder = pretrained.folder()?;
        let load = |layout: &_, params: &mut _| folder.overlay_encoder(layout, params);
        let encoder = predict::Encoder::new(folder.spec(), folder.preprocess(), cpu, load)?;
        Ok(Self { encoder, name: folder.spec().name.clone(), digest: folder.encoder_digest()? })
    }

    /// The model's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// SHA-256 of its weights, in hexadecimal: see [`crate::ModelFolder::encoder_digest`].
    pub fn digest(&self) -> &str {
        &self.digest
    }
}

impl Deref for Encoder {
    type Target = predict::Encoder;

    fn deref(&self) -> &predict::Encoder {
        &self.encoder
    }
}
