//! The Hugging Face hub, or a server that answers as it does.
//!
//! Requests go through `hf-hub`, which is told everything and finds out nothing by itself. What it lacks stands here: a
//! file's tag before a redirect hides it, resumed downloads, digests, patience.

use hf_hub::repository::{HFRepository, RepoTypeModel};
use hf_hub::{HFClient, HFError, split_id};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue, LINK, LOCATION, RETRY_AFTER};
use serde::Deserialize;

use super::failure::{Failure, Patience, Refusal};
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::name::{is_commit, is_relative};
use crate::progress::Progress;
use crate::settings::{Settings, shown};

/// Redirects within the hub, such as to a repository's new name.
const MOST_REDIRECTS: usize = 5;
/// Files of a repository at most; a model has about ten.
const MOST_FILES: usize = 10_000;

/// A repository of a hub.
pub(crate) struct Hub<'a> {
    pub(super) settings: &'a Settings,
    pub(super) progress: &'a dyn Progress,
    pub(super) client: HFClient,
    pub(super) name: String,
    http: reqwest::Client,
}

/// A file of a commit.
pub(super) struct Listed {
    /// Its name in the repository.
    pub path: String,
    /// Its length.
    pub bytes: u64,
    /// Its digest: SHA-256 of a large file, git's of one that lies in git.
    pub digest: Option<Digest>,
}

/// An entry of the hub's list of files.
#[derive(Deserialize)]
struct TreeEntry {
    #[serde(rename = "type")]
    kind: String,
    path: String,
    #[serde(default)]
    oid: String,
    #[serde(default)]
    size: u64,
    lfs: Option<LargeFile>,
}

/// What the list says of a large file, whose entry is a pointer.
#[derive(Deserialize)]
struct LargeFile {
    /// SHA-256.
    oid: String,
}

/// What the hub says of a file.
pub(super) struct Head {
    pub etag: String,
    pub bytes: u64,
}

impl<'a> Hub<'a> {
    /// The repository `organisation/name` of the settings' hub.
    ///
    /// # Errors
    /// [`Error::Name`] for an endpoint that is no address.
    pub(crate) fn new(settings: &'a Settings, repository: &str, progress: &'a dyn Progress) -> Result<Self> {
        let wrong = |reason: String| Error::Name { name: shown(&settings.endpoint), reason };
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
        Ok(Self { settings, progress, client, name: repository.to_owned(), http })
    }

    pub(super) fn repository(&self) -> HFRepository<RepoTypeModel> {
        let (organisation, name) = split_id(&self.name);
        self.client.model(organisation, name)
    }

    pub(super) fn place(&self) -> String {
        shown(&self.settings.endpoint)
    }

    fn page(&self) -> String {
        format!("{}/{}", self.place(), self.name)
    }

    pub(super) fn patience(&self) -> Patience<'a> {
        Patience::new(self.settings, self.progress, self.place())
    }

    /// The commit that `revision` is.
    pub(super) async fn commit(&self, revision: &str) -> Result<String> {
        let what = format!("{}@{revision}", self.name);
        let request = async || {
            self.repository().info().revision(revision).send().await.map_err(|error| self.failure(&what, error))
        };
        let sha = self.patience().with(request).await?.sha.unwrap_or_default();
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

    /// The files of `commit`.
    ///
    /// Asked for without hf-hub, which would send the token wherever the next page is said to be, and which does not read
    /// the digests of large files.
    pub(super) async fn files(&self, commit: &str) -> Result<Vec<Listed>> {
        let what = format!("the files of {}", self.name);
        let corrupt = |reason: &str| {
            Failure::Final(Error::Corrupt { place: self.place(), file: what.clone(), reason: reason.to_owned() })
        };
        let base = format!("{}/api/models/{}/tree/{commit}?recursive=true", self.settings.endpoint, self.name);
        let mut next = reqwest::Url::parse(&base).ok();
        let mut files = Vec::new();
        while let Some(url) = next.take() {
            let request = async || {
                let answer = self.ask(self.http.get(url.clone())).send().await.map_err(transport)?;
                let (status, headers) = (answer.status(), answer.headers().clone());
                if !status.is_success() {
                    return Err(self.refusal(&what, status.as_u16(), &headers));
                }
                let text = answer.text().await.map_err(transport)?;
                let entries: Vec<TreeEntry> = serde_json::from_str(&text)
                    .map_err(|error| corrupt(&format!("its list of files is none: {error}")))?;
                Ok((entries, next_page(&headers)))
            };
            let (entries, link) = self.patience().with(request).await?;
            if let Some(link) = link {
                let page = url.join(&link).ok().filter(|page| page.origin() == url.origin());
                next = Some(page.ok_or_else(|| as_error(corrupt("its list of files goes on at another host")))?);
            }
            for entry in entries.into_iter().filter(|entry| entry.kind == "file") {
                let file = format!("{:?}", entry.path);
                if !is_relative(&entry.path) {
                    let reason = "the name leads out of the repository's folder, or is none on some system".to_owned();
                    return Err(Error::Corrupt { place: self.place(), file, reason });
                }
                let digest = match &entry.lfs {
                    Some(large) => Digest::of_etag(&large.oid),
                    None => Digest::of_etag(&entry.oid),
                };
                files.push(Listed { path: entry.path, bytes: entry.size, digest });
            }
            if files.len() > MOST_FILES {
                return Err(as_error(corrupt(&format!("it has more than {MOST_FILES} files"))));
            }
        }
        Ok(files)
    }

    /// A request with the token, if there is one.
    fn ask(&self, request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
        let value =
            self.settings.token.as_ref().map(|token| HeaderValue::from_str(&format!("Bearer {}", token.secret())));
        match value {
            Some(Ok(mut value)) => {
                value.set_sensitive(true);
                request.header(AUTHORIZATION, value)
            }
            _ => request,
        }
    }

    /// What an answer that is no success is.
    fn refusal(&self, what: &str, status: u16, headers: &HeaderMap) -> Failure {
        let pause = header(headers, RETRY_AFTER.as_str()).and_then(|seconds| seconds.trim().parse().ok());
        let code = header(headers, "x-error-code").unwrap_or_default();
        self.refused(what, status, &code, pause.map(std::time::Duration::from_secs))
    }

    fn refused(&self, what: &str, status: u16, code: &str, retry_after: Option<std::time::Duration>) -> Failure {
        let (place, page, has_token) = (&self.place(), &self.page(), Some(self.settings.token.is_some()));
        Refusal { place, what, page, has_token, status, code, retry_after }.failure()
    }

    /// What the hub says of a file, itself: behind its redirect stands another host, which knows nothing of tags.
    pub(super) async fn head(&self, commit: &str, file: &str) -> Result<Head> {
        let what = format!("{file} of {}", self.name);
        let request = async || self.head_once(commit, file, &what).await;
        self.patience().with(request).await
    }

    async fn head_once(&self, commit: &str, file: &str, what: &str) -> Result<Head, Failure> {
        let corrupt = |reason: &str| {
            Failure::Final(Error::Corrupt { place: self.place(), file: what.to_owned(), reason: reason.to_owned() })
        };
        let base = format!("{}/{}/resolve/{commit}", self.settings.endpoint, self.name);
        let mut url = reqwest::Url::parse(&base).map_err(|_| corrupt("its address is none"))?;
        url.path_segments_mut().map_err(|()| corrupt("its address is none"))?.extend(file.split('/'));
        for _ in 0..=MOST_REDIRECTS {
            let request = self.ask(self.http.head(url.clone()));
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
            return Err(self.refusal(what, status.as_u16(), headers));
        }
        Err(corrupt("it redirects without end"))
    }

    /// What an error of hf-hub is.
    pub(super) fn failure(&self, what: &str, error: HFError) -> Failure {
        let of = |status: u16, code: Option<&str>, retry_after| {
            self.refused(what, status, code.unwrap_or_default(), retry_after)
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

/// The end of a request.
fn as_error(failure: Failure) -> Error {
    match failure {
        Failure::Final(error) => error,
        other => Error::Network { place: "the hub".to_owned(), reason: format!("{other:?}") },
    }
}

/// Where a list goes on: `Link: <address>; rel="next"`.
fn next_page(headers: &HeaderMap) -> Option<String> {
    let links = header(headers, LINK.as_str())?;
    let next = links.split(',').find(|link| link.contains("rel=\"next\""))?;
    Some(next.split_once('<')?.1.split_once('>')?.0.to_owned())
}

/// A header as text.
pub(super) fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}
