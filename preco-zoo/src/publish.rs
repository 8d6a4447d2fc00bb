//! A run's model as a repository in the hub's layout: card, descriptions, weights and digests.
//!
//! The same run and the same facts give the same bytes: the weights' files have one key of metadata, the rest no clock.

use std::path::Path;

use preco_core::backbones::swin::Swin;
use preco_core::heads::ImageClassifier;
use preco_core::nn::params::{Layout, Segment, Stored};
use preco_core::spec::{CONFIG_FILE, ModelSpec, PREPROCESSOR_FILE};

use crate::card::{CARD_FILE, FACTS_FILE, Facts, page};
use crate::digest::sha256;
use crate::error::{Error, Result};
use crate::folder::{ENCODER_FILE, ModelFolder};
use crate::index::{INDEX_FILE, Index, Metadata};
use crate::name::is_plain;
use crate::registry::{CARRIED, Entry, File};
use crate::sums::{self, SUMS_FILE};

/// A repository's files, by name.
pub type Files = Vec<(String, Vec<u8>)>;

/// How a model is published.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Form {
    /// Its name, such as `preco-swin-pico`.
    pub name: String,
    /// Its place on a hub, `organisation/name`; `None` for a folder.
    pub repository: Option<String>,
    /// The type of the stored weights.
    pub stored: Stored,
    /// The most bytes of weights in a file; beyond them they are cut into shards.
    pub shard_bytes: Option<usize>,
}

/// The files of `model`'s encoder, and of its head where it has one.
///
/// # Errors
/// [`Error::Card`] with the first fact that is missing; those of the model's files.
pub fn files(model: &ModelFolder, form: &Form, facts: &Facts) -> Result<Files> {
    if !is_plain(&form.name) {
        let reason = "letters, digits, - _ and . are good, up to 96, beginning with a letter or digit".to_owned();
        return Err(Error::Name { name: form.name.clone(), reason });
    }
    facts.check()?;
    let spec = ModelSpec { name: form.name.clone(), pretraining: None, ..model.spec().clone() };
    let (layout, params) = parameters(model, &spec)?;
    let card = page(form.repository.as_deref(), &spec, model.preprocess(), layout.parameters(), facts);
    let mut files = weights(&layout, &params, form)?;
    files.extend([
        (CARD_FILE.to_owned(), card.into_bytes()),
        (FACTS_FILE.to_owned(), facts.to_text()?.into_bytes()),
        (CONFIG_FILE.to_owned(), spec.to_text(model.preprocess()).into_bytes()),
        (PREPROCESSOR_FILE.to_owned(), model.preprocess().to_text().into_bytes()),
    ]);
    files.sort_by(|(one, _), (other, _)| one.cmp(other));
    let text = sums::text(files.iter().map(|(file, bytes)| (file.as_str(), sha256(bytes))));
    files.push((SUMS_FILE.to_owned(), text.into_bytes()));
    Ok(files)
}

/// The encoder's parameters, with those of the head where the model is a classifier.
fn parameters(model: &ModelFolder, spec: &ModelSpec) -> Result<(Layout, Vec<f32>)> {
    if spec.labelling.is_some() {
        let layout = ImageClassifier::new(&spec.backbone, spec.classes)?.layout().clone();
        let mut params = vec![0.0; layout.len()];
        model.overlay_classifier(&layout, &mut params)?;
        return Ok((layout, params));
    }
    let mut layout = Layout::default();
    Swin::new(&spec.backbone, &mut layout)?;
    let mut params = vec![0.0; layout.len()];
    model.overlay_encoder(&layout, &mut params)?;
    Ok((layout, params))
}

/// One safetensors file, or shards with their index.
fn weights(layout: &Layout, params: &[f32], form: &Form) -> Result<Files> {
    let each = match form.stored {
        Stored::F32 => 4,
        Stored::Bf16 => 2,
    };
    let write = |keep: &dyn Fn(&Segment) -> bool| {
        layout.to_safetensors(params, form.stored, keep).map_err(|what| Error::Card { what })
    };
    let most = form.shard_bytes.unwrap_or(usize::MAX);
    let mut shards: Vec<Vec<&Segment>> = vec![Vec::new()];
    let mut filled = 0;
    for segment in layout.segments() {
        let bytes = each * segment.range.len();
        if filled > 0 && filled + bytes > most {
            shards.push(Vec::new());
            filled = 0;
        }
        filled += bytes;
        // There is always a last one.
        if let Some(shard) = shards.last_mut() {
            shard.push(segment);
        }
    }
    if shards.len() == 1 {
        return Ok(vec![(ENCODER_FILE.to_owned(), write(&|_| true)?)]);
    }
    let count = shards.len();
    let (mut files, mut index) = (Files::new(), Index::default());
    for (at, shard) in shards.iter().enumerate() {
        let name = format!("model-{:05}-of-{count:05}.safetensors", at + 1);
        for segment in shard {
            index.weight_map.insert(segment.name.clone(), name.clone());
        }
        files.push((name, write(&|segment| shard.iter().any(|kept| kept.name == segment.name))?));
    }
    let total = layout.segments().iter().map(|segment| each * segment.range.len()).sum::<usize>();
    index.metadata = Metadata { total_size: Some(total as f64) };
    files.push((INDEX_FILE.to_owned(), index.to_text().into_bytes()));
    Ok(files)
}

/// The registry's entry of a published folder: in `repository` at a commit, or carried by the program.
///
/// # Errors
/// [`Error::Io`], and those of the folder's descriptions; [`Error::Card`] where it has no card.
pub fn entry(folder: &Path, place: Option<(&str, &str)>) -> Result<Entry> {
    let model = ModelFolder::open(folder)?;
    let none = || Error::Card { what: format!("{} has no {FACTS_FILE}: publish it first", folder.display()) };
    let read = |file: &str| std::fs::read(folder.join(file)).map_err(Error::io("read", folder.join(file)));
    let json = |file: &str| {
        serde_json::from_slice(&read(file)?).map_err(|error| Error::text(folder.join(file), error.to_string()))
    };
    let sums = sums::parse(&String::from_utf8_lossy(&read(SUMS_FILE)?), &folder.join(SUMS_FILE))?;
    let mut files = Vec::new();
    for name in sums.into_iter().map(|(name, _)| name).chain([SUMS_FILE.to_owned()]) {
        let bytes = read(&name)?;
        files.push(File { name, bytes: bytes.len() as u64, sha256: sha256(&bytes) });
    }
    Ok(Entry {
        name: model.spec().name.clone(),
        repository: place.map(|(repository, _)| repository.to_owned()),
        revision: place.map_or(CARRIED, |(_, commit)| commit).to_owned(),
        files,
        config: json(CONFIG_FILE)?,
        preprocessor: json(PREPROCESSOR_FILE)?,
        card: model.facts()?.ok_or_else(none)?,
    })
}

#[cfg(test)]
mod tests {
    use preco_core::backbones::swin::SwinConfig;
    use preco_core::preco::{Preco, PrecoConfig};
    use preco_core::spec::Preprocess;

    use super::*;
    use crate::card::facts::tests::facts;

    fn run() -> (tempfile::TempDir, Vec<f32>) {
        let preset = SwinConfig::preset("pico").expect("preset");
        let encoder = SwinConfig { input: [32, 32], depths: vec![1, 1], heads: vec![2, 4], ..preset };
        let model = Preco::new(&PrecoConfig::new(encoder)).expect("model");
        let (root, params) = (tempfile::tempdir().expect("temporary folder"), model.layout().init(3));
        let preprocess = Preprocess::imagenet([32, 32]);
        preprocess.write(&root.path().join(PREPROCESSOR_FILE)).expect("write");
        let spec = ModelSpec::pretrained("run", model.config());
        spec.write(&preprocess, &root.path().join(CONFIG_FILE)).expect("write");
        let is_encoder = |name: &str| !crate::folder::is_decoder(name);
        let path = root.path().join(ENCODER_FILE);
        model.layout().save_where(&params, &path, |s| is_encoder(&s.name)).expect("save");
        (root, params)
    }

    fn form(name: &str) -> Form {
        Form { name: name.to_owned(), ..Form::default() }
    }

    #[test]
    fn what_was_published_opens_again_with_the_same_weights_and_bytes() {
        let (root, params) = run();
        let model = ModelFolder::open(root.path()).expect("run");
        let shards = [None, Some(40_000)];
        let forms = [(Stored::F32, 0.0), (Stored::Bf16, 1.0 / 256.0)];
        for ((stored, tolerance), shard_bytes) in forms.into_iter().flat_map(|form| shards.map(|shard| (form, shard))) {
            let form = Form { stored, shard_bytes, ..form("preco-test") };
            let made = files(&model, &form, &facts()).expect("files");
            assert_eq!(made, files(&model, &form, &facts()).expect("again"));
            let has = |name: &str| made.iter().any(|(file, _)| file == name);
            assert_eq!((has(ENCODER_FILE), has(INDEX_FILE)), (shard_bytes.is_none(), shard_bytes.is_some()));
            let folder = tempfile::tempdir().expect("temporary folder");
            for (name, bytes) in &made {
                std::fs::write(folder.path().join(name), bytes).expect("write");
            }
            assert!(crate::verify(folder.path()).expect("sums").iter().all(crate::Checked::is_right));
            let back = ModelFolder::open(folder.path()).expect("open");
            assert_eq!((back.spec().name.as_str(), back.has_decoder()), ("preco-test", false));
            assert_eq!(back.facts().expect("facts"), Some(facts()));
            let entry = entry(folder.path(), None).expect("entry");
            assert_eq!((entry.spec().expect("spec"), entry.files.len()), (back.spec().clone(), made.len()));
            let mut layout = Layout::default();
            Swin::new(&back.spec().backbone, &mut layout).expect("encoder");
            let mut read = vec![0.0; layout.len()];
            back.overlay_encoder(&layout, &mut read).expect("weights");
            for (ours, want) in read.iter().zip(&params) {
                assert!((ours - want).abs() <= tolerance * want.abs(), "{ours} is not {want}");
            }
        }
    }

    #[test]
    fn a_card_with_a_gap_and_a_name_with_a_path_are_refused() {
        let (root, _) = run();
        let model = ModelFolder::open(root.path()).expect("run");
        let told = |name: &str, facts: &Facts| files(&model, &form(name), facts).expect_err(name).to_string();
        assert!(told("fine", &Facts { licence: String::new(), ..facts() }).contains("licence"));
        for name in ["", "../x", "a/b", "a\\b", "C:x", ".x", "a..b", "a b", "nul"] {
            assert!(told(name, &facts()).contains("cannot be used"), "{name}");
        }
    }
}
