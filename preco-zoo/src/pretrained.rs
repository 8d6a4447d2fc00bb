//! Models by name, in Rust.

use preco_core::backend::cpu::Cpu;
use preco_core::predict::Labeller;
use preco_core::simd::Level;

use crate::encoder::Encoder;
use crate::error::Result;
use crate::fetch::{Fetched, fetch};
use crate::folder::ModelFolder;
use crate::progress::{Progress, Silent};
use crate::settings::Settings;

/// The model called `name`: a published name (`preco-swin-pico`), a hub's repository (`org/name`, `org/name@v1.0`), the
/// address of a model's folder, or a folder.
///
/// ```no_run
/// let encoder = preco_zoo::from_pretrained("preco-swin-pico").encoder()?;
/// let image = preco_core::imagery::decode("image.png".as_ref())?;
/// let vector = encoder.embed(&image)?;
/// # Ok::<(), preco_zoo::Error>(())
/// ```
pub fn from_pretrained(name: impl Into<String>) -> Pretrained<'static> {
    Pretrained { name: name.into(), settings: None, offline: false, level: None, progress: &Silent }
}

/// A model that was asked for and not looked for yet.
#[must_use]
pub struct Pretrained<'a> {
    name: String,
    settings: Option<Settings>,
    offline: bool,
    level: Option<Level>,
    progress: &'a dyn Progress,
}

impl<'a> Pretrained<'a> {
    /// Where models come from and are kept [default: what the environment says].
    pub fn settings(self, settings: Settings) -> Self {
        Self { settings: Some(settings), ..self }
    }

    /// True where the network may not be used.
    pub fn offline(self, offline: bool) -> Self {
        Self { offline, ..self }
    }

    /// The vector instructions to compute with [default: the best there are].
    pub fn level(self, level: Level) -> Self {
        Self { level: Some(level), ..self }
    }

    /// Who hears of what is fetched [default: nobody].
    pub fn progress<'b>(self, progress: &'b dyn Progress) -> Pretrained<'b>
    where
        'a: 'b,
    {
        let Self { name, settings, offline, level, .. } = self;
        Pretrained { name, settings, offline, level, progress }
    }

    /// Fetches what is not here yet: the model's files, compared with their digests.
    ///
    /// # Errors
    /// As [`fetch`].
    pub fn folder(self) -> Result<ModelFolder> {
        self.fetch().map(|fetched| fetched.folder)
    }

    /// [`Pretrained::folder`], and which revision it is.
    ///
    /// # Errors
    /// As [`fetch`].
    pub fn fetch(self) -> Result<Fetched> {
        let mut settings = self.settings.unwrap_or_else(Settings::from_env);
        settings.offline |= self.offline;
        fetch(&self.name, &settings, self.progress)
    }

    /// The encoder with its weights in memory.
    ///
    /// # Errors
    /// As [`Pretrained::folder`], and where the weights do not fit the model.
    pub fn encoder(self) -> Result<Encoder> {
        Encoder::load(self)
    }

    /// The classifier with its weights in memory.
    ///
    /// # Errors
    /// As [`Pretrained::folder`], where the model has no head, and where the weights do not fit it.
    pub fn labeller(self) -> Result<Labeller> {
        let cpu = self.cpu();
        self.folder()?.labeller(cpu)
    }

    /// The vector instructions to compute with.
    pub(crate) fn cpu(&self) -> Cpu {
        Cpu::new(self.level.unwrap_or_else(Level::detect))
    }
}
