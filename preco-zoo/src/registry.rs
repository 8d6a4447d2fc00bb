//! The published models: what is known of each before anything is fetched.
//!
//! A registry is JSON, `{"version": 1, "models": [ENTRY, …]}`. The program carries one; `PRECO_REGISTRY` names the file
//! of another, whose entries come first.

use std::path::Path;

use preco_core::spec::{CONFIG_FILE, ModelSpec, PREPROCESSOR_FILE, Preprocess};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::card::Facts;
use crate::digest::is_sha256;
use crate::error::{Error, Result};
use crate::folder::ENCODER_FILE;
use crate::index::INDEX_FILE;
use crate::name::{Name, is_commit, is_plain, is_relative};

/// The form of registries that this crate reads.
const VERSION: u32 = 1;
/// How many names an answer to an unknown one gives.
const NEAREST: usize = 3;
/// The revision of models that the program carries.
pub(crate) const CARRIED: &str = "carried";
/// What errors call the program's own registry.
const OWN: &str = "the program's registry";

/// A published model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// What people call it, such as `preco-swin-pico`.
    pub name: String,
    /// Its place on the hub, `organisation/name`; `None` where the program carries it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// The commit of the repository, 40 hexadecimal digits; `carried` for what is in the program.
    pub revision: String,
    /// Its files.
    pub files: Vec<File>,
    /// What `config.json` says.
    pub config: Value,
    /// What `preprocessor_config.json` says.
    pub preprocessor: Value,
    /// What its card says.
    pub card: Facts,
}

/// A file of a published model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Its name in the repository.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// SHA-256, 64 lower-case hexadecimal digits.
    pub sha256: String,
}

impl Entry {
    /// The file called `name`.
    pub fn file(&self, name: &str) -> Option<&File> {
        self.files.iter().find(|file| file.name == name)
    }

    /// True where the program itself has the files.
    pub fn is_in_program(&self) -> bool {
        self.repository.is_none() && preco_weights::carried(&self.name).is_some()
    }

    /// The length of all files together.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// What the model is made of.
    ///
    /// # Errors
    /// The core's, with the field.
    pub fn spec(&self) -> Result<ModelSpec> {
        let path = Path::new(&self.name).join(CONFIG_FILE);
        Ok(ModelSpec::parse(&self.config.to_string(), &path)?)
    }

    /// How images become its inputs.
    ///
    /// # Errors
    /// The core's, with the field.
    pub fn preprocess(&self) -> Result<Preprocess> {
        let path = Path::new(&self.name).join(PREPROCESSOR_FILE);
        Ok(Preprocess::parse(&self.preprocessor.to_string(), &path)?)
    }

    fn check(&self) -> std::result::Result<(), String> {
        if !is_plain(&self.name) {
            return Err(format!("{:?} is no name", self.name));
        }
        let of = |what: String| format!("{}: {what}", self.name);
        match &self.repository {
            None if self.revision != CARRIED => {
                return Err(of(format!("without a repository its revision must be {CARRIED:?}")));
            }
            Some(repository) if Name::parse_repository(repository).is_none() || repository.contains('@') => {
                return Err(of(format!("{repository:?} is no organisation/name")));
            }
            Some(_) if !is_commit(&self.revision) => {
                return Err(of(format!("revision {:?} is no commit of 40 digits", self.revision)));
            }
            _ => {}
        }
        for (at, File { name, sha256, .. }) in self.files.iter().enumerate() {
            if !is_relative(name) {
                return Err(of(format!("{name:?} is no file of a repository")));
            }
            if !is_sha256(sha256) {
                return Err(of(format!("{sha256:?} of {name} is no SHA-256")));
            }
            if self.files[..at].iter().any(|file| file.name == *name) {
                return Err(of(format!("{name} is told of twice")));
            }
        }
        if self.files.iter().try_fold(0_u64, |sum, file| sum.checked_add(file.bytes)).is_none() {
            return Err(of("its files are longer than any disk".to_owned()));
        }
        for wanted in [CONFIG_FILE, PREPROCESSOR_FILE] {
            if self.file(wanted).is_none() {
                return Err(of(format!("it has no {wanted} among its files")));
            }
        }
        if self.file(ENCODER_FILE).or_else(|| self.file(INDEX_FILE)).is_none() {
            return Err(of(format!("it has neither {ENCODER_FILE} nor {INDEX_FILE} among its files")));
        }
        let spec = self.spec().map_err(|error| error.to_string())?;
        if spec.name != self.name {
            return Err(of(format!("its config says it is {:?}", spec.name)));
        }
        self.preprocess().map_err(|error| error.to_string())?;
        self.card.check().map_err(|error| of(error.to_string()))
    }
}

/// A table of published models.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Registry {
    entries: Vec<Entry>,
}

/// As it is stored.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    version: u32,
    models: Vec<Entry>,
}

impl Registry {
    /// The registry that this program carries.
    ///
    /// # Errors
    /// None that a test has not looked for.
    pub fn own() -> Result<Self> {
        Self::parse(preco_weights::REGISTRY, Path::new(OWN))
    }

    /// The program's own, after the entries of the file at `path`.
    ///
    /// # Errors
    /// [`Error::Io`] and [`Error::Text`].
    pub fn with_file(path: Option<&Path>) -> Result<Self> {
        let Some(path) = path else { return Self::own() };
        let text = std::fs::read_to_string(path).map_err(Error::io("read", path))?;
        let mut registry = Self::parse(&text, path)?;
        let own = Self::own()?.entries.into_iter().filter(|entry| registry.get(&entry.name).is_none());
        let own: Vec<Entry> = own.collect();
        registry.entries.extend(own);
        Ok(registry)
    }

    /// Reads a registry, which errors call `path`.
    ///
    /// # Errors
    /// [`Error::Text`] with the entry and what it lacks: an entry with a gap is none.
    pub fn parse(text: &str, path: &Path) -> Result<Self> {
        let Stored { version, models } =
            serde_json::from_str(text).map_err(|error| Error::text(path, error.to_string()))?;
        if version != VERSION {
            return Err(Error::text(path, format!("is of version {version}, this program reads {VERSION}: update it")));
        }
        for (at, entry) in models.iter().enumerate() {
            entry.check().map_err(|what| Error::text(path, what))?;
            if models[..at].iter().any(|other| other.name == entry.name) {
                return Err(Error::text(path, format!("{} is there twice", entry.name)));
            }
        }
        Ok(Self { entries: models })
    }

    /// What [`Registry::parse`] reads.
    pub fn to_text(&self) -> String {
        let stored = Stored { version: VERSION, models: self.entries.clone() };
        serde_json::to_string_pretty(&stored).map(|text| text + "\n").unwrap_or_default()
    }

    /// Puts `entry` in the place of the one of its name, or at the end.
    pub fn insert(&mut self, entry: Entry) {
        match self.entries.iter_mut().find(|known| known.name == entry.name) {
            Some(known) => *known = entry,
            None => self.entries.push(entry),
        }
    }

    /// All of them.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The one called `name`, if there is one.
    pub fn get(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.name == name)
    }

    /// The one called `name`.
    ///
    /// # Errors
    /// [`Error::Unknown`] with the three names nearest to it.
    pub fn entry(&self, name: &str) -> Result<&Entry> {
        self.get(name).ok_or_else(|| self.unknown(name))
    }

    /// That `name` is none of them, with the three nearest.
    pub(crate) fn unknown(&self, name: &str) -> Error {
        let mut similar: Vec<String> = self.entries.iter().map(|entry| entry.name.clone()).collect();
        similar.sort_by_key(|known| strsim::damerau_levenshtein(name, known));
        similar.truncate(NEAREST);
        Error::Unknown { name: name.to_owned(), known: self.entries.len(), similar }
    }
}

#[cfg(test)]
mod tests {
    use preco_core::backbones::swin::SwinConfig;
    use serde_json::json;

    use super::*;
    use crate::card::facts::tests::facts;

    fn file(name: &str) -> File {
        File { name: name.to_owned(), bytes: 3, sha256: crate::sha256(b"abc") }
    }

    fn made(name: &str) -> Entry {
        let backbone = SwinConfig::preset("pico").expect("preset");
        let preprocess = Preprocess::imagenet(backbone.input);
        let spec = ModelSpec::encoder(name, backbone);
        Entry {
            name: name.to_owned(),
            repository: Some(format!("org/{name}")),
            revision: "0123456789".repeat(4),
            files: [CONFIG_FILE, PREPROCESSOR_FILE, ENCODER_FILE].map(file).to_vec(),
            config: serde_json::from_str(&spec.to_text(&preprocess)).expect("JSON"),
            preprocessor: serde_json::from_str(&preprocess.to_text()).expect("JSON"),
            card: facts(),
        }
    }

    fn parse(text: &str) -> Result<Registry> {
        Registry::parse(text, Path::new("registry.json"))
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_three_nearest() {
        let names = ["preco-swin-base", "preco-swin-large", "preco-swin-small", "preco-swin-tiny"];
        let registry = Registry { entries: names.map(made).to_vec() };
        let error = registry.entry("preco-swin-tinny").expect_err("unknown").to_string();
        assert!(error.contains("did you mean preco-swin-tiny or "), "{error}");
        assert_eq!(error.matches("preco-swin-").count(), 4, "{error}");
    }

    #[test]
    fn what_is_written_reads_back_and_a_file_comes_before_the_programs_own() {
        let mut registry = Registry::default();
        registry.insert(made("a"));
        registry.insert(Entry { revision: "f".repeat(40), ..made("a") });
        assert_eq!(parse(&registry.to_text()).expect("parse"), registry);
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("registry.json");
        std::fs::write(&path, registry.to_text()).expect("write");
        let both = Registry::with_file(Some(&path)).expect("both");
        assert_eq!(both.entries()[0], registry.entries[0]);
        assert_eq!(both.entries().len(), 1 + Registry::own().expect("own").entries().len());
    }

    #[test]
    fn an_entry_that_says_something_impossible_is_refused() {
        let good = serde_json::to_value(made("a")).expect("JSON");
        let with = |pointer: &str, value: Value| {
            let mut entry = good.clone();
            *entry.pointer_mut(pointer).expect(pointer) = value;
            json!({ "version": 1, "models": [entry] }).to_string()
        };
        parse(&with("/name", json!("a"))).expect("the unchanged entry");
        let file = &good["files"][0];
        let long = |name: &str| json!({ "name": name, "bytes": 1_u64 << 63, "sha256": file["sha256"] });
        for (pointer, value, needle) in [
            ("/name", json!("../a"), "\"../a\" is no name"),
            ("/name", json!("b"), "its config says it is \"a\""),
            ("/repository", json!("a"), "is no organisation/name"),
            ("/repository", json!("a/../b"), "is no organisation/name"),
            ("/repository", Value::Null, "its revision must be"),
            ("/revision", json!("main"), "is no commit"),
            ("/files/0/name", json!("../x"), "is no file"),
            ("/files/0/name", json!("C:\\x"), "is no file"),
            ("/files/0/sha256", json!("abc"), "is no SHA-256"),
            ("/files", json!([file, file]), "told of twice"),
            ("/files", json!([]), "it has no config.json"),
            ("/files/2/name", json!("weights.bin"), "neither model.safetensors nor"),
            ("/files/0/bytes", json!(-1), "invalid value"),
            ("/files", json!([long("a"), long("b")]), "longer than any disk"),
            ("/config/preco/swin", json!(3), "preco.swin"),
            ("/preprocessor/size", json!(3), "size.height"),
            ("/card/licence", json!(""), "no licence"),
        ] {
            let error = parse(&with(pointer, value)).expect_err(needle).to_string();
            assert!(error.starts_with("registry.json: ") && error.contains(needle), "{error}");
        }
        for (text, needle) in [
            (json!({ "version": 2, "models": [] }), "version 2"),
            (json!({ "version": 1, "models": [], "more": 1 }), "unknown field"),
            (json!({ "version": 1, "models": [good, good] }), "a is there twice"),
        ] {
            let error = parse(&text.to_string()).expect_err(needle).to_string();
            assert!(error.contains(needle), "{error}");
        }
    }
}
