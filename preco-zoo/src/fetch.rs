//! From a name to files on this machine: the folder itself, the program, the cache, a mirror, the hub, in this order.

use std::path::{Path, PathBuf};

use crate::cache::Repository;
use crate::digest::{Digest, sha256};
use crate::error::{Error, Result};
use crate::folder::ModelFolder;
use crate::name::{Name, is_commit};
use crate::part::Part;
use crate::progress::Progress;
use crate::registry::{CARRIED, Entry, Registry};
use crate::settings::{Settings, shown};
use crate::sums::SUMS_FILE;
use crate::verify::{Checked, check, verify_files};

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
    Request { settings, progress, part: Part::All }.locate(name)?.open(settings)
}

/// [`fetch`] of what describes the model, without its weights.
///
/// # Errors
/// As [`fetch`].
pub fn describe(name: &str, settings: &Settings, progress: &dyn Progress) -> Result<Fetched> {
    Request { settings, progress, part: Part::Descriptions }.locate(name)?.open(settings)
}

/// Brings all files of the model called `name` here, compares them with their digests and returns their folder. What the
/// program carries is put into the cache.
///
/// # Errors
/// As [`fetch`].
pub fn download(name: &str, settings: &Settings, progress: &dyn Progress) -> Result<(PathBuf, Option<String>)> {
    let (path, revision) = Request { settings, progress, part: Part::All }.locate(name)?.path(settings)?;
    ModelFolder::open(&path)?;
    Ok((path, revision))
}

/// The folder of a model without a repository, where it lies beside the registry's file: in `models/NAME` or `NAME`.
pub fn beside_registry(entry: &Entry, settings: &Settings) -> Option<PathBuf> {
    let at = settings.registry.as_deref()?.parent()?;
    [at.join("models").join(&entry.name), at.join(&entry.name)].into_iter().find(|folder| folder.is_dir())
}

/// Where a model is.
enum Place {
    Folder(PathBuf),
    Program(Box<Entry>),
    Cache(Repository, String),
}

impl Place {
    fn open(self, settings: &Settings) -> Result<Fetched> {
        if let Self::Program(entry) = &self {
            let folder = ModelFolder::carried(entry).ok_or_else(|| not_carried(entry))?;
            return Ok(Fetched { folder: folder?, revision: None });
        }
        let (path, revision) = self.path(settings)?;
        Ok(Fetched { folder: ModelFolder::open(&path)?, revision })
    }

    fn path(self, settings: &Settings) -> Result<(PathBuf, Option<String>)> {
        match self {
            Self::Folder(path) => Ok((path, None)),
            Self::Cache(cache, commit) => Ok((cache.snapshot(&commit), Some(commit))),
            Self::Program(entry) => unpack(&entry, settings).map(|path| (path, None)),
        }
    }
}

/// What is asked of a fetch.
#[derive(Clone, Copy)]
struct Request<'a> {
    settings: &'a Settings,
    progress: &'a dyn Progress,
    part: Part,
}

impl Request<'_> {
    fn locate(self, name: &str) -> Result<Place> {
        match Name::parse(name)? {
            Name::Folder(path) if path.exists() => {
                check_sums(&path)?;
                Ok(Place::Folder(path))
            }
            Name::Folder(_) => Err(self.registry()?.unknown(name)),
            Name::Published { name, revision } => self.published(&name, revision),
            Name::Hub { repository, revision } => self.hub(&repository, revision.as_deref().unwrap_or(MAIN), None),
            Name::Address(address) => {
                let cache = Repository::of_address(&self.settings.cache, &address);
                let search = Search { request: self, cache, revision: MAIN, pinned: None };
                search.run(&shown(&address), || self.beyond_address(&address))
            }
        }
    }

    fn registry(self) -> Result<Registry> {
        Registry::with_file(self.settings.registry.as_deref())
    }

    fn published(self, name: &str, revision: Option<String>) -> Result<Place> {
        let registry = self.registry()?;
        let entry = registry.entry(name)?;
        match (&entry.repository, revision) {
            (None, None) => self.unpublished(entry),
            (None, Some(revision)) => {
                let reason = format!("{name} is in the program and has no revision {revision}");
                Err(Error::Name { name: format!("{name}@{revision}"), reason })
            }
            // Another revision than the pinned one is another model: nothing is known of it.
            (Some(repository), Some(revision)) if revision != entry.revision => self.hub(repository, &revision, None),
            (Some(repository), _) => self.hub(repository, &entry.revision, Some(entry)),
        }
    }

    /// A model without a repository: in the program, beside the registry's file, or at the mirror.
    fn unpublished(self, entry: &Entry) -> Result<Place> {
        if preco_weights::carried(&entry.name).is_some() {
            return Ok(Place::Program(Box::new(entry.clone())));
        }
        if let Some(folder) = beside_registry(entry, self.settings) {
            check_entry(entry, &folder)?;
            return Ok(Place::Folder(folder));
        }
        #[cfg(feature = "hub")]
        if let Some(mirror) = &self.settings.mirror {
            let address = format!("{}/{}", mirror.trim_end_matches('/'), entry.name);
            let cache = Repository::of_address(&self.settings.cache, &address);
            let search = Search { request: self, cache, revision: MAIN, pinned: Some(entry) };
            let fetch = || {
                crate::remote::block_on(|| {
                    crate::remote::fetch_mirror(self.settings, &address, Some(entry), self.part, self.progress)
                })
            };
            return search.run(&shown(&address), fetch);
        }
        Err(not_carried(entry))
    }

    fn hub(self, repository: &str, revision: &str, pinned: Option<&Entry>) -> Result<Place> {
        let name = if revision == MAIN { repository.to_owned() } else { format!("{repository}@{revision}") };
        let cache = Repository::new(&self.settings.cache, repository);
        let search = Search { request: self, cache, revision, pinned };
        search.run(&name, || self.beyond(repository, revision, pinned))
    }
}

/// The other side, where there is one.
#[cfg(feature = "hub")]
impl Request<'_> {
    /// Asks the mirror, then the hub.
    fn beyond(self, repository: &str, revision: &str, pinned: Option<&Entry>) -> Result<String> {
        use crate::remote::{Hub, block_on, fetch_mirror};
        let Self { settings, progress, part } = self;
        // A mirror has one version of a model: the registry's.
        if let (Some(mirror), Some(entry)) = (&settings.mirror, pinned) {
            let address = format!("{}/{}", mirror.trim_end_matches('/'), entry.name);
            match block_on(|| fetch_mirror(settings, &address, pinned, part, progress)) {
                Ok(commit) => return Ok(commit),
                // This machine's own troubles would be the same with the hub.
                Err(error @ (Error::Io { .. } | Error::Space { .. })) => return Err(error),
                Err(error) => progress.note(&format!("{error}. Asking the hub")),
            }
        }
        let hub = Hub::new(settings, repository, progress)?;
        block_on(|| hub.snapshot(revision, pinned, part))
    }

    /// The model's folder at an address.
    fn beyond_address(self, address: &str) -> Result<String> {
        let Self { settings, progress, part } = self;
        crate::remote::block_on(|| crate::remote::fetch_mirror(settings, address, None, part, progress))
    }
}

#[cfg(not(feature = "hub"))]
impl Request<'_> {
    fn beyond(self, repository: &str, _: &str, _: Option<&Entry>) -> Result<String> {
        self.beyond_address(repository)
    }

    fn beyond_address(self, address: &str) -> Result<String> {
        Err(Error::Feature { what: format!("fetching {}", shown(address)), feature: "hub" })
    }
}

/// A revision that may be in the cache.
struct Search<'a> {
    request: Request<'a>,
    cache: Repository,
    revision: &'a str,
    pinned: Option<&'a Entry>,
}

impl Search<'_> {
    /// The revision from the cache where that is enough, else from `beyond`, which returns the commit; `name` is what it is
    /// downloaded by.
    fn run(self, name: &str, beyond: impl FnOnce() -> Result<String>) -> Result<Place> {
        let cached = self.cache.commit_of(self.revision);
        let cached = cached.and_then(|commit| self.files(&commit).map(|files| (commit, files)));
        if let Some((commit, files)) = &cached
            && (is_commit(self.revision) || self.is_offline())
            && self.is_right(commit, files)?
        {
            return Ok(Place::Cache(self.cache, commit.clone()));
        }
        if self.is_offline() && cfg!(feature = "hub") {
            let hint =
                format!("run preco-cli models download {name} where there is a network, or unset HF_HUB_OFFLINE");
            return Err(Error::Offline { what: name.to_owned(), cache: self.request.settings.cache.clone(), hint });
        }
        match beyond() {
            Ok(commit) => Ok(Place::Cache(self.cache, commit)),
            // As Python does: a hub that cannot be reached is no reason to fail with the files at hand.
            Err(Error::Network { place, reason }) => match cached {
                Some((commit, files)) if self.is_right(&commit, &files)? => {
                    let told = format!("{place}: {reason}; taking {name} from the cache, commit {commit}");
                    self.request.progress.note(&told);
                    Ok(Place::Cache(self.cache, commit))
                }
                _ => Err(Error::Network { place, reason }),
            },
            Err(error) => Err(error),
        }
    }

    /// Without network code everything is offline.
    fn is_offline(&self) -> bool {
        self.request.settings.offline || cfg!(not(feature = "hub"))
    }

    /// The files of a commit, and what they should be where that is known; `None` where the cache lacks one that is needed.
    fn files(&self, commit: &str) -> Option<Vec<(String, Option<Digest>)>> {
        let (folder, part) = (self.cache.snapshot(commit), self.request.part);
        if let Some(entry) = self.pinned {
            let pinned = |file: &crate::File| (file.name.clone(), Some(Digest::Sha256(file.sha256.clone())));
            let files: Vec<_> = entry.files.iter().filter(|file| part.wants(&file.name)).map(pinned).collect();
            return files.iter().all(|(file, _)| folder.join(file).exists()).then_some(files);
        }
        if let Some(whole) = self.cache.whole(commit) {
            return Some(whole.into_iter().map(|(file, digest)| (file, Some(digest))).collect());
        }
        let known = |file: String| {
            let digest = self.cache.digest_of(commit, &file);
            (file, digest)
        };
        Some(part.needed_in(&folder)?.into_iter().map(known).collect())
    }

    /// Compares a cached commit with its digests, each file once; false where one is wrong and can be fetched anew.
    fn is_right(&self, commit: &str, files: &[(String, Option<Digest>)]) -> Result<bool> {
        for (file, digest) in files {
            let Some(digest) = digest else {
                if self.is_offline() {
                    let hint = "nobody here says its digest; fetch it again where there is a network".to_owned();
                    let what = format!("a digest of {file}");
                    return Err(Error::Offline { what, cache: self.request.settings.cache.clone(), hint });
                }
                return Ok(false);
            };
            match self.cache.check(commit, file, digest) {
                Ok(()) => {}
                Err(Error::Digest { path, found, wanted }) if !self.is_offline() => {
                    let told = format!("{} has {found}, published is {wanted}: fetching it anew", path.display());
                    self.request.progress.note(&told);
                    return Ok(false);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }
}

/// Compares what is read of a published folder with its list of digests, where it has one.
fn check_sums(folder: &Path) -> Result<()> {
    if !folder.join(SUMS_FILE).exists() {
        return Ok(());
    }
    let is_read = |file: &str| file.ends_with(".safetensors") || file.ends_with(".json");
    verify_files(folder, is_read)?.into_iter().try_for_each(|file| refuse_wrong(folder, file))
}

/// Refuses a file that is missing or is not what it should be.
fn refuse_wrong(folder: &Path, Checked { file, wanted, found }: Checked) -> Result<()> {
    let path = folder.join(file);
    match found {
        Some(found) if found == wanted => Ok(()),
        Some(found) => Err(Error::Digest { path, found, wanted }),
        None => Err(Error::Missing { path }),
    }
}

/// Compares what is read of a folder with the digests that a registry has.
fn check_entry(entry: &Entry, folder: &Path) -> Result<()> {
    let is_read = |file: &&crate::File| file.name.ends_with(".safetensors") || file.name.ends_with(".json");
    entry.files.iter().filter(is_read).try_for_each(|file| {
        refuse_wrong(folder, check(folder, file.name.clone(), &Digest::Sha256(file.sha256.clone()))?)
    })
}

fn not_carried(entry: &Entry) -> Error {
    if cfg!(feature = "carried") {
        return Error::Absent { name: entry.name.clone() };
    }
    Error::Feature { what: format!("{} in the program", entry.name), feature: CARRIED }
}

/// Puts a model that the program carries into the cache, as if it came from a repository.
fn unpack(entry: &Entry, settings: &Settings) -> Result<PathBuf> {
    let files = preco_weights::carried(&entry.name).ok_or_else(|| not_carried(entry))?;
    let all: String = entry.files.iter().map(|file| file.sha256.as_str()).collect();
    let commit = sha256(all.as_bytes())[..40].to_owned();
    let cache = Repository::new(&settings.cache, &format!("{CARRIED}/{}", entry.name));
    let mut here: Vec<(&str, Digest)> = Vec::new();
    for (name, bytes) in files {
        let digest = Digest::Sha256(sha256(bytes));
        if cache.check(&commit, name, &digest).is_err() {
            cache.put(digest.digits(), bytes)?;
            cache.link(&commit, name, digest.digits())?;
        }
        here.push((name, digest));
    }
    cache.write_record(&commit, &here)?;
    Ok(cache.snapshot(&commit))
}
