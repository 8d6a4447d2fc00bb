//! Models as repositories hold them: a folder on disk, or the files of a published model that this program carries.

use std::ops::Deref;
use std::path::{Path, PathBuf};

use preco_core::backend::cpu::Cpu;
use preco_core::nn::params::Layout;
use preco_core::predict::Labeller;
use preco_core::spec::{CONFIG_FILE, ModelSpec, PREPROCESSOR_FILE, Preprocess};

use crate::card::{FACTS_FILE, Facts};
use crate::digest::sha256;
use crate::error::{Error, Result};
use crate::index::{INDEX_FILE, Index};
use crate::registry::Entry;

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
    /// Carried by this program, and what the registry says of it.
    Carried(Box<Entry>, &'static [preco_weights::Content]),
}

/// A file's bytes, read only where they are touched.
enum Content {
    Static(&'static [u8]),
    Mapped(memmap2::Mmap),
    Read(Vec<u8>),
}

impl Deref for Content {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        match self {
            Self::Static(bytes) => bytes,
            Self::Mapped(map) => map,
            Self::Read(bytes) => bytes,
        }
    }
}

impl Source {
    /// The file's place, for messages.
    fn place(&self, file: &str) -> PathBuf {
        match self {
            Self::Folder(path) => path.join(file),
            Self::Carried(entry, _) => Path::new(&entry.name).join(file),
        }
    }

    fn has(&self, file: &str) -> bool {
        match self {
            Self::Folder(path) => path.join(file).exists(),
            Self::Carried(_, files) => files.iter().any(|(name, _)| *name == file),
        }
    }

    /// The file's bytes. What the program carries is what its digest says.
    fn bytes(&self, file: &str) -> Result<Content> {
        match self {
            Self::Folder(path) => read(&path.join(file)),
            Self::Carried(entry, files) => {
                let path = self.place(file);
                let (_, bytes) = files.iter().find(|(name, _)| *name == file).ok_or(Error::Missing { path })?;
                let wanted = entry.file(file).map(|known| known.sha256.as_str()).unwrap_or_default();
                let found = sha256(bytes);
                if found != wanted {
                    return Err(Error::Digest { path: self.place(file), found, wanted: wanted.to_owned() });
                }
                Ok(Content::Static(bytes))
            }
        }
    }

    fn text(&self, file: &str) -> Result<String> {
        Ok(String::from_utf8_lossy(&self.bytes(file)?).into_owned())
    }
}

fn read(path: &Path) -> Result<Content> {
    let file = match std::fs::File::open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(Error::Missing { path: path.into() }),
        opened => opened.map_err(Error::io("read", path))?,
    };
    // Something that cannot be mapped, such as an empty file or a pipe, can still be read.
    // SAFETY: the map is only read, and files of models are replaced by renaming, never written in place: not by this
    // project, nor by the hub's libraries.
    match unsafe { memmap2::Mmap::map(&file) } {
        Ok(map) => Ok(Content::Mapped(map)),
        Err(_) => std::fs::read(path).map(Content::Read).map_err(Error::io("read", path)),
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

    /// The model of `entry`, where the program carries its files.
    pub(crate) fn carried(entry: &Entry) -> Option<Result<Self>> {
        let files = preco_weights::carried(&entry.name)?;
        Some(Self::of(Source::Carried(Box::new(entry.clone()), files)))
    }

    fn of(source: Source) -> Result<Self> {
        let spec = ModelSpec::parse(&source.text(CONFIG_FILE)?, &source.place(CONFIG_FILE))?;
        let preprocess = Preprocess::parse(&source.text(PREPROCESSOR_FILE)?, &source.place(PREPROCESSOR_FILE))?;
        let (seen, named) = (spec.backbone.bands, preprocess.bands.len());
        if seen != named {
            let reason = format!("names {named} bands, {CONFIG_FILE} says that the model sees {seen}");
            return Err(Error::text(source.place(PREPROCESSOR_FILE), reason));
        }
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

    /// The folder, where it is one.
    pub fn path(&self) -> Option<&Path> {
        match &self.source {
            Source::Folder(path) => Some(path),
            Source::Carried(..) => None,
        }
    }

    /// What its card says, where it has one.
    ///
    /// # Errors
    /// [`Error::Text`].
    pub fn facts(&self) -> Result<Option<Facts>> {
        if !self.source.has(FACTS_FILE) {
            return Ok(None);
        }
        Facts::parse(&self.source.text(FACTS_FILE)?, &self.source.place(FACTS_FILE)).map(Some)
    }

    /// True where the decoder is there too.
    pub fn has_decoder(&self) -> bool {
        self.source.has(DECODER_FILE)
    }

    /// Lays the encoder's tensors, in one file or in shards, over `params`. Whatever else `layout` has keeps its values; a
    /// tensor of the files that `layout` lacks is an error.
    ///
    /// # Errors
    /// [`Error::Names`], and the core's for files that cannot be read and tensors of another shape. `params` is then
    /// unchanged.
    pub fn overlay_encoder(&self, layout: &Layout, params: &mut [f32]) -> Result<()> {
        self.overlay(&self.encoder_files()?, layout, params, |name| !is_decoder(name) && !is_head(name))
    }

    /// Lays the tensors of encoder and head over `params`, which are a classifier's.
    ///
    /// # Errors
    /// As [`ModelFolder::overlay_encoder`].
    pub fn overlay_classifier(&self, layout: &Layout, params: &mut [f32]) -> Result<()> {
        self.overlay(&self.encoder_files()?, layout, params, |name| !is_decoder(name))
    }

    /// The classifier with its weights in memory, computing with `cpu`.
    ///
    /// # Errors
    /// Where the model has no head, and those of [`ModelFolder::overlay_classifier`].
    pub fn labeller(&self, cpu: Cpu) -> Result<Labeller> {
        Labeller::new(&self.spec, &self.preprocess, cpu, |layout: &_, params: &mut _| {
            self.overlay_classifier(layout, params)
        })
    }

    /// SHA-256 of the encoder's weights: of their file, or of the digests of their shards in the index's order.
    ///
    /// # Errors
    /// [`Error::Missing`] and [`Error::Io`].
    pub fn encoder_digest(&self) -> Result<String> {
        let files = self.encoder_files()?;
        let digests = files.iter().map(|file| Ok(sha256(&self.source.bytes(file)?))).collect::<Result<Vec<_>>>()?;
        Ok(match &digests[..] {
            [only] => only.clone(),
            shards => sha256(shards.concat().as_bytes()),
        })
    }

    /// The files with the encoder's tensors: one, or the shards of the index.
    fn encoder_files(&self) -> Result<Vec<String>> {
        if self.source.has(ENCODER_FILE) || !self.source.has(INDEX_FILE) {
            return Ok(vec![ENCODER_FILE.to_owned()]);
        }
        let index = Index::parse(&self.source.text(INDEX_FILE)?, &self.source.place(INDEX_FILE))?;
        Ok(index.shards().into_iter().map(str::to_owned).collect())
    }

    /// Lays the mask token and the decoder over `params`; does nothing where the folder holds an encoder alone.
    ///
    /// # Errors
    /// As [`ModelFolder::overlay_encoder`].
    pub fn overlay_decoder(&self, layout: &Layout, params: &mut [f32]) -> Result<()> {
        if !self.has_decoder() {
            return Ok(());
        }
        self.overlay(&[DECODER_FILE.to_owned()], layout, params, is_decoder)
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

    /// Overlays files that together must hold exactly the segments of `layout` that `belongs` names.
    fn overlay(
        &self,
        files: &[String],
        layout: &Layout,
        params: &mut [f32],
        belongs: impl Fn(&str) -> bool,
    ) -> Result<()> {
        let contents = files
            .iter()
            .map(|file| Ok((self.source.place(file), self.source.bytes(file)?)))
            .collect::<Result<Vec<_>>>()?;
        let shards: Vec<(&Path, &[u8])> = contents.iter().map(|(path, content)| (path.as_path(), &**content)).collect();
        let matched = layout.matched(&shards)?;
        let missing: Vec<String> = matched.report.missing.iter().filter(|name| belongs(name)).cloned().collect();
        let foreign = matched.report.loaded.iter().filter(|name| !belongs(name));
        // A classifier's encoder is an encoder too.
        let passed_over = |name: &&String| is_head(name) && !layout.segments().iter().any(|s| is_head(&s.name));
        let unexpected = matched.report.unexpected.iter().chain(foreign).filter(|name| !passed_over(name));
        let unexpected: Vec<String> = unexpected.cloned().collect();
        if !(missing.is_empty() && unexpected.is_empty()) {
            let path = if let [only] = files { self.source.place(only) } else { self.source.place(INDEX_FILE) };
            return Err(Error::Names { path, missing, unexpected });
        }
        matched.copy_to(params);
        Ok(())
    }
}

/// True for the tensors of the decoder's file.
pub(crate) fn is_decoder(name: &str) -> bool {
    name == "mask_token" || name.starts_with("decoder.")
}

/// True for the tensors of a classifier's head.
pub(crate) fn is_head(name: &str) -> bool {
    name.starts_with("head.")
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
        let found = ModelFolder::open(root.path()).expect("open");
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
