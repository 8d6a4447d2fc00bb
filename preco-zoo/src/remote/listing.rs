//! The hub's list of a commit's files, with the digests that all else is compared with.
//!
//! Asked for without hf-hub, which would send the token wherever the next page is said to be, and which does not read the
//! digests of large files.

use reqwest::header::{HeaderMap, LINK};
use serde::Deserialize;

use super::failure::Failure;
use super::hub::{Hub, transport};
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::name::is_relative;

/// Files and folders of a repository at most; a model has about ten files.
const MOST_ENTRIES: usize = 10_000;
/// Pages at most, empty ones among them.
const MOST_PAGES: usize = 200;
/// A page at most.
const MOST_BYTES: usize = 16 << 20;

/// A file of a commit.
pub(super) struct Listed {
    /// Its name in the repository.
    pub path: String,
    /// Its length.
    pub bytes: u64,
    /// Its digest: SHA-256 of a large file, git's of one that lies in git.
    pub digest: Option<Digest>,
}

/// An entry of the list.
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

impl Hub<'_> {
    /// The files of `commit`.
    pub(super) async fn files(&self, commit: &str) -> Result<Vec<Listed>> {
        let what = format!("the files of {}", self.name);
        let failed =
            |reason: &str| Error::Corrupt { place: self.place(), file: what.clone(), reason: reason.to_owned() };
        let base = format!("{}/api/models/{}/tree/{commit}?recursive=true", self.settings.endpoint, self.name);
        let mut url = reqwest::Url::parse(&base).map_err(|_| failed("its address is none"))?;
        let mut entries = Vec::new();
        for _ in 0..MOST_PAGES {
            let request = async || self.page_of_files(&url, &what).await;
            let (page, next) = self.patience().with(request).await?;
            entries.extend(page);
            if entries.len() > MOST_ENTRIES {
                return Err(failed("its list of files does not end"));
            }
            match next {
                None => {
                    return entries
                        .into_iter()
                        .filter(|entry| entry.kind == "file")
                        .map(|entry| self.listed(entry))
                        .collect();
                }
                Some(next) if next.origin() == url.origin() => url = next,
                Some(_) => return Err(failed("its list of files goes on at another host")),
            }
        }
        Err(failed("its list of files does not end"))
    }

    /// A page of the list, and where the next is.
    async fn page_of_files(
        &self,
        url: &reqwest::Url,
        what: &str,
    ) -> Result<(Vec<TreeEntry>, Option<reqwest::Url>), Failure> {
        let mut answer = self.answer(reqwest::Method::GET, url.clone(), what, |_| false).await?;
        let next = match next_page(answer.headers()) {
            None => None,
            Some(next) => {
                let joined = next.and_then(|next| answer.url().join(&next).ok());
                Some(joined.ok_or_else(|| self.corrupt(what, "it does not say where its list of files goes on"))?)
            }
        };
        let mut text: Vec<u8> = Vec::new();
        while let Some(piece) = answer.chunk().await.map_err(transport)? {
            text.extend_from_slice(&piece);
            if text.len() > MOST_BYTES {
                return Err(self.corrupt(what, "its list of files does not end"));
            }
        }
        let entries = serde_json::from_slice(&text)
            .map_err(|error| self.corrupt(what, &format!("its list of files is none: {error}")))?;
        Ok((entries, next))
    }

    fn listed(&self, entry: TreeEntry) -> Result<Listed> {
        if !is_relative(&entry.path) {
            let reason = "the name leads out of the repository's folder, or is none on some system".to_owned();
            return Err(Error::Corrupt { place: self.place(), file: format!("{:?}", entry.path), reason });
        }
        let digest = Digest::of_etag(entry.lfs.as_ref().map_or(&entry.oid, |large| &large.oid));
        Ok(Listed { path: entry.path, bytes: entry.size, digest })
    }
}

/// Where a list goes on, `Link: <address>; rel="next"`: `None` where it ends here, `Some(None)` where it goes on and does not
/// say where.
fn next_page(headers: &HeaderMap) -> Option<Option<String>> {
    for value in headers.get_all(LINK) {
        let Ok(mut rest) = value.to_str() else { return Some(None) };
        // Addresses may hold commas and semicolons, so they are taken out first.
        while let Some((_, link)) = rest.split_once('<') {
            let Some((address, after)) = link.split_once('>') else { return Some(None) };
            let (parameters, next) = after.split_at(after.find('<').unwrap_or(after.len()));
            let words = parameters.to_ascii_lowercase();
            let rel = words.split(';').filter_map(|word| word.trim().strip_prefix("rel=").map(str::to_owned)).next();
            let is_next = rel.is_some_and(|rel| rel.split(['"', ' ', ',', '\'']).any(|word| word == "next"));
            if is_next {
                return Some(Some(address.to_owned()));
            }
            rest = next;
        }
        if value.to_str().is_ok_and(|text| text.to_ascii_lowercase().contains("next") && !text.contains('<')) {
            return Some(None);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(links: &[&'static str]) -> Option<Option<String>> {
        let values = links.iter().map(|link| (LINK, reqwest::header::HeaderValue::from_static(link)));
        next_page(&values.collect())
    }

    #[test]
    fn the_next_page_is_found_however_it_is_written() {
        let here = |address: &str| Some(Some(address.to_owned()));
        assert_eq!(next(&[]), None);
        assert_eq!(next(&["<a>; rel=\"prev\", <b?x=1,2;3>; rel=\"next\""]), here("b?x=1,2;3"));
        assert_eq!(next(&["<b>; rel=next"]), here("b"));
        assert_eq!(next(&["<b>; REL=\"Next\"; title=\"x\""]), here("b"));
        assert_eq!(next(&["<b>; title=x; rel=\"last next\""]), here("b"));
        assert_eq!(next(&["<a>; rel=\"nextish\""]), None);
        assert_eq!(next(&["<b; rel=\"next\""]), Some(None));
        assert_eq!(next(&["rel=\"next\""]), Some(None));
    }
}
