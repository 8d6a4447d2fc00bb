//! What the cache holds, and its removal.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::Repository;
use crate::error::{Error, Result};
use crate::name::is_commit;

/// A repository in the cache.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CachedModel {
    /// `organisation/name`.
    pub repository: String,
    /// The bytes of all its blobs, parts of files included.
    pub bytes: u64,
    /// Its snapshots.
    pub revisions: Vec<CachedRevision>,
}

/// A snapshot in the cache.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CachedRevision {
    /// The commit.
    pub commit: String,
    /// The branches and tags that were this commit when they were last asked for.
    pub refs: Vec<String>,
    /// Its folder.
    pub path: PathBuf,
    /// Its files.
    pub files: usize,
    /// Their bytes; a blob that two snapshots share counts in both.
    pub bytes: u64,
}

/// The models in `cache`, by name. A cache that is not there holds none.
///
/// # Errors
/// [`Error::Io`].
pub fn scan(cache: &Path) -> Result<Vec<CachedModel>> {
    let mut models = Vec::new();
    for folder in folders(cache)? {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let Some((organisation, rest)) = name.strip_prefix("models--").and_then(|name| name.split_once("--")) else {
            continue;
        };
        let mut refs: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let tips = folder.join("refs");
        for tip in files(&tips)? {
            // What is no text is none of the hub's, such as a desktop's notes on a folder.
            let Ok(commit) = std::fs::read_to_string(&tip).map(|text| text.trim().to_owned()) else { continue };
            let name = tip.strip_prefix(&tips).unwrap_or(&tip).to_string_lossy().into_owned();
            refs.entry(commit).or_default().push(name);
        }
        let mut revisions = Vec::new();
        for path in folders(&folder.join("snapshots"))? {
            let commit = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let files = files(&path)?;
            let refs = refs.remove(&commit).unwrap_or_default();
            revisions.push(CachedRevision { commit, refs, bytes: bytes(&files), files: files.len(), path });
        }
        let bytes = bytes(&files(&folder.join("blobs"))?);
        models.push(CachedModel { repository: format!("{organisation}/{rest}"), bytes, revisions });
    }
    models.sort_by(|one, other| one.repository.cmp(&other.repository));
    Ok(models)
}

/// Removes a repository from `cache`, or one of its snapshots (a commit, a branch or a tag) with the blobs that only it
/// uses; returns the bytes that are free now.
///
/// # Errors
/// [`Error::NotFound`] where there is no such thing; [`Error::Io`].
pub fn delete(cache: &Path, repository: &str, revision: Option<&str>) -> Result<u64> {
    let place = Repository::new(cache, repository);
    let not_found = |what: String| Error::NotFound {
        place: cache.display().to_string(),
        what,
        hint: "; preco-cli models cache shows what there is".to_owned(),
    };
    let known = scan(cache)?.into_iter().find(|model| model.repository == repository);
    let known = known.ok_or_else(|| not_found(repository.to_owned()))?;
    let Some(revision) = revision else {
        remove(&place.root())?;
        let locks = cache.join(".locks").join(&place.folder);
        if locks.exists() {
            remove(&locks)?;
        }
        return Ok(known.bytes);
    };
    let commit = place.commit_of(revision).filter(|commit| place.snapshot(commit).exists());
    let commit = commit.ok_or_else(|| not_found(format!("{repository}@{revision}")))?;
    let used = |commit: &str| -> Result<BTreeSet<PathBuf>> {
        let links = files(&place.snapshot(commit))?;
        // By the links' own words: a blob that is itself a link leads out of the cache.
        let blob = |link: &PathBuf| Some(place.blob(std::fs::read_link(link).ok()?.file_name()?.to_str()?));
        Ok(links.iter().filter_map(blob).collect())
    };
    let within = |folder: PathBuf| std::fs::canonicalize(folder).unwrap_or_default();
    if ![place.snapshot(&commit), place.root().join("blobs")]
        .map(within)
        .iter()
        .all(|path| path.starts_with(within(place.root())))
    {
        let reason = "its folders lead out of the cache; remove them by hand".to_owned();
        return Err(Error::Name { name: repository.to_owned(), reason });
    }
    let mut alone = used(&commit)?;
    for other in known.revisions.iter().filter(|other| other.commit != commit && is_commit(&other.commit)) {
        for blob in used(&other.commit)? {
            alone.remove(&blob);
        }
    }
    let blobs: Vec<PathBuf> = alone.into_iter().collect();
    let freed = bytes(&blobs);
    let tips = place.root().join("refs");
    for tip in files(&tips)? {
        if std::fs::read_to_string(&tip).is_ok_and(|text| text.trim() == commit) {
            std::fs::remove_file(&tip).map_err(Error::io("remove", &tip))?;
        }
    }
    remove(&place.snapshot(&commit))?;
    for blob in blobs.iter().filter(|blob| std::fs::symlink_metadata(blob).is_ok()) {
        std::fs::remove_file(blob).map_err(Error::io("remove", blob))?;
    }
    Ok(freed)
}

fn remove(folder: &Path) -> Result<()> {
    std::fs::remove_dir_all(folder).map_err(Error::io("remove", folder))
}

fn bytes(files: &[PathBuf]) -> u64 {
    files.iter().filter_map(|file| std::fs::metadata(file).ok()).map(|metadata| metadata.len()).sum()
}

/// The folders directly in `folder`.
fn folders(folder: &Path) -> Result<Vec<PathBuf>> {
    Ok(entries(folder)?.into_iter().filter(|path| path.is_dir()).collect())
}

/// The files below `folder`, links among them.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for path in entries(folder)? {
        let is_folder = std::fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_dir());
        if is_folder { found.extend(files(&path)?) } else { found.push(path) }
    }
    Ok(found)
}

/// What is in `folder`, by name; nothing where it is not there.
fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(Error::io("read", folder))?,
    };
    let paths = entries.map(|entry| entry.map(|entry| entry.path())).collect::<std::io::Result<Vec<_>>>();
    let mut paths = paths.map_err(Error::io("read", folder))?;
    paths.sort();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_goes_with_the_blobs_that_only_it_uses() {
        let cache = tempfile::tempdir().expect("temporary folder");
        let repository = Repository::new(cache.path(), "org/a--b");
        let commits = ["a".repeat(40), "b".repeat(40)];
        let blob = |text: &str| {
            let etag = crate::sha256(text.as_bytes());
            repository.put(&etag, text.as_bytes()).expect("blob");
            etag
        };
        for (commit, own) in commits.iter().zip(["1", "22"]) {
            repository.link(commit, "shared.txt", &blob("shared")).expect("link");
            repository.link(commit, "own/x.txt", &blob(own)).expect("link");
        }
        repository.write_ref_of(crate::part::Part::All, "main", &commits[1]).expect("ref");
        let models = scan(cache.path()).expect("scan");
        assert_eq!((models.len(), models[0].repository.as_str(), models[0].bytes), (1, "org/a--b", 9));
        assert_eq!((models[0].revisions[1].bytes, &models[0].revisions[1].refs), (8, &vec!["main".to_owned()]));
        delete(cache.path(), "org/other", None).expect_err("not there");
        delete(cache.path(), "org/a--b", Some("v1")).expect_err("not there");
        assert_eq!(delete(cache.path(), "org/a--b", Some("main")).expect("delete"), 2);
        let models = scan(cache.path()).expect("scan");
        assert_eq!((models[0].bytes, models[0].revisions.len()), (7, 1));
        assert!(repository.snapshot(&commits[0]).join("shared.txt").exists());
        assert_eq!(delete(cache.path(), "org/a--b", None).expect("delete"), 7);
        assert!(scan(cache.path()).expect("scan").is_empty());
        assert!(scan(&cache.path().join("none")).expect("scan").is_empty());
    }
}
