//! A model's files to a repository of the hub: one commit and a tag.

use hf_hub::repository::{CommitOperation, RepoTypeModel};

use super::failure::Patience;
use super::hub::Hub;
use super::listing::Listed;
use crate::card::FACTS_FILE;
use crate::error::{Error, Result};
use crate::folder::ENCODER_FILE;
use crate::index::INDEX_FILE;
use crate::name::{is_commit, is_revision};
use crate::progress::Progress;
use crate::publish::Files;
use crate::settings::{HUB, Settings, shown};
use crate::sums::SUMS_FILE;

/// A file that a server without large-file storage would have to take as text in one request.
const LARGE_BYTES: usize = 64 << 20;

/// What became of a repository.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Pushed {
    /// The commit that holds the files.
    pub commit: String,
    /// The tag it has.
    pub tag: String,
    /// False where the repository held these very files already.
    pub is_new: bool,
    /// Weights of an earlier version that are no longer part of the model and went.
    pub removed: Vec<String>,
    /// Where to look at it.
    pub page: String,
}

/// Refuses a tag that cannot be one.
///
/// # Errors
/// [`Error::Name`].
pub fn check_tag(tag: &str) -> Result<()> {
    let is_good = is_revision(tag)
        && tag != "main"
        && !tag.starts_with('-')
        && !tag.contains([' ', '~', '^', '[', '@'])
        && !is_commit(tag)
        && !tag.starts_with("refs/");
    if is_good {
        return Ok(());
    }
    let reason = "a tag is a word such as v1.0, and not main".to_owned();
    Err(Error::Name { name: tag.to_owned(), reason })
}

/// Makes `repository` hold `files`: in one commit on top of the branch `main`, which is then called `tag`. The repository
/// is made where there is none. The model's weights of an earlier version that are no longer part of it go; other files
/// stay.
///
/// # Errors
/// Where the settings are offline or have no token, the hub refuses, or the tag is another commit's.
pub fn push(
    settings: &Settings,
    repository: &str,
    files: &Files,
    tag: &str,
    private: bool,
    progress: &dyn Progress,
) -> Result<Pushed> {
    check_tag(tag)?;
    if settings.offline {
        let hint = "unset HF_HUB_OFFLINE to publish".to_owned();
        return Err(Error::Offline { what: repository.to_owned(), cache: settings.cache.clone(), hint });
    }
    super::block_on(|| async {
        let hub = Hub::new(settings, repository, progress)?;
        if settings.token.is_none() {
            let hint = "set HF_TOKEN to a token that may write, or give one by --token".to_owned();
            return Err(Error::Access { place: hub.place(), what: format!("writing to {repository}"), hint });
        }
        if let Some((file, bytes)) = files.iter().find(|(_, bytes)| bytes.len() > LARGE_BYTES)
            && settings.endpoint != HUB
        {
            let megabytes = bytes.len() / 1_000_000;
            let what = format!(
                "{file} has {megabytes} MB, and {} may keep no large files; publish in smaller shards (--shard-mb)",
                shown(&settings.endpoint)
            );
            return Err(Error::Card { what });
        }
        let what = format!("making {repository}");
        let make = async || {
            let request = hub.client.create_repository().repo_id(repository).repo_type(RepoTypeModel);
            let made = request.private(private).exist_ok(true).send().await;
            made.map_err(|error| hub.failure(&what, error))
        };
        hub.patience().with(make).await?;
        let parent = hub.commit("main").await?;
        let there = hub.files(&parent).await?;
        let removed: Vec<String> = stale(&there, files).map(str::to_owned).collect();
        let tagged = tagged(&hub, tag).await?;
        let done = |commit: String, is_new: bool, removed: Vec<String>| Pushed {
            commit,
            tag: tag.to_owned(),
            is_new,
            removed,
            page: format!("{}/{repository}", hub.place()),
        };
        if removed.is_empty() && is_same(&there, files)? && tagged.as_ref().is_none_or(|commit| *commit == parent) {
            if tagged.is_none() {
                give_tag(&hub, tag, &parent).await?;
            }
            return Ok(done(parent, false, removed));
        }
        if let Some(commit) = tagged {
            let what = format!("{repository} has a tag {tag} already, commit {commit}; choose another (--tag)");
            return Err(Error::Card { what });
        }
        let commit = commit(&hub, &parent, &removed, files, tag).await?;
        give_tag(&hub, tag, &commit).await?;
        Ok(done(commit, true, removed))
    })
}

/// The commit of a tag, where there is one.
async fn tagged(hub: &Hub<'_>, tag: &str) -> Result<Option<String>> {
    match hub.commit(tag).await {
        Ok(commit) => Ok(Some(commit)),
        Err(Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// True where these very files are there.
fn is_same(there: &[Listed], files: &Files) -> Result<bool> {
    for (file, bytes) in files {
        let digest = there.iter().find(|listed| listed.path == *file).and_then(|listed| listed.digest.as_ref());
        let Some(digest) = digest else { return Ok(false) };
        let ours = digest.of(&mut bytes.as_slice(), bytes.len() as u64).map_err(Error::io("read", file))?;
        if ours != *digest {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The model's weights that are not part of it any more, by the names that this crate gives. Others give the same names: only
/// a repository with our card and list of digests is one that this crate has written.
fn stale<'a>(there: &'a [Listed], files: &'a Files) -> impl Iterator<Item = &'a str> {
    let is_there = |name: &str| there.iter().any(|listed| listed.path == name);
    let was_ours = is_there(FACTS_FILE) && is_there(SUMS_FILE);
    let is_ours = |file: &str| {
        let is_shard =
            file.strip_prefix("model-").and_then(|rest| rest.strip_suffix(".safetensors")).is_some_and(|rest| {
                rest.split("-of-").count() == 2 && rest.bytes().all(|c| c.is_ascii_digit() || b"-of".contains(&c))
            });
        is_shard || [ENCODER_FILE, INDEX_FILE].contains(&file)
    };
    let paths = there.iter().map(|listed| listed.path.as_str());
    paths.filter(move |file| was_ours && is_ours(file) && !files.iter().any(|(name, _)| name == file))
}

async fn commit(hub: &Hub<'_>, parent: &str, removed: &[String], files: &Files, tag: &str) -> Result<String> {
    let mut operations: Vec<CommitOperation> =
        files.iter().map(|(file, bytes)| CommitOperation::add_bytes(file.as_str(), bytes.clone())).collect();
    operations.extend(removed.iter().map(CommitOperation::delete));
    let what = format!("writing to {}", hub.name);
    let request = hub
        .repository()
        .create_commit()
        .operations(operations)
        .commit_message(format!("Publish {} {tag}", hub.name))
        .parent_commit(parent)
        .send()
        .await;
    match request {
        Ok(made) => match made.commit_oid {
            Some(commit) => Ok(commit),
            None => hub.commit("main").await,
        },
        Err(error) => {
            // Not repeated: whether a commit that failed half-way is there, the next run finds out by comparing.
            let once = Settings { retries: 0, ..hub.settings.clone() };
            let mut patience = Patience::new(&once, hub.progress, hub.place());
            patience.bear(hub.failure(&what, error)).await?;
            Err(Error::Network { place: hub.place(), reason: format!("{what} failed") })
        }
    }
}

async fn give_tag(hub: &Hub<'_>, tag: &str, commit: &str) -> Result<()> {
    let what = format!("calling a commit of {} {tag}", hub.name);
    let request = async || {
        let made = hub.repository().create_tag().tag(tag).revision(commit).send().await;
        made.map_err(|error| hub.failure(&what, error))
    };
    hub.patience().with(request).await
}
