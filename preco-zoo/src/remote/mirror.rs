//! Plain mirrors: any server of files, an object store or a folder, with a model's published folder on it.
//!
//! Such a place knows no commits and no tags. `SHA256SUMS` says what there is, unless the registry does, and its own digest
//! is the commit. No token is ever sent.

use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;

use bytes::Bytes;
use futures_util::future::LocalBoxFuture;
use futures_util::{StreamExt, TryStreamExt};
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, RANGE};

use super::failure::{Failure, Patience, Refusal};
use super::hub::{client, header, retry_after, transport};
use super::{Opened, Remote, Wanted, transfer};
use crate::cache::Repository;
use crate::digest::{Digest, sha256};
use crate::error::{Error, Result};
use crate::fetch::MAIN;
use crate::name::Name;
use crate::part::Part;
use crate::progress::Progress;
use crate::registry::Entry;
use crate::settings::{Settings, shown};
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
    let (cache, commit, sums): (_, _, Vec<(String, Option<u64>, String)>) = match pinned {
        // As from the hub: the registry knows commit and digests.
        Some(entry) => {
            let sums = entry.files.iter().map(|file| (file.name.clone(), Some(file.bytes), file.sha256.clone()));
            let repository = entry.repository.as_deref().unwrap_or(&entry.name);
            (Repository::new(&settings.cache, repository), entry.revision.clone(), sums.collect())
        }
        None => {
            let text = read(&*remote, settings, SUMS_FILE, progress).await?;
            let path = format!("{}/{SUMS_FILE}", shown(address));
            let sums = sums::parse(&String::from_utf8_lossy(&text), path.as_ref())?;
            let mut files: Vec<_> = sums.into_iter().map(|(file, digest)| (file, None, digest)).collect();
            files.push((SUMS_FILE.to_owned(), Some(text.len() as u64), sha256(&text)));
            (Repository::of_address(&settings.cache, address), sha256(&text)[..40].to_owned(), files)
        }
    };
    let folder = cache.snapshot(&commit);
    let mut here: Vec<(&str, Digest)> = Vec::new();
    // As from the hub: names, then the shards of the index.
    for is_second in [false, true] {
        let shards = if is_second { part.other_shards(&folder) } else { Vec::new() };
        let is_asked = |file: &String| if is_second { shards.contains(file) } else { part.wants(file) };
        for (file, bytes, digits) in sums.iter().filter(|(file, ..)| is_asked(file)) {
            let digest = Digest::Sha256(digits.clone());
            let wanted = Wanted { file, bytes: *bytes, digest: Some(digest.clone()) };
            transfer::fetch(&*remote, &wanted, &cache, digits, settings, progress).await?;
            cache.link(&commit, file, digits)?;
            here.push((file, digest));
        }
    }
    if let Some(file) = part.missing_in(&folder) {
        let hint = ": without it this is no model of PReCo's".to_owned();
        return Err(Error::NotFound { place: remote.place(), what: file, hint });
    }
    if part == Part::All {
        cache.write_record(&commit, &here)?;
    }
    if pinned.is_none() {
        // What there is without a network.
        cache.write_ref_of(part, MAIN, &commit)?;
    }
    Ok(commit)
}

/// Read at once from a folder.
const PIECE_BYTES: usize = 1 << 20;

/// What serves `address`.
fn open(settings: &Settings, address: &str) -> Result<Box<dyn Remote>> {
    let wrong = |reason: String| Error::Name { name: shown(address), reason };
    if let Name::Folder(folder) = Name::parse(address)? {
        return Ok(Box::new(Shelf { folder }));
    }
    if !address.starts_with("http://") && !address.starts_with("https://") {
        #[cfg(feature = "object-store")]
        return super::object::Bucket::open(address).map(|bucket| Box::new(bucket) as Box<dyn Remote>);
        #[cfg(not(feature = "object-store"))]
        return Err(Error::Feature { what: format!("fetching {}", shown(address)), feature: "object-store" });
    }
    let client = client(settings).build().map_err(|error| wrong(format!("no connection can be made: {error}")))?;
    let base = reqwest::Url::parse(address).map_err(|error| wrong(error.to_string()))?;
    Ok(Box::new(Mirror { client, base }))
}

/// The bytes of a small file.
async fn read(remote: &dyn Remote, settings: &Settings, file: &str, progress: &dyn Progress) -> Result<Vec<u8>> {
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
    Patience::new(settings, progress, remote.place()).with(request).await
}

/// A folder on a web server.
struct Mirror {
    client: reqwest::Client,
    base: reqwest::Url,
}

impl Remote for Mirror {
    fn place(&self) -> String {
        shown(self.base.as_str())
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
            let begins = match status {
                200 => 0,
                // `bytes 100-199/200`
                206 => text(CONTENT_RANGE.as_str())
                    .and_then(|range| range.trim_start_matches("bytes ").split('-').next()?.parse().ok())
                    .filter(|begins| *begins == from)
                    .ok_or(Failure::Range)?,
                _ => {
                    let retry_after = retry_after(answer.headers());
                    let place = &self.place();
                    let (what, page, has_token, code) = (file, place.as_str(), None, "");
                    return Err(Refusal { place, what, page, has_token, status, code, retry_after }.failure());
                }
            };
            let remaining = text(CONTENT_LENGTH.as_str()).and_then(|bytes| bytes.parse().ok());
            let body = answer.bytes_stream().map_ok(Bytes::from).map_err(transport);
            Ok(Opened { from: Some(begins), remaining, body: body.boxed_local() })
        })
    }
}

/// A folder on this machine.
struct Shelf {
    folder: PathBuf,
}

impl Remote for Shelf {
    fn place(&self) -> String {
        self.folder.display().to_string()
    }

    fn open<'a>(&'a self, file: &'a str, from: u64, _: Option<u64>) -> LocalBoxFuture<'a, Result<Opened, Failure>> {
        Box::pin(async move {
            let path = self.folder.join(file);
            let failed = |error: std::io::Error| match error.kind() {
                std::io::ErrorKind::NotFound => {
                    let (place, what) = (self.place(), file.to_owned());
                    Failure::Final(Error::NotFound { place, what, hint: "; check the folder".to_owned() })
                }
                _ => {
                    let (place, file) = (self.place(), file.to_owned());
                    Failure::Final(Error::Corrupt { place, file, reason: error.to_string() })
                }
            };
            let mut content = std::fs::File::open(&path).map_err(failed)?;
            let bytes = content.metadata().map_err(failed)?.len();
            content.seek(SeekFrom::Start(from)).map_err(failed)?;
            let pieces = std::iter::from_fn(move || {
                let mut piece = vec![0; PIECE_BYTES];
                match content.read(&mut piece) {
                    Ok(0) => None,
                    Ok(read) => {
                        piece.truncate(read);
                        Some(Ok(Bytes::from(piece)))
                    }
                    Err(error) => Some(Err(Failure::Transient(error.to_string()))),
                }
            });
            let body = futures_util::stream::iter(pieces).boxed_local();
            Ok(Opened { from: Some(from), remaining: bytes.checked_sub(from), body })
        })
    }
}
