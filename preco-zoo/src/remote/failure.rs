//! What a failed request is: the end, or worth another attempt.

use std::time::Duration;

use crate::error::Error;
use crate::progress::Progress;
use crate::settings::Settings;

/// The longest pause that the other side may ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// A failed request.
#[derive(Debug)]
pub(super) enum Failure {
    /// Another attempt would fail as well.
    Final(Error),
    /// Another attempt may succeed.
    Transient(String),
    /// Too many requests; come back then.
    RateLimited(Option<Duration>),
    /// The file has no such bytes.
    Range,
}

/// Attempts, and the pauses between them.
pub(super) struct Patience<'a> {
    settings: &'a Settings,
    progress: &'a dyn Progress,
    place: String,
    failed: usize,
}

impl<'a> Patience<'a> {
    pub(super) fn new(settings: &'a Settings, progress: &'a dyn Progress, place: String) -> Self {
        Self { settings, progress, place, failed: 0 }
    }

    /// Something went well: the failures so far count no more.
    pub(super) fn renew(&mut self) {
        self.failed = 0;
    }

    /// Waits before another attempt.
    ///
    /// # Errors
    /// Where `failure` is final or has come too often.
    pub(super) async fn bear(&mut self, failure: Failure) -> Result<(), Error> {
        self.failed += 1;
        let is_over = self.failed > self.settings.retries;
        let mut pause = self.settings.first_pause * 2u32.saturating_pow(self.failed.min(16) as u32 - 1);
        let place = self.place.clone();
        let reason = match failure {
            Failure::Final(error) => return Err(error),
            Failure::RateLimited(retry_after) => {
                if is_over || retry_after.is_some_and(|asked| asked > LONGEST_PAUSE) {
                    return Err(Error::RateLimited { place, retry_after });
                }
                pause = pause.max(retry_after.unwrap_or_default());
                "it takes no more requests for now".to_owned()
            }
            Failure::Transient(reason) => reason,
            Failure::Range => "it refuses a range of bytes".to_owned(),
        };
        if is_over {
            return Err(Error::Network { place, reason });
        }
        if self.failed == 2 {
            self.progress.note(&format!("{place}: {reason}; trying again"));
        }
        tokio::time::sleep(pause.min(LONGEST_PAUSE)).await;
        Ok(())
    }

    /// Repeats `request` while its failures are transient.
    pub(super) async fn with<T>(mut self, mut request: impl AsyncFnMut() -> Result<T, Failure>) -> Result<T, Error> {
        loop {
            match within(self.settings.timeout, request()).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => self.bear(failure).await?,
            }
        }
    }
}

/// `request`, or a transient failure after so long a silence.
pub(super) async fn within<T>(
    silence: Duration,
    request: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let told = || Failure::Transient(format!("no answer for {} s", silence.as_secs_f32()));
    tokio::time::timeout(silence, request).await.unwrap_or_else(|_| Err(told()))
}

/// An answer that is no success.
pub(super) struct Refusal<'a> {
    /// Who answered.
    pub place: &'a str,
    /// What was asked for.
    pub what: &'a str,
    /// Where access is asked for.
    pub page: &'a str,
    /// Whether a token went with the question; `None` where none ever does.
    pub has_token: Option<bool>,
    /// The status.
    pub status: u16,
    /// The hub's own word for it.
    pub code: &'a str,
    /// When it says to come back.
    pub retry_after: Option<Duration>,
}

impl Refusal<'_> {
    /// What it is.
    pub(super) fn failure(&self) -> Failure {
        let (place, what) = (self.place.to_owned(), self.what.to_owned());
        let access = |hint: String| Failure::Final(Error::Access { place: place.clone(), what: what.clone(), hint });
        let not_found = |hint: &str| {
            Failure::Final(Error::NotFound { place: place.clone(), what: what.clone(), hint: hint.to_owned() })
        };
        let page = self.page;
        match (self.status, self.code, self.has_token) {
            (401 | 403, _, None) => access("it is not open to everyone; ask who keeps it".to_owned()),
            (401 | 403, "GatedRepo", Some(true)) => access(format!(
                "the repository is gated, and the token's user has not been let in; accept its conditions at {page}"
            )),
            (401 | 403, "GatedRepo", _) => {
                access(format!("the repository is gated; accept its conditions at {page}, then set HF_TOKEN"))
            }
            (401 | 404, "RepoNotFound", Some(true)) => {
                not_found(", or it is private and the token's user may not see it: check the name, then the token")
            }
            (401, "RepoNotFound", _) => not_found(
                ", or it is private: check the name; for a private repository set HF_TOKEN to a token that may read it",
            ),
            (401, _, Some(true)) => access("it does not know the token (HF_TOKEN); make a new one".to_owned()),
            (401, _, _) => access("it wants to know who asks; set HF_TOKEN to a token that may read it".to_owned()),
            (403, _, Some(true)) => {
                access(format!("the token has no right to it; give it one, or ask for access at {page}"))
            }
            (403, _, _) => access(format!("set HF_TOKEN to a token that has the right, or ask for access at {page}")),
            (404, "RevisionNotFound", _) => {
                not_found(": the repository has no such revision; its page lists branches and tags")
            }
            (404, "EntryNotFound", _) => not_found(": the revision has no such file"),
            (404, ..) => not_found("; check the name"),
            (409 | 412, ..) => {
                let what = format!("{what}: somebody wrote to it meanwhile; nothing was written, run again");
                Failure::Final(Error::Card { what })
            }
            (416, ..) => Failure::Range,
            (429, ..) => Failure::RateLimited(self.retry_after),
            (408 | 500.., ..) => Failure::Transient(format!("answers {} to {what}", self.status)),
            (status, ..) => {
                let reason = format!("it answers with status {status}");
                Failure::Final(Error::Corrupt { place, file: what, reason })
            }
        }
    }
}
