//! What a failed request is: the end, or worth another attempt.

use std::time::Duration;

use crate::error::Error;
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
    place: String,
    failed: usize,
}

impl<'a> Patience<'a> {
    pub(super) fn new(settings: &'a Settings, place: String) -> Self {
        Self { settings, place, failed: 0 }
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
        match failure {
            Failure::Final(error) => return Err(error),
            Failure::RateLimited(retry_after) => {
                if is_over || retry_after.is_some_and(|asked| asked > LONGEST_PAUSE) {
                    return Err(Error::RateLimited { place, retry_after });
                }
                pause = pause.max(retry_after.unwrap_or_default());
            }
            Failure::Transient(reason) if is_over => return Err(Error::Network { place, reason }),
            Failure::Range if is_over => {
                return Err(Error::Network { place, reason: "it refuses a range of bytes".to_owned() });
            }
            Failure::Transient(reason) => tracing::debug!(place, reason, "another attempt"),
            Failure::Range => {}
        }
        tokio::time::sleep(pause.min(LONGEST_PAUSE)).await;
        Ok(())
    }

    /// Repeats `request` while its failures are transient.
    pub(super) async fn with<T>(
        settings: &Settings,
        place: String,
        mut request: impl AsyncFnMut() -> Result<T, Failure>,
    ) -> Result<T, Error> {
        let mut patience = Patience::new(settings, place);
        loop {
            match within(settings.timeout, request()).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => patience.bear(failure).await?,
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

/// What an answer's status is, where it is no success. `what` was asked of `place`; `page` is where access is asked for.
pub(super) fn refused(
    place: &str,
    what: &str,
    page: &str,
    status: u16,
    code: &str,
    retry_after: Option<Duration>,
) -> Failure {
    let (place, what) = (place.to_owned(), what.to_owned());
    let access = |hint: String| Failure::Final(Error::Access { place: place.clone(), what: what.clone(), hint });
    let not_found = |hint: &str| {
        Failure::Final(Error::NotFound { place: place.clone(), what: what.clone(), hint: hint.to_owned() })
    };
    match (status, code) {
        (401 | 403, "GatedRepo") => {
            access(format!("the repository is gated; accept its conditions at {page}, then set HF_TOKEN"))
        }
        (401, "RepoNotFound") => not_found(
            ", or it is private: check the name; for a private repository set HF_TOKEN to a token that may read it",
        ),
        (401, _) => access("it wants to know who asks; set HF_TOKEN to a token that may read it".to_owned()),
        (403, _) => access(format!("the token has no right to it; give it one, or ask for access at {page}")),
        (404, "RevisionNotFound") => {
            not_found(": the repository has no such revision; its page lists branches and tags")
        }
        (404, "EntryNotFound") => not_found(": the revision has no such file"),
        (404, _) => not_found("; check the name"),
        (416, _) => Failure::Range,
        (429, _) => Failure::RateLimited(retry_after),
        (408 | 500.., _) => Failure::Transient(format!("answers {status} to {what}")),
        _ => Failure::Final(Error::Corrupt { place, file: what, reason: format!("it answers with status {status}") }),
    }
}
