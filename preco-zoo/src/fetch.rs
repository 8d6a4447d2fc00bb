//! From a name to files on this machine: the folder itself, the program, the cache, a mirror, the hub, in this order.

use std::path::{Path, PathBuf};

use crate::cache::Repository;
use crate::card::{CARD_FILE, FACTS_FILE};
use crate::digest::{Digest, sha256};
use crate::error::{Error, Result};
use crate::folder::{DECODER_FILE, ENCODER_FILE, ModelFolder};
use crate::index::{INDEX_FILE, Index};
use crate::name::{Name, is_commit};
use crate::progress::Progress;
use crate::registry::{CARRIED, Entry, Registry};
use crate::settings::Settings;
use crate::sums::SUMS_FILE;
use preco_core::spec::{CONFIG_FILE, PREPROCESSOR_FILE};

/// The branch of repositories that are asked for without a revision.
pub(crate) const MAIN: &str = "main";

/// A model on this machine.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// Its files.
    pub folder: ModelFolder,
    /// The commit, where it came from a repository or a mirror.
    pub revision: Option<String>,
}

/// Brings the model called `name` here and compares it with its digests.
///
/// # Errors
/// [`Error::Name`], [`Error::Unknown`]; what a network can do; the errors of [`ModelFolder::open`].
pub fn fetch(name: &str, settings: &Settings, progress: &dyn Progress) -> Result<Fetched> {
    let found = locate(name, settings, progress)?;
    if let Place::Program(entry) = &found {
        return match ModelFolder::carried(entry) {
            Some(folder) => Ok(Fetched { folder: folder?, revision: None }),
            None => Err(Error::Feature { what: format!("{} in the program", entry.name), feature: CARRIED }),
        };
    }
    let (path, revision) = found.path(settings)?;
    Ok(Fetched { folder: ModelFolder::open(&path)?, revision })
}

/// Brings all files of the model called `name` here, compares them with their digests and returns their folder. What the
/// program carries is put into the cache.
///
/// # Errors
/// As [`fetch`].
pub fn download(name: &str, settings: &Settings, progress: &dyn Progress) -> Result<(PathBuf, Option<String>)> {
    let (path, revision) = locate(name, settings, progress)?.path(settings)?;
    ModelFolder::open(&path)?;
    Ok((path, revision))
}

/// Where a model is.
enum Place {
    Folder(PathBuf),
    Program(Box<Entry>),
    Cache(Repository, String),
}

impl Place {
    fn path(self, settings: &Settings) -> Result<(PathBuf, Option<String>)> {
        match self {
            Self::Folder(path) => Ok((path, None)),
            Self::Cache(cache, commit) => Ok((cache.snapshot(&commit), Some(commit))),
            Self::Program(entry) => unpack(&entry, settings).map(|path| (path, None)),
        }
    }
}

fn locate(name: &str, settings: &Settings, progress: &dyn Progress) -> Result<Place> {
    match Name::parse(name)? {
        Name::Folder(path) => {
            if !path.exists() {
                let names = Registry::with_file(settings.registry.as_deref())?;
                return Err(names.entry(name).expect_err("a path is no published name"));
            }
            Ok(Place::Folder(path))
        }
        Name::Published { name, revision } => {
            let registry = Registry::with_file(settings.registry.as_deref())?;
            let entry = registry.entry(&name)?;
            let Some(repository) = &entry.repository else {
                if let Some(revision) = revision {
                    let reason = format!("{name} is in the program and has no revision {revision}");
                    return Err(Error::Name { name: format!("{name}@{revision}"), reason });
                }
                return Ok(Place::Program(Box::new(entry.clone())));
            };
            match revision {
                // Another revision than the pinned one is another model: nothing is known of it.
                Some(revision) if revision != entry.revision => {
                    in_cache_or_beyond(repository, &revision, None, settings, progress)
                }
                _ => in_cache_or_beyond(repository, &entry.revision, Some(entry), settings, progress),
            }
        }
        Name::Hub { repository, revision } => {
            in_cache_or_beyond(&repository, revision.as_deref().unwrap_or(MAIN), None, settings, progress)
        }
        Name::Address(address) => at_address(&address, settings, progress),
    }
}

fn in_cache_or_beyond(
    repository: &str,
    revision: &str,
    pinned: Option<&Entry>,
    settings: &Settings,
    progress: &dyn Progress,
) -> Result<Place> {
    let name = if revision == MAIN { repository.to_owned() } else { format!("{repository}@{revision}") };
    let search = Search { cache: Repository::new(&settings.cache, repository), revision, pinned, settings, progress };
    search.run(&name, || beyond(repository, revision, pinned, settings, progress))
}

fn at_address(address: &str, settings: &Settings, progress: &dyn Progress) -> Result<Place> {
    let cache = Repository::of_address(&settings.cache, address);
    let search = Search { cache, revision: MAIN, pinned: None, settings, progress };
    search.run(address, || beyond_address(address, settings, progress))
}

/// A revision that may be in the cache.
struct Search<'a> {
    cache: Repository,
    revision: &'a str,
    pinned: Option<&'a Entry>,
    settings: &'a Settings,
    progress: &'a dyn Progress,
}

impl Search<'_> {
    /// The revision from the cache where that is enough, else from `beyond`, which returns the commit; `name` is what it is
    /// downloaded by.
    fn run(self, name: &str, beyond: impl FnOnce() -> Result<String>) -> Result<Place> {
        let cached = self.cache.commit_of(self.revision).filter(|commit| self.is_here(commit));
        if let Some(commit) = &cached
            && (is_commit(self.revision) || self.settings.offline)
            && self.is_right(commit)?
        {
            return Ok(Place::Cache(self.cache, commit.clone()));
        }
        if self.settings.offline {
            let hint =
                format!("run preco-cli models download {name} where there is a network, or unset HF_HUB_OFFLINE");
            return Err(Error::Offline { what: name.to_owned(), cache: self.settings.cache.clone(), hint });
        }
        match beyond() {
            Ok(commit) => Ok(Place::Cache(self.cache, commit)),
            // As Python does: a hub that cannot be reached is no reason to fail with the files at hand.
            Err(Error::Network { place, reason }) => match cached {
                Some(commit) if self.is_right(&commit)? => {
                    let told = format!("{place}: {reason}; taking {name} from the cache, commit {commit}");
                    self.progress.note(&told);
                    Ok(Place::Cache(self.cache, commit))
                }
                _ => Err(Error::Network { place, reason }),
            },
            Err(error) => Err(error),
        }
    }

    /// True where the cache holds all that is needed of a commit.
    fn is_here(&self, commit: &str) -> bool {
        let folder = self.cache.snapshot(commit);
        match self.pinned {
            Some(entry) => {
                entry.files.iter().filter(|file| is_wanted(&file.name)).all(|file| folder.join(&file.name).exists())
            }
            None => self.cache.whole(commit).is_some() || needed(&folder).is_some(),
        }
    }

    /// Compares a cached commit with its digests, each file once; false where one is wrong and can be fetched anew.
    fn is_right(&self, commit: &str) -> Result<bool> {
        let folder = self.cache.snapshot(commit);
        let files = match self.pinned {
            Some(entry) => entry.files.iter().map(|file| file.name.clone()).filter(|file| is_wanted(file)).collect(),
            None => self.cache.whole(commit).or_else(|| needed(&folder)).unwrap_or_default(),
        };
        for file in files {
            let known = self.pinned.and_then(|entry| entry.file(&file));
            match self.cache.check(commit, &file, known.map(|file| Digest::Sha256(file.sha256.clone()))) {
                Ok(()) => {}
                Err(Error::Digest { path, found, wanted }) if !self.settings.offline => {
                    let told = format!("{} has {found}, published is {wanted}: fetching it anew", path.display());
                    self.progress.note(&told);
                    return Ok(false);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }
}

/// The files that a model cannot do without, where all of them are in `folder`.
fn needed(folder: &Path) -> Option<Vec<String>> {
    let mut files = vec![CONFIG_FILE.to_owned(), PREPROCESSOR_FILE.to_owned()];
    if folder.join(ENCODER_FILE).exists() {
        files.push(ENCODER_FILE.to_owned());
    } else {
        let path = folder.join(INDEX_FILE);
        let index = Index::parse(&std::fs::read_to_string(&path).ok()?, &path).ok()?;
        files.push(INDEX_FILE.to_owned());
        files.extend(index.shards().into_iter().map(str::to_owned));
    }
    files.iter().all(|file| folder.join(file).exists()).then_some(files)
}

/// True for the files of a repository that this crate reads or people look for; not the same weights in other forms.
pub(crate) fn is_wanted(file: &str) -> bool {
    [CARD_FILE, FACTS_FILE, CONFIG_FILE, PREPROCESSOR_FILE, ENCODER_FILE, DECODER_FILE, INDEX_FILE, SUMS_FILE]
        .contains(&file)
        || file.starts_with("LICENSE")
        || file.starts_with("NOTICE")
        || (file.starts_with("model-") && file.ends_with(".safetensors") && !file.contains('/'))
}

/// Puts a model that the program carries into the cache, as if it came from a repository.
fn unpack(entry: &Entry, settings: &Settings) -> Result<PathBuf> {
    let missing = || Error::Feature { what: format!("{} in the program", entry.name), feature: CARRIED };
    let files = preco_weights::carried(&entry.name).ok_or_else(missing)?;
    let all: String = entry.files.iter().map(|file| file.sha256.as_str()).collect();
    let commit = sha256(all.as_bytes())[..40].to_owned();
    let cache = Repository::new(&settings.cache, &format!("{CARRIED}/{}", entry.name));
    for (name, bytes) in files {
        let etag = sha256(bytes);
        if cache.check(&commit, name, Some(Digest::Sha256(etag.clone()))).is_err() {
            cache.put(&etag, bytes)?;
            cache.link(&commit, name, &etag)?;
        }
    }
    let names: Vec<&str> = files.iter().map(|(name, _)| *name).collect();
    cache.write_record(&commit, &names)?;
    Ok(cache.snapshot(&commit))
}

/// Asks the mirror, then the hub.
#[cfg(feature = "hub")]
fn beyond(
    repository: &str,
    revision: &str,
    pinned: Option<&Entry>,
    settings: &Settings,
    progress: &dyn Progress,
) -> Result<String> {
    use crate::remote::{Hub, block_on, fetch_mirror};
    // A mirror has one version of a model: the registry's, or the newest.
    if let Some(mirror) = settings.mirror.as_ref().filter(|_| pinned.is_some()) {
        let name = pinned.map_or(repository, |entry| entry.name.as_str());
        let address = format!("{}/{name}", mirror.trim_end_matches('/'));
        match block_on(|| fetch_mirror(settings, &address, pinned, is_wanted, progress)) {
            Ok(commit) => return Ok(commit),
            Err(Error::NotFound { .. }) => progress.note(&format!("{mirror} has no {name}, asking the hub")),
            Err(error) => return Err(error),
        }
    }
    let hub = Hub::new(settings, repository)?;
    block_on(|| hub.snapshot(revision, pinned, is_wanted, progress))
}

#[cfg(not(feature = "hub"))]
fn beyond(repository: &str, _: &str, _: Option<&Entry>, _: &Settings, _: &dyn Progress) -> Result<String> {
    Err(Error::Feature { what: format!("fetching {repository}"), feature: "hub" })
}

/// The model's folder at an address.
#[cfg(feature = "hub")]
fn beyond_address(address: &str, settings: &Settings, progress: &dyn Progress) -> Result<String> {
    use crate::remote::{block_on, fetch_mirror};
    block_on(|| fetch_mirror(settings, address, None, is_wanted, progress))
}

#[cfg(not(feature = "hub"))]
fn beyond_address(address: &str, _: &Settings, _: &dyn Progress) -> Result<String> {
    Err(Error::Feature { what: format!("fetching {address}"), feature: "hub" })
}
