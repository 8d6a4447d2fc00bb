//! The Hugging Face hub, or a server that answers as it does.
//!
//! Requests go through `hf-hub`, which is told everything and finds out nothing by itself. What it lacks stands here: a
//! file's tag before a redirect hides it, resumed downloads, digests, patience.

use hf_hub::repository::{HFRepository, RepoTypeModel};
use hf_hub::{HFClient, HFError, split_id};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue, LOCATION, RETRY_AFTER};

use super::failure::{Failure, Patience, Refusal};
use crate::error::{Error, Result};
use crate::name::is_commit;
use crate::progress::Progress;
use crate::settings::{Settings, shown};

/// Redirects within the hub, such as to a repository's new name.
const MOST_REDIRECTS: usize = 5;

/// A repository of a hub.
pub(crate) struct Hub<'a> {
    pub(super) settings: &'a Settings,
    pub(super) progress: &'a dyn Progress,
    pub(super) client: HFClient,
    pub(super) name: String,
    http: reqwest::Client,
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
        let failed = |error: reqwest::Error| wrong(format!("no connection can be made: {error}"));
        let http = client(settings).redirect(reqwest::redirect::Policy::none()).build().map_err(failed)?;
        // Without a token hf-hub 1.0 would look for one itself, in other places than these settings. A line break cannot
        // stand in a header, so this one is never sent.
        let token = settings.token.as_ref().map_or("\n", |token| token.secret());
        let client = HFClient::builder()
            .client(client(settings).build().map_err(failed)?)
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

    /// A request with the token, if there is one, and no other word of who asks.
    fn ask(&self, request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
        let value =
            self.settings.token.as_ref().map(|token| HeaderValue::from_str(&format!("Bearer {}", token.secret())));
        match value {
            Some(Ok(mut value)) => {
                value.set_sensitive(true);
                request.headers(HeaderMap::from_iter([(AUTHORIZATION, value)]))
            }
            _ => request,
        }
    }

    /// The answer at `url` or where the hub leads from there, such as to a repository's new name; never at another host,
    /// since a token goes along. `is_enough` says which redirects are answers.
    pub(super) async fn answer(
        &self,
        method: reqwest::Method,
        mut url: reqwest::Url,
        what: &str,
        is_enough: impl Fn(&HeaderMap) -> bool,
    ) -> Result<reqwest::Response, Failure> {
        for _ in 0..=MOST_REDIRECTS {
            let request = self.ask(self.http.request(method.clone(), url.clone()));
            let answer = request.send().await.map_err(transport)?;
            let (status, headers) = (answer.status(), answer.headers());
            if status.is_success() || (status.is_redirection() && is_enough(headers)) {
                return Ok(answer);
            }
            if !status.is_redirection() {
                return Err(self.refusal(what, status.as_u16(), headers));
            }
            let next = header(headers, LOCATION.as_str()).and_then(|location| url.join(&location).ok());
            let next = next.filter(|next| next.origin() == url.origin());
            url = next.ok_or_else(|| self.corrupt(what, "it leads to another host and does not say what is there"))?;
        }
        Err(self.corrupt(what, "it redirects without end"))
    }

    /// An answer that no hub gives.
    pub(super) fn corrupt(&self, what: &str, reason: &str) -> Failure {
        let (place, file) = (self.place(), what.to_owned());
        Failure::Final(Error::Corrupt { place, file, reason: reason.to_owned() })
    }

    /// What an answer that is no success is.
    fn refusal(&self, what: &str, status: u16, headers: &HeaderMap) -> Failure {
        let code = header(headers, "x-error-code").unwrap_or_default();
        self.refused(what, status, &code, retry_after(headers))
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
        let corrupt = |reason: &str| self.corrupt(what, reason);
        let base = format!("{}/{}/resolve/{commit}", self.settings.endpoint, self.name);
        let mut url = reqwest::Url::parse(&base).map_err(|_| corrupt("its address is none"))?;
        url.path_segments_mut().map_err(|()| corrupt("its address is none"))?.extend(file.split('/'));
        let tag = |headers: &HeaderMap| header(headers, "x-linked-etag").or_else(|| header(headers, "etag"));
        let answer = self.answer(reqwest::Method::HEAD, url, what, |headers| tag(headers).is_some()).await?;
        let etag = tag(answer.headers()).ok_or_else(|| corrupt("it does not say the file's tag (ETag)"))?;
        let etag = etag.trim_start_matches("W/").trim_matches('"').to_owned();
        let is_name = |c: u8| c.is_ascii_alphanumeric() || b"-_".contains(&c);
        if etag.is_empty() || etag.len() > 128 || !etag.bytes().all(is_name) {
            return Err(corrupt(&format!("its tag {etag:?} is no name of a file")));
        }
        let text = |name: &str| header(answer.headers(), name);
        if text("x-repo-commit").is_some_and(|found| found != commit) {
            return Err(corrupt("it answers with another commit"));
        }
        let bytes = text("x-linked-size").or_else(|| text("content-length"));
        let bytes = bytes.and_then(|bytes| bytes.parse().ok());
        Ok(Head { etag, bytes: bytes.ok_or_else(|| corrupt("it does not say the file's length"))? })
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

/// A client as both kinds of servers get it.
pub(super) fn client(settings: &Settings) -> reqwest::ClientBuilder {
    let agent = concat!("preco-zoo/", env!("CARGO_PKG_VERSION"));
    reqwest::Client::builder().user_agent(agent).connect_timeout(settings.timeout).read_timeout(settings.timeout)
}

/// When the other side says to come back, in seconds.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<std::time::Duration> {
    header(headers, RETRY_AFTER.as_str())?.trim().parse().ok().map(std::time::Duration::from_secs)
}

/// A header as text.
pub(super) fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}
