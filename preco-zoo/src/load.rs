//! Models as repositories hold them: a folder on disk, or the files of a published model that this program carries.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use preco_core::nn::params::Layout;
use preco_core::spec::{CONFIG_FILE, ModelSpec, PREPROCESSOR_FILE, Preprocess};
use preco_weights::Entry;

use crate::digest::sha256;
use crate::error::{Error, Result};

/// The encoder's tensors.
pub(crate) const ENCODER_FILE: &str = "model.safetensors";
/// What pre-training and reconstruction need besides.
pub(crate) const DECODER_FILE: &str = "decoder.safetensors";

/// A model's files.
#[derive(Clone, Debug)]
pub struct ModelFolder {
    source: Source,
    spec: ModelSpec,
    preprocess: Preprocess,
}

/// Where files come from.
#[derive(Clone, Debug)]
enum Source {
    Folder(PathBuf),
    /// Carried by this program.
    Embedded(&'static Entry),
}

impl Source {
    /// The file's place, for messages.
    fn place(&self, file: &str) -> PathBuf {
        match self {
            Self::Folder(path) => path.join(file),
            Self::Embedded(entry) => Path::new(entry.name).join(file),
        }
    }

    /// The file's bytes; `None` where there is no such file. What is published is what its digest says.
    fn bytes(&self, file: &str) -> Result<Option<Cow<'static, [u8]>>> {
        match self {
            Self::Folder(path) => {
                let path = path.join(file);
                if !path.exists() {
                    return Ok(None);
                }
                let bytes = std::fs::read(&path);
                Ok(Some(bytes.map_err(|source| Error::Io { action: "read", path, source })?.into()))
            }
            Self::Embedded(entry) => {
                let Some(file) = entry.file(file) else { return Ok(None) };
                let content = file.content.ok_or(Error::Remote { name: entry.name, revision: entry.revision })?;
                let found = sha256(content);
                if found != file.sha256 {
                    let (path, wanted) = (self.place(file.name), file.sha256.to_owned());
                    return Err(Error::Digest { path, found, wanted });
                }
                Ok(Some(content.into()))
            }
        }
    }

    fn text(&self, file: &str) -> Result<String> {
        let missing = || Error::Missing { path: self.place(file) };
        let bytes = self.bytes(file)?.ok_or_else(missing)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

impl ModelFolder {
    /// Reads the two descriptions of the model in `path`; the weights are read later.
    ///
    /// # Errors
    /// [`Error::Missing`]; the core's errors with the file and the field.
    pub fn open(path: &Path) -> Result<Self> {
        Self::of(Source::Folder(path.into()))
    }

    /// A published model whose files this program carries.
    ///
    /// # Errors
    /// [`Error::Remote`] where it does not; [`Error::Digest`].
    pub fn embedded(entry: &'static Entry) -> Result<Self> {
        Self::of(Source::Embedded(entry))
    }

    fn of(source: Source) -> Result<Self> {
        let spec = ModelSpec::parse(&source.text(CONFIG_FILE)?, &source.place(CONFIG_FILE))?;
        let preprocess = Preprocess::parse(&source.text(PREPROCESSOR_FILE)?, &source.place(PREPROCESSOR_FILE))?;
        Ok(Self { source, spec, preprocess })
    }

    /// What the model is made of.
    pub fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    /// How images become its inputs.
    pub fn preprocess(&self) -> &Preprocess {
        &self.preprocess
    }

    /// True where the decoder is there too.
    pub fn has_decoder(&self) -> bool {
        match &self.source {
            Source::Folder(path) => path.join(DECODER_FILE).exists(),
            Source::Embedded(entry) => entry.file(DECODER_FILE).is_some(),
        }
    }

    /// Lays the encoder's tensors over `params`. Whatever else `layout` has keeps its values; a tensor of the file that
    /// `layout` lacks is an error.
    ///
    /// # Errors
    /// [`Error::Names`], and the core's for files that cannot be read and tensors of another shape.
    pub fn overlay_encoder(&self, layout: &Layout, params: &mut [f32]) -> Result<()> {
        self.overlay(ENCODER_FILE, layout, params, |name| !is_decoder(name))
    }

    /// Lays the mask token and the decoder over `params`; does nothing where the folder holds an encoder alone.
    ///
    /// # Errors
    /// As [`ModelFolder::overlay_encoder`].
    pub fn overlay_decoder(&self, layout: &Layout, params: &mut [f32]) -> Result<()> {
        if !self.has_decoder() {
            return Ok(());
        }
        self.overlay(DECODER_FILE, layout, params, is_decoder)
    }

    /// All parameters of a pre-trained model: encoder, mask token and decoder.
    ///
    /// # Errors
    /// [`Error::NoDecoder`], and those of [`ModelFolder::overlay_encoder`].
    pub fn pretrained(&self, layout: &Layout) -> Result<Vec<f32>> {
        if !self.has_decoder() {
            return Err(Error::NoDecoder { path: self.source.place("") });
        }
        let mut params = vec![0.0; layout.len()];
        self.overlay_encoder(layout, &mut params)?;
        self.overlay_decoder(layout, &mut params)?;
        Ok(params)
    }

    /// Overlays a file that must hold exactly the segments of `layout` that `belongs` names.
    fn overlay(&self, file: &str, layout: &Layout, params: &mut [f32], belongs: impl Fn(&str) -> bool) -> Result<()> {
        let path = self.source.place(file);
        let bytes = self.source.bytes(file)?.ok_or_else(|| Error::Missing { path: path.clone() })?;
        let mut loaded = params.to_vec();
        let report = layout.overlay_bytes(&mut loaded, &bytes, &path)?;
        let missing: Vec<String> = report.missing.into_iter().filter(|name| belongs(name)).collect();
        let foreign = report.loaded.into_iter().filter(|name| !belongs(name));
        let unexpected: Vec<String> = report.unexpected.into_iter().chain(foreign).collect();
        if !(missing.is_empty() && unexpected.is_empty()) {
            return Err(Error::Names { path, missing, unexpected });
        }
        params.copy_from_slice(&loaded);
        Ok(())
    }
}

/// True for the tensors of the decoder's file.
pub(crate) fn is_decoder(name: &str) -> bool {
    name == "mask_token" || name.starts_with("decoder.")
}

#[cfg(test)]
mod tests {
    use preco_core::backbones::swin::SwinConfig;
    use preco_core::preco::{Preco, PrecoConfig};

    use super::*;

    /// A tiny model's folder with the given parts of its tensors.
    fn folder(keep: impl Fn(&str) -> bool) -> (tempfile::TempDir, Preco, Vec<f32>) {
        let preset = SwinConfig::preset("pico").expect("preset");
        let encoder = SwinConfig { input: [32, 32], depths: vec![1, 1], heads: vec![2, 4], ..preset };
        let model = Preco::new(&PrecoConfig::new(encoder)).expect("model");
        let (layout, params) = (model.layout(), model.layout().init(3));
        let root = tempfile::tempdir().expect("temporary folder");
        let preprocess = Preprocess::imagenet([32, 32]);
        preprocess.write(&root.path().join(PREPROCESSOR_FILE)).expect("write");
        ModelSpec::pretrained("tiny", model.config())
            .write(&preprocess, &root.path().join(CONFIG_FILE))
            .expect("write");
        let save = |file: &str, decoder| {
            layout
                .save_where(&params, &root.path().join(file), |s| is_decoder(&s.name) == decoder && keep(&s.name))
                .expect("save");
        };
        save(ENCODER_FILE, false);
        save(DECODER_FILE, true);
        (root, model, params)
    }

    #[test]
    fn a_whole_folder_gives_every_parameter_back() {
        let (root, model, params) = folder(|_| true);
        let found = crate::find(root.path()).expect("open");
        assert_eq!(found.spec().name, "tiny");
        assert_eq!(found.pretrained(model.layout()).expect("load"), params);
    }

    #[test]
    fn a_missing_tensor_is_named() {
        let (root, model, _) = folder(|name| name != "norm.weight" && name != "mask_token");
        let error = ModelFolder::open(root.path()).expect("open").pretrained(model.layout()).expect_err("missing");
        assert!(error.to_string().contains("norm.weight is missing"), "{error}");
    }

    #[test]
    fn an_encoder_alone_is_loaded_but_not_as_pretrained() {
        let (root, model, params) = folder(|_| true);
        std::fs::remove_file(root.path().join(DECODER_FILE)).expect("remove");
        let found = ModelFolder::open(root.path()).expect("open");
        assert!(matches!(found.pretrained(model.layout()), Err(Error::NoDecoder { .. })));
        let mut mine = vec![0.0; params.len()];
        found.overlay_encoder(model.layout(), &mut mine).expect("overlay");
        let encoder = model.layout().get("mask_token").expect("segment").range.start;
        assert_eq!(mine[..encoder], params[..encoder]);
    }
}
