//! A model's files to a repository of the hub: one commit and a tag.

use std::collections::BTreeMap;

use hf_hub::repository::{CommitOperation, RepoTypeModel};

use super::failure::Patience;
use super::hub::Hub;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::publish::Files;
use crate::settings::{HUB, Settings};

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
    /// Where to look at it.
    pub page: String,
}

/// Makes `repository` hold `files`: in one commit on top of the branch `main`, which is then called `tag`. The repository
/// is made where there is none. Weights of an earlier version that are no longer part of the model go; other people's files
/// stay.
///
/// # Errors
/// Where the settings have no token, the hub refuses, or the tag is another commit's.
pub fn push(settings: &Settings, repository: &str, files: &Files, tag: &str, private: bool) -> Result<Pushed> {
    super::block_on(|| async {
        let hub = Hub::new(settings, repository)?;
        let page = format!("{}/{repository}", settings.endpoint);
        if settings.token.is_none() {
            let hint = "set HF_TOKEN to a token that may write".to_owned();
            return Err(Error::Access { place: hub.place(), what: format!("writing to {repository}"), hint });
        }
        if let Some((file, bytes)) = files.iter().find(|(_, bytes)| bytes.len() > LARGE_BYTES)
            && settings.endpoint != HUB
        {
            let megabytes = bytes.len() / 1_000_000;
            let what = format!(
                "{file} has {megabytes} MB, and {} may keep no large files; publish in smaller shards (--shard-mb)",
                settings.endpoint
            );
            return Err(Error::Card { what });
        }
        let what = format!("making {repository}");
        let make = async || {
            let request = hub.client.create_repository().repo_id(repository).repo_type(RepoTypeModel);
            let made = request.private(private).exist_ok(true).send().await;
            made.map_err(|error| hub.failure(&what, error))
        };
        Patience::with(settings, hub.place(), make).await?;
        let parent = hub.commit("main").await?;
        let there: BTreeMap<String, Option<String>> =
            hub.files(&parent).await?.into_iter().map(|(file, _, object)| (file, object)).collect();
        let tagged = tagged(&hub, tag).await?;
        if is_same(&hub, &parent, &there, files).await? && tagged.as_ref().is_none_or(|commit| *commit == parent) {
            if tagged.is_none() {
                give_tag(&hub, tag, &parent).await?;
            }
            return Ok(Pushed { commit: parent, tag: tag.to_owned(), is_new: false, page });
        }
        if let Some(commit) = tagged {
            let what = format!("{repository} has a tag {tag} already, commit {commit}; choose another (--tag)");
            return Err(Error::Card { what });
        }
        let commit = commit(&hub, &parent, &there, files, tag).await?;
        give_tag(&hub, tag, &commit).await?;
        Ok(Pushed { commit, tag: tag.to_owned(), is_new: true, page })
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

/// True where the commit holds these very files.
async fn is_same(hub: &Hub<'_>, commit: &str, there: &BTreeMap<String, Option<String>>, files: &Files) -> Result<bool> {
    for (file, bytes) in files {
        let Some(object) = there.get(file) else { return Ok(false) };
        let tag = match object {
            Some(object) => object.clone(),
            None => hub.head(commit, file).await?.etag,
        };
        let Some(digest) = Digest::of_etag(&tag) else { return Ok(false) };
        let ours = digest.of(&mut bytes.as_slice(), bytes.len() as u64).map_err(Error::io("read", file))?;
        if ours != digest {
            return Ok(false);
        }
    }
    Ok(stale(there, files).next().is_none())
}

/// Weights that are not part of the model any more.
fn stale<'a>(there: &'a BTreeMap<String, Option<String>>, files: &'a Files) -> impl Iterator<Item = &'a str> {
    let is_weights = |file: &&String| file.ends_with(".safetensors") || file.ends_with(".safetensors.index.json");
    let is_gone = |file: &&String| !files.iter().any(|(name, _)| name == *file);
    there.keys().filter(is_weights).filter(is_gone).map(String::as_str)
}

async fn commit(
    hub: &Hub<'_>,
    parent: &str,
    there: &BTreeMap<String, Option<String>>,
    files: &Files,
    tag: &str,
) -> Result<String> {
    let mut operations: Vec<CommitOperation> =
        files.iter().map(|(file, bytes)| CommitOperation::add_bytes(file.as_str(), bytes.clone())).collect();
    operations.extend(stale(there, files).map(CommitOperation::delete));
    let what = format!("writing to {}", hub.name);
    // Not repeated: whether a commit that failed half-way is there, the next run finds out by comparing.
    let request = hub
        .repository()
        .create_commit()
        .operations(operations)
        .commit_message(format!("Publish {} {tag}", hub.name))
        .parent_commit(parent)
        .send()
        .await;
    let once = Settings { retries: 0, ..hub.settings.clone() };
    match request {
        Ok(made) => match made.commit_oid {
            Some(commit) => Ok(commit),
            None => hub.commit("main").await,
        },
        Err(error) => {
            let mut patience = Patience::new(&once, hub.place());
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
    Patience::with(hub.settings, hub.place(), request).await
}
