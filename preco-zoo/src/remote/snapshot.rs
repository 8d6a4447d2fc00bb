//! A revision of a hub's repository in the cache: every file whole, compared and linked.

use futures_util::future::LocalBoxFuture;
use futures_util::{StreamExt, TryStreamExt};
use hf_hub::HFError;

use super::failure::Failure;
use super::hub::{Hub, transport};
use super::listing::Listed;
use super::{Opened, Remote, Wanted, transfer};
use crate::cache::Repository;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::name::is_commit;
use crate::part::Part;
use crate::registry::Entry;

impl Hub<'_> {
    /// Brings a part of a revision into the cache, whole and compared; `pinned` says more of the files. Returns the commit.
    pub(crate) async fn snapshot(&self, revision: &str, pinned: Option<&Entry>, part: Part) -> Result<String> {
        let commit = if is_commit(revision) { revision.to_owned() } else { self.commit(revision).await? };
        let cache = Repository::new(&self.settings.cache, &self.name);
        let folder = cache.snapshot(&commit);
        let files = self.files(&commit).await?;
        let mut here: Vec<(&str, Digest)> = Vec::new();
        // What is wanted by its name, the index among it; then shards, which have any names that the index says.
        for is_second in [false, true] {
            let shards = if is_second { part.other_shards(&folder) } else { Vec::new() };
            let is_asked = |file: &String| if is_second { shards.contains(file) } else { part.wants(file) };
            for listed in files.iter().filter(|listed| is_asked(&listed.path)) {
                if let Some(digest) = self.bring(listed, &commit, pinned, &cache).await? {
                    here.push((&listed.path, digest));
                }
            }
        }
        let missing = |file: &str| Error::NotFound {
            place: self.place(),
            what: format!("{file} in {}@{commit}", self.name),
            hint: ": without it this is no model of PReCo's".to_owned(),
        };
        if let Some(file) = pinned
            .into_iter()
            .flat_map(|entry| &entry.files)
            .find(|file| part.wants(&file.name) && !here.iter().any(|(known, _)| *known == file.name))
        {
            return Err(missing(&file.name));
        }
        part.missing_in(&folder).map_or(Ok(()), |file| Err(missing(&file)))?;
        // All of them once more: of two files that share a blob, one would be wrong now.
        for (file, digest) in &here {
            cache.check(&commit, file, digest)?;
        }
        if part == Part::All {
            cache.write_record(&commit, &here)?;
        }
        if !is_commit(revision) {
            cache.write_ref_of(part, revision, &commit)?;
        }
        Ok(commit)
    }

    /// Brings a file into the cache and returns what it was compared with; `None` for one that the registry does not list.
    async fn bring(
        &self,
        listed: &Listed,
        commit: &str,
        pinned: Option<&Entry>,
        cache: &Repository,
    ) -> Result<Option<Digest>> {
        let Listed { path: file, bytes, digest } = listed;
        let corrupt = |reason: String| Error::Corrupt { place: self.place(), file: file.clone(), reason };
        let known = pinned.and_then(|entry| entry.file(file));
        if pinned.is_some() && known.is_none() {
            return Ok(None);
        }
        let promised = known.map(|known| Digest::Sha256(known.sha256.clone()));
        let wanted = promised.or_else(|| digest.clone());
        if let Some(wanted) = &wanted
            && cache.snapshot(commit).join(file).exists()
            && cache.check(commit, file, wanted).is_ok()
        {
            return Ok(Some(wanted.clone()));
        }
        let head = self.head(commit, file).await?;
        if head.bytes != *bytes || known.is_some_and(|known| known.bytes != *bytes) {
            let lengths = known.map_or(String::new(), |known| format!("; the registry says {}", known.bytes));
            return Err(corrupt(format!("its length is {} here and {bytes} there{lengths}", head.bytes)));
        }
        let tag = Digest::of_etag(&head.etag);
        if let (Some(listed), Some(tag)) = (digest, &tag)
            && listed != tag
        {
            return Err(corrupt(format!("it is {tag} here and {listed} there")));
        }
        let Some(wanted) = wanted.or_else(|| tag.clone()) else {
            return Err(corrupt("there is no digest of it, so nobody could tell whether it is right".to_owned()));
        };
        // Named as Python names it where the tag is a digest; else two files could share a name.
        let name = if tag.is_some() { head.etag.clone() } else { wanted.digits().to_owned() };
        let from = Revision { hub: self, commit };
        let asked = Wanted { file, bytes: Some(*bytes), digest: Some(wanted.clone()) };
        transfer::fetch(&from, &asked, cache, &name, self.settings, self.progress).await?;
        // A pinned file has been compared with the registry; its tag promises as much.
        let blob = cache.blob(&name);
        if let Some(tag) = tag
            && let Err(Error::Digest { found, wanted, .. }) = cache.check_file(&blob, &tag)
        {
            std::fs::remove_file(&blob).map_err(Error::io("remove", &blob))?;
            return Err(corrupt(format!("what it sends has {found}, its tag promises {wanted}")));
        }
        cache.link(commit, file, &name)?;
        Ok(Some(wanted))
    }
}

/// A commit's files.
struct Revision<'a> {
    hub: &'a Hub<'a>,
    commit: &'a str,
}

impl Remote for Revision<'_> {
    fn place(&self) -> String {
        self.hub.place()
    }

    fn open<'a>(&'a self, file: &'a str, from: u64, bytes: Option<u64>) -> LocalBoxFuture<'a, Result<Opened, Failure>> {
        Box::pin(async move {
            let what = format!("{file} of {}", self.hub.name);
            let range = bytes.filter(|_| from > 0).map(|bytes| from..bytes);
            let repository = self.hub.repository();
            let request = repository.download_file_stream().filename(file).revision(self.commit).maybe_range(range);
            let (remaining, body) = request.send().await.map_err(|error| self.hub.failure(&what, error))?;
            let body = body.map_err(|error| match error {
                HFError::Request { source, .. } => transport(source),
                other => Failure::Transient(other.to_string()),
            });
            // hf-hub keeps the status to itself; the lengths tell whether it was a part that came.
            Ok(Opened { from: None, remaining, body: body.boxed_local() })
        })
    }
}
