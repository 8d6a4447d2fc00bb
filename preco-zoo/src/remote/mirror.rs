//! Plain mirrors: any server of files, or an object store, with a model's published folder on it.
//!
//! Such a place knows no commits and no tags. `SHA256SUMS` says what there is, unless the registry does, and its own digest
//! is the commit. No token is ever sent.

use bytes::Bytes;
use futures_util::future::LocalBoxFuture;
use futures_util::{StreamExt, TryStreamExt};
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, RANGE, RETRY_AFTER};

use super::failure::{Failure, Patience, refused};
use super::hub::{header, transport};
use super::{Opened, Remote, Wanted, transfer};
use crate::cache::Repository;
use crate::digest::{Digest, sha256};
use crate::error::{Error, Result};
use crate::fetch::MAIN;
use crate::part::Part;
use crate::progress::Progress;
use crate::registry::Entry;
use crate::settings::Settings;
use crate::sums::{self, SUMS_FILE};

/// `SHA256SUMS` at most; a model's has a kilobyte.
const MOST_SUMS_BYTES: usize = 1 << 20;

/// Brings a part of the model's folder at `address` into the cache; returns the commit.
pub(crate) async fn fetch(
    settings: &Settings,
    address: &str,
    pinned: Option<&Entry>,
    part: Part,
    progress: &dyn Progress,
) -> Result<String> {
    let remote = open(settings, address)?;
    let (cache, commit, sums) = match pinned {
        // As from the hub: the registry knows commit and digests.
        Some(entry) => {
            let sums = entry.files.iter().map(|file| (file.name.clone(), Some(file.bytes), file.sha256.clone()));
            let repository = entry.repository.as_deref().unwrap_or(&entry.name);
            (Repository::new(&settings.cache, repository), entry.revision.clone(), sums.collect())
        }
        None => {
            let text = read(&*remote, settings, SUMS_FILE).await?;
            let path = format!("{address}/{SUMS_FILE}");
            let sums = sums::parse(&String::from_utf8_lossy(&text), path.as_ref())?;
            let mut files: Vec<_> = sums.into_iter().map(|(file, digest)| (file, None, digest)).collect();
            files.push((SUMS_FILE.to_owned(), Some(text.len() as u64), sha256(&text)));
            (Repository::of_address(&settings.cache, address), sha256(&text)[..40].to_owned(), files)
        }
    };
    let mut files = Vec::new();
    for (file, bytes, digest) in sums.into_iter().filter(|(file, ..)| part.wants(file)) {
        let etag = digest.clone();
        let wanted = Wanted { file: &file, bytes, digest: Some(Digest::Sha256(digest)) };
        transfer::fetch(&*remote, &wanted, &cache, &etag, settings, progress).await?;
        cache.link(&commit, &file, &etag)?;
        files.push(file);
    }
    let names: Vec<&str> = files.iter().map(String::as_str).collect();
    if part == Part::All {
        cache.write_record(&commit, &names)?;
    }
    if pinned.is_none() {
        // What there is without a network.
        cache.write_ref(MAIN, &commit)?;
    }
    Ok(commit)
}

/// What serves `address`.
fn open(settings: &Settings, address: &str) -> Result<Box<dyn Remote>> {
    let wrong = |reason: String| Error::Name { name: address.to_owned(), reason };
    if !address.starts_with("http://") && !address.starts_with("https://") {
        #[cfg(feature = "object-store")]
        return super::object::Bucket::open(address).map(|bucket| Box::new(bucket) as Box<dyn Remote>);
        #[cfg(not(feature = "object-store"))]
        return Err(Error::Feature { what: format!("fetching {address}"), feature: "object-store" });
    }
    let agent = concat!("preco-zoo/", env!("CARGO_PKG_VERSION"));
    let client = reqwest::Client::builder()
        .user_agent(agent)
        .connect_timeout(settings.timeout)
        .read_timeout(settings.timeout)
        .build()
        .map_err(|error| wrong(format!("no connection can be made: {error}")))?;
    let base = reqwest::Url::parse(address).map_err(|error| wrong(error.to_string()))?;
    Ok(Box::new(Mirror { client, base }))
}

/// The bytes of a small file.
async fn read(remote: &dyn Remote, settings: &Settings, file: &str) -> Result<Vec<u8>> {
    let request = async || {
        let mut body = remote.open(file, 0, None).await?.body;
        let mut bytes: Vec<u8> = Vec::new();
        while let Some(piece) = body.next().await {
            bytes.extend_from_slice(&piece?);
            if bytes.len() > MOST_SUMS_BYTES {
                let reason = format!("it is longer than {MOST_SUMS_BYTES} bytes");
                return Err(Failure::Final(Error::Corrupt { place: remote.place(), file: file.to_owned(), reason }));
            }
        }
        Ok(bytes)
    };
    Patience::with(settings, remote.place(), request).await
}

/// A folder on a web server.
struct Mirror {
    client: reqwest::Client,
    base: reqwest::Url,
}

impl Remote for Mirror {
    fn place(&self) -> String {
        // Without user and password, which may stand in the address.
        let path = self.base.path();
        format!("{}://{}{path}", self.base.scheme(), self.base.host_str().unwrap_or_default())
    }

    fn open<'a>(&'a self, file: &'a str, from: u64, _: Option<u64>) -> LocalBoxFuture<'a, Result<Opened, Failure>> {
        Box::pin(async move {
            let mut url = self.base.clone();
            if let Ok(mut path) = url.path_segments_mut() {
                path.pop_if_empty().extend(file.split('/'));
            }
            let mut request = self.client.get(url);
            if from > 0 {
                request = request.header(RANGE, format!("bytes={from}-"));
            }
            let answer = request.send().await.map_err(transport)?;
            let text = |name: &str| header(answer.headers(), name);
            let status = answer.status().as_u16();
            let pause = text(RETRY_AFTER.as_str()).and_then(|seconds| seconds.trim().parse().ok());
            let begins = match status {
                200 => 0,
                // `bytes 100-199/200`
                206 => text(CONTENT_RANGE.as_str())
                    .and_then(|range| range.trim_start_matches("bytes ").split('-').next()?.parse().ok())
                    .filter(|begins| *begins == from)
                    .ok_or(Failure::Range)?,
                _ => {
                    let pause = pause.map(std::time::Duration::from_secs);
                    return Err(refused(&self.place(), file, self.base.as_str(), status, "", pause));
                }
            };
            let remaining = text(CONTENT_LENGTH.as_str()).and_then(|bytes| bytes.parse().ok());
            let body = answer.bytes_stream().map_ok(Bytes::from).map_err(transport);
            Ok(Opened { from: Some(begins), remaining, body: body.boxed_local() })
        })
    }
}
