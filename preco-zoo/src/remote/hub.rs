//! The Hugging Face hub, or a server that answers as it does.
//!
//! Requests go through `hf-hub`, which is told everything and finds out nothing by itself. What it lacks stands here: a
//! file's tag before a redirect hides it, resumed downloads, digests, patience.

use futures_util::future::LocalBoxFuture;
use futures_util::{StreamExt, TryStreamExt};
use hf_hub::repository::{HFRepository, RepoTreeEntry, RepoTypeModel};
use hf_hub::{HFClient, HFError, split_id};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue, LOCATION, RETRY_AFTER};

use super::failure::{Failure, Patience, refused};
use super::{Opened, Remote, Wanted, transfer};
use crate::cache::Repository;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::name::{is_commit, is_relative};
use crate::part::Part;
use crate::progress::Progress;
use crate::registry::Entry;
use crate::settings::Settings;

/// Redirects within the hub, such as to a repository's new name.
const MOST_REDIRECTS: usize = 5;
/// Files of a repository at most; a model has about ten.
const MOST_FILES: usize = 10_000;

/// A repository of a hub.
pub(crate) struct Hub<'a> {
    pub(super) settings: &'a Settings,
    pub(super) client: HFClient,
    pub(super) name: String,
    http: reqwest::Client,
}

/// What the hub says of a file.
pub(super) struct Head {
    pub etag: String,
    bytes: u64,
}

impl<'a> Hub<'a> {
    /// The repository `organisation/name` of the settings' hub.
    ///
    /// # Errors
    /// [`Error::Name`] for an endpoint that is no address.
    pub(crate) fn new(settings: &'a Settings, repository: &str) -> Result<Self> {
        let wrong = |reason: String| Error::Name { name: settings.endpoint.clone(), reason };
        if !settings.endpoint.starts_with("http://") && !settings.endpoint.starts_with("https://") {
            return Err(wrong("the hub's address begins with https:// (HF_ENDPOINT, --endpoint)".to_owned()));
        }
        let builder = || {
            let agent = concat!("preco-zoo/", env!("CARGO_PKG_VERSION"));
            reqwest::Client::builder()
                .user_agent(agent)
                .connect_timeout(settings.timeout)
                .read_timeout(settings.timeout)
        };
        let failed = |error: reqwest::Error| wrong(format!("no connection can be made: {error}"));
        let http = builder().redirect(reqwest::redirect::Policy::none()).build().map_err(failed)?;
        // Without a token hf-hub 1.0 would look for one itself, in other places than these settings. A line break cannot
        // stand in a header, so this one is never sent.
        let token = settings.token.as_ref().map_or("\n", |token| token.secret());
        let client = HFClient::builder()
            .client(builder().build().map_err(failed)?)
            .endpoint(&settings.endpoint)
            .cache_dir(&settings.cache)
            .token(token)
            .retry_max_attempts(0)
            .build()
            .map_err(|error| wrong(format!("the hub's address cannot be used: {error}")))?;
        Ok(Self { settings, client, name: repository.to_owned(), http })
    }

    pub(super) fn repository(&self) -> HFRepository<RepoTypeModel> {
        let (organisation, name) = split_id(&self.name);
        self.client.model(organisation, name)
    }

    fn page(&self) -> String {
        format!("{}/{}", self.settings.endpoint, self.name)
    }

    /// The commit that `revision` is.
    pub(super) async fn commit(&self, revision: &str) -> Result<String> {
        let what = format!("{}@{revision}", self.name);
        let request = async || {
            self.repository().info().revision(revision).send().await.map_err(|error| self.failure(&what, error))
        };
        let sha = Patience::with(self.settings, self.place(), request).await?.sha.unwrap_or_default();
        if !is_commit(&sha) {
            let reason = format!("it says that {revision} is commit {sha:?}, which is none");
            return Err(Error::Corrupt { place: self.place(), file: what, reason });
        }
        if revision != sha && revision.len() >= 7 && sha.starts_with(revision) {
            let reason = format!("{revision} is short for a commit; give all of it: {}@{sha}", self.name);
            return Err(Error::Name { name: what, reason });
        }
        Ok(sha)
    }

    /// The files of `commit` with their lengths, and git's object where the file itself lies in git.
    pub(super) async fn files(&self, commit: &str) -> Result<Vec<(String, u64, Option<String>)>> {
        let what = format!("the files of {}", self.name);
        let request = async || {
            let repository = self.repository();
            let tree = repository.list_tree().revision(commit).recursive(true).limit(MOST_FILES).send();
            let tree = tree.map_err(|error| self.failure(&what, error))?;
            tree.try_collect::<Vec<RepoTreeEntry>>().await.map_err(|error| self.failure(&what, error))
        };
        let entries = Patience::with(self.settings, self.place(), request).await?;
        let mut files = Vec::new();
        for entry in entries {
            let RepoTreeEntry::File { oid, size, path, lfs, xet_hash, .. } = entry else { continue };
            if !is_relative(&path) {
                let reason = "the name leads out of the repository's folder, or is none on some system".to_owned();
                return Err(Error::Corrupt { place: self.place(), file: format!("{path:?}"), reason });
            }
            let object = (lfs.is_none() && xet_hash.is_none()).then_some(oid);
            files.push((path, size, object));
        }
        Ok(files)
    }

    /// What the hub says of a file, itself: behind its redirect stands another host, which knows nothing of tags.
    pub(super) async fn head(&self, commit: &str, file: &str) -> Result<Head> {
        let what = format!("{file} of {}", self.name);
        let request = async || self.head_once(commit, file, &what).await;
        Patience::with(self.settings, self.place(), request).await
    }

    async fn head_once(&self, commit: &str, file: &str, what: &str) -> Result<Head, Failure> {
        let corrupt = |reason: &str| {
            Failure::Final(Error::Corrupt { place: self.place(), file: what.to_owned(), reason: reason.to_owned() })
        };
        let base = format!("{}/{}/resolve/{commit}", self.settings.endpoint, self.name);
        let mut url = reqwest::Url::parse(&base).map_err(|_| corrupt("its address is none"))?;
        url.path_segments_mut().map_err(|()| corrupt("its address is none"))?.extend(file.split('/'));
        for _ in 0..=MOST_REDIRECTS {
            let mut request = self.http.head(url.clone());
            if let Some(token) = &self.settings.token
                && let Ok(mut value) = HeaderValue::from_str(&format!("Bearer {}", token.secret()))
            {
                value.set_sensitive(true);
                request = request.header(AUTHORIZATION, value);
            }
            let answer = request.send().await.map_err(transport)?;
            let (status, headers) = (answer.status(), answer.headers());
            let text = |name: &str| header(headers, name);
            let etag = text("x-linked-etag").or_else(|| text("etag"));
            if status.is_success() || (status.is_redirection() && etag.is_some()) {
                let etag = etag.ok_or_else(|| corrupt("it does not say the file's tag (ETag)"))?;
                let etag = etag.trim_start_matches("W/").trim_matches('"').to_owned();
                if etag.is_empty()
                    || etag.len() > 128
                    || !etag.bytes().all(|c| c.is_ascii_alphanumeric() || b"-_".contains(&c))
                {
                    return Err(corrupt(&format!("its tag {etag:?} is no name of a file")));
                }
                if text("x-repo-commit").is_some_and(|found| found != commit) {
                    return Err(corrupt("it answers with another commit"));
                }
                let bytes = text("x-linked-size").or_else(|| text("content-length"));
                let bytes = bytes.and_then(|bytes| bytes.parse().ok());
                return Ok(Head { etag, bytes: bytes.ok_or_else(|| corrupt("it does not say the file's length"))? });
            }
            if status.is_redirection() {
                // To another path of the same host only: a token goes with it.
                let next = text(LOCATION.as_str()).and_then(|location| url.join(&location).ok());
                let next = next.filter(|next| next.origin() == url.origin());
                url = next.ok_or_else(|| corrupt("it leads to another host without the file's tag (ETag)"))?;
                continue;
            }
            let pause = text(RETRY_AFTER.as_str()).and_then(|seconds| seconds.trim().parse().ok());
            let pause = pause.map(std::time::Duration::from_secs);
            let code = text("x-error-code").unwrap_or_default();
            return Err(refused(&self.place(), what, &self.page(), status.as_u16(), &code, pause));
        }
        Err(corrupt("it redirects without end"))
    }

    /// Brings a part of a revision into the cache, whole and compared; `pinned` says more of them.
    /// Returns the commit.
    pub(crate) async fn snapshot(
        &self,
        revision: &str,
        pinned: Option<&Entry>,
        part: Part,
        progress: &dyn Progress,
    ) -> Result<String> {
        let commit = if is_commit(revision) { revision.to_owned() } else { self.commit(revision).await? };
        let cache = Repository::new(&self.settings.cache, &self.name);
        let mut files: Vec<String> = Vec::new();
        for (file, size, object) in self.files(&commit).await? {
            if !part.wants(&file) {
                continue;
            }
            let corrupt = |reason: String| Error::Corrupt { place: self.place(), file: file.clone(), reason };
            let known = pinned.and_then(|entry| entry.file(&file));
            if pinned.is_some() && known.is_none() {
                continue;
            }
            let promised = known.map(|known| Digest::Sha256(known.sha256.clone()));
            if cache.snapshot(&commit).join(&file).exists() && cache.check(&commit, &file, promised.clone()).is_ok() {
                files.push(file);
                continue;
            }
            let head = self.head(&commit, &file).await?;
            if head.bytes != size || known.is_some_and(|known| known.bytes != size) {
                let lengths = known.map_or(String::new(), |known| format!("; the registry says {}", known.bytes));
                return Err(corrupt(format!("its length is {} here and {size} there{lengths}", head.bytes)));
            }
            if let Some(object) = &object
                && Digest::of_etag(object).is_some()
                && *object != head.etag
            {
                return Err(corrupt(format!("its tag is {} here and {object} there", head.etag)));
            }
            let listed = || object.as_deref().and_then(Digest::of_etag);
            let digest = promised.or_else(|| Digest::of_etag(&head.etag)).or_else(listed);
            if digest.is_none() {
                progress.note(&format!("{file}: {} names no digest of it, its length alone is compared", self.place()));
            }
            let wanted = Wanted { file: &file, bytes: Some(size), digest };
            let from = Revision { hub: self, commit: &commit };
            transfer::fetch(&from, &wanted, &cache, &head.etag, self.settings, progress).await?;
            // A pinned file has been compared with the registry; its tag promises as much.
            if let Some(tag) = Digest::of_etag(&head.etag)
                && let Err(Error::Digest { found, wanted, .. }) = cache.check_file(&cache.blob(&head.etag), &tag)
            {
                let blob = cache.blob(&head.etag);
                std::fs::remove_file(&blob).map_err(Error::io("remove", &blob))?;
                return Err(corrupt(format!("what it sends has {found}, its tag promises {wanted}")));
            }
            cache.link(&commit, &file, &head.etag)?;
            files.push(file);
        }
        if let Some(missing) = pinned
            .and_then(|entry| entry.files.iter().find(|file| !files.contains(&file.name) && part.wants(&file.name)))
        {
            let what = format!("{} in {}@{commit}", missing.name, self.name);
            let hint = ", which the registry lists: update this program".to_owned();
            return Err(Error::NotFound { place: self.place(), what, hint });
        }
        if files.is_empty() {
            let what = format!("a model in {}@{commit}", self.name);
            return Err(Error::NotFound {
                place: self.place(),
                what,
                hint: ": it has no file that this program reads".to_owned(),
            });
        }
        if !is_commit(revision) {
            cache.write_ref(revision, &commit)?;
        }
        let names: Vec<&str> = files.iter().map(String::as_str).collect();
        if part == Part::All {
            cache.write_record(&commit, &names)?;
        }
        Ok(commit)
    }

    /// What an error of hf-hub is.
    pub(super) fn failure(&self, what: &str, error: HFError) -> Failure {
        let of = |status: u16, code: Option<&str>, retry_after| {
            refused(&self.place(), what, &self.page(), status, code.unwrap_or_default(), retry_after)
        };
        match error {
            HFError::RateLimited { retry_after, .. } => Failure::RateLimited(retry_after),
            HFError::Http { context }
            | HFError::AuthRequired { context }
            | HFError::Forbidden { context }
            | HFError::Conflict { context }
            | HFError::RepoNotFound { context: Some(context), .. }
            | HFError::RevisionNotFound { context: Some(context), .. }
            | HFError::EntryNotFound { context: Some(context), .. } => {
                of(context.status.as_u16(), context.error_code.as_deref(), None)
            }
            HFError::RepoNotFound { .. } => of(404, None, None),
            HFError::RevisionNotFound { .. } => of(404, Some("RevisionNotFound"), None),
            HFError::EntryNotFound { .. } => of(404, Some("EntryNotFound"), None),
            HFError::Request { source, .. } => transport(source),
            other => Failure::Transient(other.to_string()),
        }
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

impl Hub<'_> {
    pub(super) fn place(&self) -> String {
        self.settings.endpoint.clone()
    }
}

/// What went wrong below HTTP. The address stays out of the words: behind a redirect it holds signatures.
pub(super) fn transport(error: reqwest::Error) -> Failure {
    let error = error.without_url();
    let mut words = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        let cause_words = cause.to_string();
        if !words.contains(&cause_words) {
            words = format!("{words}: {cause_words}");
        }
        source = cause.source();
    }
    Failure::Transient(words)
}

/// A header as text.
pub(super) fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}
